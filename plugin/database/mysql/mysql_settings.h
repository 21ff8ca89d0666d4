/* SPDX-License-Identifier: MIT */
/*
 * Settings that sessions must not take from their server, in one place.
 *
 * A server may be told globally to limit what is read, to refuse tables that it once accepted, or
 * to read a statement otherwise. What a session may set is set here. What it may not
 * (disabled_storage_engines, innodb_force_primary_key, super_read_only, ...) makes the server
 * refuse a statement: TBK_E_UNSUPPORTED with its words, which says nothing about the data.
 *
 * A statement in a versioned comment is one for a server of that kind from that version on, and
 * nothing for all others: MySQL's are read as comments by MariaDB (50700 to 99999), MariaDB's by
 * MySQL. The clients of both send them as they are.
 */
#ifndef TBK_DATABASE_MYSQL_MYSQL_SETTINGS_H
#define TBK_DATABASE_MYSQL_MYSQL_SETTINGS_H

#include <stdbool.h>

/* Of every session of ours; any user may set these. NULL after the last. */
extern const char *const tbk_mysql_session_settings[];

/* Of a session that loads a dump, and the first lines of the dump itself, so that the servers' own
 * clients load it as well. Some want the privilege SESSION_VARIABLES_ADMIN, which root has. */
extern const char *const tbk_mysql_load_settings[];

/* Whether a dump may have it among its settings: one of the list above, or another value of those
 * that say how texts are read. Nothing that outlives the session, and no expression. */
bool tbk_mysql_setting_is_known(const char *statement);

#endif
