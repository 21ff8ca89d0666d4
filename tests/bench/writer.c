/* SPDX-License-Identifier: MIT */
/*
 * A writer that measures how long it waits: the tracker's load on a filled database.
 *
 * A transaction adds completions to some torrents of a working set; one in ten also adds a new
 * torrent, whose hash lands anywhere in the index: about six pages. One connection, since SQLite
 * has one writer at a time. Every SIGUSR1 begins a new window; SIGTERM ends, and prints a line of
 * JSON for each of them.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    WINDOWS_MAX = 8,
    UPDATES = 6,
    NEW_EVERY = 10,
    WORKING_SET_ROWS = 200000,
    BUSY_MS = 5000,
    LOOK_EVERY = 16 /* transactions between two looks at the log's size */
};
#define SECOND_NS INT64_C(1000000000)

static const char usage_text[] = "Usage: bench-writer FILE wal|delete RATE   RATE transactions a "
                                 "second; 0: as fast as it goes\n";

typedef struct window {
    int64_t started_ns, ended_ns;
    uint32_t *waits_us; /* of each transaction that began in it */
    size_t count, capacity;
    size_t failed;
    int64_t log_bytes_max;
} window;

static window windows[WINDOWS_MAX];
static volatile sig_atomic_t window_wanted;
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    if (number != SIGUSR1)
        stopping = 1;
    else if (window_wanted < WINDOWS_MAX - 1)
        window_wanted = window_wanted + 1;
}

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "bench-writer: %s: %s\n", what, why);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* --- a transaction --- */

typedef struct writer {
    sqlite3 *db;
    sqlite3_stmt *begin, *move, *add, *commit;
    uint64_t random;
    char log[PATH_MAX];
} writer;

static void execute(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(db));
    return statement;
}

/* In WAL mode a power cut may cost the newest transactions (synchronous=NORMAL): what the disk's
 * syncs cost would hide what the copy costs. */
static void open_writer(writer *self, const char *path, bool wal)
{
    if (sqlite3_open_v2(path, &self->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        die(path, sqlite3_errmsg(self->db));
    (void)sqlite3_busy_timeout(self->db, BUSY_MS);
    execute(self->db, wal ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"
                          : "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL");
    self->begin = prepare(self->db, "BEGIN IMMEDIATE");
    self->move = prepare(self->db, "UPDATE torrents SET completed = completed + 1 WHERE id = ?1");
    self->add = prepare(self->db, "INSERT INTO torrents (info_hash, completed) VALUES (?1, 1)");
    self->commit = prepare(self->db, "COMMIT");
    self->random = (uint64_t)now_ns();
    (void)snprintf(self->log, sizeof self->log, "%s-wal", path);
}

static bool step(sqlite3_stmt *statement)
{
    (void)sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK;
}

static bool add_torrent(writer *self)
{
    char hash[41];
    (void)snprintf(hash, sizeof hash, "%016" PRIx64 "%016" PRIx64 "%08" PRIx64,
                   next_random(&self->random), next_random(&self->random),
                   next_random(&self->random) >> 32);
    (void)sqlite3_bind_text(self->add, 1, hash, -1, SQLITE_TRANSIENT);
    return step(self->add);
}

static bool write_once(writer *self)
{
    bool ok = step(self->begin);
    for (int i = 0; ok && i < UPDATES; i++) {
        int64_t row = 1 + (int64_t)(next_random(&self->random) % WORKING_SET_ROWS);
        (void)sqlite3_bind_int64(self->move, 1, row);
        ok = step(self->move);
    }
    if (next_random(&self->random) % NEW_EVERY == 0)
        ok = ok && add_torrent(self);
    ok = ok && step(self->commit);
    if (!ok && sqlite3_get_autocommit(self->db) == 0)
        (void)sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

/* --- the windows --- */

static void note(window *into, int64_t took_ns, bool ok)
{
    if (into->count == into->capacity) {
        into->capacity = into->capacity == 0 ? 65536 : 2 * into->capacity;
        into->waits_us = realloc(into->waits_us, into->capacity * sizeof *into->waits_us);
        if (into->waits_us == NULL)
            die("waits", "not enough memory");
    }
    into->waits_us[into->count++] = (uint32_t)(took_ns / 1000);
    into->failed += ok ? 0 : 1;
}

static void look_at_log(const writer *self, window *into)
{
    struct stat status;
    if (stat(self->log, &status) == 0 && status.st_size > into->log_bytes_max)
        into->log_bytes_max = status.st_size;
}

static window *window_at(int64_t at_ns)
{
    static int current = -1;
    while (current < window_wanted) {
        if (current >= 0)
            windows[current].ended_ns = at_ns;
        windows[++current].started_ns = at_ns;
    }
    return &windows[current];
}

/* What was missed in a stall is not made up in a rush. */
static int64_t wait_for_turn(int64_t due_ns, int64_t interval_ns)
{
    int64_t at_ns = now_ns();
    if (due_ns + SECOND_NS / 10 < at_ns)
        due_ns = at_ns;
    const struct timespec due = {.tv_sec = due_ns / SECOND_NS, .tv_nsec = due_ns % SECOND_NS};
    if (due_ns > at_ns)
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR && !stopping) {
        }
    return due_ns + interval_ns;
}

static void write_until_told(writer *self, int64_t interval_ns)
{
    int64_t due_ns = now_ns();
    for (uint64_t i = 0; !stopping; i++) {
        if (interval_ns > 0)
            due_ns = wait_for_turn(due_ns, interval_ns);
        int64_t began_ns = now_ns();
        window *into = window_at(began_ns);
        bool ok = write_once(self);
        note(into, now_ns() - began_ns, ok);
        if (i % LOOK_EVERY == 0)
            look_at_log(self, into);
    }
    window_at(now_ns())->ended_ns = now_ns();
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_window(window *self)
{
    if (self->count == 0)
        return;
    qsort(self->waits_us, self->count, sizeof *self->waits_us, by_size);
    printf("{\"seconds\":%.3f,\"transactions\":%zu,\"failed\":%zu,\"p50_us\":%u,\"p99_us\":%u,"
           "\"worst_us\":%u,\"log_bytes\":%" PRId64 "}\n",
           (double)(self->ended_ns - self->started_ns) / 1e9, self->count, self->failed,
           self->waits_us[self->count / 2], self->waits_us[self->count * 99 / 100],
           self->waits_us[self->count - 1], self->log_bytes_max);
}

int main(int count, char **arguments)
{
    writer self = {0};
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (count != 4) {
        fputs(usage_text, stderr);
        return 2;
    }
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    int64_t rate = strtoll(arguments[3], NULL, 10);
    open_writer(&self, arguments[1], strcmp(arguments[2], "wal") == 0);
    write_until_told(&self, rate > 0 ? SECOND_NS / rate : 0);
    sqlite3_stmt *statements[] = {self.begin, self.move, self.add, self.commit};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        (void)sqlite3_finalize(statements[i]);
    (void)sqlite3_close(self.db);
    for (window *each = windows; each < windows + WINDOWS_MAX; each++) {
        print_window(each);
        free(each->waits_us);
    }
    return 0;
}
