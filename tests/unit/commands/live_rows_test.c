/* SPDX-License-Identifier: MIT */
/* Rows of a live database beside those of a set: what time explains, and what it does not. */
#include "unit/unit.h"

#include "base/json.h"
#include "commands/live_rows.h"

#define MILLION INT64_C(1000000)

static const tbk_selected_table SELECTION[] = {
    {"keys", "all", 2, 0}, {"torrents", "completed > 0", 31, 969}, {"whitelist", "none", 0, 9}};

typedef struct judged {
    int64_t saved_rows, live_rows;
    bool is_bounded;
    tbk_live_verdict verdict;
} judged;

static tbk_live_verdict judge(const tbk_manifest *manifest, const char *table, const judged *one)
{
    const tbk_table_facts saved = {.table = table, .rows = one->saved_rows};
    const tbk_mysql_live_rows live = {
        .table = table, .is_there = true, .is_bounded = one->is_bounded, .rows = one->live_rows};
    return tbk_live_judge(manifest, &saved, &live);
}

static void time_explains_a_few_rows(void **state)
{
    (void)state;
    static const judged cases[] = {
        {0, 0, true, TBK_LIVE_SAME},
        {5, 5, true, TBK_LIVE_SAME},
        {5, 5, false, TBK_LIVE_SAME},
        {5, 6, true, TBK_LIVE_MORE},
        {5, 1005, true, TBK_LIVE_MORE},
        {5, 1006, true, TBK_LIVE_LACKING},
        {MILLION, MILLION + 10000, true, TBK_LIVE_MORE},
        {MILLION, MILLION + 10001, true, TBK_LIVE_LACKING},
        {5, 1006, false, TBK_LIVE_UNDECIDED},
        {0, 5, false, TBK_LIVE_UNDECIDED},
        {5, 4, true, TBK_LIVE_FEWER},
        {5, 0, false, TBK_LIVE_FEWER},
        {999, 0, true, TBK_LIVE_FEWER},
        {1000, 500, true, TBK_LIVE_FEWER},
        {1000, 499, true, TBK_LIVE_DROPPED},
        {1000, 499, false, TBK_LIVE_DROPPED},
    };
    const tbk_manifest manifest = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (judge(&manifest, "torrents", &cases[i]) != cases[i].verdict)
            fail_msg("%lld saved, %lld live", (long long)cases[i].saved_rows,
                     (long long)cases[i].live_rows);
}

static void what_rules_left_out_is_not_missed(void **state)
{
    (void)state;
    const tbk_manifest manifest = {.selection = SELECTION, .selection_count = 3};
    static const judged many = {31, 900000, true, TBK_LIVE_UNDECIDED};
    static const judged same = {31, 31, true, TBK_LIVE_UNDECIDED};
    static const judged fewer = {31, 30, true, TBK_LIVE_FEWER};
    static const judged none = {0, 9, false, TBK_LIVE_UNDECIDED};
    assert_int_equal(judge(&manifest, "torrents", &many), TBK_LIVE_UNDECIDED);
    assert_int_equal(judge(&manifest, "torrents", &same), TBK_LIVE_UNDECIDED);
    assert_int_equal(judge(&manifest, "torrents", &fewer), TBK_LIVE_FEWER);
    assert_int_equal(judge(&manifest, "whitelist", &none), TBK_LIVE_UNDECIDED);
    assert_int_equal(judge(&manifest, "keys", &many), TBK_LIVE_LACKING);
    assert_int_equal(judge(&manifest, "made later", &many), TBK_LIVE_LACKING);
}

static void all_is_well_is_one_sentence(void **state)
{
    (void)state;
    static const tbk_table_facts tables[] = {{"keys", 2, "", "2"}, {"torrents", 5, "", "5"}};
    static const tbk_mysql_live_rows rows[] = {{"keys", true, true, 2},
                                               {"torrents", true, true, 5}};
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_manifest manifest = {.mysql = {.tables = tables, .table_count = 2}};
    tbk_live_rows found;
    tbk_live_rows_compare(arena, &manifest, rows, &found);
    assert_true(found.ok);
    assert_string_equal(found.detail, "2 of 2 tables have the rows of the set");
}

static void every_difference_is_told_and_the_worst_first(void **state)
{
    (void)state;
    static const tbk_table_facts tables[] = {{"a", 2, "", "2"},       {"b", 5, "", NULL},
                                             {"c", 5, "", "5"},       {"d", 2000, "", "5"},
                                             {"e", 2000, "", "2000"}, {"f", 3, "", "3"}};
    static const tbk_mysql_live_rows rows[] = {{"a", true, true, 3}, {"b", true, false, 9},
                                               {"c", true, true, 4}, {"d", true, true, 9000},
                                               {"e", true, true, 1}, {"f", false, false, 0}};
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text json = {0};
    const tbk_manifest manifest = {.mysql = {.tables = tables, .table_count = 6}};
    tbk_live_rows found;
    tbk_live_rows_compare(arena, &manifest, rows, &found);
    assert_false(found.ok);
    assert_string_equal(
        found.detail,
        "0 of 6 tables have the rows of the set; 'd' has 9000 of 2000 saved rows up to the last "
        "saved: the set lacks rows that were there; 'e' has 1 of 2000 saved rows up to the last "
        "saved: most of its rows were deleted since; 'f' (3 rows saved) is gone; 'a' has 3 of 2 "
        "saved rows up to the last saved: a few were committed while it was saved; 'b' has 9 of 5 "
        "saved rows: no key of whole numbers tells which came later; 'c' has 4 of 5 saved rows up "
        "to the last saved: the others were deleted since");
    tbk_json_write(&json, found.tables, false);
    assert_non_null(strstr(tbk_text_string(&json),
                           "{\"table\":\"d\",\"saved_rows\":2000,\"live_rows\":9000,"
                           "\"up_to_highest_key\":true,\"outcome\":\"lacking\"}"));
}

static void a_sentence_has_an_end(void **state)
{
    (void)state;
    tbk_table_facts tables[40];
    tbk_mysql_live_rows rows[40];
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_manifest manifest = {.mysql = {.tables = tables, .table_count = 40}};
    tbk_live_rows found;
    for (size_t i = 0; i < 40; i++) {
        tables[i] = (tbk_table_facts){.table = "t", .rows = 1};
        rows[i] = (tbk_mysql_live_rows){.table = "t", .is_there = true};
    }
    tbk_live_rows_compare(arena, &manifest, rows, &found);
    assert_true(found.ok);
    assert_non_null(strstr(found.detail, "; and 28 more tables"));
    assert_int_equal(found.tables->count, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_explains_a_few_rows),
        cmocka_unit_test(what_rules_left_out_is_not_missed),
        cmocka_unit_test(all_is_well_is_one_sentence),
        cmocka_unit_test(every_difference_is_told_and_the_worst_first),
        cmocka_unit_test(a_sentence_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
