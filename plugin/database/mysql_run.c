/* SPDX-License-Identifier: MIT */
/* A statement of a dump was accepted by the server that it comes from: if this one refuses it, or
 * changes its values, then the dump or the server is not what it should be. */
#include "database/mysql_run.h"

#include <mysqld_error.h>

#define FIX                                                                                        \
    "use another backup set, or a server of the kind and version that the set was taken from"

/* --- what failed --- */

static bool is_foreign(unsigned number)
{
    return number == ER_UNKNOWN_COLLATION || number == ER_UNKNOWN_CHARACTER_SET ||
           number == ER_UNKNOWN_STORAGE_ENGINE;
}

/* What is not the connection's, the rights' or the disk's fault is that of the statement. */
static bool is_refused(tbk_error_code code)
{
    return code == TBK_E_FAILED || code == TBK_E_BUSY || code == TBK_E_NOT_FOUND;
}

static void blame_statement(MYSQL *connection, tbk_error *err)
{
    if (!is_refused(err->code))
        return;
    err->code = is_foreign(mysql_errno(connection)) ? TBK_E_UNSUPPORTED : TBK_E_CORRUPT;
    (void)snprintf(err->fix, sizeof err->fix, "%s", FIX);
}

/* --- size --- */

static bool check_size(MYSQL *connection, uint64_t needed_bytes, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *limit = NULL;
    if (!tbk_mysql_text(arena, connection, "SELECT @@SESSION.max_allowed_packet", 0, &limit, err))
        return false;
    if (limit == NULL || needed_bytes < strtoull(limit, NULL, 10))
        return true;
    return tbk_fail(err, TBK_E_CONFIG,
                    tbk_arena_format(arena, "start the server with --max-allowed-packet=%lluM",
                                     (unsigned long long)(needed_bytes >> 20) + 1),
                    "a statement has %llu bytes, and the server takes %s at most "
                    "(max_allowed_packet)",
                    (unsigned long long)needed_bytes, limit);
}

bool tbk_mysql_run_check(MYSQL *connection, tbk_error *err)
{
    return check_size(connection, TBK_MYSQL_STATEMENT_BYTES, err);
}

/* --- warnings --- */

/* That a word of the statement is an old one says nothing of its values. */
static bool is_about_values(unsigned long warning)
{
    enum { OLD_NAME_OF_UTF8 = 3719, OLD_CHARSET = 3778 };
    return warning != ER_WARN_DEPRECATED_SYNTAX &&
           warning != ER_WARN_DEPRECATED_SYNTAX_NO_REPLACEMENT && warning != OLD_NAME_OF_UTF8 &&
           warning != OLD_CHARSET;
}

/* The name between "INSERT INTO " and " (", as it stands there. */
static const char *table_of(tbk_arena *arena, const tbk_mysql_statement *statement)
{
    const char *start = statement->bytes + strlen("INSERT INTO ");
    const char *end = start + 1;
    while (*end != '\0' && (*end != '`' || end[1] == '`'))
        end += *end == '`' ? 2 : 1;
    return tbk_arena_copy_bytes(arena, start, (size_t)(end - start) + 1);
}

/* Expressions in the table, which the server evaluates for each row, warn as they always did. */
static bool has_expressions(tbk_arena *arena, MYSQL *connection, const char *table, bool *out,
                            tbk_error *err)
{
    const char *create = NULL;
    if (!tbk_mysql_text(arena, connection, tbk_arena_format(arena, "SHOW CREATE TABLE %s", table),
                        1, &create, err))
        return false;
    *out = create != NULL &&
           (strstr(create, " GENERATED ALWAYS AS (") != NULL || strstr(create, " CHECK (") != NULL);
    return true;
}

static bool find_warning(MYSQL *connection, const char **out, tbk_arena *arena, tbk_error *err)
{
    enum { LEVEL, CODE, MESSAGE };
    tbk_auto(MYSQL_RES) *result = NULL;
    MYSQL_ROW row;
    if (!tbk_mysql_query(connection, "SHOW WARNINGS", &result, err))
        return false;
    while (*out == NULL && (row = mysql_fetch_row(result)) != NULL)
        if (is_about_values(strtoul(row[CODE], NULL, 10)))
            *out = tbk_arena_format(arena, "%s (warning %s)", row[MESSAGE], row[CODE]);
    return true;
}

static bool check_values(MYSQL *connection, const tbk_mysql_statement *statement, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *warning = NULL;
    bool is_excused = false;
    if (mysql_warning_count(connection) == 0)
        return true;
    if (!find_warning(connection, &warning, arena, err))
        return false;
    const char *table = table_of(arena, statement);
    if (warning == NULL ||
        (has_expressions(arena, connection, table, &is_excused, err) && is_excused))
        return true;
    return tbk_fail(err, TBK_E_CORRUPT, FIX, "a value of %s does not fit: %s", table, warning);
}

/* --- running --- */

bool tbk_mysql_run(MYSQL *connection, const tbk_mysql_statement *statement, tbk_error *err)
{
    bool ok = statement->length <= TBK_MYSQL_STATEMENT_BYTES ||
              check_size(connection, statement->length, err);
    if (ok && !tbk_mysql_exec_bytes(connection, statement->bytes, statement->length, err)) {
        blame_statement(connection, err);
        ok = false;
    }
    ok = ok && (statement->section != TBK_MYSQL_DATA || check_values(connection, statement, err));
    return ok || tbk_while(err, "line %llu of the dump", (unsigned long long)statement->line);
}
