/* SPDX-License-Identifier: MIT */
/* Makes and drops schemas of ours, and no others: a name that is not of our form is refused. */
#include "database/mysql/mysql_scratch.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"

#include <ctype.h>
#include <mysqld_error.h>
#include <strings.h>

#define RESTORE_SUFFIX "_torrust_restore"
#define PREVIOUS_SUFFIX "_torrust_before_"
#define KEPT_TIME_FORM "00000000_000000" /* a zero for any digit */

enum {
    NAME_CHARACTERS_MAX = 64,
    DIGEST_CHARACTERS = 8,
    /* So that both names of a schema begin in the same way. */
    PREFIX_CHARACTERS_MAX =
        NAME_CHARACTERS_MAX - (int)sizeof PREVIOUS_SUFFIX - (int)sizeof KEPT_TIME_FORM + 2
};

/* --- names --- */

/* The bytes of so many characters, or of all where there are fewer; *out_all tells which. */
static size_t bytes_of(const char *text, unsigned characters, bool *out_all)
{
    size_t at = 0;
    const size_t length = strlen(text);
    for (; at < length && characters > 0; characters--) {
        size_t step = tbk_text_utf8_step(text + at, length - at);
        at += step > 0 ? step : 1;
    }
    *out_all = at == length;
    return at;
}

/* The schema's name; of a long one its beginning, and what tells it from others that begin so. */
static const char *prefix_of(tbk_arena *arena, const char *schema)
{
    bool is_all;
    tbk_digest digest;
    (void)bytes_of(schema, PREFIX_CHARACTERS_MAX, &is_all);
    if (is_all)
        return schema;
    tbk_digest_of(schema, strlen(schema), &digest);
    size_t kept = bytes_of(schema, PREFIX_CHARACTERS_MAX - DIGEST_CHARACTERS - 1, &is_all);
    return tbk_arena_format(arena, "%.*s_%.*s", (int)kept, schema, DIGEST_CHARACTERS, digest.hex);
}

const char *tbk_mysql_scratch_name(tbk_arena *arena, const char *schema)
{
    return tbk_arena_format(arena, "%s" RESTORE_SUFFIX, prefix_of(arena, schema));
}

const char *tbk_mysql_previous_name(tbk_arena *arena, const char *schema, int64_t now_s)
{
    char time[TBK_CLOCK_TEXT_SIZE]; /* "20260216T175643Z": a server may not keep the case */
    tbk_clock_format_compact(now_s, time);
    return tbk_arena_format(arena, "%s" PREVIOUS_SUFFIX "%.8s_%.6s", prefix_of(arena, schema), time,
                            time + strlen("20260216T"));
}

static bool has_form(const char *text, const char *form)
{
    for (; *form != '\0'; form++, text++)
        if (*form == '0' ? !isdigit((unsigned char)*text) : *text != *form)
            return false;
    return *text == '\0';
}

bool tbk_mysql_is_previous_name(const char *schema, const char *name)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *prefix = tbk_arena_format(arena, "%s" PREVIOUS_SUFFIX, prefix_of(arena, schema));
    const size_t length = strlen(prefix);
    return strncasecmp(name, prefix, length) == 0 && has_form(name + length, KEPT_TIME_FORM);
}

bool tbk_mysql_check_ours(const char *schema, const char *name, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    return strcmp(name, tbk_mysql_scratch_name(arena, schema)) == 0 ||
           tbk_mysql_is_previous_name(schema, name) ||
           tbk_fail(err, TBK_E_CONFIG, NULL,
                    "'%s' is no name for a schema of Torrust Backup's beside '%s'", name, schema);
}

/* --- asking as root --- */

bool tbk_mysql_connect_root(const tbk_mysql_server *root, MYSQL **out, tbk_error *err)
{
    tbk_mysql_server server = *root;
    server.schema = NULL;
    if (tbk_mysql_connect(&server, out, err))
        return true;
    if (err->code == TBK_E_CONFIG)
        (void)snprintf(err->fix, sizeof err->fix, "%s",
                       "make MYSQL_ROOT_PASSWORD in the tracker's .env the password that root has "
                       "in the database (the container sets it only once, when it makes the "
                       "database), or let root log in from the network");
    return tbk_error_context(err, "a restore into the database needs root's privileges");
}

bool tbk_mysql_schema_collation(tbk_arena *arena, MYSQL *session, const char *schema,
                                const char **out, tbk_error *err)
{
    const char *sql = tbk_arena_format(
        arena,
        "SELECT CONCAT(' CHARACTER SET ', DEFAULT_CHARACTER_SET_NAME, ' COLLATE ', "
        "DEFAULT_COLLATION_NAME "
        "/*!80016 , ' ENCRYPTION ', IF(DEFAULT_ENCRYPTION = 'YES', '''Y''', '''N''') */) "
        "FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s",
        tbk_mysql_literal(arena, schema, false));
    if (!tbk_mysql_text(arena, session, sql, 0, out, err))
        return false;
    if (*out == NULL)
        *out = "";
    return true;
}

/* --- making and dropping --- */

/* Of killed runs: the server may still be building an index for them. No other program uses this
 * schema. */
static bool end_sessions_in(tbk_arena *arena, MYSQL *session, const char *name, tbk_error *err)
{
    tbk_auto(MYSQL_RES) *result = NULL;
    MYSQL_ROW row;
    if (!tbk_mysql_query(session,
                         tbk_arena_format(arena,
                                          "SELECT ID FROM information_schema.PROCESSLIST "
                                          "WHERE DB = %s AND ID <> CONNECTION_ID()",
                                          tbk_mysql_literal(arena, name, false)),
                         &result, err))
        return false;
    while ((row = mysql_fetch_row(result)) != NULL)
        (void)mysql_query(session, tbk_arena_format(arena, "KILL %s", row[0]));
    return true;
}

static bool drop(tbk_arena *arena, MYSQL *session, const char *name, tbk_error *err)
{
    const char *sql =
        tbk_arena_format(arena, "DROP DATABASE IF EXISTS %s", tbk_mysql_name(arena, name));
    /* Its tables may refer to each other. */
    return end_sessions_in(arena, session, name, err) &&
           tbk_mysql_exec(session, "SET SESSION foreign_key_checks = 0", err) &&
           tbk_mysql_exec(session, sql, err);
}

bool tbk_mysql_scratch_drop(const tbk_mysql_server *root, const char *name, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(MYSQL) *session = NULL;
    if (!tbk_mysql_check_ours(root->schema, name, err) ||
        !tbk_mysql_connect_root(root, &session, err))
        return false;
    return drop(arena, session, name, err) ||
           tbk_error_context(err, "dropping the schema '%s'", name);
}

bool tbk_mysql_scratch_make(const tbk_mysql_server *root, const char *name, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(MYSQL) *session = NULL;
    const char *collation;
    if (!tbk_mysql_check_ours(root->schema, name, err) ||
        !tbk_mysql_connect_root(root, &session, err))
        return false;
    if (!drop(arena, session, name, err) ||
        !tbk_mysql_schema_collation(arena, session, root->schema, &collation, err) ||
        !tbk_mysql_exec(
            session,
            tbk_arena_format(arena, "CREATE DATABASE %s%s", tbk_mysql_name(arena, name), collation),
            err))
        return tbk_error_context(err, "making the schema '%s'", name);
    return true;
}
