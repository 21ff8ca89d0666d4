/* SPDX-License-Identifier: MIT */
/* engine.yml: what the engine accepts, and what it refuses with file and line. */
#include "unit/domain/documents.h"

#include "domain/engine_config.h"

static const char *const config_json =
    "{\"schema\":1,\"environment\":\"demo\","
    "\"database\":{\"driver\":\"sqlite3\",\"path\":\"/opt/torrust/storage/t.db\"},"
    "\"store\":\"/opt/torrust/storage/backup/sets\",\"method\":\"pause\",\"keep_days\":7,"
    "\"profile\":\"full\",\"compression_level\":1,\"rate_limit_mib\":0,\"prove_restored_every_"
    "days\":7,"
    "\"config\":{\"root\":\"/opt/torrust\","
    "\"paths\":[\".env\",\"storage/grafana\"],\"sqlite_paths\":[\"storage/grafana/grafana.db\"]}}";

static void whole_configuration_is_read(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_engine_config config;
    tbk_error err;
    assert_succeeds(tbk_engine_config_read(arena, json_of(arena, config_json), &config, &err), err);
    assert_string_equal(config.environment, "demo");
    assert_int_equal(config.driver, TBK_DRIVER_SQLITE);
    assert_string_equal(config.database_path, "/opt/torrust/storage/t.db");
    assert_string_equal(config.store, "/opt/torrust/storage/backup/sets");
    assert_null(config.env_file);
    assert_string_equal(tbk_engine_config_owned_file(&config), config.database_path);
    assert_int_equal(config.method, TBK_METHOD_PAUSE);
    assert_int_equal(config.hold, TBK_HOLD_WHEN_NEEDED);
    assert_int_equal(config.profile, TBK_PROFILE_FULL);
    assert_string_equal(config.essential.list[0].condition, "completed > 0");
    assert_int_equal(config.keep_days, 7);
    assert_int_equal(config.keep_last, 3); /* it is not said: a file of an earlier version */
    assert_int_equal(config.compression_level, 1);
    assert_int_equal(config.prove_restored_every_days, 7);
    assert_string_equal(config.config_root, "/opt/torrust");
    assert_string_equal(config.config_paths[0], ".env");
    assert_string_equal(config.config_paths[1], "storage/grafana");
    assert_null(config.config_paths[2]);
    assert_string_equal(config.sqlite_paths[0], "storage/grafana/grafana.db");
    assert_null(config.sqlite_paths[1]);
}

static void databases_among_the_files_may_be_left_out(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, config_json);
    tbk_engine_config config;
    tbk_error err;
    put(arena, document, "config", "{\"root\":\"/opt/torrust\",\"paths\":[]}");
    assert_succeeds(tbk_engine_config_read(arena, document, &config, &err), err);
    assert_null(config.config_paths[0]);
    assert_null(config.sqlite_paths[0]);
}

#define MYSQL "{\"driver\":\"mysql\",\"env_file\":\"/opt/torrust/.env\"}"
#define MYSQL_TLS "{\"driver\":\"mysql\",\"env_file\":\"/opt/torrust/.env\",\"tls\":\"required\"}"

static void mysql_has_its_credentials_in_the_trackers_file(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        tbk_database_tls tls;
    } cases[] = {{MYSQL, TBK_TLS_WHEN_OFFERED}, {MYSQL_TLS, TBK_TLS_REQUIRED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_value *document = json_of(arena, config_json);
        tbk_engine_config config;
        tbk_error err;
        put(arena, document, "database", cases[i].json);
        put(arena, document, "method", "\"snapshot\"");
        put(arena, document, "hold", "\"never\"");
        assert_succeeds(tbk_engine_config_read(arena, document, &config, &err), err);
        assert_int_equal(config.driver, TBK_DRIVER_MYSQL);
        assert_null(config.database_path);
        assert_string_equal(config.env_file, "/opt/torrust/.env");
        assert_int_equal(config.tls, cases[i].tls);
        assert_int_equal(config.method, TBK_METHOD_SNAPSHOT);
        assert_int_equal(config.hold, TBK_HOLD_NEVER);
        assert_string_equal(tbk_engine_config_owned_file(&config), "/opt/torrust/.env");
    }
}

