/* SPDX-License-Identifier: MIT */
/* Tries the capture methods in order: each says whether the next one is its fallback. */
#include "database/sqlite/sqlite_methods.h"

#include "base/page_cache.h"
#include "database/sqlite/sqlite.h"
#include "database/with_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define HOT_TRIES 3

typedef struct attempt {
    const tbk_methods_request *request;
    tbk_capture *out;
    tbk_copy_place place;
} attempt;

/* --- methods that hold the tracker --- */

/* After the copy, while no process uses the database. A failure does not affect the copy. */
static void change_journal_mode(const tbk_methods_request *request, tbk_capture *out)
{
    bool wal = request->capture->journal_mode == TBK_JOURNAL_WAL;
    if (request->capture->journal_mode == TBK_JOURNAL_AS_IT_IS)
        return;
    if (tbk_sqlite_set_journal_mode(request->database, wal, &out->change))
        tbk_report_log(request->capture->prompt, TBK_LOG_INFO, "hold",
                       "the journal mode of '%s' was changed to %s", request->database,
                       tbk_journal_mode_name(request->capture->journal_mode));
}

static bool copy_held(void *self, const tbk_report *watched, tbk_error *err)
{
    const attempt *attempting = self;
    const tbk_methods_request *request = attempting->request;
    if (!tbk_sqlite_copy_held(request->database, request->staged, watched, err))
        return false;
    change_journal_mode(request, attempting->out);
    return true;
}

/* What the copy brings into memory is dropped when the tracker goes on. */
static bool try_hold(attempt *self, tbk_hold_kind kind, bool *out_declined, tbk_error *err)
{
    const tbk_methods_request *request = self->request;
    tbk_auto_fd int fd = open(request->database, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, "run as the database's owner",
                              "cannot read the database '%s'", request->database);
    if (!S_ISREG(status.st_mode))
        return tbk_fail(err, TBK_E_CONFIG, "name the tracker's database file",
                        "'%s' is not a regular file", request->database);
    if (!request->capture->has_space(request->capture->self, err))
        return false;
    tbk_auto(tbk_page_cache) *cache = tbk_page_cache_snapshot(fd, (uint64_t)status.st_size);
    const tbk_hold_work work = {.hold = request->capture->hold,
                                .kind = kind,
                                .report = request->capture->prompt,
                                .self = self,
                                .work = copy_held};
    bool ok = tbk_with_hold(&work, self->out, out_declined, err);
    tbk_page_cache_drop(cache, fd, (uint64_t)status.st_size);
    return ok;
}

static bool try_pause(attempt *self, bool *out_declined, tbk_error *err)
{
    return try_hold(self, TBK_HOLD_PAUSE, out_declined, err);
}

static bool try_stop(attempt *self, bool *out_declined, tbk_error *err)
{
    return try_hold(self, TBK_HOLD_STOP, out_declined, err);
}

/* --- methods that hold nothing --- */

static bool select_live(attempt *self, tbk_error *err)
{
    const tbk_methods_request *request = self->request;
    if (!tbk_sqlite_need_wal(request->database, err) || !request->select(request->self, err))
        return false;
    self->place = TBK_COPY_SELECTED;
    return true;
}

/* What keeps SQLite from pinning a state need not keep a held copy from being made. */
static bool open_declined(const tbk_error *why)
{
    return why->code != TBK_E_INTERRUPTED && why->code != TBK_E_NOT_FOUND &&
           why->code != TBK_E_SPACE && why->code != TBK_E_CORRUPT;
}

static bool stream(attempt *self, bool *out_declined, tbk_error *err)
{
    const tbk_methods_request *request = self->request;
    const tbk_capture_request *capture = request->capture;
    *out_declined = false;
    if (request->select != NULL)
        return select_live(self, err);
    tbk_auto(tbk_sqlite_hot) *hot = NULL;
    if (!tbk_sqlite_hot_open(request->database, capture->scratch, capture->prompt, &hot, err)) {
        *out_declined = open_declined(err);
        return false;
    }
    const tbk_source source = {
        .self = hot, .total_bytes = tbk_sqlite_hot_size_bytes(hot), .read = tbk_sqlite_hot_read};
    if (!capture->store(capture->self, &source, "capture", capture->report, err) ||
        !tbk_sqlite_hot_finish(hot, &self->out->sqlite, err))
        return false;
    self->place = TBK_COPY_STORED;
    return true;
}

