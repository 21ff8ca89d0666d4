/* SPDX-License-Identifier: MIT */
/* Acquires, watches, releases. */
#include "database/with_hold.h"

#include "base/clock.h"
#include "database/throttle.h"

#include <inttypes.h>

/* --- a report that also says "stop" when the hold is lost --- */

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

static bool work_watched(const tbk_hold_work *work, tbk_error *err)
{
    const tbk_hold *hold = work->hold;
    watch watching = {.outer = work->report, .hold = hold, .lost = {.code = TBK_E_OK}};
    const tbk_report inner = {.self = &watching,
                              .progress = watch_progress,
                              .log = watch_log,
                              .cancelled = watch_cancelled};
    bool ok = work->work(work->self, &inner, err);
    if (ok && watching.lost.code == TBK_E_OK)
        ok = hold->check(hold->self, &watching.lost);
    if (watching.lost.code != TBK_E_OK) {
        *err = watching.lost;
        return tbk_error_context(err, "the copy is discarded");
    }
    return ok;
}

/* --- letting go --- */

static void note_released(const tbk_report *report, int64_t started_ms, tbk_capture *out)
{
    int64_t held_ms = tbk_clock_monotonic_ms() - started_ms;
    if (!out->tracker_was_stopped)
        out->held_ms += held_ms;
    if (out->tracker_was_stopped)
        tbk_report_log(report, TBK_LOG_INFO, "release",
                       "the tracker was not running before, and was left so");
    else
        tbk_report_log(report, TBK_LOG_INFO, "release", "the tracker was held for %" PRId64 " ms",
                       held_ms);
}

/* A tracker that stands still matters more than why the work failed. */
static bool fail_both(bool worked, const tbk_error *release, tbk_error *err)
{
    char why[sizeof err->message] = "";
    if (!worked)
        (void)snprintf(why, sizeof why, "%s", err->message);
    *err = *release;
    return worked ? false : tbk_error_context(err, "the copy failed (%s), and then", why);
}

static bool work_and_release(const tbk_hold_work *work, int64_t started_ms, tbk_capture *out,
                             tbk_error *err)
{
    tbk_error release = {.code = TBK_E_OK};
    tbk_throttle_io(false);
    bool ok = work_watched(work, err);
    tbk_throttle_io(true);
    if (work->hold->release(work->hold->self, &release)) {
        note_released(work->report, started_ms, out);
        return ok;
    }
    out->held_ms += tbk_clock_monotonic_ms() - started_ms;
    tbk_report_log(work->report, TBK_LOG_ERROR, "release", "%s", release.message);
    if (ok && release.code == TBK_E_TRACKER_DOWN) {
        out->release = release;
        return true;
    }
    if (ok || release.code == TBK_E_TRACKER_DOWN)
        return fail_both(ok, &release, err);
    return false;
}

bool tbk_with_hold(const tbk_hold_work *work, tbk_capture *out, bool *out_declined, tbk_error *err)
{
    int64_t started_ms = tbk_clock_monotonic_ms();
    if (!work->hold->acquire(work->hold->self, work->kind, &out->tracker_was_stopped, err)) {
        *out_declined = err->code == TBK_E_FAILED;
        return false;
    }
    tbk_report_log(work->report, TBK_LOG_INFO, "hold", "%s",
                   out->tracker_was_stopped       ? "the tracker is not running: nothing to hold"
                   : work->kind == TBK_HOLD_PAUSE ? "the tracker is paused"
                                                  : "the tracker is stopped");
    return work_and_release(work, started_ms, out, err);
}
