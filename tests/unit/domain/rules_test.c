/* SPDX-License-Identifier: MIT */
/* Rules for tables: what can be one condition is taken, everything else is refused by its reason.
 */
#include "unit/domain/documents.h"

#include "domain/rules.h"

static void rules_are_read_as_they_are_written(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_rules rules = {.count = 0};
    tbk_error err;
    assert_succeeds(tbk_rules_read(yaml_of(arena, "essential:\n"
                                                  "  torrents: completed > 0 AND (id % 2) = 1\n"
                                                  "  keys: none\n"
                                                  "  'odd \"name\"': all\n"),
                                   "essential", &rules, &err),
                    err);
    assert_int_equal(rules.count, 3);
    assert_int_equal(rules.list[0].kind, TBK_RULE_ROWS);
    assert_string_equal(tbk_rule_text(&rules.list[0]), "completed > 0 AND (id % 2) = 1");
    assert_string_equal(tbk_rule_text(tbk_rules_find(&rules, "KEYS")), "none");
    assert_string_equal(tbk_rule_text(tbk_rules_find(&rules, "odd \"name\"")), "all");
    assert_null(tbk_rules_find(&rules, "whitelist"));
}

static void without_the_key_the_rules_stay(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_rules rules;
    tbk_error err;
    tbk_rules_default(&rules);
    assert_succeeds(tbk_rules_read(yaml_of(arena, "other: 1"), "essential", &rules, &err), err);
    assert_int_equal(rules.count, 1);
    assert_string_equal(rules.list[0].table, "torrents");
    assert_succeeds(tbk_rules_read(yaml_of(arena, "essential: {}"), "essential", &rules, &err),
                    err);
    assert_int_equal(rules.count, 0);
}

static void conditions_may_be_what_they_like_within_their_brackets(void **state)
{
    (void)state;
    static const char *const conditions[] = {
        "completed > 0",
        "info_hash LIKE 'a''b%' AND (id = 1 OR (id = 2))",
        "\"a;b\" = '--' OR [c/*d] = `)`",
        "id - -1 > 0",
        "allx",
        "a / b * c",
    };
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        tbk_rule rule;
        tbk_error err;
        assert_succeeds(tbk_rule_parse("t", conditions[i], &rule, &err), err);
        assert_int_equal(rule.kind, TBK_RULE_ROWS);
        assert_string_equal(rule.condition, conditions[i]);
    }
}

static void what_is_not_one_condition_is_refused(void **state)
{
    (void)state;
    char long_one[1100];
    memset(long_one, '1', sizeof long_one);
    long_one[sizeof long_one - 1] = '\0';
    const char *const cases[][2] = {
        {"", "is empty"},
        {"   ", "is empty"},
        {long_one, "longer than 1000"},
        {"a\tb", "control characters"},
        {"a > 0; DROP TABLE t", "has a ';'"},
        {"a > 0 -- b", "has a comment"},
        {"a > 0 /* b", "has a comment"},
        {"a > 0) OR (1", "closes a bracket that it did not open"},
        {"(a > 0", "bracket that is not closed"},
        {"a = 'b", "quote that is not closed"},
        {"a = \"b", "quote that is not closed"},
        {"a = [b", "quote that is not closed"},
        {"a = `b", "quote that is not closed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_rule rule;
        tbk_error err;
        assert_fails(tbk_rule_parse("t", cases[i][0], &rule, &err), err, TBK_E_CONFIG, cases[i][1]);
    }
}

static void tables_have_names(void **state)
{
    (void)state;
    char long_one[300];
    memset(long_one, 'a', sizeof long_one);
    long_one[sizeof long_one - 1] = '\0';
    const char *const names[] = {"", "a\nb", long_one};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tbk_rule rule;
        tbk_error err;
        assert_fails(tbk_rule_parse(names[i], "all", &rule, &err), err, TBK_E_CONFIG,
                     "is not the name of a table");
    }
}

static void bad_maps_of_rules_are_refused(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_rules rules;
    tbk_error err;
    tbk_value *many = tbk_value_map(arena);
    for (int i = 0; i <= TBK_RULES_MAX; i++)
        tbk_value_add(arena, many, tbk_arena_format(arena, "t%d", i),
                      tbk_value_string(arena, "all"));
    tbk_value *document = tbk_value_map(arena);
    tbk_value_set(arena, document, "essential", many);
    tbk_rules_default(&rules);
    assert_fails(tbk_rules_read(document, "essential", &rules, &err), err, TBK_E_CONFIG,
                 "more than 32 rules");
    static const char *const cases[][2] = {
        {"essential: [a]", "'essential' must be a map"},
        {"essential: {a: 5}", "the rule for 'a' must be text, but this is a whole number"},
        {"essential: {a: all, A: none}", "the table 'A' has two rules"},
        {"essential: {a: ''}", "file.yml:1: 'essential': the rule for the table 'a' is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(tbk_rules_read(yaml_of(arena, cases[i][0]), "essential", &rules, &err), err,
                     TBK_E_CONFIG, cases[i][1]);
    assert_int_equal(rules.count, 1);
}

static void profiles_are_read_as_they_are_written(void **state)
{
    (void)state;
    tbk_profile read = TBK_PROFILE_FULL;
    tbk_error err;
    for (tbk_profile profile = TBK_PROFILE_FULL; profile <= TBK_PROFILE_ESSENTIAL; profile++) {
        assert_succeeds(tbk_profile_parse(tbk_profile_name(profile), &read, &err), err);
        assert_int_equal(read, profile);
    }
    assert_fails(tbk_profile_parse("Full", &read, &err), err, TBK_E_CONFIG, "known are: full");
}

static void a_rule_that_cannot_be_used_says_which_and_why(void **state)
{
    (void)state;
    tbk_error err;
    const tbk_rule rows = {.table = "torrents", .kind = TBK_RULE_ROWS, .condition = "seen > 0"};
    assert_fails(tbk_rule_fail(&rows, "no such column: seen", &err), err, TBK_E_CONFIG,
                 "the rule for the table 'torrents' (seen > 0) cannot be used: no such column: "
                 "seen");
    assert_non_null(strstr(err.fix, "one condition on the table's own columns"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_read_as_they_are_written),
        cmocka_unit_test(without_the_key_the_rules_stay),
        cmocka_unit_test(conditions_may_be_what_they_like_within_their_brackets),
        cmocka_unit_test(what_is_not_one_condition_is_refused),
        cmocka_unit_test(tables_have_names),
        cmocka_unit_test(bad_maps_of_rules_are_refused),
        cmocka_unit_test(profiles_are_read_as_they_are_written),
        cmocka_unit_test(a_rule_that_cannot_be_used_says_which_and_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
