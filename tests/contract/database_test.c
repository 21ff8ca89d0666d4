/* SPDX-License-Identifier: MIT */
/*
 * What the engine relies on with every kind of database (database/database.h), tried with SQLite,
 * MariaDB and MySQL: the same cases, through the same interface. A third kind joins KINDS.
 */
#include "contract/servers.h"
#include "unit/engine/backup_fixture.h"
#include "unit/scratch.h"

#include "base/text.h"
#include "engine/backup_plan.h"
#include "engine/restoration.h"
#include "engine/verification.h"

#define ROWS 5000
#define COMPLETED 100 /* of them */

/* --- kinds --- */

typedef struct kind {
    const char *name;
    tbk_driver driver;
    tbk_method holding; /* a method that surely holds the tracker */
    void (*execute)(const char *sql);
    int64_t (*number)(const char *sql);
    void (*clear)(void);
} kind;

static test_server server;

/* An empty server beside the tracker's, as the hook starts one. */
static struct empty_server {
    test_server server;
    unsigned starts;
} empty;

static void sqlite_execute(const char *sql) { execute("tracker.db", sql); }
static int64_t sqlite_number(const char *sql) { return integer("tracker.db", sql); }

static void sqlite_clear(void)
{
    assert_int_equal(shell("rm -rf ./tracker.db*"), 0);
    sqlite_execute("PRAGMA journal_mode=WAL");
}

static void mysql_execute(const char *sql)
{
    MYSQL *connection = test_server_connect(&server, server.database);
    test_sql(connection, sql);
    mysql_close(connection);
}

static int64_t mysql_number(const char *sql)
{
    MYSQL *connection = test_server_connect(&server, server.database);
    int64_t number = strtoll(test_value(connection, sql), NULL, 10);
    mysql_close(connection);
    return number;
}

static void mysql_clear(void)
{
    MYSQL *connection = test_server_connect(&server, NULL);
    const char *ours;
    while ((ours = test_value(connection, "SELECT schema_name FROM information_schema.schemata "
                                          "WHERE schema_name LIKE 'tracker\\_%'"))[0] != '\0') {
        char sql[128];
        (void)snprintf(sql, sizeof sql, "DROP DATABASE `%s`", ours);
        test_sql(connection, sql);
    }
    test_sql(connection, "DROP DATABASE IF EXISTS tracker; CREATE DATABASE tracker");
    mysql_close(connection);
}

static const kind KINDS[] = {
    {"sqlite", TBK_DRIVER_SQLITE, TBK_METHOD_PAUSE, sqlite_execute, sqlite_number, sqlite_clear},
    {"mariadb", TBK_DRIVER_MYSQL, TBK_METHOD_STOP, mysql_execute, mysql_number, mysql_clear},
    {"mysql", TBK_DRIVER_MYSQL, TBK_METHOD_STOP, mysql_execute, mysql_number, mysql_clear},
};
static const kind *now; /* the one that is tried */

/* --- the fixture --- */

typedef struct fixture {
    tbk_arena *arena;
    tbk_engine_config config;
    holder holder;
    tbk_hold hold;
    tbk_backup_request request;
    tbk_backup_result result;
    tbk_error err;
} fixture;

/* One value of a .env in single quotes, as the deployer writes it. */
static void put_variable(FILE *file, const char *name, const char *value)
{
    (void)fprintf(file, "%s='", name);
    for (; *value != '\0'; value++)
        (void)fprintf(file, *value == '\'' ? "\\%c" : "%c", *value);
    (void)fprintf(file, "'\n");
}

/* Every byte of the password as %XX. */
static void put_address(FILE *file)
{
    char address[2048];
    int length = snprintf(address, sizeof address, "mysql://%s:", server.user.user);
    for (const char *at = server.password; *at != '\0'; at++)
        length += snprintf(address + length, sizeof address - (size_t)length, "%%%02X",
                           (unsigned char)*at);
    (void)snprintf(address + length, sizeof address - (size_t)length, "@%s:%u/%s", server.host,
                   (unsigned)server.user.port, server.database);
    put_variable(file, "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__DRIVER", "mysql");
    put_variable(file, "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH", address);
}

