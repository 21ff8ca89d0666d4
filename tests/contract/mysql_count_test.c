/* SPDX-License-Identifier: MIT */
/* Live rows of real servers, MariaDB and MySQL, straight and through an SSH tunnel. */
#include "contract/servers.h"
#include "contract/sshd.h"

static test_server server;
static tbk_error err;

static const char SCHEMA[] =
    "CREATE TABLE torrents (id INT AUTO_INCREMENT PRIMARY KEY, completed INT NOT NULL);"
    "INSERT INTO torrents (completed) VALUES (1), (2), (3), (4);"
    "CREATE TABLE big (id BIGINT UNSIGNED PRIMARY KEY);"
    "INSERT INTO big VALUES (5), (18446744073709551614), (18446744073709551615);"
    "CREATE TABLE below (id INT PRIMARY KEY);"
    "INSERT INTO below VALUES (-9), (-5), (0);"
    "CREATE TABLE pairs (a INT, b INT, PRIMARY KEY (a, b));"
    "INSERT INTO pairs VALUES (1, 1), (1, 2);"
    "CREATE TABLE `od``d \\' name` (`k``ey` INT PRIMARY KEY);"
    "INSERT INTO `od``d \\' name` VALUES (1), (2);"
    "CREATE TABLE Case_matters (id INT PRIMARY KEY);"
    "CREATE VIEW a_view AS SELECT 1;";

/* As a dump of a moment ago has them. */
static const tbk_table_facts TABLES[] = {
    {.table = "torrents", .rows = 3, .highest_key = "3"},
    {.table = "big", .rows = 2, .highest_key = "18446744073709551614"},
    {.table = "below", .rows = 2, .highest_key = "-5"},
    {.table = "pairs", .rows = 1},
    {.table = "od`d \\' name", .rows = 2, .highest_key = "2"},
    {.table = "case_matters", .rows = 0},
    {.table = "a_view", .rows = 1},
    {.table = "gone", .rows = 1, .highest_key = "1"},
    {.table = "torrents", .rows = 4, .highest_key = "1 OR 1=1"},
};
static const tbk_mysql_facts FACTS = {.tables = TABLES,
                                      .table_count = sizeof TABLES / sizeof TABLES[0]};

static void assert_rows(const tbk_mysql_live_rows *found, bool is_bounded, int64_t rows)
{
    if (!found->is_there || found->is_bounded != is_bounded || found->rows != rows)
        fail_msg("'%s': there: %d, bounded: %d, rows: %lld", found->table, found->is_there,
                 found->is_bounded, (long long)found->rows);
}

static void assert_counts(const tbk_mysql_live_rows *rows)
{
    assert_rows(&rows[0], true, 3);
    assert_rows(&rows[1], true, 2);
    assert_rows(&rows[2], true, 2);
    assert_rows(&rows[3], false, 2);
    assert_rows(&rows[4], true, 2);
    assert_false(rows[5].is_there);
    assert_false(rows[6].is_there);
    assert_false(rows[7].is_there);
    assert_rows(&rows[8], false, 4);
}

static void counts_what_a_dump_could_hold(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_live_rows *rows = NULL;
    assert_ok(tbk_mysql_count_live(arena, &server.user, &FACTS, &rows, &err));
    assert_counts(rows);
}

static void counts_nothing_where_there_is_nothing_to_compare(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_live_rows *rows = NULL;
    const tbk_mysql_facts none = {0};
    assert_ok(tbk_mysql_count_live(arena, &server.user, &none, &rows, &err));
}

static void does_not_wait_for_a_locked_table_for_long(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_live_rows *rows = NULL;
    MYSQL *other = test_server_connect(&server, server.database);
    test_sql(other, "LOCK TABLES torrents WRITE");
    int64_t begin_ms = tbk_clock_monotonic_ms();
    bool counted = tbk_mysql_count_live(arena, &server.user, &FACTS, &rows, &err);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    mysql_close(other);
    assert_error(counted, TBK_E_TIMEOUT);
    assert_contains(err.message, "counting the rows of 'torrents'");
    assert_true(took_ms < SOON_MS);
}

static void does_not_wait_for_a_silent_server_for_long(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_live_rows *rows = NULL;
    assert_int_equal(test_server_run(&server, "pause", ">/dev/null"), 0);
    int64_t begin_ms = tbk_clock_monotonic_ms();
    bool counted = tbk_mysql_count_live(arena, &server.user, &FACTS, &rows, &err);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    assert_int_equal(test_server_run(&server, "resume", ">/dev/null"), 0);
    assert_error(counted, TBK_E_NETWORK);
    assert_true(took_ms < SOON_MS);
}

