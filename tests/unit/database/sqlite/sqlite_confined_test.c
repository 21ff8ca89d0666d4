/* SPDX-License-Identifier: MIT */
/* Databases that others wrote: none of what they hold, or of what stands beside them, leads to
 * another file, runs, or takes all time and memory; and what cannot be read is not called wrong. */
#include "unit/databases.h"
#include "unit/moved_clock.h"

#include "database/sqlite/sqlite_internal.h"
#include "database/sqlite/sqlite_select.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ROWS 3000
#define PAGE_BYTES 4096

typedef struct fixture {
    char folder[64], database[96], copy[96], journal[112], other[96];
    tbk_arena *arena;
    tbk_error err;
} fixture;

static void put(const char *path, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
        fail_msg("cannot write '%s'", path);
    (void)close(fd);
}

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    make_scratch(self->folder);
    (void)snprintf(self->database, sizeof self->database, "%s/tracker.db", self->folder);
    (void)snprintf(self->copy, sizeof self->copy, "%s/copy.db", self->folder);
    (void)snprintf(self->other, sizeof self->other, "%s/other", self->folder);
    (void)snprintf(self->journal, sizeof self->journal, "%s-journal", self->database);
    self->arena = tbk_arena_new();
    make_torrents(self->database, ROWS, "i % 3");
    put(self->other, "somebody's", 10);
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    bool removed = remove_scratch(self->folder);
    tbk_arena_free(self->arena);
    free(self);
    return removed ? 0 : -1;
}

/* --- journals that name another file --- */

static const unsigned char MAGIC[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};

static void put_u32(unsigned char *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(number >> (24 - 8 * i));
}

/* A journal whose trailer names the file: it begins with head, and holds nothing to roll back. */
static void put_journal(const char *path, const void *head, size_t head_length, const char *name)
{
    unsigned char journal[2048] = "";
    size_t length = strlen(name), at = 1024;
    uint32_t sum = 0;
    memcpy(journal, head, head_length);
    (void)snprintf((char *)journal + at, sizeof journal - at, "%s", name);
    for (size_t i = 0; i < length; i++)
        sum += (unsigned char)name[i];
    at += length;
    put_u32(journal + at, (uint32_t)length);
    put_u32(journal + at + 4, sum);
    memcpy(journal + at + 8, MAGIC, 8);
    put(path, journal, at + 16);
}

static void assert_other_is_there(const fixture *self)
{
    if (access(self->other, F_OK) != 0)
        fail_msg("the file that the journal names was deleted");
}

/* The control: this journal is one that SQLite itself follows. */
static void sqlite_itself_would_delete_what_the_journal_names(void **state)
{
    fixture *self = *state;
    put_journal(self->journal, "AAAAAAAA", 8, self->other);
    (void)integer(self->database, "SELECT count(*) FROM torrents");
    assert_int_not_equal(access(self->other, F_OK), 0);
}

typedef bool opener(fixture *self);

static bool by_recovery(fixture *self)
{
    tbk_sqlite_facts facts;
    return tbk_sqlite_recover(self->database, NULL, &facts, &self->err);
}

static bool by_journal_mode(fixture *self)
{
    return tbk_sqlite_set_journal_mode(self->database, true, &self->err);
}

static bool by_connection(fixture *self)
{
    tbk_auto(sqlite3) *db = NULL;
    int64_t rows;
    return tbk_sqlite_open(self->database, SQLITE_OPEN_READWRITE, &db, &self->err) &&
           tbk_sqlite_integer(db, "SELECT count(*) FROM torrents", &rows, &self->err);
}

static void no_journal_leads_to_another_file(void **state)
{
    fixture *self = *state;
    static opener *const OPENERS[] = {by_recovery, by_journal_mode, by_connection};
    static const char *const HEADS[] = {"AAAAAAAA", "\x50\x2a\x4d\x18", (const char *)MAGIC};
    for (size_t i = 0; i < sizeof OPENERS / sizeof *OPENERS; i++)
        for (size_t j = 0; j < sizeof HEADS / sizeof *HEADS; j++) {
            put_journal(self->journal, HEADS[j], j == 1 ? 4 : 8, self->other);
            assert_fails(OPENERS[i](self), self->err, TBK_E_CORRUPT, "names another file");
            assert_other_is_there(self);
            assert_int_equal(access(self->journal, F_OK), 0);
        }
}

