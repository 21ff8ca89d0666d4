/* SPDX-License-Identifier: MIT */
/* Walks down the ladder; guards that what is copied under a hold was held to the end. */
#include "engine/capture.h"

#include "base/clock.h"
#include "database/page_cache.h"
#include "database/sqlite.h"
#include "engine/gentle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define HOT_TRIES 3

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

static bool copy_watched(const tbk_capture_request *request, tbk_error *err)
{
    const tbk_hold *hold = request->hold;
    watch watching = {.outer = request->report, .hold = hold, .lost = {.code = TBK_E_OK}};
    const tbk_report inner = {.self = &watching,
                              .progress = watch_progress,
                              .log = watch_log,
                              .cancelled = watch_cancelled};
    bool ok = tbk_sqlite_copy_held(request->database, request->staged, &inner, err);
    if (ok && watching.lost.code == TBK_E_OK)
        ok = hold->check(hold->self, &watching.lost);
    if (watching.lost.code != TBK_E_OK) {
        *err = watching.lost;
        return tbk_while(err, "the copy counts for nothing");
    }
    return ok;
}

/* --- Rungs that hold the tracker --- */

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

/* With the copy made, and nobody using the database. What goes wrong with it does not make the copy
 * worse. */
static void change_journal_mode(const tbk_capture_request *request, tbk_capture *out)
{
    bool wal = request->journal_mode == TBK_JOURNAL_WAL;
    if (request->journal_mode == TBK_JOURNAL_AS_IT_IS)
        return;
    if (tbk_sqlite_set_journal_mode(request->database, wal, &out->change))
        tbk_report_log(request->report, TBK_LOG_INFO, "hold",
                       "the journal mode of '%s' was changed to %s", request->database,
                       tbk_journal_mode_name(request->journal_mode));
}

