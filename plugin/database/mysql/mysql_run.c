/* SPDX-License-Identifier: MIT */
/*
 * That a server refuses a statement says nothing about the data, whose digests have been compared
 * before: it may have other settings now, or be another server. Only other values than were given
 * are damage, and those are looked for.
 */
#include "database/mysql/mysql_run.h"

#include <errmsg.h>
#include <mysqld_error.h>

#define FIX                                                                                        \
    "change the server's setting for as long as it takes, or use a server of the kind and "        \
    "version "                                                                                     \
    "that the set was taken from"

#define TRIES 10 /* of a statement that waits for one that waits for it */

/* --- what failed --- */

/* Of the machine, or of the moment: the same statement may do another time. */
static bool is_of_the_machine(unsigned number)
{
    switch (number) {
    case ER_OUTOFMEMORY:
    case ER_OUT_OF_SORTMEMORY:
    case ER_OUT_OF_RESOURCES:
    case ER_CANT_CREATE_FILE:
    case ER_ERROR_ON_CLOSE:
    case ER_ERROR_ON_READ:
    case ER_ERROR_ON_RENAME:
    case ER_ERROR_ON_WRITE:
    case ER_GET_ERRNO:
    case ER_LOCK_DEADLOCK:
        return true;
    default:
        return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR; /* the library's own */
    }
}

static bool is_refused(tbk_error_code code, unsigned number)
{
    return (code == TBK_E_FAILED || code == TBK_E_BUSY || code == TBK_E_NOT_FOUND) &&
           !is_of_the_machine(number);
}

static void note_refusal(MYSQL *connection, tbk_error *err)
{
    if (!is_refused(err->code, mysql_errno(connection)))
        return;
    err->code = TBK_E_UNSUPPORTED;
    if (err->fix[0] == '\0')
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

/* The server took another value than it was given. Other warnings are about words, or about the
 * server. */
static bool is_about_values(unsigned long warning)
{
    static const unsigned long values[] = {ER_BAD_NULL_ERROR,
                                           ER_WARN_NULL_TO_NOTNULL,
                                           ER_WARN_DATA_OUT_OF_RANGE,
                                           WARN_DATA_TRUNCATED,
                                           ER_TRUNCATED_WRONG_VALUE,
                                           ER_WARN_INVALID_TIMESTAMP,
                                           ER_INVALID_CHARACTER_STRING,
                                           ER_TRUNCATED_WRONG_VALUE_FOR_FIELD,
                                           ER_DATA_TOO_LONG};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (warning == values[i])
            return true;
    return false;
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
    return tbk_fail(err, TBK_E_CORRUPT,
                    "use another backup set, or a server of the kind and version that the set was "
                    "taken from",
                    "a value of %s does not fit: %s", table, warning);
}

bool tbk_mysql_run_report(MYSQL *connection, const tbk_mysql_statement *statement,
                          unsigned long warning, const char *what, const tbk_report *report,
                          tbk_error *err)
{
    enum { LEVEL, CODE, MESSAGE };
    tbk_auto(MYSQL_RES) *result = NULL;
    MYSQL_ROW row;
    if (mysql_warning_count(connection) == 0)
        return true;
    if (!tbk_mysql_query(connection, "SHOW WARNINGS", &result, err))
        return false;
    while ((row = mysql_fetch_row(result)) != NULL)
        if (strtoul(row[CODE], NULL, 10) == warning)
            tbk_report_log(report, TBK_LOG_WARNING, "restore",
                           "what line %llu of the dump makes (%.80s...) %s: %s",
                           (unsigned long long)statement->line, statement->bytes, what,
                           row[MESSAGE]);
    return true;
}

/* --- running --- */

/* Rows of one table from several sessions may wait for each other, above all when one of them is
 * taken back. A statement is a transaction, so that all of it can be done again. */
static bool send(MYSQL *connection, const tbk_mysql_statement *statement, tbk_error *err)
{
    int tries = 1;
    while (!tbk_mysql_exec_bytes(connection, statement->bytes, statement->length, err)) {
        if (mysql_errno(connection) != ER_LOCK_DEADLOCK || tries++ == TRIES) {
            note_refusal(connection, err);
            return false;
        }
    }
    return true;
}

bool tbk_mysql_run(MYSQL *connection, const tbk_mysql_statement *statement, tbk_error *err)
{
    bool ok = (statement->length <= TBK_MYSQL_STATEMENT_BYTES ||
               check_size(connection, statement->length, err)) &&
              send(connection, statement, err);
    ok = ok && (statement->section != TBK_MYSQL_DATA || check_values(connection, statement, err));
    return ok ||
           tbk_error_context(err, "line %llu of the dump", (unsigned long long)statement->line);
}