static void write_env(const char *root_password)
{
    FILE *file = fopen("env", "w");
    assert_non_null(file);
    put_address(file);
    if (root_password != NULL)
        put_variable(file, "MYSQL_ROOT_PASSWORD", root_password);
    (void)fclose(file);
}

static void fill(void)
{
    tbk_auto_text sql = {0};
    now->clear();
    now->execute("CREATE TABLE torrents (id INTEGER PRIMARY KEY, info_hash VARCHAR(40) NOT NULL, "
                 "completed INTEGER NOT NULL)");
    now->execute("CREATE UNIQUE INDEX by_hash ON torrents (info_hash)");
    now->execute("CREATE TABLE whitelist (id INTEGER PRIMARY KEY, info_hash VARCHAR(40))");
    tbk_text_append(&sql, "INSERT INTO torrents VALUES ");
    for (int i = 1; i <= ROWS; i++)
        tbk_text_format(&sql, "%s(%d, 'hash-%d', %d)", i > 1 ? "," : "", i, i, i <= COMPLETED);
    now->execute(tbk_text_string(&sql));
    now->execute("INSERT INTO whitelist VALUES (1, 'a'), (2, NULL)");
}

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    assert_int_equal(shell("rm -rf ./*"), 0);
    fill();
    self->arena = tbk_arena_new();
    self->config = sqlite_config(tbk_arena_format(self->arena, "%s/tracker.db", folder),
                                 tbk_arena_format(self->arena, "%s/store", folder));
    self->config.environment = "demo";
    self->config.driver = now->driver;
    self->config.env_file = tbk_arena_format(self->arena, "%s/env", folder);
    self->config.prove_restored_every_days = 7;
    self->config.keep_last = 0; /* the days alone decide */
    tbk_rules_default(&self->config.essential);
    if (now->driver == TBK_DRIVER_MYSQL)
        write_env(server.root_password);
    self->hold = hold_of(&self->holder);
    self->request = (tbk_backup_request){.config = &self->config,
                                         .hold = &self->hold,
                                         .run_id = "run",
                                         .create_store = true,
                                         .now_s = START_S};
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    test_server_stop(&empty.server); /* also after a failure */
    tbk_arena_free(self->arena);
    free(self);
    return 0;
}

static bool backup(fixture *self)
{
    return tbk_backup_run(self->arena, &self->request, NULL, &self->result, &self->err);
}

static int64_t rows_in(const tbk_table_rows *tables, size_t count, const char *table)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(tables[i].table, table) == 0)
            return tables[i].rows;
    return -1;
}

static int64_t live_rows(void) { return now->number("SELECT count(*) FROM torrents"); }
static bool has_sets(void) { return shell("ls store | grep -q Z") == 0; }

/* --- the cases --- */

static void says_what_is_there(void **state)
{
    fixture *self = *state;
    tbk_database database;
    tbk_database_view view = {0};
    assert_succeeds(
        tbk_database_open(self->arena, &self->config, NULL, NULL, &database, &self->err),
        self->err);
    assert_succeeds(database.inspect(database.self, self->arena, NULL, &view, &self->err),
                    self->err);
    assert_true(view.size_bytes > 0);
    assert_non_null(strstr(view.words, "tracker"));
}

static void make_plan(fixture *self, tbk_backup_plan *out)
{
    tbk_database *database = TBK_ARENA_NEW(self->arena, tbk_database);
    const tbk_backup_plan_request request = {
        .database = database, .store = self->config.store, .environment = "demo", .restores = true};
    assert_succeeds(
        tbk_database_open(self->arena, &self->config, NULL, NULL, database, &self->err) &&
            tbk_backup_plan_make(self->arena, &request, NULL, out, &self->err),
        self->err);
}

