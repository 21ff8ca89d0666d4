/* SPDX-License-Identifier: MIT */
/*
 * How the tracker logs in to its MySQL: what its `.env` says at this moment. Read where it is
 * needed, at run time; a second copy would be old after the next change of a password.
 */
#ifndef TBK_DOMAIN_MYSQL_LOGIN_H
#define TBK_DOMAIN_MYSQL_LOGIN_H

#include "domain/dotenv.h"

#include <stdint.h>

/* The tracker's own variable for the address of its database. */
#define TBK_MYSQL_LOGIN_ADDRESS "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH"

typedef struct tbk_mysql_login {
    const char *host; /* without brackets */
    uint16_t port;
    const char *user;
    const char *password; /* "" = none */
    const char *schema;
    const char *root_password; /* NULL = the file has none */
    /* For people: which variables contradict each other, by name. NULL = none do. The server was
     * made with MYSQL_*, the tracker goes by its own; a changed password that stands in one of them
     * only is found this way. */
    const char *drift;
} tbk_mysql_login;

/*
 * Takes the tracker's own variable, an address
 * mysql://user:password@host:port/schema, as the tracker does: the last '@' ends the password,
 * %XX is a byte, other signs are themselves, what follows '?' does not matter. Without it
 * MYSQL_USER, MYSQL_PASSWORD and MYSQL_DATABASE on the host "mysql".
 * Owns:   text lives in the arena.
 * Errors: TBK_E_CONFIG, never with a value: the file (dotenv.h), a driver that is not mysql, an
 *         address that is not of the form above, a variable that is missing.
 */
bool tbk_mysql_login_read(tbk_arena *arena, const tbk_dotenv *file, tbk_mysql_login *out,
                          tbk_error *err) TBK_MUST_CHECK;

#endif
