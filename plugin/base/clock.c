/* SPDX-License-Identifier: MIT */
/* Time: reads the clocks, formats and parses UTC. */
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

int64_t tbk_clock_now_s(void) { return (int64_t)time(NULL); }

int64_t tbk_clock_monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail on Linux */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void tbk_clock_format(int64_t time_s, char out[TBK_CLOCK_TEXT_SIZE])
{
    time_t moment = (time_t)time_s;
    struct tm utc;
    if (gmtime_r(&moment, &utc) != NULL)
        (void)strftime(out, TBK_CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc);
    else
        memcpy(out, "-", 2); /* a year that no calendar has */
}

void tbk_clock_format_compact(int64_t time_s, char out[TBK_CLOCK_TEXT_SIZE])
{
    char *to = out;
    tbk_clock_format(time_s, out);
    if (strlen(out) == 1)
        return;
    for (const char *from = out; *from != '\0'; from++)
        if (*from != '-' && *from != ':')
            *to++ = *from;
    *to = '\0';
}

static int number_at(const char *digits, size_t count)
{
    int number = 0;
    for (size_t index = 0; index < count; index++)
        number = number * 10 + (digits[index] - '0');
    return number;
}

bool tbk_clock_parse_compact(const char *text, int64_t *out_time_s)
{
    if (strlen(text) != 16 || text[8] != 'T' || text[15] != 'Z')
        return false;
    for (size_t index = 0; index < 15; index++)
        if (index != 8 && (text[index] < '0' || text[index] > '9'))
            return false;
    struct tm utc = {.tm_year = number_at(text, 4) - 1900,
                     .tm_mon = number_at(text + 4, 2) - 1,
                     .tm_mday = number_at(text + 6, 2),
                     .tm_hour = number_at(text + 9, 2),
                     .tm_min = number_at(text + 11, 2),
                     .tm_sec = number_at(text + 13, 2)};
    int64_t time_s = (int64_t)timegm(&utc);
    /* timegm takes the 31st of February for a day in March: only what comes back the same counts */
    char again[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format_compact(time_s, again);
    if (strcmp(again, text) != 0)
        return false;
    *out_time_s = time_s;
    return true;
}
