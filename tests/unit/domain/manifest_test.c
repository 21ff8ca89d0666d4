/* SPDX-License-Identifier: MIT */
/* Manifests: what is written is read back whole; what is damaged is refused. */
#include "unit/domain/documents.h"

#include "domain/manifest.h"

#define SUM_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SUM_B "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *missing_paths[] = {"storage/caddy/data", NULL};

static tbk_manifest sample(void)
{
    tbk_manifest manifest = {
        .id = "20260216T175643Z",
        .run_id = "20260216T175640Z-1234",
        .environment = "demo",
        .engine_version = "0.1.0",
        .sqlite_version = "3.46.1",
        .zstd_version = "1.5.7",
        .driver = TBK_DRIVER_SQLITE,
        .location = "/srv/tracker/t.db",
        .method = "pause",
        .method_reason = "",
        .tracker_was_stopped = true,
        .held_ms = 1234,
        .sqlite = {.size_bytes = 17000000000,
                   .page_size_bytes = 4096,
                   .pages = 4150391,
                   .free_pages = 391,
                   .change_counter = 4294967295,
                   .wal = true,
                   .schema = {SUM_A}},
        .files = {{.name = TBK_SET_DATABASE_FILE,
                   .stored_bytes = 5,
                   .raw_bytes = 17000000000,
                   .stored = {SUM_A},
                   .raw = {SUM_B}},
                  {.name = TBK_SET_CONFIG_FILE, .stored = {SUM_B}, .raw = {SUM_A}}},
        .file_count = 2,
        .phases = {{"copy", 1200}, {"compress", 0}},
        .phase_count = 2,
        .config_missing = missing_paths,
    };
    return manifest;
}

static const tbk_table_facts dumped_tables[] = {
    {"keys", 0, "0000000000000000", NULL},
    {"torrents", 161454700, "0123456789abcdef", "18446744073709551615"},
    {"we`ird \"name\"", 2, "ffffffffffffffff", "-5"},
};

static tbk_manifest mysql_sample(void)
{
    tbk_manifest manifest = sample();
    manifest.driver = TBK_DRIVER_MYSQL;
    manifest.method = "snapshot";
    manifest.sqlite = (tbk_sqlite_facts){0};
    manifest.mysql = (tbk_mysql_facts){.server = "MySQL",
                                       .version = "9.4.0",
                                       .collation = "utf8mb4_0900_ai_ci",
                                       .size_bytes = 5000000000,
                                       .sessions = 4,
                                       .schema = {SUM_B},
                                       .tables = dumped_tables,
                                       .table_count = 3,
                                       .views = 1,
                                       .triggers = 2,
                                       .routines = 3,
                                       .events = 4,
                                       .missing = "the text of the function 'f'"};
    manifest.files[0].name = TBK_SET_DUMP_FILE;
    return manifest;
}

static void check_same(tbk_arena *arena, const tbk_manifest *a, const tbk_manifest *b)
{
    tbk_auto_text text_a = {0};
    tbk_auto_text text_b = {0};
    tbk_json_write(&text_a, tbk_manifest_to_value(arena, a), true);
    tbk_json_write(&text_b, tbk_manifest_to_value(arena, b), true);
    assert_string_equal(tbk_text_string(&text_a), tbk_text_string(&text_b));
}

static void manifest_is_read_as_it_was_written(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_manifest written = sample();
    tbk_manifest read;
    tbk_error err;
    assert_succeeds(tbk_manifest_read(arena,
                                      as_written(arena, tbk_manifest_to_value(arena, &written)),
                                      &read, &err),
                    err);
    assert_string_equal(read.id, "20260216T175643Z");
    assert_string_equal(read.environment, "demo");
    assert_int_equal(read.sqlite.size_bytes, 17000000000);
    assert_int_equal(read.sqlite.change_counter, 4294967295);
    assert_true(read.sqlite.wal);
    assert_string_equal(read.sqlite.schema.hex, SUM_A);
    assert_int_equal(read.held_ms, 1234);
    assert_true(read.tracker_was_stopped);
    assert_int_equal(read.phase_count, 2);
    assert_string_equal(read.phases[0].name, "copy");
    assert_string_equal(read.config_missing[0], "storage/caddy/data");
    assert_null(read.config_missing[1]);
    const tbk_set_file *file = tbk_manifest_file(&read, TBK_SET_DATABASE_FILE);
    assert_non_null(file);
    assert_string_equal(file->raw.hex, SUM_B);
    assert_non_null(tbk_manifest_file(&read, TBK_SET_CONFIG_FILE));
    assert_null(tbk_manifest_file(&read, "other"));
    check_same(arena, &written, &read);
}

