/* SPDX-License-Identifier: MIT */
/* Schedules: from cron's text to sets of bits, and from these to times. */
#include "domain/schedule.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MINUTE_S INT64_C(60)
#define HOUR_S (60 * MINUTE_S)
#define DAY_S (24 * HOUR_S)
/* 29 February on a certain weekday comes after 40 years at the latest, as 2100 is no leap year. */
#define SEARCH_DAYS (41 * 366)
#define FIX "write five fields (minute hour day month weekday), such as \"0 3 * * *\", or @daily"

typedef struct field_row {
    const char *name;
    unsigned first, last;
    const char *const *names; /* of first, first + 1, ...; NULL at the end */
} field_row;

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const char *const no_names[] = {NULL};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELD_COUNT };
static const field_row fields[FIELD_COUNT] = {
    [MINUTE] = {"minute", 0, 59, no_names},        [HOUR] = {"hour", 0, 23, no_names},
    [DAY] = {"day of the month", 1, 31, no_names}, [MONTH] = {"month", 1, 12, month_names},
    [WEEKDAY] = {"weekday", 0, 7, weekday_names},
};

static const char *const nicknames[][2] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

/* --- Parsing --- */

/* What stands between two separators; not ended by a NUL. */
typedef struct part {
    const char *text;
    size_t length;
} part;

/* Takes what comes before the separator, or all; false when nothing was left to take. */
static bool take(part *rest, char separator, part *out)
{
    if (rest->text == NULL)
        return false;
    const char *end = memchr(rest->text, separator, rest->length);
    out->text = rest->text;
    out->length = end != NULL ? (size_t)(end - rest->text) : rest->length;
    rest->length -= end != NULL ? out->length + 1 : out->length;
    rest->text = end != NULL ? end + 1 : NULL;
    return true;
}

static bool fail_part(const field_row *field, part what, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CONFIG, FIX,
                    "'%.*s' is not possible as %s: %u to %u%s, '*', ranges such as %u-%u, steps "
                    "such as */2, and lists of these with commas are",
                    (int)(what.length < 100 ? what.length : 100), what.text, field->name,
                    field->first, field->last,
                    field->names == no_names ? "" : ", three-letter names", field->first,
                    field->last);
}

