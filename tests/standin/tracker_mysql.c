/*
 * SPDX-License-Identifier: MIT
 * A stand-in for the tracker on MySQL or MariaDB: its tables, and an invariant (standin.h).
 *
 * The row of `standin_counter` has the number of the last transaction; each takes it with FOR
 * UPDATE, so they are committed in that order. Transaction n adds one torrent and moves completions
 * between SPREAD pairs of a torrent and an account, two tables whose sum stays the same. `--check`
 * replays that and compares every row.
 *
 * The real tracker's pool opens connections anew; so does this one, for as long as it takes.
 */
#include "standin.h"

#include <errno.h>
#include <inttypes.h>
#include <mysql.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ACCOUNTS = 1000, FILL_BATCH = 1000, LIMIT_S = 60, STATEMENT_BYTES = 128 * 1024 };

static const char usage_text[] =
    "Usage: standin-tracker-mysql              serve, as the container does\n"
    "       standin-tracker-mysql --fill ROWS  add torrents to a new database\n"
    "       standin-tracker-mysql --check      prove a copy; prints its last transaction's number\n"
    "       standin-tracker-mysql --health     ask the endpoint; exit 0 if it answers\n"
    "Environment: TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH "
    "(mysql://USER:PASSWORD@HOST:PORT/DATABASE,\n"
    "percent-encoded), STANDIN_RATE (transactions a second), STANDIN_PORT, USER_ID\n";

/* The first three are the tracker's. */
static const char *const schema[] = {
    "CREATE TABLE IF NOT EXISTS whitelist (id integer PRIMARY KEY AUTO_INCREMENT, "
    "info_hash VARCHAR(40) NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS torrents (id integer PRIMARY KEY AUTO_INCREMENT, "
    "info_hash VARCHAR(40) NOT NULL UNIQUE, completed INTEGER DEFAULT 0 NOT NULL)",
    "CREATE TABLE IF NOT EXISTS `keys` (`id` INT NOT NULL AUTO_INCREMENT, "
    "`key` VARCHAR(32) NOT NULL, `valid_until` INT(10), PRIMARY KEY (`id`), UNIQUE (`key`))",
    "CREATE TABLE IF NOT EXISTS standin_accounts (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS standin_ledger (number BIGINT PRIMARY KEY, hash BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS standin_counter (id INT PRIMARY KEY, number BIGINT NOT NULL, "
    "filled BIGINT NOT NULL, hash BIGINT NOT NULL)",
    "INSERT IGNORE INTO standin_counter VALUES (1, 0, 0, 0)",
};

/* --- what a transaction does, from its number alone --- */

typedef struct move {
    int64_t torrent; /* 1 to filled */
    int64_t account; /* 1 to ACCOUNTS */
    int64_t amount;  /* from the torrent to the account; may be negative */
} move;

static move nth_move(uint64_t number, uint64_t i, uint64_t filled)
{
    uint64_t seed = standin_mix(number * SPREAD + i);
    int64_t amount = 1 + (int64_t)(seed % 3);
    return (move){.torrent = 1 + (int64_t)(standin_mix(seed) % filled),
                  .account = 1 + (int64_t)(standin_mix(seed + 1) % ACCOUNTS),
                  .amount = i % 2 ? -amount : amount};
}

/* --- where the server is --- */

typedef struct address {
    char *host, *user, *password, *schema;
    unsigned port;
} address;

