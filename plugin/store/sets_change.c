/* SPDX-License-Identifier: MIT */
/* The sets of a store: begun, published, removed; and its scratch folders. */
#include "store/store_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "store/set.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { SET_MODE = 0750, NAME_TRIES = 3600 /* seconds that a name may be ahead of the clock */ };

bool tbk_store_has(const tbk_store *store, const char *id)
{
    struct stat status;
    return fstatat(store->fd, id, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool tbk_store_begin(tbk_store *store, tbk_arena *arena, int64_t now_s, const char **out_id,
                     tbk_set **out, tbk_error *err)
{
    if (!tbk_store_need_lock(store, err))
        return false;
    char id[TBK_CLOCK_TEXT_SIZE];
    int64_t time_s = now_s;
    do
        tbk_clock_format_compact(time_s, id);
    while (tbk_store_has(store, id) && ++time_s < now_s + NAME_TRIES);
    if (!tbk_store_is_id(id))
        return tbk_fail(err, TBK_E_FAILED, "set the machine's clock",
                        "the clock says %" PRId64 ", which no set can be named by", now_s);
    char name[TBK_STORE_NAME_SIZE];
    tbk_store_hidden_name(id, TBK_STORE_NEW, name);
    /* 0700 whatever the umask lets through: others see nothing of a set before it is whole. */
    if (mkdirat(store->fd, name, 0700) != 0)
        return tbk_store_fail(err, store, "make the new set");
    int fd = openat(store->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return tbk_store_fail(err, store, "open the new set");
    *out_id = tbk_arena_copy(arena, id);
    *out = tbk_set_new(fd, tbk_store_path_in(store, arena, name), true);
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
    if (!tbk_file_set_mode(fd, TBK_STORE_FILE_MODE) || fsync(fd) != 0)
        return tbk_fail_errno(err, tbk_store_code(errno), errno, tbk_store_fix(errno),
                              "cannot sync '%s'", name);
    return true;
}

static bool sync_set(DIR *listing, tbk_error *err)
{
    int fd = dirfd(listing);
    bool good;
    for (const struct dirent *entry; (entry = tbk_listing_next(listing, &good)) != NULL;)
        if (!sync_file(fd, entry->d_name, err))
            return false;
    if (!good || !tbk_file_set_mode(fd, SET_MODE) || !tbk_directory_sync(fd))
        return tbk_fail_errno(err, tbk_store_code(errno), errno, tbk_store_fix(errno),
                              "cannot sync its directory");
    return true;
}

bool tbk_store_publish(tbk_store *store, const char *id, tbk_error *err)
{
    if (!tbk_store_need_lock(store, err))
        return false;
    char name[TBK_STORE_NAME_SIZE];
    tbk_store_hidden_name(id, TBK_STORE_NEW, name);
    tbk_auto(DIR) *listing = tbk_listing_open(store->fd, name);
    if (listing == NULL)
        return tbk_store_fail(err, store, "open the new set");
    if (!sync_set(listing, err))
        return tbk_error_context(err, "publishing the set '%s' in '%s'", id, store->path);
    if (renameat(store->fd, name, store->fd, id) != 0 || !tbk_directory_sync(store->fd))
        return tbk_store_fail(err, store, "publish the new set");
    return true;
}

void tbk_store_abandon(tbk_store *store, const char *id)
{
    char name[TBK_STORE_NAME_SIZE];
    tbk_error ignored; /* what stays is removed by the next run */
    tbk_store_hidden_name(id, TBK_STORE_NEW, name);
    if (store->lock_fd >= 0)
        (void)!tbk_directory_remove_at(store->fd, name, &ignored);
}

static bool check_ours(const tbk_store *store, const char *id, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_stored_set *set = tbk_store_read_set(store, arena, id);
    return tbk_stored_set_is_ours(set) ||
           tbk_fail(err, TBK_E_CORRUPT, "look at it, and remove it by hand if it is not needed",
                    "'%s' is not removed: %s%s", set->path,
                    set->manifest == NULL ? set->damage : "it holds a file that is not of a set: ",
                    set->manifest == NULL ? "" : set->stranger);
}

bool tbk_store_remove(tbk_store *store, const char *id, tbk_error *err)
{
    if (!tbk_store_need_lock(store, err))
        return false;
    if (!tbk_store_is_id(id) || !tbk_store_has(store, id))
        return tbk_fail(err, TBK_E_NOT_FOUND, "'list' shows the sets that there are",
                        "there is no set '%s' in '%s'", id, store->path);
    if (!check_ours(store, id, err))
        return false;
    char name[TBK_STORE_NAME_SIZE];
    tbk_store_hidden_name(id, TBK_STORE_GONE, name);
    if (renameat(store->fd, id, store->fd, name) != 0)
        return tbk_store_fail(err, store, "remove a set");
    if (!tbk_directory_remove_at(store->fd, name, err))
        return tbk_error_context(err, "removing the set '%s' from '%s'", id, store->path);
    return true;
}

bool tbk_store_scratch(tbk_store *store, tbk_arena *arena, const char **out_path, tbk_error *err)
{
    if (!tbk_store_need_lock(store, err))
        return false;
    char *path = tbk_arena_copy(arena, tbk_store_path_in(store, arena, TBK_STORE_SCRATCH "XXXXXX"));
    if (mkdtemp(path) == NULL)
        return tbk_store_fail(err, store, "make a scratch directory");
    *out_path = path;
    return true;
}
