/* SPDX-License-Identifier: MIT */
/* Proof of a restored database: integrity, header, schema, the rows of every table. */
#include "base/text.h"
#include "database/sqlite/sqlite_internal.h"

#define FINDINGS_SHOWN 3

/* A larger cache saved nothing where the kernel caches the file; mmap saves a third of the time,
 * but counts as memory that grows with the database. */
static const char *const SETTINGS = "PRAGMA cell_size_check=ON; PRAGMA cache_size=-8192; "
                                    "PRAGMA query_only=ON;";

/* --- integrity --- */

static bool integrity_run(void *context, sqlite3 *db, tbk_error *err)
{
    (void)context;
    tbk_auto(sqlite3_stmt) *statement = NULL;
    tbk_auto_text findings = {0};
    int shown = 0;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return tbk_sqlite_fail(db, rc, err, "integrity_check failed");
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(statement, 0);
        if (line == NULL || strcmp(line, "ok") == 0)
            continue;
        if (shown++ < FINDINGS_SHOWN)
            tbk_text_format(&findings, "%s%s", shown > 1 ? "; " : "", line);
    }
    if (rc != SQLITE_DONE)
        return tbk_sqlite_fail(db, rc, err, "integrity_check failed");
    /* A page that could not be read is reported as damage. */
    if (tbk_sqlite_was_stopped(db, err))
        return tbk_error_context(err, "integrity_check could not read all");
    if (shown > 0)
        return tbk_fail(err, TBK_E_CORRUPT,
                        "restore an older set; 'sqlite3 FILE .recover' may save rows of this one",
                        "integrity_check found damage: %s%s", tbk_text_string(&findings),
                        shown > FINDINGS_SHOWN ? "; and more" : "");
    return true;
}

/* --- rows --- */

typedef struct counting {
    tbk_arena *arena;
    const tbk_report *report;
    int64_t limit_ms;
    tbk_table_rows *tables;
    size_t count, capacity;
} counting;

static void counting_add(counting *into, const char *table, int64_t rows)
{
    if (into->count == into->capacity) {
        size_t capacity = into->capacity == 0 ? 16 : into->capacity * 2;
        tbk_table_rows *grown = tbk_arena_alloc(into->arena, capacity * sizeof *grown);
        if (into->count > 0)
            memcpy(grown, into->tables, into->count * sizeof *grown);
        into->tables = grown;
        into->capacity = capacity;
    }
    into->tables[into->count++] =
        (tbk_table_rows){.table = tbk_arena_copy(into->arena, table), .rows = rows};
}

typedef struct table_task {
    const char *table;
    int64_t rows;
} table_task;

/* A name may hold any character: SQLite itself quotes it (%w doubles the quotes in it). */
static bool table_run(void *context, sqlite3 *db, tbk_error *err)
{
    table_task *self = context;
    char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\"", self->table);
    if (sql == NULL)
        return tbk_fail(err, TBK_E_FAILED, "free some memory", "no memory");
    bool ok = tbk_sqlite_integer(db, sql, &self->rows, err);
    sqlite3_free(sql);
    return ok;
}

/* Ordinary tables, those WITHOUT ROWID, and the shadow tables of virtual ones. Virtual tables are
 * left out: their module need not be there. */
static bool count_rows(sqlite3 *db, counting *into, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *list = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT name, rootpage = 0 FROM sqlite_schema WHERE type = 'table' "
                                "ORDER BY name",
                                -1, &list, NULL);
    if (rc != SQLITE_OK)
        return tbk_sqlite_fail(db, rc, err, "cannot list the tables");
    while ((rc = sqlite3_step(list)) == SQLITE_ROW) {
        table_task work = {.table = (const char *)sqlite3_column_text(list, 0)};
        if (work.table == NULL)
            continue;
        if (sqlite3_column_int(list, 1) != 0) {
            tbk_report_log(into->report, TBK_LOG_INFO, "prove",
                           "the virtual table '%s' is not counted", work.table);
            continue;
        }
        const tbk_sqlite_task task = {
            .what = work.table, .limit_ms = into->limit_ms, .work = table_run, .context = &work};
        if (!tbk_sqlite_run(db, &task, into->report, err))
            return tbk_error_context(err, "counting the rows of '%s'", work.table);
        counting_add(into, work.table, work.rows);
    }
    if (rc != SQLITE_DONE)
        return tbk_sqlite_fail(db, rc, err, "cannot list the tables");
    return true;
}

static bool schema_run(void *context, sqlite3 *db, tbk_error *err)
{
    return tbk_sqlite_exec(db, SETTINGS, err) && tbk_sqlite_schema_digest(db, context, err);
}

bool tbk_sqlite_prove(tbk_arena *arena, const char *copy, const tbk_report *report,
                      tbk_sqlite_check *out, tbk_error *err)
{
    tbk_sqlite_check check = {.tables = NULL};
    tbk_auto(sqlite3) *db = NULL;
    if (!tbk_sqlite_inspect(copy, &check.facts, err) || !tbk_sqlite_open_alone(copy, &db, err))
        return false;
    int64_t limit_ms = tbk_sqlite_patience_ms(check.facts.size_bytes);
    counting rows = {.arena = arena, .report = report, .limit_ms = limit_ms};
    const tbk_sqlite_task schema = {.what = "reading the schema",
                                    .limit_ms = limit_ms,
                                    .work = schema_run,
                                    .context = &check.facts.schema};
    const tbk_sqlite_task integrity = {
        .what = "integrity_check", .limit_ms = limit_ms, .work = integrity_run};
    tbk_sqlite_watch(db, 0, NULL, NULL); /* the tasks have limits */
    if (!tbk_sqlite_run(db, &schema, report, err) || !tbk_sqlite_run(db, &integrity, report, err) ||
        !count_rows(db, &rows, err))
        return false;
    check.tables = rows.tables;
    check.table_count = rows.count;
    *out = check;
    return true;
}
