/* SPDX-License-Identifier: MIT */
/* Retention: what is dropped, and what never is. */
#include "unit/arena.h"

#include "domain/retention.h"

#define DAY_S INT64_C(86400)
#define NOW_S (INT64_C(1000) * DAY_S)
#define AGED(name, days, level)                                                                    \
    {                                                                                              \
        .id = (name), .time_s = NOW_S - (days)*DAY_S, .proof = (level)                             \
    }

static void apply(tbk_retention_set *sets, size_t count, int64_t keep_days, int64_t keep_last)
{
    const tbk_retention_limits limits = {.keep_days = keep_days, .keep_last = keep_last};
    tbk_retention_apply(arena, sets, count, &limits, NOW_S);
}

static size_t kept(const tbk_retention_set *sets, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += sets[i].keep;
    return found;
}

/* One set a day, the newest of them that many days ago. */
static void daily(tbk_retention_set *sets, size_t count, int64_t newest_days)
{
    for (size_t i = 0; i < count; i++)
        sets[i] = (tbk_retention_set)AGED(tbk_arena_format(arena, "%02zu", i),
                                          newest_days + (int64_t)i, TBK_PROOF_CHECKSUMS);
}

static void no_set_is_nothing_to_decide(void **state)
{
    (void)state;
    apply(NULL, 0, 7, 3);
    tbk_retention_set only = AGED("only", 100, TBK_PROOF_NONE);
    apply(&only, 1, 7, 3);
    assert_true(only.keep);
}

static void drops_what_is_older_than_keep_days(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        AGED("a", 0, TBK_PROOF_CHECKSUMS),
        AGED("b", 7, TBK_PROOF_CHECKSUMS),
        {.id = "c", .time_s = NOW_S - 7 * DAY_S - 1, .proof = TBK_PROOF_CHECKSUMS},
        AGED("d", 14, TBK_PROOF_NONE),
    };
    apply(sets, 4, 7, 1);
    assert_true(sets[0].keep);
    assert_true(sets[1].keep);
    assert_false(sets[2].keep);
    assert_false(sets[3].keep);
    assert_string_equal(sets[3].reason, "it is 14 days old, and sets are kept for 7 days");
}

static void keeps_the_newest_however_old_it_is(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        AGED("b", 100, TBK_PROOF_NONE),
        AGED("c", 90, TBK_PROOF_NONE),
        AGED("a", 95, TBK_PROOF_NONE),
    };
    apply(sets, 3, 1, 3);
    assert_false(sets[0].keep);
    assert_true(sets[1].keep);
    assert_false(sets[2].keep);
}

static void keeps_the_newest_with_the_strongest_proof(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        AGED("new", 0, TBK_PROOF_NONE),
        AGED("proved-older", 30, TBK_PROOF_RESTORED),
        AGED("proved", 20, TBK_PROOF_RESTORED),
        AGED("checked", 10, TBK_PROOF_CHECKSUMS),
    };
    apply(sets, 4, 7, 1);
    assert_true(sets[0].keep);
    assert_false(sets[1].keep);
    assert_true(sets[2].keep);
    assert_string_equal(sets[2].reason, "it is the newest one that is proved as restored");
    assert_true(sets[3].keep);
    assert_string_equal(sets[3].reason, "it is one of the 1 newest good ones");
}

/* Sets that failed their proof, or are damaged, are not counted. */
static void keeps_so_many_good_ones_however_old(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        {.id = "new", .time_s = NOW_S, .proof = TBK_PROOF_CHECKSUMS, .is_new = true},
        AGED("failed", 10, TBK_PROOF_NONE),
        AGED("good", 20, TBK_PROOF_CHECKSUMS),
        AGED("third", 30, TBK_PROOF_CHECKSUMS),
        AGED("fourth", 40, TBK_PROOF_CHECKSUMS),
    };
    apply(sets, 5, 1, 3);
    assert_true(sets[0].keep);
    assert_true(sets[1].keep); /* the newest earlier one: ages count from it */
    assert_true(sets[2].keep);
    assert_true(sets[3].keep);
    assert_false(sets[4].keep);
    apply(sets, 5, 1, 4);
    assert_int_equal(kept(sets, 5), 5);
}

/* The machine was off for a month: what is there was made a month ago, and is all there is. */
static void a_pause_longer_than_keep_days_costs_nothing(void **state)
{
    (void)state;
    tbk_retention_set sets[9];
    daily(sets + 1, 8, 30);
    sets[0] = (tbk_retention_set){.id = "new", .time_s = NOW_S, .is_new = true};
    apply(sets, 9, 7, 3);
    assert_int_equal(kept(sets, 9), 9);
}

