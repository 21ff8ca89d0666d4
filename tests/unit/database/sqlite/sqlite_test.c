/* SPDX-License-Identifier: MIT */
/*
 * SQLite: copies of databases that real writers were killed in, or are writing to.
 *
 * The invariant: every transaction of a writer sets the same generation in all rows. A copy with
 * two generations in it is torn.
 */
#include "unit/databases.h"

#include "database/sqlite/sqlite.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#define ROWS 2000

typedef struct fixture {
    char folder[64];
    char database[96], copy[96];
    tbk_arena *arena;
} fixture;

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    make_scratch(self->folder);
    (void)snprintf(self->database, sizeof self->database, "%s/tracker.db", self->folder);
    (void)snprintf(self->copy, sizeof self->copy, "%s/copy.db", self->folder);
    self->arena = tbk_arena_new();
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    remove_databases(self->folder, (const char *const[]){"tracker.db", "copy.db", NULL});
    tbk_arena_free(self->arena);
    free(self);
    return 0;
}

static int64_t generations(const char *path)
{
    return integer(path, "SELECT count(DISTINCT generation) FROM t");
}

static void make_database(const char *path, bool wal)
{
    sqlite3 *db = open_database(path);
    must(db, wal ? "PRAGMA journal_mode=WAL" : "PRAGMA journal_mode=DELETE");
    make_generations(db, ROWS);
    (void)sqlite3_close(db);
}

/* --- writers in processes of their own --- */

typedef void writer(sqlite3 *db, int ready);

static pid_t start_writer(const char *path, writer *run)
{
    int ready[2];
    char byte;
    if (pipe(ready) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        run(open_database(path), ready[1]);
        for (;;)
            (void)pause();
    }
    (void)close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        abort();
    (void)close(ready[0]);
    return child;
}

static void kill_writer(pid_t child)
{
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

static void say_ready(int ready)
{
    if (write(ready, "", 1) != 1)
        abort();
}

/* A cache of ten pages: most of the open transaction is in the file already. */
static void spills_half_a_transaction(sqlite3 *db, int ready)
{
    must(db, "PRAGMA cache_size=10; PRAGMA cache_spill=1; BEGIN IMMEDIATE;"
             "UPDATE t SET generation = 2, filler = randomblob(500) WHERE id <= 1000");
    say_ready(ready);
}

static void commits_without_checkpoint(sqlite3 *db, int ready)
{
    must(db, "PRAGMA wal_autocheckpoint=0; UPDATE t SET generation = 3; BEGIN IMMEDIATE;"
             "PRAGMA cache_size=10; UPDATE t SET generation = 4 WHERE id <= 1000");
    say_ready(ready);
}

static void reserves(sqlite3 *db, int ready)
{
    must(db, "BEGIN IMMEDIATE; UPDATE t SET generation = 5 WHERE id = 1");
    say_ready(ready);
}

static void commits_all_the_time(sqlite3 *db, int ready)
{
    must(db, "UPDATE t SET generation = generation + 1");
    say_ready(ready);
    for (;;)
        must(db, "UPDATE t SET generation = generation + 1");
}

/* Written to when the writer below shall begin. It is started before the copy is: SQLite's
 * knowledge of locks does not survive a fork. */
static int go[2];

/* Left with PENDING when another holds SHARED, and keeps it. */
static void commits_when_told(sqlite3 *db, int ready)
{
    char byte;
    (void)sqlite3_busy_timeout(db, 0);
    say_ready(ready);
    if (read(go[0], &byte, 1) != 1)
        abort();
    must(db, "BEGIN IMMEDIATE; UPDATE t SET generation = 6");
    while (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_BUSY)
        (void)usleep(1000);
}

/* --- inspect --- */

static void write_file(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "w");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        abort();
}

