/* SPDX-License-Identifier: MIT */
/*
 * Several sessions of a server, each on a thread of its own, that run statements from a common,
 * bounded queue.
 *
 * The first failure is reported; it stops the others. While the caller waits to hand over a
 * statement, it checks for a cancel, and whether the server still answers.
 */
#ifndef TBK_DATABASE_MYSQL_MYSQL_WORKERS_H
#define TBK_DATABASE_MYSQL_MYSQL_WORKERS_H

#include "database/mysql/mysql_run.h"
#include "ports/report.h"

enum { TBK_MYSQL_CREW_MAX = 16 };

typedef struct tbk_mysql_workers tbk_mysql_workers;

typedef struct tbk_mysql_workers_request {
    const tbk_mysql_server *server;
    unsigned sessions;                   /* 1 to TBK_MYSQL_CREW_MAX */
    uint32_t statement_limit_s;          /* how long one statement may take */
    const tbk_mysql_statement *settings; /* what each session runs first */
    size_t setting_count;
    const tbk_report *report;
} tbk_mysql_workers_request;

/* The request is borrowed as long as the workers are there. */
bool tbk_mysql_workers_open(const tbk_mysql_workers_request *request, tbk_mysql_workers **out,
                            tbk_error *err) TBK_MUST_CHECK;
/* Ends at once what is being run, if anything is. */
void tbk_mysql_workers_free(tbk_mysql_workers *workers);
TBK_AUTO_POINTER(tbk_mysql_workers, tbk_mysql_workers_free);

/* Hands a statement over; *statement gets the memory of one that is done. */
bool tbk_mysql_workers_put(tbk_mysql_workers *workers, tbk_mysql_statement *statement,
                           tbk_error *err) TBK_MUST_CHECK;
/* Waits until all that was handed over is done. */
bool tbk_mysql_workers_wait(tbk_mysql_workers *workers, tbk_error *err) TBK_MUST_CHECK;

#endif
