/* SPDX-License-Identifier: MIT */
/* Whose a set is: told apart by environment, kind of database and location. */
#include "unit/unit.h"

#include "domain/origin.h"

static const tbk_origin MINE = {"demo", TBK_DRIVER_SQLITE, "/srv/t.db"};
static const tbk_origin BY_HAND = {NULL, TBK_DRIVER_SQLITE, "/srv/t.db"};

static tbk_manifest set_of(const char *environment, tbk_driver driver, const char *location)
{
    return (tbk_manifest){.environment = environment, .driver = driver, .location = location};
}

static bool owns(const tbk_origin *origin, const char *environment, tbk_driver driver,
                 const char *location)
{
    const tbk_manifest set = set_of(environment, driver, location);
    return tbk_origin_owns(origin, &set);
}

static void a_set_belongs_to_its_environment_and_database(void **state)
{
    (void)state;
    assert_true(owns(&MINE, "demo", TBK_DRIVER_SQLITE, "/srv/t.db"));
    assert_false(owns(&MINE, "other", TBK_DRIVER_SQLITE, "/srv/t.db"));
    assert_false(owns(&MINE, NULL, TBK_DRIVER_SQLITE, "/srv/t.db"));
    assert_false(owns(&MINE, "demo", TBK_DRIVER_MYSQL, "/srv/t.db"));
    assert_false(owns(&MINE, "demo", TBK_DRIVER_SQLITE, "/srv/u.db"));
    assert_true(owns(&BY_HAND, NULL, TBK_DRIVER_SQLITE, "/srv/t.db"));
    assert_false(owns(&BY_HAND, "demo", TBK_DRIVER_SQLITE, "/srv/t.db"));
}

static void an_old_set_belongs_to_the_environment_that_it_names_or_to_none(void **state)
{
    (void)state;
    assert_true(owns(&MINE, "demo", TBK_DRIVER_SQLITE, NULL));
    assert_false(owns(&MINE, "other", TBK_DRIVER_SQLITE, NULL));
    assert_false(owns(&MINE, "demo", TBK_DRIVER_MYSQL, NULL));
    assert_false(owns(&MINE, NULL, TBK_DRIVER_SQLITE, NULL));
    assert_false(owns(&BY_HAND, NULL, TBK_DRIVER_SQLITE, NULL));
}

static void what_is_not_known_makes_no_difference(void **state)
{
    (void)state;
    const tbk_origin unknown = {"demo", TBK_DRIVER_SQLITE, NULL};
    const tbk_origin elsewhere = {"demo", TBK_DRIVER_SQLITE, "/srv/u.db"};
    const tbk_origin mysql = {"demo", TBK_DRIVER_MYSQL, NULL};
    assert_false(tbk_origin_differs(&MINE, &MINE));
    assert_false(tbk_origin_differs(&MINE, &unknown));
    assert_false(tbk_origin_differs(&unknown, &MINE));
    assert_true(tbk_origin_differs(&MINE, &elsewhere));
    assert_true(tbk_origin_differs(&MINE, &BY_HAND));
    assert_true(tbk_origin_differs(&unknown, &mysql));
}

static void is_said_in_words(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_origin unknown = {"demo", TBK_DRIVER_SQLITE, NULL};
    assert_string_equal(tbk_origin_words(arena, &MINE), "the database '/srv/t.db' of 'demo'");
    assert_string_equal(tbk_origin_words(arena, &BY_HAND), "the database '/srv/t.db', by hand");
    assert_string_equal(tbk_origin_words(arena, &unknown), "the database 'not known' of 'demo'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_belongs_to_its_environment_and_database),
        cmocka_unit_test(an_old_set_belongs_to_the_environment_that_it_names_or_to_none),
        cmocka_unit_test(what_is_not_known_makes_no_difference),
        cmocka_unit_test(is_said_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
