/* SPDX-License-Identifier: MIT */
/*
 * Copies what rules keep, row by row from one connection to another, so that the one that evaluates
 * the conditions has nothing that it could write to.
 *
 * As VACUUM does it: tables are made and filled first, then their indexes; views, triggers and
 * virtual tables are entered into the schema last, so that none of their code runs.
 */
#include "database/sqlite/sqlite_select.h"

#include "database/sqlite/sqlite_create.h"
#include "database/sqlite/sqlite_rules.h"
#include "database/sqlite/sqlite_wal.h"

#include <errno.h>
#include <fcntl.h>
#include <strings.h>

#define BUSY_TIMEOUT_MS 5000

typedef struct text_list {
    const char **items;
    size_t count;
} text_list;

/* --- the side that is read --- */

static bool open_source(const char *path, sqlite3 **out, tbk_error *err)
{
    if (!tbk_sqlite_open(path, SQLITE_OPEN_READONLY, out, err))
        return false;
    (void)sqlite3_db_config(*out, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* "completd" in double quotes is a wrong column then, not a text that is always true. */
    (void)sqlite3_db_config(*out, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_busy_timeout(*out, BUSY_TIMEOUT_MS);
    return tbk_sqlite_exec(*out, "PRAGMA query_only=ON; PRAGMA cell_size_check=ON", err);
}

/* The first column of every row; a NULL becomes "". */
static bool read_texts(tbk_arena *arena, sqlite3 *db, const char *sql, const char *argument,
                       text_list *out, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *statement = NULL;
    size_t capacity = 16;
    int rc;
    if (!tbk_sqlite_prepare(db, sql, &statement, err))
        return false;
    if (argument != NULL)
        (void)sqlite3_bind_text(statement, 1, argument, -1, SQLITE_STATIC);
    *out = (text_list){.items = tbk_arena_alloc(arena, capacity * sizeof *out->items)};
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (out->count == capacity) {
            const char **grown = tbk_arena_alloc(arena, 2 * capacity * sizeof *grown);
            memcpy(grown, out->items, capacity * sizeof *grown);
            out->items = grown;
            capacity *= 2;
        }
        const unsigned char *text = sqlite3_column_text(statement, 0);
        out->items[out->count++] = tbk_arena_copy(arena, text != NULL ? (const char *)text : "");
    }
    return rc == SQLITE_DONE || tbk_sqlite_fail(db, rc, err, "cannot read the schema");
}

/* --- one table --- */

typedef struct selecting {
    tbk_arena *arena;
    const tbk_rules *rules;
    const tbk_report *report;
    sqlite3 *from, *to;
    tbk_wal_limit limit; /* of a live log; path "" where there is none */
    tbk_wal_files files;
    uint64_t total_bytes;
    int64_t page_size_bytes;
    int64_t seen_rows; /* of the table that is read, by the condition */
    tbk_selected_table *tables;
    size_t count;
} selecting;

/* True for every row, and counts it: so one scan tells the rows that are left out as well. */
static void count_row(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    (void)values;
    ((selecting *)sqlite3_user_data(context))->seen_rows++;
    sqlite3_result_int(context, 1);
}

static bool look_around(void *pointer, tbk_error *err)
{
    selecting *self = pointer;
    int misses = 0, highest = 0;
    (void)sqlite3_db_status(self->from, SQLITE_DBSTATUS_CACHE_MISS, &misses, &highest, 0);
    tbk_report_progress(self->report, "select", (uint64_t)misses * (uint64_t)self->page_size_bytes,
                        self->total_bytes);
    return tbk_report_go_on(self->report, err) &&
           (self->limit.path[0] == '\0' || tbk_wal_limit_check(&self->limit, err));
}

static bool fail_source(const selecting *self, int rc, const char *table, tbk_error *err)
{
    return tbk_sqlite_fail(self->from, rc, err, "cannot read the table '%s'", table);
}

static bool fail_target(const selecting *self, int rc, tbk_error *err)
{
    return tbk_sqlite_fail(self->to, rc, err, "cannot write the selection");
}

/* A name for the rowid that no column has taken; NULL where all are, or there is no rowid. */
static const char *rowid_name(const text_list *columns, bool has_rowid)
{
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    for (size_t i = 0; has_rowid && i < sizeof names / sizeof *names; i++) {
        bool taken = false;
        for (size_t j = 0; j < columns->count; j++)
            taken = taken || strcasecmp(names[i], columns->items[j]) == 0;
        if (!taken)
            return names[i];
    }
    return NULL;
}

/* The columns that have values of their own, with the rowid, as a list for SQL. */
static bool column_list(selecting *self, const char *table, bool has_rowid, const char **out,
                        size_t *out_count, tbk_error *err)
{
    text_list all, own;
    if (!read_texts(self->arena, self->from, "SELECT name FROM pragma_table_xinfo(?1)", table, &all,
                    err) ||
        !read_texts(self->arena, self->from,
                    "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0", table, &own, err))
        return false;
    const char *rowid = rowid_name(&all, has_rowid);
    const char *list = rowid != NULL ? rowid : "";
    for (size_t i = 0; i < own.count; i++) {
        tbk_auto(char) *quoted = sqlite3_mprintf("\"%w\"", own.items[i]);
        list = tbk_arena_format(self->arena, "%s%s%s", list, list[0] != '\0' ? ", " : "", quoted);
    }
    *out = list;
    *out_count = own.count + (rowid != NULL ? 1 : 0);
    return true;
}

static bool prepare_read(selecting *self, const tbk_rule *rule, const char *table,
                         const char *columns, sqlite3_stmt **out, tbk_error *err)
{
    tbk_auto(char) *sql =
        rule != NULL && rule->kind == TBK_RULE_ROWS
            ? sqlite3_mprintf("SELECT %s FROM main.\"%w\" NOT INDEXED "
                              "WHERE CASE WHEN tbk_seen() THEN (%s) END",
                              columns, table, rule->condition)
            : sqlite3_mprintf("SELECT %s FROM main.\"%w\" NOT INDEXED", columns, table);
    return tbk_sqlite_prepare(self->from, sql, out, err);
}

static bool prepare_write(selecting *self, const char *table, const char *columns, size_t count,
                          sqlite3_stmt **out, tbk_error *err)
{
    const char *marks = "?";
    for (size_t i = 1; i < count; i++)
        marks = tbk_arena_format(self->arena, "%s,?", marks);
    tbk_auto(char) *sql =
        sqlite3_mprintf("INSERT INTO main.\"%w\" (%s) VALUES (%s)", table, columns, marks);
    return tbk_sqlite_prepare(self->to, sql, out, err);
}

static bool write_row(selecting *self, sqlite3_stmt *read, sqlite3_stmt *write, tbk_error *err)
{
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < sqlite3_column_count(read); i++)
        rc = sqlite3_bind_value(write, i + 1, sqlite3_column_value(read, i));
    if (rc == SQLITE_OK && (rc = sqlite3_step(write)) == SQLITE_DONE)
        rc = sqlite3_reset(write);
    return rc == SQLITE_OK || fail_target(self, rc, err);
}