static void decode_percents(char *text)
{
    char *to = text, digits[3] = "";
    for (const char *from = text; *from; from++) {
        if (*from == '%' && from[1] && from[2]) {
            memcpy(digits, from + 1, 2);
            *to++ = (char)strtol(digits, NULL, 16);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

/* Ends a part of the text at a delimiter and returns what follows it. */
static char *split(char *text, char delimiter)
{
    char *end = text ? strchr(text, delimiter) : NULL;
    if (!end)
        standin_die("address", "it is not mysql://USER:PASSWORD@HOST:PORT/DATABASE");
    *end = '\0';
    return end + 1;
}

/* The parts point into one allocation, which lives as long as the program. */
static const address *server_address(void)
{
    static address parts;
    static const char variable[] = "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH";
    if (parts.host)
        return &parts;
    char *text = strdup(standin_setting(variable, ""));
    if (!text || strncmp(text, "mysql://", 8) != 0)
        standin_die(variable, "it does not begin with mysql://");
    parts.user = text + 8;
    parts.password = split(parts.user, ':');
    parts.host = split(parts.password, '@');
    char *port = split(parts.host, ':');
    parts.schema = split(port, '/');
    parts.port = (unsigned)atoi(port);
    decode_percents(parts.user);
    decode_percents(parts.password);
    decode_percents(parts.schema);
    return &parts;
}

/* --- connections --- */

static MYSQL *pool[CONNECTIONS];

/* NULL when the server can't be reached. */
static MYSQL *try_connect(void)
{
    const address *to = server_address();
    unsigned limit_s = LIMIT_S;
    MYSQL *db = mysql_init(NULL);
    if (!db)
        standin_die("connect", "not enough memory");
    mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &limit_s);
    mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &limit_s);
    mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &limit_s);
    mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (mysql_real_connect(db, to->host, to->user, to->password, to->schema, to->port, NULL, 0))
        return db;
    fprintf(stderr, "no connection to %s:%u: %s\n", to->host, to->port, mysql_error(db));
    mysql_close(db);
    return NULL;
}

static MYSQL *connect_or_die(void)
{
    MYSQL *db = try_connect();
    if (!db)
        exit(1);
    return db;
}

static bool execute(MYSQL *db, const char *sql) { return mysql_query(db, sql) == 0; }

