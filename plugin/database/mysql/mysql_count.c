/* SPDX-License-Identifier: MIT */
/* Rows of a live database, counted so that they can be compared with an earlier dump of it. */
#include "base/broken_pipe.h"
#include "database/mysql/mysql_internal.h"

#include <inttypes.h>
#include <mysqld_error.h>
#include <string.h>

#define DEFAULT_LIMIT_S 60
/* Both servers' error for a statement that took longer than it may. */
#define MARIADB_STATEMENT_TIMEOUT 1969
#define MYSQL_QUERY_TIMEOUT 3024

typedef struct counting {
    tbk_arena *arena;
    MYSQL *connection;
    uint32_t limit_s;
} counting;

/* With a limit on the client alone, the server would go on counting. */
static bool limit_statements(const counting *self, tbk_error *err)
{
    const char *const sql =
        mariadb_connection(self->connection)
            ? tbk_arena_format(self->arena, "SET SESSION max_statement_time = %" PRIu32,
                               self->limit_s)
            : tbk_arena_format(self->arena, "SET SESSION max_execution_time = %" PRIu64,
                               (uint64_t)self->limit_s * 1000);
    return tbk_mysql_exec(self->connection, sql, err);
}

/* One state for all tables, in which nothing can be written. */
static bool begin_counting(const counting *self, tbk_error *err)
{
    return limit_statements(self, err) &&
           tbk_mysql_exec(self->connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
                          err);
}

/* Whether the table is there, and the column of its primary key; *out_key is NULL where it has
 * none, or one of several columns. */
static bool find_table(const counting *self, const char *table, bool *out_is_there,
                       const char **out_key, tbk_error *err)
{
    const char *const name = tbk_mysql_literal(self->arena, table, false);
    const char *const sql = tbk_arena_format(
        self->arena,
        "SELECT (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() "
        "AND TABLE_TYPE <> 'VIEW' AND TABLE_NAME = %s COLLATE utf8mb4_bin), "
        "(SELECT CASE COUNT(*) WHEN 1 THEN MAX(COLUMN_NAME) END FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'PRIMARY' AND TABLE_NAME = %s COLLATE "
        "utf8mb4_bin)",
        name, name);
    tbk_auto(MYSQL_RES) *result = NULL;
    if (!tbk_mysql_query(self->connection, sql, &result, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    *out_is_there = row != NULL && row[0] != NULL && strcmp(row[0], "0") != 0;
    *out_key = row != NULL && row[1] != NULL ? tbk_arena_copy(self->arena, row[1]) : NULL;
    return true;
}

/* A manifest's keys are checked when it is read; the facts of others might not be. */
static bool is_whole_number(const char *text)
{
    const char *digits = text + (text[0] == '-');
    return digits[0] != '\0' && digits[strspn(digits, "0123456789")] == '\0';
}

static const char *count_statement(const counting *self, const char *table, const char *key,
                                   const char *highest)
{
    const char *const name = tbk_mysql_name(self->arena, table);
    if (key == NULL)
        return tbk_arena_format(self->arena, "SELECT COUNT(*) FROM %s", name);
    return tbk_arena_format(self->arena, "SELECT COUNT(*) FROM %s WHERE %s <= %s", name,
                            tbk_mysql_name(self->arena, key), highest);
}

static bool fail_to_count(const counting *self, const char *table, tbk_error *err)
{
    unsigned number = mysql_errno(self->connection);
    if (number == MARIADB_STATEMENT_TIMEOUT || number == MYSQL_QUERY_TIMEOUT)
        return tbk_fail(err, TBK_E_TIMEOUT, "try it when the server has less to do",
                        "the rows of '%s' could not be counted within %" PRIu32 " s", table,
                        self->limit_s);
    return tbk_error_context(err, "counting the rows of '%s'", table);
}

static bool count_table(const counting *self, const tbk_table_facts *facts,
                        tbk_mysql_live_rows *out, tbk_error *err)
{
    const char *key = NULL, *rows = NULL;
    *out = (tbk_mysql_live_rows){.table = facts->table};
    if (!find_table(self, facts->table, &out->is_there, &key, err))
        return fail_to_count(self, facts->table, err);
    if (!out->is_there)
        return true;
    out->is_bounded =
        key != NULL && facts->highest_key != NULL && is_whole_number(facts->highest_key);
    const char *const sql =
        count_statement(self, facts->table, out->is_bounded ? key : NULL, facts->highest_key);
    if (!tbk_mysql_text(self->arena, self->connection, sql, 0, &rows, err)) {
        if (mysql_errno(self->connection) != ER_NO_SUCH_TABLE)
            return fail_to_count(self, facts->table, err);
        *out = (tbk_mysql_live_rows){.table = facts->table}; /* it went in this moment */
        return true;
    }
    out->rows = rows != NULL ? strtoll(rows, NULL, 10) : 0;
    return true;
}

bool tbk_mysql_count_live(tbk_arena *arena, const tbk_mysql_server *server,
                          const tbk_mysql_facts *facts, tbk_mysql_live_rows **out, tbk_error *err)
{
    tbk_auto_broken_pipe held; /* until the connection is closed: this is the host's process */
    tbk_auto(MYSQL) *connection = NULL;
    tbk_broken_pipe_hold_back(&held);
    if (!tbk_mysql_connect(server, &connection, err))
        return false;
    const counting self = {.arena = arena,
                           .connection = connection,
                           .limit_s = server->answer_limit_s != 0 ? server->answer_limit_s
                                                                  : DEFAULT_LIMIT_S};
    if (!begin_counting(&self, err))
        return false;
    tbk_mysql_live_rows *rows = tbk_arena_alloc(arena, (facts->table_count + 1) * sizeof *rows);
    for (size_t i = 0; i < facts->table_count; i++)
        if (!count_table(&self, &facts->tables[i], &rows[i], err))
            return false;
    *out = rows;
    return true;
}
