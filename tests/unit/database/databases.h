/* SPDX-License-Identifier: MIT */
/* What the tests of databases do with SQLite itself. */
#ifndef TBK_TESTS_DATABASES_H
#define TBK_TESTS_DATABASES_H

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

/* The first column of the first row. */
static inline int64_t integer(const char *path, const char *sql)
{
    sqlite3 *db = open_database(path);
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int64_t value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return value;
}

#endif
