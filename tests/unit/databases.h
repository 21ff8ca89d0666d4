/* SPDX-License-Identifier: MIT */
/* What the tests of databases do with SQLite itself, and the databases that they make. */
#ifndef TBK_TESTS_UNIT_DATABASES_H
#define TBK_TESTS_UNIT_DATABASES_H

#include "unit/unit.h"

#include <sqlite3.h>

/* Also in a child, where a failed check of cmocka's would go on with the parent's tests. */
static inline void must(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, message);
        abort();
    }
}

static inline sqlite3 *open_database(const char *path)
{
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        abort();
    (void)sqlite3_busy_timeout(db, 10000);
    return db;
}

/* Statements over a connection of their own. */
static inline void execute(const char *path, const char *sql)
{
    sqlite3 *db = open_database(path);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    (void)sqlite3_close(db);
}

/* And closes the database. */
static inline int64_t first_integer(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int64_t value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return value;
}

/* The first column of the first row. */
static inline int64_t integer(const char *path, const char *sql)
{
    return first_integer(open_database(path), sql);
}

/* The same, and neither the database nor what stands beside it is changed by the look. */
static inline int64_t integer_unchanged(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    return first_integer(db, sql);
}

/* A tracker's table of torrents with so many rows; completed: an expression of the number i. */
static inline void make_torrents(const char *path, int rows, const char *completed)
{
    char sql[400];
    (void)snprintf(sql, sizeof sql,
                   "CREATE TABLE torrents (id INTEGER PRIMARY KEY, info_hash TEXT, completed "
                   "INTEGER); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n "
                   "LIMIT %d) INSERT INTO torrents SELECT i, hex(randomblob(20)), %s FROM n",
                   rows, completed);
    execute(path, sql);
}

/* A table in which every transaction of a writer sets the same generation in all rows: two
 * generations in a copy show that it is torn. */
static inline void make_generations(sqlite3 *db, int rows)
{
    char sql[300];
    must(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, generation INTEGER, filler BLOB)");
    (void)snprintf(sql, sizeof sql,
                   "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT %d) "
                   "INSERT INTO t SELECT i, 1, randomblob(500) FROM n",
                   rows);
    must(db, sql);
}

/* Removes these databases (names up to NULL) with their journals, and the folder, in which nothing
 * else may have been left. */
static inline void remove_databases(const char *folder, const char *const *names)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    for (; *names != NULL; names++)
        for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
            char path[160];
            (void)snprintf(path, sizeof path, "%s/%s%s", folder, *names, suffixes[i]);
            (void)unlink(path);
        }
    if (rmdir(folder) != 0)
        fail_msg("something was left in '%s'", folder);
}

#endif
