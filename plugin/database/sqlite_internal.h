/* SPDX-License-Identifier: MIT */
/* What the SQLite files share: cleanup, errors, names of a database's companions. */
#ifndef TBK_DATABASE_SQLITE_INTERNAL_H
#define TBK_DATABASE_SQLITE_INTERNAL_H

#include "base/auto.h"
#include "database/sqlite.h"

#include <limits.h>
#include <sqlite3.h>

TBK_AUTO_POINTER(sqlite3, (void)sqlite3_close);
TBK_AUTO_POINTER(sqlite3_stmt, (void)sqlite3_finalize);

/* "<path><suffix>", suffix being "-journal", "-wal" or "-shm": SQLite pairs them by name. */
bool tbk_sqlite_companion(const char *path, const char *suffix, char out[PATH_MAX],
                          tbk_error *err) TBK_MUST_CHECK;
/* The size of "<path><suffix>", 0 when there is none. */
bool tbk_sqlite_companion_size(const char *path, const char *suffix, uint64_t *out_bytes,
                               tbk_error *err) TBK_MUST_CHECK;

/* A number as SQLite's files have it: big endian. */
static inline uint32_t tbk_sqlite_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

#define TBK_SQLITE_HEADER_BYTES 100
/* The facts that these first bytes of a database tell. Fails with TBK_E_CORRUPT. */
bool tbk_sqlite_header_facts(const unsigned char *bytes, uint64_t file_bytes, const char *path,
                             tbk_sqlite_facts *out, tbk_error *err) TBK_MUST_CHECK;
/* Whether the open file is the one that stands under the path. */
bool tbk_sqlite_is_named(int fd, const char *path);

/* Fails with the code and the fix that belong to SQLite's own code; db may be NULL. Returns false.
 */
bool tbk_sqlite_fail(sqlite3 *db, int rc, tbk_error *err, const char *format, ...) TBK_PRINTF(4, 5);
/* That it is false shall be seen where it is called, as with tbk_fail. */
#define tbk_sqlite_fail(...) ((void)(tbk_sqlite_fail)(__VA_ARGS__), false)

/* Opens with the settings for files that nobody vouches for. The caller closes *out. */
bool tbk_sqlite_open(const char *path, int flags, sqlite3 **out, tbk_error *err) TBK_MUST_CHECK;
/* Runs statements that give no rows, or whose rows do not matter. */
bool tbk_sqlite_exec(sqlite3 *db, const char *sql, tbk_error *err) TBK_MUST_CHECK;
/* The first column of the first row. */
bool tbk_sqlite_integer(sqlite3 *db, const char *sql, int64_t *out, tbk_error *err) TBK_MUST_CHECK;
/* SHA-256 of type, name, table and SQL of every object, ordered. */
bool tbk_sqlite_schema_digest(sqlite3 *db, tbk_digest *out, tbk_error *err) TBK_MUST_CHECK;

#endif
