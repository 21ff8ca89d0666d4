/* SPDX-License-Identifier: MIT */
/*
 * Puts a restored schema's tables in the place of the live one's. What is where:
 *
 *   1. the schema `kept` is made, and a record in it of what can act by itself (views, triggers,
 *      routines, events) in the live schema and in the restored one
 * (database/mysql/mysql_swap_journal.h);
 *   2. those of both are dropped: tables with triggers cannot change their schema;
 *   3. one RENAME TABLE moves the live tables to `kept`, the restored ones to the live schema, and
 *      the record to its next stage. The servers undo it as a whole when they die in the middle;
 *   4. the restored ones' views, triggers, routines and events are made from the record;
 *   5. the record gets its last name. The old tables, and the record, stay until they are
 * forgotten.
 *
 * Every step is found out from the server, never remembered: so the next call after a failure, a
 * kill or a crash goes back (before 3) or forward (after it) from what is there. Grants are on the
 * live schema's name, and stay.
 */
#include "base/digest.h"
#include "database/mysql/mysql_scratch.h"
#include "database/mysql/mysql_swap_journal.h"

#define LOCK_WAIT_S 5 /* a session that was killed may need a moment to end */

#define ALL_TABLES                                                                                 \
    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s "                    \
    "AND TABLE_TYPE NOT LIKE '%%VIEW' AND TABLE_NAME NOT LIKE '\\_torrust\\_backup\\_%%' "         \
    "ORDER BY TABLE_NAME"

typedef struct swapping {
    tbk_arena *arena;
    const tbk_mysql_server *root;
    const char *live, *scratch, *kept;
    const tbk_report *report;
    MYSQL *session; /* no schema is chosen */
} swapping;

/* --- steps, each of which can be done again --- */

static bool run(swapping *self, tbk_error *err, const char *format, ...) TBK_PRINTF(3, 4);
static bool run(swapping *self, tbk_error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *sql = tbk_arena_vformat(self->arena, format, arguments);
    va_end(arguments);
    return tbk_mysql_exec(self->session, sql, err);
}

static const char *quoted(swapping *self, const char *name)
{
    return tbk_mysql_name(self->arena, name);
}

static bool make_schema_like(swapping *self, const char *name, const char *other, tbk_error *err)
{
    const char *collation;
    return tbk_mysql_schema_collation(self->arena, self->session, other, &collation, err) &&
           run(self, err, "CREATE DATABASE IF NOT EXISTS %s%s", quoted(self, name), collation);
}

static bool read_live_objects(swapping *self, tbk_mysql_objects *out, tbk_error *err)
{
    tbk_mysql_server server = *self->root;
    server.schema = self->live;
    return tbk_mysql_objects_read(self->arena, &server, out, err) ||
           tbk_error_context(err, "reading the views, triggers, routines and events of '%s'",
                             self->live);
}

static bool write_record(swapping *self, const tbk_mysql_objects *after_objects, tbk_error *err)
{
    tbk_auto(tbk_mysql_objects) *before_objects = tbk_mysql_objects_new();
    tbk_mysql_side before = {.objects = before_objects};
    tbk_mysql_side after = {.objects = after_objects};
    return tbk_mysql_schema_collation(self->arena, self->session, self->live, &before.collation,
                                      err) &&
           tbk_mysql_schema_collation(self->arena, self->session, self->scratch, &after.collation,
                                      err) &&
           read_live_objects(self, before_objects, err) &&
           tbk_mysql_swap_journal_write(self->session, self->kept, &before, &after, err);
}

/* A session of its own, whose schema is that one: statements for objects change its settings. */
static bool connect_to(swapping *self, const char *schema, MYSQL **out, tbk_error *err)
{
    tbk_mysql_server server = *self->root;
    server.schema = schema;
    return tbk_mysql_connect(&server, out, err);
}

static bool drop_objects(swapping *self, const char *schema, tbk_error *err)
{
    tbk_auto(MYSQL) *session = NULL;
    return connect_to(self, schema, &session, err) && tbk_mysql_objects_drop(session, err);
}

