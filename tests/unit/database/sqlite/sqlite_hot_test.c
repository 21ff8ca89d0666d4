/* SPDX-License-Identifier: MIT */
/*
 * The hot copy, against writers that go on meanwhile. What many random trials show is in
 * tests/trials; here is what can be made to happen every time.
 *
 * The invariant: every transaction of a writer sets the same generation in all rows. A copy with
 * two generations in it is torn.
 */
#include "unit/databases.h"
#include "unit/moved_clock.h"

#include "database/sqlite/sqlite.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define ROWS 2000

typedef struct fixture {
    char folder[64], database[96], copy[96];
    sqlite3 *writer;
    tbk_sqlite_hot *hot;
    tbk_error err;
} fixture;

static void fill(fixture *self, const char *pragmas)
{
    self->writer = open_database(self->database);
    must(self->writer, pragmas);
    make_generations(self->writer, ROWS);
    must(self->writer, "PRAGMA wal_checkpoint(TRUNCATE)");
}

/* In WAL mode, the file having all; the writer never checkpoints by itself. */
static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    make_scratch(self->folder);
    (void)snprintf(self->database, sizeof self->database, "%s/tracker.db", self->folder);
    (void)snprintf(self->copy, sizeof self->copy, "%s/copy.db", self->folder);
    fill(self, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    tbk_sqlite_hot_close(self->hot);
    (void)sqlite3_close(self->writer);
    remove_databases(self->folder,
                     (const char *const[]){"tracker.db", "copy.db", "other.db", NULL});
    free(self);
    return 0;
}

static void next_generation(fixture *self)
{
    must(self->writer, "UPDATE t SET generation = generation + 1, filler = randomblob(500)");
}

static void begin(fixture *self)
{
    assert_succeeds(tbk_sqlite_hot_open(self->database, self->folder, NULL, &self->hot, &self->err),
                    self->err);
}

/* Pieces that fit no page, so that a page's parts come in several calls. */
static bool read_bytes(fixture *self, int to, uint64_t bytes)
{
    char buffer[10007];
    size_t got = 1;
    for (uint64_t done = 0; got > 0 && done < bytes; done += got) {
        if (!tbk_sqlite_hot_read(self->hot, buffer, sizeof buffer, &got, &self->err))
            return false;
        assert_int_equal(write(to, buffer, got), got);
    }
    return true;
}

