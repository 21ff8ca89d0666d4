/* SPDX-License-Identifier: MIT */
/* Which capture method (database/sqlite/sqlite_methods.h) a SQLite database would get. */
#ifndef TBK_DATABASE_SQLITE_SQLITE_FORECAST_H
#define TBK_DATABASE_SQLITE_SQLITE_FORECAST_H

#include "database/forecast.h"

/* As tbk_database.forecast. */
bool tbk_sqlite_forecast(tbk_arena *arena, const char *path, const tbk_forecast_request *request,
                         tbk_forecast *out, tbk_error *err) TBK_MUST_CHECK;

#endif