static void the_forecast_is_what_is_done(void **state)
{
    fixture *self = *state;
    tbk_backup_plan plan;
    make_plan(self, &plan);
    assert_false(has_sets());
    assert_int_equal(plan.forecast.expected_held_ms, 0);
    assert_true(plan.needed_bytes > 0 && plan.free_bytes > plan.needed_bytes);
    assert_null(plan.forecast.remedy);
    assert_succeeds(backup(self), self->err);
    assert_string_equal(tbk_capture_method_name(plan.forecast.method),
                        self->result.manifest->method);
    assert_int_equal(self->result.manifest->held_ms, 0);
}

static void a_set_is_proved_by_restoring_it(void **state)
{
    fixture *self = *state;
    assert_succeeds(backup(self), self->err);
    const tbk_proof *proof = &self->result.proof;
    assert_int_equal(proof->level, TBK_PROOF_RESTORED);
    assert_true(proof->ok);
    assert_int_equal(rows_in(proof->tables, proof->table_count, "torrents"), ROWS);
    assert_int_equal(rows_in(proof->tables, proof->table_count, "whitelist"), 2);
    assert_int_equal(self->holder.holds, self->holder.releases);
    assert_int_equal(live_rows(), ROWS);
}

static void nothing_of_a_proof_is_left(void **state)
{
    fixture *self = *state;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(shell("ls -A store | grep '^\\.' | grep -vqx .state"), 1);
    if (now->driver == TBK_DRIVER_MYSQL)
        assert_int_equal(now->number("SELECT count(*) FROM information_schema.schemata WHERE "
                                     "schema_name LIKE 'tracker%' AND schema_name <> 'tracker'"),
                         0);
}

static void a_backup_that_may_hold_nothing_holds_nothing(void **state)
{
    fixture *self = *state;
    self->request.holds_nothing = true;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->holder.holds, 0);
    assert_int_equal(self->result.manifest->held_ms, 0);
}

static void a_holding_method_holds_once_and_lets_go(void **state)
{
    fixture *self = *state;
    self->config.method = now->holding;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->holder.holds, 1);
    assert_int_equal(self->holder.releases, 1);
    assert_string_equal(self->result.manifest->method, tbk_method_name(now->holding));
}

static void a_tracker_that_was_stopped_is_said_to_have_been(void **state)
{
    fixture *self = *state;
    self->config.method = now->holding;
    self->holder.was_stopped = true;
    assert_succeeds(backup(self), self->err);
    assert_true(self->result.manifest->tracker_was_stopped);
    assert_int_equal(self->result.manifest->held_ms, 0);
}

static void a_lost_hold_makes_the_copy_worthless(void **state)
{
    fixture *self = *state;
    self->config.method = now->holding;
    self->holder.is_lost = true;
    assert_fails(backup(self), self->err, TBK_E_INTERRUPTED, "the hook is gone");
    assert_false(has_sets());
}

static void leaves_nothing_behind_when_it_is_stopped(void **state)
{
    fixture *self = *state;
    const tbk_report report = {.cancelled = at_once};
    assert_fails(tbk_backup_run(self->arena, &self->request, &report, &self->result, &self->err),
                 self->err, TBK_E_INTERRUPTED, "");
    assert_int_equal(self->holder.holds, self->holder.releases);
    assert_false(has_sets());
}

static void an_empty_database_is_no_backup(void **state)
{
    fixture *self = *state;
    now->clear();
    if (now->driver == TBK_DRIVER_SQLITE)
        assert_int_equal(shell("rm -f tracker.db*; : >tracker.db"), 0);
    assert_fails(backup(self), self->err, TBK_E_CORRUPT, "");
    assert_int_equal(self->holder.holds, 0);
    assert_false(has_sets());
}

