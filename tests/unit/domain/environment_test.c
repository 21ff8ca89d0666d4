/* SPDX-License-Identifier: MIT */
/* The deployer's state and inventory: every state it can be in, and what is refused, and how. */
#include "unit/domain/documents.h"

#include "base/file.h"
#include "domain/environment.h"

#include <glob.h>

/* As the deployer writes it, without what no test looks at. */
static const char *const state_json =
    "{\"Running\":{\"context\":{"
    "\"created_at\":\"2026-11-23T14:18:59Z\","
    "\"user_inputs\":{\"name\":\"demo\",\"instance_name\":\"torrust-tracker-vm-demo\","
    "\"ssh_credentials\":{\"ssh_priv_key_path\":\"/home/u/.ssh/k\","
    "\"ssh_pub_key_path\":\"/home/u/.ssh/k.pub\",\"ssh_username\":\"torrust\"},\"ssh_port\":22,"
    "\"tracker\":{\"core\":{\"database\":{\"driver\":\"sqlite3\","
    "\"config\":{\"database_name\":\"tracker.db\"}},\"private\":false}},"
    "\"prometheus\":{\"scrape_interval_in_secs\":15},\"grafana\":null,\"https\":null,"
    "\"backup\":{\"schedule\":\" 0 3 * * * \",\"retention_days\":7}},"
    "\"runtime_outputs\":{\"instance_ip\":\"10.77.3.2\"}},\"state\":null}}";

static const char *const inventory_yaml = "all:\n"
                                          "  hosts:\n"
                                          "    torrust-tracker-vm:\n"
                                          "      ansible_host: 203.0.113.7\n"
                                          "      ansible_port: 2222\n"
                                          "      ansible_user: ops\n"
                                          "      ansible_ssh_private_key_file: /keys/ops\n";

static void check_state(const char *name, tbk_deployment_stage stage)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, state_json);
    tbk_environment environment;
    tbk_error err;
    document->first->key = name;
    assert_succeeds(tbk_environment_read(arena, document, NULL, "demo", &environment, &err), err);
    assert_string_equal(environment.state, name);
    assert_int_equal(environment.stage, stage);
}

static void each_state_with_a_vm_has_the_stage_surely_reached(void **state)
{
    (void)state;
    check_state("Provisioned", TBK_STAGE_PROVISIONED);
    check_state("Configuring", TBK_STAGE_PROVISIONED);
    check_state("ConfigureFailed", TBK_STAGE_PROVISIONED);
    check_state("Configured", TBK_STAGE_CONFIGURED);
    check_state("Releasing", TBK_STAGE_CONFIGURED);
    check_state("ReleaseFailed", TBK_STAGE_CONFIGURED);
    check_state("Released", TBK_STAGE_RELEASED);
    check_state("RunFailed", TBK_STAGE_RELEASED);
    check_state("Running", TBK_STAGE_RUNNING);
}

static void check_no_vm(const char *name, const char *why, const char *fix)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, state_json);
    tbk_environment environment;
    tbk_error err;
    document->first->key = name;
    assert_fails(tbk_environment_read(arena, document, NULL, "demo", &environment, &err), err,
                 TBK_E_CONFIG, why);
    assert_non_null(strstr(err.message, name));
    assert_non_null(strstr(err.fix, fix));
}

static void each_state_without_a_vm_says_why_and_what_to_do(void **state)
{
    (void)state;
    check_no_vm("Created", "no VM yet", "'provision' or 'register'");
    check_no_vm("Provisioning", "still being made", "wait");
    check_no_vm("ProvisionFailed", "failed", "destroy");
    check_no_vm("Destroying", "being destroyed", "anew");
    check_no_vm("DestroyFailed", "may be gone in part", "destroy");
    check_no_vm("Destroyed", "is gone", "anew");
}

static void unknown_state_lists_the_known_ones(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, state_json);
    tbk_environment environment;
    tbk_error err;
    document->first->key = "Flying";
    assert_fails(tbk_environment_read(arena, document, NULL, "demo", &environment, &err), err,
                 TBK_E_CONFIG, "'Flying' is unknown; known are: Created, Provisioning");
    assert_non_null(strstr(err.message, "Running, Destroying, DestroyFailed, Destroyed"));
    assert_non_null(strstr(err.fix, "version of the deployer"));
}

