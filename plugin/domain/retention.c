/* SPDX-License-Identifier: MIT */
/* Which sets to keep, and why. */
#include "domain/retention.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S INT64_C(86400)
/* Two sets of one second get names of two; a clock that is right within an hour did not jump. */
#define AHEAD_MAX_S 3600

bool tbk_retention_is_future(int64_t time_s, int64_t now_s) { return time_s - now_s > AHEAD_MAX_S; }

typedef struct aged_set {
    tbk_retention_set *set;
    int64_t age_s;
} aged_set;

typedef struct past_sets {
    aged_set *list; /* the newest first; none from the future */
    size_t count;
} past_sets;

static int newest_first(const void *a, const void *b)
{
    const tbk_retention_set *left = ((const aged_set *)a)->set;
    const tbk_retention_set *right = ((const aged_set *)b)->set;
    if (left->time_s != right->time_s)
        return left->time_s > right->time_s ? -1 : 1;
    return strcmp(right->id, left->id);
}

static past_sets select_past(tbk_arena *arena, tbk_retention_set *sets, size_t count, int64_t now_s)
{
    past_sets past = {0};
    past.list = tbk_arena_alloc(arena, (count + 1) * sizeof *past.list);
    for (size_t i = 0; i < count; i++)
        if (sets[i].is_new || !tbk_retention_is_future(sets[i].time_s, now_s))
            past.list[past.count++].set = &sets[i];
    qsort(past.list, past.count, sizeof *past.list, newest_first);
    return past;
}

/* --- ages --- */

static int by_length(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Between the set and the next newer one. */
static int64_t gap_before(const past_sets *past, size_t i)
{
    return past->list[i - 1].set->time_s - past->list[i].set->time_s;
}

/* Of the time between two sets no more counts than this: a pause, or a clock that jumped, makes no
 * set older than a few runs would. */
static int64_t longest_gap(tbk_arena *arena, const past_sets *past, size_t first)
{
    size_t count = 0;
    int64_t *gaps_s = tbk_arena_alloc(arena, (past->count + 1) * sizeof *gaps_s);
    for (size_t i = first + 1; i < past->count; i++)
        gaps_s[count++] = gap_before(past, i);
    if (count == 0)
        return DAY_S;
    qsort(gaps_s, count, sizeof *gaps_s, by_length);
    int64_t usual_s = gaps_s[(count - 1) / 2];
    return usual_s > DAY_S / 2 ? 2 * usual_s : DAY_S;
}

/* What this run has made is no measure: its clock may be the wrong one. */
static void measure_ages(tbk_arena *arena, past_sets *past)
{
    size_t first = past->list[0].set->is_new ? 1 : 0;
    int64_t most_s = longest_gap(arena, past, first), age_s = 0;
    for (size_t i = first; i < past->count; i++) {
        int64_t gap_s = i > first ? gap_before(past, i) : 0;
        age_s += gap_s < most_s ? gap_s : most_s;
        past->list[i].age_s = age_s;
    }
}

/* --- what stays --- */

/* The newest of those with the strongest proof that any has. */
static const tbk_retention_set *find_best(const past_sets *past)
{
    const tbk_retention_set *found = past->list[0].set;
    for (size_t i = 1; i < past->count; i++)
        if (past->list[i].set->proof > found->proof)
            found = past->list[i].set;
    return found;
}

static void keep(tbk_retention_set *set, const char *reason)
{
    set->keep = true;
    set->reason = reason;
}

static void decide_past(tbk_arena *arena, const past_sets *past, const tbk_retention_limits *limits)
{
    const tbk_retention_set *best = find_best(past);
    int64_t proved = 0;
    for (size_t i = 0; i < past->count; i++) {
        tbk_retention_set *set = past->list[i].set;
        proved += set->proof != TBK_PROOF_NONE;
        set->keep = past->list[i].age_s <= limits->keep_days * DAY_S;
        set->reason = tbk_arena_format(
            arena, "it is %" PRId64 " days old, and sets are kept for %" PRId64 " days",
            past->list[i].age_s / DAY_S, limits->keep_days);
        if (set->keep)
            continue;
        if (set->proof != TBK_PROOF_NONE && proved <= limits->keep_last)
            keep(set, tbk_arena_format(arena, "it is one of the %" PRId64 " newest good ones",
                                       limits->keep_last));
        else if (set == best)
            keep(set, tbk_arena_format(arena, "it is the newest one that is proved as %s",
                                       tbk_proof_level_name(set->proof)));
    }
}

void tbk_retention_apply(tbk_arena *arena, tbk_retention_set *sets, size_t count,
                         const tbk_retention_limits *limits, int64_t now_s)
{
    past_sets past = select_past(arena, sets, count, now_s);
    for (size_t i = 0; i < count; i++)
        keep(&sets[i], "it is from the future: the clock went back");
    if (past.count == 0)
        return;
    measure_ages(arena, &past);
    decide_past(arena, &past, limits);
}
