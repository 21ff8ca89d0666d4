/* SPDX-License-Identifier: MIT */
/* Keeps the statements that make views, triggers, routines and events until they are wanted. */
#include "database/mysql/mysql_objects.h"

#include "base/memory.h"
#include "database/mysql/mysql_schema.h"
#include "database/mysql/mysql_settings.h"

#include <mysqld_error.h>

#define TOTAL_BYTES_MAX (64u << 20)

/* --- the list --- */

tbk_mysql_objects *tbk_mysql_objects_new(void) { return tbk_memory_new(sizeof(tbk_mysql_objects)); }

void tbk_mysql_objects_free(tbk_mysql_objects *objects)
{
    if (objects == NULL)
        return;
    for (size_t i = 0; i < objects->count; i++)
        tbk_mysql_statement_end(&objects->list[i]);
    free(objects->list);
    free(objects);
}

static void make_space(tbk_mysql_objects *objects)
{
    if (objects->count < objects->capacity)
        return;
    objects->capacity = 2 * objects->capacity + 16;
    objects->list = realloc(objects->list, objects->capacity * sizeof *objects->list);
    tbk_memory_must(objects->list != NULL);
}

bool tbk_mysql_objects_add(tbk_mysql_objects *objects, tbk_mysql_statement *statement,
                           tbk_error *err)
{
    objects->total_bytes += statement->length + sizeof *statement;
    if (objects->total_bytes > TOTAL_BYTES_MAX)
        return tbk_fail(err, TBK_E_CORRUPT, "use another backup set",
                        "line %llu of the dump: its views, triggers, routines and events have more "
                        "than %u MiB",
                        (unsigned long long)statement->line, TOTAL_BYTES_MAX >> 20);
    make_space(objects);
    objects->list[objects->count++] = *statement;
    *statement = (tbk_mysql_statement){0};
    return true;
}

/* --- making --- */

bool tbk_mysql_objects_run(MYSQL *session, const tbk_mysql_objects *objects, bool with_events,
                           const tbk_report *report, tbk_error *err)
{
    /* Dumps of earlier versions have fewer of them. */
    if (!tbk_mysql_settings_apply(session, tbk_mysql_load_settings, err))
        return false;
    for (size_t i = 0; i < objects->count; i++) {
        const tbk_mysql_statement *statement = &objects->list[i];
        if (statement->section == TBK_MYSQL_EVENTS && !with_events)
            continue;
        if (!tbk_report_go_on(report, err) || !tbk_mysql_run(session, statement, err) ||
            !tbk_mysql_run_report(session, statement, ER_NO_SUCH_USER, "fails when it is used",
                                  report, err))
            return false;
    }
    return true;
}

bool tbk_mysql_objects_make(const tbk_mysql_server *server, const tbk_mysql_objects *objects,
                            bool with_events, const tbk_report *report, tbk_error *err)
{
    tbk_auto(MYSQL) *session = NULL;
    return tbk_mysql_connect(server, &session, err) &&
           tbk_mysql_objects_run(session, objects, with_events, report, err);
}

/* --- dropping --- */

/* Each row of the query is a kind and a name. */
static bool drop_each(MYSQL *session, const char *sql, tbk_error *err)
{
    enum { KIND, NAME };
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(MYSQL_RES) *result = NULL;
    MYSQL_ROW row;
    if (!tbk_mysql_query(session, sql, &result, err))
        return false;
    while ((row = mysql_fetch_row(result)) != NULL)
        if (!tbk_mysql_exec(
                session,
                tbk_arena_format(arena, "DROP %s %s", row[KIND], tbk_mysql_name(arena, row[NAME])),
                err))
            return false;
    return true;
}

bool tbk_mysql_objects_drop(MYSQL *session, tbk_error *err)
{
    static const char *const lists[] = {
        "SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()",
        "SELECT 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS "
        "WHERE TRIGGER_SCHEMA = DATABASE()",
        "SELECT 'VIEW', TABLE_NAME FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE LIKE '%VIEW'",
        "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES "
        "WHERE ROUTINE_SCHEMA = DATABASE()",
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!drop_each(session, lists[i], err))
            return false;
    return true;
}

/* --- of a schema that is in use --- */

/* Text as a source of a dump. */
typedef struct text_source {
    const tbk_text *parts[2];
    size_t part, position;
} text_source;

static bool read_text(void *self, void *buffer, size_t size_bytes, size_t *out_got, tbk_error *err)
{
    text_source *from = self;
    (void)err;
    *out_got = 0;
    while (from->part < 2 && *out_got == 0) {
        const tbk_text *text = from->parts[from->part];
        size_t left = text->length - from->position;
        *out_got = left < size_bytes ? left : size_bytes;
        if (*out_got > 0)
            memcpy(buffer, text->bytes + from->position, *out_got);
        from->position += *out_got;
        if (*out_got == 0) {
            from->part++;
            from->position = 0;
        }
    }
    return true;
}

static bool is_of_tables(tbk_mysql_section section)
{
    return section == TBK_MYSQL_TABLES || section == TBK_MYSQL_DATA || section == TBK_MYSQL_INDEXES;
}

static bool collect(const tbk_mysql_schema *schema, tbk_mysql_objects *out, tbk_error *err)
{
    text_source text = {.parts = {&schema->before, &schema->after}};
    const tbk_source source = {.self = &text, .read = read_text};
    tbk_auto(tbk_mysql_stream) *stream = tbk_mysql_stream_new(&source);
    tbk_auto_statement statement = {0};
    do {
        if (!tbk_mysql_stream_next(stream, &statement, err))
            return false;
        if (statement.section == TBK_MYSQL_END)
            return true;
        if (!is_of_tables(statement.section) && !tbk_mysql_objects_add(out, &statement, err))
            return false;
    } while (true);
}

bool tbk_mysql_objects_read(tbk_arena *arena, const tbk_mysql_server *root, tbk_mysql_objects *out,
                            tbk_error *err)
{
    tbk_auto(MYSQL) *session = NULL;
    tbk_mysql_schema schema = {0};
    bool ok = tbk_mysql_connect(root, &session, err) &&
              tbk_mysql_schema_read(arena, session, root, &schema, err) &&
              collect(&schema, out, err);
    tbk_mysql_schema_end(&schema);
    return ok;
}