static bool copy_under_hold(const tbk_capture_request *request, int64_t started_ms,
                            tbk_capture *out, tbk_error *err)
{
    const tbk_hold *hold = request->hold;
    tbk_gentle_io(false);
    bool ok = copy_watched(request, err);
    if (ok)
        change_journal_mode(request, out);
    tbk_gentle_io(true);
    tbk_error release = {.code = TBK_E_OK};
    if (hold->release(hold->self, &release)) {
        hold_released(out, started_ms, request->report);
        return ok;
    }
    out->held_ms = tbk_clock_monotonic_ms() - started_ms;
    tbk_report_log(request->report, TBK_LOG_ERROR, "release", "%s", release.message);
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

static bool hold_and_copy(const tbk_capture_request *request, tbk_hold_kind kind, tbk_capture *out,
                          bool *out_declined, tbk_error *err)
{
    int64_t started_ms = tbk_clock_monotonic_ms();
    if (!request->hold->acquire(request->hold->self, kind, &out->tracker_was_stopped, err)) {
        *out_declined = err->code == TBK_E_FAILED;
        return false;
    }
    tbk_report_log(request->report, TBK_LOG_INFO, "hold", "%s",
                   out->tracker_was_stopped ? "the tracker is not running: nothing to hold"
                   : kind == TBK_HOLD_PAUSE ? "the tracker is paused"
                                            : "the tracker is stopped");
    return copy_under_hold(request, started_ms, out, err);
}

/* What the copy brings into memory is given back when the tracker goes on. */
static bool try_hold(const tbk_capture_request *request, tbk_hold_kind kind, tbk_capture *out,
                     bool *out_declined, tbk_error *err)
{
    tbk_auto_fd int fd = open(request->database, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, "run as the database's owner",
                              "cannot read the database '%s'", request->database);
    if (!request->has_room(request->self, err))
        return false;
    tbk_auto(tbk_page_cache) *cache = tbk_page_cache_note(fd, (uint64_t)status.st_size);
    bool ok = hold_and_copy(request, kind, out, out_declined, err);
    tbk_page_cache_give_back(cache, fd, (uint64_t)status.st_size);
    return ok;
}

static bool try_pause(const tbk_capture_request *request, tbk_capture *out, bool *out_declined,
                      tbk_error *err)
{
    return try_hold(request, TBK_HOLD_PAUSE, out, out_declined, err);
}

static bool try_stop(const tbk_capture_request *request, tbk_capture *out, bool *out_declined,
                     tbk_error *err)
{
    return try_hold(request, TBK_HOLD_STOP, out, out_declined, err);
}

/* --- Rungs that hold nothing --- */

static bool select_live(const tbk_capture_request *request, tbk_capture *out, tbk_error *err)
{
    out->is_selected =
        tbk_sqlite_need_wal(request->database, err) && request->select(request->self, err);
    return out->is_selected;
}

/* What keeps SQLite from pinning a state need not keep a held copy from being made. */
static bool open_declined(const tbk_error *why)
{
    return why->code != TBK_E_INTERRUPTED && why->code != TBK_E_NOT_FOUND &&
           why->code != TBK_E_SPACE && why->code != TBK_E_CORRUPT;
}

static bool stream(const tbk_capture_request *request, tbk_capture *out, bool *out_declined,
                   tbk_error *err)
{
    if (request->select != NULL)
        return select_live(request, out, err);
    tbk_auto(tbk_sqlite_hot) *hot = NULL;
    if (!tbk_sqlite_hot_open(request->database, request->scratch, &hot, err)) {
        *out_declined = open_declined(err);
        return false;
    }
    const tbk_source source = {
        .self = hot, .total_bytes = tbk_sqlite_hot_size_bytes(hot), .read = tbk_sqlite_hot_read};
    out->is_stored =
        request->store(request->self, &source, err) && tbk_sqlite_hot_finish(hot, &out->facts, err);
    return out->is_stored;
}

static bool try_hot(const tbk_capture_request *request, tbk_capture *out, bool *out_declined,
                    tbk_error *err)
{
    for (int tries = 1; !stream(request, out, out_declined, err); tries++) {
        bool again = err->code == TBK_E_BUSY && tries < HOT_TRIES;
        *out_declined =
            err->code == TBK_E_BUSY || err->code == TBK_E_UNSUPPORTED || err->code == TBK_E_TIMEOUT;
        if (!again)
            return false;
        tbk_report_log(request->report, TBK_LOG_WARNING, "capture", "%s; trying again",
                       err->message);
    }
    return true;
}

static bool try_reflink(const tbk_capture_request *request, tbk_capture *out, bool *out_declined,
                        tbk_error *err)
{
    int64_t locked_ms;
    (void)out;
    if (tbk_sqlite_copy_reflink(request->database, request->staged, &locked_ms, err)) {
        tbk_report_log(request->report, TBK_LOG_INFO, "capture",
                       "the database was cloned; writers could have waited for %" PRId64 " ms",
                       locked_ms);
        return true;
    }
    *out_declined = err->code == TBK_E_BUSY || err->code == TBK_E_UNSUPPORTED;
    return false;
}

static bool try_locked(const tbk_capture_request *request, tbk_capture *out, bool *out_declined,
                       tbk_error *err)
{
    (void)out;
    (void)out_declined;
    return request->has_room(request->self, err) &&
           tbk_sqlite_copy_locked(request->database, request->staged, request->report, err);
}

/* --- The ladder --- */

static const struct rung {
    const char *name;
    tbk_method method;    /* which takes this rung alone */
    bool for_auto;        /* auto tries it */
    bool for_hold_only;   /* it needs somebody who holds the tracker */
    bool for_nobody_only; /* it stands in where there is nobody */
    bool (*attempt)(const tbk_capture_request *request, tbk_capture *out, bool *out_declined,
                    tbk_error *err);
} RUNGS[] = {
    {"hot", TBK_METHOD_HOT, true, false, false, try_hot},
    {"reflink", TBK_METHOD_REFLINK, true, false, false, try_reflink},
    {"pause", TBK_METHOD_PAUSE, true, true, false, try_pause},
    {"stop", TBK_METHOD_STOP, true, true, false, try_stop},
    {"locked", TBK_METHOD_AUTO, true, false, true, try_locked},
};
#define RUNG_COUNT (sizeof RUNGS / sizeof *RUNGS)

static bool is_for(const struct rung *rung, const tbk_capture_request *request)
{
    bool nobody = request->hold == NULL;
    if (request->journal_mode != TBK_JOURNAL_AS_IT_IS)
        return rung->method == TBK_METHOD_STOP;
    if (nobody ? rung->for_hold_only : rung->for_nobody_only)
        return false;
    if (request->holds_nothing && rung->for_nobody_only)
        return false;
    bool no_choice = request->method == TBK_METHOD_AUTO ||
                     (nobody && request->method >= TBK_METHOD_PAUSE && rung->for_nobody_only);
    return no_choice ? rung->for_auto : rung->method == request->method;
}

static void note_reason(tbk_arena *arena, const char *name, const char *why, tbk_capture *out)
{
    out->reason = tbk_arena_format(arena, "%s%s%s: %s", out->reason,
                                   out->reason[0] != '\0' ? "; " : "", name, why);
}

/* Nothing is left to be tried. What is only so at the moment is told as it is. */
static bool fail_without_hold(const tbk_capture *out, const tbk_error *passing, tbk_error *err)
{
    if (passing->code != TBK_E_OK) {
        *err = *passing;
        return false;
    }
    return tbk_fail(err, TBK_E_UNSUPPORTED,
                    "torrust-backup configure ENVIRONMENT --mode window, without 'hold: never', "
                    "then run ENVIRONMENT --journal-mode wal, then configure ENVIRONMENT as it was",
                    "the database allows no backup without a hold: %s", out->reason);
}

bool tbk_capture_sqlite(tbk_arena *arena, const tbk_capture_request *request, tbk_capture *out,
                        tbk_error *err)
{
    tbk_error why = {.code = TBK_E_OK}, passing = {.code = TBK_E_OK};
    bool declined = false;
    *out = (tbk_capture){.reason = ""};
    if (request->hold == NULL && request->journal_mode != TBK_JOURNAL_AS_IT_IS)
        return tbk_fail(err, TBK_E_CONFIG, "ask for it through the hook",
                        "the journal mode is changed inside a hold only");
    if (request->hold == NULL && request->method >= TBK_METHOD_PAUSE)
        note_reason(arena, tbk_method_name(request->method), "nobody is there to hold the tracker",
                    out);
    for (const struct rung *rung = RUNGS; rung < RUNGS + RUNG_COUNT; rung++) {
        if (!is_for(rung, request))
            continue;
        declined = false;
        if (why.code != TBK_E_OK)
            tbk_report_log(request->report, TBK_LOG_INFO, "capture", "%s; taking %s instead",
                           why.message, rung->name);
        if (rung->attempt(request, out, &declined, &why)) {
            out->method = rung->name;
            return true;
        }
        if (!declined)
            break;
        note_reason(arena, rung->name, why.message, out);
        if (why.code != TBK_E_UNSUPPORTED)
            passing = why;
    }
    if (declined && request->holds_nothing)
        return fail_without_hold(out, &passing, err);
    *err = why;
    return false;
}
