/* SPDX-License-Identifier: MIT */
/* What going off-site costs, from schedules, retention and what was measured. */
#include "unit/arena.h"

#include "domain/offsite_forecast.h"

#define DAY_S INT64_C(86400)
#define NOW_S (INT64_C(20000) * DAY_S + 60)
#define GB INT64_C(1000000000)

static tbk_options options;
static tbk_offsite_measures measures;
static tbk_offsite_forecast forecast;

static int set_up(void **state)
{
    (void)state;
    options = (tbk_options){.schedule = "0 3 * * *",
                            .offsite = {.repository = "/r",
                                        .keep_last = 3,
                                        .keep_daily = 7,
                                        .keep_weekly = 4,
                                        .keep_monthly = 12}};
    measures = (tbk_offsite_measures){.set_bytes = {GB, 0}};
    return 0;
}

static void reckon(void) { tbk_offsite_reckon(arena, &options, &measures, NOW_S, &forecast); }

static const tbk_offsite_flow *full(void) { return &forecast.flows[TBK_PROFILE_FULL]; }
static const tbk_offsite_flow *essential(void) { return &forecast.flows[TBK_PROFILE_ESSENTIAL]; }

static void a_full_set_is_sent_and_stored_as_a_whole(void **state)
{
    (void)state;
    reckon();
    assert_true(full()->is_taken && !essential()->is_taken);
    assert_int_equal(full()->set_bytes, GB);
    assert_int_equal(full()->basis, TBK_BASIS_MEASURED);
    assert_int_equal(full()->sets_a_year, 365);
    assert_int_equal(forecast.day_bytes, GB);
    assert_int_equal(forecast.month_bytes, 365 * GB / 12);
    /* 7 + 4 + 12, without the one or two weeks and the month or two that the days are of. */
    assert_in_range(full()->kept, 19, 21);
    assert_int_equal(forecast.kept_bytes, full()->kept * GB);
}

static void essential_sets_and_full_ones_beside_them_have_schedules_of_their_own(void **state)
{
    (void)state;
    options.profile = TBK_PROFILE_ESSENTIAL;
    options.full_schedule = "0 4 * * sun";
    measures.set_bytes[TBK_PROFILE_ESSENTIAL] = GB / 100;
    reckon();
    assert_int_equal(essential()->sets_a_year, 365);
    assert_in_range(full()->sets_a_year, 52, 53);
    assert_int_equal(essential()->basis, TBK_BASIS_MEASURED);
    assert_int_equal(forecast.kept_bytes, full()->kept * GB + essential()->kept * (GB / 100));
    options.full_schedule = NULL;
    reckon();
    assert_false(full()->is_taken);
}

static void what_is_not_taken_costs_nothing(void **state)
{
    (void)state;
    options.offsite.take = TBK_TAKE_ESSENTIAL;
    reckon();
    assert_false(full()->is_taken);
    assert_int_equal(forecast.day_bytes, 0);
    options.offsite.take = TBK_TAKE_FULL;
    options.schedule = "never";
    reckon();
    assert_false(full()->is_taken);
}

static void one_full_set_in_so_many_days_is_a_part_of_the_traffic(void **state)
{
    (void)state;
    options.offsite.full_every_days = 7;
    reckon();
    assert_in_range(full()->sets_a_year, 52, 53);
    assert_in_range(full()->kept, 15, 21); /* seven days are seven weeks then */
}

static void a_rare_schedule_is_followed_until_enough_are_there(void **state)
{
    (void)state;
    options.schedule = "0 3 1 1 *";
    options.offsite.keep_monthly = 0;
    options.offsite.keep_last = 9;
    reckon();
    assert_int_equal(full()->sets_a_year, 1);
    assert_int_equal(full()->kept, 9);
}

static void too_many_runs_to_play_through_are_unknown(void **state)
{
    (void)state;
    options.schedule = "* * * * *";
    reckon();
    assert_int_equal(full()->sets_a_year, TBK_OFFSITE_UNKNOWN);
    assert_int_equal(full()->kept, TBK_OFFSITE_UNKNOWN);
    assert_int_equal(forecast.day_bytes, TBK_OFFSITE_UNKNOWN);
    assert_int_equal(forecast.month_bytes, TBK_OFFSITE_UNKNOWN);
    assert_int_equal(forecast.kept_bytes, TBK_OFFSITE_UNKNOWN);
}

static void sizes_that_nobody_measured_are_estimated_or_unknown(void **state)
{
    (void)state;
    options.profile = TBK_PROFILE_ESSENTIAL;
    options.full_schedule = "0 4 * * sun";
    measures = (tbk_offsite_measures){.sqlite_bytes = GB};
    reckon();
    assert_int_equal(full()->basis, TBK_BASIS_ESTIMATED);
    assert_int_equal(full()->set_bytes, 542000000);
    assert_int_equal(essential()->basis, TBK_BASIS_ESTIMATED);
    assert_int_equal(essential()->set_bytes, 16802000);
    measures.set_bytes[TBK_PROFILE_FULL] = GB / 2;
    reckon();
    assert_int_equal(essential()->set_bytes, GB / 2 / 1000 * 31);
    measures = (tbk_offsite_measures){.sqlite_bytes = 0};
    reckon();
    assert_int_equal(full()->basis, TBK_BASIS_UNKNOWN);
    assert_int_equal(full()->set_bytes, TBK_OFFSITE_UNKNOWN);
    assert_int_equal(forecast.day_bytes, TBK_OFFSITE_UNKNOWN);
    assert_int_equal(forecast.kept_bytes, TBK_OFFSITE_UNKNOWN);
}

