/* SPDX-License-Identifier: MIT */
/* Holds, scratch servers and scratch trackers by the hook's lines: one request, one answer, each
 * with a limit. */
#include "adapters/hold_hook.h"

#include "adapters/http_server.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "domain/host_layout.h"

#include <errno.h>
#include <poll.h>

#define ANSWER_BYTES_MAX 16384 /* the answer to "@files" has 20 bytes for each file */
#define STOP_POLL_MS 500
/* The answer is a look at /proc. Without it the run goes on, so it is not waited for long. */
#define FILES_TIMEOUT_MS 5000
#define TRACKER_TIMEOUT_MS 30000 /* of one of its answers over HTTP */

static const char *const HOOK_GONE_FIX = "nothing by hand: its guard lets the tracker go at once; "
                                         "else cron does within five minutes, by "
                                         "'torrust-backup-hold recover'";

struct tbk_hold_hook {
    int input, output;
    uint32_t answer_timeout_ms;
    const tbk_report *report;
    bool owes_files;               /* its answer to "@files" was given up, and may still come */
    char answer[ANSWER_BYTES_MAX]; /* what came in and is not yet a whole line */
    size_t length;
};

tbk_hold_hook *tbk_hold_hook_new(int input_fd, int output_fd, uint32_t answer_timeout_ms,
                                 const tbk_report *report)
{
    tbk_hold_hook *hook = tbk_memory_new(sizeof *hook);
    hook->input = input_fd;
    hook->output = output_fd;
    hook->answer_timeout_ms = answer_timeout_ms;
    hook->report = report;
    return hook;
}

void tbk_hold_hook_free(tbk_hold_hook *hook) { free(hook); }

static bool hook_gone(tbk_error *err)
{
    return tbk_fail(err, TBK_E_INTERRUPTED, HOOK_GONE_FIX,
                    "the hook that holds the tracker is gone");
}

/* Reads what is there; end of file means that the hook died. */
static bool take_in(tbk_hold_hook *hook, tbk_error *err)
{
    size_t room = sizeof hook->answer - hook->length;
    if (room == 0)
        return tbk_fail(err, TBK_E_FAILED, NULL, "the hook's answer has no end");
    ssize_t got = read(hook->input, hook->answer + hook->length, room);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return hook_gone(err);
    hook->length += (size_t)got;
    return true;
}

static bool take_line(tbk_hold_hook *hook, char out[ANSWER_BYTES_MAX])
{
    char *end = memchr(hook->answer, '\n', hook->length);
    if (end == NULL)
        return false;
    size_t length = (size_t)(end - hook->answer);
    memcpy(out, hook->answer, length);
    out[length] = '\0';
    hook->length -= length + 1;
    memmove(hook->answer, end + 1, hook->length);
    return true;
}

/* What the hook says after "failed ", for people. */
static const char *reason_in(const char *answer)
{
    if (tbk_text_starts_with(answer, "failed "))
        return answer + strlen("failed ");
    return strcmp(answer, "failed") == 0 ? "the hook gave no reason" : NULL;
}

static bool is_files(const char *answer)
{
    return strcmp(answer, "files") == 0 || tbk_text_starts_with(answer, "files ");
}

/* The answers come in the order of the requests: one that was given up comes before the next. */
static bool take_answer(tbk_hold_hook *hook, char out[ANSWER_BYTES_MAX])
{
    if (!take_line(hook, out))
        return false;
    bool is_late = hook->owes_files && (is_files(out) || reason_in(out) != NULL);
    hook->owes_files = false;
    return !is_late || take_line(hook, out);
}

/* report is NULL where the answer is awaited whatever the caller wants. */
static bool await_answer(tbk_hold_hook *hook, const char *request, uint32_t limit_ms,
                         const tbk_report *report, char out[ANSWER_BYTES_MAX], tbk_error *err)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + limit_ms;
    while (!take_answer(hook, out)) {
        int64_t left_ms = end_ms - tbk_clock_monotonic_ms();
        if (left_ms <= 0)
            return tbk_fail(err, TBK_E_TIMEOUT, "see the hook's lines in the log, and 'docker ps'",
                            "the hook did not answer '%s' within %u ms", request, limit_ms);
        struct pollfd wait = {.fd = hook->input, .events = POLLIN};
        int ready = poll(&wait, 1, (int)(left_ms < STOP_POLL_MS ? left_ms : STOP_POLL_MS));
        if (ready <= 0 && !tbk_report_go_on(report, err))
            return false;
        if (ready > 0 && !take_in(hook, err))
            return false;
    }
    return true;
}

