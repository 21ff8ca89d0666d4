/* SPDX-License-Identifier: MIT */
/* Plays the schedules through, and has retention say what stays of it. */
#include "domain/offsite_forecast.h"

#include "domain/schedule.h"

#include <string.h>

#define DAY_S INT64_C(86400)
#define YEAR_DAYS 365
#define MONTH_DAYS_MAX 31
/* Measured (docs/offsite.md): a full set in thousandths of its SQLite file, and an essential one of
 * the full set. */
#define FULL_OF_DATABASE 542
#define ESSENTIAL_OF_FULL 31
/* A smaller upload is mostly the time that a connection takes, and says nothing of the rate. */
#define SENT_BYTES_MIN (INT64_C(4) << 20)
/* Runs that are played through at most: an hourly schedule for five years. */
#define RUNS_MAX 43800

const char *tbk_offsite_basis_name(tbk_offsite_basis basis)
{
    static const char *const names[] = {[TBK_BASIS_UNKNOWN] = "unknown",
                                        [TBK_BASIS_ESTIMATED] = "estimated",
                                        [TBK_BASIS_LIMIT] = "limit",
                                        [TBK_BASIS_MEASURED] = "measured"};
    return names[basis];
}

/* --- numbers that may be unknown, or larger than any --- */

static int64_t times(int64_t a, int64_t b)
{
    int64_t product = 0;
    if (a == TBK_OFFSITE_UNKNOWN || b == TBK_OFFSITE_UNKNOWN)
        return TBK_OFFSITE_UNKNOWN;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum = 0;
    if (a == TBK_OFFSITE_UNKNOWN || b == TBK_OFFSITE_UNKNOWN)
        return TBK_OFFSITE_UNKNOWN;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t thousandths(int64_t bytes, int64_t part) { return bytes / 1000 * part; }

/* --- the sets --- */

static void reckon_size(const tbk_offsite_measures *measures, tbk_profile profile,
                        tbk_offsite_flow *out)
{
    int64_t full_bytes = measures->set_bytes[TBK_PROFILE_FULL];
    if (full_bytes == 0)
        full_bytes = thousandths(measures->sqlite_bytes, FULL_OF_DATABASE);
    out->set_bytes = measures->set_bytes[profile];
    out->basis = TBK_BASIS_MEASURED;
    if (out->set_bytes > 0)
        return;
    out->set_bytes =
        profile == TBK_PROFILE_FULL ? full_bytes : thousandths(full_bytes, ESSENTIAL_OF_FULL);
    out->basis = TBK_BASIS_ESTIMATED;
    if (out->set_bytes > 0)
        return;
    out->set_bytes = TBK_OFFSITE_UNKNOWN;
    out->basis = TBK_BASIS_UNKNOWN;
}

/* NULL: no run makes such sets. */
static const char *schedule_of(const tbk_options *options, tbk_profile profile)
{
    return profile == options->profile   ? options->schedule
           : profile == TBK_PROFILE_FULL ? options->full_schedule
                                         : NULL;
}

/* So long retention looks back, and a period more: the present one is not over. */
static int64_t history_s(const tbk_offsite_settings *keep)
{
    return (keep->keep_daily + 1 + 7 * (keep->keep_weekly + 1) +
            MONTH_DAYS_MAX * (keep->keep_monthly + 1)) *
           DAY_S;
}

/* The runs from now on, turned into copies: the newest first, for which the room is filled from its
 * end. */
typedef struct history {
    tbk_offsite_copy *room;
    size_t first; /* that is used */
    int64_t in_first_year;
    bool is_complete; /* all of it fitted */
} history;

static void play(const tbk_offsite_settings *settings, const tbk_schedule *schedule,
                 tbk_profile profile, int64_t now_s, history *out)
{
    int64_t gap_s = profile == TBK_PROFILE_FULL ? tbk_offsite_full_gap_s(settings) : 0;
    int64_t end_s = now_s + history_s(settings), sent_s = INT64_MIN / 2, made = 0;
    int64_t run_s = tbk_schedule_next(schedule, now_s);
    for (size_t runs = 0; runs < RUNS_MAX; runs++, run_s = tbk_schedule_next(schedule, run_s)) {
        bool is_over = run_s > end_s && run_s > now_s + YEAR_DAYS * DAY_S;
        if (is_over && made > settings->keep_last) {
            out->is_complete = true;
            return;
        }
        if (run_s - sent_s < gap_s)
            continue;
        sent_s = run_s;
        made++;
        out->in_first_year += run_s <= now_s + YEAR_DAYS * DAY_S;
        out->room[--out->first] =
            (tbk_offsite_copy){.id = "", .time_s = run_s, .profile = profile, .is_whole = true};
    }
}

static int64_t count_kept(const tbk_offsite_settings *settings, const history *played)
{
    const tbk_offsite_copies copies = {.list = played->room + played->first,
                                       .count = RUNS_MAX - played->first};
    int64_t kept = 0;
    if (!played->is_complete)
        return TBK_OFFSITE_UNKNOWN;
    tbk_offsite_retain(settings, &copies, copies.list[0].time_s);
    for (size_t i = 0; i < copies.count; i++)
        kept += copies.list[i].keep;
    return kept;
}

static void reckon_flow(tbk_arena *arena, const tbk_options *options,
                        const tbk_offsite_measures *measures, tbk_profile profile, int64_t now_s,
                        tbk_offsite_flow *out)
{
    const char *text = schedule_of(options, profile);
    tbk_schedule schedule;
    tbk_error ignored; /* it was checked with the options */
    *out = (tbk_offsite_flow){.set_bytes = TBK_OFFSITE_UNKNOWN};
    if (text == NULL || !tbk_offsite_takes(&options->offsite, profile) ||
        !tbk_schedule_parse(text, &schedule, &ignored))
        return;
    history played = {.room = tbk_arena_alloc(arena, RUNS_MAX * sizeof *played.room),
                      .first = RUNS_MAX};
    out->is_taken = true;
    reckon_size(measures, profile, out);
    play(&options->offsite, &schedule, profile, now_s, &played);
    out->sets_a_year = played.is_complete ? played.in_first_year : TBK_OFFSITE_UNKNOWN;
    out->kept = count_kept(&options->offsite, &played);
}

/* --- the rate --- */

static void reckon_rate(const tbk_options *options, const tbk_offsite_measures *measures,
                        tbk_offsite_forecast *out)
{
    int64_t limit = options->offsite.limit_upload_kib * 1024;
    out->bytes_per_second = TBK_OFFSITE_UNKNOWN;
    out->rate_basis = TBK_BASIS_UNKNOWN;
    if (measures->sent_bytes >= SENT_BYTES_MIN && measures->sent_s > 0) {
        out->bytes_per_second = measures->sent_bytes / measures->sent_s;
        out->rate_basis = TBK_BASIS_MEASURED;
    }
    if (limit > 0 && (out->rate_basis == TBK_BASIS_UNKNOWN || limit < out->bytes_per_second)) {
        out->bytes_per_second = limit;
        out->rate_basis = TBK_BASIS_LIMIT;
    }
}

int64_t tbk_offsite_duration_s(const tbk_offsite_forecast *forecast, int64_t bytes)
{
    if (bytes == TBK_OFFSITE_UNKNOWN || forecast->bytes_per_second <= 0)
        return TBK_OFFSITE_UNKNOWN;
    return bytes / forecast->bytes_per_second + 1;
}

/* --- all of it --- */

void tbk_offsite_reckon(tbk_arena *arena, const tbk_options *options,
                        const tbk_offsite_measures *measures, int64_t now_s,
                        tbk_offsite_forecast *out)
{
    int64_t year_bytes = 0;
    *out = (tbk_offsite_forecast){.kept_bytes = 0};
    for (tbk_profile profile = 0; profile < TBK_OFFSITE_PROFILES; profile++) {
        tbk_offsite_flow *flow = &out->flows[profile];
        reckon_flow(arena, options, measures, profile, now_s, flow);
        if (!flow->is_taken)
            continue;
        year_bytes = plus(year_bytes, times(flow->set_bytes, flow->sets_a_year));
        out->kept_bytes = plus(out->kept_bytes, times(flow->set_bytes, flow->kept));
    }
    out->day_bytes = year_bytes == TBK_OFFSITE_UNKNOWN ? year_bytes : year_bytes / YEAR_DAYS;
    out->month_bytes = year_bytes == TBK_OFFSITE_UNKNOWN ? year_bytes : year_bytes / 12;
    if (options->offsite.access == TBK_ACCESS_APPEND_ONLY)
        out->kept_bytes = TBK_OFFSITE_UNKNOWN;
    reckon_rate(options, measures, out);
}

/* --- what waits --- */

static void add_copy(tbk_offsite_copies *copies, const tbk_offsite_set *set)
{
    size_t at = 0;
    while (at < copies->count && copies->list[at].time_s >= set->time_s)
        at++;
    memmove(copies->list + at + 1, copies->list + at, (copies->count - at) * sizeof *copies->list);
    copies->list[at] = (tbk_offsite_copy){
        .id = set->id, .time_s = set->time_s, .profile = set->profile, .is_whole = true};
    copies->count++;
}

tbk_offsite_queue tbk_offsite_waiting(const tbk_offsite_settings *settings,
                                      const tbk_offsite_set *sets, const int64_t *stored_bytes,
                                      size_t count, const tbk_offsite_copies *copies, int64_t now_s)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_offsite_queue waiting = {.sets = 0};
    tbk_offsite_copies there = {
        .list = tbk_arena_alloc(arena, (copies->count + count + 1) * sizeof *there.list)};
    for (size_t i = 0; i < copies->count; i++)
        there.list[there.count++] = copies->list[i];
    /* Each one that is found is there afterwards, so there are at most so many. */
    for (size_t i = 0; i < count; i++) {
        tbk_auto(tbk_arena) *round = tbk_arena_new();
        const tbk_offsite_set *set = tbk_offsite_next(round, settings, sets, count, &there, now_s);
        if (set == NULL)
            break;
        add_copy(&there, set);
        waiting.sets++;
        waiting.bytes = plus(waiting.bytes, stored_bytes[set - sets]);
    }
    return waiting;
}
