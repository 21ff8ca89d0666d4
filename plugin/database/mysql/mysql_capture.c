/* SPDX-License-Identifier: MIT */
/*
 * Dumps from snapshots of one moment.
 *
 * The moment is found without a hold where no client commits for an instant; else the tracker is
 * paused for it; else one session reads alone, which is right at any time, and slower.
 */
#include "database/mysql/mysql_capture.h"

#include "base/clock.h"
#include "database/with_hold.h"

#include <time.h>
#include <unistd.h>

#define SESSIONS_MIN 2
#define SESSIONS_MAX 4
/* How long a common moment is looked for, without and with the tracker paused. */
#define FREE_LIMIT_MS 1000
#define HELD_LIMIT_MS 300
#define PIN_PAUSE_MS 5
#define SNAPSHOT_TRIES 3

unsigned tbk_mysql_capture_sessions(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < SESSIONS_MIN   ? SESSIONS_MIN
           : processors > SESSIONS_MAX ? SESSIONS_MAX
                                       : (unsigned)processors;
}

/* Tries again and again, since the next moment may be the one. */
static bool pin_within(tbk_mysql_dump *dump, int64_t limit_ms, const tbk_report *report,
                       tbk_error *err)
{
    const struct timespec pause = {.tv_nsec = PIN_PAUSE_MS * 1000000};
    int64_t end_ms = tbk_clock_monotonic_ms() + limit_ms;
    while (!tbk_mysql_dump_pin(dump, err)) {
        if (err->code != TBK_E_BUSY || tbk_clock_monotonic_ms() >= end_ms)
            return false;
        if (!tbk_report_go_on(report, err))
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* --- capture --- */

typedef struct capturing {
    const tbk_mysql_server *user, *root;
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
    const tbk_mysql_dump_request request = {.server = self->user,
                                            .root = self->root,
                                            .sessions = tbk_mysql_capture_sessions(),
                                            .rules = self->request->rules,
                                            .is_still = is_still,
                                            .report = report};
    return tbk_mysql_dump_open(&request, &self->dump, err);
}

static bool pin_held(void *self, const tbk_report *watched, tbk_error *err)
{
    const capturing *capture = self;
    (void)watched;
    return pin_within(capture->dump, HELD_LIMIT_MS, capture->request->prompt, err);
}

/* True with *out_pinned false: no hold was to be had, or no moment in it. */
static bool pin_in_pause(capturing *self, bool *out_pinned, tbk_error *err)
{
    bool declined = false;
    const tbk_hold_work work = {.hold = self->request->hold,
                                .kind = TBK_HOLD_PAUSE,
                                .report = self->request->prompt,
                                .self = self,
                                .work = pin_held};
    *out_pinned = tbk_with_hold(&work, self->out, &declined, err);
    return *out_pinned || declined || err->code == TBK_E_BUSY;
}

static bool pin(capturing *self, tbk_error *err)
{
    bool pinned = false;
    if (pin_within(self->dump, FREE_LIMIT_MS, self->request->prompt, err))
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

/* Retries after a schema change; repeated ones mean a migration in progress. */
static bool snapshot(capturing *self, tbk_error *err)
{
    for (int tries = 1; !dump_live(self, err); tries++) {
        if (err->code != TBK_E_BUSY || tries == SNAPSHOT_TRIES)
            return false;
        tbk_report_log(self->request->prompt, TBK_LOG_WARNING, "capture", "%s; trying again",
                       err->message);
    }
    self->out->method = TBK_CAPTURE_SNAPSHOT;
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
    const tbk_hold_work work = {.hold = self->request->hold,
                                .kind = TBK_HOLD_STOP,
                                .report = self->request->prompt,
                                .self = self,
                                .work = dump_still};
    if (self->request->hold == NULL)
        return tbk_fail(err, TBK_E_CONFIG, "run it through the hook, or use the method snapshot",
                        "the method stop needs the hook, which stops the tracker");
    bool ok = tbk_with_hold(&work, self->out, &declined, err);
    close_dump(self);
    if (ok)
        self->out->method = TBK_CAPTURE_STOP;
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

bool tbk_mysql_capture(tbk_arena *arena, const tbk_mysql_server *user, const tbk_mysql_server *root,
                       const tbk_capture_request *request, tbk_capture *out, tbk_error *err)
{
    capturing work = {.user = user, .root = root, .arena = arena, .request = request, .out = out};
    int64_t started_ms = tbk_clock_monotonic_ms();
    bool ok = take(&work, err);
    request->phase_ended(request->self, "capture", started_ms);
    return ok || tbk_error_context(err, "capturing the database");
}

/* --- forecast --- */

static tbk_value *facts_value(tbk_arena *arena, const tbk_mysql_server *user,
                              const tbk_mysql_facts *facts)
{
    tbk_value *database = tbk_value_map(arena);
    tbk_value_set_string(arena, database, "server", facts->server);
    tbk_value_set_string(arena, database, "version", facts->version);
    tbk_value_set_string(arena, database, "host", user->host);
    tbk_value_set_string(arena, database, "schema", user->schema);
    tbk_value_set_integer(arena, database, "tables", (int64_t)facts->table_count);
    tbk_value_set_integer(arena, database, "bytes", (int64_t)facts->size_bytes);
    return database;
}

/* dump is NULL where there are no snapshots. */
static bool expect_hold(const tbk_forecast_request *request, tbk_mysql_dump *dump,
                        tbk_forecast *out, tbk_error *err)
{
    tbk_error why = {.code = TBK_E_OK};
    out->expected_held_ms = 0;
    if (request->holds_nothing)
        return true;
    if (tbk_forecast_holds(out->method) || dump == NULL) {
        out->expected_held_ms = TBK_FORECAST_HELD_UNKNOWN;
        (void)snprintf(out->speed.not_measured, sizeof out->speed.not_measured,
                       "how long a dump takes is not known before it");
        return true;
    }
    if (!pin_within(dump, FREE_LIMIT_MS, request->report, &why) && why.code != TBK_E_BUSY) {
        *err = why;
        return false;
    }
    if (why.code == TBK_E_BUSY)
        out->expected_held_ms = HELD_LIMIT_MS;
    return true;
}

static bool forecast(tbk_arena *arena, const tbk_forecast_request *request, tbk_mysql_dump *dump,
                     const tbk_error *why, tbk_forecast *out, tbk_error *err)
{
    const char *why_not = dump == NULL ? tbk_arena_copy(arena, why->message) : NULL;
    tbk_forecast_add(out, TBK_CAPTURE_SNAPSHOT, why_not);
    if (!request->holds_nothing && request->environment != NULL)
        tbk_forecast_add(out, TBK_CAPTURE_STOP, NULL);
    out->method = request->method == TBK_METHOD_AUTO ? tbk_forecast_best(out)
                                                     : tbk_capture_method_of(request->method);
    out->remedy = dump == NULL ? "convert the tables with ALTER TABLE ... ENGINE=InnoDB, then "
                                 "nothing is held"
                               : NULL;
    return expect_hold(request, dump, out, err);
}

bool tbk_mysql_forecast(tbk_arena *arena, const tbk_mysql_server *user,
                        const tbk_mysql_server *root, const tbk_forecast_request *request,
                        tbk_forecast *out, tbk_error *err)
{
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    tbk_mysql_facts facts;
    tbk_error why;
    const tbk_mysql_dump_request wanted = {.server = user,
                                           .root = root,
                                           .sessions = tbk_mysql_capture_sessions(),
                                           .report = request->report};
    if (!tbk_mysql_inspect(arena, user, NULL, &facts, err))
        return false;
    *out = (tbk_forecast){.database = facts_value(arena, user, &facts),
                          .copy_bytes = facts.size_bytes};
    if (!tbk_mysql_dump_open(&wanted, &dump, &why) && why.code != TBK_E_UNSUPPORTED) {
        *err = why;
        return false;
    }
    return forecast(arena, request, dump, &why, out, err);
}
