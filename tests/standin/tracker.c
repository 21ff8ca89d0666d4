/*
 * SPDX-License-Identifier: MIT
 * A stand-in for the tracker on SQLite: its tables, and an invariant (standin.h).
 *
 * Transaction n adds one torrent and moves completions between SPREAD pairs of those that `--fill`
 * made, all chosen by a generator that is seeded with n. `--check` replays that and compares every
 * row.
 */
#include "standin.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 5000, FILL_BATCH = 100000 };

static const char usage_text[] =
    "Usage: standin-tracker                   serve, as the container does\n"
    "       standin-tracker --fill FILE ROWS  add torrents to a new database\n"
    "       standin-tracker --check FILE      prove a copy; prints its last transaction's number\n"
    "       standin-tracker --health          ask the endpoint; exit 0 if it answers\n"
    "Environment: TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH,\n"
    "STANDIN_RATE (transactions a second), STANDIN_PORT, USER_ID\n";

static const char schema[] = "CREATE TABLE IF NOT EXISTS whitelist (id INTEGER PRIMARY KEY "
                             "AUTOINCREMENT, info_hash TEXT NOT NULL UNIQUE);"
                             "CREATE TABLE IF NOT EXISTS keys (id INTEGER PRIMARY KEY "
                             "AUTOINCREMENT, key TEXT NOT NULL UNIQUE,"
                             " valid_until INTEGER);"
                             "CREATE TABLE IF NOT EXISTS torrents (id INTEGER PRIMARY KEY "
                             "AUTOINCREMENT, info_hash TEXT NOT NULL UNIQUE,"
                             " completed INTEGER DEFAULT 0 NOT NULL);"
                             "CREATE TABLE IF NOT EXISTS standin_ledger (number INTEGER PRIMARY "
                             "KEY, filled INTEGER NOT NULL,"
                             " hash INTEGER NOT NULL);";

typedef struct {
    int64_t from, to; /* rows of `torrents`, 1 to filled */
    int64_t amount;
} move;

static move nth_move(uint64_t number, uint64_t i, uint64_t filled)
{
    uint64_t seed = standin_mix(number * SPREAD + i);
    return (move){.from = 1 + (int64_t)(standin_mix(seed) % filled),
                  .to = 1 + (int64_t)(standin_mix(seed + 1) % filled),
                  .amount = 1 + (int64_t)(seed % 3)};
}

/* --- the database --- */

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        standin_die(sql, sqlite3_errmsg(db));
}

static sqlite3 *open_database(const char *path, int flags)
{
    sqlite3 *db;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        standin_die(path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, BUSY_MS);
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        standin_die(sql, sqlite3_errmsg(db));
    return statement;
}

/* Runs a statement that returns no row with up to three whole numbers. */
static bool step(sqlite3_stmt *statement, int64_t a, int64_t b, int64_t c)
{
    int64_t values[] = {a, b, c};
    for (int i = 0; i < sqlite3_bind_parameter_count(statement); i++)
        sqlite3_bind_int64(statement, i + 1, values[i]);
    sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK;
}

typedef struct {
    sqlite3 *db;
    sqlite3_stmt *last, *take, *give, *torrent, *ledger;
} connection;

static connection pool[CONNECTIONS];

static void open_connection(connection *c, const char *path)
{
    c->db = open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (c == pool)
        run(c->db, schema);
    c->last = prepare(
        c->db, "SELECT number, filled, hash FROM standin_ledger ORDER BY number DESC LIMIT 1");
    c->take = prepare(c->db, "UPDATE torrents SET completed = completed - ?1 WHERE id = ?2");
    c->give = prepare(c->db, "UPDATE torrents SET completed = completed + ?1 WHERE id = ?2");
    c->torrent = prepare(c->db, "INSERT INTO torrents (info_hash, completed) VALUES (?1, 1)");
    c->ledger =
        prepare(c->db, "INSERT INTO standin_ledger (number, filled, hash) VALUES (?1, ?2, ?3)");
}

static void open_one(size_t i)
{
    open_connection(&pool[i],
                    standin_setting("TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH",
                                    "/var/lib/torrust/tracker/database/tracker.db"));
}

/* None is ever removed. */
static uint64_t count_torrents(size_t i)
{
    sqlite3_stmt *statement = prepare(pool[i].db, "SELECT max(id) FROM torrents");
    uint64_t count =
        sqlite3_step(statement) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return count;
}

static void close_one(size_t i)
{
    connection *c = &pool[i];
    sqlite3_stmt *statements[] = {c->last, c->take, c->give, c->torrent, c->ledger};
    for (size_t k = 0; k < sizeof statements / sizeof *statements; k++)
        sqlite3_finalize(statements[k]);
    sqlite3_close(c->db);
}

static bool insert_torrent(connection *c, uint64_t row)
{
    char text[41];
    sqlite3_bind_text(c->torrent, 1, standin_info_hash(row, text), -1, SQLITE_TRANSIENT);
    sqlite3_step(c->torrent);
    return sqlite3_reset(c->torrent) == SQLITE_OK;
}

static bool write_inside(connection *c, uint64_t *out_number)
{
    uint64_t last = 0, filled = 0;
    int64_t hash = 0;
    if (sqlite3_step(c->last) == SQLITE_ROW) {
        last = (uint64_t)sqlite3_column_int64(c->last, 0);
        filled = (uint64_t)sqlite3_column_int64(c->last, 1);
        hash = sqlite3_column_int64(c->last, 2);
    }
    sqlite3_reset(c->last);
    uint64_t number = *out_number = last + 1;
    for (uint64_t i = 0; i < SPREAD && filled > 0; i++) {
        move m = nth_move(number, i, filled);
        if (!step(c->take, m.amount, m.from, 0) || !step(c->give, m.amount, m.to, 0))
            return false;
    }
    return insert_torrent(c, filled + number) &&
           step(c->ledger, (int64_t)number, (int64_t)filled, standin_next_hash(hash, number));
}

