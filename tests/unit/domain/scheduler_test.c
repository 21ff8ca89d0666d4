/* SPDX-License-Identifier: MIT */
/* The scheduler: what is due, what was missed, and clocks that jump. */
#include "unit/unit.h"

#include "base/clock.h"
#include "domain/scheduler.h"

static int64_t at(const char *compact)
{
    int64_t time_s = 0;
    assert_true(tbk_clock_parse_compact(compact, &time_s));
    return time_s;
}

static tbk_scheduler_job item(const char *schedule, const char *since)
{
    tbk_scheduler_job out = {.since_s = at(since)};
    tbk_error err;
    assert_succeeds(tbk_schedule_parse(schedule, &out.schedule, &err), err);
    return out;
}

static int64_t due(const tbk_scheduler_job *one)
{
    int64_t due_s = 0;
    assert_int_equal(tbk_scheduler_first(one, 1, &due_s), 0);
    return due_s;
}

static void the_next_time_is_the_schedules(void **state)
{
    (void)state;
    tbk_scheduler_job daily = item("0 3 * * *", "20260216T100000Z");
    assert_int_equal(due(&daily), at("20260217T030000Z"));
}

static void a_missed_time_is_due_however_long_ago_it_was(void **state)
{
    (void)state;
    tbk_scheduler_job daily = item("0 3 * * *", "20260210T030500Z");
    int64_t now_s = at("20260216T100000Z");
    tbk_scheduler_reconcile(&daily, 0, now_s);
    assert_int_equal(due(&daily), at("20260211T030000Z"));
    tbk_scheduler_note(&daily, 0, now_s);
    assert_int_equal(due(&daily), at("20260217T030000Z")); /* one run makes up for all of them */
}

static void of_two_the_first_that_is_due_comes_first(void **state)
{
    (void)state;
    tbk_scheduler_job items[] = {item("0 3 * * *", "20260216T100000Z"),
                                 item("30 2 * * *", "20260216T100000Z")};
    int64_t due_s = 0;
    assert_int_equal(tbk_scheduler_first(items, 2, &due_s), 1);
    assert_int_equal(due_s, at("20260217T023000Z"));
    tbk_scheduler_note(&items[1], 0, due_s);
    assert_int_equal(tbk_scheduler_first(items, 2, &due_s), 0);
    assert_int_equal(due_s, at("20260217T030000Z"));
}

static void an_attempt_that_failed_was_made(void **state)
{
    (void)state;
    tbk_scheduler_job daily = item("0 3 * * *", "20260216T000000Z");
    tbk_scheduler_note(&daily, 1, at("20260216T030100Z"));
    assert_int_equal(due(&daily), at("20260217T030000Z"));
    tbk_scheduler_note(&daily, 137,
                       at("20260217T030100Z")); /* killed: not at once again, in a circle */
    assert_int_equal(due(&daily), at("20260218T030000Z"));
}

static void one_that_was_locked_out_or_cut_short_is_made_again_in_a_minute(void **state)
{
    (void)state;
    static const int statuses[] = {11, 130};
    for (size_t i = 0; i < 2; i++) {
        tbk_scheduler_job daily = item("0 3 * * *", "20260216T000000Z");
        tbk_scheduler_note(&daily, statuses[i], at("20260216T030010Z"));
        assert_int_equal(due(&daily), at("20260216T030110Z"));
        tbk_scheduler_note(&daily, statuses[i], at("20260216T030110Z"));
        assert_int_equal(due(&daily), at("20260216T030210Z"));
        tbk_scheduler_note(&daily, 0, at("20260216T030300Z"));
        assert_int_equal(due(&daily), at("20260217T030000Z"));
    }
}

static void a_run_that_another_process_made_counts(void **state)
{
    (void)state;
    tbk_scheduler_job daily = item("0 3 * * *", "20260215T030000Z");
    tbk_scheduler_reconcile(&daily, at("20260216T080000Z"), at("20260216T100000Z"));
    assert_int_equal(due(&daily), at("20260217T030000Z"));
    tbk_scheduler_reconcile(&daily, at("20260214T080000Z"),
                            at("20260216T100000Z")); /* an older one not */
    assert_int_equal(due(&daily), at("20260217T030000Z"));
}

static void a_clock_that_went_back_costs_no_day(void **state)
{
    (void)state;
    tbk_scheduler_job daily = item("0 3 * * *", "20260320T030000Z");
    int64_t attempt_s = at("20260320T030000Z"), now_s = at("20260216T100000Z");
    tbk_scheduler_reconcile(&daily, attempt_s, now_s);
    assert_int_equal(due(&daily), at("20260217T030000Z"));
    tbk_scheduler_reconcile(&daily, attempt_s, at("20260217T030000Z"));
    assert_int_equal(due(&daily), at("20260217T030000Z"));
    daily.again_s = at("20260320T030000Z");
    tbk_scheduler_reconcile(&daily, 0, at("20260217T030100Z"));
    assert_int_equal(due(&daily), at("20260217T030200Z"));
}

static void a_clock_that_went_forward_gives_one_run(void **state)
{
    (void)state;
    tbk_scheduler_job daily = item("0 3 * * *", "20260216T100000Z");
    int64_t now_s = at("20260320T120000Z");
    tbk_scheduler_reconcile(&daily, 0, now_s);
    assert_true(due(&daily) <= now_s);
    tbk_scheduler_note(&daily, 0, now_s);
    assert_int_equal(due(&daily), at("20260321T030000Z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_time_is_the_schedules),
        cmocka_unit_test(a_missed_time_is_due_however_long_ago_it_was),
        cmocka_unit_test(of_two_the_first_that_is_due_comes_first),
        cmocka_unit_test(an_attempt_that_failed_was_made),
        cmocka_unit_test(one_that_was_locked_out_or_cut_short_is_made_again_in_a_minute),
        cmocka_unit_test(a_run_that_another_process_made_counts),
        cmocka_unit_test(a_clock_that_went_back_costs_no_day),
        cmocka_unit_test(a_clock_that_went_forward_gives_one_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
