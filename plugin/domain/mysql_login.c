/* SPDX-License-Identifier: MIT */
/* How the tracker logs in to its MySQL: what its `.env` says at this moment. */
#include "domain/mysql_login.h"

#include "base/text.h"
#include "domain/address.h"
#include "domain/path.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DRIVER "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__DRIVER"
#define ADDRESS TBK_MYSQL_LOGIN_ADDRESS
#define SCHEME "mysql://"
#define ADDRESS_FORM "write mysql://user:password@host:port/database, with %XX for / ? # @ : and %"
#define DEFAULT_HOST "mysql" /* the service's name in the deployer's compose file */
#define DEFAULT_PORT 3306

/* What the file says, before it is put together; NULL = nothing. */
typedef struct variables {
    const char *driver, *address;
    const char *user, *password, *schema, *root_password;
} variables;

static bool read_variables(tbk_arena *arena, const tbk_dotenv *file, variables *out, tbk_error *err)
{
    const struct {
        const char *name;
        const char **value;
    } wanted[] = {
        {DRIVER, &out->driver},           {ADDRESS, &out->address},
        {"MYSQL_USER", &out->user},       {"MYSQL_PASSWORD", &out->password},
        {"MYSQL_DATABASE", &out->schema}, {"MYSQL_ROOT_PASSWORD", &out->root_password},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!tbk_dotenv_find(arena, file, wanted[i].name, wanted[i].value, err))
            return false;
    return true;
}

/* --- The address --- */

static bool fail_address(const tbk_dotenv *file, const char *what, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CONFIG, ADDRESS_FORM, "%.300s: " ADDRESS " %s", file->source, what);
}

static int hex_digit(char sign)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *found = sign != '\0' ? strchr(digits, sign) : NULL;
    int value = found != NULL ? (int)(found - digits) : -1;
    return value < 16 ? value : value - 6;
}

/* %XX becomes a byte; a '%' that is not followed by two digits stays. NULL when the outcome is not
 * text. */
static const char *decode_percent(tbk_arena *arena, const char *encoded, size_t length)
{
    tbk_auto_text text = {0};
    const char *end = encoded + length;
    for (const char *at = encoded; at < end; at++) {
        int high = *at == '%' ? hex_digit(at[1]) : -1;
        int low = high >= 0 ? hex_digit(at[2]) : -1;
        tbk_text_append_char(&text, low >= 0 ? (char)(high * 16 + low) : *at);
        at += low >= 0 ? 2 : 0;
    }
    const char *decoded = tbk_text_string(&text);
    if (strlen(decoded) != text.length || !tbk_text_is_utf8(decoded, text.length))
        return NULL;
    return tbk_arena_copy(arena, decoded);
}

/* user:password; the first ':' separates them. */
static bool read_user(tbk_arena *arena, const tbk_dotenv *file, const char *text, size_t length,
                      tbk_mysql_login *out, tbk_error *err)
{
    const char *colon = memchr(text, ':', length);
    size_t user_length = colon != NULL ? (size_t)(colon - text) : length;
    size_t password_from = colon != NULL ? user_length + 1 : length;
    out->user = decode_percent(arena, text, user_length);
    out->password = decode_percent(arena, text + password_from, length - password_from);
    if (out->user == NULL || out->password == NULL)
        return fail_address(file, "has a user or password that is not text in UTF-8", err);
    if (out->user[0] == '\0')
        return fail_address(file, "names no user", err);
    return true;
}

/* ":3306", ":" or "". */
static bool read_port(const tbk_dotenv *file, const char *text, size_t length, uint16_t *out,
                      tbk_error *err)
{
    size_t digits = length > 0 ? strspn(text + 1, "0123456789") : 0;
    *out = DEFAULT_PORT;
    if (length == 0 || (text[0] == ':' && length == 1))
        return true;
    unsigned long port = strtoul(text + 1, NULL, 10);
    if (text[0] != ':' || digits != length - 1 || digits > 5 || port < 1 || port > UINT16_MAX)
        return fail_address(file, "has a port that is not a number from 1 to 65535", err);
    *out = (uint16_t)port;
    return true;
}

/* host:port, or [IPv6]:port. */
static bool read_server(tbk_arena *arena, const tbk_dotenv *file, const char *text, size_t length,
                        tbk_mysql_login *out, tbk_error *err)
{
    bool has_brackets = text[0] == '[';
    const char *host = text + has_brackets;
    const char *end = memchr(host, has_brackets ? ']' : ':', (size_t)(text + length - host));
    size_t host_length = end != NULL ? (size_t)(end - host) : length;
    tbk_error reason; /* quotes the host, which is a part of the password when a sign is missing */
    if ((has_brackets && end == NULL) ||
        !tbk_address_check_host(tbk_arena_copy_bytes(arena, host, host_length), &reason))
        return fail_address(file, "has a host that is not a name or an IP address", err);
    out->host = tbk_arena_copy_bytes(arena, host, host_length);
    const char *port = host + host_length + has_brackets;
    return read_port(file, port, (size_t)(text + length - port), &out->port, err);
}

