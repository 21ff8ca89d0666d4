/* SPDX-License-Identifier: MIT */
/*
 * The journal mode: whether it is WAL, and changing it. That is the one thing that is ever written
 * to the tracker's own database, and only when the operator asks. SQLite does it in one
 * transaction, so a crash leaves the old or the new mode.
 */
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>

#define BUSY_TIMEOUT_MS 5000

static bool fail_not_wal(tbk_error *err)
{
    return tbk_fail(err, TBK_E_UNSUPPORTED,
                    "use another method, or have the journal mode changed "
                    "(torrust-backup run ENVIRONMENT --journal-mode wal)",
                    "the database is not in WAL mode");
}

bool tbk_sqlite_check_wal(sqlite3 *db, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *mode = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &mode, NULL);
    if (rc != SQLITE_OK || (rc = sqlite3_step(mode)) != SQLITE_ROW)
        return tbk_sqlite_fail(db, rc, err, "cannot read the journal mode");
    return strcmp((const char *)sqlite3_column_text(mode, 0), "wal") == 0 || fail_not_wal(err);
}

bool tbk_sqlite_need_wal(const char *path, tbk_error *err)
{
    tbk_sqlite_facts facts;
    uint64_t journal_bytes;
    if (!tbk_sqlite_inspect(path, &facts, err) ||
        !tbk_sqlite_companion_size(path, "-journal", &journal_bytes, err))
        return false;
    if (!facts.wal)
        return fail_not_wal(err);
    /* Left by a change to WAL that was interrupted: SQLite would roll it back. */
    return journal_bytes == 0 ||
           tbk_fail(err, TBK_E_BUSY, "start the tracker, which rolls it back",
                    "a journal stands beside '%s', which is in WAL mode", path);
}

bool tbk_sqlite_set_journal_mode(const char *path, bool wal, tbk_error *err)
{
    tbk_auto(sqlite3) *db = NULL;
    tbk_auto(sqlite3_stmt) *change = NULL;
    tbk_sqlite_facts facts;
    const char *name = wal ? "wal" : "delete";
    if (!tbk_sqlite_open(path, SQLITE_OPEN_READWRITE, &db, err))
        return false;
    (void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    int rc = sqlite3_prepare_v2(db, wal ? "PRAGMA journal_mode=WAL" : "PRAGMA journal_mode=DELETE",
                                -1, &change, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(change);
    if (rc != SQLITE_ROW)
        return tbk_sqlite_fail(db, rc, err, "cannot change the journal mode of '%s' to %s", path,
                               name);
    if (strcmp((const char *)sqlite3_column_text(change, 0), name) != 0)
        return tbk_fail(err, TBK_E_BUSY, "try again when no process has the database open",
                        "the journal mode of '%s' stayed %s", path,
                        (const char *)sqlite3_column_text(change, 0));
    (void)sqlite3_finalize(change);
    change = NULL;
    tbk_sqlite_close(db);
    db = NULL;
    if (!tbk_sqlite_inspect(path, &facts, err))
        return tbk_error_context(err, "looking at the database after its journal mode was changed");
    return facts.wal == wal ||
           tbk_fail(err, TBK_E_FAILED, NULL, "the header of '%s' does not say %s after the change",
                    path, name);
}

/* Source: sqlite.org/fileformat2.html, "File format version numbers". Not by SQLite, which would
 * make files beside it in a folder that others write to. */
bool tbk_sqlite_mark_wal(const char *path, tbk_error *err)
{
    static const unsigned char versions[2] = {2, 2}; /* for writing, for reading */
    tbk_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || pwrite(fd, versions, sizeof versions, 18) != (ssize_t)sizeof versions)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot write '%s'", path);
    return true;
}