static bool write_one(size_t i, uint64_t *out_number)
{
    connection *c = &pool[i];
    if (sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "the database is busy: %s\n", sqlite3_errmsg(c->db));
        return false;
    }
    if (write_inside(c, out_number) && sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return true;
    fprintf(stderr, "transaction %" PRIu64 " failed: %s\n", *out_number, sqlite3_errmsg(c->db));
    sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

/* --- fill and check --- */

static int fill(const char *path, int64_t rows)
{
    connection *c = pool;
    open_connection(c, path);
    run(c->db, "PRAGMA cache_size = -1000000; PRAGMA synchronous = OFF");
    if (sqlite3_step(c->last) == SQLITE_ROW)
        standin_die(path, "only a new database can be filled");
    sqlite3_reset(c->last);
    sqlite3_finalize(c->torrent);
    c->torrent = prepare(c->db, "INSERT INTO torrents (info_hash, completed) VALUES (?1, 1000000)");
    for (int64_t row = 1; row <= rows; row++) {
        if (row % FILL_BATCH == 1)
            run(c->db, "BEGIN");
        if (!insert_torrent(c, (uint64_t)row))
            standin_die(path, sqlite3_errmsg(c->db));
        if (row % FILL_BATCH == 0 || row == rows)
            run(c->db, "COMMIT");
    }
    if (!step(c->ledger, 0, rows, 0))
        standin_die(path, sqlite3_errmsg(c->db));
    close_one(0);
    return 0;
}

/* What each filled row must hold after `last` transactions. */
static int64_t *replay(uint64_t filled, uint64_t last)
{
    int64_t *completed = calloc(filled + 1, sizeof *completed);
    if (!completed)
        standin_die("check", "not enough memory");
    for (uint64_t row = 1; row <= filled; row++)
        completed[row] = START_COMPLETED;
    for (uint64_t number = 1; number <= last && filled > 0; number++)
        for (uint64_t i = 0; i < SPREAD; i++) {
            move m = nth_move(number, i, filled);
            completed[m.from] -= m.amount;
            completed[m.to] += m.amount;
        }
    return completed;
}

static void check_ledger(sqlite3 *db, uint64_t *out_filled, uint64_t *out_last)
{
    sqlite3_stmt *rows =
        prepare(db, "SELECT number, filled, hash FROM standin_ledger ORDER BY number");
    int64_t hash = 0;
    uint64_t expected = 0;
    for (bool first = true; sqlite3_step(rows) == SQLITE_ROW; first = false, expected++) {
        uint64_t number = (uint64_t)sqlite3_column_int64(rows, 0);
        if (first && number == 1)
            expected = 1; /* never filled: there is no row 0 */
        hash = number == 0 ? 0 : standin_next_hash(hash, number);
        *out_filled = (uint64_t)sqlite3_column_int64(rows, 1);
        if (number != expected || sqlite3_column_int64(rows, 2) != hash)
            standin_die("torn", "the ledger breaks");
    }
    *out_last = expected > 0 ? expected - 1 : 0;
    if (sqlite3_finalize(rows) != SQLITE_OK)
        standin_die("torn", sqlite3_errmsg(db));
}

static void check_torrents(sqlite3 *db, uint64_t filled, uint64_t last)
{
    int64_t *completed = replay(filled, last);
    sqlite3_stmt *rows = prepare(db, "SELECT id, info_hash, completed FROM torrents ORDER BY id");
    uint64_t seen = 0;
    while (sqlite3_step(rows) == SQLITE_ROW) {
        char text[41];
        uint64_t id = (uint64_t)sqlite3_column_int64(rows, 0);
        int64_t wanted = ++seen <= filled ? completed[seen] : 1;
        if (id != seen || sqlite3_column_int64(rows, 2) != wanted ||
            strcmp((const char *)sqlite3_column_text(rows, 1), standin_info_hash(seen, text)) != 0)
            standin_die("torn", "a torrent is not as the last transaction left it");
    }
    if (sqlite3_finalize(rows) != SQLITE_OK || seen != filled + last)
        standin_die("torn", "torrents are missing, or there are too many");
    free(completed);
}

static int check(const char *path)
{
    sqlite3 *db = open_database(
        path, SQLITE_OPEN_READWRITE); /* a copy with a journal is recovered by opening it */
    sqlite3_stmt *integrity = prepare(db, "PRAGMA integrity_check(1)");
    if (sqlite3_step(integrity) != SQLITE_ROW ||
        strcmp((const char *)sqlite3_column_text(integrity, 0), "ok") != 0)
        standin_die("torn", "the integrity check of SQLite failed");
    sqlite3_finalize(integrity);
    uint64_t filled = 0, last = 0;
    run(db, "BEGIN");
    check_ledger(db, &filled, &last);
    check_torrents(db, filled, last);
    sqlite3_close(db);
    printf("%" PRIu64 "\n", last);
    return 0;
}

static const standin_database sqlite = {
    .open = open_one, .write = write_one, .close = close_one, .torrents = count_torrents};

int main(int argc, char **argv)
{
    if (argc == 1)
        return standin_serve(&sqlite);
    if (argc == 4 && strcmp(argv[1], "--fill") == 0)
        return fill(argv[2], atoll(argv[3]));
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return check(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--health") == 0)
        return standin_ask_health();
    fputs(usage_text, stderr);
    return 2;
}