static void no_copy_is_made_of_a_journal_that_names_another_file(void **state)
{
    fixture *self = *state;
    static const char *const HEADS[] = {"AAAAAAAA", "\xd9", "\0\0\0\0"};
    for (size_t i = 0; i < sizeof HEADS / sizeof *HEADS; i++) {
        put_journal(self->journal, HEADS[i], i == 1 ? 1 : 4, self->other);
        assert_fails(tbk_sqlite_copy_held(self->database, self->copy, NULL, &self->err), self->err,
                     TBK_E_BUSY, "several databases");
        assert_other_is_there(self);
    }
}

/* Its own names are no way around: they are not opened as a super-journal. */
static void a_journal_that_names_the_database_deletes_nothing(void **state)
{
    fixture *self = *state;
    put_journal(self->journal, "AAAAAAAA", 8, self->database);
    assert_false(by_connection(self));
    assert_int_equal(access(self->database, F_OK), 0);
}

static void a_journal_that_makes_a_hole_of_the_database_is_refused(void **state)
{
    fixture *self = *state;
    unsigned char journal[512] = "";
    memcpy(journal, MAGIC, 8);
    put_u32(journal + 16, 1000000); /* pages before the transaction */
    put_u32(journal + 20, 512);
    put_u32(journal + 24, PAGE_BYTES);
    put(self->journal, journal, sizeof journal);
    assert_fails(by_recovery(self), self->err, TBK_E_BUSY, "3906 MiB large");
}

static void a_restore_goes_on_beside_such_a_journal(void **state)
{
    fixture *self = *state;
    char kept[96], kept_journal[112];
    (void)snprintf(kept, sizeof kept, "%s/kept", self->folder);
    (void)snprintf(kept_journal, sizeof kept_journal, "%s-journal", kept);
    execute(self->copy, "CREATE TABLE restored (x)");
    put_journal(self->journal, "AAAAAAAA", 8, self->other);
    assert_succeeds(tbk_sqlite_swap(self->database, self->copy, kept, NULL, &self->err), self->err);
    assert_other_is_there(self);
    assert_int_equal(integer(self->database, "SELECT count(*) FROM restored"), 0);
    assert_int_equal(access(kept_journal, F_OK), 0);
}

/* --- what stands beside a copy --- */

static void a_proof_does_not_look_beside_the_copy(void **state)
{
    fixture *self = *state;
    static const char *const MODES[] = {"delete", "wal"};
    for (size_t i = 0; i < 2; i++) {
        char sql[64], name[112];
        tbk_sqlite_check check;
        (void)snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", MODES[i]);
        execute(self->database, sql);
        put_journal(self->journal, "AAAAAAAA", 8, self->other);
        (void)snprintf(name, sizeof name, "%s-wal", self->database);
        put(name, "rubbish", 7);
        assert_succeeds(tbk_sqlite_prove(self->arena, self->database, NULL, &check, &self->err),
                        self->err);
        assert_int_equal(check.tables[0].rows, ROWS);
        assert_other_is_there(self);
        assert_int_equal(access(self->journal, F_OK), 0);
        (void)unlink(self->journal);
        (void)unlink(name);
        (void)snprintf(name, sizeof name, "%s-shm", self->database);
        assert_int_not_equal(access(name, F_OK), 0);
    }
}

static void pipes_and_links_beside_it_are_told_not_waited_for(void **state)
{
    fixture *self = *state;
    static const char *const SUFFIXES[] = {"-journal", "-wal"};
    for (int kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < 2; i++) {
            char name[112];
            (void)snprintf(name, sizeof name, "%s%s", self->database, SUFFIXES[i]);
            assert_int_equal(kind == 0 ? mkfifo(name, 0600) : symlink(self->other, name), 0);
            (void)alarm(120);
            assert_fails(tbk_sqlite_copy_held(self->database, self->copy, NULL, &self->err),
                         self->err, TBK_E_CONFIG, "is not a regular file");
            if (i == 0)
                assert_fails(by_connection(self), self->err, TBK_E_IO, "not a regular file");
            (void)alarm(0);
            assert_int_equal(unlink(name), 0);
        }
    assert_int_equal(mkfifo(self->copy, 0600), 0);
    (void)alarm(120);
    tbk_sqlite_facts facts;
    assert_fails(tbk_sqlite_inspect(self->copy, &facts, &self->err), self->err, TBK_E_CONFIG,
                 "is not a regular file");
    (void)alarm(0);
}

