/* SPDX-License-Identifier: MIT */
/* Schedules from text: refused, or due at times that lie ahead and belong to the schedule. */
#include "fuzz/fuzz.h"

#include "base/clock.h"
#include "domain/schedule.h"

static void check_due(const tbk_schedule *schedule, int64_t due_s)
{
    time_t moment = (time_t)due_s;
    struct tm time;
    must(gmtime_r(&moment, &time) != NULL);
    must(time.tm_sec == 0);
    must((schedule->minutes >> time.tm_min & 1) == 1);
    must((schedule->hours >> time.tm_hour & 1) == 1);
    must((schedule->months >> (time.tm_mon + 1) & 1) == 1);
    bool day = (schedule->days >> time.tm_mday & 1) == 1;
    bool weekday = (schedule->weekdays >> time.tm_wday & 1) == 1;
    must(schedule->any_day || schedule->any_weekday ? day && weekday : day || weekday);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *text = tbk_arena_copy_bytes(arena, (const char *)data, size);
    tbk_error err = {0};
    tbk_schedule schedule;
    if (!tbk_schedule_parse(text, &schedule, &err)) {
        check_error(&err, TBK_E_CONFIG);
        return 0;
    }
    int64_t after_s = 1771264603; /* 2026-02-16 17:56:43 */
    for (int run = 0; run < 5; run++) {
        int64_t due_s = tbk_schedule_next(&schedule, after_s);
        must(due_s > after_s);
        check_due(&schedule, due_s);
        after_s = due_s;
    }
    int64_t shortest_s = 0;
    int64_t longest_s = 0;
    tbk_schedule_gaps(&schedule, after_s, &shortest_s, &longest_s);
    must(shortest_s > 0 && shortest_s <= longest_s);
    const char *warnings[TBK_SCHEDULE_REMARKS_MAX];
    size_t count = 0;
    tbk_schedule_warnings(&schedule, arena, warnings, &count);
    must(count <= TBK_SCHEDULE_REMARKS_MAX);
    for (size_t index = 0; index < count; index++)
        must(warnings[index][0] != '\0');
    return 0;
}
