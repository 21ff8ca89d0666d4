/* SPDX-License-Identifier: MIT */
/* Reading the schema of a database, all of it. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_SCHEMA_H
#define TBK_DATABASE_MYSQL_MYSQL_SCHEMA_H

#include "database/mysql/mysql_sections.h"

/*
 * Reads all of the schema that control has chosen. root may be NULL (database/mysql/mysql.h). Text
 * lives in the arena. Errors: TBK_E_UNSUPPORTED, names that a dump cannot hold; TBK_E_BUSY,
 * something was dropped meanwhile.
 */
bool tbk_mysql_schema_read(tbk_arena *arena, MYSQL *control, const tbk_mysql_server *root,
                           tbk_mysql_schema *out, tbk_error *err) TBK_MUST_CHECK;

/* Fails with TBK_E_CORRUPT where it has none. */
bool tbk_mysql_schema_has_tables(const tbk_mysql_schema *schema, tbk_error *err) TBK_MUST_CHECK;
/* Fails with TBK_E_UNSUPPORTED where tables have no snapshots, and names them. */
bool tbk_mysql_schema_has_snapshots(const tbk_mysql_schema *schema, tbk_error *err) TBK_MUST_CHECK;

#endif