/* secret follows the request; only the hook sees it. */
static bool ask_with(tbk_hold_hook *hook, const char *request, const char *secret,
                     const tbk_report *report, char out[ANSWER_BYTES_MAX], tbk_error *err)
{
    tbk_error why;
    if (!tbk_file_write_all(hook->output, request, strlen(request), &why) ||
        !tbk_file_write_all(hook->output, secret, strlen(secret), &why) ||
        !tbk_file_write_all(hook->output, "\n", 1, &why))
        return hook_gone(err);
    return await_answer(hook, request, hook->answer_timeout_ms, report, out, err);
}

static bool ask(tbk_hold_hook *hook, const char *request, const tbk_report *report,
                char out[ANSWER_BYTES_MAX], tbk_error *err)
{
    return ask_with(hook, request, "", report, out, err);
}

static bool acquire(void *self, tbk_hold_kind kind, bool *out_was_stopped, tbk_error *err)
{
    tbk_hold_hook *hook = self;
    const char *request = kind == TBK_HOLD_PAUSE ? "@hold pause" : "@hold stop";
    char answer[ANSWER_BYTES_MAX];
    if (!ask(hook, request, hook->report, answer, err))
        return false;
    bool was_stopped = strcmp(answer, "held was-stopped") == 0;
    if (was_stopped || strcmp(answer, "held") == 0) {
        *out_was_stopped = was_stopped;
        return true;
    }
    const char *reason = reason_in(answer);
    if (reason != NULL)
        return tbk_fail(err, TBK_E_FAILED, "see 'docker ps' and the hook's lines in the log",
                        "the hook could not %s the tracker: %s", request + strlen("@hold "),
                        reason);
    return tbk_fail(err, TBK_E_TIMEOUT, "install hook and engine of the same version: 'configure'",
                    "the hook answered '%s' with '%s'", request, answer);
}

/* Between request and release the hook has nothing to say: a line, like an end of file, means that
 * the hold is not what it was. */
static bool check(void *self, tbk_error *err)
{
    tbk_hold_hook *hook = self;
    char line[ANSWER_BYTES_MAX];
    struct pollfd now = {.fd = hook->input, .events = POLLIN};
    if (poll(&now, 1, 0) > 0 && !take_in(hook, err))
        return false;
    if (!take_line(hook, line))
        return true;
    return tbk_fail(err, TBK_E_FAILED, "see the hook's lines in the log",
                    "the hook gave up the hold: %s", line);
}

static bool release(void *self, tbk_error *err)
{
    tbk_hold_hook *hook = self;
    char answer[ANSWER_BYTES_MAX];
    if (!ask(hook, "@release", NULL, answer, err)) {
        if (err->code == TBK_E_TIMEOUT)
            err->code = TBK_E_TRACKER_DOWN;
        return false;
    }
    if (strcmp(answer, "released") == 0)
        return true;
    const char *reason = reason_in(answer);
    return tbk_fail(err, TBK_E_TRACKER_DOWN, "start it on the VM: docker compose up -d tracker",
                    "the tracker did not come back: %s", reason != NULL ? reason : answer);
}

static bool start_server(void *self, const char *root_password, tbk_error *err)
{
    tbk_hold_hook *hook = self;
    char answer[ANSWER_BYTES_MAX];
    if (!ask_with(hook, "@server ", root_password, hook->report, answer, err))
        return false;
    const char *reason = reason_in(answer);
    return strcmp(answer, "serving") == 0 ||
           tbk_fail(err, TBK_E_FAILED, "see the hook's lines in the log, and 'docker ps -a'",
                    "a server for the proof could not be started: %s",
                    reason != NULL ? reason : answer);
}

/* --- a tracker for a proof --- */

static bool start_tracker(void *self, const char *database, const char *token, tbk_error *err)
{
    tbk_hold_hook *hook = self;
    char answer[ANSWER_BYTES_MAX];
    tbk_auto_text words = {0};
    tbk_text_format(&words, "%s %s", token, database);
    if (!ask_with(hook, "@tracker start ", tbk_text_string(&words), hook->report, answer, err))
        return false;
    const char *reason = reason_in(answer);
    return strcmp(answer, "started") == 0 ||
           tbk_fail(err, TBK_E_FAILED, "see the hook's lines in the log, and 'docker ps -a'",
                    "a tracker for the proof could not be started: %s",
                    reason != NULL ? reason : answer);
}

