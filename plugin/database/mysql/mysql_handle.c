/* SPDX-License-Identifier: MIT */
/* Connections to MySQL and MariaDB: limits on every wait, failures turned into our errors. */
#include "database/mysql/mysql_internal.h"
#include "database/mysql/mysql_settings.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#define CONNECT_LIMIT_S 10
#define ANSWER_LIMIT_S 60
#define PACKET_BYTES_MAX (1ul << 30)

const char *tbk_mysql_client_version(void) { return mysql_get_client_info(); }

/* --- errors --- */

static tbk_error_code code_of(unsigned number, const char *message)
{
    /* Which of them it is that says so depends on what the server was about to write. */
    if (strstr(message, "No space left on device") != NULL)
        return TBK_E_SPACE;
    switch (number) {
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_SSL_CONNECTION_ERROR: /* also how a connection ends that is cut */
    case ER_SERVER_SHUTDOWN:
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_NEW_ABORTING_CONNECTION:
    case ER_CONNECTION_KILLED:
        return TBK_E_NETWORK;
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_MUST_CHANGE_PASSWORD:
    case ER_MUST_CHANGE_PASSWORD_LOGIN:
        return TBK_E_CONFIG;
    case ER_BAD_DB_ERROR:
        return TBK_E_NOT_FOUND;
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_QUERY_INTERRUPTED:
    case ER_STATEMENT_TIMEOUT:
        return TBK_E_TIMEOUT;
    case ER_TABLE_DEF_CHANGED:
    case ER_NO_SUCH_TABLE:
        return TBK_E_BUSY;
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
        return TBK_E_SPACE;
    case ER_OPTION_PREVENTS_STATEMENT:
    case ER_READ_ONLY_MODE:
        return TBK_E_UNSUPPORTED;
    default:
        return TBK_E_FAILED;
    }
}

static const char *fix_of(unsigned number)
{
    switch (number) {
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
        return "see whether the database's container runs and is healthy: docker ps";
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
        return "the server has no connection left: raise its max_connections, or try again later";
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
        return "give the user one of: caching_sha2_password, mysql_native_password, ed25519";
    case ER_ACCESS_DENIED_ERROR:
        return "make the password in the tracker's .env and the one in the database the same";
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
        return "give the tracker's user back all privileges on its database (GRANT ALL ON "
               "`database`.* TO 'user'@'%')";
    case ER_LOCK_WAIT_TIMEOUT:
        return "another session has locked a table: find it with SHOW PROCESSLIST; try again when "
               "it is done";
    case ER_TABLE_DEF_CHANGED:
    case ER_NO_SUCH_TABLE:
        return "the schema was changed meanwhile: try again when that is done";
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
        return "make room on the file system of the database";
    case ER_MUST_CHANGE_PASSWORD:
    case ER_MUST_CHANGE_PASSWORD_LOGIN:
        return "the password has expired: set it again, ALTER USER ... IDENTIFIED BY ...";
    case ER_OPTION_PREVENTS_STATEMENT:
    case ER_READ_ONLY_MODE:
        return "the server takes no changes now: SELECT @@super_read_only, @@read_only, "
               "@@innodb_read_only tells why";
    case ER_BINLOG_UNSAFE_ROUTINE:
        return "SET GLOBAL log_bin_trust_function_creators = 1, for the time of the restore";
    case ER_REQUIRES_PRIMARY_KEY:
        return "SET GLOBAL innodb_force_primary_key = 0, for the time of the restore";
    case ER_NET_PACKET_TOO_LARGE:
        return "raise the server's max_allowed_packet: a row is larger than it";
    default:
        return NULL;
    }
}

bool(tbk_mysql_fail)(MYSQL *connection, tbk_error *err, const char *format, ...)
{
    char what[512];
    va_list arguments;
    unsigned number = mysql_errno(connection);
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    const char *message = mysql_error(connection);
    return tbk_fail(err, code_of(number, message), fix_of(number), "%s: %s (error %u)", what,
                    message, number);
}

/* --- connecting --- */