static void an_essential_set_says_what_was_left_out(void **state)
{
    (void)state;
    static const tbk_selected_table tables[] = {{"keys", "all", 2, 0},
                                                {"torrents", "completed > 0", 31, 969}};
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_manifest written = sample();
    tbk_manifest read;
    tbk_error err;
    written.profile = TBK_PROFILE_ESSENTIAL;
    written.selection = tables;
    written.selection_count = 2;
    assert_succeeds(tbk_manifest_read(arena,
                                      as_written(arena, tbk_manifest_to_value(arena, &written)),
                                      &read, &err),
                    err);
    assert_int_equal(read.profile, TBK_PROFILE_ESSENTIAL);
    assert_int_equal(read.selection_count, 2);
    assert_string_equal(read.selection[1].rule, "completed > 0");
    assert_int_equal(read.selection[1].excluded_rows, 969);
    check_same(arena, &written, &read);
}

static void sets_that_do_not_say_their_profile_are_full(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_manifest written = sample();
    tbk_manifest read;
    tbk_error err;
    tbk_value *value = as_written(arena, tbk_manifest_to_value(arena, &written));
    put(arena, value, "profile", "null");
    put(arena, value, "selection", "null");
    assert_succeeds(tbk_manifest_read(arena, value, &read, &err), err);
    assert_int_equal(read.profile, TBK_PROFILE_FULL);
    assert_int_equal(read.selection_count, 0);
}

static void sizes_of_a_set_are_those_of_its_files(void **state)
{
    tbk_manifest manifest = sample();
    manifest.files[1].stored_bytes = 7;
    manifest.files[1].raw_bytes = 1;
    (void)state;
    assert_int_equal(tbk_manifest_stored_bytes(&manifest), 12);
    assert_int_equal(tbk_manifest_raw_bytes(&manifest), 17000000001);
    assert_int_equal(tbk_manifest_stored_bytes(NULL), 0);
    assert_int_equal(tbk_manifest_raw_bytes(NULL), 0);
}

static void manifest_made_by_hand_has_no_environment_and_little_else(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_manifest written = sample();
    tbk_manifest read;
    tbk_error err;
    written.environment = NULL;
    written.config_missing = NULL;
    written.sqlite.wal = false;
    written.sqlite.schema = (tbk_digest){0};
    written.file_count = 0;
    written.phase_count = 0;
    assert_succeeds(tbk_manifest_read(arena,
                                      as_written(arena, tbk_manifest_to_value(arena, &written)),
                                      &read, &err),
                    err);
    assert_null(read.environment);
    assert_false(read.sqlite.wal);
    assert_string_equal(read.sqlite.schema.hex, "");
    check_same(arena, &written, &read);
}

static void mysql_manifest_is_read_as_it_was_written(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_manifest written = mysql_sample();
    tbk_manifest read;
    tbk_error err;
    tbk_value *value = as_written(arena, tbk_manifest_to_value(arena, &written));
    assert_null(tbk_value_find(value, "database.pages"));
    assert_succeeds(tbk_manifest_read(arena, value, &read, &err), err);
    assert_int_equal(read.driver, TBK_DRIVER_MYSQL);
    assert_string_equal(read.location, "/srv/tracker/t.db");
    assert_string_equal(read.mysql.version, "9.4.0");
    assert_int_equal(read.mysql.size_bytes, 5000000000);
    assert_string_equal(read.mysql.schema.hex, SUM_B);
    assert_int_equal(read.mysql.table_count, 3);
    assert_null(read.mysql.tables[0].highest_key);
    assert_string_equal(read.mysql.tables[1].checksum, "0123456789abcdef");
    assert_string_equal(read.mysql.tables[1].highest_key, "18446744073709551615");
    assert_int_equal(read.mysql.tables[1].rows, 161454700);
    assert_int_equal(read.mysql.events, 4);
    assert_string_equal(read.mysql.missing, "the text of the function 'f'");
    check_same(arena, &written, &read);
}

