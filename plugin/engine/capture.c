/* SPDX-License-Identifier: MIT */
/* Walks down the ladder; guards that what is copied under a hold was held to the end. */
#include "engine/capture.h"

#include "base/clock.h"
#include "database/sqlite.h"

#include <inttypes.h>

/* --- A report that also says "stop" when the hold is lost. --- */

typedef struct watch {
    const tbk_report *outer;
    const tbk_hold *hold;
    tbk_error lost; /* code TBK_E_OK while the hold stands */
} watch;

static void watch_progress(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    tbk_report_progress(((watch *)self)->outer, phase, done_bytes, total_bytes);
}

static void watch_log(void *self, tbk_log_level level, const char *phase, const char *message)
{
    tbk_report_log(((watch *)self)->outer, level, phase, "%s", message);
}

static bool watch_cancelled(void *self)
{
    watch *watching = self;
    tbk_error ignored;
    return !tbk_report_go_on(watching->outer, &ignored) ||
           !watching->hold->check(watching->hold->self, &watching->lost);
}

static bool copy_watched(const char *database, const char *target, const tbk_hold *hold,
                         const tbk_report *report, tbk_error *err)
{
    watch watching = {.outer = report, .hold = hold, .lost = {.code = TBK_E_OK}};
    const tbk_report inner = {.self = &watching,
                              .progress = watch_progress,
                              .log = watch_log,
                              .cancelled = watch_cancelled};
    bool ok = tbk_sqlite_copy_held(database, target, &inner, err);
    if (ok && watching.lost.code == TBK_E_OK)
        ok = hold->check(hold->self, &watching.lost);
    if (watching.lost.code != TBK_E_OK) {
        *err = watching.lost;
        return tbk_while(err, "the copy counts for nothing");
    }
    return ok;
}

/* --- One rung --- */

static void hold_released(tbk_capture *out, int64_t started_ms, const tbk_report *report)
{
    out->held_ms = out->tracker_was_stopped ? 0 : tbk_clock_monotonic_ms() - started_ms;
    if (out->tracker_was_stopped)
        tbk_report_log(report, TBK_LOG_INFO, "release",
                       "the tracker was not running before, and was left so");
    else
        tbk_report_log(report, TBK_LOG_INFO, "release", "the tracker was held for %" PRId64 " ms",
                       out->held_ms);
}

static bool copy_under_hold(const char *database, const char *target, const tbk_hold *hold,
                            int64_t started_ms, const tbk_report *report, tbk_capture *out,
                            tbk_error *err)
{
    bool ok = copy_watched(database, target, hold, report, err);
    tbk_error release = {.code = TBK_E_OK};
    if (hold->release(hold->self, &release)) {
        hold_released(out, started_ms, report);
        return ok;
    }
    out->held_ms = tbk_clock_monotonic_ms() - started_ms;
    tbk_report_log(report, TBK_LOG_ERROR, "release", "%s", release.message);
    if (ok && release.code == TBK_E_TRACKER_DOWN) {
        out->release = release;
        return true;
    }
    /* A tracker that stands still matters more than why the copy failed. */
    if (ok || release.code == TBK_E_TRACKER_DOWN) {
        char why[sizeof err->message] = "";
        if (!ok)
            (void)snprintf(why, sizeof why, "%s", err->message);
        *err = release;
        if (!ok)
            (void)tbk_while(err, "the copy failed (%s), and then", why);
    }
    return false;
}

static bool try_rung(const char *database, const char *target, const tbk_hold *hold,
                     tbk_hold_kind kind, const tbk_report *report, tbk_capture *out,
                     bool *out_refused, tbk_error *err)
{
    const char *name = kind == TBK_HOLD_PAUSE ? "pause" : "stop";
    int64_t started_ms = tbk_clock_monotonic_ms();
    if (!hold->acquire(hold->self, kind, &out->tracker_was_stopped, err)) {
        *out_refused = err->code == TBK_E_FAILED;
        return false;
    }
    *out_refused = false;
    out->method = name;
    tbk_report_log(report, TBK_LOG_INFO, "hold", "%s",
                   out->tracker_was_stopped ? "the tracker is not running: nothing to hold"
                   : kind == TBK_HOLD_PAUSE ? "the tracker is paused"
                                            : "the tracker is stopped");
    return copy_under_hold(database, target, hold, started_ms, report, out, err);
}

/* --- The ladder --- */

static bool walk_down(tbk_arena *arena, const char *database, const char *target, tbk_method method,
                      const tbk_hold *hold, const tbk_report *report, tbk_capture *out,
                      tbk_error *err)
{
    bool refused = false;
    tbk_error why;
    if (method == TBK_METHOD_STOP)
        return try_rung(database, target, hold, TBK_HOLD_STOP, report, out, &refused, err);
    if (try_rung(database, target, hold, TBK_HOLD_PAUSE, report, out, &refused, &why))
        return true;
    if (!refused || method == TBK_METHOD_PAUSE) {
        *err = why;
        return false;
    }
    out->reason = tbk_arena_format(arena, "pause: %s", why.message);
    tbk_report_log(report, TBK_LOG_WARNING, "hold", "%s; stopping it instead", why.message);
    return try_rung(database, target, hold, TBK_HOLD_STOP, report, out, &refused, err);
}

bool tbk_capture_sqlite(tbk_arena *arena, const char *database, const char *target,
                        tbk_method method, const tbk_hold *hold, const tbk_report *report,
                        tbk_capture *out, tbk_error *err)
{
    *out = (tbk_capture){.reason = "", .release = {.code = TBK_E_OK}};
    if (hold != NULL)
        return walk_down(arena, database, target, method, hold, report, out, err);
    out->method = "locked";
    out->reason = "nobody is there to hold the tracker: SQLite's own locks were used";
    return tbk_sqlite_copy_locked(database, target, report, err);
}