static void rules_keep_what_they_say(void **state)
{
    fixture *self = *state;
    self->config.profile = TBK_PROFILE_ESSENTIAL;
    assert_succeeds(backup(self), self->err);
    const tbk_manifest *manifest = self->result.manifest;
    const tbk_proof *proof = &self->result.proof;
    assert_int_equal(rows_in(proof->tables, proof->table_count, "torrents"), COMPLETED);
    assert_int_equal(rows_in(proof->tables, proof->table_count, "whitelist"), 2);
    assert_int_equal(manifest->selection_count, 2);
    for (size_t i = 0; i < 2; i++)
        if (strcmp(manifest->selection[i].table, "torrents") == 0) {
            assert_int_equal(manifest->selection[i].saved_rows, COMPLETED);
            assert_int_equal(manifest->selection[i].excluded_rows, ROWS - COMPLETED);
        }
}

static void wrong_rules_hold_nothing(void **state)
{
    fixture *self = *state;
    self->config.profile = TBK_PROFILE_ESSENTIAL;
    self->config.essential.list[0].condition = "completd > 0";
    assert_fails(backup(self), self->err, TBK_E_CONFIG, "completd");
    self->config.essential.list[0].condition = "id IN (SELECT 1)";
    assert_fails(backup(self), self->err, TBK_E_CONFIG, "");
    self->config.essential.list[0].table = "nowhere";
    assert_fails(backup(self), self->err, TBK_E_CONFIG, "nowhere");
    assert_int_equal(self->holder.holds, 0);
    assert_false(has_sets());
}

static bool prove_as(fixture *self, const tbk_manifest *manifest, const char *scratch,
                     tbk_proof *out)
{
    tbk_database database;
    tbk_auto(tbk_set) *set = NULL;
    if (!tbk_database_open(self->arena, &self->config, NULL, NULL, &database, &self->err) ||
        !tbk_set_open(self->result.path, &set, &self->err))
        return false;
    const tbk_prove_request request = {.set = set,
                                       .manifest = manifest,
                                       .level = TBK_PROOF_RESTORED,
                                       .database = &database,
                                       .scratch = scratch,
                                       .now_s = START_S};
    return tbk_prove_set(self->arena, &request, out, &self->err);
}

/* A manifest that says something else than what is in the set. */
static void a_difference_is_found_when_restored(void **state)
{
    fixture *self = *state;
    tbk_proof proof;
    assert_succeeds(backup(self), self->err);
    tbk_manifest manifest = *self->result.manifest;
    if (now->driver == TBK_DRIVER_SQLITE) {
        manifest.sqlite.pages++;
    } else {
        tbk_table_facts *tables =
            tbk_arena_alloc(self->arena, manifest.mysql.table_count * sizeof *tables);
        memcpy(tables, manifest.mysql.tables, manifest.mysql.table_count * sizeof *tables);
        tables[0].checksum = "0123456789abcdef";
        manifest.mysql.tables = tables;
    }
    assert_int_equal(shell("mkdir scratch"), 0);
    assert_succeeds(prove_as(self, &manifest, "scratch", &proof), self->err);
    assert_false(proof.ok);
    assert_non_null(proof.reason);
}

/* Rows are known without a proof where they were dumped, else they are counted since much less is
 * used; and the set says which database it is of, without a password. */
static void a_database_that_lost_its_rows_stops_pruning(void **state)
{
    fixture *self = *state;
    assert_succeeds(backup(self), self->err);
    const char *location = self->result.manifest->location;
    assert_non_null(strstr(location, now->driver == TBK_DRIVER_MYSQL ? ":" : "tracker.db"));
    assert_null(strstr(location, "@"));
    now->execute("DELETE FROM torrents WHERE id > 10");
    self->request.now_s += 60;
    assert_fails(backup(self), self->err, TBK_E_BRAKE, "nothing is pruned: table 'torrents' had");
    self->request.now_s += 60;
    assert_fails(backup(self), self->err, TBK_E_BRAKE, "nothing is pruned: table 'torrents' had");
}

