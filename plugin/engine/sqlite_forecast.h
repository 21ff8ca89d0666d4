/* SPDX-License-Identifier: MIT */
/* Which rung of the ladder (engine/sqlite_ladder.h) a SQLite database would get. */
#ifndef TBK_ENGINE_SQLITE_FORECAST_H
#define TBK_ENGINE_SQLITE_FORECAST_H

#include "engine/forecast.h"

/* As tbk_database.foretell. */
bool tbk_sqlite_forecast(tbk_arena *arena, const char *path, const tbk_forecast_request *request,
                         tbk_forecast *out, tbk_error *err) TBK_MUST_CHECK;

#endif
