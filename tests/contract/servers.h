/* SPDX-License-Identifier: MIT */
/* Real database servers for the tests that need them (tests/servers/server). */
#ifndef TBK_TESTS_CONTRACT_SERVERS_H
#define TBK_TESTS_CONTRACT_SERVERS_H

#include "database/mysql/mysql_internal.h"
#include "unit/unit.h"

#include <signal.h>

typedef struct test_server {
    const char *kind; /* "mariadb", "mysql"; NULL: not started */
    char name[32];
    char host[32], user_name[64], password[256], root_password[256], database[64];
    tbk_mysql_server user; /* the tracker's, with privileges on `database` only */
    tbk_mysql_server root; /* no database is chosen */
} test_server;

/* A shell command about the server: "server VERB NAME REST"; its exit status. */
__attribute__((format(printf, 3, 4))) static inline int
test_server_run(const test_server *server, const char *verb, const char *format, ...)
{
    char rest[2048], command[4096];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(rest, sizeof rest, format, arguments);
    va_end(arguments);
    (void)snprintf(command, sizeof command, "exec '%s/tests/servers/server' %s %s %s",
                   TBK_SOURCE_DIR, verb, server->name, rest);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void test_server_fact(const char *folder, const char *fact, char *out, size_t size)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, fact);
    FILE *file = fopen(path, "r");
    size_t length = file != NULL ? fread(out, 1, size - 1, file) : 0;
    out[length] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (file != NULL)
        (void)fclose(file);
}

static inline void test_server_read_facts(test_server *server)
{
    char command[512], folder[400] = "", port[16];
    (void)snprintf(command, sizeof command, "'%s/tests/servers/server' path %s", TBK_SOURCE_DIR,
                   server->name);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    assert_non_null(fgets(folder, sizeof folder, output));
    (void)pclose(output);
    folder[strcspn(folder, "\n")] = '\0';
    test_server_fact(folder, "host", server->host, sizeof server->host);
    test_server_fact(folder, "port", port, sizeof port);
    test_server_fact(folder, "user", server->user_name, sizeof server->user_name);
    test_server_fact(folder, "password", server->password, sizeof server->password);
    test_server_fact(folder, "root_password", server->root_password, sizeof server->root_password);
    test_server_fact(folder, "database", server->database, sizeof server->database);
    server->user = (tbk_mysql_server){.host = server->host,
                                      .port = (uint16_t)strtoul(port, NULL, 10),
                                      .user = server->user_name,
                                      .password = server->password,
                                      .schema = server->database};
    server->root = server->user;
    server->root.user = "root";
    server->root.password = server->root_password;
    server->root.schema = NULL;
}

/* kind is "mariadb" or "mysql"; options are those of `server start`. False where this machine has
 * no servers. */
static inline bool test_server_start(test_server *server, const char *kind, const char *options)
{
    static unsigned started;
    (void)signal(SIGPIPE, SIG_IGN); /* as the engine does: a server may be gone */
    (void)snprintf(server->name, sizeof server->name, "test-%d-%u", (int)getpid(), ++started);
    char kind_and_name[64];
    (void)snprintf(kind_and_name, sizeof kind_and_name, "start %s", kind);
    if (geteuid() != 0 || test_server_run(server, kind_and_name, "%s >/dev/null", options) != 0)
        return false;
    server->kind = kind;
    test_server_read_facts(server);
    return true;
}

static inline void test_server_stop(test_server *server)
{
    if (server->kind != NULL)
        (void)test_server_run(server, "stop", ">/dev/null");
    server->kind = NULL;
}

/* --- statements, as root --- */

static inline MYSQL *test_server_connect(const test_server *server, const char *schema)
{
    tbk_error err;
    MYSQL *connection = NULL;
    tbk_mysql_server root = server->root;
    root.schema = schema;
    assert_succeeds(tbk_mysql_connect(&root, &connection, &err), err);
    return connection;
}

/* Statements with ';' between them. */
static inline void test_sql(MYSQL *connection, const char *statements)
{
    (void)mysql_set_server_option(connection, MYSQL_OPTION_MULTI_STATEMENTS_ON);
    int status = mysql_query(connection, statements);
    while (status == 0) {
        MYSQL_RES *result = mysql_store_result(connection);
        if (result != NULL)
            mysql_free_result(result);
        status = mysql_next_result(connection); /* -1: that was the last one */
    }
    if (mysql_errno(connection) != 0)
        fail_msg("%.200s: %s", statements, mysql_error(connection));
    (void)mysql_set_server_option(connection, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
}

/* The first column of the first row; "" where there is none. It stays until the next few calls. */
static inline const char *test_value(MYSQL *connection, const char *sql)
{
    static char values[4][4096];
    static unsigned next;
    char *out = values[next++ % 4];
    if (mysql_query(connection, sql) != 0)
        fail_msg("%.200s: %s", sql, mysql_error(connection));
    MYSQL_RES *result = mysql_store_result(connection);
    MYSQL_ROW row = result != NULL ? mysql_fetch_row(result) : NULL;
    (void)snprintf(out, sizeof values[0], "%s", row != NULL && row[0] != NULL ? row[0] : "");
    mysql_free_result(result);
    return out;
}

#endif