static void tells_what_is_no_database(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    tbk_error err;
    char zeros[200] = "";
    assert_fails(tbk_sqlite_inspect(self->database, &facts, &err), err, TBK_E_NOT_FOUND,
                 "there is no database");
    assert_fails(tbk_sqlite_inspect(self->folder, &facts, &err), err, TBK_E_CONFIG,
                 "not a regular file");
    write_file(self->database, "", 0);
    assert_fails(tbk_sqlite_inspect(self->database, &facts, &err), err, TBK_E_CORRUPT, "0 bytes");
    write_file(self->database, zeros, sizeof zeros);
    assert_fails(tbk_sqlite_inspect(self->database, &facts, &err), err, TBK_E_CORRUPT,
                 "not a SQLite 3 database");
    write_file(self->database, "SQLite format 3", 16);
    assert_fails(tbk_sqlite_inspect(self->database, &facts, &err), err, TBK_E_CORRUPT,
                 "not a SQLite 3 database");
    memcpy(zeros, "SQLite format 3", 16);
    write_file(self->database, zeros, sizeof zeros);
    assert_fails(tbk_sqlite_inspect(self->database, &facts, &err), err, TBK_E_CORRUPT,
                 "impossible SQLite header");
}

static void reads_the_facts_of_the_header(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    tbk_error err;
    struct stat status;
    make_database(self->database, true);
    assert_succeeds(tbk_sqlite_inspect(self->database, &facts, &err), err);
    assert_int_equal(stat(self->database, &status), 0);
    assert_int_equal(facts.size_bytes, status.st_size);
    assert_int_equal(facts.page_size_bytes, integer(self->database, "PRAGMA page_size"));
    assert_int_equal(facts.pages, integer(self->database, "PRAGMA page_count"));
    assert_true(facts.wal);
    assert_string_equal(facts.schema.hex, "");
}

static void tells_a_cut_database(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    tbk_error err;
    make_database(self->database, false);
    assert_int_equal(truncate(self->database, 20 * 4096), 0);
    assert_fails(tbk_sqlite_inspect(self->database, &facts, &err), err, TBK_E_CORRUPT, "is cut");
}

/* --- copies of a database without writers --- */

static void copies_database_and_hot_journal_and_rolls_back(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    tbk_error err;
    uint64_t size_bytes;
    struct stat status;
    make_database(self->database, false);
    kill_writer(start_writer(self->database, spills_half_a_transaction));
    assert_int_equal(stat(self->database, &status), 0);
    assert_succeeds(tbk_sqlite_size(self->database, &size_bytes, &err), err);
    assert_true(size_bytes > (uint64_t)status.st_size);

    assert_succeeds(tbk_sqlite_copy_held(self->database, self->copy, NULL, &err), err);
    assert_succeeds(tbk_sqlite_recover(self->copy, NULL, &facts, &err), err);
    assert_int_equal(generations(self->copy), 1);
    assert_int_equal(integer(self->copy, "SELECT max(generation) FROM t"), 1);
    assert_string_not_equal(facts.schema.hex, "");

    char journal[128];
    (void)snprintf(journal, sizeof journal, "%s-journal", self->copy);
    assert_int_not_equal(access(journal, F_OK), 0);
    (void)snprintf(journal, sizeof journal, "%s-journal", self->database);
    assert_int_equal(access(journal, F_OK), 0); /* the original is only read */
}

/* The control: without its journal the same copy is torn, and the test above could see it. */
static void the_same_copy_without_its_journal_is_torn(void **state)
{
    fixture *self = *state;
    tbk_error err;
    char journal[128];
    make_database(self->database, false);
    kill_writer(start_writer(self->database, spills_half_a_transaction));
    assert_succeeds(tbk_sqlite_copy_held(self->database, self->copy, NULL, &err), err);
    (void)snprintf(journal, sizeof journal, "%s-journal", self->copy);
    assert_int_equal(unlink(journal), 0);
    assert_true(generations(self->copy) > 1);
}

