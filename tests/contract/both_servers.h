/* SPDX-License-Identifier: MIT */
/* A suite that runs once with each server, MariaDB and MySQL. Its tests are left out where there is
 * no server. */
#ifndef TBK_TESTS_CONTRACT_BOTH_SERVERS_H
#define TBK_TESTS_CONTRACT_BOTH_SERVERS_H

#include "contract/servers.h"
#include "unit/arena.h"

static test_server server; /* the one that runs now; the arena lives as long */
static tbk_error err;

/* What a suite makes on a server that was just started, and closes before it is stopped. */
static void (*after_start)(void), (*before_stop)(void);

static inline tbk_mysql_server root_of(const char *schema)
{
    tbk_mysql_server root = server.root;
    root.schema = schema;
    return root;
}

static inline int start_server(const char *kind)
{
    (void)begin_arena(NULL);
    if (!test_server_start(&server, kind, ""))
        return getenv("CI") == NULL ? 0 : -1;
    if (after_start != NULL)
        after_start();
    return 0;
}

static inline int start_mariadb(void **state)
{
    (void)state;
    return start_server("mariadb");
}

static inline int start_mysql(void **state)
{
    (void)state;
    return start_server("mysql");
}

static inline int stop_server(void **state)
{
    if (before_stop != NULL)
        before_stop();
    test_server_stop(&server);
    return end_arena(state);
}

static inline int needs_server(void **state)
{
    (void)state;
    if (server.kind == NULL)
        skip_because("there is no database server here (tests/servers/server)");
    return 0;
}

#define TEST(function) cmocka_unit_test_setup(function, needs_server)

/* pattern: of the names of the tests to run; NULL: all. */
#define run_with_both(tests, pattern)                                                              \
    (((pattern) != NULL ? cmocka_set_test_filter(pattern) : (void)0),                              \
     cmocka_run_group_tests_name("mariadb", tests, start_mariadb, stop_server) +                   \
         cmocka_run_group_tests_name("mysql", tests, start_mysql, stop_server))

#endif
