/* SPDX-License-Identifier: MIT */
/* Next runs in the VM's local time, warnings about the schedule and on a second scheduler. */
#include "commands/schedule_report.h"

#include "base/clock.h"
#include "domain/schedule.h"

#include <inttypes.h>

#define NEXT_RUNS 5

/* Civil time with the VM's present offset; a change of clocks in between is not taken into account.
 */
static const char *local_time(tbk_arena *arena, int64_t civil_s, int64_t offset_s)
{
    char text[TBK_CLOCK_TEXT_SIZE];
    int64_t minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;

    tbk_clock_format(civil_s, text);
    text[19] = '\0'; /* without the Z */
    return tbk_arena_format(arena, "%s%c%02" PRId64 ":%02" PRId64, text, offset_s < 0 ? '-' : '+',
                            minutes / 60, minutes % 60);
}

/* The container has no time zone. */
static int64_t offset_of(const tbk_workspace *workspace, const tbk_host_facts *facts)
{
    return workspace->options.mode == TBK_MODE_SIDECAR ? 0 : facts->utc_offset_s;
}

/* Full backups besides the essential ones, where there are any. */
static bool report_full(tbk_arena *arena, const tbk_workspace *workspace,
                        const tbk_host_facts *facts, tbk_value *result, tbk_error *err)
{
    tbk_schedule schedule;
    const char *text = workspace->options.full_schedule;
    if (text == NULL)
        return true;
    if (!tbk_schedule_parse(text, &schedule, err))
        return false;
    int64_t offset_s = offset_of(workspace, facts);
    int64_t next_s = tbk_schedule_next(&schedule, facts->now_s + offset_s);
    tbk_value_set_string(arena, result, "full_schedule", text);
    tbk_value_set_string(arena, result, "next_full_run", local_time(arena, next_s, offset_s));
    return true;
}

static void warn_of(tbk_arena *arena, const tbk_workspace *workspace, const tbk_host_facts *facts,
                    const tbk_schedule *schedule, tbk_value *warnings)
{
    const char *remarks[TBK_SCHEDULE_REMARKS_MAX];
    size_t count = 0;

    /* Those are about local time and missed runs, of which the sidecar knows nothing. */
    if (workspace->options.mode == TBK_MODE_WINDOW)
        tbk_schedule_warnings(schedule, arena, remarks, &count);
    for (size_t i = 0; i < count; i++)
        tbk_value_append(arena, warnings, tbk_value_string(arena, remarks[i]));
    if (facts->native_cron || workspace->environment.has_native_backup)
        tbk_value_append(
            arena, warnings,
            tbk_value_string(
                arena,
                "the deployer's own backup is configured too: two schedulers stop the tracker; "
                "remove /etc/cron.d/tracker-backup on the VM to keep only this one"));
}

bool tbk_schedule_report(tbk_arena *arena, const tbk_workspace *workspace,
                         const tbk_host_facts *facts, tbk_value *result, tbk_value *warnings,
                         tbk_error *err)
{
    tbk_schedule schedule;
    tbk_value *next_runs = tbk_value_list(arena);

    if (!tbk_schedule_parse(workspace->options.schedule, &schedule, err))
        return false;
    tbk_value_set_string(arena, result, "schedule", workspace->options.schedule);
    tbk_value_set(arena, result, "next_runs", next_runs);
    int64_t offset_s = offset_of(workspace, facts);
    int64_t civil_s = facts->now_s + offset_s;
    for (int i = 0; i < NEXT_RUNS; i++) {
        civil_s = tbk_schedule_next(&schedule, civil_s);
        tbk_value_append(arena, next_runs,
                         tbk_value_string(arena, local_time(arena, civil_s, offset_s)));
    }
    if (!report_full(arena, workspace, facts, result, err))
        return false;
    warn_of(arena, workspace, facts, &schedule, warnings);
    return true;
}