static void takes_the_log_into_the_copy(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    tbk_error err;
    make_database(self->database, true);
    kill_writer(start_writer(self->database, commits_without_checkpoint));
    assert_succeeds(tbk_sqlite_copy_held(self->database, self->copy, NULL, &err), err);
    assert_succeeds(tbk_sqlite_recover(self->copy, NULL, &facts, &err), err);
    assert_true(facts.wal);

    static const char *const suffixes[] = {"-journal", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", self->copy, suffixes[i]);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    assert_int_equal(integer(self->copy, "SELECT min(generation) FROM t"), 3);
    assert_int_equal(generations(self->copy), 1);
}

static void refuses_the_journal_of_several_databases(void **state)
{
    static const unsigned char magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    fixture *self = *state;
    tbk_error err;
    char path[128], journal[1024] = "";
    make_database(self->database, false);
    memcpy(journal, magic, 8);
    memcpy(journal + sizeof journal - 8, magic, 8);
    (void)snprintf(path, sizeof path, "%s-journal", self->database);
    write_file(path, journal, sizeof journal);
    assert_fails(tbk_sqlite_copy_held(self->database, self->copy, NULL, &err), err, TBK_E_BUSY,
                 "several databases");
}

static void stops_when_asked(void **state)
{
    fixture *self = *state;
    const tbk_report report = {.cancelled = at_once};
    tbk_sqlite_check check;
    tbk_error err;
    make_database(self->database, false);
    assert_fails(tbk_sqlite_copy_held(self->database, self->copy, &report, &err), err,
                 TBK_E_INTERRUPTED, "");
    (void)unlink(self->copy);
    assert_fails(tbk_sqlite_copy_locked(self->database, self->copy, &report, &err), err,
                 TBK_E_INTERRUPTED, "");
    assert_fails(tbk_sqlite_prove(self->arena, self->database, &report, &check, &err), err,
                 TBK_E_INTERRUPTED, "");
}

/* What an operator who thaws the tracker in the middle does. */
static void write_a_row(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    sqlite3 *db;
    (void)phase;
    (void)total_bytes;
    if (done_bytes == 0)
        return;
    assert_int_equal(sqlite3_open(((fixture *)self)->database, &db), SQLITE_OK);
    must(db, "PRAGMA synchronous=OFF; UPDATE t SET generation = generation + 1 WHERE id = 1");
    (void)sqlite3_close(db);
}

static void refuses_a_copy_during_which_a_process_wrote(void **state)
{
    fixture *self = *state;
    const tbk_report report = {.self = self, .progress = write_a_row};
    tbk_error err;
    for (int wal = 0; wal < 2; wal++) {
        make_database(self->database, wal == 1);
        /* The kernel's times of files have steps of up to 10 ms. */
        (void)nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
        assert_fails(tbk_sqlite_copy_held(self->database, self->copy, &report, &err), err,
                     TBK_E_BUSY, "was written during the copy");
        assert_int_equal(unlink(self->copy), 0);
        assert_int_equal(unlink(self->database), 0);
    }
}

static void does_not_overwrite(void **state)
{
    fixture *self = *state;
    tbk_error err;
    make_database(self->database, false);
    write_file(self->copy, "mine", 4);
    assert_fails(tbk_sqlite_copy_held(self->database, self->copy, NULL, &err), err, TBK_E_IO,
                 "copy.db");
    assert_fails(tbk_sqlite_copy_locked(self->database, self->copy, NULL, &err), err, TBK_E_IO,
                 "copy.db");
}

/* --- copies under SQLite's own locks --- */

static void copies_beside_a_writer_that_has_not_yet_to_write(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    tbk_error err;
    make_database(self->database, false);
    pid_t child = start_writer(self->database, reserves);
    assert_succeeds(tbk_sqlite_copy_locked(self->database, self->copy, NULL, &err), err);
    kill_writer(child);
    assert_succeeds(tbk_sqlite_recover(self->copy, NULL, &facts, &err), err);
    assert_int_equal(generations(self->copy), 1);
    assert_int_equal(integer(self->copy, "SELECT max(generation) FROM t"), 1);
}

/* The database, to ask for its locks: not closed meanwhile, which would end SQLite's own ones. */
static int locks_of = -1;

/* SQLite's PENDING lock, which another process has: it wants to write. */
static bool writer_waits(void)
{
    struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 1};
    return fcntl(locks_of, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
}

/* Called from within the copy, when the SHARED lock is held. */
static void writer_comes(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    bool *came = self;
    (void)phase;
    (void)done_bytes;
    (void)total_bytes;
    if (!*came && write(go[1], "", 1) == 1)
        assert_true(waits_for(writer_waits));
    *came = true;
}

static void gives_way_to_a_writer_that_waits(void **state)
{
    fixture *self = *state;
    bool came = false;
    const tbk_report report = {.self = &came, .progress = writer_comes};
    tbk_error err;
    make_database(self->database, false);
    assert_int_equal(pipe(go), 0);
    locks_of = open(self->database, O_RDONLY | O_CLOEXEC);
    pid_t child = start_writer(self->database, commits_when_told);
    assert_fails(tbk_sqlite_copy_locked(self->database, self->copy, &report, &err), err, TBK_E_BUSY,
                 "gave way");
    /* And the way was free: the writer could commit. */
    for (int i = 0; i < 4000 && integer(self->database, "SELECT min(generation) FROM t") != 6; i++)
        (void)usleep(10000);
    kill_writer(child);
    (void)close(locks_of);
    (void)close(go[0]);
    (void)close(go[1]);
    assert_int_equal(integer(self->database, "SELECT min(generation) FROM t"), 6);
}

static void asks_for_help_with_a_hot_journal(void **state)
{
    fixture *self = *state;
    tbk_error err;
    make_database(self->database, false);
    kill_writer(start_writer(self->database, spills_half_a_transaction));
    assert_fails(tbk_sqlite_copy_locked(self->database, self->copy, NULL, &err), err, TBK_E_IO,
                 "reading");
    assert_non_null(strstr(err.fix, "a transaction was interrupted"));
}

static void copies_a_log_database_while_it_is_written(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    tbk_error err;
    make_database(self->database, true);
    pid_t child = start_writer(self->database, commits_all_the_time);
    for (int round = 0; round < 5; round++) {
        (void)unlink(self->copy);
        assert_succeeds(tbk_sqlite_copy_locked(self->database, self->copy, NULL, &err), err);
        assert_succeeds(tbk_sqlite_recover(self->copy, NULL, &facts, &err), err);
        assert_int_equal(generations(self->copy), 1);
        assert_true(facts.wal);
    }
    kill_writer(child);
}

/* In the container the reader is opened as root and used as another user, who may not enter the
 * folder. */
static bool copies_without_rights(fixture *self, tbk_sqlite_reader *reader, tbk_error *err)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        bool ok = setresuid(65534, 65534, 65534) == 0 && access(self->database, F_OK) != 0 &&
                  tbk_sqlite_reader_copy(reader, "/proc/self/fd/1000", err);
        _exit(ok ? 0 : err->code == TBK_E_BUSY ? 2 : 1);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 2;
}

