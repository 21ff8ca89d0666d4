/* SPDX-License-Identifier: MIT */
/* MySQL and MariaDB behind the engine's interface (engine/database.h). */
#ifndef TBK_ENGINE_MYSQL_DATABASE_H
#define TBK_ENGINE_MYSQL_DATABASE_H

#include "engine/database.h"

/* Reads the credentials from config->env_file. Errors: TBK_E_CONFIG, TBK_E_NOT_FOUND. */
bool tbk_database_mysql(tbk_arena *arena, const tbk_engine_config *config,
                        const tbk_spare_server *spare, const tbk_report *report, tbk_database *out,
                        tbk_error *err) TBK_MUST_CHECK;
/* "host:port/schema", for telling databases apart; NULL where the credentials cannot be read. */
const char *tbk_database_mysql_location(tbk_arena *arena, const tbk_engine_config *config);

#endif
