/* SPDX-License-Identifier: MIT */
/* What goes off-site, what stays there and what goes. */
#include "domain/offsite_policy.h"

#include "domain/retention.h"

#include <inttypes.h>
#include <string.h>

#define DAY_S 86400
#define MONDAY_OFFSET_DAYS 3 /* 1970-01-01 was a Thursday */
/* A run may start later than the one before: a set that is some hours too young counts as due. */
#define FULL_SLACK_S (DAY_S / 2)
/* A database that is smaller than this has nothing to lose in bytes. */
#define DROP_BYTES_MIN ((uint64_t)16 << 20)

/* --- what goes --- */

bool tbk_offsite_takes(const tbk_offsite_settings *settings, tbk_profile profile)
{
    switch (settings->take) {
    case TBK_TAKE_FULL:
        return profile == TBK_PROFILE_FULL;
    case TBK_TAKE_ESSENTIAL:
        return profile == TBK_PROFILE_ESSENTIAL;
    default:
        return true;
    }
}

static bool is_there(const tbk_offsite_copies *copies, const tbk_offsite_set *set)
{
    for (size_t i = 0; i < copies->count; i++)
        if (copies->list[i].is_whole && strcmp(copies->list[i].id, set->id) == 0)
            return true;
    return false;
}

int64_t tbk_offsite_full_gap_s(const tbk_offsite_settings *settings)
{
    return settings->full_every_days == 0 ? 0 : settings->full_every_days * DAY_S - FULL_SLACK_S;
}

/* Whether a full copy is near enough in time, before or after. */
static bool is_too_soon(const tbk_offsite_settings *settings, const tbk_offsite_copies *copies,
                        const tbk_offsite_set *set)
{
    int64_t gap_s = tbk_offsite_full_gap_s(settings);
    if (set->profile != TBK_PROFILE_FULL || gap_s == 0)
        return false;
    for (size_t i = 0; i < copies->count; i++) {
        const tbk_offsite_copy *copy = &copies->list[i];
        int64_t apart_s =
            copy->time_s < set->time_s ? set->time_s - copy->time_s : copy->time_s - set->time_s;
        if (copy->is_whole && copy->profile == TBK_PROFILE_FULL && apart_s < gap_s)
            return true;
    }
    return false;
}

/* Retention with the set in its place among the copies. */
static bool would_be_kept(tbk_arena *arena, const tbk_offsite_settings *settings,
                          const tbk_offsite_set *set, const tbk_offsite_copies *copies,
                          int64_t now_s)
{
    tbk_offsite_copies with = {.list =
                                   tbk_arena_alloc(arena, (copies->count + 1) * sizeof *with.list)};
    size_t at = 0;
    while (at < copies->count && copies->list[at].time_s >= set->time_s)
        at++;
    if (copies->count > 0) {
        memcpy(with.list, copies->list, at * sizeof *with.list);
        memcpy(with.list + at + 1, copies->list + at, (copies->count - at) * sizeof *with.list);
    }
    with.list[at] = (tbk_offsite_copy){
        .id = set->id, .time_s = set->time_s, .profile = set->profile, .is_whole = true};
    with.count = copies->count + 1;
    tbk_offsite_retain(settings, &with, now_s);
    return with.list[at].keep;
}

const tbk_offsite_set *tbk_offsite_next(tbk_arena *arena, const tbk_offsite_settings *settings,
                                        const tbk_offsite_set *sets, size_t count,
                                        const tbk_offsite_copies *copies, int64_t now_s)
{
    for (const tbk_offsite_set *set = sets; set < sets + count; set++)
        if (set->is_proved && tbk_offsite_takes(settings, set->profile) &&
            !tbk_retention_is_future(set->time_s, now_s) && !is_there(copies, set) &&
            !is_too_soon(settings, copies, set) &&
            would_be_kept(arena, settings, set, copies, now_s))
            return set;
    return NULL;
}

/* --- what stays --- */

static int64_t day_of(int64_t time_s) { return time_s / DAY_S; }

static int64_t week_of(int64_t time_s) { return (day_of(time_s) + MONDAY_OFFSET_DAYS) / 7; }

static int64_t month_of(int64_t time_s)
{
    struct tm parts;
    const time_t time = (time_t)time_s;
    (void)gmtime_r(&time, &parts);
    return (int64_t)parts.tm_year * 12 + parts.tm_mon;
}

static int64_t each_of(int64_t time_s) { return time_s; }

