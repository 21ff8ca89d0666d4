/* SPDX-License-Identifier: MIT */
/*
 * The clone: on XFS and btrfs a copy is a matter of metadata, whatever its size, so writers can be
 * made to wait for it by SQLite's own SHARED lock.
 *
 * As in the hot copy, the descriptor that is cloned is opened before SQLite's and closed after it.
 */
#include "base/clock.h"
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MS 5000

static bool fail_clone(int errno_value, const char *target, tbk_error *err)
{
    if (errno_value == ENOSPC || errno_value == EDQUOT)
        return tbk_fail_errno(err, TBK_E_SPACE, errno_value, "make room in the store",
                              "cannot clone to '%s'", target);
    if (errno_value == EIO)
        return tbk_fail_errno(err, TBK_E_IO, errno_value,
                              "look for disk errors in the system's log", "cannot clone to '%s'",
                              target);
    return tbk_fail_errno(err, TBK_E_UNSUPPORTED, errno_value,
                          "have database and store on one mount of XFS or btrfs",
                          "the file system does not clone from the database to the store");
}

static bool open_target(const char *target, int *out, tbk_error *err)
{
    *out = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*out < 0)
        return tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                              "cannot write the copy '%s'", target);
    return true;
}

/* One block: tells the same as the whole file, without any lock. */
static bool try_block(int source, int target, const char *name, tbk_error *err)
{
    struct stat status;
    if (fstat(source, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at the database");
    const struct file_clone_range block = {.src_fd = source,
                                           .src_length = (uint64_t)status.st_blksize};
    bool is_small = status.st_size < status.st_blksize;
    int rc = is_small ? ioctl(target, FICLONE, source) : ioctl(target, FICLONERANGE, &block);
    return rc == 0 || fail_clone(errno, name, err);
}

/* Without a name where that is possible (not on NFS): then the folder does not even change. */
static int open_trial(const char *scratch)
{
    char name[PATH_MAX];
    int fd = open(scratch, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    (void)snprintf(name, sizeof name, "%s/clone-XXXXXX", scratch);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(name);
    return fd;
}

bool tbk_sqlite_can_reflink(const char *path, const char *scratch, tbk_error *err)
{
    tbk_auto_fd int source = -1;
    if (!tbk_sqlite_open_file(path, "", &source, err))
        return false;
    tbk_auto_fd int target = open_trial(scratch);
    if (target < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make a file in '%s'", scratch);
    return try_block(source, target, scratch, err);
}

/* SHARED from the first read to the end of the transaction. A journal that a crashed writer left is
 * not rolled back: the original is only read. */
static bool begin(sqlite3 *db, tbk_error *err)
{
    int64_t objects;
    if (!tbk_sqlite_exec(db, "BEGIN", err))
        return false;
    if (tbk_sqlite_integer(db, "SELECT count(*) FROM sqlite_schema", &objects, err))
        return true;
    if (sqlite3_extended_errcode(db) == SQLITE_READONLY_ROLLBACK)
        err->code = TBK_E_BUSY;
    return false;
}

/* Asked under the lock, which keeps the journal mode from changing. */
static bool has_rollback_journal(int source)
{
    unsigned char version; /* for writing: 1 = rollback journal, 2 = WAL */
    return pread(source, &version, 1, 18) == 1 && version == 1;
}

static bool clone(const char *path, int source, int target, const char *name,
                  const tbk_report *report, int64_t *out_ms, tbk_error *err)
{
    tbk_auto(sqlite3) *db = NULL;
    if (!tbk_sqlite_open(path, SQLITE_OPEN_READONLY, &db, err))
        return false;
    (void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    tbk_sqlite_heed(db, report);
    /* A clone waits until what is dirty is on the disk: better before the lock than under it. */
    (void)fdatasync(source);
    bool ok = begin(db, err);
    int64_t started_ms = tbk_clock_monotonic_ms();
    ok = ok && (tbk_sqlite_is_named(source, path) ||
                tbk_fail(err, TBK_E_BUSY, "try again", "'%s' was replaced meanwhile", path));
    ok = ok && (has_rollback_journal(source) ||
                tbk_fail(err, TBK_E_BUSY, "try again", "the journal mode was changed meanwhile"));
    ok = ok && (ioctl(target, FICLONE, source) == 0 || fail_clone(errno, name, err));
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    *out_ms = tbk_clock_monotonic_ms() - started_ms;
    return ok;
}

bool tbk_sqlite_copy_reflink(const char *path, const char *target, const tbk_report *report,
                             int64_t *out_locked_ms, tbk_error *err)
{
    tbk_sqlite_facts facts;
    tbk_auto_fd int source = -1;
    tbk_auto_fd int copy = -1;
    if (!tbk_sqlite_inspect(path, &facts, err))
        return false;
    if (facts.wal)
        return tbk_fail(err, TBK_E_UNSUPPORTED, "use the method hot",
                        "the database is in WAL mode");
    if (!tbk_sqlite_open_file(path, "", &source, err) || !open_target(target, &copy, err))
        return false;
    bool ok = try_block(source, copy, target, err) &&
              clone(path, source, copy, target, report, out_locked_ms, err);
    if (!ok)
        (void)unlink(target);
    return ok;
}