static void nothing_overflows(void **state)
{
    (void)state;
    options.profile = TBK_PROFILE_ESSENTIAL;
    options.full_schedule = "0 4 * * sun";
    measures.set_bytes[TBK_PROFILE_FULL] = measures.set_bytes[TBK_PROFILE_ESSENTIAL] = INT64_MAX;
    reckon();
    assert_int_equal(forecast.kept_bytes, INT64_MAX);
}

static void with_append_only_it_grows_without_an_end(void **state)
{
    (void)state;
    options.offsite.access = TBK_ACCESS_APPEND_ONLY;
    reckon();
    assert_int_equal(forecast.kept_bytes, TBK_OFFSITE_UNKNOWN);
    assert_int_equal(forecast.day_bytes, GB);
}

static void check_rate(int64_t expected, tbk_offsite_basis basis)
{
    reckon();
    assert_int_equal(forecast.bytes_per_second, expected);
    assert_int_equal(forecast.rate_basis, basis);
}

static void the_rate_is_that_of_the_last_upload_or_of_the_limit(void **state)
{
    (void)state;
    check_rate(TBK_OFFSITE_UNKNOWN, TBK_BASIS_UNKNOWN);
    assert_int_equal(tbk_offsite_duration_s(&forecast, GB), TBK_OFFSITE_UNKNOWN);
    measures.sent_bytes = 100;
    measures.sent_s = 1;
    check_rate(TBK_OFFSITE_UNKNOWN, TBK_BASIS_UNKNOWN); /* too small to say anything */
    measures.sent_bytes = GB;
    measures.sent_s = 0;
    check_rate(TBK_OFFSITE_UNKNOWN, TBK_BASIS_UNKNOWN);
    measures.sent_s = 100;
    check_rate(GB / 100, TBK_BASIS_MEASURED);
    assert_int_equal(tbk_offsite_duration_s(&forecast, GB), 101);
    assert_int_equal(tbk_offsite_duration_s(&forecast, TBK_OFFSITE_UNKNOWN), TBK_OFFSITE_UNKNOWN);
    options.offsite.limit_upload_kib = 100000; /* more than it ever was */
    check_rate(GB / 100, TBK_BASIS_MEASURED);
    options.offsite.limit_upload_kib = 1000;
    check_rate(1024000, TBK_BASIS_LIMIT);
    measures.sent_s = 0;
    check_rate(1024000, TBK_BASIS_LIMIT);
}

static void what_waits_is_what_would_be_sent(void **state)
{
    (void)state;
    const tbk_offsite_set sets[] = {{.id = "c", .time_s = NOW_S - 1 * DAY_S, .is_proved = true},
                                    {.id = "b", .time_s = NOW_S - 2 * DAY_S, .is_proved = true},
                                    {.id = "x", .time_s = NOW_S - 3 * DAY_S},
                                    {.id = "a", .time_s = NOW_S - 4 * DAY_S, .is_proved = true}};
    const int64_t bytes[] = {1, 10, 100, 1000};
    tbk_offsite_copy there = {
        .id = "b", .time_s = NOW_S - 2 * DAY_S, .is_whole = true, .profile = TBK_PROFILE_FULL};
    tbk_offsite_copies copies = {.list = &there, .count = 1};
    tbk_offsite_queue waiting =
        tbk_offsite_waiting(&options.offsite, sets, bytes, 4, &copies, NOW_S);
    assert_int_equal(waiting.sets, 2);
    assert_int_equal(waiting.bytes, 1001);
    copies.count = 0;
    waiting = tbk_offsite_waiting(&options.offsite, sets, bytes, 2, &copies, NOW_S);
    assert_int_equal(waiting.sets, 2);
    assert_int_equal(waiting.bytes, 11);
    waiting = tbk_offsite_waiting(&options.offsite, NULL, NULL, 0, &copies, NOW_S);
    assert_int_equal(waiting.sets, 0);
}

static void each_basis_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(tbk_offsite_basis_name(TBK_BASIS_UNKNOWN), "unknown");
    assert_string_equal(tbk_offsite_basis_name(TBK_BASIS_ESTIMATED), "estimated");
    assert_string_equal(tbk_offsite_basis_name(TBK_BASIS_LIMIT), "limit");
    assert_string_equal(tbk_offsite_basis_name(TBK_BASIS_MEASURED), "measured");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_full_set_is_sent_and_stored_as_a_whole, set_up),
        cmocka_unit_test_setup(essential_sets_and_full_ones_beside_them_have_schedules_of_their_own,
                               set_up),
        cmocka_unit_test_setup(what_is_not_taken_costs_nothing, set_up),
        cmocka_unit_test_setup(one_full_set_in_so_many_days_is_a_part_of_the_traffic, set_up),
        cmocka_unit_test_setup(a_rare_schedule_is_followed_until_enough_are_there, set_up),
        cmocka_unit_test_setup(too_many_runs_to_play_through_are_unknown, set_up),
        cmocka_unit_test_setup(sizes_that_nobody_measured_are_estimated_or_unknown, set_up),
        cmocka_unit_test_setup(nothing_overflows, set_up),
        cmocka_unit_test_setup(with_append_only_it_grows_without_an_end, set_up),
        cmocka_unit_test_setup(the_rate_is_that_of_the_last_upload_or_of_the_limit, set_up),
        cmocka_unit_test_setup(what_waits_is_what_would_be_sent, set_up),
        cmocka_unit_test(each_basis_has_a_name),
    };
    return cmocka_run_group_tests(tests, begin_arena, end_arena);
}