__attribute__((format(printf, 2, 3))) static bool executef(MYSQL *db, const char *format, ...)
{
    char sql[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    return execute(db, sql);
}

static bool make_tables(MYSQL *db)
{
    for (size_t i = 0; i < sizeof schema / sizeof *schema; i++)
        if (!execute(db, schema[i]))
            return false;
    return true;
}

static void open_one(size_t i)
{
    while (!(pool[i] = try_connect()))
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    if (i == 0 && !make_tables(pool[i]))
        standin_die("tables", mysql_error(pool[i]));
}

static void close_one(size_t i)
{
    if (pool[i])
        mysql_close(pool[i]);
}

/* --- writing --- */

static bool read_counter(MYSQL *db, const char *sql, int64_t values[3])
{
    MYSQL_RES *result = execute(db, sql) ? mysql_store_result(db) : NULL;
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    for (size_t i = 0; row && i < 3; i++)
        values[i] = strtoll(row[i], NULL, 10);
    mysql_free_result(result);
    return row != NULL;
}

static uint64_t count_torrents(size_t i)
{
    int64_t last[3] = {0};
    bool is_read =
        pool[i] && read_counter(pool[i], "SELECT number, filled, hash FROM standin_counter", last);
    return is_read ? (uint64_t)(last[0] + last[1]) : 0;
}

static bool move_one(MYSQL *db, move m)
{
    return executef(db,
                    "UPDATE torrents SET completed = completed - %" PRId64 " WHERE id = %" PRId64,
                    m.amount, m.torrent) &&
           executef(db,
                    "UPDATE standin_accounts SET amount = amount + %" PRId64 " WHERE id = %" PRId64,
                    m.amount, m.account);
}

static bool write_inside(MYSQL *db, uint64_t *out_number)
{
    int64_t last[3]; /* number, filled, hash */
    char text[41];
    if (!read_counter(db, "SELECT number, filled, hash FROM standin_counter FOR UPDATE", last))
        return false;
    uint64_t number = *out_number = (uint64_t)last[0] + 1, filled = (uint64_t)last[1];
    int64_t hash = standin_next_hash(last[2], number);
    for (uint64_t i = 0; i < SPREAD && filled > 0; i++)
        if (!move_one(db, nth_move(number, i, filled)))
            return false;
    /* With an id of ours: one that the server counts is lost with a transaction that fails. */
    return executef(db,
                    "INSERT INTO torrents (id, info_hash, completed) VALUES (%" PRIu64 ", '%s', 1)",
                    filled + number, standin_info_hash(filled + number, text)) &&
           executef(db, "INSERT INTO standin_ledger VALUES (%" PRIu64 ", %" PRId64 ")", number,
                    hash) &&
           executef(db, "UPDATE standin_counter SET number = %" PRIu64 ", hash = %" PRId64, number,
                    hash);
}

static bool write_one(size_t i, uint64_t *out_number)
{
    MYSQL *db = pool[i] ? pool[i] : (pool[i] = try_connect());
    if (!db)
        return false;
    if (execute(db, "START TRANSACTION") && write_inside(db, out_number) && execute(db, "COMMIT"))
        return true;
    fprintf(stderr, "transaction %" PRIu64 " failed: %s\n", *out_number, mysql_error(db));
    if (!execute(db, "ROLLBACK")) {
        mysql_close(db);
        pool[i] = NULL;
    }
    return false;
}

/* --- fill and check --- */

/* Rows first to last of a table in one statement. */
static bool insert_batch(MYSQL *db, char *sql, const char *table, int64_t first, int64_t last)
{
    bool is_torrents = strcmp(table, "torrents") == 0;
    int size = snprintf(sql, STATEMENT_BYTES, "INSERT INTO %s VALUES ", table);
    for (int64_t row = first; row <= last; row++) {
        char text[41];
        const char *separator = row == first ? "" : ",";
        char *to = sql + size;
        size_t room = (size_t)(STATEMENT_BYTES - size);
        size += is_torrents
                    ? snprintf(to, room, "%s(%" PRId64 ",'%s',%d)", separator, row,
                               standin_info_hash((uint64_t)row, text), START_COMPLETED)
                    : snprintf(to, room, "%s(%" PRId64 ",%d)", separator, row, START_COMPLETED);
    }
    return mysql_real_query(db, sql, (unsigned long)size) == 0;
}

static void insert_rows(MYSQL *db, const char *table, int64_t rows)
{
    char *sql = malloc(STATEMENT_BYTES);
    if (!sql)
        standin_die("fill", "not enough memory");
    for (int64_t first = 1; first <= rows; first += FILL_BATCH) {
        int64_t last = first + FILL_BATCH - 1;
        if (!insert_batch(db, sql, table, first, last < rows ? last : rows))
            standin_die(table, mysql_error(db));
    }
    free(sql);
}

static int fill(int64_t rows)
{
    MYSQL *db = connect_or_die();
    int64_t counter[3];
    if (!make_tables(db) || !execute(db, "SET autocommit = 0") ||
        !read_counter(db, "SELECT number, filled, hash FROM standin_counter FOR UPDATE", counter))
        standin_die("fill", mysql_error(db));
    if (counter[0] != 0 || counter[1] != 0)
        standin_die("fill", "only a new database can be filled");
    insert_rows(db, "torrents", rows);
    insert_rows(db, "standin_accounts", ACCOUNTS);
    if (!executef(db, "UPDATE standin_counter SET filled = %" PRId64, rows) ||
        !execute(db, "COMMIT"))
        standin_die("fill", mysql_error(db));
    mysql_close(db);
    return 0;
}

/* What each filled row must hold after `last` transactions; torrents from 1, accounts from 1. */
static void replay(uint64_t filled, uint64_t last, int64_t **out_torrents, int64_t **out_accounts)
{
    int64_t *torrents = calloc(filled + 1, sizeof *torrents);
    int64_t *accounts = calloc(ACCOUNTS + 1, sizeof *accounts);
    if (!torrents || !accounts)
        standin_die("check", "not enough memory");
    for (uint64_t row = 1; row <= filled; row++)
        torrents[row] = START_COMPLETED;
    for (uint64_t row = 1; row <= ACCOUNTS; row++)
        accounts[row] = START_COMPLETED;
    for (uint64_t number = 1; number <= last && filled > 0; number++)
        for (uint64_t i = 0; i < SPREAD; i++) {
            move m = nth_move(number, i, filled);
            torrents[m.torrent] -= m.amount;
            accounts[m.account] += m.amount;
        }
    *out_torrents = torrents;
    *out_accounts = accounts;
}

static MYSQL_RES *rows_of(MYSQL *db, const char *sql)
{
    MYSQL_RES *result = execute(db, sql) ? mysql_use_result(db) : NULL;
    if (!result)
        standin_die(sql, mysql_error(db));
    return result;
}

static void end_rows(MYSQL *db, MYSQL_RES *result)
{
    if (mysql_errno(db) != 0)
        standin_die("check", mysql_error(db));
    mysql_free_result(result);
}

static void check_ledger(MYSQL *db, uint64_t last, int64_t last_hash)
{
    MYSQL_RES *rows = rows_of(db, "SELECT number, hash FROM standin_ledger ORDER BY number");
    uint64_t seen = 0;
    int64_t hash = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(rows));) {
        hash = standin_next_hash(hash, ++seen);
        if (strtoull(row[0], NULL, 10) != seen || strtoll(row[1], NULL, 10) != hash)
            standin_die("torn", "the ledger breaks");
    }
    end_rows(db, rows);
    if (seen != last || hash != last_hash)
        standin_die("torn", "the ledger and the counter are of two moments");
}