static bool copy_rows(selecting *self, const tbk_rule *rule, bool has_rowid,
                      tbk_selected_table *out, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *read = NULL;
    tbk_auto(sqlite3_stmt) *write = NULL;
    const char *columns;
    size_t count;
    int rc;
    if (!column_list(self, out->table, has_rowid, &columns, &count, err) ||
        !prepare_read(self, rule, out->table, columns, &read, err) ||
        !prepare_write(self, out->table, columns, count, &write, err))
        return false;
    self->seen_rows = 0;
    for (; (rc = sqlite3_step(read)) == SQLITE_ROW; out->saved_rows++)
        if (!write_row(self, read, write, err))
            return false;
    if (rc != SQLITE_DONE)
        return fail_source(self, rc, out->table, err);
    if (rule != NULL && rule->kind == TBK_RULE_ROWS)
        out->excluded_rows = self->seen_rows - out->saved_rows;
    return true;
}

static bool count_rows(selecting *self, tbk_selected_table *out, tbk_error *err)
{
    tbk_auto(char) *sql = sqlite3_mprintf("SELECT count(*) FROM main.\"%w\"", out->table);
    return tbk_sqlite_integer(self->from, sql, &out->excluded_rows, err);
}

static bool select_table(selecting *self, const char *table, bool has_rowid, tbk_error *err)
{
    const tbk_rule *rule = tbk_rules_find(self->rules, table);
    tbk_selected_table *out = &self->tables[self->count++];
    *out = (tbk_selected_table){.table = table, .rule = rule != NULL ? tbk_rule_text(rule) : "all"};
    return rule != NULL && rule->kind == TBK_RULE_NONE ? count_rows(self, out, err)
                                                       : copy_rows(self, rule, has_rowid, out, err);
}

