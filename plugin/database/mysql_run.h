/* SPDX-License-Identifier: MIT */
/* Runs the statements of a dump, and says of a failure where in the dump it is. */
#ifndef TBK_DATABASE_MYSQL_RUN_H
#define TBK_DATABASE_MYSQL_RUN_H

#include "database/mysql_internal.h"
#include "database/mysql_stream_reader.h"

/*
 * Errors: TBK_E_CORRUPT, the server refuses the statement, or took other values than it was given
 *         (section data); TBK_E_UNSUPPORTED, it is one of another kind of server; TBK_E_CONFIG, it
 *         is larger than the server takes; TBK_E_SPACE; those of the connection.
 */
bool tbk_mysql_run(MYSQL *connection, const tbk_mysql_statement *statement,
                   tbk_error *err) TBK_MUST_CHECK;

/* Fails with TBK_E_CONFIG where the server does not take statements as long as those of a dump. */
bool tbk_mysql_run_check(MYSQL *connection, tbk_error *err) TBK_MUST_CHECK;

#endif
