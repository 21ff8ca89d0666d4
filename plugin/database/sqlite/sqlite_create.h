/* SPDX-License-Identifier: MIT */
/* Making tables and indexes by untrusted statements. */
#ifndef TBK_DATABASE_SQLITE_SQLITE_CREATE_H
#define TBK_DATABASE_SQLITE_SQLITE_CREATE_H

#include "database/sqlite/sqlite_internal.h"

/* The statement has to be exactly one, and to make the table, or an index of it, that the schema
 * lists it as. Errors: TBK_E_CONFIG where it does more. */
bool tbk_sqlite_create(sqlite3 *db, const char *table, bool is_index, const char *sql,
                       tbk_error *err) TBK_MUST_CHECK;

#endif