static void a_set_goes_back_and_what_was_there_is_kept(void **state)
{
    fixture *self = *state;
    tbk_restore_result restored;
    assert_succeeds(backup(self), self->err);
    now->execute("DELETE FROM torrents WHERE id > 10");
    const tbk_restore_request request = {
        .config = &self->config, .hold = &self->hold, .run_id = "restore", .now_s = START_S + 60};
    tbk_restore_request dry = request;
    dry.dry_run = true;
    assert_succeeds(tbk_restore_run(self->arena, &dry, NULL, &restored, &self->err), self->err);
    assert_int_equal(live_rows(), 10);
    int holds = self->holder.holds;
    assert_succeeds(tbk_restore_run(self->arena, &request, NULL, &restored, &self->err), self->err);
    assert_int_equal(self->holder.holds, holds + 1);
    assert_int_equal(self->holder.releases, self->holder.holds);
    assert_int_equal(live_rows(), ROWS);
    assert_int_equal(rows_in(restored.tables, restored.table_count, "torrents"), ROWS);
    assert_non_null(restored.kept);
    /* Unique as before. */
    assert_int_equal(now->number("SELECT count(*) FROM torrents WHERE info_hash = 'hash-77'"), 1);
    if (now->driver == TBK_DRIVER_MYSQL)
        assert_int_equal(now->number("SELECT count(*) FROM information_schema.statistics WHERE "
                                     "table_schema = 'tracker' AND index_name = 'by_hash'"),
                         1);
}

static void a_swap_can_be_undone(void **state)
{
    fixture *self = *state;
    tbk_restore_result restored;
    tbk_database database;
    const tbk_previous_database *kept = NULL;
    size_t kept_count = 0;
    const char *const *names = NULL;
    assert_succeeds(backup(self), self->err);
    now->execute("DELETE FROM torrents WHERE id > 10");
    self->holder.was_stopped = true;
    const tbk_restore_request request = {
        .config = &self->config, .hold = &self->hold, .run_id = "restore", .now_s = START_S + 60};
    assert_succeeds(tbk_restore_run(self->arena, &request, NULL, &restored, &self->err), self->err);
    assert_succeeds(
        tbk_database_open(self->arena, &self->config, NULL, NULL, &database, &self->err) &&
            database.list_previous(database.self, self->arena, &kept, &kept_count, &self->err) &&
            database.purge_previous(database.self, self->arena, &names, &self->err),
        self->err);
    assert_int_equal(kept_count, 1);
    assert_non_null(names[0]);
    assert_string_equal(names[0], kept[0].name);
    assert_true(kept[0].size_bytes > 0);
    assert_null(names[1]);
    assert_int_equal(live_rows(), ROWS);
}

static void a_tracker_that_does_not_start_gets_its_old_database_back(void **state)
{
    fixture *self = *state;
    tbk_restore_result restored;
    self->request.holds_nothing = true;
    assert_succeeds(backup(self), self->err);
    now->execute("DELETE FROM torrents WHERE id > 10");
    self->holder.stays_down_once = true;
    self->holder.releases = 0;
    const tbk_restore_request request = {
        .config = &self->config, .hold = &self->hold, .run_id = "restore", .now_s = START_S + 60};
    assert_fails(tbk_restore_run(self->arena, &request, NULL, &restored, &self->err), self->err,
                 TBK_E_FAILED, "the database of before");
    assert_int_equal(self->holder.releases, 2);
    assert_int_equal(live_rows(), 10);
}

/* --- what only a server can be --- */

static void without_root_the_set_is_proved_by_its_checksums(void **state)
{
    fixture *self = *state;
    if (now->driver != TBK_DRIVER_MYSQL)
        return;
    write_env(NULL);
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->result.proof.level, TBK_PROOF_CHECKSUMS);
    write_env("not the one");
    self->request.now_s += 60;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->result.proof.level, TBK_PROOF_CHECKSUMS);
}

