/* SPDX-License-Identifier: MIT */
/*
 * Reads views, triggers, routines and events.
 *
 * Each was made under some sql_mode, character set of the client and collation, which decide how
 * its text is understood, so they are set before it is made again. Its text comes as UTF-8: where
 * it has characters beyond ASCII, the client's character set has to be that.
 */
#include "database/mysql/mysql_programs.h"

#include "database/mysql/mysql_create.h"

#include <mysqld_error.h>
#include <strings.h>

typedef struct reading {
    tbk_arena *arena;
    MYSQL *control;
    const tbk_mysql_server *root_server; /* NULL: there is none */
    MYSQL *root;                         /* NULL: not asked yet */
    tbk_mysql_schema *schema;
    bool is_changed; /* the session's settings are those of the last statement */
} reading;

/* What a program was made under; NULL where it has none. */
typedef struct made_under {
    const char *sql_mode, *time_zone, *charset, *collation, *database_collation;
} made_under;

/* --- the settings around a statement --- */

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

static const char *client_charset(const char *charset, const char *statement)
{
    return is_ascii(statement) || tbk_text_starts_with(charset, "utf8") ? charset : "utf8mb4";
}

static void set_collation(reading *self, const char *collation)
{
    tbk_mysql_section_add(self->schema, &self->schema->after,
                          tbk_arena_format(self->arena, "ALTER DATABASE COLLATE %s", collation),
                          NULL);
}

static void set(reading *self, const char *variable, const char *literal)
{
    tbk_mysql_section_add(self->schema, &self->schema->after,
                          tbk_arena_format(self->arena, "SET %s = %s", variable, literal), NULL);
}

/* Without the ';' that MySQL keeps at the end of what was sent among other statements: it is not
 * there any more when the program is made again. */
static const char *without_end(tbk_arena *arena, const char *statement)
{
    size_t length = strlen(statement);
    while (length > 0 && strchr("; \t\r\n", statement[length - 1]) != NULL)
        length--;
    return tbk_arena_copy_bytes(arena, statement, length);
}

static void add_statement(reading *self, const made_under *under, const char *text)
{
    const char *statement = without_end(self->arena, text);
    const bool other_collation = under->database_collation != NULL &&
                                 strcmp(under->database_collation, self->schema->collation) != 0;
    /* A number for none: under some modes '' is NULL. */
    if (under->sql_mode != NULL)
        set(self, "sql_mode",
            under->sql_mode[0] != '\0' ? tbk_mysql_literal(self->arena, under->sql_mode, false)
                                       : "0");
    if (under->time_zone != NULL)
        set(self, "time_zone", tbk_mysql_literal(self->arena, under->time_zone, false));
    set(self, "character_set_client", client_charset(under->charset, statement));
    set(self, "collation_connection", under->collation);
    if (other_collation)
        set_collation(self, under->database_collation);
    tbk_mysql_section_add(self->schema, &self->schema->after, statement, NULL);
    if (other_collation)
        set_collation(self, self->schema->collation);
    self->is_changed = true;
}

/* As the section settings has it, for what comes next. */
static void reset(reading *self)
{
    if (self->is_changed)
        tbk_text_append(&self->schema->after, TBK_MYSQL_LEXICAL_SETTINGS);
    self->is_changed = false;
}

/* --- asking --- */

static const char *copy(reading *self, MYSQL_ROW row, unsigned column)
{
    return row[column] != NULL ? tbk_arena_copy(self->arena, row[column]) : NULL;
}

static bool ask_root(reading *self, const char *sql, MYSQL_RES **out, tbk_error *err)
{
    if (self->root == NULL) {
        tbk_mysql_server server = *self->root_server;
        server.schema = self->schema->name;
        if (!tbk_mysql_connect(&server, &self->root, err))
            return false;
    }
    return tbk_mysql_query(self->root, sql, out, err);
}

