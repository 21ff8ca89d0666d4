/* SPDX-License-Identifier: MIT */
/*
 * The store: everything goes through its open directory, and only names of ours are touched.
 *
 * Names: `<id>` a set; `.<id>.new` one being written; `.<id>.gone` one being removed;
 * `.scratch-<random>` a proof's. Other dot names (a file system's snapshots) are not ours.
 */
#include "store/store.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/safe_path.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define STATE_DIRECTORY ".state"
#define LOCK_FILE "lock"

enum { STORE_MODE = 0750, STATE_MODE = 0750, PUBLIC_FILE_MODE = 0644, ID_LENGTH = 16 };

tbk_error_code tbk_store_code(int errno_value)
{
    return errno_value == ENOSPC || errno_value == EDQUOT ? TBK_E_SPACE : TBK_E_IO;
}

const char *tbk_store_fix(int errno_value)
{
    if (errno_value == EACCES || errno_value == EPERM)
        return "give the store and all in it to the user of this run (chown -R)";
    if (errno_value == ENOSPC || errno_value == EDQUOT)
        return "free some space on the store's file system";
    return NULL;
}

bool tbk_store_fail(tbk_error *err, const tbk_store *store, const char *what)
{
    int cause = errno;
    return tbk_fail_errno(err, tbk_store_code(cause), cause, tbk_store_fix(cause),
                          "cannot %s in '%s'", what, store->path);
}

/* --- names --- */

bool tbk_store_is_id(const char *name)
{
    int64_t time_s;
    return tbk_clock_parse_compact(name, &time_s);
}

static bool is_leftover(const char *name)
{
    if (tbk_text_starts_with(name, TBK_STORE_SCRATCH))
        return true;
    if (name[0] != '.' || strlen(name) <= ID_LENGTH + 1)
        return false;
    char id[ID_LENGTH + 1];
    memcpy(id, name + 1, ID_LENGTH);
    id[ID_LENGTH] = '\0';
    const char *suffix = name + 1 + ID_LENGTH;
    return tbk_store_is_id(id) &&
           (strcmp(suffix, TBK_STORE_NEW) == 0 || strcmp(suffix, TBK_STORE_GONE) == 0);
}

void tbk_store_hidden_name(const char *id, const char *suffix, char out[TBK_STORE_NAME_SIZE])
{
    (void)snprintf(out, TBK_STORE_NAME_SIZE, ".%.*s%s", ID_LENGTH, id, suffix);
}

const char *tbk_store_path_in(const tbk_store *store, tbk_arena *arena, const char *name)
{
    return tbk_arena_format(arena, "%s/%s", strcmp(store->path, "/") == 0 ? "" : store->path, name);
}

/* --- folders --- */

DIR *tbk_listing_open(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL && fd >= 0)
        (void)close(fd);
    return listing;
}