/* --- the schema --- */

#define TABLES                                                                                     \
    "FROM pragma_table_list AS l JOIN main.sqlite_schema AS s ON s.type = 'table' "                \
    "AND s.name = l.name WHERE l.schema = 'main' AND l.type IN ('table', 'shadow') "               \
    "AND l.name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY s.rowid"

#define INDEXES "FROM main.sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid"

/* Of tables, or of indexes; tables and statements come in the same order. */
static bool make_all(selecting *self, bool is_index, const char *tables_sql,
                     const char *statements_sql, tbk_error *err)
{
    text_list tables, statements;
    if (!read_texts(self->arena, self->from, tables_sql, NULL, &tables, err) ||
        !read_texts(self->arena, self->from, statements_sql, NULL, &statements, err))
        return false;
    for (size_t i = 0; i < statements.count; i++)
        if (!tbk_sqlite_create(self->to, tables.items[i], is_index, statements.items[i], err))
            return false;
    return true;
}

static bool select_tables(selecting *self, tbk_error *err)
{
    text_list names, rowids;
    if (!read_texts(self->arena, self->from, "SELECT l.name " TABLES, NULL, &names, err) ||
        !read_texts(self->arena, self->from,
                    "SELECT CASE WHEN l.wr THEN '' ELSE 'rowid' END " TABLES, NULL, &rowids, err))
        return false;
    self->tables = tbk_arena_alloc(self->arena, (names.count + 1) * sizeof *self->tables);
    for (size_t i = 0; i < names.count; i++)
        if (!select_table(self, names.items[i], rowids.items[i][0] != '\0', err))
            return false;
    return true;
}

/* Rows of a table that SQLite keeps by itself, or of the schema, are entered as they are. */
static bool enter_rows(selecting *self, const char *read_sql, const char *write_sql, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *read = NULL;
    tbk_auto(sqlite3_stmt) *write = NULL;
    int rc;
    if (!tbk_sqlite_prepare(self->from, read_sql, &read, err) ||
        !tbk_sqlite_prepare(self->to, write_sql, &write, err))
        return false;
    while ((rc = sqlite3_step(read)) == SQLITE_ROW)
        if (!write_row(self, read, write, err))
            return false;
    return rc == SQLITE_DONE || fail_source(self, rc, "sqlite_schema", err);
}

static bool has_table(sqlite3 *db, const char *name, bool *out, tbk_error *err)
{
    int64_t count;
    tbk_auto(char) *sql =
        sqlite3_mprintf("SELECT count(*) FROM main.sqlite_schema WHERE name = %Q", name);
    if (!tbk_sqlite_integer(db, sql, &count, err))
        return false;
    *out = count > 0;
    return true;
}

static bool enter_sequences(selecting *self, tbk_error *err)
{
    bool from, to;
    if (!has_table(self->from, "sqlite_sequence", &from, err) ||
        !has_table(self->to, "sqlite_sequence", &to, err))
        return false;
    if (!from || !to)
        return true;
    return tbk_sqlite_exec(self->to, "DELETE FROM sqlite_sequence", err) &&
           enter_rows(self, "SELECT name, seq FROM sqlite_sequence ORDER BY rowid",
                      "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", err);
}