static bool try_hot(attempt *self, bool *out_declined, tbk_error *err)
{
    for (int tries = 1; !stream(self, out_declined, err); tries++) {
        bool again = err->code == TBK_E_BUSY && tries < HOT_TRIES;
        *out_declined = *out_declined || err->code == TBK_E_BUSY ||
                        err->code == TBK_E_UNSUPPORTED || err->code == TBK_E_TIMEOUT;
        if (!again)
            return false;
        tbk_report_log(self->request->capture->prompt, TBK_LOG_WARNING, "capture",
                       "%s; trying again", err->message);
    }
    return true;
}

static bool try_reflink(attempt *self, bool *out_declined, tbk_error *err)
{
    const tbk_methods_request *request = self->request;
    int64_t locked_ms;
    if (tbk_sqlite_copy_reflink(request->database, request->staged, request->capture->prompt,
                                &locked_ms, err)) {
        tbk_report_log(request->capture->prompt, TBK_LOG_INFO, "capture",
                       "the database was cloned; writers could have waited for %" PRId64 " ms",
                       locked_ms);
        return true;
    }
    *out_declined = err->code == TBK_E_BUSY || err->code == TBK_E_UNSUPPORTED;
    return false;
}

static bool try_locked(attempt *self, bool *out_declined, tbk_error *err)
{
    const tbk_methods_request *request = self->request;
    (void)out_declined;
    return request->capture->has_space(request->capture->self, err) &&
           tbk_sqlite_copy_locked(request->database, request->staged, request->capture->prompt,
                                  err);
}

/* --- the methods in their order --- */

static const struct method {
    tbk_capture_method name;
    tbk_method method;    /* which takes this one alone */
    bool for_hold_only;   /* it needs the hook, which holds the tracker */
    bool for_nobody_only; /* it stands in where there is no hook */
    bool (*attempt)(attempt *self, bool *out_declined, tbk_error *err);
} RUNGS[] = {
    {TBK_CAPTURE_HOT, TBK_METHOD_HOT, false, false, try_hot},
    {TBK_CAPTURE_REFLINK, TBK_METHOD_REFLINK, false, false, try_reflink},
    {TBK_CAPTURE_PAUSE, TBK_METHOD_PAUSE, true, false, try_pause},
    {TBK_CAPTURE_STOP, TBK_METHOD_STOP, true, false, try_stop},
    {TBK_CAPTURE_LOCKED, TBK_METHOD_AUTO, false, true, try_locked},
};
#define RUNG_COUNT (sizeof RUNGS / sizeof *RUNGS)

static bool is_for(const struct method *method, const tbk_methods_request *request)
{
    bool nobody = request->capture->hold == NULL;
    if (request->capture->journal_mode != TBK_JOURNAL_AS_IT_IS)
        return method->method == TBK_METHOD_STOP;
    if (nobody ? method->for_hold_only : method->for_nobody_only)
        return false;
    if (request->capture->holds_nothing && method->for_nobody_only)
        return false;
    bool no_choice =
        request->capture->method == TBK_METHOD_AUTO ||
        (nobody && request->capture->method >= TBK_METHOD_PAUSE && method->for_nobody_only);
    return no_choice || method->method == request->capture->method;
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

bool tbk_methods_try(tbk_arena *arena, const tbk_methods_request *request, tbk_capture *out,
                     tbk_copy_place *out_place, tbk_error *err)
{
    const tbk_capture_request *capture = request->capture;
    attempt attempting = {.request = request, .out = out, .place = TBK_COPY_STAGED};
    tbk_error why = {.code = TBK_E_OK}, passing = {.code = TBK_E_OK};
    bool declined = false;
    *out = (tbk_capture){.reason = ""};
    if (capture->hold == NULL && capture->journal_mode != TBK_JOURNAL_AS_IT_IS)
        return tbk_fail(err, TBK_E_CONFIG, "ask for it through the hook",
                        "the journal mode is changed inside a hold only");
    if (capture->hold == NULL && capture->method >= TBK_METHOD_PAUSE)
        note_reason(arena, tbk_method_name(capture->method), "there is no hook to hold the tracker",
                    out);
    for (const struct method *method = RUNGS; method < RUNGS + RUNG_COUNT; method++) {
        if (!is_for(method, request))
            continue;
        declined = false;
        if (why.code != TBK_E_OK)
            tbk_report_log(capture->prompt, TBK_LOG_INFO, "capture", "%s; taking %s instead",
                           why.message, tbk_capture_method_name(method->name));
        if (method->attempt(&attempting, &declined, &why)) {
            out->method = method->name;
            *out_place = attempting.place;
            return true;
        }
        if (!declined)
            break;
        note_reason(arena, tbk_capture_method_name(method->name), why.message, out);
        if (why.code != TBK_E_UNSUPPORTED)
            passing = why;
    }
    if (declined && capture->holds_nothing)
        return fail_without_hold(out, &passing, err);
    *err = why;
    return false;
}