static void state_without_inventory_gives_all(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_environment read;
    tbk_error err;
    assert_succeeds(
        tbk_environment_read(arena, json_of(arena, state_json), NULL, "demo", &read, &err), err);
    assert_string_equal(read.name, "demo");
    assert_int_equal(read.driver, TBK_DRIVER_SQLITE);
    assert_string_equal(read.database_name, "tracker.db");
    assert_string_equal(read.ssh_host, "10.77.3.2");
    assert_int_equal(read.ssh_port, 22);
    assert_string_equal(read.ssh_user, "torrust");
    assert_string_equal(read.ssh_private_key_path, "/home/u/.ssh/k");
    assert_string_equal(read.ssh_public_key_path, "/home/u/.ssh/k.pub");
    assert_true(read.has_prometheus);
    assert_false(read.has_grafana);
    assert_false(read.has_https);
    assert_true(read.has_native_backup);
    assert_string_equal(read.native_schedule, "0 3 * * *"); /* without the blanks */
    assert_int_equal(read.native_keep_days, 7);
}

static void absent_sections_are_as_null_ones(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, state_json);
    tbk_environment read;
    tbk_error err;
    put(arena, document, "Running.context.user_inputs.backup", "null");
    put(arena, document, "Running.context.user_inputs.grafana", "{}");
    put(arena, document, "Running.context.user_inputs.https", "{}");
    put(arena, document, "Running.context.user_inputs.tracker.core.database.driver", "\"mysql\"");
    assert_succeeds(tbk_environment_read(arena, document, NULL, "demo", &read, &err), err);
    assert_false(read.has_native_backup);
    assert_null(read.native_schedule);
    assert_int_equal(read.native_keep_days, 0);
    assert_true(read.has_grafana);
    assert_true(read.has_https);
    assert_int_equal(read.driver, TBK_DRIVER_MYSQL);
}

static void schedule_of_blanks_stays_for_the_options_to_refuse(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, state_json);
    tbk_environment read;
    tbk_error err;
    put(arena, document, "Running.context.user_inputs.backup.schedule", "\"  \"");
    assert_succeeds(tbk_environment_read(arena, document, NULL, "demo", &read, &err), err);
    assert_string_equal(read.native_schedule, "");
}

static void inventory_wins_over_the_state(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_environment read;
    tbk_error err;
    assert_succeeds(tbk_environment_read(arena, json_of(arena, state_json),
                                         yaml_of(arena, inventory_yaml), "demo", &read, &err),
                    err);
    assert_string_equal(read.ssh_host, "203.0.113.7");
    assert_int_equal(read.ssh_port, 2222);
    assert_string_equal(read.ssh_user, "ops");
    assert_string_equal(read.ssh_private_key_path, "/keys/ops");
}

static void inventory_may_leave_things_to_the_state(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_environment read;
    tbk_error err;
    assert_succeeds(
        tbk_environment_read(arena, json_of(arena, state_json),
                             yaml_of(arena, "all: {hosts: {vm: {ansible_host: 203.0.113.7}}}"),
                             "demo", &read, &err),
        err);
    assert_string_equal(read.ssh_host, "203.0.113.7");
    assert_int_equal(read.ssh_port, 22);
    assert_string_equal(read.ssh_user, "torrust");
}

static void of_several_hosts_the_one_with_the_vms_name_is_taken(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_environment read;
    tbk_error err;
    const tbk_value *inventory =
        yaml_of(arena, "all: {hosts: {other: {ansible_host: 192.0.2.1},\n"
                       "torrust-tracker-vm-demo: {ansible_host: 192.0.2.2},\n"
                       "third.example: {ansible_host: 192.0.2.3}}}");
    assert_succeeds(
        tbk_environment_read(arena, json_of(arena, state_json), inventory, "demo", &read, &err),
        err);
    assert_string_equal(read.ssh_host, "192.0.2.2");
}

static void bad_inventory_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "'all.hosts' is missing"},
        {"[]", "must be a map"},
        {"all: {hosts: [a]}", "'all.hosts' must be a map"},
        {"all: {hosts: {}}", "has 0 hosts"},
        {"all: {hosts: {a: {}, b: {}}}", "has 2 hosts, and none is 'torrust-tracker-vm-demo'"},
        {"all:\n  hosts:\n    vm: 5", "file.yml:3: the host 'vm' must be a map"},
        {"all: {hosts: {vm: {ansible_host: '-oProxyCommand=id'}}}",
         "file.yml:1: 'ansible_host': '-oProxyCommand=id' is not a host"},
        {"all: {hosts: {vm: {ansible_host: 5}}}", "'ansible_host' must be text"},
        {"all: {hosts: {vm: {ansible_port: '22'}}}", "'ansible_port' must be a whole number"},
        {"all: {hosts: {vm: {ansible_port: 70000}}}", "'ansible_port': 70000 is not a port"},
        {"all: {hosts: {vm: {ansible_user: -l}}}", "'ansible_user': '-l' is not a user name"},
        {"all: {hosts: {vm: {ansible_ssh_private_key_file: .ssh/k}}}", "not an absolute path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_environment read;
        tbk_error err;
        assert_fails(tbk_environment_read(arena, json_of(arena, state_json),
                                          yaml_of(arena, cases[i][0]), "demo", &read, &err),
                     err, TBK_E_CONFIG, cases[i][1]);
    }
}

