/* SPDX-License-Identifier: MIT */
/* Names of an enum's values: read as they are written, and listed when one is unknown. */
#include "unit/unit.h"

#include "base/names.h"

typedef enum colour { COLOUR_UNSET, COLOUR_RED, COLOUR_GREEN, COLOUR_BLUE } colour;

static const char *const colours[] = {"unset", "red", "green", "blue"};
static const tbk_names colour_names = {.what = "colour", TBK_NAMES_LIST(colours), .first = 1};
static const tbk_names other_names = {TBK_NAMES_LIST(colours), .fix = "write red",
                                      .code = TBK_E_USAGE};

const char *colour_name(colour value);
bool colour_parse(const char *name, colour *out, tbk_error *err);
TBK_NAMES_FUNCTIONS(colour, colour, colour_names)

static void names_are_read_as_they_are_written(void **state)
{
    (void)state;
    for (colour written = COLOUR_RED; written <= COLOUR_BLUE; written++) {
        colour read = COLOUR_UNSET;
        tbk_error err;
        assert_succeeds(colour_parse(colour_name(written), &read, &err), err);
        assert_int_equal(read, written);
    }
    assert_string_equal(colour_name(COLOUR_UNSET), "unset");
}

static void an_unknown_name_changes_nothing_and_tells_the_known_ones(void **state)
{
    (void)state;
    static const char *const unknown[] = {"unset", "RED", "", "reddish"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        colour read = COLOUR_GREEN;
        tbk_error err;
        assert_fails(colour_parse(unknown[i], &read, &err), err, TBK_E_CONFIG,
                     "' is unknown; known are: red, green, blue");
        assert_string_equal(err.fix, "write red, green or blue");
        assert_int_equal(read, COLOUR_GREEN);
    }
}

static void an_error_may_be_worded_and_coded_otherwise(void **state)
{
    (void)state;
    unsigned value = 0;
    tbk_error err;
    assert_fails(tbk_names_parse(&other_names, "grey", &value, &err), err, TBK_E_USAGE,
                 "'grey' is unknown here; known are: unset, red, green, blue");
    assert_string_equal(err.fix, "write red");
}

static void some_names_make_a_list(void **state)
{
    (void)state;
    static const struct {
        unsigned values;
        const char *list;
    } cases[] = {
        {0, ""},
        {1u << COLOUR_GREEN, "'green'"},
        {1u << COLOUR_UNSET | 1u << COLOUR_BLUE, "'unset' and 'blue'"},
        {1u << COLOUR_RED | 1u << COLOUR_GREEN | 1u << COLOUR_BLUE, "'red', 'green' and 'blue'"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto_text list = {0};
        tbk_names_append(&list, &colour_names, cases[i].values, "'", " and ");
        assert_string_equal(tbk_text_string(&list), cases[i].list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(an_unknown_name_changes_nothing_and_tells_the_known_ones),
        cmocka_unit_test(an_error_may_be_worded_and_coded_otherwise),
        cmocka_unit_test(some_names_make_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
