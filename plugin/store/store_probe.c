/* SPDX-License-Identifier: MIT */
/* Tries out, in a scratch folder, what the store's file system can do. */
#include "store/store_internal.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PROBE_FILE "probe"
#define PROBE_RENAMED "renamed"
#define PROBE_FOLDER "folder"
#define SHARE_FIX                                                                                  \
    "put the store on a file system that can do this (a local disk, or another kind of share)"

static bool fail_probe(const tbk_store *store, const char *what, tbk_error *err)
{
    int cause = errno;
    const char *fix = tbk_store_fix(cause);
    return tbk_fail_errno(err, tbk_store_code(cause), cause, fix != NULL ? fix : SHARE_FIX,
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
    if (fchmod(fd, TBK_STORE_FILE_MODE) == 0)
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