/* --- statements --- */

static sqlite3 *open_it(fixture *self)
{
    sqlite3 *db = NULL;
    assert_succeeds(tbk_sqlite_open(self->database, SQLITE_OPEN_READWRITE, &db, &self->err),
                    self->err);
    return db;
}

static void statements_reach_no_other_file_and_run_nothing(void **state)
{
    fixture *self = *state;
    execute(self->database, "CREATE VIEW v AS SELECT * FROM torrents;"
                            "CREATE TRIGGER t AFTER INSERT ON torrents BEGIN "
                            "UPDATE torrents SET completed = 9; END;"
                            "CREATE VIRTUAL TABLE f USING fts5 (x)");
    tbk_auto(sqlite3) *db = open_it(self);
    const char *attach = tbk_arena_format(self->arena, "ATTACH '%s/new' AS a", self->folder);
    const char *vacuum = tbk_arena_format(self->arena, "VACUUM INTO '%s/new'", self->folder);
    const char *const REFUSED[] = {attach,
                                   vacuum,
                                   "VACUUM",
                                   "DETACH main",
                                   "SELECT load_extension('x')",
                                   "SELECT * FROM v",
                                   "SELECT * FROM f",
                                   "CREATE VIRTUAL TABLE g USING fts5 (x)"};
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        if (tbk_sqlite_exec(db, REFUSED[i], &self->err))
            fail_msg("'%s' was carried out", REFUSED[i]);
    assert_succeeds(tbk_sqlite_exec(db, "INSERT INTO torrents (completed) VALUES (1)", &self->err),
                    self->err);
    int64_t touched;
    assert_succeeds(tbk_sqlite_integer(db, "SELECT count(*) FROM torrents WHERE completed = 9",
                                       &touched, &self->err),
                    self->err);
    assert_int_equal(touched, 0);
    const char *made = tbk_arena_format(self->arena, "%s/new", self->folder);
    assert_int_not_equal(access(made, F_OK), 0);
}

#define ENDLESS                                                                                    \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

static bool no(void *self, tbk_error *err)
{
    (void)self;
    return tbk_fail(err, TBK_E_INTERRUPTED, NULL, "enough");
}

static void statements_end_when_time_or_patience_ends(void **state)
{
    fixture *self = *state;
    int64_t ignored;
    tbk_auto(sqlite3) *db = open_it(self);
    tbk_sqlite_watch(db, 50, NULL, NULL);
    assert_fails(tbk_sqlite_integer(db, ENDLESS, &ignored, &self->err), self->err, TBK_E_TIMEOUT,
                 "takes too long");
    tbk_sqlite_watch(db, 0, no, NULL);
    assert_fails(tbk_sqlite_integer(db, ENDLESS, &ignored, &self->err), self->err,
                 TBK_E_INTERRUPTED, "enough");
}

static void statements_do_not_take_all_memory(void **state)
{
    fixture *self = *state;
    int64_t ignored;
    tbk_auto(sqlite3) *db = open_it(self);
    tbk_sqlite_watch(db, 200000, NULL, NULL); /* it is memory that ends it, on a busy machine too */
    assert_succeeds(
        tbk_sqlite_exec(db, "PRAGMA cache_size=1000000; PRAGMA temp_store=MEMORY", &self->err),
        self->err);
    assert_fails(tbk_sqlite_integer(db,
                                    "WITH RECURSIVE n(i, x) AS (SELECT 1, zeroblob(100000) UNION "
                                    "ALL SELECT i + 1, zeroblob(100000) FROM n) "
                                    "SELECT max(x) FROM (SELECT x, i FROM n ORDER BY i DESC)",
                                    &ignored, &self->err),
                 self->err, TBK_E_FAILED, "MiB of memory");
}

