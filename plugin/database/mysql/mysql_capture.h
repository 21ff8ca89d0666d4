/* SPDX-License-Identifier: MIT */
/* A dump of a MySQL database as a backup takes it, or forecasts it (database/database.h). */
#ifndef TBK_DATABASE_MYSQL_MYSQL_CAPTURE_H
#define TBK_DATABASE_MYSQL_MYSQL_CAPTURE_H

#include "database/database.h"
#include "database/mysql/mysql.h"

/* As many as there are processors, 2 to 4: more would only take the server's from the tracker. */
unsigned tbk_mysql_capture_sessions(void);

/* As tbk_database.capture. root reads what the user may not see; NULL: it is not known. */
bool tbk_mysql_capture(tbk_arena *arena, const tbk_mysql_server *user, const tbk_mysql_server *root,
                       const tbk_capture_request *request, tbk_capture *out,
                       tbk_error *err) TBK_MUST_CHECK;

/* As tbk_database.forecast: looks for a common moment as a capture does, and reads nothing. */
bool tbk_mysql_forecast(tbk_arena *arena, const tbk_mysql_server *user,
                        const tbk_mysql_server *root, const tbk_forecast_request *request,
                        tbk_forecast *out, tbk_error *err) TBK_MUST_CHECK;

#endif