static int open_copy(fixture *self)
{
    int to = open(self->copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(to >= 0);
    return to;
}

static bool finish(fixture *self, tbk_sqlite_facts *facts)
{
    bool ok = tbk_sqlite_hot_finish(self->hot, facts, &self->err);
    tbk_sqlite_hot_close(self->hot);
    self->hot = NULL;
    return ok;
}

/* A copy, with something happening when it is half read; NULL = nothing. */
static void copy(fixture *self, void (*meanwhile)(fixture *self), tbk_sqlite_facts *facts)
{
    begin(self);
    int to = open_copy(self);
    assert_succeeds(read_bytes(self, to, tbk_sqlite_hot_size_bytes(self->hot) / 2), self->err);
    if (meanwhile != NULL)
        meanwhile(self);
    assert_succeeds(read_bytes(self, to, UINT64_MAX), self->err);
    (void)close(to);
    assert_succeeds(finish(self, facts), self->err);
}

static void assert_copy_is(fixture *self, int64_t generation)
{
    assert_int_equal(integer(self->copy, "SELECT count(DISTINCT generation) FROM t"), 1);
    assert_int_equal(integer(self->copy, "SELECT max(generation) FROM t"), generation);
    assert_int_equal(integer(self->copy, "SELECT count(*) FROM pragma_integrity_check "
                                         "WHERE integrity_check = 'ok'"),
                     1);
}

static void copies_what_the_log_has_and_the_file_has_not(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    tbk_digest none = {""};
    next_generation(self);
    next_generation(self);
    copy(self, NULL, &facts);
    assert_copy_is(self, 3);
    assert_true(facts.wal);
    assert_int_equal(facts.size_bytes, facts.pages * facts.page_size_bytes);
    assert_false(tbk_digest_equal(&facts.schema, &none));
}

static void writes_and_checkpoints_everything(fixture *self)
{
    next_generation(self);
    must(self->writer, "PRAGMA wal_checkpoint(PASSIVE)");
    next_generation(self);
}

static void a_checkpoint_in_the_middle_does_not_tear_the_copy(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    next_generation(self);
    copy(self, writes_and_checkpoints_everything, &facts);
    assert_copy_is(self, 2);
    assert_int_equal(integer(self->database, "SELECT max(generation) FROM t"), 4);
}

/* The pin is on the file; the log is begun anew, and must not come into the file. */
static void an_idle_database_that_becomes_busy_is_copied_as_it_was(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    next_generation(self);
    must(self->writer, "PRAGMA wal_checkpoint(PASSIVE)");
    copy(self, writes_and_checkpoints_everything, &facts);
    assert_copy_is(self, 2);
}

static void a_log_that_has_never_been_written_is_no_obstacle(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    copy(self, writes_and_checkpoints_everything, &facts);
    assert_copy_is(self, 1);
}

static void shrinks(fixture *self)
{
    must(self->writer, "DELETE FROM t WHERE id > 100");
    must(self->writer, "VACUUM");
    must(self->writer, "PRAGMA wal_checkpoint(PASSIVE)");
}

static void a_vacuum_in_the_middle_is_not_in_the_copy(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    next_generation(self);
    copy(self, shrinks, &facts);
    assert_copy_is(self, 2);
    assert_int_equal(integer(self->copy, "SELECT count(*) FROM t"), ROWS);
}

static void pages_behind_the_end_of_a_shrunk_database_are_left_out(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    next_generation(self);
    must(self->writer, "DELETE FROM t WHERE id > 100");
    must(self->writer, "VACUUM");
    copy(self, NULL, &facts);
    assert_copy_is(self, 2);
    assert_true(facts.size_bytes < 200000);
}

static void other_page_sizes(void **state)
{
    fixture *self = *state;
    static const char *const sizes[] = {"512", "65536"};
    for (size_t i = 0; i < 2; i++) {
        char pragmas[128];
        tbk_sqlite_facts facts;
        (void)sqlite3_close(self->writer);
        (void)unlink(self->database);
        (void)snprintf(pragmas, sizeof pragmas,
                       "PRAGMA page_size=%s; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0",
                       sizes[i]);
        fill(self, pragmas);
        next_generation(self);
        copy(self, writes_and_checkpoints_everything, &facts);
        assert_copy_is(self, 2);
        assert_int_equal(facts.page_size_bytes, atoi(sizes[i]));
    }
}

/* A tracker in a process of its own, as it always is. When told it writes once more, and stops. It
 * is there before the copy is, since what SQLite knows of locks does not survive a fork. */
static pid_t start_tracker(const fixture *self, int go[2])
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(go) + pipe(ready), 0);
    pid_t child = fork();
    if (child != 0) {
        assert_int_equal(read(ready[0], &byte, 1), 1);
        (void)close(ready[0]);
        (void)close(ready[1]);
        return child;
    }
    sqlite3 *db = open_database(self->database);
    must(db, "PRAGMA wal_autocheckpoint=0; SELECT count(*) FROM t");
    if (write(ready[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
        _exit(1);
    must(db, "UPDATE t SET generation = generation + 1");
    _exit(sqlite3_close(db) == SQLITE_OK ? 0 : 1);
}

static void stop_tracker(pid_t child, int go[2])
{
    int status = 1;
    assert_int_equal(write(go[1], "", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(go[0]);
    (void)close(go[1]);
}

static void long_logs_are_taken_in_afterwards(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    int go[2];
    (void)sqlite3_close(self->writer);
    pid_t tracker = start_tracker(self, go);
    self->writer = open_database(self->database);
    must(self->writer, "PRAGMA wal_autocheckpoint=0");
    for (int i = 0; i < 12; i++)
        next_generation(self);
    copy(self, NULL, &facts);
    assert_copy_is(self, 13);
    sqlite3_stmt *checkpoint;
    assert_int_equal(
        sqlite3_prepare_v2(self->writer, "PRAGMA wal_checkpoint(PASSIVE)", -1, &checkpoint, NULL),
        SQLITE_OK);
    next_generation(self); /* begins the log anew, since the file has all of it */
    assert_int_equal(sqlite3_step(checkpoint), SQLITE_ROW);
    assert_true(sqlite3_column_int(checkpoint, 1) < 1000);
    (void)sqlite3_finalize(checkpoint);
    stop_tracker(tracker, go);
}

/* Begins to write when told: it is there before the copy is, since what SQLite knows of locks does
 * not survive a fork. */
static pid_t start_checkpointer(const fixture *self, int go[2])
{
    char byte;
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child != 0)
        return child;
    sqlite3 *db = open_database(self->database);
    if (read(go[0], &byte, 1) != 1)
        _exit(1);
    for (int i = 0; i < 3; i++) {
        must(db, "UPDATE t SET generation = generation + 1");
        must(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
    _exit(0);
}

/* As any part of a program does that looks into the database meanwhile. */
static void lose_locks(const fixture *self)
{
    char shared_memory[128];
    (void)snprintf(shared_memory, sizeof shared_memory, "%s-shm", self->database);
    (void)close(open(self->database, O_RDONLY | O_CLOEXEC));
    (void)close(open(shared_memory, O_RDONLY | O_CLOEXEC));
}

static void a_pin_that_did_not_hold_is_an_error(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    int go[2], ended = 1;
    next_generation(self);
    (void)sqlite3_close(self->writer); /* its locks would be lost as well */
    self->writer = NULL;
    pid_t child = start_checkpointer(self, go);
    begin(self);
    lose_locks(self);
    assert_int_equal(write(go[1], "", 1), 1);
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    int to = open_copy(self);
    bool ok = read_bytes(self, to, UINT64_MAX) && finish(self, &facts);
    (void)close(to);
    (void)close(go[0]);
    (void)close(go[1]);
    assert_false(ok);
    assert_int_equal(self->err.code, TBK_E_BUSY);
}

static void is_replaced(fixture *self)
{
    char other[128];
    (void)snprintf(other, sizeof other, "%s/other.db", self->folder);
    assert_int_equal(rename(self->database, other), 0);
    sqlite3 *db = open_database(self->database);
    must(db, "CREATE TABLE t (a)");
    (void)sqlite3_close(db);
}

static void a_database_that_is_replaced_meanwhile_is_an_error(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    begin(self);
    int to = open_copy(self);
    assert_succeeds(read_bytes(self, to, UINT64_MAX), self->err);
    (void)close(to);
    is_replaced(self);
    assert_fails(finish(self, &facts), self->err, TBK_E_BUSY, "was replaced");
}

/* As a restore by hand does that knows nothing of WAL: who opens the database then has another
 * index, and another log, in which our pin does not stand. */
static void files_that_are_exchanged_meanwhile_are_an_error(void **state)
{
    fixture *self = *state;
    static const char *const suffixes[] = {"-wal", "-shm"};
    for (size_t i = 0; i < 2; i++) {
        tbk_sqlite_facts facts;
        char path[128];
        next_generation(self);
        begin(self);
        int to = open_copy(self);
        assert_succeeds(read_bytes(self, to, UINT64_MAX), self->err);
        (void)close(to);
        (void)snprintf(path, sizeof path, "%s%s", self->database, suffixes[i]);
        assert_int_equal(unlink(path), 0);
        assert_fails(finish(self, &facts), self->err, TBK_E_BUSY, "was replaced");
        (void)sqlite3_close(self->writer);
        self->writer = open_database(self->database);
        must(self->writer, "PRAGMA wal_autocheckpoint=0; SELECT count(*) FROM t");
    }
}

/* The page of the lock byte, at 1 GiB, is never written. The file is made sparse up to there by
 * hand, which to SQLite is a long list of free pages that are never read. */
static void a_database_that_grows_over_one_gibibyte_is_copied(void **state)
{
    fixture *self = *state;
    char buffer[1 << 20];
    tbk_sqlite_facts facts;
    size_t got = 1;
    must(self->writer, "PRAGMA wal_checkpoint(TRUNCATE)");
    (void)sqlite3_close(self->writer);
    int fd = open(self->database, O_RDWR | O_CLOEXEC);
    const unsigned char pages[4] = {0, 4, 0, 0}; /* 262144 pages of 4096 bytes are 1 GiB */
    assert_int_equal(ftruncate(fd, 0x40000000), 0);
    assert_int_equal(pwrite(fd, pages, 4, 28), 4);
    (void)close(fd);
    self->writer = open_database(self->database);
    must(self->writer, "PRAGMA wal_autocheckpoint=0; PRAGMA cell_size_check=OFF;"
                       "INSERT INTO t SELECT id + 10000, 1, filler FROM t");
    begin(self);
    assert_true(tbk_sqlite_hot_size_bytes(self->hot) > 0x40001000);
    while (got > 0)
        assert_succeeds(tbk_sqlite_hot_read(self->hot, buffer, sizeof buffer, &got, &self->err),
                        self->err);
    assert_succeeds(finish(self, &facts), self->err);
}

static void half_a_copy_is_an_error(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    begin(self);
    assert_fails(finish(self, &facts), self->err, TBK_E_FAILED, "only 0 of");
}

static void nothing_stays_where_no_other_process_has_it_open(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    char name[128];
    (void)sqlite3_close(self->writer);
    self->writer = NULL;
    copy(self, NULL, &facts);
    assert_copy_is(self, 1);
    (void)snprintf(name, sizeof name, "%s-wal", self->database);
    assert_int_not_equal(access(name, F_OK), 0);
    (void)snprintf(name, sizeof name, "%s-shm", self->database);
    assert_int_not_equal(access(name, F_OK), 0);
}

/* Its own close was not the last one: ours takes its log in, as its own would have. */
static void a_tracker_that_stops_meanwhile_leaves_its_database_whole(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    char log[128];
    int go[2];
    (void)sqlite3_close(self->writer);
    self->writer = NULL;
    pid_t tracker = start_tracker(self, go);
    begin(self);
    int to = open_copy(self);
    assert_succeeds(read_bytes(self, to, 100000), self->err);
    stop_tracker(tracker, go);
    assert_succeeds(read_bytes(self, to, UINT64_MAX), self->err);
    (void)close(to);
    assert_succeeds(finish(self, &facts), self->err);
    assert_copy_is(self, 1);
    (void)snprintf(log, sizeof log, "%s-wal", self->database);
    assert_int_not_equal(access(log, F_OK), 0);
    assert_int_equal(integer(self->database, "SELECT max(generation) FROM t"), 2);
}

/* The log of a tracker that died is its own business: it stays where it is. */
static void the_log_of_a_dead_tracker_stays(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    char log[128];
    int go[2];
    (void)sqlite3_close(self->writer);
    self->writer = NULL;
    pid_t tracker = start_tracker(self, go);
    sqlite3 *other = open_database(self->database);
    must(other, "PRAGMA wal_autocheckpoint=0; UPDATE t SET generation = 2");
    (void)sqlite3_close(other);
    (void)kill(tracker, SIGKILL);
    (void)waitpid(tracker, NULL, 0);
    copy(self, NULL, &facts);
    assert_copy_is(self, 2);
    (void)snprintf(log, sizeof log, "%s-wal", self->database);
    assert_int_equal(access(log, F_OK), 0);
}

static void only_for_databases_in_wal_mode(void **state)
{
    fixture *self = *state;
    must(self->writer, "PRAGMA journal_mode=DELETE");
    assert_fails(tbk_sqlite_hot_open(self->database, self->folder, NULL, &self->hot, &self->err),
                 self->err, TBK_E_UNSUPPORTED, "not in WAL mode");
    assert_fails(tbk_sqlite_hot_open("/does/not/exist", self->folder, NULL, &self->hot, &self->err),
                 self->err, TBK_E_NOT_FOUND, "");
}

static void the_map_of_pages_needs_its_room(void **state)
{
    fixture *self = *state;
    next_generation(self);
    assert_fails(
        tbk_sqlite_hot_open(self->database, "/does/not/exist", NULL, &self->hot, &self->err),
        self->err, TBK_E_IO, "/does/not/exist");
}

/* A file system that is so small that the log may grow by 24 MiB only. */
static void a_log_that_grows_too_much_ends_the_copy(void **state)
{
    fixture *self = *state;
    char buffer[1 << 20];
    size_t got = 1;
    if (geteuid() != 0)
        skip_because("mounting a file system needs root");
    (void)sqlite3_close(self->writer);
    (void)unlink(self->database);
    assert_int_equal(mount("none", self->folder, "tmpfs", 0, "size=64m"), 0);
    fill(self, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
    must(self->writer, "UPDATE t SET filler = randomblob(8000)"); /* so that it is watched */
    must(self->writer, "PRAGMA wal_checkpoint(TRUNCATE)");
    must(self->writer, "UPDATE t SET generation = 2 WHERE id = 1");
    begin(self);
    must(self->writer, "UPDATE t SET filler = randomblob(8000)");
    must(self->writer, "UPDATE t SET filler = randomblob(8000)");
    bool ok = true;
    while (ok && got > 0)
        ok = tbk_sqlite_hot_read(self->hot, buffer, sizeof buffer, &got, &self->err);
    tbk_sqlite_hot_close(self->hot);
    self->hot = NULL;
    (void)sqlite3_close(self->writer);
    self->writer = NULL;
    assert_int_equal(umount(self->folder), 0);
    assert_false(ok);
    assert_int_equal(self->err.code, TBK_E_TIMEOUT);
}

static bool is_pinned(const fixture *self)
{
    return sqlite3_wal_checkpoint_v2(self->writer, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL) ==
           SQLITE_BUSY;
}

/* The guard alone: nothing is read meanwhile. A log that is longer than its frames is enough. */
static void the_guard_looks_when_the_wall_clock_is_set(void **state)
{
    fixture *self = *state;
    char log[128];
    (void)snprintf(log, sizeof log, "%s-wal", self->database);
    (void)sqlite3_busy_timeout(self->writer, 0);
    next_generation(self);
    wall_clock_is_ahead = true;
    begin(self);
    assert_true(is_pinned(self));
    assert_int_equal(truncate(log, (off_t)2 << 30), 0);
    for (int tries = 0; is_pinned(self) && tries < 100; tries++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    wall_clock_is_ahead = false;
    assert_false(is_pinned(self));
}

/* --- the journal mode --- */

static void the_journal_mode_is_changed_and_changed_back(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    next_generation(self);
    assert_fails(tbk_sqlite_set_journal_mode(self->database, false, &self->err), self->err,
                 TBK_E_BUSY, "journal mode");
    (void)sqlite3_close(self->writer);
    self->writer = NULL;
    assert_succeeds(tbk_sqlite_set_journal_mode(self->database, false, &self->err), self->err);
    assert_succeeds(tbk_sqlite_inspect(self->database, &facts, &self->err), self->err);
    assert_false(facts.wal);
    assert_int_equal(integer(self->database, "SELECT max(generation) FROM t"), 2);
    assert_succeeds(tbk_sqlite_set_journal_mode(self->database, true, &self->err), self->err);
    assert_succeeds(tbk_sqlite_inspect(self->database, &facts, &self->err), self->err);
    assert_true(facts.wal);
    assert_int_equal(integer(self->database, "SELECT max(generation) FROM t"), 2);
}

/* --- the clone --- */

static bool clones(fixture *self)
{
    return tbk_sqlite_can_reflink(self->database, self->folder, &self->err);
}

static void a_file_system_without_clones_says_so(void **state)
{
    fixture *self = *state;
    int64_t locked_ms;
    must(self->writer, "PRAGMA journal_mode=DELETE");
    if (clones(self)) { /* then the database is cloned */
        assert_succeeds(
            tbk_sqlite_copy_reflink(self->database, self->copy, NULL, &locked_ms, &self->err),
            self->err);
        assert_copy_is(self, 1);
        return;
    }
    assert_int_equal(self->err.code, TBK_E_UNSUPPORTED);
    assert_fails(tbk_sqlite_copy_reflink(self->database, self->copy, NULL, &locked_ms, &self->err),
                 self->err, TBK_E_UNSUPPORTED, "does not clone");
    assert_int_not_equal(access(self->copy, F_OK), 0);
}

static void a_database_in_wal_mode_is_not_cloned(void **state)
{
    fixture *self = *state;
    int64_t locked_ms;
    assert_fails(tbk_sqlite_copy_reflink(self->database, self->copy, NULL, &locked_ms, &self->err),
                 self->err, TBK_E_UNSUPPORTED, "is in WAL mode");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(copies_what_the_log_has_and_the_file_has_not),
        CASE(a_checkpoint_in_the_middle_does_not_tear_the_copy),
        CASE(an_idle_database_that_becomes_busy_is_copied_as_it_was),
        CASE(a_log_that_has_never_been_written_is_no_obstacle),
        CASE(a_vacuum_in_the_middle_is_not_in_the_copy),
        CASE(pages_behind_the_end_of_a_shrunk_database_are_left_out),
        CASE(other_page_sizes),
        CASE(long_logs_are_taken_in_afterwards),
        CASE(a_pin_that_did_not_hold_is_an_error),
        CASE(a_database_that_is_replaced_meanwhile_is_an_error),
        CASE(files_that_are_exchanged_meanwhile_are_an_error),
        CASE(a_database_that_grows_over_one_gibibyte_is_copied),
        CASE(a_tracker_that_stops_meanwhile_leaves_its_database_whole),
        CASE(the_log_of_a_dead_tracker_stays),
        CASE(half_a_copy_is_an_error),
        CASE(nothing_stays_where_no_other_process_has_it_open),
        CASE(only_for_databases_in_wal_mode),
        CASE(the_map_of_pages_needs_its_room),
        CASE(a_log_that_grows_too_much_ends_the_copy),
        CASE(the_guard_looks_when_the_wall_clock_is_set),
        CASE(the_journal_mode_is_changed_and_changed_back),
        CASE(a_file_system_without_clones_says_so),
        CASE(a_database_in_wal_mode_is_not_cloned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