static void check_torrents(MYSQL *db, uint64_t filled, uint64_t last, const int64_t *completed)
{
    MYSQL_RES *rows = rows_of(db, "SELECT id, info_hash, completed FROM torrents ORDER BY id");
    uint64_t seen = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(rows));) {
        char text[41];
        int64_t wanted = ++seen <= filled ? completed[seen] : 1;
        if (strtoull(row[0], NULL, 10) != seen || strtoll(row[2], NULL, 10) != wanted ||
            strcmp(row[1], standin_info_hash(seen, text)) != 0)
            standin_die("torn", "a torrent is not as the last transaction left it");
    }
    end_rows(db, rows);
    if (seen != filled + last)
        standin_die("torn", "torrents are missing, or there are too many");
}

static void check_accounts(MYSQL *db, uint64_t filled, const int64_t *amounts)
{
    MYSQL_RES *rows = rows_of(db, "SELECT id, amount FROM standin_accounts ORDER BY id");
    uint64_t seen = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(rows));)
        if (strtoull(row[0], NULL, 10) != ++seen || seen > ACCOUNTS ||
            strtoll(row[1], NULL, 10) != amounts[seen])
            standin_die("torn", "an account is not as the last transaction left it");
    end_rows(db, rows);
    if (seen != (filled > 0 ? ACCOUNTS : 0))
        standin_die("torn", "accounts are missing");
}

static int check(void)
{
    MYSQL *db = connect_or_die();
    int64_t counter[3], *torrents, *accounts;
    if (!execute(db, "START TRANSACTION WITH CONSISTENT SNAPSHOT") ||
        !read_counter(db, "SELECT number, filled, hash FROM standin_counter", counter))
        standin_die("check", mysql_error(db));
    uint64_t last = (uint64_t)counter[0], filled = (uint64_t)counter[1];
    replay(filled, last, &torrents, &accounts);
    check_ledger(db, last, counter[2]);
    check_torrents(db, filled, last, torrents);
    check_accounts(db, filled, accounts);
    free(torrents);
    free(accounts);
    mysql_close(db);
    printf("%" PRIu64 "\n", last);
    return 0;
}

static const standin_database mysql = {
    .open = open_one, .write = write_one, .close = close_one, .torrents = count_torrents};

int main(int argc, char **argv)
{
    if (mysql_library_init(0, NULL, NULL) != 0)
        standin_die("MySQL", "the client library does not start");
    if (argc == 1)
        return standin_serve(&mysql);
    if (argc == 3 && strcmp(argv[1], "--fill") == 0)
        return fill(atoll(argv[2]));
    if (argc == 2 && strcmp(argv[1], "--check") == 0)
        return check();
    if (argc == 2 && strcmp(argv[1], "--health") == 0)
        return standin_ask_health();
    fputs(usage_text, stderr);
    return 2;
}