static void tells_of_a_wrong_password_without_naming_it(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_live_rows *rows = NULL;
    tbk_mysql_server wrong = server.user;
    wrong.password = "not the right one";
    assert_error(tbk_mysql_count_live(arena, &wrong, &FACTS, &rows, &err), TBK_E_CONFIG);
    assert_null(strstr(err.message, wrong.password));
    assert_contains(err.fix, ".env");
}

/* --- through a tunnel --- */

static void check_through(tbk_ssh_program program)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_remote remote = {0};
    tbk_auto_remote_tunnel tunnel = {0};
    tbk_mysql_live_rows *rows = NULL;
    const tbk_ssh_target target = target_of(program, "ed25519");
    /* The server forgets who has logged in already, so the password itself has to be proved. */
    assert_int_equal(test_server_run(&server, "sql", "'FLUSH PRIVILEGES' >/dev/null"), 0);
    assert_ok(tbk_ssh_open(&target, NULL, &remote, &err));
    assert_ok(tbk_remote_tunnel_open(&remote, server.host, server.user.port, NULL, &tunnel, &err));
    tbk_mysql_server through = server.user;
    through.host = tunnel.host;
    through.port = tunnel.port;
    assert_ok(tbk_mysql_count_live(arena, &through, &FACTS, &rows, &err));
    assert_counts(rows);
    assert_ok(tunnel.check(tunnel.self, &err));
}

static void counts_through_a_tunnel(void **state)
{
    (void)state;
    check_through(TBK_SSH_LIBSSH2);
    check_through(TBK_SSH_OPENSSH);
    check_through(TBK_SSH_LOCAL);
}

/* The server dies while it is asked. */
static void a_tunnel_knows_why_an_answer_does_not_come(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_remote remote = {0};
    tbk_auto_remote_tunnel tunnel = {0};
    tbk_mysql_live_rows *rows = NULL;
    const tbk_ssh_target target = target_of(TBK_SSH_LIBSSH2, "ed25519");
    assert_ok(tbk_ssh_open(&target, NULL, &remote, &err));
    assert_ok(tbk_remote_tunnel_open(&remote, server.host, server.user.port, NULL, &tunnel, &err));
    tbk_mysql_server through = server.user;
    through.host = tunnel.host;
    through.port = tunnel.port;
    assert_int_equal(test_server_run(&server, "kill", ">/dev/null"), 0);
    bool counted = tbk_mysql_count_live(arena, &through, &FACTS, &rows, &err);
    assert_int_equal(test_server_run(&server, "restart", ">/dev/null"), 0);
    assert_error(counted, TBK_E_NETWORK);
    assert_error(tunnel.check(tunnel.self, &err), TBK_E_NETWORK);
}

/* --- --- */

static int begin_on(const char *kind, const char *options)
{
    if (!test_server_start(&server, kind, options))
        return -1;
    MYSQL *root = test_server_connect(&server, server.database);
    test_sql(root, SCHEMA);
    mysql_close(root);
    return 0;
}

static int begin_mariadb(void **state)
{
    (void)state;
    return begin_on("mariadb", "");
}

static int begin_mysql(void **state)
{
    (void)state;
    return begin_on("mysql", "");
}

static int begin_mysql_without_tls(void **state)
{
    (void)state;
    return begin_on("mysql", "--option=--tls-version=");
}

static int end(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

static void needs_root(void **state)
{
    (void)state;
    skip_because("needs root, to start database servers");
}

int main(void)
{
    const struct CMUnitTest without_root[] = {cmocka_unit_test(needs_root)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_a_dump_could_hold),
        cmocka_unit_test(counts_nothing_where_there_is_nothing_to_compare),
        cmocka_unit_test(does_not_wait_for_a_locked_table_for_long),
        cmocka_unit_test(does_not_wait_for_a_silent_server_for_long),
        cmocka_unit_test(tells_of_a_wrong_password_without_naming_it),
        cmocka_unit_test(counts_through_a_tunnel),
        cmocka_unit_test(a_tunnel_knows_why_an_answer_does_not_come),
    };
    const struct CMUnitTest without_tls[] = {cmocka_unit_test(counts_through_a_tunnel)};
    if (geteuid() != 0)
        return cmocka_run_group_tests(without_root, NULL, NULL);
    int failed = sshd_start(NULL) != 0;
    if (!failed) {
        failed |= cmocka_run_group_tests_name("mariadb", tests, begin_mariadb, end);
        failed |= cmocka_run_group_tests_name("mysql", tests, begin_mysql, end);
        failed |= cmocka_run_group_tests_name("mysql without TLS", without_tls,
                                              begin_mysql_without_tls, end);
    }
    failed |= sshd_stop(NULL) != 0;
    return failed ? 1 : 0;
}
