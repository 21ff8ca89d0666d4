/*
 * SPDX-License-Identifier: MIT
 * A stand-in for the tracker: its tables, connection pool, signals, health endpoint, and an
 * invariant.
 *
 * It writes all the time. The content of the database is a function of the number of the last
 * transaction alone: transaction n adds one torrent and moves completions between SPREAD pairs of
 * those that `--fill` made, all chosen by a generator that is seeded with n. `--check` replays that
 * and compares every row, so a copy that holds half of a transaction, or pages of two moments,
 * can't pass. Like the real one it ends on SIGINT and does not react to SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS = 10,
    WRITERS = 4,
    SPREAD = 8,
    START_COMPLETED = 1000000,
    BUSY_MS = 5000,
    FILL_BATCH = 100000
};

static const char usage_text[] =
    "Usage: standin-tracker                   serve, as the container does\n"
    "       standin-tracker --fill FILE ROWS  add torrents to a new database\n"
    "       standin-tracker --check FILE      prove a copy; prints its last transaction's number\n"
    "       standin-tracker --health          ask the endpoint; exit 0 if it answers\n"
    "Environment: STANDIN_DATABASE, STANDIN_RATE (transactions a second), STANDIN_PORT, USER_ID\n";

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

static atomic_bool stopping;
static atomic_uint_least64_t committed;
static int rate_per_second;

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "standin-tracker: %s: %s\n", what, why);
    exit(1);
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/* --- what a transaction does, from its number alone --- */

/* The finaliser of splitmix64: every bit of the result depends on every bit of the input. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

typedef struct {
    int64_t from, to; /* rows of `torrents`, 1 to filled */
    int64_t amount;
} move;

static move nth_move(uint64_t number, uint64_t i, uint64_t filled)
{
    uint64_t seed = mix(number * SPREAD + i);
    return (move){.from = 1 + (int64_t)(mix(seed) % filled),
                  .to = 1 + (int64_t)(mix(seed + 1) % filled),
                  .amount = 1 + (int64_t)(seed % 3)};
}

static int64_t next_hash(int64_t hash, uint64_t number)
{
    return (int64_t)(mix((uint64_t)hash ^ number) >> 1);
}

static const char *info_hash_of(uint64_t row, char text[41])
{
    snprintf(text, 41, "%016" PRIx64 "%016" PRIx64 "%08" PRIx64, mix(row), mix(~row),
             mix(row << 1) >> 32);
    return text;
}

/* --- the database --- */

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
}

static sqlite3 *open_database(const char *path, int flags)
{
    sqlite3 *db;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        die(path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, BUSY_MS);
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
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
    bool busy;
} connection;

static connection pool[CONNECTIONS];
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

static void open_pool(const char *path)
{
    for (connection *c = pool; c < pool + CONNECTIONS; c++) {
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
}

static void close_pool(void)
{
    for (connection *c = pool; c < pool + CONNECTIONS; c++) {
        sqlite3_stmt *statements[] = {c->last, c->take, c->give, c->torrent, c->ledger};
        for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
            sqlite3_finalize(statements[i]);
        sqlite3_close(c->db);
    }
}

/* Takes turns through the pool, so that over time every connection writes. */
static connection *borrow(void)
{
    static size_t turn;
    pthread_mutex_lock(&pool_lock);
    do
        turn = (turn + 1) % CONNECTIONS;
    while (pool[turn].busy); /* there are fewer writers than connections */
    connection *c = &pool[turn];
    c->busy = true;
    pthread_mutex_unlock(&pool_lock);
    return c;
}

static void give_back(connection *c)
{
    pthread_mutex_lock(&pool_lock);
    c->busy = false;
    pthread_mutex_unlock(&pool_lock);
}

static bool insert_torrent(connection *c, uint64_t row)
{
    char text[41];
    sqlite3_bind_text(c->torrent, 1, info_hash_of(row, text), -1, SQLITE_TRANSIENT);
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
           step(c->ledger, (int64_t)number, (int64_t)filled, next_hash(hash, number));
}

static void write_once(void)
{
    connection *c = borrow();
    uint64_t number = 0;
    if (sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK) {
        if (write_inside(c, &number) &&
            sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK) {
            atomic_store(&committed, number);
        } else {
            fprintf(stderr, "transaction %" PRIu64 " failed: %s\n", number, sqlite3_errmsg(c->db));
            sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        }
    } else {
        fprintf(stderr, "the database is busy: %s\n", sqlite3_errmsg(c->db));
    }
    give_back(c);
}

static void *writer(void *unused)
{
    (void)unused;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    int64_t interval_ns = INT64_C(1000000000) * WRITERS / rate_per_second;
    while (!atomic_load(&stopping)) {
        write_once();
        int64_t ns = next.tv_nsec + interval_ns;
        next.tv_sec += ns / 1000000000;
        next.tv_nsec = ns % 1000000000;
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > next.tv_sec) /* what was missed in a pause is not made up in a rush */
            next = now;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    return NULL;
}

/* --- HTTP --- */

static int tcp_socket(bool listening)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(setting("STANDIN_PORT", "1212"))),
        .sin_addr.s_addr = htonl(listening ? INADDR_ANY : INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 4};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (!listening)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (fd < 0 ||
        (listening ? bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 16)
                   : connect(fd, (struct sockaddr *)&address, sizeof address)))
        die(listening ? "listen" : "connect", strerror(errno));
    return fd;
}

