/* SPDX-License-Identifier: MIT */
/* The ports over the hook's lines: the test is the hook. */
#include "unit/unit.h"

#include "adapters/hold_hook.h"

#include "base/clock.h"

#include <poll.h>

typedef struct fixture {
    int answers[2], requests[2]; /* pipes: [0] is read */
    tbk_hold_hook *hook;
    tbk_hold port;
    tbk_report report;
} fixture;

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    if (pipe(self->answers) != 0 || pipe(self->requests) != 0)
        return -1;
    self->hook = tbk_hold_hook_new(self->answers[0], self->requests[1], 300, &self->report);
    self->port = tbk_hold_hook_port(self->hook);
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    tbk_hold_hook_free(self->hook);
    for (int i = 0; i < 2; i++) {
        if (self->answers[i] >= 0)
            (void)close(self->answers[i]);
        (void)close(self->requests[i]);
    }
    free(self);
    return 0;
}

static void answer(fixture *self, const char *text)
{
    assert_int_equal(write(self->answers[1], text, strlen(text)), strlen(text));
}

static void hook_dies(fixture *self)
{
    (void)close(self->answers[1]);
    self->answers[1] = -1;
}

static void assert_requested(fixture *self, const char *expected)
{
    char got[64] = "";
    struct pollfd wait = {.fd = self->requests[0], .events = POLLIN};
    assert_int_equal(poll(&wait, 1, SOON_MS), 1);
    assert_true(read(self->requests[0], got, sizeof got - 1) > 0);
    assert_string_equal(got, expected);
}

static void asks_and_is_granted(void **state)
{
    fixture *self = *state;
    bool was_stopped = true;
    tbk_error err;
    answer(self, "held\n");
    assert_succeeds(self->port.acquire(self->port.self, TBK_HOLD_PAUSE, &was_stopped, &err), err);
    assert_false(was_stopped);
    assert_requested(self, "@hold pause\n");
    assert_succeeds(self->port.check(self->port.self, &err), err);
    answer(self, "released\n");
    assert_succeeds(self->port.release(self->port.self, &err), err);
    assert_requested(self, "@release\n");
}

static void learns_that_the_tracker_was_stopped(void **state)
{
    fixture *self = *state;
    bool was_stopped = false;
    tbk_error err;
    answer(self, "held was-stopped\n");
    assert_succeeds(self->port.acquire(self->port.self, TBK_HOLD_STOP, &was_stopped, &err), err);
    assert_true(was_stopped);
    assert_requested(self, "@hold stop\n");
}

static void gives_the_reason_of_a_refusal(void **state)
{
    fixture *self = *state;
    bool was_stopped;
    tbk_error err;
    answer(self, "failed to pause the tracker\n");
    assert_fails(self->port.acquire(self->port.self, TBK_HOLD_PAUSE, &was_stopped, &err), err,
                 TBK_E_FAILED, "could not pause the tracker: to pause the tracker");
    answer(self, "failed\n");
    assert_fails(self->port.acquire(self->port.self, TBK_HOLD_STOP, &was_stopped, &err), err,
                 TBK_E_FAILED, "no reason");
}

static void a_word_that_it_does_not_know_is_no_hold(void **state)
{
    fixture *self = *state;
    bool was_stopped;
    tbk_error err;
    answer(self, "helder\n");
    assert_fails(self->port.acquire(self->port.self, TBK_HOLD_PAUSE, &was_stopped, &err), err,
                 TBK_E_TIMEOUT, "with 'helder'");
}

static void waits_no_longer_than_the_limit(void **state)
{
    fixture *self = *state;
    bool was_stopped;
    tbk_error err;
    int64_t started_ms = tbk_clock_monotonic_ms();
    answer(self, "hel"); /* half a line is no answer */
    assert_fails(self->port.acquire(self->port.self, TBK_HOLD_PAUSE, &was_stopped, &err), err,
                 TBK_E_TIMEOUT, "did not answer '@hold pause'");
    assert_in_range(tbk_clock_monotonic_ms() - started_ms, 290, SOON_MS);
    assert_fails(self->port.release(self->port.self, &err), err, TBK_E_TRACKER_DOWN,
                 "did not answer '@release'");
}

static void a_stop_ends_the_wait_for_a_hold_but_not_for_a_release(void **state)
{
    fixture *self = *state;
    bool was_stopped;
    tbk_error err;
    self->report.cancelled = at_once;
    assert_fails(self->port.acquire(self->port.self, TBK_HOLD_PAUSE, &was_stopped, &err), err,
                 TBK_E_INTERRUPTED, "");
    answer(self, "released\n");
    assert_succeeds(self->port.release(self->port.self, &err), err);
}