static void mysql_manifest_may_know_little(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_manifest written = mysql_sample();
    tbk_manifest read;
    tbk_error err;
    written.location = NULL;
    written.mysql.schema = (tbk_digest){0};
    written.mysql.table_count = 0;
    written.mysql.missing = NULL;
    assert_succeeds(tbk_manifest_read(arena,
                                      as_written(arena, tbk_manifest_to_value(arena, &written)),
                                      &read, &err),
                    err);
    assert_null(read.location);
    assert_string_equal(read.mysql.schema.hex, "");
    assert_null(read.mysql.missing);
    check_same(arena, &written, &read);
}

static void what_is_used_is_known_where_free_pages_are(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_manifest manifest = sample(), mysql = mysql_sample(), read;
    uint64_t used = 0;
    tbk_error err;
    assert_true(tbk_manifest_used_bytes(&manifest, &used));
    assert_int_equal(used, UINT64_C(4150000) * 4096);
    assert_true(tbk_manifest_used_bytes(&mysql, &used));
    assert_int_equal(used, 5000000000);
    manifest.sqlite.free_pages = 4150392; /* more than there are */
    assert_false(tbk_manifest_used_bytes(&manifest, &used));
    manifest.sqlite.free_pages = -1; /* of an earlier version */
    assert_succeeds(tbk_manifest_read(arena,
                                      as_written(arena, tbk_manifest_to_value(arena, &manifest)),
                                      &read, &err),
                    err);
    assert_false(tbk_manifest_used_bytes(&read, &used));
}

static void the_database_is_in_the_file_of_its_driver(void **state)
{
    tbk_manifest sqlite = sample();
    tbk_manifest mysql = mysql_sample();
    (void)state;
    assert_string_equal(tbk_manifest_database_file(sqlite.driver), "database.db.zst");
    assert_string_equal(tbk_manifest_database_file(mysql.driver), "database.sql.zst");
    assert_int_equal(tbk_manifest_database_bytes(&sqlite), 17000000000);
    assert_int_equal(tbk_manifest_database_bytes(&mysql), 5000000000);
}

#define FILE_OF(name, size, sum)                                                                   \
    "{\"name\":\"" name "\",\"stored_bytes\":" size ",\"stored_sha256\":\"" sum                    \
    "\",\"raw_bytes\":1,\"raw_sha256\":\"" SUM_A "\"}"
#define PHASE "{\"name\":\"a\",\"duration_ms\":1}"
#define FOUR(item) item "," item "," item "," item

