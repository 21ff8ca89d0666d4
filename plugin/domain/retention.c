/* SPDX-License-Identifier: MIT */
/* Which sets to keep, and why. */
#include "domain/retention.h"

#include <inttypes.h>
#include <string.h>

#define DAY_S INT64_C(86400)

static bool is_newer(const tbk_retention_set *a, const tbk_retention_set *b)
{
    return a->time_s > b->time_s || (a->time_s == b->time_s && strcmp(a->id, b->id) > 0);
}

static const tbk_retention_set *find_newest(const tbk_retention_set *sets, size_t count)
{
    const tbk_retention_set *found = &sets[0];
    for (size_t i = 1; i < count; i++)
        if (is_newer(&sets[i], found))
            found = &sets[i];
    return found;
}

/* The newest of those with the strongest proof that any has. */
static const tbk_retention_set *find_best(const tbk_retention_set *sets, size_t count)
{
    const tbk_retention_set *found = &sets[0];
    for (size_t i = 1; i < count; i++)
        if (sets[i].proof > found->proof ||
            (sets[i].proof == found->proof && is_newer(&sets[i], found)))
            found = &sets[i];
    return found;
}

static void decide(tbk_arena *arena, tbk_retention_set *set, int64_t keep_days, int64_t now_s)
{
    int64_t age_s = now_s - set->time_s;
    set->keep = age_s <= keep_days * DAY_S;
    if (age_s < 0)
        set->reason = "it is from the future: the clock went back";
    else
        set->reason = tbk_arena_format(
            arena, "it is %" PRId64 " days old, and sets are kept for %" PRId64 " days",
            age_s / DAY_S, keep_days);
}

void tbk_retention_apply(tbk_arena *arena, tbk_retention_set *sets, size_t count, int64_t keep_days,
                         int64_t now_s)
{
    if (count == 0)
        return;
    const tbk_retention_set *newest = find_newest(sets, count);
    const tbk_retention_set *best = find_best(sets, count);
    for (size_t i = 0; i < count; i++) {
        decide(arena, &sets[i], keep_days, now_s);
        if (sets[i].keep)
            continue;
        sets[i].keep = &sets[i] == newest || &sets[i] == best;
        if (&sets[i] == newest)
            sets[i].reason = "it is the newest";
        else if (&sets[i] == best)
            sets[i].reason = tbk_arena_format(arena, "it is the newest one that is proved as %s",
                                              tbk_proof_level_name(sets[i].proof));
    }
}