static tbk_value *sidecar_json(tbk_arena *arena)
{
    tbk_value *document = json_of(arena, config_json);
    put(arena, document, "mode", "\"sidecar\"");
    put(arena, document, "method", "\"auto\"");
    put(arena, document, "schedule", "\"0 3 * * *\"");
    return document;
}

static void a_sidecar_has_its_own_schedules(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = sidecar_json(arena);
    tbk_engine_config config;
    tbk_error err;
    assert_succeeds(tbk_engine_config_read(arena, document, &config, &err), err);
    assert_int_equal(config.mode, TBK_MODE_SIDECAR);
    assert_string_equal(config.schedule, "0 3 * * *");
    assert_null(config.full_schedule);
    put(arena, document, "full_schedule", "\"@weekly\"");
    assert_succeeds(tbk_engine_config_read(arena, document, &config, &err), err);
    assert_string_equal(config.full_schedule, "@weekly");
}

static void a_sidecar_that_could_not_work_is_refused(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"schedule", "\"0 25 * * *\"", "'schedule': the schedule '0 25 * * *'"},
        {"full_schedule", "\"never\"", "'full_schedule': the schedule 'never'"},
        {"method", "\"stop\"",
         "'method': the method stop holds the tracker, which mode sidecar cannot do"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_value *document = sidecar_json(arena);
        tbk_engine_config config;
        tbk_error err;
        put(arena, document, cases[i].path, cases[i].json);
        assert_fails(tbk_engine_config_read(arena, document, &config, &err), err, TBK_E_CONFIG,
                     cases[i].message);
    }
}

static void bad_configuration_is_refused(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"schema", "null", "'schema' is missing"},
        {"schema", "2", "file.json: 'schema' is 2; this engine reads 1"},
        {"schema", "\"1\"", "'schema' must be a whole number"},
        {"colour", "1", "unknown key 'colour'; known are: schema"},
        {"environment", "null", "'environment' is missing"},
        {"environment", "\"../x\"", "'environment': '../x' is not an environment's name"},
        {"database", "5", "'database' must be a map"},
        {"database.driver", "null", "'database.driver' is missing"},
        {"database.driver", "\"oracle\"",
         "file.json: 'database.driver': the driver 'oracle' is unknown"},
        {"database.path", "null", "'database.path' is missing"},
        {"database.path", "\"t.db\"", "'database.path': 't.db' is not an absolute path"},
        {"database.path", "\"/a/../b\"", "the part '..'"},
        {"database.name", "\"t\"", "unknown key 'name'"},
        {"database.env_file", "\"/a\"", "unknown key 'env_file'"},
        {"database", MYSQL, "'method': the method pause is for SQLite"},
        {"database", "{\"driver\":\"mysql\",\"path\":\"/a\"}", "unknown key 'path'"},
        {"database", "{\"driver\":\"mysql\"}", "'database.env_file' is missing"},
        {"database", "{\"driver\":\"mysql\",\"env_file\":\".env\"}",
         "'database.env_file': '.env' is not an absolute path"},
        {"database", "{\"driver\":\"mysql\",\"env_file\":\"/a\",\"tls\":true}",
         "'database.tls' must be text"},
        {"database", "{\"driver\":\"mysql\",\"env_file\":\"/a\",\"tls\":\"off\"}",
         "'database.tls': 'off' is unknown here"},
        {"store", "\"sets\"", "'store': 'sets' is not an absolute path"},
        {"method", "5", "'method' must be text"},
        {"method", "\"warm\"", "'method': the method 'warm' is unknown"},
        {"hold", "\"never\"", "'method': the method pause holds the tracker, which 'hold: never'"},
        {"hold", "\"always\"", "'hold': 'always' is unknown here"},
        {"hold", "5", "'hold' must be text"},
        {"mode", "5", "'mode' must be text"},
        {"mode", "\"cron\"", "'mode': the mode 'cron' is unknown"},
        {"mode", "\"sidecar\"", "'schedule' is missing"},
        {"schedule", "\"@daily\"", "a schedule goes with the mode sidecar only"},
        {"full_schedule", "\"@daily\"", "a schedule goes with the mode sidecar only"},
        {"profile", "null", "'profile' is missing"},
        {"profile", "\"most\"", "'profile': the profile 'most' is unknown"},
        {"essential", "[]", "'essential' must be a map"},
        {"keep_days", "0", "'keep_days' is 0; 1 to 36500 are possible"},
        {"keep_days", "36501", "'keep_days' is 36501"},
        {"keep_days", "\"7\"", "'keep_days' must be a whole number"},
        {"keep_last", "0", "'keep_last' is 0; 1 to 10000 are possible"},
        {"keep_last", "10001", "'keep_last' is 10001"},
        {"keep_last", "\"3\"", "'keep_last' must be a whole number"},
        {"compression_level", "10", "'compression_level' is 10; -10 to 9"},
        {"rate_limit_mib", "-1", "'rate_limit_mib' is -1; 0 to 100000"},
        {"prove_restored_every_days", "-1", "'prove_restored_every_days' is -1"},
        {"config", "null", "'config' is missing"},
        {"config.more", "1", "unknown key 'more'"},
        {"config.root", "\"opt\"", "'config.root': 'opt' is not an absolute path"},
        {"config.paths", "\"a\"", "'config.paths' must be a list"},
        {"config.paths", "[5]", "'config.paths' must hold texts, but this is a whole number"},
        {"config.paths", "[\"/etc/shadow\"]", "'config.paths': '/etc/shadow' is an absolute path"},
        {"config.paths", "[\"../../etc/shadow\"]", "the part '..'"},
        {"config.sqlite_paths", "[\"../x\"]", "'config.sqlite_paths': '../x' has the part"},
        {"config.sqlite_paths", "[\"storage/other.db\"]", "is in 'config.sqlite_paths' only"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_value *document = json_of(arena, config_json);
        tbk_engine_config config = {.keep_days = 99};
        tbk_error err;
        put(arena, document, cases[i].path, cases[i].json);
        assert_fails(tbk_engine_config_read(arena, document, &config, &err), err, TBK_E_CONFIG,
                     cases[i].message);
        assert_int_equal(config.keep_days, 99);
    }
}

