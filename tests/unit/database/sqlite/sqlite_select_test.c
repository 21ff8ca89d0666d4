/* SPDX-License-Identifier: MIT */
/* Selections: what rules keep of a database is a database again; what is no rule is refused. */
#include "unit/databases.h"

#include "database/sqlite/sqlite_select.h"

#include <sys/stat.h>

#define TORRENTS 10000

typedef struct fixture {
    char folder[64], database[96], target[96];
    tbk_arena *arena;
    tbk_rules rules;
    tbk_selection selection;
    tbk_error err;
} fixture;

/* The first column of all rows, with commas between them. */
static const char *answer(fixture *self, const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement = NULL;
    const char *text = "";
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW)
        text = tbk_arena_format(self->arena, "%s%s%s", text, text[0] != '\0' ? "," : "",
                                (const char *)sqlite3_column_text(statement, 0));
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return text;
}

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    make_scratch(self->folder);
    (void)snprintf(self->database, sizeof self->database, "%s/tracker.db", self->folder);
    (void)snprintf(self->target, sizeof self->target, "%s/essential.db", self->folder);
    self->arena = tbk_arena_new();
    tbk_rules_default(&self->rules);
    execute(self->database,
            "CREATE TABLE torrents (id INTEGER PRIMARY KEY AUTOINCREMENT, info_hash TEXT NOT NULL "
            "UNIQUE, completed INTEGER DEFAULT 0 NOT NULL);"
            "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT 10000) "
            "INSERT INTO torrents (info_hash, completed) "
            "SELECT hex(randomblob(20)), CASE WHEN i % 100 = 0 THEN i ELSE 0 END FROM n;"
            "DELETE FROM torrents WHERE id = 10000;"
            "CREATE TABLE keys (key TEXT, valid_until INTEGER); INSERT INTO keys VALUES ('k', 5);"
            "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, checksum BLOB);"
            "INSERT INTO _sqlx_migrations VALUES (1, x'00ff00');");
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    remove_databases(self->folder, (const char *const[]){"tracker.db", "essential.db", NULL});
    tbk_arena_free(self->arena);
    free(self);
    return 0;
}

static bool select_rows(fixture *self)
{
    return tbk_sqlite_select(self->arena, self->database, self->target, &self->rules, NULL,
                             &self->selection, &self->err);
}

static void rule(fixture *self, const char *table, const char *text)
{
    assert_succeeds(tbk_rule_parse(table, text, &self->rules.list[self->rules.count++], &self->err),
                    self->err);
}

static void same_answer(fixture *self, const char *sql)
{
    assert_string_equal(answer(self, self->target, sql), answer(self, self->database, sql));
}

static const tbk_selected_table *selected(const fixture *self, const char *table)
{
    for (size_t i = 0; i < self->selection.count; i++)
        if (strcmp(self->selection.tables[i].table, table) == 0)
            return &self->selection.tables[i];
    fail_msg("nothing is said of the table '%s'", table);
    return NULL;
}

static void keeps_torrents_that_were_completed_and_all_else(void **state)
{
    fixture *self = *state;
    assert_succeeds(select_rows(self), self->err);
    assert_string_equal(answer(self, self->target, "PRAGMA integrity_check"), "ok");
    assert_string_equal(answer(self, self->target, "SELECT count(*) FROM torrents"), "99");
    assert_string_equal(
        answer(self, self->target, "SELECT count(*) FROM torrents WHERE completed = id"), "99");
    same_answer(self, "SELECT key || valid_until FROM keys");
    same_answer(self, "SELECT version || hex(checksum) FROM _sqlx_migrations");
    same_answer(self, "SELECT name || seq FROM sqlite_sequence"); /* 10000, though it is gone */
    same_answer(self, "SELECT type || name || sql FROM sqlite_schema ORDER BY name");
    assert_int_equal(selected(self, "torrents")->saved_rows, 99);
    assert_int_equal(selected(self, "torrents")->excluded_rows, TORRENTS - 1 - 99);
    assert_string_equal(selected(self, "torrents")->rule, "completed > 0");
    assert_string_equal(selected(self, "keys")->rule, "all");
    assert_int_equal(selected(self, "keys")->saved_rows, 1);
}