static bool is_tracker_running(void *self, bool *out, tbk_error *err)
{
    tbk_hold_hook *hook = self;
    char answer[ANSWER_BYTES_MAX];
    if (!ask(hook, "@tracker state", hook->report, answer, err))
        return false;
    const char *reason = reason_in(answer);
    *out = strcmp(answer, "running") == 0 || strcmp(answer, "created") == 0;
    return reason == NULL || tbk_fail(err, TBK_E_FAILED, NULL,
                                      "the tracker of the proof cannot be looked at: %s", reason);
}

static bool ask_tracker(void *self, tbk_tracker_endpoint where, const char *path, int *out_status,
                        tbk_text *out_body, tbk_error *err)
{
    (void)self;
    uint16_t port = where == TBK_TRACKER_HEALTH ? TBK_SCRATCH_TRACKER_HEALTH_PORT
                                                : TBK_SCRATCH_TRACKER_API_PORT;
    return tbk_http_get(port, path, TRACKER_TIMEOUT_MS, out_status, out_body, err);
}

/* Whatever the caller wants: what was started ends. */
static bool end_tracker(void *self, tbk_arena *arena, const char **out_said, tbk_error *err)
{
    char answer[ANSWER_BYTES_MAX];
    if (!ask(self, "@tracker end", NULL, answer, err))
        return false;
    if (!tbk_text_starts_with(answer, "ended"))
        return tbk_fail(err, TBK_E_FAILED, NULL, "the tracker of the proof was not ended: %s",
                        answer);
    *out_said = tbk_arena_copy(arena, answer + strlen("ended") + (answer[5] == ' '));
    return true;
}

/* --- what the tracker has open --- */

/* "files", and for each file one space and its identity. */
static bool read_files(tbk_arena *arena, const char *answer, tbk_open_files *out, tbk_error *err)
{
    const char *at = answer + strlen("files");
    tbk_file_id *list = tbk_arena_alloc(arena, (strlen(at) + 1) * sizeof *list);
    size_t count = 0;
    while (*at == ' ') {
        size_t length = strcspn(++at, " ");
        if (!tbk_file_id_parse(at, length, &list[count++]))
            return tbk_fail(err, TBK_E_FAILED,
                            "install hook and engine of the same version: "
                            "'configure'",
                            "the hook answered '@files' with '%.*s'", (int)length, at);
        at += length;
    }
    *out = (tbk_open_files){.list = list, .count = count};
    return true;
}

static bool ask_for_files(tbk_hold_hook *hook, char out[ANSWER_BYTES_MAX], tbk_error *err)
{
    tbk_error ignored;
    uint32_t limit_ms =
        hook->answer_timeout_ms < FILES_TIMEOUT_MS ? hook->answer_timeout_ms : FILES_TIMEOUT_MS;
    if (!tbk_file_write_all(hook->output, "@files\n", strlen("@files\n"), &ignored))
        return hook_gone(err);
    if (await_answer(hook, "@files", limit_ms, hook->report, out, err))
        return true;
    hook->owes_files = err->code == TBK_E_TIMEOUT;
    return false;
}

static bool list_files(void *self, tbk_arena *arena, tbk_open_files *out, tbk_error *err)
{
    char answer[ANSWER_BYTES_MAX];
    if (!ask_for_files(self, answer, err))
        return false;
    if (is_files(answer))
        return read_files(arena, answer, out, err);
    const char *reason = reason_in(answer);
    return tbk_fail(err, TBK_E_FAILED, "install hook and engine of the same version: 'configure'",
                    "the hook could not look at the tracker's files: %s",
                    reason != NULL ? reason : answer);
}

tbk_tracker_files tbk_hold_hook_tracker_files(tbk_hold_hook *hook)
{
    return (tbk_tracker_files){.self = hook, .list = list_files};
}

tbk_scratch_server tbk_hold_hook_scratch_server(tbk_hold_hook *hook)
{
    return (tbk_scratch_server){
        .self = hook, .host = "127.0.0.1", .port = 3306, .start = start_server};
}

tbk_scratch_tracker tbk_hold_hook_scratch_tracker(tbk_hold_hook *hook)
{
    return (tbk_scratch_tracker){.self = hook,
                                 .start = start_tracker,
                                 .is_running = is_tracker_running,
                                 .ask = ask_tracker,
                                 .end = end_tracker};
}

tbk_hold tbk_hold_hook_port(tbk_hold_hook *hook)
{
    return (tbk_hold){.self = hook, .acquire = acquire, .check = check, .release = release};
}
