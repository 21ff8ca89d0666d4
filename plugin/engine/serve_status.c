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
    [TBK_SERVE_NO_CONFIG] = "no configuration",
};

/* NULL when all is well. */
static const char *judge(tbk_arena *arena, const tbk_serve_status *status, int64_t now_s)
{
    const tbk_run_facts *last = &status->last;
    int64_t known_s = last->success_s != 0 ? last->success_s : status->started_s;
    if (status->state == TBK_SERVE_NO_CONFIG)
        return status->problem;
    if (status->state == TBK_SERVE_NO_DATABASE)
        return NULL;
    /* An interrupted run is made again. */
    if (last->exit_status != 0 && last->exit_status != tbk_error_exit_status(TBK_E_INTERRUPTED))
        return tbk_arena_format(arena, "the last run ended with %" PRId64 ": %s", last->exit_status,
                                last->message);
    if (now_s - known_s > status->overdue_gap_s)
        return tbk_arena_format(arena, "no good backup for %" PRId64 " hours",
                                (now_s - known_s) / 3600);
    return NULL;
}

static void set_time(tbk_arena *arena, tbk_value *map, const char *key, int64_t time_s)
{
    char text[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format(time_s, text);
    tbk_value_set_string(arena, map, key, time_s != 0 ? text : NULL);
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
    tbk_json_write(text, map, true);
    return problem == NULL;
}

void tbk_serve_metrics(tbk_text *text, const tbk_serve_status *status)
{
    tbk_run_facts_metrics(text, &status->last);
    tbk_metric_gauge(text, "running", "Whether a scheduled backup goes on.",
                     status->state == TBK_SERVE_RUNNING);
    tbk_metric_gauge(text, "database_present", "Whether there is a database to back up.",
                     status->state != TBK_SERVE_NO_DATABASE);
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
