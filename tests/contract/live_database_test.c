/* SPDX-License-Identifier: MIT */
/*
 * A set beside the live database, on a real server; Docker is a script that knows two containers,
 * and the way to the VM leads to this machine.
 */
#include "contract/servers.h"
#include "contract/sshd.h"

#include "adapters/remote_local.h"
#include "commands/live_database.h"

#define ADDRESS "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH"
/* As the server of these tests takes it, and as it stands in an address. */
#define PASSWORD "p@ss/w%rd #1"
#define ENCODED "p%40ss%2Fw%25rd %231"

static test_server server;
static tbk_error err;
static char folder[32];
static tbk_remote here;
static tbk_arena *arena;
static char env_file[1024];
static bool is_env_missing;

/* --- the VM --- */

/* Of what is asked for, only the tracker's .env is not where it would be. */
static bool run_here(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                     tbk_error *error)
{
    (void)self;
    for (size_t i = 0; command->argv[i] != NULL; i++)
        assert_null(strstr(command->argv[i], "p@ss"));
    if (strcmp(command->argv[0], "cat") != 0)
        return here.run(here.self, command, result, error);
    assert_string_equal(command->argv[2], "/opt/torrust/.env");
    assert_true(command->as_root);
    result->exit_status = is_env_missing ? 1 : 0;
    if (!is_env_missing)
        tbk_text_append(&result->output, env_file);
    return true;
}

static bool tunnel_here(void *self, const char *host, uint16_t port, const tbk_report *report,
                        tbk_remote_tunnel *out, tbk_error *error)
{
    (void)self;
    return here.tunnel(here.self, host, port, report, out, error);
}

static void close_nothing(void *self) { (void)self; }

