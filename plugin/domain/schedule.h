/* SPDX-License-Identifier: MIT */
/*
 * Schedules as cron reads them: parsing, next times, and warnings.
 *
 * Five fields with names, ranges, steps and lists, or @yearly, @annually, @monthly, @weekly,
 * @daily, @midnight, @hourly. When both day fields are restricted, either may match; when one of
 * them starts with a star, both must, as in Debian's cron (with a step too). What crons read
 * differently ("5/10") and steps larger than their field are refused.
 * Times here are civil times of the VM, written as seconds since 1970 as if that clock were UTC.
 * Source: crontab(5) and the behaviour of Debian's cron 3.0pl1.
 */
#ifndef TBK_DOMAIN_SCHEDULE_H
#define TBK_DOMAIN_SCHEDULE_H

#include "base/arena.h"
#include "base/error.h"

#include <stdint.h>

typedef struct tbk_schedule {
    uint64_t minutes; /* bit n = minute n */
    uint32_t hours;   /* bit n = hour n */
    uint32_t days;    /* bit n = day n of the month, 1..31 */
    uint16_t months;  /* bit n = month n, 1..12 */
    uint8_t weekdays; /* bit n = weekday n, Sunday = 0 */
    bool any_day;     /* the day-of-month field starts with a star */
    bool any_weekday; /* the weekday field starts with a star */
} tbk_schedule;

/* Fails with TBK_E_CONFIG naming the field, what stands there and what it may be. A schedule that
 * is never due (31 February) is an error too. */
bool tbk_schedule_parse(const char *text, tbk_schedule *out, tbk_error *err) TBK_MUST_CHECK;

/* The first time strictly after after_s. For a parsed schedule it exists, within 40 years at most
 * (29 February on one weekday, across a year 2100 that is no leap year). */
int64_t tbk_schedule_next(const tbk_schedule *schedule, int64_t after_s);

/* Whether both are ever due in the same minute. */
bool tbk_schedule_meet(const tbk_schedule *a, const tbk_schedule *b);

/* Longest and shortest distance between two runs, looking at `from_s` and the year after it. */
void tbk_schedule_gaps(const tbk_schedule *schedule, int64_t from_s, int64_t *out_shortest_s,
                       int64_t *out_longest_s);

/* Warnings, one line each, in out[0..*out_count): due at 02:00 to 02:14, when the deployer's
 * unattended upgrades reboot the machine; due between 01:00 and 02:59, which a clock change skips
 * or repeats; runs closer together than an hour; more than eight days apart. Text lives in the
 * arena. */
#define TBK_SCHEDULE_REMARKS_MAX 8
void tbk_schedule_warnings(const tbk_schedule *schedule, tbk_arena *arena,
                           const char *out[TBK_SCHEDULE_REMARKS_MAX], size_t *out_count);

#endif