static bool make_objects(swapping *self, tbk_mysql_stage stage, bool is_after, tbk_error *err)
{
    tbk_auto(tbk_mysql_objects) *objects = NULL;
    tbk_auto(MYSQL) *session = NULL;
    return drop_objects(self, self->live, err) &&
           tbk_mysql_swap_journal_read(self->session, self->kept, stage, is_after, &objects, err) &&
           connect_to(self, self->live, &session, err) &&
           tbk_mysql_objects_run(session, objects, true, self->report, err);
}

static bool append_moves(swapping *self, tbk_text *rename, const char *from, const char *to,
                         tbk_error *err)
{
    tbk_auto(MYSQL_RES) *tables = NULL;
    MYSQL_ROW row;
    if (!tbk_mysql_query(
            self->session,
            tbk_arena_format(self->arena, ALL_TABLES, tbk_mysql_literal(self->arena, from, false)),
            &tables, err))
        return false;
    while ((row = mysql_fetch_row(tables)) != NULL) {
        const char *table = quoted(self, row[0]);
        tbk_text_format(rename, "%s.%s TO %s.%s, ", quoted(self, from), table, quoted(self, to),
                        table);
    }
    return true;
}

/* All tables of live to one schema, all of another one to live, and the record to its stage. */
static bool move_tables(swapping *self, const char *live_to, const char *live_from,
                        tbk_mysql_stage stage_from, tbk_mysql_stage stage_to, tbk_error *err)
{
    tbk_auto_text rename = {0};
    const char *kept = quoted(self, self->kept);
    tbk_text_append(&rename, "RENAME TABLE ");
    if (!append_moves(self, &rename, self->live, live_to, err) ||
        !append_moves(self, &rename, live_from, self->live, err))
        return false;
    tbk_text_format(&rename, "%s.`%s` TO %s.`%s`", kept, tbk_mysql_stage_table(stage_from), kept,
                    tbk_mysql_stage_table(stage_to));
    return tbk_mysql_exec(self->session, "SET SESSION foreign_key_checks = 0", err) &&
           tbk_mysql_exec(self->session, tbk_text_string(&rename), err);
}

static bool find_tables(swapping *self, const char *schema, bool *out, tbk_error *err)
{
    tbk_auto_text moves = {0};
    if (!append_moves(self, &moves, schema, self->live, err))
        return false;
    *out = moves.length > 0;
    return true;
}

static bool drop_previous(swapping *self, tbk_error *err)
{
    bool has_tables;
    if (!find_tables(self, self->kept, &has_tables, err))
        return false;
    if (has_tables)
        return tbk_fail(err, TBK_E_FAILED, "look what they are, and drop the schema by hand",
                        "the schema '%s' has tables yet", self->kept);
    return run(self, err, "DROP DATABASE IF EXISTS %s", quoted(self, self->kept));
}

/* Before anything is touched: an open transaction of another session would block moving the tables
 * and making again what was dropped. */
static bool check_unused(swapping *self, tbk_error *err)
{
    tbk_auto(MYSQL_RES) *tables = NULL;
    tbk_auto_text lock = {0};
    MYSQL_ROW row;
    if (!tbk_mysql_query(self->session,
                         tbk_arena_format(self->arena, ALL_TABLES,
                                          tbk_mysql_literal(self->arena, self->live, false)),
                         &tables, err))
        return false;
    while ((row = mysql_fetch_row(tables)) != NULL)
        tbk_text_format(&lock, "%s%s.%s WRITE", lock.length > 0 ? ", " : "LOCK TABLES ",
                        quoted(self, self->live), quoted(self, row[0]));
    return lock.length == 0 || (tbk_mysql_exec(self->session, tbk_text_string(&lock), err) &&
                                tbk_mysql_exec(self->session, "UNLOCK TABLES", err));
}

/* --- forward and back --- */