static void keeps_whatever_else_a_schema_can_have(void **state)
{
    fixture *self = *state;
    execute(self->database,
            "CREATE TABLE strange (\"a b\" TEXT, rowid INT, double AS (rowid * 2), CHECK (rowid > "
            "0)); INSERT INTO strange (_rowid_, \"a b\", rowid) VALUES (77, 'x', 1);"
            "PRAGMA ignore_check_constraints=ON; INSERT INTO strange (\"a b\", rowid) VALUES "
            "('y', -1);"
            "CREATE TABLE \"we\"\"ird\" (k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
            "INSERT INTO \"we\"\"ird\" VALUES ('k', x'0001');"
            "CREATE INDEX later ON keys (valid_until) WHERE valid_until > 1;"
            "CREATE VIEW wide AS SELECT * FROM torrents;"
            "CREATE TRIGGER noisy AFTER INSERT ON keys BEGIN DELETE FROM torrents; END;"
            "CREATE VIRTUAL TABLE words USING fts5(text); INSERT INTO words VALUES ('hello you');"
            "ANALYZE; PRAGMA user_version=42; PRAGMA application_id=77");
    assert_succeeds(select_rows(self), self->err);
    assert_string_equal(answer(self, self->target, "PRAGMA integrity_check"),
                        answer(self, self->database, "PRAGMA integrity_check"));
    same_answer(self, "SELECT _rowid_ || \"a b\" || rowid || double FROM strange");
    same_answer(self, "SELECT k || hex(v) FROM \"we\"\"ird\"");
    same_answer(self, "SELECT text FROM words WHERE words MATCH 'hello'");
    same_answer(self, "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY name");
    same_answer(self, "PRAGMA user_version");
    same_answer(self, "PRAGMA application_id");
    assert_string_equal(answer(self, self->target, "SELECT count(*) FROM wide"), "99");
    assert_true(selected(self, "strange")->saved_rows == 2);
}

static void none_keeps_the_table_without_its_rows(void **state)
{
    fixture *self = *state;
    rule(self, "KEYS", "none");
    assert_succeeds(select_rows(self), self->err);
    assert_string_equal(answer(self, self->target, "SELECT count(*) FROM keys"), "0");
    assert_int_equal(selected(self, "keys")->excluded_rows, 1);
    assert_int_equal(selected(self, "keys")->saved_rows, 0);
}

static void keeps_page_size_encoding_and_journal_mode(void **state)
{
    fixture *self = *state;
    tbk_sqlite_facts facts;
    (void)unlink(self->database);
    execute(self->database, "PRAGMA page_size=8192; PRAGMA encoding='UTF-16le'; PRAGMA "
                            "auto_vacuum=1; PRAGMA journal_mode=WAL; CREATE TABLE torrents "
                            "(completed); INSERT INTO torrents VALUES (0), (1), (NULL), ('x')");
    assert_succeeds(select_rows(self), self->err);
    assert_succeeds(tbk_sqlite_inspect(self->target, &facts, &self->err), self->err);
    assert_true(facts.wal);
    assert_int_equal(facts.page_size_bytes, 8192);
    same_answer(self, "PRAGMA encoding");
    same_answer(self, "PRAGMA auto_vacuum");
    assert_string_equal(answer(self, self->target, "SELECT count(*) FROM torrents"), "2");
    assert_int_equal(selected(self, "torrents")->excluded_rows, 2);
    char log[128]; /* no process has it open: nothing of ours stays beside it */
    (void)snprintf(log, sizeof log, "%s-shm", self->database);
    assert_int_not_equal(access(log, F_OK), 0);
}

/* A writer goes on while the table is read: the state of the beginning counts. */
typedef struct meddler {
    fixture *self;
    int times;
} meddler;

static void meddle(void *pointer, const char *phase, uint64_t done, uint64_t total)
{
    meddler *meddling = pointer;
    (void)phase;
    (void)done;
    (void)total;
    if (meddling->times++ == 0)
        execute(meddling->self->database, "UPDATE torrents SET completed = 1");
}

static void a_live_database_is_selected_as_it_was_at_the_beginning(void **state)
{
    fixture *self = *state;
    meddler meddling = {.self = self};
    const tbk_report report = {.self = &meddling, .progress = meddle};
    sqlite3 *keeper;
    execute(self->database, "PRAGMA journal_mode=WAL");
    assert_int_equal(sqlite3_open(self->database, &keeper), SQLITE_OK);
    assert_int_equal(sqlite3_exec(keeper, "SELECT 1 FROM keys", NULL, NULL, NULL), SQLITE_OK);
    assert_succeeds(tbk_sqlite_select(self->arena, self->database, self->target, &self->rules,
                                      &report, &self->selection, &self->err),
                    self->err);
    assert_true(meddling.times > 0);
    assert_string_equal(answer(self, self->target, "SELECT count(*) FROM torrents"), "99");
    assert_string_equal(answer(self, self->database, "SELECT min(completed) FROM torrents"), "1");
    (void)sqlite3_close(keeper);
}

static void stops_when_asked_and_leaves_nothing(void **state)
{
    fixture *self = *state;
    const tbk_report report = {.cancelled = at_once};
    assert_fails(tbk_sqlite_select(self->arena, self->database, self->target, &self->rules, &report,
                                   &self->selection, &self->err),
                 self->err, TBK_E_INTERRUPTED, "");
    assert_int_not_equal(access(self->target, F_OK), 0);
}