const struct dirent *tbk_listing_next(DIR *listing, bool *out_good)
{
    const struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(listing);
    } while (entry != NULL &&
             (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    *out_good = entry != NULL || errno == 0;
    return entry;
}

/* --- opening --- */

/* Only under the lock: no other process can be using them. */
static bool remove_leftovers(tbk_store *store, tbk_error *err)
{
    tbk_auto(DIR) *listing = tbk_listing_open(store->fd, ".");
    if (listing == NULL)
        return tbk_store_fail(err, store, "look for what earlier runs left");
    bool good;
    for (const struct dirent *entry; (entry = tbk_listing_next(listing, &good)) != NULL;)
        if (is_leftover(entry->d_name) && !tbk_directory_remove_at(store->fd, entry->d_name, err))
            return tbk_error_context(err, "removing what a killed run left in '%s'", store->path);
    return good || tbk_store_fail(err, store, "look for what earlier runs left");
}

static bool fail_locked(const tbk_store *store, tbk_error *err)
{
    char holder[128];
    ssize_t length = pread(store->lock_fd, holder, sizeof holder - 1, 0);
    holder[length > 0 ? length : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    return tbk_fail(err, TBK_E_LOCKED, "wait until it has ended, then repeat the command",
                    "another run is using the store '%s'%s%s", store->path,
                    holder[0] != '\0' ? ": " : "", holder);
}

static bool fail_unlockable(const tbk_store *store, tbk_error *err)
{
    return tbk_fail_errno(err, TBK_E_IO, errno,
                          "put the store on a file system that has locks (a local disk; NFS with "
                          "its lock service)",
                          "the store '%s' cannot be locked, and two runs at once would spoil it",
                          store->path);
}

/* Who holds the lock, for the message above only; the lock itself is the kernel's. */
static bool sign_lock(const tbk_store *store, tbk_error *err)
{
    char since[TBK_CLOCK_TEXT_SIZE];
    char text[128];
    tbk_clock_format(tbk_clock_now_s(), since);
    int length = snprintf(text, sizeof text, "process %ld since %s\n", (long)getpid(), since);
    if (ftruncate(store->lock_fd, 0) != 0 ||
        pwrite(store->lock_fd, text, (size_t)length, 0) != length)
        return tbk_store_fail(err, store, "write the lock file " STATE_DIRECTORY "/" LOCK_FILE);
    return true;
}

static bool take_lock(tbk_store *store, tbk_error *err)
{
    if (mkdirat(store->fd, STATE_DIRECTORY, STATE_MODE) != 0 && errno != EEXIST)
        return tbk_store_fail(err, store, "make " STATE_DIRECTORY);
    store->state_fd =
        openat(store->fd, STATE_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (store->state_fd < 0)
        return tbk_store_fail(err, store, "open " STATE_DIRECTORY);
    store->lock_fd = openat(store->state_fd, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                            TBK_STORE_FILE_MODE);
    if (store->lock_fd < 0)
        return tbk_store_fail(err, store, "open the lock file " STATE_DIRECTORY "/" LOCK_FILE);
    int result;
    do
        result = flock(store->lock_fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result != 0) {
        bool taken = errno == EWOULDBLOCK;
        (void)(taken ? fail_locked(store, err) : fail_unlockable(store, err));
        (void)close(store->lock_fd);
        store->lock_fd = -1; /* so that closing does not tidy up under another run's lock */
        return false;
    }
    return sign_lock(store, err);
}

static bool open_directory(tbk_store *store, const char *path, tbk_error *err)
{
    tbk_auto_fd int place = tbk_safe_path_open(path, err);
    if (place < 0 && err->code == TBK_E_CONFIG)
        return false;
    if (place >= 0) {
        store->path = realpath(path, NULL);
        store->fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (store->fd >= 0 && store->path != NULL)
        return true;
    int cause = place >= 0 || err->code != TBK_E_NOT_FOUND ? errno : ENOENT;
    if (cause == ENOENT || cause == ENOTDIR)
        return tbk_fail_errno(err, TBK_E_NOT_FOUND, cause,
                              "check the path; the first backup makes the store",
                              "there is no store at '%s'", path);
    return tbk_fail_errno(err, TBK_E_IO, cause, tbk_store_fix(cause), "cannot open the store '%s'",
                          path);
}

bool tbk_store_open(const char *path, tbk_store_access access, tbk_store **out, tbk_error *err)
{
    tbk_auto(tbk_store) *store = tbk_memory_new(sizeof *store);
    store->fd = store->state_fd = store->lock_fd = -1;
    if (access == TBK_STORE_CREATE && !tbk_directory_make(path, STORE_MODE, err))
        return tbk_error_context(err, "making the store");
    if (!open_directory(store, path, err))
        return false;
    if (access != TBK_STORE_READ && (!take_lock(store, err) || !remove_leftovers(store, err)))
        return false;
    *out = store;
    store = NULL;
    return true;
}

void tbk_store_close(tbk_store *store)
{
    if (store == NULL)
        return;
    tbk_error ignored; /* the next run tries again */
    if (store->lock_fd >= 0)
        (void)!remove_leftovers(store, &ignored);
    for (int *fd[] = {&store->lock_fd, &store->state_fd, &store->fd}, **at = fd; at < fd + 3; at++)
        tbk_auto_end_fd(*at);
    free(store->path);
    free(store);
}

bool tbk_store_need_lock(const tbk_store *store, tbk_error *err)
{
    if (store->lock_fd >= 0)
        return true;
    return tbk_fail(err, TBK_E_FAILED, NULL, "the store '%s' was opened for reading only",
                    store->path);
}

const char *tbk_store_path(const tbk_store *store) { return store->path; }

bool tbk_store_free_bytes(const tbk_store *store, uint64_t *out, tbk_error *err)
{
    struct statvfs status;
    if (fstatvfs(store->fd, &status) != 0)
        return tbk_store_fail(err, store, "learn the free space");
    *out = (uint64_t)status.f_bavail * status.f_frsize;
    return true;
}

/* --- state --- */

bool tbk_store_read_state(const tbk_store *store, tbk_arena *arena, const char *name,
                          char **out_bytes, size_t *out_length, tbk_error *err)
{
    struct stat status;
    const char *path = tbk_arena_format(arena, STATE_DIRECTORY "/%s", name);
    *out_bytes = NULL;
    if (fstatat(store->fd, path, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || tbk_store_fail(err, store, "look into " STATE_DIRECTORY);
    return tbk_file_read_at(arena, store->fd, path, TBK_STORE_JSON_BYTES_MAX, out_bytes, out_length,
                            err) ||
           tbk_error_context(err, "in '%s'", store->path);
}

static bool write_state(const tbk_store *store, const char *name, const char *text, size_t length,
                        mode_t mode, tbk_error *err)
{
    if (!tbk_store_need_lock(store, err))
        return false;
    if (!tbk_file_publish_at(store->state_fd, name, text, length, mode, err))
        return tbk_error_context(err, "in '%s/" STATE_DIRECTORY "'", store->path);
    return true;
}

bool tbk_store_write_state(const tbk_store *store, const char *name, const char *text,
                           size_t length, tbk_error *err)
{
    return write_state(store, name, text, length, TBK_STORE_FILE_MODE, err);
}

/* Only a folder that has the mode that we give is opened further: another one is the operator's
 * wish. That it is not ours to change is no failure: then it is as it was. */
static void let_pass(int directory, mode_t ours)
{
    struct stat status;
    if (fstat(directory, &status) == 0 && (status.st_mode & 07777) == ours)
        (void)!fchmod(directory, ours | S_IXOTH);
}

bool tbk_store_write_public_state(const tbk_store *store, const char *name, const char *text,
                                  size_t length, tbk_error *err)
{
    if (!write_state(store, name, text, length, PUBLIC_FILE_MODE, err))
        return false;
    let_pass(store->state_fd, STATE_MODE);
    let_pass(store->fd, STORE_MODE);
    return true;
}