static void tells_a_dead_hook_everywhere(void **state)
{
    fixture *self = *state;
    bool was_stopped;
    tbk_error err;
    hook_dies(self);
    assert_fails(self->port.acquire(self->port.self, TBK_HOLD_PAUSE, &was_stopped, &err), err,
                 TBK_E_INTERRUPTED, "hook that holds the tracker is gone");
    assert_fails(self->port.check(self->port.self, &err), err, TBK_E_INTERRUPTED, "gone");
    assert_fails(self->port.release(self->port.self, &err), err, TBK_E_INTERRUPTED, "gone");
}

static void a_line_during_the_hold_ends_it(void **state)
{
    fixture *self = *state;
    tbk_error err;
    answer(self, "the window is over\n");
    assert_fails(self->port.check(self->port.self, &err), err, TBK_E_FAILED, "the window is over");
}

static void knows_a_tracker_that_did_not_come_back(void **state)
{
    fixture *self = *state;
    tbk_error err;
    answer(self, "failed the tracker is not running\n");
    assert_fails(self->port.release(self->port.self, &err), err, TBK_E_TRACKER_DOWN,
                 "the tracker is not running");
}

static void an_answer_without_end_is_refused(void **state)
{
    fixture *self = *state;
    bool was_stopped;
    tbk_error err;
    char endless[20000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    answer(self, endless);
    assert_fails(self->port.acquire(self->port.self, TBK_HOLD_PAUSE, &was_stopped, &err), err,
                 TBK_E_FAILED, "no end");
}

static void a_spare_server_is_started_with_its_password(void **state)
{
    fixture *self = *state;
    tbk_scratch_server scratch_server = tbk_hold_hook_scratch_server(self->hook);
    tbk_error err;
    answer(self, "serving\n");
    assert_succeeds(scratch_server.start(scratch_server.self, "0123456789abcdef", &err), err);
    assert_requested(self, "@server 0123456789abcdef\n");
    assert_string_equal(scratch_server.host, "127.0.0.1");
    assert_int_equal(scratch_server.port, 3306);
}

static void a_spare_server_may_be_refused(void **state)
{
    fixture *self = *state;
    tbk_scratch_server scratch_server = tbk_hold_hook_scratch_server(self->hook);
    tbk_error err;
    answer(self, "failed Docker refused it\n");
    assert_fails(scratch_server.start(scratch_server.self, "secret", &err), err, TBK_E_FAILED,
                 "Docker refused it");
    answer(self, "released\n");
    assert_fails(scratch_server.start(scratch_server.self, "secret", &err), err, TBK_E_FAILED,
                 "released");
}

static void no_message_has_the_password(void **state)
{
    fixture *self = *state;
    tbk_scratch_server scratch_server = tbk_hold_hook_scratch_server(self->hook);
    tbk_error err;
    assert_fails(scratch_server.start(scratch_server.self, "secret", &err), err, TBK_E_TIMEOUT,
                 "'@server '");
    assert_null(strstr(err.message, "secret"));
    hook_dies(self);
    assert_fails(scratch_server.start(scratch_server.self, "secret", &err), err, TBK_E_INTERRUPTED,
                 "gone");
    assert_null(strstr(err.message, "secret"));
}

/* --- a tracker for a proof --- */

static void a_scratch_tracker_is_started_looked_at_and_ended(void **state)
{
    fixture *self = *state;
    tbk_scratch_tracker tracker = tbk_hold_hook_scratch_tracker(self->hook);
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *said = NULL;
    bool runs = false;
    tbk_error err;
    answer(self, "started\n");
    assert_succeeds(tracker.start(tracker.self, "/a b/some.db", "0123abcd", &err), err);
    assert_requested(self, "@tracker start 0123abcd /a b/some.db\n");
    answer(self, "running\n");
    assert_succeeds(tracker.is_running(tracker.self, &runs, &err), err);
    assert_requested(self, "@tracker state\n");
    assert_true(runs);
    answer(self, "exited\n");
    assert_succeeds(tracker.is_running(tracker.self, &runs, &err), err);
    assert_requested(self, "@tracker state\n");
    assert_false(runs);
    answer(self, "ended the database is locked\n");
    assert_succeeds(tracker.end(tracker.self, arena, &said, &err), err);
    assert_requested(self, "@tracker end\n");
    assert_string_equal(said, "the database is locked");
    answer(self, "ended\n");
    assert_succeeds(tracker.end(tracker.self, arena, &said, &err), err);
    assert_string_equal(said, "");
}

static void a_scratch_tracker_may_be_refused(void **state)
{
    fixture *self = *state;
    tbk_scratch_tracker tracker = tbk_hold_hook_scratch_tracker(self->hook);
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *said = NULL;
    bool runs = false;
    tbk_error err;
    answer(self, "failed less than 256 MiB of memory are free\n");
    assert_fails(tracker.start(tracker.self, "/some.db", "secret", &err), err, TBK_E_FAILED,
                 "256 MiB");
    answer(self, "serving\n");
    assert_fails(tracker.start(tracker.self, "/some.db", "secret", &err), err, TBK_E_FAILED,
                 "serving");
    answer(self, "failed it is gone\n");
    assert_fails(tracker.is_running(tracker.self, &runs, &err), err, TBK_E_FAILED, "it is gone");
    answer(self, "failed unknown request\n");
    assert_fails(tracker.end(tracker.self, arena, &said, &err), err, TBK_E_FAILED, "unknown");
    hook_dies(self);
    assert_fails(tracker.start(tracker.self, "/some.db", "secret", &err), err, TBK_E_INTERRUPTED,
                 "gone");
    assert_null(strstr(err.message, "secret"));
    assert_fails(tracker.is_running(tracker.self, &runs, &err), err, TBK_E_INTERRUPTED, "gone");
    assert_fails(tracker.end(tracker.self, arena, &said, &err), err, TBK_E_INTERRUPTED, "gone");
}

/* --- what the tracker has open --- */

static bool list_files(fixture *self, tbk_arena *arena, tbk_open_files *out, tbk_error *err)
{
    tbk_tracker_files port = tbk_hold_hook_tracker_files(self->hook);
    return port.list(port.self, arena, out, err);
}

static void the_open_files_are_listed(void **state)
{
    fixture *self = *state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_open_files files;
    tbk_error err;
    answer(self, "files 2049:131072 43:7\n");
    assert_succeeds(list_files(self, arena, &files, &err), err);
    assert_requested(self, "@files\n");
    assert_int_equal(files.count, 2);
    assert_int_equal(files.list[0].device, 2049);
    assert_int_equal(files.list[0].inode, 131072);
    assert_int_equal(files.list[1].inode, 7);
    answer(self, "files\n");
    assert_succeeds(list_files(self, arena, &files, &err), err);
    assert_int_equal(files.count, 0);
}

static void a_hook_that_cannot_look_or_is_an_older_one_says_why(void **state)
{
    fixture *self = *state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_open_files files;
    tbk_error err;
    answer(self, "failed unknown request\n");
    assert_fails(list_files(self, arena, &files, &err), err, TBK_E_FAILED, "unknown request");
    answer(self, "failed\n");
    assert_fails(list_files(self, arena, &files, &err), err, TBK_E_FAILED, "no reason");
    answer(self, "released\n");
    assert_fails(list_files(self, arena, &files, &err), err, TBK_E_FAILED, "released");
    answer(self, "files 1:2 x\n");
    assert_fails(list_files(self, arena, &files, &err), err, TBK_E_FAILED, "'x'");
    answer(self, "files  1:2\n");
    assert_fails(list_files(self, arena, &files, &err), err, TBK_E_FAILED, "''");
    hook_dies(self);
    assert_fails(list_files(self, arena, &files, &err), err, TBK_E_INTERRUPTED, "gone");
}

/* Else it would be taken for the answer to the hold. */
static void an_answer_that_comes_late_belongs_to_its_request(void **state)
{
    static const char *const LATE[] = {"files 1:2\nheld\n", "files\nheld\n",
                                       "failed Docker does not answer\nheld\n", "held\n"};
    fixture *self = *state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    for (size_t i = 0; i < sizeof LATE / sizeof LATE[0]; i++) {
        tbk_open_files files;
        bool was_stopped;
        tbk_error err;
        assert_fails(list_files(self, arena, &files, &err), err, TBK_E_TIMEOUT, "'@files'");
        answer(self, LATE[i]);
        assert_succeeds(self->port.acquire(self->port.self, TBK_HOLD_PAUSE, &was_stopped, &err),
                        err);
        answer(self, "failed it is not running\n");
        assert_fails(self->port.acquire(self->port.self, TBK_HOLD_PAUSE, &was_stopped, &err), err,
                     TBK_E_FAILED, "it is not running");
    }
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(asks_and_is_granted),
        CASE(learns_that_the_tracker_was_stopped),
        CASE(gives_the_reason_of_a_refusal),
        CASE(a_word_that_it_does_not_know_is_no_hold),
        CASE(waits_no_longer_than_the_limit),
        CASE(a_stop_ends_the_wait_for_a_hold_but_not_for_a_release),
        CASE(tells_a_dead_hook_everywhere),
        CASE(a_line_during_the_hold_ends_it),
        CASE(knows_a_tracker_that_did_not_come_back),
        CASE(an_answer_without_end_is_refused),
        CASE(a_spare_server_is_started_with_its_password),
        CASE(a_spare_server_may_be_refused),
        CASE(no_message_has_the_password),
        CASE(a_scratch_tracker_is_started_looked_at_and_ended),
        CASE(a_scratch_tracker_may_be_refused),
        CASE(the_open_files_are_listed),
        CASE(a_hook_that_cannot_look_or_is_an_older_one_says_why),
        CASE(an_answer_that_comes_late_belongs_to_its_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
