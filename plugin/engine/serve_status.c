/* SPDX-License-Identifier: MIT */
/* Judges the sidecar's state, and writes it as JSON and as metrics. */
#include "engine/serve_status.h"

#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>

static const char *const state_names[] = {
    [TBK_SERVE_WAITING] = "waiting",
    [TBK_SERVE_RUNNING] = "running",
    [TBK_SERVE_NO_DATABASE] = "no database yet",
    [TBK_SERVE_DATABASE_GONE] = "the database is gone",
    [TBK_SERVE_NO_CONFIG] = "no configuration",
};

/* An interrupted run is made again, and one that found another under way. */
static bool is_failure(int64_t exit_status)
{
    return exit_status != 0 && exit_status != tbk_error_exit_status(TBK_E_INTERRUPTED) &&
           exit_status != tbk_error_exit_status(TBK_E_LOCKED);
}

static const char *judge_success(tbk_arena *arena, const char *name, int64_t success_s,
                                 const tbk_serve_profile *profile, int64_t now_s)
{
    int64_t known_s = success_s != 0 ? success_s : profile->known_s;
    if (tbk_run_is_ahead(known_s, now_s))
        return tbk_arena_format(arena,
                                "the last good backup (%s) is from the future: the clock went "
                                "back, and since when there was none is not known",
                                name);
    if (now_s - known_s > profile->overdue_gap_s)
        return tbk_arena_format(arena, "no good backup (%s) for %" PRId64 " hours", name,
                                (now_s - known_s) / 3600);
    return NULL;
}

static const char *judge_profile(tbk_arena *arena, const tbk_serve_status *status,
                                 tbk_profile which, int64_t now_s)
{
    const tbk_serve_profile *profile = &status->profiles[which];
    const tbk_profile_facts *last = &status->last.profiles[which];
    const char *name = tbk_profile_name(which);
    if (!profile->is_scheduled)
        return NULL;
    if (is_failure(last->exit_status))
        return tbk_arena_format(arena, "the last run (%s) ended with %" PRId64 ": %s", name,
                                last->exit_status, last->message);
    if (profile->failed_s > last->finished_s)
        return tbk_arena_format(arena, "the last run (%s) ended with %d; see the log", name,
                                profile->failed_status);
    return judge_success(arena, name, last->success_s, profile, now_s);
}

/* NULL when all is well. */
static const char *judge(tbk_arena *arena, const tbk_serve_status *status, int64_t now_s)
{
    const tbk_run_facts *last = &status->last;
    const char *problem = NULL;
    if (status->state == TBK_SERVE_NO_CONFIG)
        return status->problem;
    if (status->state == TBK_SERVE_NO_DATABASE)
        return NULL;
    if (status->state == TBK_SERVE_DATABASE_GONE)
        return "there were backups of the database, and it is gone: put it back, restore a set, or "
               "configure where it is now";
    if (last->brakes > 0)
        return tbk_arena_format(arena,
                                "no older set is pruned: %s; restore an older set, or run "
                                "'torrust-backup acknowledge' if it is meant to be so",
                                last->brake);
    for (int which = 0; problem == NULL && which < TBK_PROFILES; which++)
        problem = judge_profile(arena, status, (tbk_profile)which, now_s);
    if (problem == NULL && is_failure(last->exit_status))
        problem = tbk_arena_format(arena, "the last run ended with %" PRId64 ": %s",
                                   last->exit_status, last->message);
    return problem;
}

static void set_time(tbk_arena *arena, tbk_value *map, const char *key, int64_t time_s)
{
    char text[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format(time_s, text);
    tbk_value_set_string(arena, map, key, time_s != 0 ? text : NULL);
}

static tbk_value *profiles_value(tbk_arena *arena, const tbk_serve_status *status, int64_t now_s)
{
    tbk_value *map = tbk_value_map(arena);
    for (int which = 0; which < TBK_PROFILES; which++) {
        const tbk_profile_facts *last = &status->last.profiles[which];
        if (!status->profiles[which].is_scheduled)
            continue;
        const char *problem = judge_profile(arena, status, (tbk_profile)which, now_s);
        tbk_value *profile = tbk_value_map(arena);
        tbk_value_set_string(arena, profile, "health", problem == NULL ? "ok" : "failing");
        tbk_value_set_string(arena, profile, "problem", problem);
        set_time(arena, profile, "last_run", last->finished_s);
        set_time(arena, profile, "last_success", last->success_s);
        tbk_value_set(arena, map, tbk_profile_name((tbk_profile)which), profile);
    }
    return map;
}

bool tbk_serve_health(tbk_text *text, const tbk_serve_status *status, int64_t now_s)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *map = tbk_value_map(arena);
    const char *problem = judge(arena, status, now_s);
    tbk_value_set_string(arena, map, "health", problem == NULL ? "ok" : "failing");
    tbk_value_set_string(arena, map, "problem", problem);
    tbk_value_set_string(arena, map, "state", state_names[status->state]);
    set_time(arena, map, "next_run", status->next_due_s);
    set_time(arena, map, "last_run", status->last.finished_s);
    set_time(arena, map, "last_success", status->last.success_s);
    tbk_value_set(arena, map, "profiles", profiles_value(arena, status, now_s));
    tbk_json_write(text, map, true);
    return problem == NULL;
}

void tbk_serve_metrics(tbk_text *text, const tbk_serve_status *status)
{
    tbk_run_facts_metrics(text, &status->last);
    tbk_metric_gauge(text, "running", "Whether a scheduled backup goes on.",
                     status->state == TBK_SERVE_RUNNING);
    tbk_metric_gauge(text, "database_present", "Whether there is a database to back up.",
                     status->state != TBK_SERVE_NO_DATABASE &&
                         status->state != TBK_SERVE_DATABASE_GONE);
    tbk_metric_gauge(text, "config_valid", "Whether the configuration can be read.",
                     status->state != TBK_SERVE_NO_CONFIG);
    tbk_metric_gauge(text, "next_run_timestamp_seconds", "When the next run is due; 0: not known.",
                     (double)status->next_due_s);
    tbk_metric_gauge(text, "start_timestamp_seconds", "When the sidecar was started.",
                     (double)status->started_s);
    tbk_text_format(text,
                    "# HELP torrust_backup_runs_total Scheduled runs since the start.\n"
                    "# TYPE torrust_backup_runs_total counter\n"
                    "torrust_backup_runs_total{result=\"ok\"} %" PRIu64 "\n"
                    "torrust_backup_runs_total{result=\"failed\"} %" PRIu64 "\n",
                    status->good, status->failed);
    tbk_text_format(text,
                    "# HELP torrust_backup_build_info The engine's version.\n"
                    "# TYPE torrust_backup_build_info gauge\n"
                    "torrust_backup_build_info{version=\"%s\"} 1\n",
                    TBK_VERSION);
}