static bool begin(swapping *self, const tbk_mysql_objects *objects, tbk_error *err)
{
    return run(self, err, "CREATE DATABASE IF NOT EXISTS %s", quoted(self, self->live)) &&
           check_unused(self, err) && make_schema_like(self, self->kept, self->live, err) &&
           write_record(self, objects, err);
}

static bool finish(swapping *self, tbk_error *err)
{
    const char *kept = quoted(self, self->kept);
    return make_objects(self, TBK_MYSQL_MOVED, true, err) &&
           run(self, err, "RENAME TABLE %s.`%s` TO %s.`%s`", kept,
               tbk_mysql_stage_table(TBK_MYSQL_MOVED), kept, tbk_mysql_stage_table(TBK_MYSQL_DONE));
}

static bool go_forward(swapping *self, tbk_error *err)
{
    return drop_objects(self, self->live, err) && drop_objects(self, self->scratch, err) &&
           move_tables(self, self->kept, self->scratch, TBK_MYSQL_BEGUN, TBK_MYSQL_MOVED, err) &&
           finish(self, err);
}

static bool move_back(swapping *self, tbk_error *err)
{
    return make_schema_like(self, self->scratch, self->live, err) &&
           drop_objects(self, self->live, err) &&
           move_tables(self, self->scratch, self->kept, TBK_MYSQL_MOVED, TBK_MYSQL_BEGUN, err);
}

static bool go_back(swapping *self, tbk_error *err)
{
    tbk_mysql_stage stage;
    if (!tbk_mysql_swap_stage(self->session, self->kept, &stage, err))
        return false;
    if (stage == TBK_MYSQL_MOVED && !move_back(self, err))
        return false;
    if ((stage == TBK_MYSQL_MOVED || stage == TBK_MYSQL_BEGUN) &&
        !make_objects(self, TBK_MYSQL_BEGUN, false, err))
        return false;
    return drop_previous(self, err);
}

/* --- what others have left --- */

static bool recover_one(swapping *self, tbk_error *err)
{
    tbk_mysql_stage stage;
    tbk_error ignored;
    bool has_tables;
    if (!tbk_mysql_swap_stage(self->session, self->kept, &stage, err) ||
        !find_tables(self, self->kept, &has_tables, err))
        return false;
    if (stage == TBK_MYSQL_DONE || (stage == TBK_MYSQL_NO_RECORD && has_tables))
        return true; /* the second is none of ours, whatever its name is */
    tbk_report_log(self->report, TBK_LOG_WARNING, "restore",
                   "a restore was interrupted while it put its tables into '%s': putting that in "
                   "order",
                   self->live);
    if (stage == TBK_MYSQL_MOVED && finish(self, &ignored))
        return true;
    return go_back(self, err);
}

/* Names of the schemas that swaps of this one have made, NULL after them. */
static bool list_previous(swapping *self, const char ***out, size_t *out_count, tbk_error *err)
{
    tbk_auto(MYSQL_RES) *result = NULL;
    MYSQL_ROW row;
    *out_count = 0;
    if (!tbk_mysql_query(self->session,
                         "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME",
                         &result, err))
        return false;
    *out = tbk_arena_alloc(self->arena, ((size_t)mysql_num_rows(result) + 1) * sizeof **out);
    while ((row = mysql_fetch_row(result)) != NULL)
        if (tbk_mysql_is_previous_name(self->live, row[0]))
            (*out)[(*out_count)++] = tbk_arena_copy(self->arena, row[0]);
    return true;
}

/* One at a time, also where two runs come from two machines. Ends with the session. */
static bool take_lock(swapping *self, tbk_error *err)
{
    const char *taken = NULL;
    tbk_digest digest;
    tbk_digest_of(self->live, strlen(self->live), &digest);
    if (!tbk_mysql_text(self->arena, self->session,
                        tbk_arena_format(self->arena, "SELECT GET_LOCK('torrust_backup_%.32s', %d)",
                                         digest.hex, LOCK_WAIT_S),
                        0, &taken, err))
        return false;
    return (taken != NULL && strcmp(taken, "1") == 0) ||
           tbk_fail(err, TBK_E_LOCKED, "wait until that one is done",
                    "another restore into '%s' is in progress", self->live);
}

