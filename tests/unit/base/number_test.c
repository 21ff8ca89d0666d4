/* SPDX-License-Identifier: MIT */
/* Real numbers: shortest form, a dot in every locale, and the locale as it was. */
#include "unit/unit.h"

#include "base/number.h"

#include <float.h>
#include <locale.h>
#include <stdio.h>

static void numbers_come_back_as_they_were(void **state)
{
    (void)state;
    static const double NUMBERS[] = {0.0,     0.1,     -1.5,         1.0 / 3, 0.1 + 0.2,
                                     DBL_MAX, DBL_MIN, DBL_TRUE_MIN, 1e22,    123456789012345680.0};
    for (size_t index = 0; index < sizeof NUMBERS / sizeof NUMBERS[0]; index++) {
        char text[TBK_NUMBER_TEXT_SIZE];
        tbk_number_format(NUMBERS[index], text);
        double again = tbk_number_parse(text);
        assert_memory_equal(&again, &NUMBERS[index], sizeof again);
    }
    char text[TBK_NUMBER_TEXT_SIZE];
    tbk_number_format(0.1, text);
    assert_string_equal(text, "0.1");
    assert_true(tbk_number_parse("x") < 1e-300);
}

/* A host's locale with a comma: made here, for Debian installs none. */
static bool use_comma(void)
{
    static const char SOURCE[] = "LC_NUMERIC\ndecimal_point \"<U002C>\"\nthousands_sep \"\"\n"
                                 "grouping -1\nEND LC_NUMERIC\n";
    char folder[64];
    char command[512];
    make_scratch(folder);
    /* localedef regrets the categories that are missing: what counts is the locale. */
    (void)snprintf(
        command, sizeof command,
        "cd '%s' && printf '%%s' '%s' >source && "
        "localedef -c --no-archive -i source ./comma >log 2>&1; test -s comma/LC_NUMERIC",
        folder, SOURCE);
    bool made = system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 &&
                setlocale(LC_NUMERIC, "comma") != NULL;
    (void)unsetenv("LOCPATH");
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 && made;
}

static void a_host_with_a_decimal_comma_changes_nothing(void **state)
{
    (void)state;
    assert_true(use_comma());
    char text[TBK_NUMBER_TEXT_SIZE];
    tbk_number_format(1.5, text);
    assert_string_equal(text, "1.5");
    assert_true(tbk_number_parse("1.5") > 1.4);
    (void)snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5"); /* the host's own locale still holds */
    (void)setlocale(LC_ALL, "C");
}

static void whole_numbers_are_all_of_their_text_and_within_their_limits(void **state)
{
    (void)state;
    static const char *const NONE[] = {"",
                                       "-",
                                       "+",
                                       "x",
                                       "1x",
                                       " 1",
                                       "1 ",
                                       "1.5",
                                       "0x10",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "99999999999999999999999"};
    int64_t number = 7;
    for (size_t index = 0; index < sizeof NONE / sizeof NONE[0]; index++)
        assert_false(tbk_number_parse_whole(NONE[index], INT64_MIN, INT64_MAX, &number));
    assert_false(tbk_number_parse_whole("-1", 0, 10, &number));
    assert_false(tbk_number_parse_whole("11", 0, 10, &number));
    assert_int_equal(number, 7);
    assert_true(tbk_number_parse_whole("+0530", -2400, 2400, &number));
    assert_int_equal(number, 530);
    assert_true(tbk_number_parse_whole("-9223372036854775808", INT64_MIN, INT64_MAX, &number));
    assert_true(number == INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back_as_they_were),
        cmocka_unit_test(whole_numbers_are_all_of_their_text_and_within_their_limits),
        cmocka_unit_test(a_host_with_a_decimal_comma_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
