/* SPDX-License-Identifier: MIT */
/* MySQL and MariaDB, by the engine's interface (database/database.h). */
#ifndef TBK_DATABASE_MYSQL_MYSQL_DATABASE_H
#define TBK_DATABASE_MYSQL_MYSQL_DATABASE_H

#include "database/database.h"

/* Reads the credentials from config->env_file. Errors: TBK_E_CONFIG, TBK_E_NOT_FOUND. */
bool tbk_database_mysql(tbk_arena *arena, const tbk_engine_config *config,
                        const tbk_scratch_server *scratch_server, const tbk_report *report,
                        tbk_database *out, tbk_error *err) TBK_MUST_CHECK;
/* "host:port/schema", for telling databases apart; NULL where the credentials cannot be read. */
const char *tbk_database_mysql_location(tbk_arena *arena, const tbk_engine_config *config);

#endif
