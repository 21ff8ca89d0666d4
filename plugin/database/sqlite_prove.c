/* SPDX-License-Identifier: MIT */
/* Proof of a restored database: integrity, header, schema, the rows of every table. */
#include "base/clock.h"
#include "base/text.h"
#include "database/sqlite_internal.h"

#include <pthread.h>

#define FINDINGS_SHOWN 3
/* A run that says nothing for long is taken for dead. */
#define STILL_EVERY_MS 60000
#define CANCEL_POLL_NS 200000000 /* 200 ms */

/* A larger cache saved nothing where the kernel caches the file; mmap saves a third of the time,
 * but counts as memory that grows with the database. */
static const char *const SETTINGS = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cell_size_check=ON; "
                                    "PRAGMA cache_size=-8192; PRAGMA query_only=ON;";

/* --- Long statements run on a thread of their own, since inside one of them SQLite looks at
 * nothing but its interrupt flag; the calling thread asks the report whether to go on. --- */

typedef bool task_run(void *context, sqlite3 *db, tbk_error *err);

typedef struct task {
    task_run *run;
    void *context;
    sqlite3 *db;
    tbk_error *err;
    bool ok, done;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} task;

static void *task_main(void *argument)
{
    task *self = argument;
    bool ok = self->run(self->context, self->db, self->err);
    (void)pthread_mutex_lock(&self->mutex);
    self->ok = ok;
    self->done = true;
    (void)pthread_cond_signal(&self->changed);
    (void)pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static bool task_wait(task *self)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += CANCEL_POLL_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&self->mutex);
    if (!self->done)
        (void)pthread_cond_timedwait(&self->changed, &self->mutex, &until);
    bool done = self->done;
    (void)pthread_mutex_unlock(&self->mutex);
    return done;
}

static bool interruptible(sqlite3 *db, const char *what, task_run *run, void *context,
                          const tbk_report *report, tbk_error *err)
{
    task work = {.run = run, .context = context, .db = db, .err = err};
    tbk_error stop = {.code = TBK_E_OK};
    pthread_t thread;
    if (!tbk_report_go_on(report, err))
        return false;
    (void)pthread_mutex_init(&work.mutex, NULL);
    (void)pthread_cond_init(&work.changed, NULL);
    if (pthread_create(&thread, NULL, task_main, &work) != 0)
        return tbk_fail(err, TBK_E_FAILED, "allow the process one more thread",
                        "cannot start a thread");
    int64_t said_ms = tbk_clock_monotonic_ms();
    while (!task_wait(&work)) {
        if (!tbk_report_go_on(report, &stop))
            sqlite3_interrupt(db);
        if (tbk_clock_monotonic_ms() - said_ms < STILL_EVERY_MS)
            continue;
        said_ms = tbk_clock_monotonic_ms();
        tbk_report_log(report, TBK_LOG_INFO, "prove", "still at work: %s", what);
    }
    (void)pthread_join(thread, NULL);
    (void)pthread_cond_destroy(&work.changed);
    (void)pthread_mutex_destroy(&work.mutex);
    if (stop.code != TBK_E_OK)
        *err = stop;
    return work.ok && stop.code == TBK_E_OK;
}

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

/* A name is anybody's choice: quoted by SQLite itself (%w doubles the quotes in it). */
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

/* Ordinary tables, those WITHOUT ROWID, and the tables behind virtual ones. What a virtual table
 * itself shows is its module's business, and its module need not be there. */
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
        if (!interruptible(db, work.table, table_run, &work, into->report, err))
            return tbk_while(err, "counting the rows of '%s'", work.table);
        counting_add(into, work.table, work.rows);
    }
    if (rc != SQLITE_DONE)
        return tbk_sqlite_fail(db, rc, err, "cannot list the tables");
    return true;
}

bool tbk_sqlite_prove(tbk_arena *arena, const char *copy, const tbk_report *report,
                      tbk_sqlite_check *out, tbk_error *err)
{
    tbk_sqlite_check check = {.tables = NULL};
    counting rows = {.arena = arena, .report = report};
    if (!tbk_sqlite_inspect(copy, &check.facts, err))
        return false;
    tbk_auto(sqlite3) *db = NULL;
    if (!tbk_sqlite_open(copy, SQLITE_OPEN_READWRITE, &db, err) ||
        !tbk_sqlite_exec(db, SETTINGS, err) ||
        !tbk_sqlite_schema_digest(db, &check.facts.schema, err) ||
        !interruptible(db, "integrity_check", integrity_run, NULL, report, err) ||
        !count_rows(db, &rows, err))
        return false;
    check.tables = rows.tables;
    check.table_count = rows.count;
    *out = check;
    return true;
}