/* The row of SHOW CREATE; its text column may be NULL where neither may see it. */
static bool show(reading *self, const char *what, const char *name, unsigned text_column,
                 MYSQL_RES **out, tbk_error *err)
{
    const char *sql =
        tbk_arena_format(self->arena, "SHOW CREATE %s %s", what, tbk_mysql_name(self->arena, name));
    if (!tbk_mysql_query(self->control, sql, out, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(*out);
    if (row != NULL && row[text_column] == NULL && self->root_server != NULL) {
        mysql_free_result(*out);
        *out = NULL;
        if (!ask_root(self, sql, out, err))
            return tbk_error_context(err, "reading as root what the tracker's user may not see");
    }
    mysql_data_seek(*out, 0);
    return true;
}

static bool fail_gone(const char *what, const char *name, tbk_error *err)
{
    return tbk_fail(err, TBK_E_BUSY, "try again", "the %s '%s' is gone", what, name);
}

typedef bool (*each_name)(reading *self, const char *name, const char *kind, tbk_error *err);

/* Calls it for each row of a query for a name and a kind. */
/* A name, which is never NULL. */
static const char *name_in(reading *self, MYSQL_ROW row, unsigned column)
{
    return tbk_arena_copy(self->arena, row[column] != NULL ? row[column] : "");
}

static bool for_each(reading *self, const char *sql, each_name call, int64_t *count, tbk_error *err)
{
    tbk_auto(MYSQL_RES) *names = NULL;
    MYSQL_ROW row;
    if (!tbk_mysql_query(self->control, sql, &names, err))
        return false;
    *count = (int64_t)mysql_num_rows(names);
    while ((row = mysql_fetch_row(names)) != NULL)
        if (!call(self, name_in(self, row, 0), name_in(self, row, 1), err))
            return false;
    return true;
}

/* --- routines and events: SHOW CREATE has all --- */

static bool write_routine(reading *self, const char *name, const char *kind, tbk_error *err)
{
    enum { NAME, SQL_MODE, TEXT, CHARSET, COLLATION, DATABASE_COLLATION };
    tbk_auto(MYSQL_RES) *result = NULL;
    if (!show(self, kind, name, TEXT, &result, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL)
        return fail_gone("routine", name, err);
    if (row[TEXT] == NULL) {
        tbk_mysql_schema_miss(self->schema, "the %s '%s', whose text only root may read",
                              strcasecmp(kind, "FUNCTION") == 0 ? "function" : "procedure", name);
        return true;
    }
    made_under under = {copy(self, row, SQL_MODE), NULL, copy(self, row, CHARSET),
                        copy(self, row, COLLATION), copy(self, row, DATABASE_COLLATION)};
    add_statement(self, &under, row[TEXT]);
    return true;
}

static bool write_event(reading *self, const char *name, const char *kind, tbk_error *err)
{
    enum { NAME, SQL_MODE, TIME_ZONE, TEXT, CHARSET, COLLATION, DATABASE_COLLATION };
    tbk_auto(MYSQL_RES) *result = NULL;
    if (!show(self, kind, name, TEXT, &result, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL || row[TEXT] == NULL)
        return fail_gone("event", name, err);
    made_under under = {copy(self, row, SQL_MODE), copy(self, row, TIME_ZONE),
                        copy(self, row, CHARSET), copy(self, row, COLLATION),
                        copy(self, row, DATABASE_COLLATION)};
    add_statement(self, &under, row[TEXT]);
    return true;
}

/* --- triggers: their statement may name the schema, so its head is written anew --- */

/* The position after the word at text, in any case, and its white space; NULL where
 * another word stands there. */
static const char *behind_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    if (text == NULL || strncasecmp(text, word, length) != 0)
        return NULL;
    return text + length + strspn(text + length, " \t\r\n");
}

/* The position after quotes, a comment or a single character. */
static const char *behind_token(const char *text)
{
    if (strchr("'\"`", *text) != NULL)
        return tbk_mysql_behind_quotes(text);
    const char *end = strncmp(text, "/*", 2) == 0 ? strstr(text + 2, "*/") : text;
    return end != NULL ? end + 1 : NULL;
}

/* The position after FOR EACH ROW, where the trigger's body begins. */
static const char *body_of(const char *statement)
{
    const char *body = NULL;
    for (const char *at = statement; body == NULL && at != NULL && *at != '\0';
         at = behind_token(at))
        body = behind_word(behind_word(behind_word(at, "FOR"), "EACH"), "ROW");
    return body;
}

/* "user@host" with both quoted. */
static const char *definer_of(reading *self, const char *definer)
{
    const char *at = strrchr(definer, '@');
    if (at == NULL)
        return tbk_mysql_name(self->arena, definer);
    char *user = tbk_arena_copy_bytes(self->arena, definer, (size_t)(at - definer));
    return tbk_arena_format(self->arena, "%s@%s", tbk_mysql_name(self->arena, user),
                            tbk_mysql_name(self->arena, at + 1));
}

static bool write_trigger_row(reading *self, MYSQL_ROW head, tbk_error *err)
{
    enum { SQL_MODE = 1, TEXT, CHARSET, COLLATION, DATABASE_COLLATION };
    enum { NAME, DEFINER, TIMING, EVENT, TABLE };
    tbk_auto(MYSQL_RES) *result = NULL;
    if (!show(self, "TRIGGER", head[NAME], TEXT, &result, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    const char *body = row != NULL && row[TEXT] != NULL ? body_of(row[TEXT]) : NULL;
    if (body == NULL)
        return fail_gone("trigger", head[NAME], err);
    made_under under = {copy(self, row, SQL_MODE), NULL, copy(self, row, CHARSET),
                        copy(self, row, COLLATION), copy(self, row, DATABASE_COLLATION)};
    const char *statement =
        tbk_arena_format(self->arena, "CREATE DEFINER=%s TRIGGER %s %s %s ON %s FOR EACH ROW %s",
                         definer_of(self, head[DEFINER]), tbk_mysql_name(self->arena, head[NAME]),
                         head[TIMING], head[EVENT], tbk_mysql_name(self->arena, head[TABLE]), body);
    add_statement(self, &under, statement);
    return true;
}

static bool write_triggers(reading *self, tbk_error *err)
{
    tbk_auto(MYSQL_RES) *heads = NULL;
    MYSQL_ROW head;
    if (!tbk_mysql_query(
            self->control,
            "SELECT TRIGGER_NAME, DEFINER, ACTION_TIMING, EVENT_MANIPULATION, EVENT_OBJECT_TABLE "
            "FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() "
            "ORDER BY CAST(EVENT_OBJECT_TABLE AS BINARY), ACTION_TIMING, EVENT_MANIPULATION, "
            "ACTION_ORDER",
            &heads, err))
        return false;
    self->schema->triggers = (int64_t)mysql_num_rows(heads);
    while ((head = mysql_fetch_row(heads)) != NULL)
        if (!write_trigger_row(self, head, err))
            return false;
    return true;
}

/* --- views --- */

/* Stand-ins for views that are not there yet, so that each can refer to any other. */
static void write_stand_ins(reading *self)
{
    for (size_t i = 0; i < self->schema->view_count; i++) {
        const tbk_mysql_view *view = &self->schema->views[i];
        if (view->stand_in[0] != '\0')
            tbk_mysql_section_add(self->schema, &self->schema->after,
                                  tbk_arena_format(self->arena, "CREATE OR REPLACE VIEW %s AS %s",
                                                   tbk_mysql_name(self->arena, view->name),
                                                   view->stand_in),
                                  NULL);
    }
}

static bool write_view(reading *self, const tbk_mysql_view *view, tbk_error *err)
{
    enum { NAME, TEXT, CHARSET, COLLATION };
    tbk_auto(MYSQL_RES) *result = NULL;
    if (!show(self, "VIEW", view->name, TEXT, &result, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL || !tbk_text_starts_with(row[TEXT], "CREATE "))
        return fail_gone("view", view->name, err);
    made_under under = {.charset = copy(self, row, CHARSET),
                        .collation = copy(self, row, COLLATION)};
    add_statement(
        self, &under,
        tbk_arena_format(self->arena, "CREATE OR REPLACE %s", row[TEXT] + strlen("CREATE ")));
    return true;
}

static bool write_views(reading *self, tbk_error *err)
{
    write_stand_ins(self);
    for (size_t i = 0; i < self->schema->view_count; i++)
        if (!write_view(self, &self->schema->views[i], err))
            return false;
    return true;
}

/* --- all --- */

static bool read_all(reading *self, tbk_error *err)
{
    tbk_mysql_schema *schema = self->schema;
    tbk_mysql_section_begin(&schema->after, TBK_MYSQL_ROUTINES);
    if (!for_each(self,
                  "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES "
                  "WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY ROUTINE_TYPE, "
                  "CAST(ROUTINE_NAME AS BINARY)",
                  write_routine, &schema->routines, err))
        return tbk_error_context(err, "reading the routines");
    reset(self);
    tbk_mysql_section_begin(&schema->after, TBK_MYSQL_VIEWS);
    if (!write_views(self, err))
        return tbk_error_context(err, "reading the views");
    reset(self);
    tbk_mysql_section_begin(&schema->after, TBK_MYSQL_TRIGGERS);
    if (!write_triggers(self, err))
        return tbk_error_context(err, "reading the triggers");
    reset(self);
    tbk_mysql_section_begin(&schema->after, TBK_MYSQL_EVENTS);
    if (!for_each(self,
                  "SELECT EVENT_NAME, 'EVENT' FROM information_schema.EVENTS "
                  "WHERE EVENT_SCHEMA = DATABASE() ORDER BY CAST(EVENT_NAME AS BINARY)",
                  write_event, &schema->events, err))
        return tbk_error_context(err, "reading the events");
    reset(self);
    return true;
}

bool tbk_mysql_programs_read(tbk_arena *arena, MYSQL *control, const tbk_mysql_server *root,
                             tbk_mysql_schema *schema, tbk_error *err)
{
    reading self = {.arena = arena, .control = control, .root_server = root, .schema = schema};
    bool ok = read_all(&self, err);
    if (self.root != NULL)
        mysql_close(self.root);
    return ok;
}