static bool work_endlessly(void *context, sqlite3 *db, tbk_error *err)
{
    return tbk_sqlite_integer(db, ENDLESS, context, err);
}

static void tasks_have_a_limit(void **state)
{
    fixture *self = *state;
    int64_t ignored;
    tbk_auto(sqlite3) *db = open_it(self);
    const tbk_sqlite_task task = {
        .what = "counting", .limit_ms = 300, .work = work_endlessly, .context = &ignored};
    assert_fails(tbk_sqlite_run(db, &task, NULL, &self->err), self->err, TBK_E_TIMEOUT,
                 "counting takes longer");
}

static void that_limit_stands_when_the_wall_clock_is_set(void **state)
{
    (void)alarm(60);
    wall_clock_is_ahead = true;
    tasks_have_a_limit(state);
    wall_clock_is_ahead = false;
    (void)alarm(0);
}

/* --- what could not be looked at --- */

static fixture *shared; /* with the children in which the kernel refuses a call */

static bool is_called_unreadable(void)
{
    tbk_sqlite_check check;
    return !tbk_sqlite_prove(shared->arena, shared->database, NULL, &check, &shared->err) &&
           shared->err.code == TBK_E_IO;
}

static void a_read_that_fails_is_no_damage(void **state)
{
    shared = *state;
    int refused = 0;
    for (int page = 2; page < 30; page += 3) {
        /* SQLite reads with pread64 at the page's place. */
        const refused_call call = {SYS_pread64, 3, (uint32_t)(page * PAGE_BYTES), EIO};
        if (holds_when_refused(&call, is_called_unreadable))
            refused++;
    }
    assert_int_equal(refused, 10);
}

static int any_order(void *self, int a_length, const void *a, int b_length, const void *b)
{
    (void)self;
    (void)a;
    (void)b;
    return a_length - b_length;
}

static void a_collation_that_is_not_here_is_no_damage(void **state)
{
    fixture *self = *state;
    tbk_sqlite_check check;
    sqlite3 *db = open_database(self->database);
    assert_int_equal(sqlite3_create_collation(db, "theirs", SQLITE_UTF8, NULL, any_order),
                     SQLITE_OK);
    must(db, "CREATE TABLE c (x TEXT COLLATE theirs UNIQUE); INSERT INTO c VALUES ('a'), ('bb')");
    (void)sqlite3_close(db);
    if (tbk_sqlite_prove(self->arena, self->database, NULL, &check, &self->err))
        return; /* a later SQLite may leave such an index out */
    assert_int_not_equal(self->err.code, TBK_E_CORRUPT);
    assert_non_null(strstr(self->err.message, "theirs"));
}

static void a_value_beyond_the_limits_is_no_damage(void **state)
{
    fixture *self = *state;
    tbk_sqlite_check check;
    execute(self->database, "CREATE TABLE big (x BLOB CHECK (x <> 1) NOT NULL);"
                            "INSERT INTO big VALUES (zeroblob(40000000))");
    if (tbk_sqlite_prove(self->arena, self->database, NULL, &check, &self->err))
        return;
    assert_int_not_equal(self->err.code, TBK_E_CORRUPT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sqlite_itself_would_delete_what_the_journal_names),
        CASE(no_journal_leads_to_another_file),
        CASE(no_copy_is_made_of_a_journal_that_names_another_file),
        CASE(a_journal_that_names_the_database_deletes_nothing),
        CASE(a_journal_that_makes_a_hole_of_the_database_is_refused),
        CASE(a_restore_goes_on_beside_such_a_journal),
        CASE(a_proof_does_not_look_beside_the_copy),
        CASE(pipes_and_links_beside_it_are_told_not_waited_for),
        CASE(statements_reach_no_other_file_and_run_nothing),
        CASE(statements_end_when_time_or_patience_ends),
        CASE(statements_do_not_take_all_memory),
        CASE(tasks_have_a_limit),
        CASE(that_limit_stands_when_the_wall_clock_is_set),
        CASE(a_read_that_fails_is_no_damage),
        CASE(a_collation_that_is_not_here_is_no_damage),
        CASE(a_value_beyond_the_limits_is_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
