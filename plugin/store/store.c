/* SPDX-License-Identifier: MIT */
/*
 * The store: everything goes through its open directory, and only names of ours are touched.
 *
 * Names: `<id>` a set; `.<id>.new` one being written; `.<id>.gone` one being removed;
 * `.scratch-<random>` a proof's. Other dot names (a file system's snapshots) are not ours.
 */
#include "store/store.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "store/safe_path.h"

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
#define SCRATCH_PREFIX ".scratch-"
#define NEW_SUFFIX ".new"
#define GONE_SUFFIX ".gone"

enum {
    STORE_MODE = 0750,
    STATE_MODE = 0750,
    SET_MODE = 0750,
    FILE_MODE = 0640,
    PUBLIC_FILE_MODE = 0644,
    ID_LENGTH = 16,
    JSON_LIMIT_BYTES = 4 << 20,
    NAME_TRIES = 3600 /* seconds that a name may be ahead of the clock */
};

struct tbk_store {
    char *path; /* absolute, without links */
    int fd;
    int state_fd; /* -1 when not locked */
    int lock_fd;  /* -1 when not locked */
};

static tbk_error_code code_of_errno(int errno_value)
{
    return errno_value == ENOSPC || errno_value == EDQUOT ? TBK_E_SPACE : TBK_E_IO;
}

static const char *fix_of_errno(int errno_value)
{
    if (errno_value == EACCES || errno_value == EPERM)
        return "give the store and all in it to the user of this run (chown -R)";
    if (errno_value == ENOSPC || errno_value == EDQUOT)
        return "free some space on the store's file system";
    return NULL;
}

static bool fail_at(tbk_error *err, const tbk_store *store, const char *what)
{
    int cause = errno;
    return tbk_fail_errno(err, code_of_errno(cause), cause, fix_of_errno(cause),
                          "cannot %s in '%s'", what, store->path);
}

/* --- names --- */

static bool is_id(const char *name)
{
    int64_t time_s;
    return tbk_clock_parse_compact(name, &time_s);
}

static bool is_leftover(const char *name)
{
    if (tbk_text_starts_with(name, SCRATCH_PREFIX))
        return true;
    if (name[0] != '.' || strlen(name) <= ID_LENGTH + 1)
        return false;
    char id[ID_LENGTH + 1];
    memcpy(id, name + 1, ID_LENGTH);
    id[ID_LENGTH] = '\0';
    const char *suffix = name + 1 + ID_LENGTH;
    return is_id(id) && (strcmp(suffix, NEW_SUFFIX) == 0 || strcmp(suffix, GONE_SUFFIX) == 0);
}

enum { HIDDEN_NAME_SIZE = 32 };

static void hidden_name(const char *id, const char *suffix, char out[HIDDEN_NAME_SIZE])
{
    (void)snprintf(out, HIDDEN_NAME_SIZE, ".%.*s%s", ID_LENGTH, id, suffix);
}

static const char *path_in(const tbk_store *store, tbk_arena *arena, const char *name)
{
    return tbk_arena_format(arena, "%s/%s", strcmp(store->path, "/") == 0 ? "" : store->path, name);
}

/* --- opening --- */

static DIR *open_listing(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL && fd >= 0)
        (void)close(fd);
    return listing;
}

/* The next entry but . and ..; NULL at the end with *out_good, or on failure without. */
static const struct dirent *next_entry(DIR *listing, bool *out_good)
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

/* Only under the lock: nobody else can be using them. */
static bool remove_leftovers(tbk_store *store, tbk_error *err)
{
    tbk_auto(DIR) *listing = open_listing(store->fd, ".");
    if (listing == NULL)
        return fail_at(err, store, "look for what earlier runs left");
    bool good;
    for (const struct dirent *entry; (entry = next_entry(listing, &good)) != NULL;)
        if (is_leftover(entry->d_name) && !tbk_directory_remove_at(store->fd, entry->d_name, err))
            return tbk_error_context(err, "removing what a killed run left in '%s'", store->path);
    return good || fail_at(err, store, "look for what earlier runs left");
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
        return fail_at(err, store, "write the lock file " STATE_DIRECTORY "/" LOCK_FILE);
    return true;
}