static void damaged_manifest_is_refused(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"schema", "null", "the manifest: file.json"},
        {"schema", "0", "'schema' is not a version"},
        {"id", "5", "'id' must be text"},
        {"id", "\"../../etc\"", "'id' is not the id of a backup set"},
        {"run_id", "null", "'run_id' is missing"},
        {"environment", "5", "'environment' must be text"},
        {"versions", "null", "'versions.engine' is missing"},
        {"versions.sqlite", "1", "'versions.sqlite' must be text"},
        {"versions.zstd", "null", "'versions.zstd' is missing"},
        {"capture.method", "null", "'capture.method' is missing"},
        {"capture.method_reason", "null", "'capture.method_reason' is missing"},
        {"capture.tracker_was_stopped", "1", "must be true or false"},
        {"capture.held_ms", "-1", "'capture.held_ms' is out of range"},
        {"capture.held_ms", "\"1\"", "'capture.held_ms' must be a whole number"},
        {"capture.phases", "{}", "'capture.phases' must be a list"},
        {"capture.phases", "[5]", "'capture.phases' holds something that is no map"},
        {"capture.phases", "[{\"duration_ms\":1}]", "'name' is missing"},
        {"capture.phases", "[{\"name\":\"config.tar.zst\",\"duration_ms\":-1}]",
         "'duration_ms' is out of range"},
        {"capture.phases", "[" FOUR(FOUR(PHASE)) "," PHASE "]", "too many phases"},
        {"profile", "\"most\"", "the profile 'most' is unknown"},
        {"profile", "5", "'profile' must be text"},
        {"selection", "null", "'selection' is missing"},
        {"selection", "[5]", "'selection' holds something that is no map"},
        {"selection", "[{\"rule\":\"all\"}]", "'table' is missing"},
        {"selection", "[{\"table\":\"a\"}]", "'rule' is missing"},
        {"selection", "[{\"table\":\"a\",\"rule\":\"all\",\"saved_rows\":-1}]",
         "'saved_rows' is out of range"},
        {"selection", "[{\"table\":\"a\",\"rule\":\"all\",\"saved_rows\":1}]",
         "'left_out_rows' is missing"},
        {"database", "5", "'database' must be a map"},
        {"database.driver", "\"oracle\"", "the driver 'oracle' is unknown"},
        {"database.location", "5", "'database.location' must be text"},
        {"database.size_bytes", "-5", "'database.size_bytes' is out of range"},
        {"database.size_bytes", "9007199254740993", "'database.size_bytes' is out of range"},
        {"database.page_size_bytes", "4294967296", "'database.page_size_bytes' is out of range"},
        {"database.pages", "1.5", "'database.pages' must be a whole number"},
        {"database.free_pages", "-1", "'database.free_pages' is out of range"},
        {"database.change_counter", "null", "'database.change_counter' is missing"},
        {"database.journal_mode", "null", "'database.journal_mode' is missing"},
        {"database.journal_mode", "\"off\"", "is neither 'wal' nor 'rollback'"},
        {"database.schema_sha256", "\"abc\"", "'database.schema_sha256' is not a SHA-256"},
        {"files", "null", "'files' is missing"},
        {"files", "[5]", "'files' holds something that is no map"},
        {"files", "[{}]", "'name' is missing"},
        {"files", "[" FILE_OF(TBK_SET_CONFIG_FILE, "-1", SUM_A) "]",
         "'stored_bytes' is out of range"},
        {"files", "[" FILE_OF(TBK_SET_CONFIG_FILE, "1", "zz") "]",
         "'stored_sha256' is not a SHA-256"},
        {"files",
         "[" FILE_OF(TBK_SET_CONFIG_FILE, "1",
                     "ABCDEF6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef") "]",
         "'stored_sha256' is not a SHA-256"},
        {"files",
         "[{\"name\":\"config.tar.zst\",\"stored_bytes\":1,\"stored_sha256\":\"" SUM_A "\"}]",
         "'raw_bytes' is missing"},
        {"files",
         "[{\"name\":\"config.tar.zst\",\"stored_bytes\":1,\"stored_sha256\":\"" SUM_A
         "\",\"raw_bytes\":1}]",
         "'raw_sha256' is missing"},
        {"files", "[" FILE_OF("../../etc/cron.d/x", "1", SUM_A) "]", "no set of this database has"},
        {"files", "[" FILE_OF("proof.db-journal", "1", SUM_A) "]", "no set of this database has"},
        {"files", "[" FILE_OF(TBK_SET_DUMP_FILE, "1", SUM_A) "]", "no set of this database has"},
        {"files",
         "[" FILE_OF(TBK_SET_CONFIG_FILE, "1", SUM_A) "," FILE_OF(TBK_SET_CONFIG_FILE, "1",
                                                                  SUM_A) "]",
         "a file twice"},
        {"files", "[" FOUR("{}") "," FOUR("{}") ",{}]", "too many files"},
        {"config_missing", "5", "'config_missing' must be a list"},
        {"config_missing", "[5]", "'config_missing' holds something that is no text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_manifest written = sample();
        tbk_value *value = as_written(arena, tbk_manifest_to_value(arena, &written));
        tbk_manifest read = {.held_ms = 99};
        tbk_error err;
        put(arena, value, cases[i].path, cases[i].json);
        assert_fails(tbk_manifest_read(arena, value, &read, &err), err, TBK_E_CORRUPT,
                     cases[i].message);
        assert_int_equal(read.held_ms, 99);
    }
}

#define TABLE_OF(rows, checksum, key)                                                              \
    "[{\"table\":\"t\",\"rows\":" rows ",\"checksum\":\"" checksum "\",\"highest_key\":" key "}]"
