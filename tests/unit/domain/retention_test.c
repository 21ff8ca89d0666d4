/* SPDX-License-Identifier: MIT */
/* Retention: what is dropped, and what never is. */
#include "unit/unit.h"

#include "domain/retention.h"

#define DAY_S INT64_C(86400)
#define NOW_S (INT64_C(1000) * DAY_S)
#define AGED(name, days, level)                                                                    \
    {                                                                                              \
        .id = (name), .time_s = NOW_S - (days)*DAY_S, .proof = (level)                             \
    }

static tbk_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = tbk_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tbk_arena_free(arena);
    arena = NULL;
    return 0;
}

static void no_set_is_nothing_to_decide(void **state)
{
    (void)state;
    tbk_retention_apply(arena, NULL, 0, 7, NOW_S);
}

static void drops_what_is_older_than_keep_days(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        AGED("a", 0, TBK_PROOF_CHECKSUMS),
        AGED("b", 7, TBK_PROOF_CHECKSUMS),
        {.id = "c", .time_s = NOW_S - 7 * DAY_S - 1, .proof = TBK_PROOF_CHECKSUMS},
        AGED("d", 30, TBK_PROOF_NONE),
    };
    tbk_retention_apply(arena, sets, 4, 7, NOW_S);
    assert_true(sets[0].keep);
    assert_true(sets[1].keep);
    assert_false(sets[2].keep);
    assert_false(sets[3].keep);
    assert_string_equal(sets[3].reason, "it is 30 days old, and sets are kept for 7 days");
}

static void keeps_the_newest_however_old_it_is(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        AGED("b", 100, TBK_PROOF_NONE),
        AGED("c", 90, TBK_PROOF_NONE),
        AGED("a", 95, TBK_PROOF_NONE),
    };
    tbk_retention_apply(arena, sets, 3, 1, NOW_S);
    assert_false(sets[0].keep);
    assert_true(sets[1].keep);
    assert_string_equal(sets[1].reason, "it is the newest");
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
    tbk_retention_apply(arena, sets, 4, 7, NOW_S);
    assert_true(sets[0].keep);
    assert_false(sets[1].keep);
    assert_true(sets[2].keep);
    assert_string_equal(sets[2].reason, "it is the newest one that is proved as restored");
    assert_false(sets[3].keep);
}

static void of_one_second_the_greater_id_is_newer(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        AGED("b", 30, TBK_PROOF_NONE),
        AGED("c", 30, TBK_PROOF_NONE),
        AGED("a", 30, TBK_PROOF_NONE),
    };
    tbk_retention_apply(arena, sets, 3, 7, NOW_S);
    assert_false(sets[0].keep);
    assert_true(sets[1].keep);
    assert_false(sets[2].keep);
}

static void keeps_what_is_from_the_future(void **state)
{
    (void)state;
    tbk_retention_set sets[] = {
        AGED("future", -400, TBK_PROOF_NONE),
        AGED("farther", -500, TBK_PROOF_NONE),
    };
    tbk_retention_apply(arena, sets, 2, 7, NOW_S);
    assert_true(sets[0].keep);
    assert_string_equal(sets[0].reason, "it is from the future: the clock went back");
    assert_true(sets[1].keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_set_is_nothing_to_decide),
        cmocka_unit_test(drops_what_is_older_than_keep_days),
        cmocka_unit_test(keeps_the_newest_however_old_it_is),
        cmocka_unit_test(keeps_the_newest_with_the_strongest_proof),
        cmocka_unit_test(of_one_second_the_greater_id_is_newer),
        cmocka_unit_test(keeps_what_is_from_the_future),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
