/* SPDX-License-Identifier: MIT */
/* Runs the statements of a dump, and says of a failure where in the dump it is. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_RUN_H
#define TBK_DATABASE_MYSQL_MYSQL_RUN_H

#include "database/mysql/mysql_internal.h"
#include "database/mysql/mysql_stream_reader.h"

/*
 * Errors: TBK_E_CORRUPT, the server took other values than it was given (section data);
 *         TBK_E_UNSUPPORTED, it refuses the statement, with its words: it has other settings than
 *         when the statement was its own, or is another server; TBK_E_CONFIG, the statement is
 *         larger than the server takes; TBK_E_SPACE; TBK_E_FAILED, the server's machine; those of
 *         the connection.
 */
bool tbk_mysql_run(MYSQL *connection, const tbk_mysql_statement *statement,
                   tbk_error *err) TBK_MUST_CHECK;

/* After a statement: reports the warnings of that number, with what they mean for what was made. */
bool tbk_mysql_run_report(MYSQL *connection, const tbk_mysql_statement *statement,
                          unsigned long warning, const char *what, const tbk_report *report,
                          tbk_error *err) TBK_MUST_CHECK;

/* Fails with TBK_E_CONFIG where the server does not take statements as long as those of a dump. */
bool tbk_mysql_run_check(MYSQL *connection, tbk_error *err) TBK_MUST_CHECK;

#endif
