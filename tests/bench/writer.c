/* SPDX-License-Identifier: MIT */
/*
 * A writer that measures how long it waits: the tracker's load on a filled database.
 *
 * A transaction adds completions to some torrents of a working set; one in ten also adds a new
 * torrent, whose hash lands anywhere in the index: about six pages. One connection, since SQLite
 * has one writer at a time. Its windows are those of windows.h.
 */
#include "windows.h"

#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    UPDATES = 6,
    NEW_EVERY = 10,
    WORKING_SET_ROWS = 200000,
    BUSY_MS = 5000,
    LOOK_EVERY = 16 /* transactions between two looks at the log's size */
};

static const char usage_text[] = "Usage: bench-writer FILE wal|delete RATE   RATE transactions a "
                                 "second; 0: as fast as it goes\n";

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
        bench_die(sql, sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        bench_die(sql, sqlite3_errmsg(db));
    return statement;
}

/* In WAL mode a power cut may cost the newest transactions (synchronous=NORMAL): what the disk's
 * syncs cost would hide what the copy costs. */
static void open_writer(writer *self, const char *path, bool wal)
{
    if (sqlite3_open_v2(path, &self->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        bench_die(path, sqlite3_errmsg(self->db));
    (void)sqlite3_busy_timeout(self->db, BUSY_MS);
    execute(self->db, wal ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"
                          : "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL");
    self->begin = prepare(self->db, "BEGIN IMMEDIATE");
    self->move = prepare(self->db, "UPDATE torrents SET completed = completed + 1 WHERE id = ?1");
    self->add = prepare(self->db, "INSERT INTO torrents (info_hash, completed) VALUES (?1, 1)");
    self->commit = prepare(self->db, "COMMIT");
    self->random = (uint64_t)bench_now_ns();
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
                   bench_random(&self->random), bench_random(&self->random),
                   bench_random(&self->random) >> 32);
    (void)sqlite3_bind_text(self->add, 1, hash, -1, SQLITE_TRANSIENT);
    return step(self->add);
}

static bool write_once(writer *self)
{
    bool ok = step(self->begin);
    for (int i = 0; ok && i < UPDATES; i++) {
        int64_t row = 1 + (int64_t)(bench_random(&self->random) % WORKING_SET_ROWS);
        (void)sqlite3_bind_int64(self->move, 1, row);
        ok = step(self->move);
    }
    if (bench_random(&self->random) % NEW_EVERY == 0)
        ok = ok && add_torrent(self);
    ok = ok && step(self->commit);
    if (!ok && sqlite3_get_autocommit(self->db) == 0)
        (void)sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

/* --- the windows --- */

static void look_at_log(const writer *self, bench_window *into)
{
    struct stat status;
    if (stat(self->log, &status) == 0 && status.st_size > into->log_bytes_max)
        into->log_bytes_max = status.st_size;
}

static void write_until_told(writer *self, int64_t interval_ns)
{
    int64_t due_ns = bench_now_ns();
    for (uint64_t i = 0; !bench_stopping; i++) {
        if (interval_ns > 0)
            due_ns = bench_wait_for_turn(due_ns, interval_ns);
        int64_t began_ns = bench_now_ns();
        bench_window *into = bench_window_at(began_ns);
        bool ok = write_once(self);
        bench_note(into, bench_now_ns() - began_ns, ok);
        if (i % LOOK_EVERY == 0)
            look_at_log(self, into);
    }
}

int main(int count, char **arguments)
{
    writer self = {0};
    if (count != 4) {
        fputs(usage_text, stderr);
        return 2;
    }
    bench_windows_begin("bench-writer");
    int64_t rate = strtoll(arguments[3], NULL, 10);
    open_writer(&self, arguments[1], strcmp(arguments[2], "wal") == 0);
    write_until_told(&self, rate > 0 ? BENCH_SECOND_NS / rate : 0);
    sqlite3_stmt *statements[] = {self.begin, self.move, self.add, self.commit};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        (void)sqlite3_finalize(statements[i]);
    (void)sqlite3_close(self.db);
    bench_windows_print();
    return 0;
}