static void sees_a_crashed_writer_where_it_may_not_look(void **state)
{
    fixture *self = *state;
    tbk_auto(tbk_sqlite_reader) *reader = NULL;
    tbk_error err = {.code = TBK_E_OK};
    if (geteuid() != 0)
        skip_because("only root can become another user");
    make_database(self->database, false);
    assert_succeeds(tbk_sqlite_reader_open(self->database, &reader, &err), err);
    kill_writer(start_writer(self->database, spills_half_a_transaction));
    assert_int_equal(chmod(self->folder, 0700), 0);
    assert_true(copies_without_rights(self, reader, &err));
}

static void reader_copies_what_is_there_when_it_copies(void **state)
{
    fixture *self = *state;
    tbk_auto(tbk_sqlite_reader) *reader = NULL;
    tbk_error err;
    make_database(self->database, false);
    assert_succeeds(tbk_sqlite_reader_open(self->database, &reader, &err), err);
    sqlite3 *db = open_database(self->database);
    must(db, "UPDATE t SET generation = 9"); /* nothing is locked in between */
    (void)sqlite3_close(db);
    assert_succeeds(tbk_sqlite_reader_copy(reader, self->copy, &err), err);
    assert_int_equal(integer(self->copy, "SELECT min(generation) FROM t"), 9);
}