/* After it, history ages by the runs that there are, not all at once. */
static void after_a_pause_sets_go_one_by_one(void **state)
{
    (void)state;
    tbk_retention_set sets[10];
    daily(sets + 2, 8, 31);
    sets[1] = (tbk_retention_set)AGED("first", 1, TBK_PROOF_CHECKSUMS);
    sets[0] = (tbk_retention_set){.id = "new", .time_s = NOW_S, .is_new = true};
    apply(sets, 10, 7, 3);
    assert_int_equal(kept(sets, 10), 8);
    assert_true(sets[7].keep);
    assert_false(sets[8].keep);
}

/* The clock says ten years too much: neither the first such run nor the second drops much. */
static void a_clock_that_jumped_ahead_costs_nothing(void **state)
{
    (void)state;
    tbk_retention_set sets[10];
    daily(sets + 2, 8, 3651);
    sets[1] = (tbk_retention_set)AGED("ahead", 0, TBK_PROOF_CHECKSUMS);
    sets[0] = (tbk_retention_set){.id = "new", .time_s = NOW_S + 1, .is_new = true};
    apply(sets + 1, 9, 7, 3); /* the first one, as if it were all there is */
    assert_true(kept(sets + 1, 9) >= 7);
    sets[1].is_new = true;
    apply(sets + 1, 9, 7, 3);
    assert_int_equal(kept(sets + 1, 9), 9);
    sets[1].is_new = false;
    apply(sets, 10, 7, 3);
    assert_true(kept(sets, 10) >= 8);
}

/* The same clock is right again: what it made then is from the future, and no age counts from it.
 */
static void what_a_wrong_clock_made_is_no_measure(void **state)
{
    (void)state;
    tbk_retention_set sets[10];
    daily(sets + 2, 8, 1);
    sets[1] = (tbk_retention_set)AGED("ahead", -3650, TBK_PROOF_RESTORED);
    sets[0] = (tbk_retention_set){.id = "new", .time_s = NOW_S, .is_new = true};
    apply(sets, 10, 7, 3);
    assert_int_equal(kept(sets, 10), 10);
}

/* A weekly schedule ages by weeks: that is no pause. */
static void rare_backups_age_too(void **state)
{
    (void)state;
    tbk_retention_set sets[8];
    for (size_t i = 0; i < 8; i++)
        sets[i] = (tbk_retention_set)AGED(tbk_arena_format(arena, "%zu", i), (int64_t)i * 7,
                                          TBK_PROOF_CHECKSUMS);
    sets[0].is_new = true;
    apply(sets, 8, 14, 1);
    assert_int_equal(kept(sets, 8), 4); /* the new one, and those of 0, 7 and 14 days before */
}

static void of_one_second_the_greater_id_is_newer(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        AGED("b", 30, TBK_PROOF_CHECKSUMS),
        AGED("c", 30, TBK_PROOF_CHECKSUMS),
        AGED("a", 60, TBK_PROOF_CHECKSUMS),
    };
    apply(sets, 3, 7, 1);
    assert_true(sets[0].keep); /* as old as the newest */
    assert_string_equal(sets[1].reason, "it is 0 days old, and sets are kept for 7 days");
    assert_true(sets[1].keep);
    assert_true(sets[2].keep); /* within a day's time of the others, as far as one can tell */
}

static void keeps_what_is_from_the_future(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        AGED("future", -400, TBK_PROOF_NONE),
        AGED("farther", -500, TBK_PROOF_NONE),
    };
    apply(sets, 2, 7, 3);
    assert_true(sets[0].keep);
    assert_string_equal(sets[0].reason, "it is from the future: the clock went back");
    assert_true(sets[1].keep);
}

/* A second set of the same second is named by the next one. */
static void a_moment_ahead_is_not_the_future(void **state)
{
    (void)state;
    assert_false(tbk_retention_is_future(NOW_S + 3600, NOW_S));
    assert_true(tbk_retention_is_future(NOW_S + 3601, NOW_S));
    assert_false(tbk_retention_is_future(0, NOW_S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_set_is_nothing_to_decide),
        cmocka_unit_test(drops_what_is_older_than_keep_days),
        cmocka_unit_test(keeps_the_newest_however_old_it_is),
        cmocka_unit_test(keeps_the_newest_with_the_strongest_proof),
        cmocka_unit_test(keeps_so_many_good_ones_however_old),
        cmocka_unit_test(a_pause_longer_than_keep_days_costs_nothing),
        cmocka_unit_test(after_a_pause_sets_go_one_by_one),
        cmocka_unit_test(a_clock_that_jumped_ahead_costs_nothing),
        cmocka_unit_test(what_a_wrong_clock_made_is_no_measure),
        cmocka_unit_test(rare_backups_age_too),
        cmocka_unit_test(of_one_second_the_greater_id_is_newer),
        cmocka_unit_test(keeps_what_is_from_the_future),
        cmocka_unit_test(a_moment_ahead_is_not_the_future),
    };
    return cmocka_run_group_tests(tests, begin_arena, end_arena);
}
