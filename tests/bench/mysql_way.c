/* SPDX-License-Identifier: MIT */
/*
 * A dump or a load of a database of MySQL or MariaDB, timed: the engine's own code, with nothing
 * around it.
 *
 * Prints JSON: ms from the first connection to the last answer, processor_ms what all threads of
 * this process computed (not the server), memory_kib the most memory that it had, mapped files
 * included.
 */
#include "database/mysql/mysql.h"
#include "database/throttle.h"
#include "store/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const char usage_text[] =
    "Usage: bench-mysql-way dump FILE LEVEL       all rows, compressed, as into a set\n"
    "       bench-mysql-way essential FILE LEVEL  torrents that were completed\n"
    "       bench-mysql-way load FILE             into an empty database\n"
    "       bench-mysql-way measure               what a proof reads after a load\n"
    "Environment: BENCH_HOST, BENCH_PORT, BENCH_USER, MYSQL_PWD, BENCH_DATABASE, BENCH_SESSIONS "
    "(2)\n";

enum { LOAD_LIMIT_S = 7200, PIN_PAUSE_MS = 5, PIN_TRIES = 200 };

typedef struct outcome {
    tbk_set_file file; /* of a dump */
    tbk_mysql_facts facts;
} outcome;

static double now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double processor_ms(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static long memory_kib(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss;
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value != NULL ? value : otherwise;
}

static tbk_mysql_server server_of_environment(void)
{
    return (tbk_mysql_server){.host = setting("BENCH_HOST", "127.0.0.1"),
                              .port = (uint16_t)strtoul(setting("BENCH_PORT", "3306"), NULL, 10),
                              .user = setting("BENCH_USER", "root"),
                              .password = setting("MYSQL_PWD", ""),
                              .schema = setting("BENCH_DATABASE", "tracker"),
                              .answer_limit_s = LOAD_LIMIT_S};
}

static unsigned sessions(void)
{
    return (unsigned)strtoul(setting("BENCH_SESSIONS", "2"), NULL, 10);
}

/* --- the ways --- */

/* As the engine does. */
static bool pin(tbk_mysql_dump *dump, tbk_error *err)
{
    const struct timespec pause = {.tv_nsec = PIN_PAUSE_MS * 1000000};
    for (int tries = 1; !tbk_mysql_dump_pin(dump, err); tries++) {
        if (err->code != TBK_E_BUSY || tries == PIN_TRIES)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

static bool dump(tbk_arena *arena, char **arguments, const tbk_rules *rules, outcome *out,
                 tbk_error *err)
{
    const tbk_mysql_server server = server_of_environment();
    const tbk_mysql_dump_request request = {
        .server = &server, .sessions = sessions(), .rules = rules};
    const tbk_selected_table *selection;
    size_t selected;
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    tbk_auto_fd int fd = open(arguments[2], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make '%s'", arguments[2]);
    tbk_throttle_io(true);
    if (!tbk_mysql_dump_open(&request, &dump, err) || !pin(dump, err))
        return false;
    const tbk_source source = {
        .self = dump, .total_bytes = tbk_mysql_dump_size_bytes(dump), .read = tbk_mysql_dump_read};
    return tbk_archive_store(&source, fd, (int)strtol(arguments[3], NULL, 10), "capture", NULL,
                             &out->file, err) &&
           tbk_mysql_dump_finish(dump, arena, &out->facts, &selection, &selected, err);
}

static bool dump_all(tbk_arena *arena, char **arguments, outcome *out, tbk_error *err)
{
    return dump(arena, arguments, NULL, out, err);
}

static bool dump_essential(tbk_arena *arena, char **arguments, outcome *out, tbk_error *err)
{
    tbk_rules rules;
    tbk_rules_default(&rules);
    return dump(arena, arguments, &rules, out, err);
}

static bool load(tbk_arena *arena, char **arguments, outcome *out, tbk_error *err)
{
    const tbk_mysql_server server = server_of_environment();
    tbk_auto(tbk_archive_reader) *reader = NULL;
    tbk_auto(tbk_mysql_objects) *objects = NULL;
    tbk_auto_fd int fd = open(arguments[2], O_RDONLY | O_CLOEXEC);
    (void)arena, (void)out;
    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read '%s'", arguments[2]);
    const tbk_set_file any = {.raw_bytes = UINT64_MAX, .stored_bytes = UINT64_MAX};
    if (!tbk_archive_reader_open(fd, &any, &reader, err))
        return false;
    const tbk_source source = tbk_archive_reader_source(reader);
    return tbk_mysql_load(&server, sessions(), &source, NULL, &objects, err);
}

static bool measure(tbk_arena *arena, char **arguments, outcome *out, tbk_error *err)
{
    const tbk_mysql_server server = server_of_environment();
    (void)arguments;
    return tbk_mysql_measure(arena, &server, sessions(), NULL, &out->facts, err);
}

static const struct way {
    const char *name;
    int arguments;
    bool (*go)(tbk_arena *arena, char **arguments, outcome *out, tbk_error *err);
} WAYS[] = {{"dump", 4, dump_all},
            {"essential", 4, dump_essential},
            {"load", 3, load},
            {"measure", 2, measure}};

/* Of the tracker's largest table. */
static tbk_table_facts torrents_of(const tbk_mysql_facts *facts)
{
    for (size_t i = 0; i < facts->table_count; i++)
        if (strcmp(facts->tables[i].table, "torrents") == 0)
            return facts->tables[i];
    return (tbk_table_facts){.checksum = ""};
}

static int run(const struct way *way, char **arguments)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    outcome done = {0};
    tbk_error err;
    double started_ms = now_ms();
    if (!way->go(arena, arguments, &done, &err)) {
        fprintf(stderr, "bench-mysql-way: %s: %s\n", way->name, err.message);
        return tbk_error_exit_status(err.code);
    }
    double took_ms = now_ms() - started_ms;
    const tbk_table_facts torrents = torrents_of(&done.facts);
    printf("{\"ms\":%.1f,\"processor_ms\":%.1f,\"memory_kib\":%ld,\"stored_bytes\":%" PRIu64
           ",\"raw_bytes\":%" PRIu64 ",\"rows\":%" PRId64 ",\"checksum\":\"%s\"}\n",
           took_ms, processor_ms(), memory_kib(), done.file.stored_bytes, done.file.raw_bytes,
           torrents.rows, torrents.checksum);
    return 0;
}

int main(int count, char **arguments)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the engine does */
    for (const struct way *way = WAYS; count >= 2 && way < WAYS + sizeof WAYS / sizeof *WAYS; way++)
        if (strcmp(arguments[1], way->name) == 0 && count == way->arguments)
            return run(way, arguments);
    fputs(usage_text, stderr);
    return 2;
}
