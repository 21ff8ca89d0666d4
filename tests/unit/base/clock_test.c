/* SPDX-License-Identifier: MIT */
/* Time: UTC whatever the zone is, and names of backup sets that come back as they were. */
#include "unit/unit.h"

#include "base/clock.h"

static void formats_utc_in_any_zone(void **state)
{
    (void)state;
    static const char *const ZONES[] = {"UTC", "EST5EDT", "XYZ-13"};
    for (size_t index = 0; index < 3; index++) {
        (void)setenv("TZ", ZONES[index], 1);
        tzset();
        char text[TBK_CLOCK_TEXT_SIZE];
        tbk_clock_format(1771264603, text);
        assert_string_equal(text, "2026-02-16T17:56:43Z");
        tbk_clock_format_compact(1771264603, text);
        assert_string_equal(text, "20260216T175643Z");
        int64_t time_s = 0;
        assert_true(tbk_clock_parse_compact(text, &time_s));
        assert_int_equal(time_s, 1771264603);
    }
}

static void leap_days_come_back(void **state)
{
    (void)state;
    int64_t time_s = 0;
    assert_true(tbk_clock_parse_compact("20240229T235959Z", &time_s));
    char text[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format(time_s, text);
    assert_string_equal(text, "2024-02-29T23:59:59Z");
    assert_true(tbk_clock_parse_compact("19700101T000000Z", &time_s));
    assert_int_equal(time_s, 0);
}

static void other_names_are_no_times(void **state)
{
    (void)state;
    static const char *const NAMES[] = {
        "",
        "20260216",
        "20260216T175643",
        "20260216T175643z",
        "20260216t175643Z",
        "20260216T175643ZZ",
        "2026-02-16T17:56",
        "2026021aT175643Z",
        "20260216T1756 3Z",
        "20260230T175643Z",
        "20250229T175643Z",
        "20261316T175643Z",
        "20260016T175643Z",
        "20260216T245643Z",
        "20260216T176043Z",
        "20260216T175660Z",
        "/0260216T175643Z",
    };
    for (size_t index = 0; index < sizeof NAMES / sizeof NAMES[0]; index++) {
        int64_t time_s = 7;
        if (tbk_clock_parse_compact(NAMES[index], &time_s))
            fail_msg("'%s' was taken for a time", NAMES[index]);
        assert_int_equal(time_s, 7);
    }
}

static void times_that_no_calendar_has_become_a_dash(void **state)
{
    (void)state;
    char text[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format(INT64_MAX, text);
    assert_string_equal(text, "-");
    tbk_clock_format_compact(INT64_MIN, text);
    assert_string_equal(text, "-");
    tbk_clock_format(60000000000000000, text); /* a year of ten digits still fits */
    assert_string_equal(text + strlen(text) - 1, "Z");
}

static void clocks_go_forward(void **state)
{
    (void)state;
    int64_t before_ms = tbk_clock_monotonic_ms();
    int64_t before_s = tbk_clock_now_s();
    (void)usleep(20000);
    int64_t passed_ms = tbk_clock_monotonic_ms() - before_ms;
    assert_true(passed_ms >= 20 && passed_ms < SOON_MS);
    assert_true(before_s > 1700000000 && tbk_clock_now_s() >= before_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_utc_in_any_zone),
        cmocka_unit_test(leap_days_come_back),
        cmocka_unit_test(other_names_are_no_times),
        cmocka_unit_test(times_that_no_calendar_has_become_a_dash),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