/* --- proof --- */

static void counts_every_table_whatever_its_name(void **state)
{
    fixture *self = *state;
    tbk_sqlite_check check;
    tbk_error err;
    sqlite3 *db = open_database(self->database);
    must(db, "CREATE TABLE \"a\"\"; DROP TABLE b; --\" (x)");
    must(db, "CREATE TABLE b (x PRIMARY KEY) WITHOUT ROWID; INSERT INTO b VALUES (1), (2)");
    must(db, "CREATE TABLE [select] (x); INSERT INTO [select] VALUES (1), (2), (3)");
    must(db, "CREATE VIEW v AS SELECT no_such_function(x) FROM b");
    must(db, "CREATE VIRTUAL TABLE search USING fts5(words)");
    (void)sqlite3_close(db);

    assert_succeeds(tbk_sqlite_prove(self->arena, self->database, NULL, &check, &err), err);
    assert_true(check.table_count >= 3);
    assert_string_equal(check.tables[0].table, "a\"; DROP TABLE b; --");
    assert_int_equal(check.tables[0].rows, 0);
    assert_string_equal(check.tables[1].table, "b");
    assert_int_equal(check.tables[1].rows, 2);
    bool seen = false;
    for (size_t i = 0; i < check.table_count; i++) {
        assert_string_not_equal(check.tables[i].table, "search");
        assert_string_not_equal(check.tables[i].table, "v");
        seen = seen || (strcmp(check.tables[i].table, "select") == 0 && check.tables[i].rows == 3);
    }
    assert_true(seen);
}

static void schema_digest_knows_every_object(void **state)
{
    fixture *self = *state;
    tbk_sqlite_check before, after;
    tbk_error err;
    make_database(self->database, false);
    assert_succeeds(tbk_sqlite_prove(self->arena, self->database, NULL, &before, &err), err);
    sqlite3 *db = open_database(self->database);
    must(db, "CREATE INDEX i ON t (generation)");
    (void)sqlite3_close(db);
    assert_succeeds(tbk_sqlite_prove(self->arena, self->database, NULL, &after, &err), err);
    assert_false(tbk_digest_equal(&before.facts.schema, &after.facts.schema));
    assert_true(after.facts.change_counter != before.facts.change_counter);
}

static void finds_damage_in_a_page(void **state)
{
    fixture *self = *state;
    tbk_sqlite_check check;
    tbk_error err;
    make_database(self->database, false);
    int fd = open(self->database, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 30 * 4096), 8);
    (void)close(fd);
    assert_fails(tbk_sqlite_prove(self->arena, self->database, NULL, &check, &err), err,
                 TBK_E_CORRUPT, "integrity_check");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(tells_what_is_no_database),
        CASE(reads_the_facts_of_the_header),
        CASE(tells_a_cut_database),
        CASE(copies_database_and_hot_journal_and_rolls_back),
        CASE(the_same_copy_without_its_journal_is_torn),
        CASE(takes_the_log_into_the_copy),
        CASE(refuses_the_journal_of_several_databases),
        CASE(stops_when_asked),
        CASE(refuses_a_copy_during_which_a_process_wrote),
        CASE(does_not_overwrite),
        CASE(copies_beside_a_writer_that_has_not_yet_to_write),
        CASE(gives_way_to_a_writer_that_waits),
        CASE(asks_for_help_with_a_hot_journal),
        CASE(copies_a_log_database_while_it_is_written),
        CASE(sees_a_crashed_writer_where_it_may_not_look),
        CASE(reader_copies_what_is_there_when_it_copies),
        CASE(counts_every_table_whatever_its_name),
        CASE(schema_digest_knows_every_object),
        CASE(finds_damage_in_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