#define HASH "0123456789abcdef"

static void damaged_facts_of_mysql_are_refused(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"database.server", "null", "'database.server' is missing"},
        {"database.version", "8", "'database.version' must be text"},
        {"database.collation", "null", "'database.collation' is missing"},
        {"database.size_bytes", "-1", "'database.size_bytes' is out of range"},
        {"database.sessions", "null", "'database.sessions' is missing"},
        {"database.schema_sha256", "\"abc\"", "'database.schema_sha256' is not a SHA-256"},
        {"database.tables", "{}", "'database.tables' must be a list"},
        {"database.tables", "[5]", "'database.tables' holds something that is no map"},
        {"database.tables", "[{\"rows\":1}]", "'table' is missing"},
        {"database.tables", TABLE_OF("-1", HASH, "null"), "'rows' is out of range"},
        {"database.tables", "[{\"table\":\"t\",\"rows\":1}]", "'checksum' is missing"},
        {"database.tables", TABLE_OF("1", "0123", "null"), "'checksum' is not 16"},
        {"database.tables", TABLE_OF("1", HASH "0", "null"), "'checksum' is not 16"},
        {"database.tables", TABLE_OF("1", HASH "x", "null"), "'checksum' is not 16"},
        {"database.tables", TABLE_OF("1", HASH, "5"), "'highest_key' must be text"},
        {"database.tables", TABLE_OF("1", HASH, "\"\""), "'highest_key' is no whole number"},
        {"database.tables", TABLE_OF("1", HASH, "\"-\""), "'highest_key' is no whole number"},
        {"database.tables", TABLE_OF("1", HASH, "\"1 OR 1\""), "'highest_key' is no whole number"},
        {"database.tables", TABLE_OF("1", HASH, "\"123456789012345678901\""),
         "'highest_key' is no whole number"},
        {"database.views", "-1", "'database.views' is out of range"},
        {"database.triggers", "null", "'database.triggers' is missing"},
        {"database.routines", "\"1\"", "'database.routines' must be a whole number"},
        {"database.events", "null", "'database.events' is missing"},
        {"database.missing", "5", "'database.missing' must be text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_manifest written = mysql_sample();
        tbk_value *value = as_written(arena, tbk_manifest_to_value(arena, &written));
        tbk_manifest read;
        tbk_error err;
        put(arena, value, cases[i].path, cases[i].json);
        assert_fails(tbk_manifest_read(arena, value, &read, &err), err, TBK_E_CORRUPT,
                     cases[i].message);
    }
}

static void newer_versions_are_not_read(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_manifest manifest;
    tbk_error err;
    const tbk_value *newer = json_of(arena, "{\"schema\":2}");
    assert_fails(tbk_manifest_read(arena, newer, &manifest, &err), err, TBK_E_UNSUPPORTED,
                 "the manifest: it has schema version 2; this version reads 1");
}

static void unknown_keys_are_left_alone(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_manifest written = sample();
    tbk_value *value = tbk_manifest_to_value(arena, &written);
    tbk_manifest read;
    tbk_error err;
    put(arena, value, "encryption", "{\"to\":[]}");
    assert_succeeds(tbk_manifest_read(arena, value, &read, &err), err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_is_read_as_it_was_written),
        cmocka_unit_test(an_essential_set_says_what_was_left_out),
        cmocka_unit_test(sets_that_do_not_say_their_profile_are_full),
        cmocka_unit_test(sizes_of_a_set_are_those_of_its_files),
        cmocka_unit_test(manifest_made_by_hand_has_no_environment_and_little_else),
        cmocka_unit_test(mysql_manifest_is_read_as_it_was_written),
        cmocka_unit_test(mysql_manifest_may_know_little),
        cmocka_unit_test(what_is_used_is_known_where_free_pages_are),
        cmocka_unit_test(the_database_is_in_the_file_of_its_driver),
        cmocka_unit_test(damaged_manifest_is_refused),
        cmocka_unit_test(damaged_facts_of_mysql_are_refused),
        cmocka_unit_test(newer_versions_are_not_read),
        cmocka_unit_test(unknown_keys_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