static void what_is_no_rule_of_this_database_is_refused(void **state)
{
    fixture *self = *state;
    static const char *const cases[][3] = {
        {"peers", "all", "there is no such table (the tables are: "},
        {"sqlite_sequence", "none", "there is no such table"},
        {"keys", "completed > 0", "no such column: completed (the table's columns: "},
        {"keys", "\"valid_untl\" > 0", "no such column"},
        {"keys", "valid_until >", "syntax error"},
        {"keys", "valid_until = (SELECT 5)", "more than to look at the table's own columns"},
        {"keys", "valid_until IN (SELECT id FROM torrents)", "more than to look"},
        {"keys",
         "EXISTS (WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT * "
         "FROM n)",
         "more than to look"},
        {"keys", "load_extension('x')", "not authorized"},
        {"keys", "valid_until = ?1", "it has a parameter"},
        {"keys", "valid_until = :p", "it has a parameter"},
        {"keys", "torrents.id = 1", "no such column"},
        {"keys", "unheard_of(valid_until)", "no such function"},
        {"keys", "tbk_seen()", "no such function"},
        {"keys", "count(*) > 0", "misuse of aggregate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_rules_default(&self->rules);
        rule(self, cases[i][0], cases[i][1]);
        assert_fails(tbk_sqlite_check_rules(self->database, &self->rules, &self->err), self->err,
                     TBK_E_CONFIG, cases[i][2]);
        assert_fails(select_rows(self), self->err, TBK_E_CONFIG, cases[i][2]);
        assert_int_not_equal(access(self->target, F_OK), 0);
    }
}

static void a_condition_that_takes_memory_is_bounded(void **state)
{
    fixture *self = *state;
    rule(self, "keys", "length(zeroblob(1000000000)) > 0");
    assert_false(select_rows(self));
    assert_non_null(strstr(self->err.message, "too big"));
}

static void rules_that_fit_pass(void **state)
{
    fixture *self = *state;
    rule(self, "keys", "valid_until > 4 AND upper(key) LIKE 'K%' AND rowid = 1");
    assert_succeeds(tbk_sqlite_check_rules(self->database, &self->rules, &self->err), self->err);
    assert_succeeds(select_rows(self), self->err);
    assert_int_equal(selected(self, "keys")->saved_rows, 1);
}

/* Who may write the database may write anything into its schema. */
static void a_schema_that_is_more_than_its_tables_runs_nothing(void **state)
{
    fixture *self = *state;
    static const char endless[] = "sql || '; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
                                  "i + 1 FROM n) SELECT max(i) FROM n'";
    static const char *const TRAPS[] = {NULL, "sql || '; DROP TABLE torrents'", endless};
    for (size_t i = 0; i < 2 * sizeof TRAPS / sizeof *TRAPS; i++) {
        const char *name = i % 2 == 0 ? "extra" : "extra_a";
        const char *trap = TRAPS[i / 2];
        if (trap == NULL)
            trap = tbk_arena_format(
                self->arena, "sql || '; COMMIT; VACUUM INTO ''%s/planted''; BEGIN'", self->folder);
        execute(self->database, "DROP TABLE IF EXISTS extra; CREATE TABLE extra (a);"
                                "CREATE INDEX extra_a ON extra (a)");
        execute(self->database,
                tbk_arena_format(self->arena,
                                 "PRAGMA writable_schema=ON;"
                                 "UPDATE sqlite_schema SET sql = %s WHERE name = '%s'",
                                 trap, name));
        assert_fails(select_rows(self), self->err, TBK_E_CONFIG, "does more than to make it");
        assert_int_not_equal(access(self->target, F_OK), 0);
        execute(self->database,
                tbk_arena_format(self->arena,
                                 "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET "
                                 "sql = substr(sql, 1, instr(sql, ';') - 1) WHERE name = '%s'",
                                 name));
    }
    assert_succeeds(select_rows(self), self->err); /* and without the traps it is one like others */
}

static void what_cannot_be_read_or_written_is_told(void **state)
{
    fixture *self = *state;
    (void)snprintf(self->target, sizeof self->target, "%s/no/essential.db", self->folder);
    assert_fails(select_rows(self), self->err, TBK_E_IO, "cannot write");
    assert_int_equal(truncate(self->database, 0), 0);
    assert_fails(select_rows(self), self->err, TBK_E_CORRUPT, "0 bytes");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(keeps_torrents_that_were_completed_and_all_else),
        CASE(keeps_whatever_else_a_schema_can_have),
        CASE(none_keeps_the_table_without_its_rows),
        CASE(keeps_page_size_encoding_and_journal_mode),
        CASE(a_live_database_is_selected_as_it_was_at_the_beginning),
        CASE(stops_when_asked_and_leaves_nothing),
        CASE(what_is_no_rule_of_this_database_is_refused),
        CASE(a_condition_that_takes_memory_is_bounded),
        CASE(rules_that_fit_pass),
        CASE(a_schema_that_is_more_than_its_tables_runs_nothing),
        CASE(what_cannot_be_read_or_written_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
