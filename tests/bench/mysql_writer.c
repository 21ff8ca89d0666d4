/* SPDX-License-Identifier: MIT */
/*
 * The tracker's load on a filled database of MySQL or MariaDB, and how long it waits (windows.h).
 *
 * A transaction is the statement with which the tracker saves a torrent's number of completions;
 * one in ten is of a new torrent, whose hash lands anywhere in the index. As many connections as
 * the tracker's pool has; each takes its part of the rate.
 */
#include "windows.h"

#include <inttypes.h>
#include <mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS = 10, NEW_EVERY = 10, WORKING_SET_ROWS = 200000, LIMIT_S = 120 };

static const char usage_text[] =
    "Usage: bench-mysql-writer HOST PORT USER DATABASE RATE   RATE transactions a second\n"
    "The password is taken from the environment: MYSQL_PWD.\n";

typedef struct connection {
    MYSQL *mysql;
    pthread_t thread;
    int64_t first_ns, interval_ns;
    uint64_t random;
} connection;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the windows */

static void connect_to(connection *self, char **arguments)
{
    const unsigned limit_s = LIMIT_S;
    self->mysql = mysql_init(NULL);
    if (self->mysql == NULL || mysql_optionsv(self->mysql, MYSQL_OPT_READ_TIMEOUT, &limit_s) != 0)
        bench_die("connecting", "not enough memory");
    if (mysql_real_connect(self->mysql, arguments[1], arguments[3], getenv("MYSQL_PWD"),
                           arguments[4], (unsigned)strtoul(arguments[2], NULL, 10), NULL,
                           0) == NULL)
        bench_die("connecting", mysql_error(self->mysql));
}

/* The hash of an existing torrent is made from its number, as when the database was filled. */
static bool write_once(connection *self)
{
    char sql[256];
    uint64_t number = bench_random(&self->random);
    bool is_new = bench_random(&self->random) % NEW_EVERY == 0;
    int length = snprintf(sql, sizeof sql,
                          "INSERT INTO torrents (info_hash, completed) VALUES (LEFT(SHA2(%" PRIu64
                          ", 256), 40), 1) ON DUPLICATE KEY UPDATE completed = completed + 1",
                          is_new ? number : 1 + number % WORKING_SET_ROWS);
    return mysql_real_query(self->mysql, sql, (unsigned long)length) == 0;
}

static bench_window *begin(int64_t at_ns)
{
    (void)pthread_mutex_lock(&lock);
    bench_window *into = bench_window_at(at_ns);
    (void)pthread_mutex_unlock(&lock);
    return into;
}

static void end(bench_window *into, int64_t took_ns, bool ok)
{
    (void)pthread_mutex_lock(&lock);
    bench_note(into, took_ns, ok);
    (void)pthread_mutex_unlock(&lock);
}

static void *write_until_told(void *pointer)
{
    connection *self = pointer;
    int64_t due_ns = self->first_ns;
    (void)mysql_thread_init();
    while (!bench_stopping) {
        due_ns = bench_wait_for_turn(due_ns, self->interval_ns);
        int64_t began_ns = bench_now_ns();
        bench_window *into = begin(began_ns);
        bool ok = write_once(self);
        end(into, bench_now_ns() - began_ns, ok);
    }
    mysql_thread_end();
    return NULL;
}

int main(int count, char **arguments)
{
    connection connections[CONNECTIONS] = {0};
    if (count != 6) {
        fputs(usage_text, stderr);
        return 2;
    }
    bench_windows_begin("bench-mysql-writer");
    int64_t interval_ns = BENCH_SECOND_NS / strtoll(arguments[5], NULL, 10);
    (void)mysql_library_init(0, NULL, NULL);
    for (int i = 0; i < CONNECTIONS; i++)
        connect_to(&connections[i], arguments);
    for (int i = 0; i < CONNECTIONS; i++) {
        connection *self = &connections[i];
        self->first_ns = bench_now_ns() + i * interval_ns;
        self->interval_ns = CONNECTIONS * interval_ns;
        self->random = (uint64_t)bench_now_ns();
        if (pthread_create(&self->thread, NULL, write_until_told, self) != 0)
            bench_die("connecting", "cannot start a thread");
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        (void)pthread_join(connections[i].thread, NULL);
        mysql_close(connections[i].mysql);
    }
    bench_windows_print();
    return 0;
}
