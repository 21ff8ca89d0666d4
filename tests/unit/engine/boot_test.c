/* SPDX-License-Identifier: MIT */
/* A tracker on a restored database: what it answers decides; whatever comes, it is ended. */
#include "unit/unit.h"

#include "engine/boot.h"

/* A tracker that the test plays: its answers, in their order. */
typedef struct played {
    const char *refusal; /* of the start; NULL: it starts */
    bool hook_is_gone, cannot_look, cannot_end, is_broken;
    int unhealthy;     /* so many times it is not healthy yet */
    int runs_for;      /* looks that find it running; -1: all */
    const char *stats; /* what its API answers */
    int status;        /* with which HTTP status */
    const char *said;
    char token[64];
    int starts, ends;
} played;

static bool start(void *self, const char *database, const char *token, tbk_error *err)
{
    played *tracker = self;
    assert_string_equal(database, "/scratch/some.db");
    assert_int_equal(strlen(token), 32);
    (void)snprintf(tracker->token, sizeof tracker->token, "%s", token);
    if (tracker->hook_is_gone)
        return tbk_fail(err, TBK_E_INTERRUPTED, NULL, "the hook is gone");
    if (tracker->refusal != NULL)
        return tbk_fail(err, TBK_E_FAILED, NULL, "%s", tracker->refusal);
    tracker->starts++;
    return true;
}

static bool is_running(void *self, bool *out, tbk_error *err)
{
    played *tracker = self;
    *out = tracker->runs_for != 0;
    if (tracker->runs_for > 0)
        tracker->runs_for--;
    return !tracker->cannot_look || tbk_fail(err, TBK_E_FAILED, NULL, "Docker does not answer");
}

static bool ask(void *self, tbk_tracker_endpoint where, const char *path, int *out_status,
                tbk_text *out_body, tbk_error *err)
{
    played *tracker = self;
    tbk_auto_text expected = {0};
    *out_status = 200;
    if (where == TBK_TRACKER_HEALTH) {
        assert_string_equal(path, "/health_check");
        if (tracker->unhealthy-- > 0)
            return tbk_fail(err, TBK_E_NETWORK, NULL, "no server answers on port 1313");
        tbk_text_append(out_body,
                        tracker->is_broken ? "{\"status\":\"Error\"}" : "{\"status\":\"Ok\"}");
        return true;
    }
    tbk_text_format(&expected, "/api/v1/stats?token=%s", tracker->token);
    assert_string_equal(path, tbk_text_string(&expected));
    if (tracker->status != 0)
        *out_status = tracker->status;
    tbk_text_append(out_body, tracker->stats);
    return true;
}

static bool end(void *self, tbk_arena *arena, const char **out_said, tbk_error *err)
{
    played *tracker = self;
    tracker->ends++;
    *out_said = tracker->said != NULL ? tbk_arena_copy(arena, tracker->said) : "";
    if (tracker->hook_is_gone)
        return tbk_fail(err, TBK_E_INTERRUPTED, NULL, "the hook is gone");
    return !tracker->cannot_end || tbk_fail(err, TBK_E_FAILED, NULL, "unknown request");
}

static bool prove(played *tracker, tbk_arena *arena, const tbk_report *report, tbk_boot_proof *out,
                  tbk_error *err)
{
    const tbk_scratch_tracker port = {
        .self = tracker, .start = start, .is_running = is_running, .ask = ask, .end = end};
    const tbk_boot_request request = {.tracker = &port,
                                      .database = "/scratch/some.db",
                                      .torrents = 5000,
                                      .now_s = 1771264603,
                                      .limit_ms = 1200,
                                      .report = report};
    return tbk_boot_prove(arena, &request, out, err);
}

static void what_is_seen_decides(void **state)
{
    (void)state;
    static const struct {
        played tracker;
        tbk_boot_state state;
        const char *detail;
    } cases[] = {
        {{.runs_for = -1, .stats = "{\"torrents\":5000}"}, TBK_BOOT_PASSED, "counts 5000 torrents"},
        {{.unhealthy = 1, .runs_for = -1, .stats = "{\"torrents\":5000}"}, TBK_BOOT_PASSED, "5000"},
        {{.runs_for = -1, .stats = "{\"torrents\":0}"}, TBK_BOOT_PASSED, "when they are announced"},
        {{.runs_for = -1, .stats = "{\"torrents\":4999}"},
         TBK_BOOT_FAILED,
         "counts 4999 torrents, the set has 5000"},
        {{.runs_for = -1, .stats = "{}"}, TBK_BOOT_FAILED, "does not say how many torrents"},
        {{.runs_for = -1, .stats = "<html>"}, TBK_BOOT_FAILED, "its answer is not JSON"},
        {{.runs_for = -1, .status = 500, .stats = ""}, TBK_BOOT_FAILED, "HTTP status 500"},
        {{.unhealthy = 9, .runs_for = 1, .said = "the database is locked"},
         TBK_BOOT_FAILED,
         "the tracker ended by itself; its last words: the database is locked"},
        {{.unhealthy = 9, .runs_for = 0}, TBK_BOOT_FAILED, "ended by itself"},
        {{.unhealthy = 99, .runs_for = -1}, TBK_BOOT_FAILED, "not healthy after 1 s: no server"},
        {{.is_broken = true, .runs_for = -1}, TBK_BOOT_FAILED, "says that it is not healthy"},
        {{.unhealthy = 9, .cannot_look = true}, TBK_BOOT_SKIPPED, "Docker does not answer"},
        {{.refusal = "unknown request", .cannot_end = true}, TBK_BOOT_SKIPPED, "unknown request"},
        {{.refusal = "no memory is free", .said = "nothing"}, TBK_BOOT_SKIPPED, "no memory is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        played tracker = cases[i].tracker;
        tbk_boot_proof proof;
        tbk_error err;
        assert_succeeds(prove(&tracker, arena, NULL, &proof, &err), err);
        if (proof.state != cases[i].state || strstr(proof.detail, cases[i].detail) == NULL)
            fail_msg("case %zu: %s: %s", i, tbk_boot_state_name(proof.state), proof.detail);
        assert_string_equal(proof.at, "2026-02-16T17:56:43Z");
        assert_int_equal(tracker.ends, 1);
        assert_null(strstr(proof.detail, tracker.token));
    }
}

static void a_hook_that_is_gone_ends_the_run(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    played tracker = {.hook_is_gone = true};
    tbk_boot_proof proof;
    tbk_error err;
    assert_fails(prove(&tracker, arena, NULL, &proof, &err), err, TBK_E_INTERRUPTED, "is gone");
    assert_int_equal(tracker.ends, 1);
}

static bool is_cancelled(void *self)
{
    (void)self;
    return true;
}

static void a_signal_ends_the_wait_and_the_tracker(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_report report = {.cancelled = is_cancelled};
    played tracker = {.unhealthy = 99, .runs_for = -1};
    tbk_boot_proof proof;
    tbk_error err;
    assert_fails(prove(&tracker, arena, &report, &proof, &err), err, TBK_E_INTERRUPTED, "");
    assert_int_equal(tracker.ends, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_seen_decides),
        cmocka_unit_test(a_hook_that_is_gone_ends_the_run),
        cmocka_unit_test(a_signal_ends_the_wait_and_the_tracker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
