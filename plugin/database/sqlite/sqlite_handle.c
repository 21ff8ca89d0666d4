/* SPDX-License-Identifier: MIT */
/* SQLite's failures turned into our errors; names and small queries. */
#include "base/file.h"
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

const char *tbk_sqlite_version(void) { return sqlite3_libversion(); }

bool tbk_sqlite_companion(const char *path, const char *suffix, char out[PATH_MAX], tbk_error *err)
{
    /* As SQLite does: beside the file itself, not beside a link to it. */
    tbk_auto_free char *resolved = realpath(path, NULL);
    int length = snprintf(out, PATH_MAX, "%s%s", resolved != NULL ? resolved : path, suffix);
    if (length < 0 || length >= PATH_MAX)
        return tbk_fail(err, TBK_E_CONFIG, "use a shorter path", "the path '%.80s...' is too long",
                        path);
    return true;
}

bool tbk_sqlite_open_file(const char *path, const char *suffix, int *out_fd, tbk_error *err)
{
    char name[PATH_MAX];
    if (!tbk_sqlite_companion(path, suffix, name, err))
        return false;
    if (tbk_file_open(name, out_fd, err))
        return true;
    if (err->code == TBK_E_IO)
        (void)snprintf(err->fix, sizeof err->fix, "run as the database's owner");
    if (err->code == TBK_E_CONFIG)
        (void)snprintf(err->fix, sizeof err->fix, "move it away: SQLite keeps files there");
    return false;
}

bool tbk_sqlite_companion_size(const char *path, const char *suffix, uint64_t *out_bytes,
                               tbk_error *err)
{
    char companion[PATH_MAX];
    if (!tbk_sqlite_companion(path, suffix, companion, err))
        return false;
    struct stat status;
    if (stat(companion, &status) == 0)
        *out_bytes = (uint64_t)status.st_size;
    else if (errno == ENOENT)
        *out_bytes = 0;
    else
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", companion);
    return true;
}

bool tbk_sqlite_is_named(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 &&
           open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

/* Corrupt is only what was read, and is wrong. */
static tbk_error_code code_of(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return TBK_E_FAILED;
    case SQLITE_TOOBIG:
        return TBK_E_UNSUPPORTED;
    case SQLITE_FULL:
        return TBK_E_SPACE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TBK_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return TBK_E_CORRUPT;
    case SQLITE_INTERRUPT:
        return TBK_E_INTERRUPTED;
    case SQLITE_IOERR:
        return db != NULL && sqlite3_system_errno(db) == ENOSPC ? TBK_E_SPACE : TBK_E_IO;
    default:
        return TBK_E_IO;
    }
}

static const char *fix_of(int rc)
{
    if (rc == SQLITE_READONLY_ROLLBACK)
        return "a transaction was interrupted there: open the database once with the program that "
               "owns it (or 'sqlite3 FILE .schema'), so that it is rolled back";
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "try again when no process writes, or let the hook hold the tracker";
    case SQLITE_FULL:
        return "make room on the file system";
    case SQLITE_NOMEM:
        return "free some memory";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "restore the newest proved set; 'sqlite3 FILE .recover' may save rows of this file";
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return "a database in WAL mode can be read only where its -shm file can be written or "
               "made: "
               "run as the database's owner, with its folder writable";
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return "run as the database's owner";
    default:
        return NULL;
    }
}

bool(tbk_sqlite_fail)(sqlite3 *db, int rc, tbk_error *err, const char *format, ...)
{
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    /* Another process's lock and a full disk do not come from what was refused before. */
    if (code_of(db, rc) != TBK_E_BUSY && code_of(db, rc) != TBK_E_SPACE &&
        tbk_sqlite_was_stopped(db, err))
        return tbk_error_context(err, "%s", what);
    int extended = db != NULL ? sqlite3_extended_errcode(db) : rc;
    if ((extended & 0xff) != (rc & 0xff))
        extended = rc;
    const char *why = db != NULL && (sqlite3_errcode(db) & 0xff) == (rc & 0xff)
                          ? sqlite3_errmsg(db)
                          : sqlite3_errstr(rc);
    return tbk_fail(err, code_of(db, rc), fix_of(extended), "%s: %s (SQLite %d)", what, why,
                    extended);
}

bool tbk_sqlite_exec(sqlite3 *db, const char *sql, tbk_error *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return tbk_sqlite_fail(db, rc, err, "'%s' failed", sql);
    return true;
}

bool tbk_sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, tbk_error *err)
{
    int rc = sqlite3_prepare_v2(db, sql, -1, out, NULL);
    return rc == SQLITE_OK || tbk_sqlite_fail(db, rc, err, "'%.200s' failed", sql);
}

bool tbk_sqlite_integer(sqlite3 *db, const char *sql, int64_t *out, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW)
        return tbk_sqlite_fail(db, rc == SQLITE_DONE ? SQLITE_ERROR : rc, err, "'%s' failed", sql);
    *out = sqlite3_column_int64(statement, 0);
    return true;
}

bool tbk_sqlite_schema_digest(sqlite3 *db, tbk_digest *out, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *statement = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT type, name, tbl_name, sql FROM sqlite_schema "
                                "ORDER BY type, name, tbl_name, sql",
                                -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return tbk_sqlite_fail(db, rc, err, "cannot read the schema");
    tbk_auto(tbk_hasher) *hasher = tbk_hasher_new();
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        for (int column = 0; column < 4; column++) {
            const unsigned char *text = sqlite3_column_text(statement, column);
            /* With its NUL, so that "ab","c" and "a","bc" differ. */
            tbk_hasher_add(hasher, text != NULL ? (const void *)text : "",
                           text != NULL ? (size_t)sqlite3_column_bytes(statement, column) + 1 : 1);
        }
    if (rc != SQLITE_DONE)
        return tbk_sqlite_fail(db, rc, err, "cannot read the schema");
    tbk_hasher_finish(hasher, out);
    return true;
}
