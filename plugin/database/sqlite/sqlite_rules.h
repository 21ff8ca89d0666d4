/* SPDX-License-Identifier: MIT */
/* Whether rules fit the schema of a database that is open. */
#ifndef TBK_DATABASE_SQLITE_SQLITE_RULES_H
#define TBK_DATABASE_SQLITE_SQLITE_RULES_H

#include "database/sqlite/sqlite_internal.h"
#include "domain/rules.h"

/* Errors: TBK_E_CONFIG names table and reason, and what there is to choose from. */
bool tbk_sqlite_rules_check(sqlite3 *db, const tbk_rules *rules, tbk_error *err) TBK_MUST_CHECK;

#endif
