/* SPDX-License-Identifier: MIT */
/*
 * Schedules: what cron's text means, and the next times, held against an oracle that walks minute
 * by minute through a calendar of its own.
 */
#include "unit/unit.h"

#include "base/clock.h"
#include "domain/schedule.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t at(const char *compact)
{
    int64_t time_s = 0;
    assert_true(tbk_clock_parse_compact(compact, &time_s));
    return time_s;
}

static tbk_schedule parse(const char *text)
{
    tbk_schedule schedule = {0};
    tbk_error err;
    assert_succeeds(tbk_schedule_parse(text, &schedule, &err), err);
    return schedule;
}

/* --- Text --- */

static void check_same(const char *text, const char *as)
{
    tbk_schedule a = parse(text);
    tbk_schedule b = parse(as);
    if (a.minutes != b.minutes || a.hours != b.hours || a.days != b.days || a.months != b.months ||
        a.weekdays != b.weekdays || a.any_day != b.any_day || a.any_weekday != b.any_weekday)
        fail_msg("'%s' is not read as '%s'", text, as);
}

static void forms_that_mean_the_same_are_read_the_same(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"@yearly", "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"},
        {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"},
        {"@daily", "0 0 * * *"},
        {" @midnight ", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
        {"  0\t3 * *  * ", "0 3 * * *"},
        {"0 0 * jan,MAR,dec mon", "0 0 * 1,3,12 1"},
        {"0 0 * feb-apr Tue-fri", "0 0 * 2,3,4 2,3,4,5"},
        {"0 0 * * 7", "0 0 * * sun"},
        {"0 0 * * 5-7", "0 0 * * 0,5,6"},
        {"0 0 * * 0-7", "0 0 * * 0,1,2,3,4,5,6"},
        {"*/20 * * * *", "0,20,40 * * * *"},
        {"10-30/10,5 * * * *", "5,10,20,30 * * * *"},
        {"10-35/10 * * * *", "10,20,30 * * * *"},
        {"0 0 */10 * 1", "0 0 */10 * 1"},
        {"007 03 01 01 01", "7 3 1 1 1"},
        {"5-5 * * * *", "5 * * * *"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_same(cases[i][0], cases[i][1]);
}

static void refusals_name_the_field_and_what_stands_there(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "fewer than five fields"},
        {"   ", "fewer than five fields"},
        {"0 3 * *", "fewer than five fields"},
        {"0 3 * * * *", "more than five fields"},
        {"0 3 * * * root /bin/true", "more than five fields"},
        {"60 3 * * *", "'60' is not possible as minute: 0 to 59"},
        {"99 99 99 99 99", "'99' is not possible as minute"},
        {"0 24 * * *", "'24' is not possible as hour: 0 to 23"},
        {"0 3 0 * *", "'0' is not possible as day of the month: 1 to 31"},
        {"0 3 32 * *", "'32' is not possible as day of the month"},
        {"0 3 * 0 *", "'0' is not possible as month: 1 to 12, three-letter names"},
        {"0 3 * 13 *", "'13' is not possible as month"},
        {"0 3 * * 8", "'8' is not possible as weekday: 0 to 7, three-letter names"},
        {"0 3 * * monday", "'monday' is not possible as weekday"},
        {"0 3 * mon *", "'mon' is not possible as month"},
        {"jan 3 * * *", "'jan' is not possible as minute"},
        {"-1 3 * * *", "'-1' is not possible as minute"},
        {"1- 3 * * *", "'1-' is not possible as minute"},
        {"1-2-3 3 * * *", "'1-2-3' is not possible as minute"},
        {"30-10 3 * * *", "'30-10' is not possible as minute"},
        {"0 3 * * fri-sun", "'fri-sun' is not possible as weekday"},
        {"*/0 3 * * *", "'*/0' is not possible as minute"},
        {"*/ 3 * * *", "'*/' is not possible as minute"},
        {"*/60 3 * * *", "'*/60' is not possible as minute"},
        {"*/x 3 * * *", "'*/x' is not possible as minute"},
        {"*/5/5 3 * * *", "'*/5/5' is not possible as minute"},
        {"5/10 3 * * *", "'5/10' is not possible as minute"},
        {"** 3 * * *", "'**' is not possible as minute"},
        {"*-5 3 * * *", "'*-5' is not possible as minute"},
        {", 3 * * *", "'' is not possible as minute"},
        {"1,,2 3 * * *", "'' is not possible as minute"},
        {"1, 3 * * *", "'' is not possible as minute"},
        {"? 3 * * *", "'?' is not possible as minute"},
        {"+5 3 * * *", "'+5' is not possible as minute"},
        {"00005 3 * * *", "'00005' is not possible as minute"},
        {"0 3 * *\n* *", "'*?*' is not possible as month"},
        {"@reboot", "not @reboot, which has no next time"},
        {"@every 5m", "known are @yearly"},
        {"@daily @daily", "known are @yearly"},
        {"@DAILY", "known are @yearly"},
        {"@dail", "known are @yearly"},
        {"@", "known are @yearly"},
        {"0 0 31 2 *", "is never due"},
        {"0 0 30,31 feb *", "is never due"},
        {"0 0 31 4,6,9,11 *", "is never due"},
        {"0 0 31 2 */2", "is never due"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_schedule schedule = {.hours = 77};
        tbk_error err;
        assert_fails(tbk_schedule_parse(cases[i][0], &schedule, &err), err, TBK_E_CONFIG,
                     cases[i][1]);
        assert_true(err.fix[0] != '\0');
        assert_int_equal(schedule.hours, 77);
    }
}

static void long_garbage_is_refused_in_short(void **state)
{
    (void)state;
    char text[5000];
    tbk_schedule schedule;
    tbk_error err;
    memset(text, '1', sizeof text - 1);
    memcpy(text + sizeof text - 10, " 3 * * *", 9);
    assert_fails(tbk_schedule_parse(text, &schedule, &err), err, TBK_E_CONFIG, "as minute: 0 to");
}

/* --- Times --- */

static void check_next(const char *text, const char *after, const char *expected)
{
    tbk_schedule schedule = parse(text);
    char got[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format_compact(tbk_schedule_next(&schedule, at(after)), got);
    if (strcmp(got, expected) != 0)
        fail_msg("'%s' after %s: %s, not %s", text, after, got, expected);
}

static void next_times_at_the_edges_of_the_calendar(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"0 3 * * *", "20260216T025959Z", "20260216T030000Z"},
        {"0 3 * * *", "20260216T030000Z", "20260217T030000Z"},
        {"0 3 * * *", "20260216T030059Z", "20260217T030000Z"},
        {"* * * * *", "20261231T235930Z", "20270101T000000Z"},
        {"0 0 31 * *", "20260131T000000Z", "20260331T000000Z"},
        {"0 0 1 1 *", "20260101T000000Z", "20270101T000000Z"},
        {"0 0 29 2 *", "20240229T000000Z", "20280229T000000Z"},
        {"0 0 29 2 *", "20960229T000000Z", "21040229T000000Z"}, /* 2100 is no leap year */
        {"59 23 28 2 *", "20240228T235800Z", "20240228T235900Z"},
        {"0 0 29 2 */7", "20320229T000000Z", "20600229T000000Z"},
        {"0 0 29 2 */7", "20880229T000000Z", "21280229T000000Z"},
        {"30 4 1,15 * 5", "20260213T043000Z", "20260215T043000Z"}, /* day or weekday */
        {"30 4 1,15 * 5", "20260215T043000Z", "20260220T043000Z"},
        {"0 0 */2 * 1-5", "20260130T000000Z", "20260203T000000Z"}, /* a star: day and weekday */
        {"0 0 * * 0", "20260216T000000Z", "20260222T000000Z"},
        {"0 0 * * 7", "20260216T000000Z", "20260222T000000Z"},
        {"5,35 1-3 */2 * 1-5", "20260213T033500Z", "20260217T010500Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_next(cases[i][0], cases[i][1], cases[i][2]);
}

static void times_before_1970_are_times_too(void **state)
{
    (void)state;
    tbk_schedule schedule = parse("0 3 * * *");
    assert_int_equal(tbk_schedule_next(&schedule, -1), 3 * 3600);
    assert_int_equal(tbk_schedule_next(&schedule, -86400), -86400 + 3 * 3600);
    assert_int_equal(tbk_schedule_next(&schedule, -86400 + 3 * 3600), 3 * 3600);
}

/* --- The oracle --- */

static uint64_t dice_state = 0x5DEECE66DULL;

static unsigned dice(unsigned sides)
{
    dice_state = dice_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(dice_state >> 33) % sides;
}

typedef struct field {
    char text[64];
    bool due[64];
    bool star;
} field;

/* One item of a list: text and what it adds, by the words of the manual. */
static void add_item(field *f, unsigned first, unsigned last)
{
    unsigned low = first + dice(last - first + 1);
    unsigned high = low + dice(last - low + 1);
    unsigned step = 1 + dice(8) % last;
    size_t used = strlen(f->text);
    char *to = f->text + used;
    size_t room = sizeof f->text - used;
    switch (dice(4)) {
    case 0:
        (void)snprintf(to, room, "%u", low);
        high = low;
        step = 1;
        break;
    case 1:
        (void)snprintf(to, room, "%u-%u", low, high);
        step = 1;
        break;
    case 2:
        (void)snprintf(to, room, "%u-%u/%u", low, high, step);
        break;
    default:
        (void)snprintf(to, room, "*/%u", step);
        low = first;
        high = last;
        break;
    }
    for (unsigned n = low; n <= high; n++)
        if ((n - low) % step == 0)
            f->due[n] = true;
}

static field random_field(unsigned first, unsigned last)
{
    field f = {0};
    unsigned items = dice(3);
    if (items == 0) {
        (void)snprintf(f.text, sizeof f.text, "*");
        for (unsigned n = first; n <= last; n++)
            f.due[n] = true;
    }
    for (unsigned i = 0; i < items; i++) {
        if (i > 0)
            (void)strncat(f.text, ",", 2);
        add_item(&f, first, last);
    }
    f.star = f.text[0] == '*';
    return f;
}

/* A calendar that counts, without any library. */
typedef struct calendar {
    unsigned minute, hour, day, month, year, weekday;
} calendar;

static unsigned month_days(const calendar *c)
{
    static const unsigned days[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    return c->month == 2 && leap ? 29 : days[c->month];
}

static void tick(calendar *c)
{
    if (++c->minute < 60)
        return;
    c->minute = 0;
    if (++c->hour < 24)
        return;
    c->hour = 0;
    c->weekday = (c->weekday + 1) % 7;
    if (++c->day <= month_days(c))
        return;
    c->day = 1;
    if (++c->month <= 12)
        return;
    c->month = 1;
    c->year++;
}

static bool oracle_due(const field f[5], const calendar *c)
{
    if (!f[0].due[c->minute] || !f[1].due[c->hour] || !f[3].due[c->month])
        return false;
    bool weekday = f[4].due[c->weekday] || (c->weekday == 0 && f[4].due[7]);
    return f[2].star || f[4].star ? f[2].due[c->day] && weekday : f[2].due[c->day] || weekday;
}

/* Walks 400 days from 1 January of the year, comparing every due minute with next(). */
static void check_against_oracle(const field f[5], const char *text, unsigned year, int64_t start_s,
                                 unsigned weekday)
{
    tbk_schedule schedule = parse(text);
    calendar c = {.day = 1, .month = 1, .year = year, .weekday = weekday};
    int64_t expected_s = tbk_schedule_next(&schedule, start_s - 60);
    for (int64_t now_s = start_s; now_s < start_s + INT64_C(400) * 86400; now_s += 60) {
        bool due = oracle_due(f, &c);
        if (due != (now_s == expected_s))
            fail_msg("'%s' at %u-%02u-%02u %02u:%02u is %s, but next() says otherwise", text,
                     c.year, c.month, c.day, c.hour, c.minute, due ? "due" : "not due");
        if (due)
            expected_s = tbk_schedule_next(&schedule, now_s + dice(60));
        tick(&c);
    }
}

static void random_schedules_agree_with_a_walk_minute_by_minute(void **state)
{
    (void)state;
    static const struct {
        unsigned year;
        const char *start;
        unsigned weekday;
    } years[] = {{2023, "20230101T000000Z", 0},
                 {2024, "20240101T000000Z", 1},
                 {2026, "20260101T000000Z", 4},
                 {2099, "20990101T000000Z", 4}};
    int walked = 0;
    for (int i = 0; i < 120; i++) {
        field f[5] = {random_field(0, 59), random_field(0, 23), random_field(1, 31),
                      random_field(1, 12), random_field(0, 7)};
        char text[400];
        tbk_schedule schedule;
        tbk_error err;
        (void)snprintf(text, sizeof text, "%s %s %s %s %s", f[0].text, f[1].text, f[2].text,
                       f[3].text, f[4].text);
        if (!tbk_schedule_parse(text, &schedule, &err)) {
            assert_non_null(strstr(err.message, "never due"));
            continue;
        }
        unsigned y = dice(4);
        check_against_oracle(f, text, years[y].year, at(years[y].start), years[y].weekday);
        walked++;
    }
    assert_true(walked > 100);
}

/* --- What a colleague would say --- */

static void check_gaps(const char *text, int64_t shortest_s, int64_t longest_s)
{
    tbk_schedule schedule = parse(text);
    int64_t shortest = 0;
    int64_t longest = 0;
    tbk_schedule_gaps(&schedule, at("20260101T000000Z"), &shortest, &longest);
    assert_int_equal(shortest, shortest_s);
    assert_int_equal(longest, longest_s);
}

static void gaps_are_the_extremes_of_a_year(void **state)
{
    (void)state;
    check_gaps("0 3 * * *", 86400, 86400);
    check_gaps("* * * * *", 60, 60);
    check_gaps("0 */5 * * *", 4 * 3600, 5 * 3600);
    check_gaps("0 0 1 * *", 28 * 86400, 31 * 86400);
    check_gaps("0 0 29 2 *", 1461 * 86400, 1461 * 86400);
}

static void check_remarks(const char *text, size_t count, const char *part)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_schedule schedule = parse(text);
    const char *warnings[TBK_SCHEDULE_REMARKS_MAX];
    size_t found = 99;
    bool said = part == NULL;
    tbk_schedule_warnings(&schedule, arena, warnings, &found);
    assert_int_equal(found, count);
    for (size_t i = 0; i < found; i++)
        said = said || strstr(warnings[i], part) != NULL;
    assert_true(said);
}

static void remarks_say_what_can_surprise(void **state)
{
    (void)state;
    check_remarks("0 3 * * *", 0, NULL);
    check_remarks("0 2 * * *", 2, "unattended upgrades");
    check_remarks("14 2 * * *", 2, "summer time");
    check_remarks("15 2 * * *", 1, "summer time");
    check_remarks("0 1 * * *", 1, "summer time");
    check_remarks("0,20 3 * * *", 1, "only 20 minutes apart");
    check_remarks("0 * * * *", 2, "unattended upgrades");
    check_remarks("0 3 1,9,17,25 * *", 0, NULL); /* eight days */
    check_remarks("0 3 1 * *", 1, "31 days apart");
    check_remarks("*/5 * * * *", 3, "only 5 minutes apart");
}

static void check_meeting(const char *a, const char *b, bool expected)
{
    tbk_schedule first = parse(a), second = parse(b);
    assert_int_equal(tbk_schedule_meet(&first, &second), expected);
    assert_int_equal(tbk_schedule_meet(&second, &first), expected);
}

static void schedules_meet_where_a_minute_is_due_in_both(void **state)
{
    (void)state;
    check_meeting("0 3 * * *", "0 3 * * 0", true);
    check_meeting("0 3 * * *", "0 4 * * 0", false);
    check_meeting("0 3 * * *", "30 3 * * 0", false);
    check_meeting("*/30 * * * *", "30 4 1 1 *", true);
    check_meeting("0 3 * * mon-sat", "0 3 * * sun", false);
    check_meeting("0 3 1 * *", "0 3 2 * *", false);
    check_meeting("0 3 13 * *", "0 3 * * fri", true); /* a Friday the 13th */
    check_meeting("0 3 29 2 *", "0 3 * * tue", true);
    check_meeting("0 3 1 1 *", "0 3 1 7 *", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_that_mean_the_same_are_read_the_same),
        cmocka_unit_test(refusals_name_the_field_and_what_stands_there),
        cmocka_unit_test(long_garbage_is_refused_in_short),
        cmocka_unit_test(next_times_at_the_edges_of_the_calendar),
        cmocka_unit_test(times_before_1970_are_times_too),
        cmocka_unit_test(random_schedules_agree_with_a_walk_minute_by_minute),
        cmocka_unit_test(gaps_are_the_extremes_of_a_year),
        cmocka_unit_test(schedules_meet_where_a_minute_is_due_in_both),
        cmocka_unit_test(remarks_say_what_can_surprise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
