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

typedef struct past_sets {
    tbk_retention_set **list; /* the newest first; none from the future */
    size_t count;
    int64_t *ages_s; /* of each */
} past_sets;

static int newest_first(const void *a, const void *b)
{
    const tbk_retention_set *left = *(tbk_retention_set *const *)a;
    const tbk_retention_set *right = *(tbk_retention_set *const *)b;
    if (left->time_s != right->time_s)
        return left->time_s > right->time_s ? -1 : 1;
    return strcmp(right->id, left->id);
}

static past_sets select_past(tbk_arena *arena, tbk_retention_set *sets, size_t count, int64_t now_s)
{
    past_sets past = {0};
    past.list = tbk_arena_alloc(arena, (count + 1) * sizeof *past.list);
    past.ages_s = tbk_arena_alloc(arena, (count + 1) * sizeof *past.ages_s);
    for (size_t i = 0; i < count; i++)
        if (sets[i].is_new || !tbk_retention_is_future(sets[i].time_s, now_s))
            past.list[past.count++] = &sets[i];
    qsort(past.list, past.count, sizeof *past.list, newest_first);
    return past;
}

/* --- ages --- */

static int by_length(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Of the time between two sets no more counts than this: a pause, or a clock that jumped, makes no
 * set older than a few runs would. */
static int64_t longest_gap(tbk_arena *arena, const past_sets *past, size_t first)
{
    size_t count = 0;
    int64_t *gaps_s = tbk_arena_alloc(arena, (past->count + 1) * sizeof *gaps_s);
    for (size_t i = first + 1; i < past->count; i++)
        gaps_s[count++] = past->list[i - 1]->time_s - past->list[i]->time_s;
    if (count == 0)
        return DAY_S;
    qsort(gaps_s, count, sizeof *gaps_s, by_length);
    int64_t usual_s = gaps_s[(count - 1) / 2];
    return usual_s > DAY_S / 2 ? 2 * usual_s : DAY_S;
}

/* What this run has made is no measure: its clock may be the wrong one. */
static void measure_ages(tbk_arena *arena, past_sets *past)
{
    size_t first = past->list[0]->is_new ? 1 : 0;
    int64_t most_s = longest_gap(arena, past, first), age_s = 0;
    past->ages_s[0] = 0;
    for (size_t i = first; i < past->count; i++) {
        int64_t gap_s = i > first ? past->list[i - 1]->time_s - past->list[i]->time_s : 0;
        age_s += gap_s < most_s ? gap_s : most_s;
        past->ages_s[i] = age_s;
    }
}

/* --- what stays --- */

/* The newest of those with the strongest proof that any has. */
static const tbk_retention_set *find_best(const past_sets *past)
{
    const tbk_retention_set *found = past->list[0];
    for (size_t i = 1; i < past->count; i++)
        if (past->list[i]->proof > found->proof)
            found = past->list[i];
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
        tbk_retention_set *set = past->list[i];
        proved += set->proof != TBK_PROOF_NONE;
        set->keep = past->ages_s[i] <= limits->keep_days * DAY_S;
        set->reason = tbk_arena_format(
            arena, "it is %" PRId64 " days old, and sets are kept for %" PRId64 " days",
            past->ages_s[i] / DAY_S, limits->keep_days);
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