static bool parse_digits(part digits, unsigned *out)
{
    *out = 0;
    if (digits.length == 0 || digits.length > 4)
        return false;
    for (size_t i = 0; i < digits.length; i++) {
        if (digits.text[i] < '0' || digits.text[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(digits.text[i] - '0');
    }
    return true;
}

static bool parse_number(const field_row *field, part text, unsigned *out)
{
    for (unsigned i = 0; field->names[i] != NULL; i++)
        if (text.length == 3 && strncasecmp(field->names[i], text.text, 3) == 0) {
            *out = field->first + i;
            return true;
        }
    return parse_digits(text, out) && *out >= field->first && *out <= field->last;
}

/* "*", "n" or "n-m". A step needs more than one value to go through, so "n/s" is refused: crons
 * differ in how they read it. */
static bool parse_range(const field_row *field, part range, bool has_step, unsigned *first,
                        unsigned *last)
{
    part low = {0};

    if (range.length == 1 && range.text[0] == '*') {
        *first = field->first;
        *last = field->last;
        return true;
    }
    bool is_range = memchr(range.text, '-', range.length) != NULL;
    (void)take(&range, '-', &low);
    if (!parse_number(field, low, first))
        return false;
    *last = *first;
    if (!is_range)
        return !has_step;
    return parse_number(field, range, last) && *first <= *last;
}

static bool parse_item(const field_row *field, part item, uint64_t *bits, tbk_error *err)
{
    part whole = item;
    part range = {0};
    unsigned first = 0;
    unsigned last = 0;
    unsigned step = 1;
    bool has_step = memchr(item.text, '/', item.length) != NULL;

    (void)take(&item, '/', &range);
    if (!parse_range(field, range, has_step, &first, &last))
        return fail_part(field, whole, err);
    /* A step beyond the field ("every 90 minutes") would silently mean something else. */
    if (has_step && (!parse_digits(item, &step) || step == 0 || step > field->last))
        return fail_part(field, whole, err);
    for (unsigned n = first; n <= last; n += step)
        *bits |= UINT64_C(1) << n;
    return true;
}

static bool parse_field(const field_row *field, part text, uint64_t *bits, tbk_error *err)
{
    part item;
    while (take(&text, ',', &item))
        if (!parse_item(field, item, bits, err))
            return false;
    return true;
}

/* Splits at blanks and tabs; *count goes up to at most max + 1. */
static void split(const char *text, part *out, size_t max, size_t *count)
{
    for (*count = 0; *count <= max; ++*count) {
        text += strspn(text, " \t");
        size_t length = strcspn(text, " \t");
        if (length == 0)
            return;
        if (*count < max)
            out[*count] = (part){text, length};
        text += length;
    }
}

static bool parse_fields(const char *text, tbk_schedule *out, tbk_error *err)
{
    uint64_t bits[FIELD_COUNT] = {0};
    part parts[FIELD_COUNT];
    size_t count = 0;

    split(text, parts, FIELD_COUNT, &count);
    if (count != FIELD_COUNT)
        return tbk_fail(err, TBK_E_CONFIG, FIX, "it has %s than five fields",
                        count < FIELD_COUNT ? "fewer" : "more");
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (!parse_field(&fields[i], parts[i], &bits[i], err))
            return false;
    *out = (tbk_schedule){
        .minutes = bits[MINUTE],
        .hours = (uint32_t)bits[HOUR],
        .days = (uint32_t)bits[DAY],
        .months = (uint16_t)bits[MONTH],
        .weekdays = (uint8_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7F), /* 7 is Sunday too */
        .any_day = parts[DAY].text[0] == '*',
        .any_weekday = parts[WEEKDAY].text[0] == '*',
    };
    return true;
}

/* The five fields that a nickname stands for; other text is returned as it is. */
static bool expand(const char *text, const char **out, tbk_error *err)
{
    part word = {0};
    size_t count = 0;

    split(text, &word, 1, &count);
    *out = text;
    if (count == 0 || word.text[0] != '@')
        return true;
    for (size_t i = 0; i < sizeof nicknames / sizeof *nicknames; i++)
        if (count == 1 && strlen(nicknames[i][0]) == word.length &&
            strncmp(nicknames[i][0], word.text, word.length) == 0) {
            *out = nicknames[i][1];
            return true;
        }
    return tbk_fail(err, TBK_E_CONFIG, FIX,
                    "known are @yearly, @annually, @monthly, @weekly, @daily, @midnight and "
                    "@hourly (not @reboot, which has no next time)");
}

/* --- Times --- */

static int64_t floor_to(int64_t value, int64_t unit)
{
    int64_t rest = value % unit;
    return value - (rest < 0 ? rest + unit : rest);
}

static bool is_due_on(const tbk_schedule *schedule, int64_t day_s)
{
    const time_t time = (time_t)day_s;
    struct tm day = {0};
    (void)gmtime_r(&time, &day);
    bool day_matches = (schedule->days >> day.tm_mday & 1) != 0;
    bool weekday_matches = (schedule->weekdays >> day.tm_wday & 1) != 0;
    if ((schedule->months >> (day.tm_mon + 1) & 1) == 0)
        return false;
    if (schedule->any_day || schedule->any_weekday)
        return day_matches && weekday_matches;
    return day_matches || weekday_matches;
}

/* The first time of this day at or after from_s (a whole minute). */
static bool find_in_day(const tbk_schedule *schedule, int64_t day_s, int64_t from_s, int64_t *out)
{
    for (int64_t hour = (from_s - day_s) / HOUR_S; hour < 24; hour++) {
        int64_t start_s = day_s + hour * HOUR_S;
        int64_t minute = from_s > start_s ? (from_s - start_s) / MINUTE_S : 0;
        uint64_t minutes = schedule->minutes >> minute;
        if ((schedule->hours >> hour & 1) == 0 || minutes == 0)
            continue;
        *out = start_s + (minute + __builtin_ctzll(minutes)) * MINUTE_S;
        return true;
    }
    return false;
}

static bool find_next(const tbk_schedule *schedule, int64_t after_s, int64_t *out)
{
    int64_t from_s = floor_to(after_s, MINUTE_S) + MINUTE_S;
    int64_t day_s = floor_to(from_s, DAY_S);
    for (int i = 0; i < SEARCH_DAYS; i++) {
        if (is_due_on(schedule, day_s) && find_in_day(schedule, day_s, from_s, out))
            return true;
        day_s += DAY_S;
        from_s = day_s;
    }
    return false;
}

bool tbk_schedule_parse(const char *text, tbk_schedule *out, tbk_error *err)
{
    tbk_schedule schedule = {0};
    const char *five_fields = NULL;
    int64_t first_s = 0;

    if (!expand(text, &five_fields, err) || !parse_fields(five_fields, &schedule, err))
        return tbk_error_context(err, "the schedule '%.200s'", text);
    if (!find_next(&schedule, 0, &first_s))
        return tbk_fail(err, TBK_E_CONFIG, "choose a day that its months have",
                        "the schedule '%.200s' is never due: no such day is in its months", text);
    *out = schedule;
    return true;
}

bool tbk_schedule_meet(const tbk_schedule *a, const tbk_schedule *b)
{
    if ((a->minutes & b->minutes) == 0 || (a->hours & b->hours) == 0)
        return false;
    for (int64_t day = 0; day < SEARCH_DAYS; day++)
        if (is_due_on(a, day * DAY_S) && is_due_on(b, day * DAY_S))
            return true;
    return false;
}

int64_t tbk_schedule_next(const tbk_schedule *schedule, int64_t after_s)
{
    int64_t next_s = INT64_MAX;
    (void)find_next(schedule, after_s, &next_s);
    return next_s;
}

void tbk_schedule_gaps(const tbk_schedule *schedule, int64_t from_s, int64_t *out_shortest_s,
                       int64_t *out_longest_s)
{
    int64_t end_s = from_s + 366 * DAY_S;
    int64_t run_s = tbk_schedule_next(schedule, from_s);

    *out_shortest_s = INT64_MAX;
    *out_longest_s = 0;
    do {
        int64_t next_s = tbk_schedule_next(schedule, run_s);
        int64_t gap_s = next_s - run_s;
        if (gap_s < *out_shortest_s)
            *out_shortest_s = gap_s;
        if (gap_s > *out_longest_s)
            *out_longest_s = gap_s;
        run_s = next_s;
    } while (run_s < end_s);
}

/* --- warnings --- */

#define HOURS_AT(first, second) (UINT32_C(1) << (first) | UINT32_C(1) << (second))
#define FIRST_QUARTER ((UINT64_C(1) << 15) - 1)
#define LEAP_YEAR_S INT64_C(1704067200) /* 2024 begins; the warnings do not depend on the clock */

void tbk_schedule_warnings(const tbk_schedule *schedule, tbk_arena *arena,
                           const char *out[TBK_SCHEDULE_REMARKS_MAX], size_t *out_count)
{
    int64_t shortest_s = 0;
    int64_t longest_s = 0;
    size_t count = 0;

    tbk_schedule_gaps(schedule, LEAP_YEAR_S, &shortest_s, &longest_s);
    if ((schedule->hours & HOURS_AT(2, 2)) != 0 && (schedule->minutes & FIRST_QUARTER) != 0)
        out[count++] = "due between 02:00 and 02:14, when the deployer's unattended upgrades may "
                       "reboot the machine: 03:00 is a better time";
    if ((schedule->hours & HOURS_AT(1, 2)) != 0)
        out[count++] = "due between 01:00 and 02:59, which the change to or from summer time skips "
                       "or repeats where the VM's time zone has one";
    if (shortest_s < HOUR_S)
        out[count++] = tbk_arena_format(
            arena,
            "two runs can be only %d minutes apart: a run that takes longer makes the next "
            "one fail on the lock",
            (int)(shortest_s / MINUTE_S));
    if (longest_s > 8 * DAY_S)
        out[count++] = tbk_arena_format(
            arena, "two runs can be %d days apart: so much would be lost with the database",
            (int)(longest_s / DAY_S));
    *out_count = count;
}
