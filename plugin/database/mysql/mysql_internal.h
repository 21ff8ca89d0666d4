/* SPDX-License-Identifier: MIT */
/* What the MySQL files share: connections, errors, quoting. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_INTERNAL_H
#define TBK_DATABASE_MYSQL_MYSQL_INTERNAL_H

#include "base/arena.h"
#include "base/text.h"
#include "database/mysql/mysql.h"

#include <mysql.h>

TBK_AUTO_POINTER(MYSQL, mysql_close);
TBK_AUTO_POINTER(MYSQL_RES, mysql_free_result);

/* Connects with limits on every wait, TLS, utf8mb4, time zone UTC and an empty sql_mode. The caller
 * closes *out. */
bool tbk_mysql_connect(const tbk_mysql_server *server, MYSQL **out, tbk_error *err) TBK_MUST_CHECK;

/* Fails with the code and the fix that belong to the server's own error. Returns false. */
bool tbk_mysql_fail(MYSQL *connection, tbk_error *err, const char *format, ...) TBK_PRINTF(3, 4);
#define tbk_mysql_fail(...) ((void)(tbk_mysql_fail)(__VA_ARGS__), false)

/* Statements without rows, or whose rows do not matter. The message of a failure names the
 * statement's first words, never its values. */
bool tbk_mysql_exec(MYSQL *connection, const char *sql, tbk_error *err) TBK_MUST_CHECK;
bool tbk_mysql_exec_bytes(MYSQL *connection, const char *sql, size_t length,
                          tbk_error *err) TBK_MUST_CHECK;
/* All rows at once, for small answers. The caller frees *out. */
bool tbk_mysql_query(MYSQL *connection, const char *sql, MYSQL_RES **out,
                     tbk_error *err) TBK_MUST_CHECK;
/* One column of the first row, copied; NULL where there is no row or the value is NULL. */
bool tbk_mysql_text(tbk_arena *arena, MYSQL *connection, const char *sql, unsigned column,
                    const char **out, tbk_error *err) TBK_MUST_CHECK;

/* Executes all of a list (database/mysql/mysql_settings.h). */
bool tbk_mysql_settings_apply(MYSQL *connection, const char *const *settings,
                              tbk_error *err) TBK_MUST_CHECK;

/* `name`, with backquotes in it doubled. */
const char *tbk_mysql_name(tbk_arena *arena, const char *name);
/* 'text', escaped for sessions of ours (backslashes escape, except where is_standard). */
const char *tbk_mysql_literal(tbk_arena *arena, const char *text, bool is_standard);

#endif
