/* SPDX-License-Identifier: MIT */
/* Holds: their times add up, and what was not held counts nothing. */
#include "unit/unit.h"

#include "database/with_hold.h"

#include <time.h>

#define WORK_MS 30

typedef struct holder {
    bool was_stopped, does_not_release;
    int holds;
} holder;

static bool acquire(void *self, tbk_hold_kind kind, bool *out_was_stopped, tbk_error *err)
{
    holder *holding = self;
    (void)kind;
    (void)err;
    *out_was_stopped = holding->was_stopped;
    holding->holds++;
    return true;
}

static bool check(void *self, tbk_error *err)
{
    (void)self;
    (void)err;
    return true;
}

static bool release(void *self, tbk_error *err)
{
    return !((holder *)self)->does_not_release ||
           tbk_fail(err, TBK_E_TRACKER_DOWN, NULL, "it stays down");
}

static bool work(void *self, const tbk_report *watched, tbk_error *err)
{
    bool *fails = self;
    (void)watched;
    (void)nanosleep(&(struct timespec){.tv_nsec = WORK_MS * 1000000}, NULL);
    return !*fails || tbk_fail(err, TBK_E_BUSY, NULL, "no common moment");
}

static bool hold_once(holder *holding, bool fails, tbk_capture *capture, tbk_error *err)
{
    const tbk_hold hold = {.self = holding, .acquire = acquire, .check = check, .release = release};
    const tbk_hold_work wanted = {
        .hold = &hold, .kind = TBK_HOLD_PAUSE, .self = &fails, .work = work};
    bool declined = false;
    return tbk_with_hold(&wanted, capture, &declined, err);
}

/* A capture of MySQL pauses the tracker anew when the schema changed meanwhile. */
static void all_holds_of_a_capture_count(void **state)
{
    (void)state;
    holder holding = {0};
    tbk_capture capture = {0};
    tbk_error err;
    assert_fails(hold_once(&holding, true, &capture, &err), err, TBK_E_BUSY, "no common moment");
    int64_t first_ms = capture.held_ms;
    assert_true(first_ms >= WORK_MS);
    assert_succeeds(hold_once(&holding, false, &capture, &err), err);
    assert_int_equal(holding.holds, 2);
    assert_true(capture.held_ms >= first_ms + WORK_MS);
}

static void a_hold_that_is_not_released_counts_too(void **state)
{
    (void)state;
    holder holding = {0};
    tbk_capture capture = {0};
    tbk_error err;
    assert_succeeds(hold_once(&holding, false, &capture, &err), err);
    int64_t first_ms = capture.held_ms;
    holding.does_not_release = true;
    assert_succeeds(hold_once(&holding, false, &capture, &err), err);
    assert_int_equal(capture.release.code, TBK_E_TRACKER_DOWN);
    assert_true(capture.held_ms >= first_ms + WORK_MS);
}

static void a_tracker_that_did_not_run_was_not_held(void **state)
{
    (void)state;
    holder holding = {.was_stopped = true};
    tbk_capture capture = {0};
    tbk_error err;
    assert_succeeds(hold_once(&holding, false, &capture, &err), err);
    assert_true(capture.tracker_was_stopped);
    assert_int_equal(capture.held_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_holds_of_a_capture_count),
        cmocka_unit_test(a_hold_that_is_not_released_counts_too),
        cmocka_unit_test(a_tracker_that_did_not_run_was_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