#define INPUTS "Running.context.user_inputs."

static void a_state_of_other_types_is_refused_even_where_the_inventory_stands_for_it(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {INPUTS "ssh_port", "\"22\"", "'user_inputs.ssh_port' must be a whole number"},
        {INPUTS "ssh_port", "22.5", "'user_inputs.ssh_port' must be a whole number"},
        {INPUTS "ssh_credentials.ssh_username", "[]", "ssh_username' must be text"},
        {INPUTS "ssh_credentials.ssh_priv_key_path", "{}", "ssh_priv_key_path' must be text"},
        {"Running.context.runtime_outputs.instance_ip", "7", "instance_ip' must be text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_value *document = json_of(arena, state_json);
        tbk_environment read;
        tbk_error err;
        put(arena, document, cases[i].path, cases[i].json);
        assert_fails(tbk_environment_read(arena, document, yaml_of(arena, inventory_yaml), "demo",
                                          &read, &err),
                     err, TBK_E_CONFIG, cases[i].message);
    }
}
#define DATABASE INPUTS "tracker.core.database."

static void bad_state_is_refused_with_its_place(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"Running", "5", "'Running' must be a map"},
        {"Running.context", "null", "'context' is missing"},
        {"Running.context", "[]", "'context' must be a map"},
        {INPUTS "name", "null", "'user_inputs.name' is missing"},
        {INPUTS "name", "5", "'user_inputs.name' must be text"},
        {INPUTS "name", "\"other\"", "is of the environment 'other', not of 'demo'"},
        {INPUTS "instance_name", "[]", "'user_inputs.instance_name' must be text"},
        {DATABASE "driver", "null", "database.driver' is missing"},
        {DATABASE "driver", "\"postgres\"",
         "file.json: 'user_inputs.tracker.core.database.driver': the driver 'postgres' is "
         "unknown; known are: sqlite3, mysql"},
        {DATABASE "config", "[]", "config' must be a map"},
        {DATABASE "config.database_name", "5", "database_name' must be text"},
        {DATABASE "config.database_name", "\"\"", "it is empty"},
        {DATABASE "config.database_name", "\"../../etc/shadow\"", "leads out of its folder"},
        {DATABASE "config.database_name", "\"..\"", "leads out of its folder"},
        {DATABASE "config.database_name", "\"a\\nb\"", "control characters"},
        {INPUTS "prometheus", "true", "'user_inputs.prometheus' must be a map"},
        {INPUTS "grafana", "[]", "'user_inputs.grafana' must be a map"},
        {INPUTS "https", "\"yes\"", "'user_inputs.https' must be a map"},
        {INPUTS "backup", "1", "'user_inputs.backup' must be a map"},
        {INPUTS "backup.schedule", "null", "schedule' is missing"},
        {INPUTS "backup.schedule", "5", "schedule' must be text"},
        {INPUTS "backup.retention_days", "\"7\"", "retention_days' must be a whole number"},
        {INPUTS "ssh_port", "null", "'user_inputs.ssh_port' is missing"},
        {INPUTS "ssh_port", "0", "0 is not a port"},
        {INPUTS "ssh_credentials.ssh_username", "\"a b\"", "is not a user name"},
        {INPUTS "ssh_credentials.ssh_priv_key_path", "\"k\"", "is not an absolute path"},
        {INPUTS "ssh_credentials.ssh_pub_key_path", "7", "ssh_pub_key_path' must be text"},
        {"Running.context.runtime_outputs.instance_ip", "null",
         "finding the VM's address: file.json: 'runtime_outputs.instance_ip' is missing"},
        {"Running.context.runtime_outputs.instance_ip", "\"10.0.0.1 -v\"", "is not a host"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_value *document = json_of(arena, state_json);
        tbk_environment read = {.name = "untouched"};
        tbk_error err;
        put(arena, document, cases[i].path, cases[i].json);
        assert_fails(tbk_environment_read(arena, document, NULL, "demo", &read, &err), err,
                     TBK_E_CONFIG, cases[i].message);
        assert_int_equal(strncmp(err.message, "the environment 'demo': ", 24), 0);
        assert_string_equal(read.name, "untouched");
    }
}

static void what_is_no_state_file_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"null", "[]", "{}", "5", "{\"Running\":{},\"Created\":{}}"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_environment read;
        tbk_error err;
        assert_fails(
            tbk_environment_read(arena, json_of(arena, cases[i]), NULL, "demo", &read, &err), err,
            TBK_E_CONFIG, "the name of one state");
    }
}