static void *serve_health(void *argument)
{
    int listener = *(int *)argument;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        struct timeval limit = {.tv_sec = 1};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        char request[1024], answer[256];
        if (recv(fd, request, sizeof request, 0) > 0) {
            int size = snprintf(
                answer, sizeof answer,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
                "{\"status\":\"Ok\",\"committed\":%" PRIu64 "}\n",
                (uint64_t)atomic_load(&committed));
            send(fd, answer, (size_t)size, MSG_NOSIGNAL);
        }
        close(fd);
    }
    return NULL;
}

static int ask_health(void)
{
    static const char request[] = "GET /health_check HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[64] = "";
    int fd = tcp_socket(false);
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0 ||
        recv(fd, answer, sizeof answer - 1, 0) < 0)
        die("health", strerror(errno));
    return strncmp(answer, "HTTP/1.1 200", 12) == 0 ? 0 : 1;
}

/* --- as the container's entry does it: folders, then another user --- */

static uid_t user_id;

static int own(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    if (chown(path, user_id, user_id) != 0 || chmod(path, 02770) != 0)
        die(path, strerror(errno));
    return 0;
}

static void become_user(void)
{
    static const char *const trees[] = {"/var/lib/torrust", "/var/log/torrust", "/etc/torrust"};
    user_id = (uid_t)atoi(setting("USER_ID", "1000"));
    if (geteuid() != 0)
        return;
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++)
        nftw(trees[i], own, 16, FTW_PHYS);
    if (setgroups(0, NULL) != 0 || setgid(user_id) != 0 || setuid(user_id) != 0)
        die("setuid", strerror(errno));
}

static int serve(void)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    pthread_sigmask(SIG_BLOCK, &wanted,
                    NULL); /* inherited by all threads: only sigwait below takes it */
    signal(SIGTERM, SIG_IGN);
    become_user();
    rate_per_second = atoi(setting("STANDIN_RATE", "50"));
    open_pool(setting("STANDIN_DATABASE", "/var/lib/torrust/tracker/database/tracker.db"));
    int listener = tcp_socket(true);
    pthread_t threads[WRITERS], health;
    for (int i = 0; i < WRITERS && rate_per_second > 0; i++)
        pthread_create(&threads[i], NULL, writer, NULL);
    pthread_create(&health, NULL, serve_health, &listener);
    puts("started");
    fflush(stdout);
    int signal_number;
    sigwait(&wanted, &signal_number);
    atomic_store(&stopping, true);
    for (int i = 0; i < WRITERS && rate_per_second > 0; i++)
        pthread_join(threads[i], NULL);
    close_pool();
    printf("ended after transaction %" PRIu64 "\n", (uint64_t)atomic_load(&committed));
    return 0;
}

/* --- fill and check --- */

static int fill(const char *path, int64_t rows)
{
    open_pool(path);
    connection *c = pool;
    run(c->db, "PRAGMA cache_size = -1000000; PRAGMA synchronous = OFF");
    if (sqlite3_step(c->last) == SQLITE_ROW)
        die(path, "only a new database can be filled");
    sqlite3_reset(c->last);
    sqlite3_finalize(c->torrent);
    c->torrent = prepare(c->db, "INSERT INTO torrents (info_hash, completed) VALUES (?1, 1000000)");
    for (int64_t row = 1; row <= rows; row++) {
        if (row % FILL_BATCH == 1)
            run(c->db, "BEGIN");
        if (!insert_torrent(c, (uint64_t)row))
            die(path, sqlite3_errmsg(c->db));
        if (row % FILL_BATCH == 0 || row == rows)
            run(c->db, "COMMIT");
    }
    if (!step(c->ledger, 0, rows, 0))
        die(path, sqlite3_errmsg(c->db));
    close_pool();
    return 0;
}

/* What each filled row must hold after `last` transactions. */
static int64_t *replay(uint64_t filled, uint64_t last)
{
    int64_t *completed = calloc(filled + 1, sizeof *completed);
    if (!completed)
        die("check", "not enough memory");
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
        hash = number == 0 ? 0 : next_hash(hash, number);
        *out_filled = (uint64_t)sqlite3_column_int64(rows, 1);
        if (number != expected || sqlite3_column_int64(rows, 2) != hash)
            die("torn", "the ledger breaks");
    }
    *out_last = expected > 0 ? expected - 1 : 0;
    if (sqlite3_finalize(rows) != SQLITE_OK)
        die("torn", sqlite3_errmsg(db));
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
            strcmp((const char *)sqlite3_column_text(rows, 1), info_hash_of(seen, text)) != 0)
            die("torn", "a torrent is not as the last transaction left it");
    }
    if (sqlite3_finalize(rows) != SQLITE_OK || seen != filled + last)
        die("torn", "torrents are missing, or there are too many");
    free(completed);
}

static int check(const char *path)
{
    sqlite3 *db = open_database(
        path, SQLITE_OPEN_READWRITE); /* a copy with a journal is recovered by opening it */
    sqlite3_stmt *integrity = prepare(db, "PRAGMA integrity_check(1)");
    if (sqlite3_step(integrity) != SQLITE_ROW ||
        strcmp((const char *)sqlite3_column_text(integrity, 0), "ok") != 0)
        die("torn", "the integrity check of SQLite failed");
    sqlite3_finalize(integrity);
    uint64_t filled = 0, last = 0;
    run(db, "BEGIN");
    check_ledger(db, &filled, &last);
    check_torrents(db, filled, last);
    sqlite3_close(db);
    printf("%" PRIu64 "\n", last);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return serve();
    if (argc == 4 && strcmp(argv[1], "--fill") == 0)
        return fill(argv[2], atoll(argv[3]));
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return check(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--health") == 0)
        return ask_health();
    fputs(usage_text, stderr);
    return 2;
}