static bool take_lock(tbk_store *store, tbk_error *err)
{
    if (mkdirat(store->fd, STATE_DIRECTORY, STATE_MODE) != 0 && errno != EEXIST)
        return fail_at(err, store, "make " STATE_DIRECTORY);
    store->state_fd =
        openat(store->fd, STATE_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (store->state_fd < 0)
        return fail_at(err, store, "open " STATE_DIRECTORY);
    store->lock_fd =
        openat(store->state_fd, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (store->lock_fd < 0)
        return fail_at(err, store, "open the lock file " STATE_DIRECTORY "/" LOCK_FILE);
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
    return tbk_fail_errno(err, TBK_E_IO, cause, fix_of_errno(cause), "cannot open the store '%s'",
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

const char *tbk_store_path(const tbk_store *store) { return store->path; }

bool tbk_store_free_bytes(const tbk_store *store, uint64_t *out, tbk_error *err)
{
    struct statvfs status;
    if (fstatvfs(store->fd, &status) != 0)
        return fail_at(err, store, "learn the free space");
    *out = (uint64_t)status.f_bavail * status.f_frsize;
    return true;
}

/* --- what the file system can do --- */

#define PROBE_FILE "probe"
#define PROBE_RENAMED "renamed"
#define PROBE_FOLDER "folder"
#define SHARE_FIX                                                                                  \
    "put the store on a file system that can do this (a local disk, or another kind of share)"

static bool fail_probe(const tbk_store *store, const char *what, tbk_error *err)
{
    int cause = errno;
    const char *fix = fix_of_errno(cause);
    return tbk_fail_errno(err, code_of_errno(cause), cause, fix != NULL ? fix : SHARE_FIX,
                          "the store '%s' cannot keep a backup: trying to %s failed", store->path,
                          what);
}

static bool probe_file(const tbk_store *store, int folder, const tbk_report *report, tbk_error *err)
{
    tbk_auto_fd int fd = openat(folder, PROBE_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1)
        return fail_probe(store, "write a file", err);
    /* SQLite locks what it recovers and proves there. */
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    if (fcntl(fd, F_SETLK, &lock) != 0)
        return fail_probe(store, "lock a file", err);
    if (fsync(fd) != 0)
        return fail_probe(store, "sync a file", err);
    if (renameat(folder, PROBE_FILE, folder, PROBE_RENAMED) != 0)
        return fail_probe(store, "rename a file", err);
    if (fchmod(fd, FILE_MODE) == 0)
        return true;
    if (!tbk_file_cannot_set_mode(errno))
        return fail_probe(store, "set a file's mode", err);
    tbk_report_log(report, TBK_LOG_WARNING, "begin",
                   "the file system of the store has no modes of its own: who may read the sets, "
                   "with the tracker's passwords in them, is up to how it is mounted");
    return true;
}

static bool probe_folder(const tbk_store *store, int folder, const tbk_report *report,
                         tbk_error *err)
{
    if (mkdirat(folder, PROBE_FOLDER, 0700) != 0 ||
        renameat(folder, PROBE_FOLDER, folder, PROBE_FOLDER PROBE_RENAMED) != 0)
        return fail_probe(store, "rename a folder", err);
    if (fsync(folder) == 0)
        return true;
    if (!tbk_file_cannot_sync_directory(errno))
        return fail_probe(store, "sync a folder", err);
    tbk_report_log(report, TBK_LOG_WARNING, "begin",
                   "the file system of the store cannot sync folders: after a power cut or a lost "
                   "connection the newest set may be missing; those before it are not touched");
    return true;
}

bool tbk_store_probe(tbk_store *store, const tbk_report *report, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *path;
    tbk_error ignored; /* what stays is removed by the next run */
    if (!tbk_store_scratch(store, arena, &path, err))
        return false;
    tbk_auto_fd int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = folder >= 0 ? probe_file(store, folder, report, err) &&
                                probe_folder(store, folder, report, err)
                          : fail_probe(store, "open a folder", err);
    (void)!tbk_directory_remove_at(store->fd, strrchr(path, '/') + 1, &ignored);
    return ok;
}

/* --- listing --- */

static bool fail_unseen(const char *name, tbk_error *err)
{
    bool is_gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    return tbk_fail_errno(err, is_gone ? TBK_E_CORRUPT : TBK_E_IO, errno, NULL, "cannot read '%s'",
                          name);
}

static bool read_document(int set_fd, tbk_arena *arena, const char *name, const tbk_value **out,
                          tbk_error *err)
{
    tbk_auto_fd int fd = -1; /* never through a link, out of the store */
    char *bytes;
    size_t length;
    if (!tbk_file_open_at(set_fd, name, &fd, err)) {
        if (err->code != TBK_E_IO) /* it is missing, or no file */
            err->code = TBK_E_CORRUPT;
        return false;
    }
    return tbk_file_read_open(arena, fd, name, JSON_LIMIT_BYTES, &bytes, &length, err) &&
           tbk_json_parse(arena, bytes, length, name, out, err);
}

static bool read_manifest(int set_fd, tbk_arena *arena, const char *id, tbk_manifest *out,
                          tbk_error *err)
{
    const tbk_value *document;
    if (!read_document(set_fd, arena, TBK_SET_MANIFEST_FILE, &document, err) ||
        !tbk_manifest_read(arena, document, out, err))
        return false;
    if (out->id == NULL || strcmp(out->id, id) != 0)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "the manifest is that of '%s'",
                        out->id != NULL ? out->id : "");
    return true;
}

/* Only that a thing is not there, or not what it should be, is damage. */
static void note_damage(tbk_stored_set *set, tbk_arena *arena, const tbk_error *err)
{
    set->damage = tbk_arena_copy(arena, err->message);
    set->is_unread = err->code == TBK_E_IO;
}

/* That a file is there and has its size is quickly seen; what is in it is for a proof. */
static bool check_size(int set_fd, const tbk_set_file *file, tbk_error *err)
{
    struct stat status;
    if (fstatat(set_fd, file->name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_unseen(file->name, err);
    if (!S_ISREG(status.st_mode))
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "'%s' is not a regular file", file->name);
    return (uint64_t)status.st_size == file->stored_bytes ||
           tbk_fail(err, TBK_E_CORRUPT, NULL,
                    "'%s' has %" PRIu64 " bytes, the manifest says %" PRIu64, file->name,
                    (uint64_t)status.st_size, file->stored_bytes);
}

static bool check_sizes(int set_fd, const tbk_manifest *manifest, tbk_error *err)
{
    const char *database = tbk_manifest_database_file(manifest->driver);
    if (tbk_manifest_file(manifest, database) == NULL)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "the manifest names no %s", database);
    for (size_t i = 0; i < manifest->file_count; i++)
        if (!check_size(set_fd, &manifest->files[i], err))
            return false;
    return true;
}

/* What a proof that was killed leaves beside its file is ours too. */
static bool is_of_set(const tbk_manifest *manifest, const char *name)
{
    static const char *const names[] = {TBK_SET_MANIFEST_FILE, TBK_SET_PROOF_FILE,
                                        TBK_SET_PROOF_FILE "~", TBK_SET_SUMS_FILE};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return tbk_manifest_file(manifest, name) != NULL;
}

/* A folder that cannot be listed may hold anything. */
static const char *find_stranger(int set_fd, tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_auto(DIR) *listing = open_listing(set_fd, ".");
    bool good = listing != NULL;
    for (const struct dirent *entry; good && (entry = next_entry(listing, &good)) != NULL;)
        if (!is_of_set(manifest, entry->d_name))
            return tbk_arena_copy(arena, entry->d_name);
    return good ? NULL : "?";
}

static tbk_stored_set *read_set(const tbk_store *store, tbk_arena *arena, const char *name)
{
    tbk_stored_set *set = TBK_ARENA_NEW(arena, tbk_stored_set);
    set->id = tbk_arena_copy(arena, name);
    set->path = path_in(store, arena, name);
    (void)tbk_clock_parse_compact(name, &set->time_s);

    tbk_error err;
    tbk_manifest *manifest = TBK_ARENA_NEW(arena, tbk_manifest);
    tbk_auto_fd int fd = openat(store->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        (void)fail_unseen(name, &err);
    else if (read_manifest(fd, arena, set->id, manifest, &err))
        set->manifest = manifest;
    if (set->manifest == NULL || !check_sizes(fd, manifest, &err))
        note_damage(set, arena, &err);
    if (set->manifest != NULL)
        set->stranger = find_stranger(fd, arena, manifest);

    /* A proof that is missing or cannot be read proves nothing, and is no damage. */
    const tbk_value *document;
    if (fd >= 0 && (!read_document(fd, arena, TBK_SET_PROOF_FILE, &document, &err) ||
                    !tbk_proof_read(arena, document, &set->proof, &err)))
        set->proof = (tbk_proof){.level = TBK_PROOF_NONE};
    return set;
}

static void insert_newest_first(tbk_stored_set **list, tbk_stored_set *set)
{
    while (*list != NULL && strcmp((*list)->id, set->id) > 0)
        list = &(*list)->next;
    set->next = *list;
    *list = set;
}

bool tbk_store_list(const tbk_store *store, tbk_arena *arena, tbk_stored_set **out, tbk_error *err)
{
    tbk_auto(DIR) *listing = open_listing(store->fd, ".");
    if (listing == NULL)
        return fail_at(err, store, "list the sets");
    tbk_stored_set *list = NULL;
    bool good;
    for (const struct dirent *entry; (entry = next_entry(listing, &good)) != NULL;)
        if (is_id(entry->d_name))
            insert_newest_first(&list, read_set(store, arena, entry->d_name));
    if (!good)
        return fail_at(err, store, "list the sets");
    *out = list;
    return true;
}

bool tbk_stored_set_is_usable(const tbk_stored_set *set, int64_t now_s)
{
    return set->damage == NULL && !tbk_retention_is_future(set->time_s, now_s);
}

bool tbk_stored_set_is_of(const tbk_stored_set *set, const tbk_set_kind *kind)
{
    return tbk_stored_set_is_usable(set, kind->now_s) && set->manifest->profile == kind->profile &&
           (kind->origin == NULL || tbk_origin_owns(kind->origin, set->manifest));
}

const tbk_stored_set *tbk_stored_set_first_of(const tbk_stored_set *set, const tbk_set_kind *kind)
{
    while (set != NULL && !tbk_stored_set_is_of(set, kind))
        set = set->next;
    return set;
}

bool tbk_stored_set_is_ours(const tbk_stored_set *set)
{
    return set->manifest != NULL && set->stranger == NULL;
}

static bool may_be_latest(const tbk_stored_set *set, const tbk_set_choice *choice)
{
    if (!tbk_stored_set_is_usable(set, choice->now_s))
        return false;
    const tbk_origin made_by = tbk_origin_of(set->manifest);
    return choice->origin == NULL || !tbk_origin_differs(choice->origin, &made_by);
}

/* Without knowing whose, the newest of several databases would be a guess. */
static bool check_only(const tbk_store *store, tbk_arena *arena, const tbk_stored_set *latest,
                       const tbk_set_choice *choice, tbk_error *err)
{
    const tbk_origin its = tbk_origin_of(latest->manifest);
    for (const tbk_stored_set *set = latest->next; set != NULL; set = set->next) {
        if (!may_be_latest(set, choice))
            continue;
        const tbk_origin other = tbk_origin_of(set->manifest);
        if (tbk_origin_differs(&its, &other))
            return tbk_fail(err, TBK_E_USAGE, "name the set with --set ID ('list' shows them)",
                            "the store '%s' holds sets of several databases: %s, and %s",
                            store->path, tbk_origin_words(arena, &its),
                            tbk_origin_words(arena, &other));
    }
    return true;
}

static bool find_latest(const tbk_store *store, tbk_arena *arena, const tbk_set_choice *choice,
                        tbk_stored_set *list, tbk_stored_set **out, tbk_error *err)
{
    tbk_stored_set *set = list;
    while (set != NULL && !may_be_latest(set, choice))
        set = set->next;
    if (list == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND, "make a backup first", "the store '%s' holds no set",
                        store->path);
    if (set == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND,
                        "see 'list'; make a backup, or name a set with --set ID",
                        "no set in '%s' can be the latest%s%s: those that there are are damaged, "
                        "from the future, or of another database",
                        store->path, choice->origin != NULL ? " of " : "",
                        choice->origin != NULL ? tbk_origin_words(arena, choice->origin) : "");
    *out = set;
    return check_only(store, arena, set, choice, err);
}

static bool find_named(const tbk_store *store, const char *id, tbk_stored_set *set,
                       tbk_stored_set **out, tbk_error *err)
{
    while (set != NULL && strcmp(set->id, id) != 0)
        set = set->next;
    if (set == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND, "'list' shows the sets that there are",
                        "there is no set '%s' in '%s'", id, store->path);
    if (set->is_unread)
        return tbk_fail(err, TBK_E_IO, "see to the store's disk and rights, then try again",
                        "the set '%s' could not be looked at: %s", set->path, set->damage);
    if (set->damage != NULL)
        return tbk_fail(err, TBK_E_CORRUPT, "choose another set, or make a new backup",
                        "the set '%s' is damaged: %s", set->path, set->damage);
    *out = set;
    return true;
}

bool tbk_store_find(const tbk_store *store, tbk_arena *arena, const tbk_set_choice *choice,
                    tbk_stored_set **out, tbk_error *err)
{
    tbk_stored_set *list;
    if (!tbk_store_list(store, arena, &list, err))
        return false;
    if (choice->id == NULL || strcmp(choice->id, "latest") == 0)
        return find_latest(store, arena, choice, list, out, err);
    return find_named(store, choice->id, list, out, err);
}

/* --- changing --- */

static bool need_lock(const tbk_store *store, tbk_error *err)
{
    if (store->lock_fd >= 0)
        return true;
    return tbk_fail(err, TBK_E_FAILED, NULL, "the store '%s' was opened for reading only",
                    store->path);
}

static bool exists(const tbk_store *store, const char *name)
{
    struct stat status;
    return fstatat(store->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool tbk_store_begin(tbk_store *store, tbk_arena *arena, int64_t now_s, const char **out_id,
                     const char **out_path, tbk_error *err)
{
    if (!need_lock(store, err))
        return false;
    char id[TBK_CLOCK_TEXT_SIZE];
    int64_t time_s = now_s;
    do
        tbk_clock_format_compact(time_s, id);
    while (exists(store, id) && ++time_s < now_s + NAME_TRIES);
    if (!is_id(id))
        return tbk_fail(err, TBK_E_FAILED, "set the machine's clock",
                        "the clock says %" PRId64 ", which no set can be named by", now_s);
    char name[HIDDEN_NAME_SIZE];
    hidden_name(id, NEW_SUFFIX, name);
    /* 0700 whatever the umask lets through: others see nothing of a set before it is whole. */
    if (mkdirat(store->fd, name, 0700) != 0)
        return fail_at(err, store, "make the new set");
    *out_id = tbk_arena_copy(arena, id);
    *out_path = path_in(store, arena, name);
    return true;
}

static bool sync_file(int set_fd, const char *name, tbk_error *err)
{
    tbk_auto_fd int fd = openat(set_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot open '%s'", name);
    if (!S_ISREG(status.st_mode))
        return tbk_fail(err, TBK_E_FAILED, NULL, "'%s' is not a regular file", name);
    if (!tbk_file_set_mode(fd, FILE_MODE) || fsync(fd) != 0)
        return tbk_fail_errno(err, code_of_errno(errno), errno, fix_of_errno(errno),
                              "cannot sync '%s'", name);
    return true;
}

static bool sync_set(DIR *listing, tbk_error *err)
{
    int fd = dirfd(listing);
    bool good;
    for (const struct dirent *entry; (entry = next_entry(listing, &good)) != NULL;)
        if (!sync_file(fd, entry->d_name, err))
            return false;
    if (!good || !tbk_file_set_mode(fd, SET_MODE) || !tbk_directory_sync(fd))
        return tbk_fail_errno(err, code_of_errno(errno), errno, fix_of_errno(errno),
                              "cannot sync its directory");
    return true;
}

bool tbk_store_publish(tbk_store *store, const char *id, tbk_error *err)
{
    if (!need_lock(store, err))
        return false;
    char name[HIDDEN_NAME_SIZE];
    hidden_name(id, NEW_SUFFIX, name);
    tbk_auto(DIR) *listing = open_listing(store->fd, name);
    if (listing == NULL)
        return fail_at(err, store, "open the new set");
    if (!sync_set(listing, err))
        return tbk_error_context(err, "publishing the set '%s' in '%s'", id, store->path);
    if (renameat(store->fd, name, store->fd, id) != 0 || !tbk_directory_sync(store->fd))
        return fail_at(err, store, "publish the new set");
    return true;
}

void tbk_store_abandon(tbk_store *store, const char *id)
{
    char name[HIDDEN_NAME_SIZE];
    tbk_error ignored; /* what stays is removed by the next run */
    hidden_name(id, NEW_SUFFIX, name);
    if (store->lock_fd >= 0)
        (void)!tbk_directory_remove_at(store->fd, name, &ignored);
}

static bool check_ours(const tbk_store *store, const char *id, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_stored_set *set = read_set(store, arena, id);
    return tbk_stored_set_is_ours(set) ||
           tbk_fail(err, TBK_E_CORRUPT, "look at it, and remove it by hand if it is not needed",
                    "'%s' is not removed: %s%s", set->path,
                    set->manifest == NULL ? set->damage : "it holds a file that is not of a set: ",
                    set->manifest == NULL ? "" : set->stranger);
}

bool tbk_store_remove(tbk_store *store, const char *id, tbk_error *err)
{
    if (!need_lock(store, err))
        return false;
    if (!is_id(id) || !exists(store, id))
        return tbk_fail(err, TBK_E_NOT_FOUND, "'list' shows the sets that there are",
                        "there is no set '%s' in '%s'", id, store->path);
    if (!check_ours(store, id, err))
        return false;
    char name[HIDDEN_NAME_SIZE];
    hidden_name(id, GONE_SUFFIX, name);
    if (renameat(store->fd, id, store->fd, name) != 0)
        return fail_at(err, store, "remove a set");
    if (!tbk_directory_remove_at(store->fd, name, err))
        return tbk_error_context(err, "removing the set '%s' from '%s'", id, store->path);
    return true;
}

bool tbk_store_scratch(tbk_store *store, tbk_arena *arena, const char **out_path, tbk_error *err)
{
    if (!need_lock(store, err))
        return false;
    char *path = tbk_arena_copy(arena, path_in(store, arena, SCRATCH_PREFIX "XXXXXX"));
    if (mkdtemp(path) == NULL)
        return fail_at(err, store, "make a scratch directory");
    *out_path = path;
    return true;
}

bool tbk_store_read_state(const tbk_store *store, tbk_arena *arena, const char *name,
                          char **out_bytes, size_t *out_length, tbk_error *err)
{
    struct stat status;
    const char *path = tbk_arena_format(arena, STATE_DIRECTORY "/%s", name);
    *out_bytes = NULL;
    if (fstatat(store->fd, path, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || fail_at(err, store, "look into " STATE_DIRECTORY);
    return tbk_file_read_at(arena, store->fd, path, JSON_LIMIT_BYTES, out_bytes, out_length, err) ||
           tbk_error_context(err, "in '%s'", store->path);
}

static bool write_state(const tbk_store *store, const char *name, const char *text, size_t length,
                        mode_t mode, tbk_error *err)
{
    if (!need_lock(store, err))
        return false;
    if (!tbk_file_publish_at(store->state_fd, name, text, length, mode, err))
        return tbk_error_context(err, "in '%s/" STATE_DIRECTORY "'", store->path);
    return true;
}

bool tbk_store_write_state(const tbk_store *store, const char *name, const char *text,
                           size_t length, tbk_error *err)
{
    return write_state(store, name, text, length, FILE_MODE, err);
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