static void values_without_a_place_are_named_by_their_key(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = json_of(arena, state_json);
    tbk_environment read;
    tbk_error err;
    tbk_value *core = (tbk_value *)tbk_value_find(document, DATABASE "config");
    tbk_value_set_string(arena, core, "database_name", "a/b"); /* made here: of no file */
    assert_fails(tbk_environment_read(arena, document, NULL, "demo", &read, &err), err,
                 TBK_E_CONFIG,
                 "'demo': 'user_inputs.tracker.core.database.config.database_name': ");
}

static void names_of_environments(void **state)
{
    (void)state;
    tbk_error err;
    static const char *const good[] = {
        "demo", "a", "full-stack-2",
        "a23456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {
        "",      "..",          "../demo",
        "/etc",  "Demo",        "1demo",
        "-demo", "{demo",       "a_b",
        "a b",   "d\xC3\xA9mo", "a.b",
        "a\n",   "a/b",         "a234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_succeeds(tbk_environment_check_name(good[i], &err), err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(tbk_environment_check_name(bad[i], &err), err, TBK_E_USAGE,
                     "is not an environment's name");
}

/* --- What the real deployer wrote; not part of the project, so only where it is there --- */

#define WORKSPACES TBK_SOURCE_DIR "/../shared/workspaces"

static const tbk_value *read_file(tbk_arena *arena, const char *path, bool is_json)
{
    char *bytes = NULL;
    size_t length = 0;
    const tbk_value *value = NULL;
    tbk_error err;
    assert_succeeds(tbk_file_read(arena, path, 1 << 20, &bytes, &length, &err), err);
    if (is_json)
        assert_succeeds(tbk_json_parse(arena, bytes, length, path, &value, &err), err);
    else
        assert_succeeds(tbk_yaml_parse(arena, bytes, length, path, &value, &err), err);
    return value;
}

/* path: <workspaces>/<name>/<n>-<state>/data/<name>/environment.json */
static void check_workspace(const char *path)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *document = read_file(arena, path, true);
    tbk_environment read;
    tbk_error err;
    const char *rest = path + strlen(WORKSPACES) + 1;
    const char *name = tbk_arena_copy_bytes(arena, rest, strcspn(rest, "/"));
    if (strcmp(document->first->key, "Created") == 0) {
        assert_fails(tbk_environment_read(arena, document, NULL, name, &read, &err), err,
                     TBK_E_CONFIG, "no VM yet");
        return;
    }
    const char *folder = tbk_arena_copy_bytes(arena, path, (size_t)(strstr(path, "/data/") - path));
    const tbk_value *inventory = read_file(
        arena, tbk_arena_format(arena, "%s/build/%s/ansible/inventory.yml", folder, name), false);
    assert_succeeds(tbk_environment_read(arena, document, inventory, name, &read, &err), err);
    assert_string_equal(read.ssh_host, "10.77.3.2");
    assert_string_equal(read.ssh_user, "torrust");
    assert_int_equal(read.ssh_port, 22);
    assert_string_equal(read.ssh_private_key_path, "/home/torrust/.ssh/testing_ed25519");
    bool is_mysql = strstr("mysql-development mysql-odd-password monitoring-stack private-tracker "
                           "backup-focused full-stack-lxd full-stack-hetzner",
                           name) != NULL;
    assert_int_equal(read.driver, is_mysql ? TBK_DRIVER_MYSQL : TBK_DRIVER_SQLITE);
}

static void every_workspace_of_the_real_deployer_is_read(void **state)
{
    (void)state;
    glob_t found;
    if (glob(WORKSPACES "/*/*/data/*/environment.json", 0, NULL, &found) != 0)
        skip_because("no workspaces beside the project");
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_workspace(found.gl_pathv[i]);
    assert_true(found.gl_pathc >= 52);
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_with_a_vm_has_the_stage_surely_reached),
        cmocka_unit_test(each_state_without_a_vm_says_why_and_what_to_do),
        cmocka_unit_test(unknown_state_lists_the_known_ones),
        cmocka_unit_test(state_without_inventory_gives_all),
        cmocka_unit_test(absent_sections_are_as_null_ones),
        cmocka_unit_test(schedule_of_blanks_stays_for_the_options_to_refuse),
        cmocka_unit_test(inventory_wins_over_the_state),
        cmocka_unit_test(inventory_may_leave_things_to_the_state),
        cmocka_unit_test(of_several_hosts_the_one_with_the_vms_name_is_taken),
        cmocka_unit_test(bad_inventory_is_refused),
        cmocka_unit_test(a_state_of_other_types_is_refused_even_where_the_inventory_stands_for_it),
        cmocka_unit_test(bad_state_is_refused_with_its_place),
        cmocka_unit_test(what_is_no_state_file_is_refused),
        cmocka_unit_test(values_without_a_place_are_named_by_their_key),
        cmocka_unit_test(names_of_environments),
        cmocka_unit_test(every_workspace_of_the_real_deployer_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
