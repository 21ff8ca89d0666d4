/* SPDX-License-Identifier: MIT */
/* Schemas of ours beside the one of the user: whose they are, and root's privileges on them. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_SCRATCH_H
#define TBK_DATABASE_MYSQL_MYSQL_SCRATCH_H

#include "database/mysql/mysql_internal.h"

/* Logs in as root, with no schema chosen; says what to do where the password is another. */
bool tbk_mysql_connect_root(const tbk_mysql_server *root, MYSQL **out,
                            tbk_error *err) TBK_MUST_CHECK;
/* Whether it is a name that swaps give to what they keep of this schema. */
bool tbk_mysql_is_previous_name(const char *schema, const char *name);
/* TBK_E_CONFIG where it is neither of the two names of ours. */
bool tbk_mysql_check_ours(const char *schema, const char *name, tbk_error *err) TBK_MUST_CHECK;
/* " CHARACTER SET x COLLATE y" of a schema; "" where there is no such schema. */
bool tbk_mysql_schema_collation(tbk_arena *arena, MYSQL *session, const char *schema,
                                const char **out, tbk_error *err) TBK_MUST_CHECK;

#endif