static void values_of_no_file_are_named_by_their_key(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, config_json);
    tbk_engine_config config;
    tbk_error err;
    tbk_value_set_string(arena, document, "store", "sets");
    assert_fails(tbk_engine_config_read(arena, document, &config, &err), err, TBK_E_CONFIG,
                 "'store': 'sets' is not");
}

static void so_many_sets_are_kept_as_it_says(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, config_json);
    tbk_engine_config config;
    tbk_error err;
    tbk_value_set_integer(arena, document, "keep_last", 12);
    assert_succeeds(tbk_engine_config_read(arena, document, &config, &err), err);
    assert_int_equal(config.keep_last, 12);
}

#define OFFSITE                                                                                    \
    "{\"repository\":\"rest:https://host/\",\"name\":\"main\",\"take\":\"full\","                  \
    "\"access\":\"append_only\",\"full_every_days\":2,\"limit_upload_kib\":3,\"keep_last\":4,"     \
    "\"keep_daily\":5,\"keep_weekly\":6,\"keep_monthly\":7,\"check_every_days\":8,"                \
    "\"check_parts\":9,\"drill_every_days\":10,\"drill_level\":\"restored\"}"

static void what_goes_off_site_is_read(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, config_json);
    tbk_engine_config config;
    tbk_error err;
    const tbk_offsite_settings *offsite = &config.offsite;
    assert_succeeds(tbk_engine_config_read(arena, document, &config, &err), err);
    assert_null(offsite->repository); /* nothing is said of it */
    put(arena, document, "offsite", "{\"repository\":\"/mnt/disk\"}");
    assert_succeeds(tbk_engine_config_read(arena, document, &config, &err), err);
    assert_string_equal(offsite->repository, "/mnt/disk");
    assert_string_equal(offsite->name, "demo"); /* the environment's */
    assert_int_equal(offsite->take, TBK_TAKE_ALL);
    assert_int_equal(offsite->access, TBK_ACCESS_READ_WRITE);
    assert_int_equal(offsite->keep_daily, 7);
    assert_int_equal(offsite->check_parts, 26);
    assert_int_equal(offsite->drill_level, TBK_PROOF_NONE); /* as the kind of database allows */
    put(arena, document, "offsite", OFFSITE);
    assert_succeeds(tbk_engine_config_read(arena, document, &config, &err), err);
    assert_string_equal(offsite->repository, "rest:https://host/");
    assert_string_equal(offsite->name, "main");
    assert_int_equal(offsite->take, TBK_TAKE_FULL);
    assert_int_equal(offsite->access, TBK_ACCESS_APPEND_ONLY);
    assert_int_equal(offsite->drill_level, TBK_PROOF_RESTORED);
    const int64_t found[] = {
        offsite->full_every_days,  offsite->limit_upload_kib, offsite->keep_last,
        offsite->keep_daily,       offsite->keep_weekly,      offsite->keep_monthly,
        offsite->check_every_days, offsite->check_parts,      offsite->drill_every_days};
    for (int64_t i = 0; i < 9; i++)
        assert_int_equal(found[i], i + 2);
}