static bool enter_others(selecting *self, tbk_error *err)
{
    return tbk_sqlite_exec(self->to, "PRAGMA writable_schema=ON", err) &&
           enter_rows(self,
                      "SELECT type, name, tbl_name, 0, sql FROM main.sqlite_schema WHERE "
                      "type IN ('view', 'trigger') OR (type = 'table' AND rootpage = 0) "
                      "ORDER BY rowid",
                      "INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", err) &&
           tbk_sqlite_exec(self->to, "PRAGMA writable_schema=OFF", err);
}

static bool analyze(selecting *self, tbk_error *err)
{
    bool had_statistics;
    return has_table(self->from, "sqlite_stat1", &had_statistics, err) &&
           (!had_statistics || tbk_sqlite_exec(self->to, "ANALYZE", err));
}

/* --- the side that is written --- */

static bool set_number(selecting *self, const char *pragma, tbk_error *err)
{
    char sql[64];
    int64_t value;
    (void)snprintf(sql, sizeof sql, "PRAGMA %s", pragma);
    if (!tbk_sqlite_integer(self->from, sql, &value, err))
        return false;
    (void)snprintf(sql, sizeof sql, "PRAGMA %s=%lld", pragma, (long long)value);
    return tbk_sqlite_exec(self->to, sql, err);
}

static bool set_encoding(selecting *self, tbk_error *err)
{
    text_list encoding;
    if (!read_texts(self->arena, self->from, "PRAGMA encoding", NULL, &encoding, err))
        return false;
    tbk_auto(char) *sql = sqlite3_mprintf("PRAGMA encoding=%Q", encoding.items[0]);
    return tbk_sqlite_exec(self->to, sql, err);
}

/* Ours alone until it is whole, and read once: no journal, nothing synced. */
static bool make_target(selecting *self, const char *target, tbk_error *err)
{
    int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                              "cannot write '%s'", target);
    (void)close(fd);
    if (!tbk_sqlite_open(target, SQLITE_OPEN_READWRITE, &self->to, err))
        return false;
    tbk_sqlite_watch(self->to, 0, look_around, self);
    /* Entering views and triggers is what it is there to keep programs from. */
    (void)sqlite3_db_config(self->to, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    return set_number(self, "page_size", err) && set_encoding(self, err) &&
           set_number(self, "auto_vacuum", err) &&
           tbk_sqlite_exec(self->to,
                           "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; "
                           "PRAGMA synchronous=OFF; PRAGMA cache_size=-24576; "
                           "PRAGMA ignore_check_constraints=ON; BEGIN",
                           err);
}

static bool finish_target(selecting *self, bool wal, tbk_error *err)
{
    return analyze(self, err) && set_number(self, "user_version", err) &&
           set_number(self, "application_id", err) && tbk_sqlite_exec(self->to, "COMMIT", err) &&
           (!wal || tbk_sqlite_exec(self->to, "PRAGMA journal_mode=WAL", err));
}

static bool fill_target(selecting *self, bool wal, tbk_error *err)
{
    return make_all(self, false, "SELECT l.name " TABLES, "SELECT s.sql " TABLES, err) &&
           select_tables(self, err) &&
           make_all(self, true, "SELECT tbl_name " INDEXES, "SELECT sql " INDEXES, err) &&
           enter_sequences(self, err) && enter_others(self, err) && finish_target(self, wal, err);
}

/* --- all of it --- */

/* A log or an index of it that we may not open need not keep others from a copy that is held. */
static bool pin_source(selecting *self, const char *source, tbk_error *err)
{
    int64_t objects;
    if (open_source(source, &self->from, err) && tbk_sqlite_exec(self->from, "BEGIN", err) &&
        tbk_sqlite_integer(self->from, "SELECT count(*) FROM main.sqlite_schema", &objects, err))
        return true;
    if (err->code == TBK_E_IO)
        err->code = TBK_E_UNSUPPORTED;
    return false;
}

