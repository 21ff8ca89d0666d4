/* SPDX-License-Identifier: MIT */
/*
 * Loads a dump: tables one by one, their rows in several sessions, then the indexes of different
 * tables at the same time.
 *
 * The caller's thread reads the stream and hands statements over; each session sends, and waits for
 * the server, on its own thread. So decompressing, sending and the server's work overlap, and
 * memory is bounded by a few statements a session.
 */
#include "database/mysql/mysql_objects.h"
#include "database/mysql/mysql_settings.h"
#include "database/mysql/mysql_workers.h"

#include <mysqld_error.h>

#define ROWS_LIMIT_S 600           /* for a MiB of rows */
#define INDEXES_LIMIT_S (6 * 3600) /* for one table: the server reads and sorts all of it */
#define SETTINGS_MAX 32

typedef struct loading {
    const tbk_mysql_server *server;
    const tbk_source *source;
    const tbk_report *report;
    MYSQL *control; /* makes the tables */
    tbk_mysql_stream *stream;
    tbk_mysql_workers_request workers_request;
    tbk_mysql_workers *workers; /* for what is going on: rows or indexes; NULL: neither */
    tbk_mysql_section workers_section;
    tbk_mysql_objects *objects; /* the first are the settings */
} loading;

/* --- the workers --- */

static bool end_workers(loading *self, tbk_error *err)
{
    if (self->workers == NULL)
        return true;
    if (!tbk_mysql_workers_wait(self->workers, err))
        return false;
    tbk_mysql_workers_free(self->workers);
    self->workers = NULL;
    return true;
}

/* Indexes only when all rows are there, and in sessions that may wait longer. */
static bool have_workers_for(loading *self, tbk_mysql_section section, tbk_error *err)
{
    if (self->workers != NULL && self->workers_section == section)
        return true;
    if (!end_workers(self, err))
        return false;
    self->workers_section = section;
    self->workers_request.settings = self->objects->list;
    self->workers_request.setting_count = self->objects->count;
    self->workers_request.statement_limit_s =
        section == TBK_MYSQL_INDEXES ? INDEXES_LIMIT_S : ROWS_LIMIT_S;
    return tbk_mysql_workers_open(&self->workers_request, &self->workers, err);
}

/* --- statements, by section --- */

static bool take_setting(loading *self, tbk_mysql_statement *statement, tbk_error *err)
{
    if (self->objects->count == SETTINGS_MAX)
        return tbk_fail(err, TBK_E_CORRUPT, "use another backup set",
                        "line %llu of the dump: it has too many settings",
                        (unsigned long long)statement->line);
    return tbk_mysql_run(self->control, statement, err) &&
           tbk_mysql_objects_add(self->objects, statement, err);
}

/* An engine that the server does not have, or may not use, is another one then. */
static bool take_table(loading *self, tbk_mysql_statement *statement, tbk_error *err)
{
    return tbk_mysql_run(self->control, statement, err) &&
           tbk_mysql_run_report(self->control, statement, ER_WARN_USING_OTHER_HANDLER,
                                "has all its rows in another storage engine", self->report, err);
}

static bool take_rows(loading *self, tbk_mysql_statement *statement, tbk_error *err)
{
    return have_workers_for(self, TBK_MYSQL_DATA, err) &&
           tbk_mysql_workers_put(self->workers, statement, err);
}

/* A foreign key needs the other table, with its keys, to itself: all other statements are done
 * before and after it. */
static bool take_index(loading *self, tbk_mysql_statement *statement, tbk_error *err)
{
    if (!have_workers_for(self, TBK_MYSQL_INDEXES, err))
        return false;
    if (strstr(statement->bytes, "FOREIGN KEY") == NULL)
        return tbk_mysql_workers_put(self->workers, statement, err);
    return tbk_mysql_workers_wait(self->workers, err) &&
           tbk_mysql_workers_put(self->workers, statement, err) &&
           tbk_mysql_workers_wait(self->workers, err);
}

static bool take(loading *self, tbk_mysql_statement *statement, tbk_error *err)
{
    switch (statement->section) {
    case TBK_MYSQL_SETTINGS:
        return take_setting(self, statement, err);
    case TBK_MYSQL_TABLES:
        return take_table(self, statement, err);
    case TBK_MYSQL_DATA:
        return take_rows(self, statement, err);
    case TBK_MYSQL_INDEXES:
        return take_index(self, statement, err);
    case TBK_MYSQL_ROUTINES:
    case TBK_MYSQL_VIEWS:
    case TBK_MYSQL_TRIGGERS:
    case TBK_MYSQL_EVENTS:
        return tbk_mysql_objects_add(self->objects, statement, err);
    case TBK_MYSQL_END:
        break;
    }
    return end_workers(self, err);
}

/* --- all of it --- */

/* So that a wrong name cannot mix a dump into a database in use. */
static bool check_empty(MYSQL *control, const char *schema, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *table = NULL;
    if (!tbk_mysql_text(arena, control,
                        "SELECT TABLE_NAME FROM information_schema.TABLES "
                        "WHERE TABLE_SCHEMA = DATABASE() LIMIT 1",
                        0, &table, err))
        return false;
    return table == NULL ||
           tbk_fail(err, TBK_E_CONFIG, NULL,
                    "the schema '%s' to be loaded into is not empty: it has '%s'", schema, table);
}

static bool open_control(loading *self, tbk_error *err)
{
    return tbk_mysql_connect(self->server, &self->control, err) &&
           tbk_mysql_settings_apply(self->control, tbk_mysql_load_settings, err) &&
           check_empty(self->control, self->server->schema, err) &&
           tbk_mysql_run_check(self->control, err);
}

static bool take_all(loading *self, tbk_error *err)
{
    tbk_auto_statement statement = {0};
    do {
        if (!tbk_report_go_on(self->report, err) ||
            !tbk_mysql_stream_next(self->stream, &statement, err))
            return false;
        tbk_mysql_section section = statement.section;
        if (!take(self, &statement, err))
            return false;
        statement.section = section; /* what was handed over has left another one here */
        tbk_report_progress(self->report, "load", tbk_mysql_stream_position(self->stream),
                            self->source->total_bytes);
    } while (statement.section != TBK_MYSQL_END);
    return true;
}

static void end_loading(loading *self)
{
    tbk_mysql_workers_free(self->workers);
    if (self->control != NULL)
        mysql_close(self->control);
    tbk_mysql_stream_free(self->stream);
    tbk_mysql_objects_free(self->objects);
}

bool tbk_mysql_load(const tbk_mysql_server *server, unsigned sessions, const tbk_source *source,
                    const tbk_report *report, tbk_mysql_objects **out_objects, tbk_error *err)
{
    __attribute__((cleanup(end_loading))) loading self = {
        .server = server,
        .source = source,
        .report = report,
        .stream = tbk_mysql_stream_new(source),
        .objects = tbk_mysql_objects_new(),
    };
    self.workers_request = (tbk_mysql_workers_request){
        .server = server,
        .sessions = sessions < 1                    ? 1
                    : sessions > TBK_MYSQL_CREW_MAX ? TBK_MYSQL_CREW_MAX
                                                    : sessions,
        .report = report,
    };
    if (!open_control(&self, err) || !take_all(&self, err))
        return false;
    *out_objects = self.objects;
    self.objects = NULL;
    return true;
}