static void bad_offsite_configuration_is_refused(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"offsite", "5", "'offsite' must be a map"},
        {"offsite", "{}", "'offsite.repository' is missing"},
        {"offsite", "{\"name\":\"a\"}", "'offsite.repository' is missing"},
        {"offsite.colour", "1", "unknown key 'colour'"},
        {"offsite.secrets", "\"/a\"", "unknown key 'secrets'"},
        {"offsite.repository", "5", "'offsite.repository' must be text"},
        {"offsite.repository", "\"a\"", "'offsite.repository': 'a' is no repository"},
        {"offsite.repository", "\"rest:https://a:b@h/\"", "has a password in it"},
        {"offsite.name", "5", "'offsite.name' must be text"},
        {"offsite.name", "\"a/b\"", "'offsite.name': 'a/b' cannot be a name off-site"},
        {"offsite.take", "\"most\"", "'offsite.take'"},
        {"offsite.access", "\"none\"", "'offsite.access'"},
        {"offsite.full_every_days", "-1", "'offsite.full_every_days' is -1"},
        {"offsite.limit_upload_kib", "\"1\"", "'offsite.limit_upload_kib' must be"},
        {"offsite.keep_last", "0", "'offsite.keep_last' is 0; 1 to 10000 are possible"},
        {"offsite.keep_daily", "-1", "'offsite.keep_daily' is -1"},
        {"offsite.keep_weekly", "-1", "'offsite.keep_weekly' is -1"},
        {"offsite.keep_monthly", "-1", "'offsite.keep_monthly' is -1"},
        {"offsite.check_every_days", "-1", "'offsite.check_every_days' is -1"},
        {"offsite.check_parts", "0", "'offsite.check_parts' is 0; 1 to 1000 are possible"},
        {"offsite.drill_every_days", "3651", "'offsite.drill_every_days' is 3651"},
        {"offsite.drill_level", "\"none\"", "'offsite.drill_level'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_value *document = json_of(arena, config_json);
        tbk_engine_config config = {.keep_days = 99};
        tbk_error err;
        put(arena, document, "offsite", OFFSITE);
        put(arena, document, cases[i].path, cases[i].json);
        assert_fails(tbk_engine_config_read(arena, document, &config, &err), err, TBK_E_CONFIG,
                     cases[i].message);
        assert_int_equal(config.keep_days, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_configuration_is_read),
        cmocka_unit_test(databases_among_the_files_may_be_left_out),
        cmocka_unit_test(mysql_has_its_credentials_in_the_trackers_file),
        cmocka_unit_test(a_sidecar_has_its_own_schedules),
        cmocka_unit_test(a_sidecar_that_could_not_work_is_refused),
        cmocka_unit_test(bad_configuration_is_refused),
        cmocka_unit_test(so_many_sets_are_kept_as_it_says),
        cmocka_unit_test(what_goes_off_site_is_read),
        cmocka_unit_test(bad_offsite_configuration_is_refused),
        cmocka_unit_test(values_of_no_file_are_named_by_their_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