static bool open_swapping(swapping *self, tbk_error *err)
{
    self->live = self->root->schema;
    self->scratch = tbk_mysql_scratch_name(self->arena, self->live);
    return tbk_mysql_connect_root(self->root, &self->session, err) && take_lock(self, err);
}

/* What failed may have been the session itself. */
static bool open_again(swapping *self, tbk_error *err)
{
    if (self->session != NULL)
        mysql_close(self->session);
    self->session = NULL;
    return open_swapping(self, err);
}

static bool recover_all(swapping *self, const char ***out_previous, size_t *out_count,
                        tbk_error *err)
{
    if (!list_previous(self, out_previous, out_count, err))
        return false;
    for (size_t i = 0; i < *out_count; i++) {
        self->kept = (*out_previous)[i];
        if (!recover_one(self, err))
            return tbk_error_context(
                err,
                "a restore was interrupted, and what it had done is in '%s', '%s' and "
                "'%s'",
                self->live, self->scratch, self->kept);
    }
    return true;
}

bool tbk_mysql_swap_recover(const tbk_mysql_server *root, const tbk_report *report, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    swapping self = {.arena = arena, .root = root, .report = report};
    const char **kept;
    size_t count;
    bool ok = open_swapping(&self, err) && recover_all(&self, &kept, &count, err);
    if (self.session != NULL)
        mysql_close(self.session);
    return ok;
}

/* --- swapping --- */

static bool check_names(const swapping *self, const char *scratch, tbk_error *err)
{
    if (strcmp(scratch, self->scratch) == 0 && tbk_mysql_is_previous_name(self->live, self->kept))
        return true;
    return tbk_fail(err, TBK_E_CONFIG, NULL,
                    "'%s' and '%s' are no names of schemas of Torrust Backup's beside '%s'",
                    scratch, self->kept, self->live);
}

static bool check_previous_is_new(swapping *self, const char *kept, tbk_error *err)
{
    const char *collation;
    return tbk_mysql_schema_collation(self->arena, self->session, kept, &collation, err) &&
           (collation[0] == '\0' ||
            tbk_fail(err, TBK_E_BUSY, "try again", "there is a schema '%s' already", kept));
}

static bool swap(swapping *self, const char *scratch, const char *kept,
                 const tbk_mysql_objects *objects, tbk_error *err)
{
    const char **older;
    size_t count;
    tbk_error back;
    if (!open_swapping(self, err) || !recover_all(self, &older, &count, err))
        return false;
    self->kept = kept;
    if (!check_names(self, scratch, err) || !check_previous_is_new(self, kept, err))
        return false;
    if (begin(self, objects, err) && go_forward(self, err))
        return true;
    if (open_again(self, &back) && go_back(self, &back))
        return tbk_error_context(err, "the database is as it was");
    return tbk_error_context(
        err,
        "the database is between two states, and the next run puts it in order (its "
        "tables are in '%s', '%s' and '%s'; %.200s)",
        self->live, self->kept, self->scratch, back.message);
}

bool tbk_mysql_swap(const tbk_mysql_server *root, const char *scratch, const char *kept,
                    const tbk_mysql_objects *objects, const tbk_report *report, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    swapping self = {.arena = arena, .root = root, .report = report};
    bool ok = swap(&self, scratch, kept, objects, err);
    if (self.session != NULL)
        mysql_close(self.session);
    return ok;
}

/* --- back again --- */

