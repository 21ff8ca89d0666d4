/* SPDX-License-Identifier: MIT */
/* A scratch server that is started and ready. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_SCRATCH_SERVER_H
#define TBK_DATABASE_MYSQL_MYSQL_SCRATCH_SERVER_H

#include "base/arena.h"
#include "database/mysql/mysql.h"
#include "ports/scratch_server.h"

/*
 * Starts one with a random password, and waits until it takes connections: at its
 * first start a server makes its own tables. out: root there, beside a schema of that name, which
 * is not there; text in the arena, or borrowed.
 * Errors: those of the port; TBK_E_TIMEOUT, with what it said last; TBK_E_INTERRUPTED.
 */
bool tbk_scratch_server_start(tbk_arena *arena, const tbk_scratch_server *scratch_server,
                              const char *schema, const tbk_report *report, tbk_mysql_server *out,
                              tbk_error *err) TBK_MUST_CHECK;

#endif