static void tables_without_snapshots_need_a_stop_by_the_forecast(void **state)
{
    fixture *self = *state;
    tbk_backup_plan plan;
    if (now->driver != TBK_DRIVER_MYSQL)
        return;
    now->execute("CREATE TABLE notes (id INTEGER PRIMARY KEY) ENGINE=MyISAM");
    make_plan(self, &plan);
    assert_int_equal(plan.forecast.method, TBK_CAPTURE_STOP);
    assert_int_equal(plan.forecast.expected_held_ms, TBK_FORECAST_HELD_UNKNOWN);
    assert_non_null(strstr(tbk_forecast_why_not(&plan.forecast, TBK_CAPTURE_SNAPSHOT), "notes"));
    assert_non_null(strstr(plan.forecast.remedy, "InnoDB"));
    assert_succeeds(backup(self), self->err);
    assert_string_equal(self->result.manifest->method, "stop");
}

static bool set_password(void *self, const char *root_password, tbk_error *err)
{
    struct empty_server *starting = self;
    char sql[256];
    (void)err;
    MYSQL *connection = test_server_connect(&starting->server, NULL);
    (void)snprintf(sql, sizeof sql,
                   "ALTER USER root@localhost IDENTIFIED BY '%s', root@'%%' IDENTIFIED BY '%s'",
                   root_password, root_password);
    test_sql(connection, sql);
    mysql_close(connection);
    starting->starts++;
    return true;
}

static void without_root_an_empty_server_proves_the_set(void **state)
{
    fixture *self = *state;
    if (now->driver != TBK_DRIVER_MYSQL)
        return;
    empty.starts = 0;
    assert_true(test_server_start(&empty.server, now->name, ""));
    const tbk_scratch_server scratch_server = {.self = &empty,
                                               .host = empty.server.host,
                                               .port = empty.server.user.port,
                                               .start = set_password};
    self->request.scratch_server = &scratch_server;
    assert_succeeds(backup(self), self->err); /* root is known */
    assert_int_equal(empty.starts, 0);
    write_env(NULL);
    self->config.prove_restored_every_days = 1;
    self->request.now_s += 2 * 86400;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(empty.starts, 1);
    const tbk_proof *proof = &self->result.proof;
    assert_int_equal(proof->level, TBK_PROOF_RESTORED);
    assert_int_equal(rows_in(proof->tables, proof->table_count, "torrents"), ROWS);
}

static bool refuse(void *self, const char *root_password, tbk_error *err)
{
    (void)self;
    (void)root_password;
    return tbk_fail(err, TBK_E_FAILED, NULL, "Docker refused it");
}

static void where_no_empty_server_is_to_be_had_the_set_is_kept_and_the_run_is_partial(void **state)
{
    fixture *self = *state;
    const tbk_scratch_server scratch_server = {.host = "127.0.0.1", .port = 1, .start = refuse};
    if (now->driver != TBK_DRIVER_MYSQL)
        return;
    write_env(NULL);
    self->request.scratch_server = &scratch_server;
    assert_fails(backup(self), self->err, TBK_E_PARTIAL, "Docker refused it");
    assert_int_equal(self->result.proof.level, TBK_PROOF_CHECKSUMS);
    assert_true(has_sets());
}

/* The binary log would grow by the whole database each time, and replicas would load it too. */
/* A setting that no session can change, and a table from before it. */
static void refuse_tables(bool refuses)
{
    const bool is_mariadb = strcmp(now->name, "mariadb") == 0;
    if (refuses)
        now->execute(is_mariadb ? "SET GLOBAL innodb_force_primary_key = 1"
                                : "SET GLOBAL super_read_only = 1");
    else
        now->execute(is_mariadb ? "SET GLOBAL innodb_force_primary_key = 0"
                                : "SET GLOBAL super_read_only = 0, GLOBAL read_only = 0");
}

static bool prove_restored(fixture *self, tbk_proof *out)
{
    return prove_as(self, self->result.manifest, NULL, out);
}