typedef struct keep_rule {
    int64_t (*period_of)(int64_t time_s);
    int64_t limit; /* so many periods */
    const char *reason;
} keep_rule;

static bool can_count(const tbk_offsite_copy *copy, tbk_profile profile, int64_t now_s)
{
    return copy->profile == profile && copy->is_whole &&
           !tbk_retention_is_future(copy->time_s, now_s);
}

/* The newest of each period, as many periods as the rule says. */
static void keep_by(const keep_rule *rule, tbk_profile profile, const tbk_offsite_copies *copies,
                    int64_t now_s)
{
    int64_t last = INT64_MIN, periods = 0;
    for (size_t i = 0; i < copies->count && periods < rule->limit; i++) {
        tbk_offsite_copy *copy = &copies->list[i];
        int64_t period = rule->period_of(copy->time_s);
        if (!can_count(copy, profile, now_s) || period == last)
            continue;
        last = period;
        periods++;
        if (!copy->keep)
            copy->reason = rule->reason;
        copy->keep = true;
    }
}

static bool is_replaced(const tbk_offsite_copies *copies, const tbk_offsite_copy *broken)
{
    for (size_t i = 0; i < copies->count; i++)
        if (copies->list[i].is_whole && strcmp(copies->list[i].id, broken->id) == 0)
            return true;
    return false;
}

void tbk_offsite_retain(const tbk_offsite_settings *settings, const tbk_offsite_copies *copies,
                        int64_t now_s)
{
    static const tbk_profile profiles[] = {TBK_PROFILE_FULL, TBK_PROFILE_ESSENTIAL};
    const keep_rule rules[] = {{each_of, 1, "the newest"},
                               {each_of, settings->keep_last, "one of the newest"},
                               {day_of, settings->keep_daily, "the newest of its day"},
                               {week_of, settings->keep_weekly, "the newest of its week"},
                               {month_of, settings->keep_monthly, "the newest of its month"}};
    for (size_t i = 0; i < copies->count; i++) {
        tbk_offsite_copy *copy = &copies->list[i];
        copy->keep = copy->is_whole ? tbk_retention_is_future(copy->time_s, now_s)
                                    : !is_replaced(copies, copy);
        copy->reason = !copy->is_whole && copy->keep ? "not whole, and the only one of its set"
                       : !copy->is_whole             ? "not whole, and there is a whole one"
                       : copy->keep                  ? "from the future: a clock was wrong"
                                                     : "older than what is kept";
    }
    for (size_t p = 0; p < sizeof profiles / sizeof *profiles; p++)
        for (size_t r = 0; r < sizeof rules / sizeof *rules; r++)
            keep_by(&rules[r], profiles[p], copies, now_s);
}

const char *tbk_offsite_brake(tbk_arena *arena, const tbk_offsite_copies *copies,
                              int64_t accepted_s)
{
    const tbk_offsite_copy *newest[2] = {NULL, NULL}; /* by profile */
    for (size_t i = 0; i < copies->count; i++) {
        const tbk_offsite_copy *copy = &copies->list[i], **first = &newest[copy->profile];
        if (!copy->is_whole || copy->database_bytes == 0 || copy->time_s < accepted_s)
            continue;
        if (*first == NULL)
            *first = copy;
        uint64_t now = (*first)->database_bytes, before = copy->database_bytes;
        if (before >= DROP_BYTES_MIN && now < before / 2)
            return tbk_arena_format(arena,
                                    "the database of '%s' has %" PRIu64 " bytes, that of '%s' had "
                                    "%" PRIu64,
                                    (*first)->id, now, copy->id, before);
    }
    return NULL;
}

/* --- when --- */

int64_t tbk_offsite_retry_s(int64_t failures)
{
    static const int64_t waits_s[] = {60, 300, 900, 3600};
    const int64_t count = sizeof waits_s / sizeof *waits_s;
    return waits_s[failures < 1 ? 0 : failures > count ? count - 1 : failures - 1];
}

tbk_proof_level tbk_offsite_drill_level(const tbk_offsite_settings *settings, tbk_driver driver)
{
    if (settings->drill_level != TBK_PROOF_NONE)
        return settings->drill_level;
    return driver == TBK_DRIVER_SQLITE ? TBK_PROOF_RESTORED : TBK_PROOF_CHECKSUMS;
}

bool tbk_offsite_is_due(int64_t last_s, int64_t every_days, int64_t now_s)
{
    bool never_was = last_s <= 0 || last_s > now_s;
    return every_days > 0 && (never_was || now_s - last_s >= every_days * DAY_S);
}