/* /schema, until '?' or '#'. */
static bool read_schema(tbk_arena *arena, const tbk_dotenv *file, const char *text,
                        tbk_mysql_login *out, tbk_error *err)
{
    size_t length = *text == '/' ? strcspn(text + 1, "/?#") : 0;
    if (length == 0 || text[1 + length] == '/')
        return fail_address(file, "does not end in /database", err);
    out->schema = decode_percent(arena, text + 1, length);
    if (out->schema == NULL)
        return fail_address(file, "has a database name that is not text in UTF-8", err);
    return true;
}

/* The tracker's URL parser drops line breaks and blanks at the ends: they are refused. */
static bool read_address(tbk_arena *arena, const tbk_dotenv *file, const char *address,
                         tbk_mysql_login *out, tbk_error *err)
{
    if (strncasecmp(address, SCHEME, strlen(SCHEME)) != 0)
        return fail_address(file, "does not begin with " SCHEME, err);
    if (tbk_path_has_control(address) || tbk_text_ends_with(address, " "))
        return fail_address(file, "has a line break or a blank that does not belong there", err);
    const char *authority = address + strlen(SCHEME);
    size_t length = strcspn(authority, "/?#");
    const char *at_sign = memrchr(authority, '@', length);
    if (at_sign == NULL)
        return fail_address(file, "names no user", err);
    const char *server = at_sign + 1;
    const char *path = authority + length;
    return read_user(arena, file, authority, (size_t)(at_sign - authority), out, err) &&
           read_server(arena, file, server, (size_t)(path - server), out, err) &&
           read_schema(arena, file, path, out, err);
}

/* --- The server's own variables --- */

static bool take_server_variables(const tbk_dotenv *file, const variables *read,
                                  tbk_mysql_login *out, tbk_error *err)
{
    const char *missing = read->user == NULL       ? "MYSQL_USER"
                          : read->password == NULL ? "MYSQL_PASSWORD"
                          : read->schema == NULL   ? "MYSQL_DATABASE"
                                                   : NULL;
    if (missing != NULL)
        return tbk_fail(err, TBK_E_CONFIG, ADDRESS_FORM,
                        "%.300s has neither " ADDRESS " nor %s, so there is no way to log in",
                        file->source, missing);
    out->host = DEFAULT_HOST;
    out->port = DEFAULT_PORT;
    out->user = read->user;
    out->password = read->password;
    out->schema = read->schema;
    return true;
}

static const char *describe_drift(tbk_arena *arena, const variables *read,
                                  const tbk_mysql_login *login)
{
    const struct {
        const char *name, *server, *tracker;
    } pairs[] = {
        {"MYSQL_USER", read->user, login->user},
        {"MYSQL_PASSWORD", read->password, login->password},
        {"MYSQL_DATABASE", read->schema, login->schema},
    };
    tbk_auto_text names = {0};
    size_t count = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].server != NULL && strcmp(pairs[i].server, pairs[i].tracker) != 0)
            tbk_text_format(&names, "%s%s", count++ > 0 ? ", " : "", pairs[i].name);
    if (count == 0)
        return NULL;
    return tbk_arena_format(arena,
                            "%s %s not what " ADDRESS " says: the server was made with the former, "
                            "the tracker logs in with the latter",
                            tbk_text_string(&names), count > 1 ? "are" : "is");
}

bool tbk_mysql_login_read(tbk_arena *arena, const tbk_dotenv *file, tbk_mysql_login *out,
                          tbk_error *err)
{
    variables read = {0};
    tbk_mysql_login login = {0};
    if (!read_variables(arena, file, &read, err))
        return false;
    if (read.driver != NULL && strcmp(read.driver, "mysql") != 0)
        return tbk_fail(err, TBK_E_CONFIG,
                        "the database was changed; run torrust-backup configure ENVIRONMENT again",
                        "%.300s: " DRIVER " is not mysql", file->source);
    if (read.address != NULL ? !read_address(arena, file, read.address, &login, err)
                             : !take_server_variables(file, &read, &login, err))
        return false;
    login.root_password = read.root_password;
    login.drift = describe_drift(arena, &read, &login);
    *out = login;
    return true;
}
