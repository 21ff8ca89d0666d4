/* SPDX-License-Identifier: MIT */
/* Which kind of database a configuration names. */
#include "database/database.h"

#include "database/mysql/mysql_database.h"

bool tbk_database_open(tbk_arena *arena, const tbk_engine_config *config,
                       const tbk_scratch_server *scratch_server, const tbk_report *report,
                       tbk_database *out, tbk_error *err)
{
    if (config->driver == TBK_DRIVER_MYSQL)
        return tbk_database_mysql(arena, config, scratch_server, report, out, err);
    *out = tbk_database_sqlite(arena, config->database_path);
    return true;
}

tbk_origin tbk_database_origin(tbk_arena *arena, const tbk_engine_config *config)
{
    return (tbk_origin){.environment = config->environment,
                        .driver = config->driver,
                        .location = config->driver == TBK_DRIVER_MYSQL
                                        ? tbk_database_mysql_location(arena, config)
                                        : config->database_path};
}