static const tbk_remote vm = {
    .name = "vm", .run = run_here, .tunnel = tunnel_here, .close = close_nothing};

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(text_of("%s/%s", folder, name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* `database` is the container, `started` what the tracker has of the variable. */
static const char DOCKER[] =
    "#!/bin/sh\n"
    "cd \"$(dirname \"$0\")\" || exit\n"
    "for last; do :; done\n"
    "case \"$1 $*\" in\n"
    "ps*service=mysql*) echo c0ffee ;;\n"
    "*Config.Env*) [ \"$last\" = tracker ] && cat started && echo ;;\n"
    "*Config.Labels*) echo torrust ;;\n"
    "*Networks*tracker) echo other 203.0.113.8; echo torrust_database_network 203.0.113.9 ;;\n"
    "*Networks*c0ffee) echo another 203.0.113.1; echo torrust_database_network 127.0.0.1; echo ;;\n"
    "*) exit 1 ;;\n"
    "esac\n";

static const char *address_with(const char *encoded_password, const char *host)
{
    return text_of("mysql://tracker_user:%s@%s:%u/tracker", encoded_password, host,
                   (unsigned)server.user.port);
}

static void write_env(const char *address, const char *more)
{
    (void)snprintf(env_file, sizeof env_file, ADDRESS "='%s'\n%s", address, more);
}

/* --- a set --- */

static const tbk_table_facts TABLES[] = {{"torrents", 3, "0123456789abcdef", "3"},
                                         {"pairs", 2, "0123456789abcdef", NULL}};

static tbk_manifest a_set(void)
{
    return (tbk_manifest){.driver = TBK_DRIVER_MYSQL,
                          .mysql = {.tables = TABLES, .table_count = 2}};
}

static tbk_live_database check(void)
{
    tbk_live_database found;
    const tbk_manifest manifest = a_set();
    const tbk_live_database_input input = {.remote = &vm, .manifest = &manifest};
    assert_ok(tbk_live_database_check(arena, &input, &found, &err));
    assert_null(strstr(found.credentials.detail, "p@ss"));
    assert_null(strstr(found.database.detail, "p@ss"));
    return found;
}

static void assert_check(const tbk_live_check *found, const char *state, const char *detail)
{
    const char *is = tbk_check_state_name(found->state);
    if (strcmp(is, state) != 0 || strstr(found->detail, detail) == NULL)
        fail_msg("%s: %s", is, found->detail);
}

static int set_up(void **state)
{
    (void)state;
    arena = tbk_arena_new();
    is_env_missing = false;
    write_env(address_with(ENCODED, "mysql"), "");
    write_text("started", text_of("=%s", address_with(ENCODED, "mysql")));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tbk_arena_free(arena);
    return 0;
}

/* --- --- */

static void compares_the_rows_with_the_trackers_own_credentials(void **state)
{
    (void)state;
    const tbk_live_database found = check();
    assert_check(&found.credentials, "ok", "and the tracker was started with it");
    assert_check(&found.database, "ok", "2 of 2 tables have the rows of the set");
    assert_int_equal(found.tables->count, 2);
}

static void tells_that_the_tracker_was_started_with_something_else(void **state)
{
    (void)state;
    write_text("started", text_of("=%s", address_with("older", "mysql")));
    const tbk_live_database found = check();
    assert_check(&found.credentials, "warning", "docker compose up -d");
    assert_check(&found.database, "ok", "2 of 2");
}

static void takes_every_byte_of_the_address_into_account(void **state)
{
    (void)state;
    static const char *const others[] = {"=%s\n", "=%s ", "= %s", "=\n%s"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char text[512];
        const char *place = strchr(others[i], '%');
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(place - others[i]), others[i],
                       address_with(ENCODED, "mysql"), place + 2);
        write_text("started", text);
        const tbk_live_database found = check();
        assert_check(&found.credentials, "warning", "was started with another");
    }
}

static void says_nothing_of_a_tracker_that_has_no_such_variable(void **state)
{
    (void)state;
    write_text("started", "");
    const tbk_live_database found = check();
    assert_check(&found.credentials, "ok", "what the tracker was started with is not known");
    assert_check(&found.database, "ok", "2 of 2");
}

static void tells_that_the_variables_contradict_each_other(void **state)
{
    (void)state;
    write_env(address_with(ENCODED, "mysql"), "MYSQL_PASSWORD='another one'\n");
    const tbk_live_database found = check();
    assert_check(&found.credentials, "warning", "MYSQL_PASSWORD");
    assert_check(&found.database, "ok", "2 of 2");
}

/* The client looks whether TLS is offered in a connection of its own. */
static void takes_a_server_that_wants_tls(void **state)
{
    (void)state;
    tbk_live_database found;
    const tbk_manifest manifest = a_set();
    const tbk_live_database_input input = {.remote = &vm, .manifest = &manifest, .needs_tls = true};
    MYSQL *root = test_server_connect(&server, server.database);
    test_sql(root, "ALTER USER tracker_user@'%' REQUIRE SSL");
    bool checked = tbk_live_database_check(arena, &input, &found, &err);
    test_sql(root, "ALTER USER tracker_user@'%' REQUIRE NONE");
    mysql_close(root);
    assert_ok(checked);
    assert_check(&found.credentials, "ok", "the server takes");
    assert_check(&found.database, "ok", "2 of 2");
}

static void tells_that_the_server_takes_another_password(void **state)
{
    (void)state;
    write_env(address_with("wrong", "mysql"), "");
    const tbk_live_database found = check();
    assert_check(&found.credentials, "failed", "Fix: make the password");
    assert_check(&found.database, "skipped", "not entered");
    assert_null(found.tables);
}

static void tells_that_there_are_no_credentials(void **state)
{
    (void)state;
    is_env_missing = true;
    tbk_live_database found = check();
    assert_check(&found.credentials, "failed", "/opt/torrust/.env");
    assert_check(&found.database, "skipped", "");
    is_env_missing = false;
    (void)snprintf(env_file, sizeof env_file, "NOTHING=here\n");
    found = check();
    assert_check(&found.credentials, "failed", "MYSQL_");
}

static void finds_a_server_that_is_no_container(void **state)
{
    (void)state;
    write_env(address_with(ENCODED, "localhost"), "");
    const tbk_live_database found = check();
    assert_check(&found.database, "ok", "2 of 2");
}

static void tells_that_the_server_cannot_be_reached(void **state)
{
    (void)state;
    uint16_t port;
    int fd = bind_on_loopback(&port); /* nothing listens there */
    write_env(text_of("mysql://tracker_user:%s@mysql:%u/tracker", ENCODED, (unsigned)port), "");
    const tbk_live_database found = check();
    (void)close(fd);
    assert_check(&found.credentials, "warning", "was started with another");
    assert_check(&found.database, "warning", "the set was not compared");
    assert_check(&found.database, "warning", "127.0.0.1");
}

static void tells_that_a_table_is_gone(void **state)
{
    (void)state;
    MYSQL *root = test_server_connect(&server, server.database);
    test_sql(root, "RENAME TABLE torrents TO elsewhere");
    const tbk_live_database found = check();
    test_sql(root, "RENAME TABLE elsewhere TO torrents");
    mysql_close(root);
    assert_check(&found.database, "failed", "'torrents' (3 rows saved) is gone");
}

static void waits_no_longer_than_its_limit_for_a_silent_server(void **state)
{
    (void)state;
    assert_int_equal(test_server_run(&server, "pause", ">/dev/null"), 0);
    int64_t begin_ms = tbk_clock_monotonic_ms();
    const tbk_live_database found = check();
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    assert_int_equal(test_server_run(&server, "resume", ">/dev/null"), 0);
    assert_check(&found.database, "warning", "'127.0.0.1:");
    assert_true(took_ms < SOON_MS);
}

/* --- --- */

static int begin(void **state)
{
    (void)state;
    tbk_remote_local_open(NULL, &here);
    (void)snprintf(folder, sizeof folder, "/tmp/tbk-live-XXXXXX");
    if (mkdtemp(folder) == NULL ||
        !test_server_start(&server, "mysql", "--password '" PASSWORD "'"))
        return -1;
    write_text("docker", DOCKER);
    (void)chmod(text_of("%s/docker", folder), 0755);
    (void)setenv("PATH", text_of("%s:%s", folder, getenv("PATH")), 1);
    MYSQL *root = test_server_connect(&server, server.database);
    test_sql(root, "CREATE TABLE torrents (id INT AUTO_INCREMENT PRIMARY KEY, x INT);"
                   "INSERT INTO torrents (x) VALUES (1), (2), (3), (4);"
                   "CREATE TABLE pairs (a INT, b INT, PRIMARY KEY (a, b));"
                   "INSERT INTO pairs VALUES (1, 1), (1, 2);");
    mysql_close(root);
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_server_stop(&server);
    return system(text_of("rm -rf %s", folder));
}

static void needs_root(void **state)
{
    (void)state;
    skip_because("needs root, to start a database server");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest without_root[] = {cmocka_unit_test(needs_root)};
    const struct CMUnitTest tests[] = {
        TEST(compares_the_rows_with_the_trackers_own_credentials),
        TEST(tells_that_the_tracker_was_started_with_something_else),
        TEST(takes_every_byte_of_the_address_into_account),
        TEST(says_nothing_of_a_tracker_that_has_no_such_variable),
        TEST(tells_that_the_variables_contradict_each_other),
        TEST(takes_a_server_that_wants_tls),
        TEST(tells_that_the_server_takes_another_password),
        TEST(tells_that_there_are_no_credentials),
        TEST(finds_a_server_that_is_no_container),
        TEST(tells_that_the_server_cannot_be_reached),
        TEST(tells_that_a_table_is_gone),
        TEST(waits_no_longer_than_its_limit_for_a_silent_server),
    };
    if (geteuid() != 0)
        return cmocka_run_group_tests(without_root, NULL, NULL);
    return cmocka_run_group_tests(tests, begin, end);
}
