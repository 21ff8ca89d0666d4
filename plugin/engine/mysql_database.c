/* SPDX-License-Identifier: MIT */
/*
 * MySQL behind the engine's interface: dumped from snapshots of one moment, restored into a schema
 * beside the real one.
 *
 * The moment is found without a hold where nobody commits for an instant; else the tracker is
 * paused for it; else one session reads alone, which is right at any time, and slower.
 */
#include "engine/mysql_database.h"

#include "base/clock.h"
#include "base/file.h"
#include "database/mysql.h"
#include "domain/mysql_login.h"
#include "engine/held.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SESSIONS_MIN 2
#define SESSIONS_MAX 4
/* How long a common moment is looked for, without and with the tracker paused. */
#define FREE_LIMIT_MS 1000
#define HELD_LIMIT_MS 300
#define PIN_PAUSE_MS 5
#define SNAPSHOT_TRIES 3
/* An index of many rows takes its time to be made. */
#define LOAD_ANSWER_LIMIT_S 7200

typedef struct mysql_database {
    tbk_mysql_server user;
    tbk_mysql_server root;
    bool has_root;
    const tbk_report *report;
    /* Of a restore: the schema beside the real one, what is to be made in the real one, and where
     * the tables of before are. */
    tbk_mysql_server scratch;
    tbk_mysql_objects *objects;
    const char *kept;
} mysql_database;

/* As many as there are processors: more would only take the server's from the tracker. */
static unsigned sessions_wanted(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < SESSIONS_MIN   ? SESSIONS_MIN
           : processors > SESSIONS_MAX ? SESSIONS_MAX
                                       : (unsigned)processors;
}

/* --- as it is now --- */

/* A restore that was killed in its swap is brought to an end first. Where root cannot log in, there
 * was none. */
static void mend(const mysql_database *database)
{
    tbk_error why;
    if (database->has_root && !tbk_mysql_swap_mend(&database->root, database->report, &why) &&
        why.code != TBK_E_CONFIG)
        tbk_report_log(database->report, TBK_LOG_WARNING, "begin", "%s", why.message);
}

static bool inspect(void *self, tbk_arena *arena, const tbk_rules *rules, tbk_database_view *out,
                    tbk_error *err)
{
    const mysql_database *database = self;
    tbk_mysql_facts facts;
    mend(database);
    if (!tbk_mysql_inspect(arena, &database->user, rules, &facts, err))
        return false;
    out->size_bytes = facts.size_bytes;
    out->journal_mode = TBK_JOURNAL_AS_IT_IS;
    out->words = tbk_arena_format(
        arena, "the database '%s' on '%s' (%s %s, %zu tables, about %" PRIu64 " bytes)",
        database->user.schema, database->user.host, facts.server, facts.version, facts.table_count,
        facts.size_bytes);
    return true;
}

/* --- capture --- */

typedef struct capturing {
    const mysql_database *database;
    tbk_arena *arena;
    const tbk_capture_request *request;
    tbk_mysql_dump *dump;
    tbk_capture *out;
} capturing;

static void note_reason(capturing *self, const char *what, const char *why)
{
    self->out->reason = tbk_arena_format(self->arena, "%s%s%s: %s", self->out->reason,
                                         self->out->reason[0] != '\0' ? "; " : "", what, why);
    tbk_report_log(self->request->prompt, TBK_LOG_INFO, "capture", "%s: %s", what, why);
}

/* is_still: the tracker is stopped, so that any storage engine will do. */
static bool open_dump(capturing *self, bool is_still, const tbk_report *report, tbk_error *err)
{
    const tbk_mysql_dump_request request = {.server = &self->database->user,
                                            .root = self->database->has_root ? &self->database->root
                                                                             : NULL,
                                            .sessions = sessions_wanted(),
                                            .rules = self->request->rules,
                                            .is_still = is_still,
                                            .report = report};
    return tbk_mysql_dump_open(&request, &self->dump, err);
}

