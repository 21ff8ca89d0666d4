/* SPDX-License-Identifier: MIT */
/* What the SQLite files share: connections, errors, names of a database's companions. */
#ifndef TBK_DATABASE_SQLITE_SQLITE_INTERNAL_H
#define TBK_DATABASE_SQLITE_SQLITE_INTERNAL_H

#include "base/auto.h"
#include "database/sqlite/sqlite.h"

#include <limits.h>
#include <sqlite3.h>

/* Of any connection; NULL is none. All statements must have been finalized. */
void tbk_sqlite_close(sqlite3 *db);
TBK_AUTO_POINTER(sqlite3, tbk_sqlite_close);
TBK_AUTO_POINTER(sqlite3_stmt, (void)sqlite3_finalize);
/* SQL from SQLite's own printf, whose %w and %Q quote names and texts. */
TBK_AUTO_POINTER(char, sqlite3_free);

/* "<path><suffix>", suffix being "-journal", "-wal" or "-shm": SQLite pairs them by name. */
bool tbk_sqlite_companion(const char *path, const char *suffix, char out[PATH_MAX],
                          tbk_error *err) TBK_MUST_CHECK;
/* The size of "<path><suffix>", 0 when there is none. */
bool tbk_sqlite_companion_size(const char *path, const char *suffix, uint64_t *out_bytes,
                               tbk_error *err) TBK_MUST_CHECK;

/*
 * Opens the database, or a companion ("-journal", ...), to read it: as base/file.h does, at the
 * place that the path leads to. Errors: TBK_E_NOT_FOUND, there is none; TBK_E_CONFIG; TBK_E_IO.
 */
bool tbk_sqlite_open_file(const char *path, const char *suffix, int *out_fd,
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
/* Fails with TBK_E_UNSUPPORTED unless the database that is open is in WAL mode. */
bool tbk_sqlite_check_wal(sqlite3 *db, tbk_error *err) TBK_MUST_CHECK;
/* Whether the open file is the one that stands under the path. */
bool tbk_sqlite_is_named(int fd, const char *path);

/* Fails with the code and the fix that belong to SQLite's own code; db may be NULL. Returns false.
 */
bool tbk_sqlite_fail(sqlite3 *db, int rc, tbk_error *err, const char *format, ...) TBK_PRINTF(4, 5);
/* That it is false shall be seen where it is called, as with tbk_fail. */
#define tbk_sqlite_fail(...) ((void)(tbk_sqlite_fail)(__VA_ARGS__), false)

/*
 * Opens a database that others wrote (sqlite_confined.c). The connection reaches the database, its
 * "-journal" and its "-wal", which are regular files, and no other named file, whatever a journal
 * or a statement names; it attaches and loads nothing, and runs no view, trigger or virtual table.
 * Sizes and memory have limits, and so have the first minutes (tbk_sqlite_watch).
 * The caller closes *out by tbk_sqlite_close.
 */
bool tbk_sqlite_open(const char *path, int flags, sqlite3 **out, tbk_error *err) TBK_MUST_CHECK;
/* The same for a file that is whole and that no process changes, for reading: a journal or log
 * beside it is neither read nor made. */
bool tbk_sqlite_open_alone(const char *path, sqlite3 **out, tbk_error *err) TBK_MUST_CHECK;

/* Asked while something long runs whether it may go on; may be NULL. */
typedef bool tbk_sqlite_may_go_on(void *self, tbk_error *err);
/* From now on statements may take limit_ms together (0: for ever), and may_go_on, which may be
 * NULL, is asked while they work, on the thread that runs them. */
void tbk_sqlite_watch(sqlite3 *db, int64_t limit_ms, tbk_sqlite_may_go_on *may_go_on,
                      void *context);
/* The same for the first minutes, in which the schema is read: the report is asked. */
void tbk_sqlite_heed(sqlite3 *db, const tbk_report *report);
/* Whether something was refused, or could not be read, since this was asked last: that says more
 * than SQLite's own code, which tbk_sqlite_fail therefore replaces. */
bool tbk_sqlite_was_stopped(sqlite3 *db, tbk_error *err);

typedef int tbk_sqlite_authorizer(void *context, int action, const char *first, const char *second,
                                  const char *database, const char *trigger);
/* Who is asked when a statement is prepared; NULL: the one that tbk_sqlite_open has set. */
void tbk_sqlite_authorize(sqlite3 *db, tbk_sqlite_authorizer *asked, void *context);

/* One statement of ours. */
bool tbk_sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out,
                        tbk_error *err) TBK_MUST_CHECK;
/* Runs statements of ours that give no rows, or whose rows do not matter. */
bool tbk_sqlite_exec(sqlite3 *db, const char *sql, tbk_error *err) TBK_MUST_CHECK;
/* The first column of the first row. */
bool tbk_sqlite_integer(sqlite3 *db, const char *sql, int64_t *out, tbk_error *err) TBK_MUST_CHECK;
/*
 * Runs work that uses db on a thread of its own, since inside one of its steps SQLite looks at
 * nothing but its interrupt flag; the calling thread asks the report meanwhile. Errors: those of
 * the work; TBK_E_INTERRUPTED; TBK_E_TIMEOUT after limit_ms (0: none).
 */
typedef bool tbk_sqlite_work(void *context, sqlite3 *db, tbk_error *err);
typedef struct tbk_sqlite_task {
    const char *what; /* for people */
    int64_t limit_ms;
    tbk_sqlite_work *work;
    void *context;
} tbk_sqlite_task;
bool tbk_sqlite_run(sqlite3 *db, const tbk_sqlite_task *task, const tbk_report *report,
                    tbk_error *err) TBK_MUST_CHECK;
/* What reading every page of a database may take, on a slow disk: then it is no longer its size
 * that takes the time. */
int64_t tbk_sqlite_patience_ms(uint64_t database_bytes);

/* SHA-256 of type, name, table and SQL of every object, ordered. */
bool tbk_sqlite_schema_digest(sqlite3 *db, tbk_digest *out, tbk_error *err) TBK_MUST_CHECK;

#endif