/* The library has SIGPIPE ignored, which is the host's to decide. */
static void begin_library(void)
{
    struct sigaction before;
    (void)sigaction(SIGPIPE, NULL, &before);
    (void)mysql_library_init(0, NULL, NULL);
    (void)sigaction(SIGPIPE, &before, NULL);
}

static bool set_options(MYSQL *connection, const tbk_mysql_server *server, bool with_tls,
                        tbk_error *err)
{
    const unsigned connect_s = CONNECT_LIMIT_S;
    const unsigned answer_s = server->answer_limit_s != 0 ? server->answer_limit_s : ANSWER_LIMIT_S;
    const unsigned long packet_bytes = PACKET_BYTES_MAX;
    const my_bool off = 0, tls = with_tls;
    const unsigned local_files = 0;
    /* These servers' certificates are self-signed; only root can intercept between containers. */
    if (mysql_optionsv(connection, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s) == 0 &&
        mysql_optionsv(connection, MYSQL_OPT_READ_TIMEOUT, &answer_s) == 0 &&
        mysql_optionsv(connection, MYSQL_OPT_WRITE_TIMEOUT, &answer_s) == 0 &&
        mysql_optionsv(connection, MYSQL_OPT_RECONNECT, &off) == 0 &&
        mysql_optionsv(connection, MYSQL_OPT_LOCAL_INFILE, &local_files) == 0 &&
        mysql_optionsv(connection, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_bytes) == 0 &&
        mysql_optionsv(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off) == 0 &&
        mysql_optionsv(connection, MYSQL_OPT_SSL_ENFORCE, &tls) == 0 &&
        mysql_optionsv(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4") == 0)
        return true;
    return tbk_mysql_fail(connection, err, "the client library refuses its settings");
}

/* Whether the server said so in its greeting, even where logging in failed then. */
static bool offers_tls(MYSQL *connection)
{
    unsigned capabilities = 0;
    return mariadb_get_infov(connection, MARIADB_CONNECTION_SERVER_CAPABILITIES, &capabilities) ==
               0 &&
           (capabilities & CLIENT_SSL) != 0;
}

static bool log_in(const tbk_mysql_server *server, bool with_tls, MYSQL **out, bool *out_offers_tls,
                   tbk_error *err)
{
    tbk_auto(MYSQL) *connection = mysql_init(NULL);
    if (connection == NULL)
        return tbk_fail(err, TBK_E_FAILED, NULL, "there is no memory for a connection");
    const char *host = server->host;
    uint16_t port = server->port;
    if (!set_options(connection, server, with_tls, err) ||
        (server->reach != NULL && !server->reach(server->reach_self, &host, &port, err)))
        return false;
    bool ok = mysql_real_connect(connection, host, server->user, server->password, server->schema,
                                 port, NULL, 0) != NULL;
    *out_offers_tls = offers_tls(connection);
    if (!ok)
        return tbk_mysql_fail(connection, err,
                              "cannot log in to the database server '%s:%u' as '%s'", server->host,
                              (unsigned)server->port, server->user);
    *out = connection;
    connection = NULL;
    return true;
}

static bool fail_without_tls(const tbk_mysql_server *server, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CONFIG,
                    "let the server offer TLS, or do not require it (database.tls)",
                    "the database server '%s:%u' offers no TLS, which is required", server->host,
                    (unsigned)server->port);
}

static bool log_in_by_tls(const tbk_mysql_server *server, MYSQL **out, tbk_error *err)
{
    tbk_auto(MYSQL) *connection = NULL;
    bool offers = false;
    if (!log_in(server, true, &connection, &offers, err))
        return false;
    if (mysql_get_ssl_cipher(connection) == NULL)
        return fail_without_tls(server, err);
    *out = connection;
    connection = NULL;
    return true;
}

/*
 * Without TLS first: the library must not be asked for TLS before the server is known to offer it.
 * When it is asked and there is none, it goes on all the same, and takes the line for a safe one:
 * it then sends a caching_sha2_password in clear text (seen with Connector/C 3.3). Without TLS it
 * sends a proof of the password, or encrypts it.
 */
static bool log_in_safely(const tbk_mysql_server *server, MYSQL **out, tbk_error *err)
{
    tbk_auto(MYSQL) *plain = NULL;
    tbk_error plain_err = {0}, tls_err = {0};
    bool offers = false;
    const bool is_in = log_in(server, false, &plain, &offers, &plain_err);
    if (offers && log_in_by_tls(server, out, &tls_err))
        return true;
    if (is_in && !server->needs_tls) { /* also where its TLS does not work */
        *out = plain;
        plain = NULL;
        return true;
    }
    if (is_in && !offers)
        return fail_without_tls(server, err);
    *err = offers ? tls_err : plain_err;
    return false;
}

bool tbk_mysql_connect(const tbk_mysql_server *server, MYSQL **out, tbk_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    tbk_auto(MYSQL) *connection = NULL;
    (void)pthread_once(&once, begin_library);
    if (!log_in_safely(server, &connection, err) ||
        !tbk_mysql_settings_apply(connection, tbk_mysql_session_settings, err) ||
        (server->is_unlogged && !tbk_mysql_exec(connection, "SET SESSION sql_log_bin = 0", err)))
        return false;
    *out = connection;
    connection = NULL;
    return true;
}

/* --- statements --- */

/* Of a statement, what may be told: its beginning, without values. */
static int told_length(const char *sql, size_t length)
{
    size_t told = 0;
    while (told < length && told < 60 && sql[told] != '\n' && strchr("'\"(", sql[told]) == NULL)
        told++;
    return (int)told;
}

bool tbk_mysql_exec_bytes(MYSQL *connection, const char *sql, size_t length, tbk_error *err)
{
    if (mysql_real_query(connection, sql, length) != 0)
        return tbk_mysql_fail(connection, err, "'%.*s' failed", told_length(sql, length), sql);
    MYSQL_RES *result = mysql_store_result(connection);
    if (result != NULL)
        mysql_free_result(result);
    else if (mysql_errno(connection) != 0)
        return tbk_mysql_fail(connection, err, "'%.*s' failed", told_length(sql, length), sql);
    return true;
}

bool tbk_mysql_exec(MYSQL *connection, const char *sql, tbk_error *err)
{
    return tbk_mysql_exec_bytes(connection, sql, strlen(sql), err);
}

bool tbk_mysql_settings_apply(MYSQL *connection, const char *const *settings, tbk_error *err)
{
    for (; *settings != NULL; settings++)
        if (!tbk_mysql_exec(connection, *settings, err))
            return false;
    return true;
}

bool tbk_mysql_query(MYSQL *connection, const char *sql, MYSQL_RES **out, tbk_error *err)
{
    size_t length = strlen(sql);
    if (mysql_real_query(connection, sql, length) != 0 ||
        (*out = mysql_store_result(connection)) == NULL)
        return tbk_mysql_fail(connection, err, "'%.*s' failed", told_length(sql, length), sql);
    return true;
}

bool tbk_mysql_text(tbk_arena *arena, MYSQL *connection, const char *sql, unsigned column,
                    const char **out, tbk_error *err)
{
    tbk_auto(MYSQL_RES) *result = NULL;
    if (!tbk_mysql_query(connection, sql, &result, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    *out = row != NULL && column < mysql_num_fields(result) && row[column] != NULL
               ? tbk_arena_copy_bytes(arena, row[column], mysql_fetch_lengths(result)[column])
               : NULL;
    return true;
}

/* --- quoting --- */

static const char *quoted(tbk_arena *arena, const char *text, char quote, const char *escapes)
{
    tbk_auto_text out = {0};
    tbk_text_append_char(&out, quote);
    for (; *text != '\0'; text++) {
        if (*text == quote)
            tbk_text_append_char(&out, quote);
        else if (strchr(escapes, *text) != NULL)
            tbk_text_append_char(&out, '\\');
        tbk_text_append_char(&out, *text);
    }
    tbk_text_append_char(&out, quote);
    return tbk_arena_copy_bytes(arena, out.bytes, out.length);
}

const char *tbk_mysql_name(tbk_arena *arena, const char *name)
{
    return quoted(arena, name, '`', "");
}

const char *tbk_mysql_literal(tbk_arena *arena, const char *text, bool is_standard)
{
    return quoted(arena, text, '\'', is_standard ? "" : "\\");
}