/* Tries again and again, since the next moment may be the one. */
static bool pin_within(const capturing *self, int64_t limit_ms, tbk_error *err)
{
    const struct timespec pause = {.tv_nsec = PIN_PAUSE_MS * 1000000};
    int64_t end_ms = tbk_clock_monotonic_ms() + limit_ms;
    while (!tbk_mysql_dump_pin(self->dump, err)) {
        if (err->code != TBK_E_BUSY || tbk_clock_monotonic_ms() >= end_ms)
            return false;
        if (!tbk_report_go_on(self->request->prompt, err))
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

static bool pin_held(void *self, const tbk_report *watched, tbk_error *err)
{
    (void)watched;
    return pin_within(self, HELD_LIMIT_MS, err);
}

/* True with *out_pinned false: no hold was to be had, or no moment in it. */
static bool pin_in_pause(capturing *self, bool *out_pinned, tbk_error *err)
{
    bool declined = false;
    const tbk_held_work work = {.hold = self->request->hold,
                                .kind = TBK_HOLD_PAUSE,
                                .report = self->request->prompt,
                                .self = self,
                                .work = pin_held};
    *out_pinned = tbk_held_do(&work, self->out, &declined, err);
    return *out_pinned || declined || err->code == TBK_E_BUSY;
}

static bool pin(capturing *self, tbk_error *err)
{
    bool pinned = false;
    if (pin_within(self, FREE_LIMIT_MS, err))
        return true;
    if (err->code != TBK_E_BUSY)
        return false;
    if (self->request->hold != NULL) {
        note_reason(self, "without a hold", err->message);
        if (!pin_in_pause(self, &pinned, err) || pinned)
            return pinned;
    }
    note_reason(self, "with several sessions", err->message);
    tbk_mysql_dump_alone(self->dump);
    return tbk_mysql_dump_pin(self->dump, err);
}

static bool store(capturing *self, const tbk_report *report, tbk_error *err)
{
    tbk_capture *out = self->out;
    const tbk_source source = {.self = self->dump,
                               .total_bytes = tbk_mysql_dump_size_bytes(self->dump),
                               .read = tbk_mysql_dump_read};
    bool selects = self->request->rules != NULL;
    return self->request->store(self->request->self, &source, "capture", report, err) &&
           tbk_mysql_dump_finish(self->dump, self->arena, &out->mysql,
                                 selects ? &out->selection : NULL,
                                 selects ? &out->selection_count : NULL, err);
}

static void close_dump(capturing *self)
{
    tbk_mysql_dump_close(self->dump);
    self->dump = NULL;
}

static bool dump_live(capturing *self, tbk_error *err)
{
    bool ok = open_dump(self, false, self->request->prompt, err) && pin(self, err) &&
              store(self, self->request->report, err);
    close_dump(self);
    return ok;
}

/* A schema that changes meanwhile does so once, or somebody is at work on it. */
static bool snapshot(capturing *self, tbk_error *err)
{
    for (int tries = 1; !dump_live(self, err); tries++) {
        if (err->code != TBK_E_BUSY || tries == SNAPSHOT_TRIES)
            return false;
        tbk_report_log(self->request->prompt, TBK_LOG_WARNING, "capture", "%s; trying again",
                       err->message);
    }
    self->out->method = tbk_method_name(TBK_METHOD_SNAPSHOT);
    return true;
}

static bool dump_still(void *self, const tbk_report *watched, tbk_error *err)
{
    capturing *capture = self;
    return open_dump(capture, true, watched, err) && tbk_mysql_dump_pin(capture->dump, err) &&
           store(capture, watched, err);
}

static bool stop(capturing *self, tbk_error *err)
{
    bool declined;
    const tbk_held_work work = {.hold = self->request->hold,
                                .kind = TBK_HOLD_STOP,
                                .report = self->request->prompt,
                                .self = self,
                                .work = dump_still};
    if (self->request->hold == NULL)
        return tbk_fail(err, TBK_E_CONFIG, "run it through the hook, or use the method snapshot",
                        "the method stop needs somebody who stops the tracker");
    bool ok = tbk_held_do(&work, self->out, &declined, err);
    close_dump(self);
    if (ok)
        self->out->method = tbk_method_name(TBK_METHOD_STOP);
    return ok;
}

static bool take(capturing *self, tbk_error *err)
{
    tbk_method method = self->request->method;
    if (method == TBK_METHOD_STOP)
        return stop(self, err);
    if (snapshot(self, err))
        return true;
    /* Tables without snapshots. */
    if (err->code != TBK_E_UNSUPPORTED || method != TBK_METHOD_AUTO || self->request->hold == NULL)
        return false;
    note_reason(self, tbk_method_name(TBK_METHOD_SNAPSHOT), err->message);
    return stop(self, err);
}

static bool capture(void *self, tbk_arena *arena, const tbk_capture_request *request,
                    tbk_capture *out, tbk_error *err)
{
    capturing work = {.database = self, .arena = arena, .request = request, .out = out};
    int64_t started_ms = tbk_clock_monotonic_ms();
    bool ok = take(&work, err);
    request->phase_ended(request->self, "capture", started_ms);
    return ok || tbk_while(err, "capturing the database");
}

/* --- proof --- */

static bool can_restore(void *self, tbk_error *why)
{
    const mysql_database *database = self;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_facts facts;
    if (!database->has_root)
        return tbk_fail(why, TBK_E_CONFIG, "set MYSQL_ROOT_PASSWORD in the tracker's .env",
                        "a schema to restore into can be made by root only, whose password is not "
                        "known");
    return tbk_mysql_inspect(arena, &database->root, NULL, &facts, why) ||
           tbk_while(why, "a schema to restore into can be made by root only");
}

static const tbk_table_facts *table_in(const tbk_mysql_facts *facts, const char *table)
{
    for (size_t i = 0; i < facts->table_count; i++)
        if (strcmp(facts->tables[i].table, table) == 0)
            return &facts->tables[i];
    return NULL;
}

/* The first table that is not what was dumped; NULL: all are. */
static const char *difference(tbk_arena *arena, const tbk_mysql_facts *dumped,
                              const tbk_mysql_facts *restored)
{
    if (dumped->table_count != restored->table_count)
        return tbk_arena_format(arena, "%zu tables were dumped, %zu restored", dumped->table_count,
                                restored->table_count);
    for (size_t i = 0; i < dumped->table_count; i++) {
        const tbk_table_facts *before = &dumped->tables[i];
        const tbk_table_facts *after = table_in(restored, before->table);
        if (after == NULL)
            return tbk_arena_format(arena, "the table '%s' was not restored", before->table);
        if (before->rows != after->rows)
            return tbk_arena_format(arena,
                                    "the table '%s' had %" PRId64 " rows when it was dumped, and "
                                    "%" PRId64 " restored",
                                    before->table, before->rows, after->rows);
        if (strcmp(before->checksum, after->checksum) != 0)
            return tbk_arena_format(arena, "the table '%s' has other values restored than dumped",
                                    before->table);
    }
    return NULL;
}

static const tbk_table_rows *rows_of(tbk_arena *arena, const tbk_mysql_facts *facts)
{
    tbk_table_rows *rows = tbk_arena_alloc(arena, (facts->table_count + 1) * sizeof *rows);
    for (size_t i = 0; i < facts->table_count; i++)
        rows[i] = (tbk_table_rows){.table = facts->tables[i].table, .rows = facts->tables[i].rows};
    return rows;
}

/* That they can be made is tried. One that names its own schema can be made in that one only. */
static void try_objects(const tbk_mysql_server *scratch, const tbk_mysql_objects *objects,
                        const tbk_report *report)
{
    tbk_error why;
    if (!tbk_mysql_objects_make(scratch, objects, false, report, &why))
        tbk_report_log(report, TBK_LOG_WARNING, "prove",
                       "not all views, triggers and routines could be made beside the real ones: "
                       "%s",
                       why.message);
}

static bool restore_beside(void *self, tbk_arena *arena, const tbk_unpacked *unpacked,
                           const tbk_manifest *manifest, const tbk_report *report,
                           tbk_restored_check *out, tbk_error *err)
{
    mysql_database *database = self;
    const tbk_mysql_server *scratch = &database->scratch;
    tbk_mysql_facts found;
    tbk_report_log(report, TBK_LOG_INFO, "restore", "loading into the schema '%s'",
                   scratch->schema);
    if (!tbk_mysql_scratch_make(&database->root, scratch->schema, err) ||
        !tbk_mysql_load(scratch, sessions_wanted(), unpacked->source, report, &database->objects,
                        err) ||
        !tbk_mysql_measure(arena, scratch, sessions_wanted(), report, &found, err))
        return false;
    *out = (tbk_restored_check){.tables = rows_of(arena, &found),
                                .table_count = found.table_count,
                                .wrong = difference(arena, &manifest->mysql, &found)};
    return true;
}

static void discard(void *self, const tbk_report *report)
{
    mysql_database *database = self;
    tbk_error why;
    tbk_mysql_objects_free(database->objects);
    database->objects = NULL;
    if (!tbk_mysql_scratch_drop(&database->root, database->scratch.schema, &why))
        tbk_report_log(report, TBK_LOG_WARNING, "restore", "the schema '%s' was not removed: %s",
                       database->scratch.schema, why.message);
}

static bool check_restored(void *self, tbk_arena *arena, const tbk_unpacked *unpacked,
                           const tbk_manifest *manifest, const tbk_report *report,
                           tbk_restored_check *out, tbk_error *err)
{
    mysql_database *database = self;
    bool ok = restore_beside(self, arena, unpacked, manifest, report, out, err);
    if (ok)
        try_objects(&database->scratch, database->objects, report);
    discard(self, report);
    return ok;
}

/* --- restore --- */

static bool swap(void *self, tbk_arena *arena, int64_t now_s, const tbk_report *report,
                 const char **out_kept, tbk_error *err)
{
    mysql_database *database = self;
    database->kept = tbk_mysql_kept_name(arena, database->root.schema, now_s);
    if (!tbk_mysql_swap(&database->root, database->scratch.schema, database->kept,
                        database->objects, report, err))
        return false;
    *out_kept = tbk_arena_format(arena, "the schema '%s'", database->kept);
    return true;
}

static bool swap_back(void *self, tbk_arena *arena, const tbk_report *report, tbk_error *err)
{
    mysql_database *database = self;
    (void)arena;
    return tbk_mysql_swap_back(&database->root, database->scratch.schema, database->kept, report,
                               err);
}

static bool forget_kept(void *self, tbk_arena *arena, const char *const **out, tbk_error *err)
{
    size_t count;
    return tbk_mysql_forget_kept(&((mysql_database *)self)->root, arena, out, &count, err);
}

/* --- credentials --- */

static tbk_mysql_server server_of(const tbk_engine_config *config, const tbk_mysql_login *login)
{
    return (tbk_mysql_server){.host = login->host,
                              .port = login->port,
                              .user = login->user,
                              .password = login->password,
                              .schema = login->schema,
                              .needs_tls = config->tls == TBK_TLS_REQUIRED};
}

static bool read_login(tbk_arena *arena, const char *path, tbk_mysql_login *out, tbk_error *err)
{
    char *text;
    size_t length;
    if (!tbk_file_read(arena, path, TBK_DOTENV_MAX_BYTES, &text, &length, err))
        return tbk_while(err, "reading the database's credentials");
    const tbk_dotenv file = {.text = text, .length = length, .source = path};
    return tbk_mysql_login_read(arena, &file, out, err);
}

bool tbk_database_mysql(tbk_arena *arena, const tbk_engine_config *config, const tbk_report *report,
                        tbk_database *out, tbk_error *err)
{
    tbk_mysql_login login;
    mysql_database *self = TBK_ARENA_NEW(arena, mysql_database);
    if (!read_login(arena, config->env_file, &login, err))
        return false;
    if (login.drift != NULL)
        tbk_report_log(report, TBK_LOG_WARNING, "begin", "%s: %s", config->env_file, login.drift);
    self->user = server_of(config, &login);
    self->root = self->user;
    self->root.user = "root";
    self->root.password = login.root_password;
    self->has_root = login.root_password != NULL;
    self->report = report;
    self->scratch = self->root;
    self->scratch.schema = tbk_mysql_scratch_name(arena, login.schema);
    self->scratch.answer_limit_s = LOAD_ANSWER_LIMIT_S;
    *out = (tbk_database){.self = self,
                          .driver = TBK_DRIVER_MYSQL,
                          .inspect = inspect,
                          .capture = capture,
                          .can_restore = can_restore,
                          .check_restored = check_restored,
                          .restore_beside = restore_beside,
                          .swap = swap,
                          .swap_back = swap_back,
                          .discard = discard,
                          .forget_kept = forget_kept};
    return true;
}
