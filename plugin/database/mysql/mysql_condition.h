/* SPDX-License-Identifier: MIT */
/* Rules for tables, against the schema and the server: before anything is read. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_CONDITION_H
#define TBK_DATABASE_MYSQL_MYSQL_CONDITION_H

#include "database/mysql/mysql_schema.h"

/* Fails with TBK_E_CONFIG where a rule has no table, or a condition is not one on its own columns.
 * session is one of mysql_snapshot.h's, which are those that will use the conditions. */
bool tbk_mysql_rules_check(MYSQL *session, const tbk_mysql_schema *schema, const tbk_rules *rules,
                           tbk_error *err) TBK_MUST_CHECK;

#endif
