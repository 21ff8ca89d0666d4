/* SPDX-License-Identifier: MIT */
/* What goes off-site, what stays there, what goes, and when. */
#include "unit/arena.h"

#include "domain/offsite_policy.h"

#define DAY_S INT64_C(86400)
#define NOW_S (INT64_C(20000) * DAY_S) /* 2024-10-04, a Friday */
#define AGO_S(days) (NOW_S - (days)*DAY_S)

static tbk_offsite_settings settings;
static tbk_offsite_copy room[64];
static tbk_offsite_copies copies;

static int set_up(void **state)
{
    (void)state;
    settings = (tbk_offsite_settings){
        .keep_last = 3, .keep_daily = 7, .keep_weekly = 4, .keep_monthly = 12};
    copies = (tbk_offsite_copies){.list = room};
    return 0;
}

static const char *name_of(int64_t time_s)
{
    return tbk_arena_format(arena, "set-%lld", (long long)time_s);
}

static tbk_offsite_copy *there(int64_t time_s, tbk_profile profile, bool is_whole)
{
    tbk_offsite_copy *copy = &copies.list[copies.count++];
    *copy = (tbk_offsite_copy){
        .id = name_of(time_s), .time_s = time_s, .profile = profile, .is_whole = is_whole};
    return copy;
}

static tbk_offsite_set set_of(int64_t time_s, tbk_profile profile)
{
    return (tbk_offsite_set){
        .id = name_of(time_s), .time_s = time_s, .profile = profile, .is_proved = true};
}

static const char *next(const tbk_offsite_set *sets, size_t count)
{
    const tbk_offsite_set *set = tbk_offsite_next(arena, &settings, sets, count, &copies, NOW_S);
    return set != NULL ? set->id : "none";
}

static void the_newest_proved_set_goes_first(void **state)
{
    (void)state;
    tbk_offsite_set sets[] = {set_of(AGO_S(0) - 10, TBK_PROFILE_FULL),
                              set_of(AGO_S(1), TBK_PROFILE_FULL),
                              set_of(AGO_S(2), TBK_PROFILE_FULL)};
    sets[0].is_proved = false;
    assert_string_equal(next(sets, 0), "none");
    assert_string_equal(next(sets, 3), sets[1].id);
    (void)there(AGO_S(1), TBK_PROFILE_FULL, false); /* what is not whole is sent anew */
    assert_string_equal(next(sets, 3), sets[1].id);
    copies.list[0].is_whole = true;
    assert_string_equal(next(sets, 3), sets[2].id);
    (void)there(AGO_S(2), TBK_PROFILE_FULL, true);
    assert_string_equal(next(sets, 3), "none");
}

static void only_what_is_taken_goes(void **state)
{
    (void)state;
    const tbk_offsite_set sets[] = {set_of(AGO_S(1), TBK_PROFILE_ESSENTIAL),
                                    set_of(AGO_S(2), TBK_PROFILE_FULL)};
    assert_string_equal(next(sets, 2), sets[0].id);
    settings.take = TBK_TAKE_FULL;
    assert_string_equal(next(sets, 2), sets[1].id);
    settings.take = TBK_TAKE_ESSENTIAL;
    assert_string_equal(next(sets, 2), sets[0].id);
    assert_string_equal(next(sets + 1, 1), "none");
}

static void sets_from_the_future_wait_for_the_clock(void **state)
{
    (void)state;
    const tbk_offsite_set sets[] = {set_of(AGO_S(-30), TBK_PROFILE_FULL)};
    assert_string_equal(next(sets, 1), "none");
}

static void of_full_sets_one_in_so_many_days_goes(void **state)
{
    (void)state;
    const tbk_offsite_set sets[] = {set_of(AGO_S(0) - 60, TBK_PROFILE_FULL),
                                    set_of(AGO_S(1), TBK_PROFILE_ESSENTIAL),
                                    set_of(AGO_S(9), TBK_PROFILE_FULL)};
    settings.full_every_days = 7;
    (void)there(AGO_S(5), TBK_PROFILE_FULL, true);
    (void)there(AGO_S(6), TBK_PROFILE_FULL, false);
    (void)there(AGO_S(6), TBK_PROFILE_ESSENTIAL, true);
    assert_string_equal(next(sets, 3), sets[1].id);
    assert_string_equal(next(sets + 2, 1), "none"); /* too soon before it, too */
    copies.list[0].time_s = AGO_S(7) + 3600;        /* a run that was late by an hour */
    assert_string_equal(next(sets, 3), sets[0].id);
}

static void what_retention_would_drop_at_once_is_not_sent(void **state)
{
    (void)state;
    settings = (tbk_offsite_settings){.keep_last = 1};
    const tbk_offsite_set sets[] = {set_of(AGO_S(1), TBK_PROFILE_FULL),
                                    set_of(AGO_S(3), TBK_PROFILE_FULL)};
    (void)there(AGO_S(2), TBK_PROFILE_FULL, true);
    assert_string_equal(next(sets, 2), sets[0].id);
    (void)there(AGO_S(2), TBK_PROFILE_FULL, true);
    assert_string_equal(next(sets + 1, 1), "none");
}

/* The ages in days of those that are kept, and why. */
static const char *kept(void)
{
    const char *text = "";
    tbk_offsite_retain(&settings, &copies, NOW_S);
    for (size_t i = 0; i < copies.count; i++)
        if (copies.list[i].keep)
            text = tbk_arena_format(arena, "%s%lld ", text,
                                    (long long)((NOW_S - copies.list[i].time_s) / DAY_S));
    return text;
}

