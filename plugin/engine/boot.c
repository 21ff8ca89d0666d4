/* SPDX-License-Identifier: MIT */
/* Starts a tracker on a restored database, asks it, and ends it. */
#include "engine/boot.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/token.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define ASK_PAUSE_MS 500
#define HEALTH_PATH "/health_check"
#define API_PATH "/api/v1/stats?token="

typedef struct booting {
    tbk_arena *arena;
    const tbk_boot_request *request;
    const char *token;
    int64_t started_ms;
    tbk_boot_proof *proof;
} booting;

/* The first finding counts. */
static void TBK_PRINTF(3, 4) conclude(booting *self, tbk_boot_state state, const char *format, ...)
{
    va_list arguments;
    if (self->proof->state != TBK_BOOT_NONE)
        return;
    va_start(arguments, format);
    self->proof->state = state;
    self->proof->detail = tbk_arena_vformat(self->arena, format, arguments);
    va_end(arguments);
}

/* One answer, as JSON; NULL where it is something else, with why. */
static const tbk_value *ask(booting *self, tbk_tracker_endpoint where, const char *path,
                            const char **out_why)
{
    const tbk_scratch_tracker *tracker = self->request->tracker;
    tbk_auto_text body = {0};
    const tbk_value *answer = NULL;
    tbk_error why;
    int status = 0;
    if (!tracker->ask(tracker->self, where, path, &status, &body, &why)) {
        *out_why = tbk_arena_copy(self->arena, why.message);
        return NULL;
    }
    char *text = tbk_arena_copy(self->arena, tbk_text_string(&body));
    if (status != 200)
        *out_why = tbk_arena_format(self->arena, "it answers with HTTP status %d", status);
    else if (!tbk_json_parse(self->arena, text, body.length, "the answer", &answer, &why))
        *out_why = "its answer is not JSON";
    return answer;
}

/* --- healthy --- */

static bool is_healthy(booting *self, const char **out_why)
{
    const tbk_value *answer = ask(self, TBK_TRACKER_HEALTH, HEALTH_PATH, out_why);
    if (answer == NULL)
        return false;
    *out_why = "it says that it is not healthy";
    return strcmp(tbk_value_text_at(answer, "status", ""), "Ok") == 0;
}

/* It may have ended: then nothing more is waited for. */
static bool look(booting *self, tbk_error *err)
{
    const tbk_scratch_tracker *tracker = self->request->tracker;
    bool is_running = true;
    if (!tracker->is_running(tracker->self, &is_running, err)) {
        if (err->code == TBK_E_INTERRUPTED)
            return false;
        conclude(self, TBK_BOOT_SKIPPED, "%s", err->message);
    }
    if (!is_running)
        conclude(self, TBK_BOOT_FAILED, "the tracker ended by itself");
    return true;
}

static bool await_health(booting *self, tbk_error *err)
{
    const struct timespec pause = {.tv_nsec = ASK_PAUSE_MS * 1000000};
    uint32_t limit_ms = self->request->limit_ms != 0 ? self->request->limit_ms : TBK_BOOT_LIMIT_MS;
    const char *why = "";
    while (!is_healthy(self, &why)) {
        if (!tbk_report_go_on(self->request->report, err) || !look(self, err))
            return false;
        if (tbk_clock_monotonic_ms() - self->started_ms >= limit_ms)
            conclude(self, TBK_BOOT_FAILED, "the tracker was not healthy after %" PRIu32 " s: %s",
                     limit_ms / 1000, why);
        if (self->proof->state != TBK_BOOT_NONE)
            return true;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* --- its numbers --- */

/* Trackers up to 3.0.0 read a torrent when it is announced: they count none. */
static void compare_torrents(booting *self, const tbk_value *answer, double seconds)
{
    int64_t counted = -1, expected = self->request->torrents;
    tbk_error ignored;
    if (!tbk_value_require_integer(answer, "torrents", &counted, &ignored))
        conclude(self, TBK_BOOT_FAILED, "the tracker's API does not say how many torrents it has");
    else if (counted == 0 && expected != 0)
        conclude(self, TBK_BOOT_PASSED,
                 "healthy after %.1f s; its API answers; it reads torrents only when they are "
                 "announced",
                 seconds);
    else if (counted != expected && expected >= 0)
        conclude(self, TBK_BOOT_FAILED,
                 "the tracker's API counts %" PRId64 " torrents, the set has %" PRId64, counted,
                 expected);
    else
        conclude(self, TBK_BOOT_PASSED, "healthy after %.1f s; its API counts %" PRId64 " torrents",
                 seconds, counted);
}

static void ask_api(booting *self)
{
    double seconds = (double)(tbk_clock_monotonic_ms() - self->started_ms) / 1000.0;
    const char *why = "";
    const char *path = tbk_arena_format(self->arena, API_PATH "%s", self->token);
    const tbk_value *answer = ask(self, TBK_TRACKER_API, path, &why);
    if (answer == NULL)
        conclude(self, TBK_BOOT_FAILED, "the tracker's API does not answer as it should: %s", why);
    else
        compare_torrents(self, answer, seconds);
}

/* --- all of it --- */

static bool try_it(booting *self, tbk_error *err)
{
    if (!await_health(self, err))
        return false;
    if (self->proof->state == TBK_BOOT_NONE)
        ask_api(self);
    return true;
}

/* Where that fails it ends with the run. */
static bool end(booting *self, tbk_error *err)
{
    const tbk_scratch_tracker *tracker = self->request->tracker;
    const char *said = "";
    if (!tracker->end(tracker->self, self->arena, &said, err) && err->code == TBK_E_INTERRUPTED)
        return false;
    if (self->proof->state == TBK_BOOT_FAILED && said[0] != '\0')
        self->proof->detail =
            tbk_arena_format(self->arena, "%s; its last words: %s", self->proof->detail, said);
    return true;
}

/* Where it was not even started, nothing is known. */
static bool start(booting *self, tbk_error *err)
{
    const tbk_scratch_tracker *tracker = self->request->tracker;
    if (tracker->start(tracker->self, self->request->database, self->token, err))
        return true;
    if (err->code == TBK_E_INTERRUPTED)
        return false;
    conclude(self, TBK_BOOT_SKIPPED, "%s", err->message);
    return true;
}

bool tbk_boot_prove(tbk_arena *arena, const tbk_boot_request *request, tbk_boot_proof *out,
                    tbk_error *err)
{
    char at[TBK_CLOCK_TEXT_SIZE];
    tbk_error ignored;
    tbk_clock_format(request->now_s, at);
    *out = (tbk_boot_proof){.at = tbk_arena_copy(arena, at)};
    booting self = {.arena = arena,
                    .request = request,
                    .token = tbk_token_new(arena),
                    .started_ms = tbk_clock_monotonic_ms(),
                    .proof = out};
    bool ok = start(&self, err) && (out->state != TBK_BOOT_NONE || try_it(&self, err));
    /* Also where it was refused: it may have been begun. */
    return end(&self, ok ? err : &ignored) && ok;
}
