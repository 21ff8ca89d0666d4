/* SPDX-License-Identifier: MIT */
/* The verifier verified: databases that SQLite finds intact, and that are wrong all the same. */
#include "trials/self_check.h"

#include "database/sqlite/sqlite_internal.h"
#include "trials/history.h"

#include <string.h>

#define ROWS 60
#define TRANSACTIONS 20

static const history plain = {.seed = 1, .branch = 1, .base_rows = ROWS, .growth = 1};

/* What is done to a right database, and what the verifier must say of it. */
typedef struct change {
    const char *sql;
    const char *seen;
} change;

static const change changes[] = {
    {"SELECT 1", NULL},
    {"UPDATE torrents SET hash = replace(hash, substr(hash, 7, 1), 'x') WHERE id = 61",
     "holds something else"},
    {"UPDATE torrents SET filler = zeroblob(length(filler)) WHERE id = 61", "holds something else"},
    {"DELETE FROM torrents WHERE id = 61", "row 62 is there where row 61 should be"},
    {"DELETE FROM torrents WHERE id = (SELECT max(id) FROM torrents)", "is missing"},
    {"INSERT INTO torrents VALUES (1000, 1, '', '')", "row 1000 is there"},
    {"UPDATE torrents SET written = written + 1 WHERE id = 61", "is transaction"},
    {"UPDATE state SET counter = counter - 1", "row "},
    {"UPDATE state SET counter = counter + 1", "row "},
};

static bool write_history(sqlite3 *db, tbk_error *err)
{
    history_writer writer;
    int64_t counter = 0;
    if (!history_fill(&plain, db, err) || !history_writer_init(&writer, &plain, db, err))
        return false;
    bool ok = true;
    while (ok && counter < TRANSACTIONS)
        ok = history_writer_advance(&writer, &counter, err) && tbk_sqlite_exec(db, "COMMIT", err);
    history_writer_clear(&writer);
    return ok;
}

static bool make(const char *path, const char *sql, tbk_error *err)
{
    tbk_auto(sqlite3) *db = NULL;
    return tbk_sqlite_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, err) &&
           tbk_sqlite_exec(db, "PRAGMA synchronous=OFF", err) && write_history(db, err) &&
           tbk_sqlite_exec(db, sql, err);
}

static bool is_seen(const char *path, const change *made, tbk_error *err)
{
    int64_t counter;
    if (!make(path, made->sql, err))
        return false;
    bool right = history_verify(&plain, path, &counter, err);
    if (made->seen == NULL)
        return right;
    if (right || err->code != TBK_E_CORRUPT || strstr(err->message, made->seen) == NULL)
        return tbk_fail(err, TBK_E_FAILED, NULL, "after '%s' the verifier says: %.300s", made->sql,
                        right ? "right" : err->message);
    return true;
}

bool self_check(const char *folder, tbk_error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/self-check.db", folder);
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof changes / sizeof *changes; i++) {
        ok = is_seen(path, &changes[i], err);
        (void)unlink(path);
    }
    return ok;
}