static void days_weeks_and_months_keep_their_newest(void **state)
{
    (void)state;
    for (int64_t age = 0; age < 60; age++)
        (void)there(AGO_S(age), TBK_PROFILE_FULL, true);
    /* Sundays were 5, 12, 19 and 26 days ago; the last days of months 4 and 34. */
    assert_string_equal(kept(), "0 1 2 3 4 5 6 12 19 34 ");
    assert_string_equal(copies.list[0].reason, "the newest");
    assert_string_equal(copies.list[1].reason, "one of the newest");
    assert_string_equal(copies.list[4].reason, "the newest of its day");
    assert_string_equal(copies.list[12].reason, "the newest of its week");
    assert_string_equal(copies.list[34].reason, "the newest of its month");
    assert_string_equal(copies.list[59].reason, "older than what is kept");
}

static void the_newest_whole_copy_always_stays(void **state)
{
    (void)state;
    settings = (tbk_offsite_settings){.keep_last = 0};
    (void)there(AGO_S(-9), TBK_PROFILE_FULL, true);
    (void)there(AGO_S(1), TBK_PROFILE_FULL, false);
    (void)there(AGO_S(400), TBK_PROFILE_FULL, true);
    (void)there(AGO_S(401), TBK_PROFILE_FULL, true);
    (void)there(AGO_S(500), TBK_PROFILE_ESSENTIAL, true);
    (void)there(AGO_S(400), TBK_PROFILE_FULL, false);
    assert_string_equal(kept(), "-9 1 400 500 ");
    assert_string_equal(copies.list[0].reason, "from the future: a clock was wrong");
    assert_string_equal(copies.list[1].reason, "not whole, and the only one of its set");
    assert_string_equal(copies.list[5].reason, "not whole, and there is a whole one");
}

static void a_database_that_shrank_stops_removal(void **state)
{
    (void)state;
    (void)there(AGO_S(0), TBK_PROFILE_FULL, true);
    there(AGO_S(1), TBK_PROFILE_FULL, false)->database_bytes = UINT64_C(1) << 40;
    there(AGO_S(1), TBK_PROFILE_FULL, true)->database_bytes = 1000;
    there(AGO_S(1), TBK_PROFILE_ESSENTIAL, true)->database_bytes = 1000;
    there(AGO_S(2), TBK_PROFILE_FULL, true)->database_bytes = 2 << 20; /* too little to lose */
    assert_null(tbk_offsite_brake(arena, &copies, 0));
    there(AGO_S(3), TBK_PROFILE_FULL, true)->database_bytes = 17 << 20;
    assert_string_equal(tbk_offsite_brake(arena, &copies, 0),
                        tbk_arena_format(arena,
                                         "the database of '%s' has 1000 bytes, that of '%s' had "
                                         "17825792",
                                         copies.list[2].id, copies.list[5].id));
    assert_null(tbk_offsite_brake(arena, &copies, AGO_S(2)));
    copies.list[2].database_bytes = 9 << 20;
    assert_null(tbk_offsite_brake(arena, &copies, 0));
}

static void failures_are_tried_again_later_and_later(void **state)
{
    (void)state;
    assert_int_equal(tbk_offsite_retry_s(0), 60);
    assert_int_equal(tbk_offsite_retry_s(1), 60);
    assert_int_equal(tbk_offsite_retry_s(2), 300);
    assert_int_equal(tbk_offsite_retry_s(4), 3600);
    assert_int_equal(tbk_offsite_retry_s(1000), 3600);
}

static void what_is_due_by_the_day(void **state)
{
    (void)state;
    assert_false(tbk_offsite_is_due(0, 0, NOW_S));
    assert_true(tbk_offsite_is_due(0, 7, NOW_S));
    assert_false(tbk_offsite_is_due(AGO_S(6), 7, NOW_S));
    assert_true(tbk_offsite_is_due(AGO_S(7), 7, NOW_S));
    assert_true(tbk_offsite_is_due(AGO_S(-1), 7, NOW_S));
}

static void a_drill_goes_as_deep_as_it_can(void **state)
{
    (void)state;
    settings.drill_level = TBK_PROOF_NONE;
    assert_int_equal(tbk_offsite_drill_level(&settings, TBK_DRIVER_SQLITE), TBK_PROOF_RESTORED);
    assert_int_equal(tbk_offsite_drill_level(&settings, TBK_DRIVER_MYSQL), TBK_PROOF_CHECKSUMS);
    settings.drill_level = TBK_PROOF_CHECKSUMS;
    assert_int_equal(tbk_offsite_drill_level(&settings, TBK_DRIVER_SQLITE), TBK_PROOF_CHECKSUMS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(the_newest_proved_set_goes_first),
        TEST(only_what_is_taken_goes),
        TEST(sets_from_the_future_wait_for_the_clock),
        TEST(of_full_sets_one_in_so_many_days_goes),
        TEST(what_retention_would_drop_at_once_is_not_sent),
        TEST(days_weeks_and_months_keep_their_newest),
        TEST(the_newest_whole_copy_always_stays),
        TEST(a_database_that_shrank_stops_removal),
        TEST(failures_are_tried_again_later_and_later),
        TEST(what_is_due_by_the_day),
        TEST(a_drill_goes_as_deep_as_it_can),
    };
    return cmocka_run_group_tests(tests, begin_arena, end_arena);
}
