/* SPDX-License-Identifier: MIT */
/* Sessions that read the same state of a database, without a lock and without special privileges.
 */
#ifndef TBK_DATABASE_MYSQL_MYSQL_SNAPSHOT_H
#define TBK_DATABASE_MYSQL_MYSQL_SNAPSHOT_H

#include "database/mysql/mysql_internal.h"

/* Connects a session that can read a snapshot: repeatable reads, no limit on the time of a
 * statement, quotes and backslashes in conditions as the standard has them. */
bool tbk_mysql_snapshot_connect(const tbk_mysql_server *server, MYSQL **out,
                                tbk_error *err) TBK_MUST_CHECK;

/*
 * Opens a snapshot on each of the sessions, and makes sure that they agree: fails with TBK_E_BUSY,
 * and with no snapshot open, where a client may have committed between the first and the last.
 * control is a session without a transaction; its process list and counters are looked at.
 */
bool tbk_mysql_snapshot_pin(MYSQL *control, MYSQL *const *sessions, unsigned count,
                            tbk_error *err) TBK_MUST_CHECK;

/* Opens them without a check for other sessions. */
bool tbk_mysql_snapshot_start(MYSQL *const *sessions, unsigned count,
                              tbk_error *err) TBK_MUST_CHECK;

/* Between begin and end, a session reads some tables; end releases the locks on their
 * definitions, so that a waiting ALTER, and the statements queued after it, go on. The snapshot
 * stays. */
bool tbk_mysql_snapshot_begin(MYSQL *session, tbk_error *err) TBK_MUST_CHECK;
bool tbk_mysql_snapshot_end(MYSQL *session, tbk_error *err) TBK_MUST_CHECK;

/* Ends a session in the middle of an answer, at once on both sides; it can only be closed then.
 * May be called while another thread waits for that answer. */
void tbk_mysql_snapshot_abandon(MYSQL *session);

#endif