static bool begin(selecting *self, const char *source, const tbk_sqlite_facts *facts,
                  tbk_error *err)
{
    if (!pin_source(self, source, err) || !tbk_sqlite_rules_check(self->from, self->rules, err) ||
        !tbk_sqlite_integer(self->from, "PRAGMA page_size", &self->page_size_bytes, err) ||
        (facts->wal && !tbk_wal_limit_set(source, facts->size_bytes, 0, &self->limit, err)) ||
        !tbk_wal_files_note(source, &self->files, err))
        return false;
    self->total_bytes = facts->size_bytes;
    int rc = sqlite3_create_function_v2(self->from, "tbk_seen", 0, SQLITE_UTF8, self, count_row,
                                        NULL, NULL, NULL);
    tbk_sqlite_watch(self->from, 0, look_around, self);
    return rc == SQLITE_OK || fail_source(self, rc, "sqlite_schema", err);
}

/* Large sorts go where there is room for them, and where the container may write. */
static void sort_beside(const char *target)
{
    char folder[PATH_MAX];
    sqlite3_free(sqlite3_temp_directory);
    sqlite3_temp_directory = NULL;
    if (target == NULL)
        return;
    (void)snprintf(folder, sizeof folder, "%s", target);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    sqlite3_temp_directory = sqlite3_mprintf("%s", slash != NULL ? folder : ".");
}

/* A log that its owner left stays; one that only our reading made goes with the last close. */
static void leave_as_found(const char *path, bool log_stays)
{
    tbk_auto(sqlite3) *writer = NULL;
    tbk_auto(sqlite3) *reader = NULL;
    tbk_error ignored;
    int64_t objects;
    if (!tbk_sqlite_open(path, SQLITE_OPEN_READWRITE, &writer, &ignored) ||
        !tbk_sqlite_open(path, SQLITE_OPEN_READONLY, &reader, &ignored))
        return;
    if (log_stays)
        (void)sqlite3_db_config(writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    else if (tbk_sqlite_integer(writer, "SELECT count(*) FROM sqlite_schema", &objects, &ignored))
        tbk_wal_passive_checkpoint(reader, writer);
}

bool tbk_sqlite_check_rules(const char *path, const tbk_rules *rules, tbk_error *err)
{
    tbk_sqlite_facts facts;
    sqlite3 *db = NULL;
    if (!tbk_sqlite_inspect(path, &facts, err))
        return false;
    bool log_stays = tbk_wal_is_left_behind(path);
    bool ok = open_source(path, &db, err) && tbk_sqlite_rules_check(db, rules, err);
    tbk_sqlite_close(db);
    if (facts.wal)
        leave_as_found(path, log_stays);
    return ok;
}

static bool run(selecting *self, const char *source, const char *target,
                const tbk_sqlite_facts *facts, tbk_error *err)
{
    return begin(self, source, facts, err) && make_target(self, target, err) &&
           fill_target(self, facts->wal, err) && tbk_wal_files_check(&self->files, err);
}

bool tbk_sqlite_select(tbk_arena *arena, const char *source, const char *target,
                       const tbk_rules *rules, const tbk_report *report, tbk_selection *out,
                       tbk_error *err)
{
    selecting self = {.arena = arena, .rules = rules, .report = report};
    tbk_sqlite_facts facts;
    if (!tbk_sqlite_inspect(source, &facts, err))
        return false;
    bool log_stays = tbk_wal_is_left_behind(source);
    sort_beside(target);
    bool ok = run(&self, source, target, &facts, err);
    tbk_sqlite_close(self.from);
    tbk_sqlite_close(self.to);
    sort_beside(NULL);
    if (facts.wal)
        leave_as_found(source, log_stays);
    if (!ok) {
        (void)unlink(target);
        return tbk_error_context(err, "selecting what is essential");
    }
    *out = (tbk_selection){.tables = self.tables, .count = self.count};
    return true;
}
