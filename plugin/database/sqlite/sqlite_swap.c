/* SPDX-License-Identifier: MIT */
/*
 * Puts a restored database in the place of the tracker's own, which is kept under another name.
 *
 * The name of the database is never without a database: the old one gets a second name first, then
 * the new one is renamed over the first. What a journal or log still holds of the old one is taken
 * in before, so that no journal can meet a database that is not its own.
 */
#include "base/file.h"
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MS 5000

static const char *const SUFFIXES[] = {"-journal", "-wal", "-shm"};
#define SUFFIX_COUNT (sizeof SUFFIXES / sizeof *SUFFIXES)

/* --- what belongs to the old one --- */

static bool settle_run(void *context, sqlite3 *db, tbk_error *err)
{
    (void)context;
    return tbk_sqlite_exec(db,
                           "PRAGMA synchronous=FULL; PRAGMA locking_mode=EXCLUSIVE;"
                           "BEGIN EXCLUSIVE; SELECT count(*) FROM sqlite_schema; COMMIT;"
                           "PRAGMA wal_checkpoint(TRUNCATE)",
                           err);
}

/* No other process may have it open; SQLite finishes what was interrupted. */
static bool settle(const char *path, const tbk_report *report, tbk_error *err)
{
    static const tbk_sqlite_task task = {.what = "finishing the old database's last transaction",
                                         .work = settle_run};
    tbk_auto(sqlite3) *db = NULL;
    if (!tbk_sqlite_open(path, SQLITE_OPEN_READWRITE, &db, err))
        return false;
    (void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    return tbk_sqlite_run(db, &task, report, err);
}

/* A damaged database is kept as it is, with its journal beside it: the restore replaces it. So is
 * one whose journal is hostile. */
static bool settle_if_sound(const char *path, const tbk_report *report, tbk_error *err)
{
    tbk_error why;
    if (settle(path, report, &why) || why.code == TBK_E_CORRUPT)
        return true;
    *err = why;
    return false;
}

static bool move_companions(const char *path, const char *kept, tbk_error *err)
{
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        char from[PATH_MAX], to[PATH_MAX];
        if (!tbk_sqlite_companion(path, SUFFIXES[i], from, err) ||
            !tbk_sqlite_companion(kept, SUFFIXES[i], to, err))
            return false;
        if (rename(from, to) != 0 && errno != ENOENT)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot move '%s'", from);
    }
    return true;
}

static bool remove_companions(const char *path, tbk_error *err)
{
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        char companion[PATH_MAX];
        if (!tbk_sqlite_companion(path, SUFFIXES[i], companion, err))
            return false;
        if (unlink(companion) != 0 && errno != ENOENT)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot remove '%s'", companion);
    }
    return true;
}

/* --- names --- */

static bool sync_directory_of(const char *path, tbk_error *err)
{
    tbk_auto_free char *copy = strdup(path);
    tbk_auto_fd int fd =
        copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || fsync(fd) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot sync the folder of '%s'", path);
    return true;
}

/* With the mode of the old one; on the disk before it gets its name. */
static bool make_ready(const char *path, const char *restored, tbk_error *err)
{
    struct stat old;
    tbk_auto_fd int fd = -1;
    if (!tbk_file_open(restored, &fd, err))
        return false;
    if (stat(path, &old) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", path);
    if (fchmod(fd, old.st_mode & 07777) != 0 || fsync(fd) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make '%s' ready", restored);
    return true;
}

static bool add_name(const char *path, const char *name, tbk_error *err)
{
    return link(path, name) == 0 || tbk_fail_errno(err, TBK_E_IO, errno, "move away what is there",
                                                   "cannot keep '%s' as '%s'", path, name);
}

static bool take_name(const char *from, const char *path, tbk_error *err)
{
    if (rename(from, path) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot rename '%s' to '%s'", from, path);
    return sync_directory_of(path, err);
}

bool tbk_sqlite_swap(const char *path, const char *restored, const char *kept,
                     const tbk_report *report, tbk_error *err)
{
    if (!make_ready(path, restored, err) || !settle_if_sound(path, report, err) ||
        !add_name(path, kept, err))
        return false;
    if (move_companions(path, kept, err) && take_name(restored, path, err))
        return true;
    tbk_error ignored;
    (void)move_companions(kept, path, &ignored);
    (void)unlink(kept);
    return false;
}

bool tbk_sqlite_swap_back(const char *path, const char *restored, const char *kept, tbk_error *err)
{
    return add_name(path, restored, err) && remove_companions(path, err) &&
           move_companions(kept, path, err) && take_name(kept, path, err);
}
