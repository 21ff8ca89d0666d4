/* SPDX-License-Identifier: MIT */
/* The rate limit: phases come no faster than asked, and are stopped at once while they wait. */
#include "unit/unit.h"

#include "base/clock.h"
#include "database/throttle.h"

typedef struct watcher {
    uint64_t bytes;
    int messages;
    bool wants_an_end;
} watcher;

static void on_progress(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    (void)phase;
    (void)total_bytes;
    ((watcher *)self)->bytes = done_bytes;
}

static void on_log(void *self, tbk_log_level level, const char *phase, const char *message)
{
    (void)level;
    assert_string_equal(phase, "capture");
    assert_string_equal(message, "100 % sure");
    ((watcher *)self)->messages++;
}

static bool is_cancelled(void *self) { return ((watcher *)self)->wants_an_end; }

static int64_t report_ms(const tbk_report *report, const char *phase, uint64_t bytes)
{
    int64_t started_ms = tbk_clock_monotonic_ms();
    for (uint64_t done = 0; done <= bytes; done += bytes / 10)
        tbk_report_progress(report, phase, done, bytes);
    return tbk_clock_monotonic_ms() - started_ms;
}

static void a_phase_takes_as_long_as_its_rate_asks(void **state)
{
    (void)state;
    watcher watching = {0};
    const tbk_report outer = {.self = &watching, .progress = on_progress};
    tbk_throttle pace = {.outer = &outer, .bytes_per_second = 10u << 20};
    const tbk_report report = tbk_throttle_report(&pace);
    assert_true(report_ms(&report, "capture", 4u << 20) >= 390);
    assert_true(report_ms(&report, "check", 2u << 20) >= 190); /* counted from its own beginning */
    assert_true(report_ms(&report, "check", 1u << 20) >= 90);  /* the same again: another file */
    assert_true(watching.bytes > 900000);
}

static void without_a_limit_nothing_waits(void **state)
{
    (void)state;
    tbk_throttle pace = {.outer = NULL};
    const tbk_report report = tbk_throttle_report(&pace);
    assert_true(report_ms(&report, "capture", (uint64_t)1 << 40) < SOON_MS);
}

static void who_wants_an_end_does_not_wait(void **state)
{
    (void)state;
    watcher watching = {.wants_an_end = true};
    tbk_error err;
    const tbk_report outer = {.self = &watching, .cancelled = is_cancelled};
    tbk_throttle pace = {.outer = &outer, .bytes_per_second = 1};
    const tbk_report report = tbk_throttle_report(&pace);
    assert_true(report_ms(&report, "capture", 1u << 20) < SOON_MS);
    assert_fails(tbk_report_go_on(&report, &err), err, TBK_E_INTERRUPTED, "");
}

static void messages_pass_as_they_are(void **state)
{
    (void)state;
    watcher watching = {0};
    const tbk_report outer = {.self = &watching, .log = on_log};
    tbk_throttle pace = {.outer = &outer};
    const tbk_report report = tbk_throttle_report(&pace);
    tbk_report_log(&report, TBK_LOG_INFO, "capture", "100 %% sure");
    assert_int_equal(watching.messages, 1);
}

/* Source: ioprio_get(2); 1 = this thread, class 2 = best effort, 7 = the last among equals. */
static void the_place_in_the_queue_is_the_last_or_the_usual_one(void **state)
{
    (void)state;
    tbk_throttle_io(true);
    assert_int_equal(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 7);
    tbk_throttle_io(false);
    assert_int_not_equal(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_phase_takes_as_long_as_its_rate_asks),
        cmocka_unit_test(without_a_limit_nothing_waits),
        cmocka_unit_test(who_wants_an_end_does_not_wait),
        cmocka_unit_test(messages_pass_as_they_are),
        cmocka_unit_test(the_place_in_the_queue_is_the_last_or_the_usual_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