/* As if the swap had not come to its end, which is what recovery goes back from. */
static bool swap_back(swapping *self, const char *scratch, const char *kept, tbk_error *err)
{
    tbk_mysql_stage stage;
    self->kept = kept;
    if (!open_swapping(self, err) || !check_names(self, scratch, err) ||
        !tbk_mysql_swap_stage(self->session, kept, &stage, err))
        return false;
    if (stage != TBK_MYSQL_DONE)
        return tbk_fail(err, TBK_E_FAILED, NULL, "there is no finished swap in '%s'", kept);
    const char *schema = quoted(self, kept);
    return run(self, err, "RENAME TABLE %s.`%s` TO %s.`%s`", schema,
               tbk_mysql_stage_table(TBK_MYSQL_DONE), schema,
               tbk_mysql_stage_table(TBK_MYSQL_MOVED)) &&
           go_back(self, err);
}

bool tbk_mysql_swap_back(const tbk_mysql_server *root, const char *scratch, const char *kept,
                         const tbk_report *report, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    swapping self = {.arena = arena, .root = root, .report = report};
    bool ok = swap_back(&self, scratch, kept, err);
    if (self.session != NULL)
        mysql_close(self.session);
    return ok;
}

/* --- what is kept --- */

static bool size_of(swapping *self, const char *schema, uint64_t *out_bytes, tbk_error *err)
{
    const char *text = NULL;
    if (!tbk_mysql_text(self->arena, self->session,
                        tbk_arena_format(self->arena,
                                         "SELECT CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) "
                                         "AS CHAR) FROM information_schema.TABLES "
                                         "WHERE TABLE_SCHEMA = %s",
                                         tbk_mysql_literal(self->arena, schema, false)),
                        0, &text, err))
        return false;
    *out_bytes = text != NULL ? strtoull(text, NULL, 10) : 0;
    return true;
}

static bool look_at_previous(swapping *self, const char ***out, const uint64_t **out_bytes,
                             size_t *out_count, tbk_error *err)
{
    self->live = self->root->schema;
    if (!tbk_mysql_connect_root(self->root, &self->session, err) ||
        !list_previous(self, out, out_count, err))
        return false;
    uint64_t *bytes = tbk_arena_alloc(self->arena, (*out_count + 1) * sizeof *bytes);
    *out_bytes = bytes;
    for (size_t i = 0; i < *out_count; i++)
        if (!size_of(self, (*out)[i], &bytes[i], err))
            return false;
    return true;
}

bool tbk_mysql_list_previous(const tbk_mysql_server *root, tbk_arena *arena,
                             const char *const **out, const uint64_t **out_bytes, size_t *out_count,
                             tbk_error *err)
{
    swapping self = {.arena = arena, .root = root};
    const char **names = NULL;
    bool ok = look_at_previous(&self, &names, out_bytes, out_count, err);
    if (self.session != NULL)
        mysql_close(self.session);
    *out = names;
    return ok;
}

/* --- forgetting --- */

/* Only where a record says that it is ours, and that it is not needed any more. */
static bool forget_one(swapping *self, const char *name, bool *out_done, tbk_error *err)
{
    tbk_mysql_stage stage;
    if (!tbk_mysql_swap_stage(self->session, name, &stage, err))
        return false;
    *out_done = stage == TBK_MYSQL_DONE;
    return !*out_done || run(self, err, "DROP DATABASE %s", quoted(self, name));
}

static bool forget_all(swapping *self, const char ***out, size_t *out_count, tbk_error *err)
{
    const char **names;
    size_t count;
    bool is_done;
    if (!open_swapping(self, err) || !recover_all(self, &names, &count, err) ||
        !tbk_mysql_exec(self->session, "SET SESSION foreign_key_checks = 0", err))
        return false;
    *out = names;
    *out_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!forget_one(self, names[i], &is_done, err))
            return false;
        if (is_done)
            (*out)[(*out_count)++] = names[i];
    }
    (*out)[*out_count] = NULL;
    return true;
}

bool tbk_mysql_purge_previous(const tbk_mysql_server *root, tbk_arena *arena,
                              const char *const **out, size_t *out_count, tbk_error *err)
{
    swapping self = {.arena = arena, .root = root};
    const char **names;
    bool ok = forget_all(&self, &names, out_count, err);
    if (self.session != NULL)
        mysql_close(self.session);
    if (ok)
        *out = names;
    return ok;
}