static void what_the_server_refuses_is_no_damage(void **state)
{
    fixture *self = *state;
    tbk_proof proof = {.level = TBK_PROOF_NONE};
    if (now->driver != TBK_DRIVER_MYSQL)
        return;
    now->execute("CREATE TABLE nokey (a INT); INSERT INTO nokey VALUES (1), (1)");
    refuse_tables(true);
    const bool backed_up = backup(self);
    const tbk_error why = self->err;
    const bool proved = self->result.path != NULL && prove_restored(self, &proof);
    const tbk_error why_not = self->err;
    refuse_tables(false);
    assert_false(backed_up);
    assert_int_equal(why.code, TBK_E_PARTIAL);
    assert_non_null(strstr(why.message, "(error ")); /* the server's own words */
    assert_int_equal(self->result.proof.level, TBK_PROOF_CHECKSUMS);
    assert_true(self->result.proof.ok && has_sets());
    assert_false(proved);
    assert_int_equal(why_not.code, TBK_E_PARTIAL);
    assert_non_null(strstr(why_not.message, "cannot be proved here"));
    assert_int_equal(proof.level, TBK_PROOF_NONE); /* nothing that could take another's place */
}

static void a_proof_leaves_no_trace_in_the_binary_log(void **state)
{
    fixture *self = *state;
    static const char position[] =
        "SELECT local->>'$.binary_log_position' FROM performance_schema.log_status";
    if (strcmp(now->name, "mysql") != 0)
        return;
    int64_t before = now->number(position);
    assert_true(before > 0);
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->result.proof.level, TBK_PROOF_RESTORED);
    assert_int_equal(now->number(position), before);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest TESTS[] = {
    CASE(says_what_is_there),
    CASE(the_forecast_is_what_is_done),
    CASE(a_set_is_proved_by_restoring_it),
    CASE(nothing_of_a_proof_is_left),
    CASE(a_backup_that_may_hold_nothing_holds_nothing),
    CASE(a_holding_method_holds_once_and_lets_go),
    CASE(a_tracker_that_was_stopped_is_said_to_have_been),
    CASE(a_lost_hold_makes_the_copy_worthless),
    CASE(leaves_nothing_behind_when_it_is_stopped),
    CASE(an_empty_database_is_no_backup),
    CASE(rules_keep_what_they_say),
    CASE(wrong_rules_hold_nothing),
    CASE(a_difference_is_found_when_restored),
    CASE(a_database_that_lost_its_rows_stops_pruning),
    CASE(a_set_goes_back_and_what_was_there_is_kept),
    CASE(a_swap_can_be_undone),
    CASE(a_tracker_that_does_not_start_gets_its_old_database_back),
    CASE(without_root_the_set_is_proved_by_its_checksums),
    CASE(tables_without_snapshots_need_a_stop_by_the_forecast),
    CASE(without_root_an_empty_server_proves_the_set),
    CASE(where_no_empty_server_is_to_be_had_the_set_is_kept_and_the_run_is_partial),
    CASE(what_the_server_refuses_is_no_damage),
    CASE(a_proof_leaves_no_trace_in_the_binary_log),
};

static void no_server(void **state)
{
    (void)state;
    skip_because("no database server could be started (tests/servers/server)");
}

/* Of the kinds that it is told, or of all. */
int main(int argc, char **argv)
{
    int failed = 0;
    for (now = KINDS; now < KINDS + sizeof KINDS / sizeof *KINDS; now++) {
        if (argc > 1 && strcmp(argv[1], now->name) != 0)
            continue;
        bool is_there =
            now->driver == TBK_DRIVER_SQLITE || test_server_start(&server, now->name, "");
        const struct CMUnitTest skipped[] = {cmocka_unit_test(no_server)};
        failed += is_there ? _cmocka_run_group_tests(now->name, TESTS, sizeof TESTS / sizeof *TESTS,
                                                     enter_folder, remove_folder)
                           : _cmocka_run_group_tests(now->name, skipped, 1, NULL, NULL);
        test_server_stop(&server);
        assert_int_equal(chdir("/"), 0);
    }
    return failed;
}
