/* SPDX-License-Identifier: MIT */
/* What is due, from schedules, last attempts and the present time. */
#include "domain/scheduler.h"

void tbk_scheduler_reconcile(tbk_scheduler_job *item, int64_t attempt_s, int64_t now_s)
{
    if (attempt_s > item->since_s && attempt_s <= now_s)
        item->since_s = attempt_s;
    if (item->since_s > now_s)
        item->since_s = now_s;
    if (item->again_s > now_s + TBK_AGENDA_AGAIN_S)
        item->again_s = now_s + TBK_AGENDA_AGAIN_S;
}

static int64_t due_of(const tbk_scheduler_job *item)
{
    int64_t due_s = tbk_schedule_next(&item->schedule, item->since_s);
    return due_s > item->again_s ? due_s : item->again_s;
}

size_t tbk_scheduler_first(const tbk_scheduler_job *items, size_t count, int64_t *out_due_s)
{
    size_t first = 0;
    *out_due_s = due_of(&items[0]);
    for (size_t i = 1; i < count; i++) {
        int64_t due_s = due_of(&items[i]);
        if (due_s < *out_due_s) {
            *out_due_s = due_s;
            first = i;
        }
    }
    return first;
}

void tbk_scheduler_note(tbk_scheduler_job *item, int exit_status, int64_t now_s)
{
    bool again = exit_status == tbk_error_exit_status(TBK_E_LOCKED) ||
                 exit_status == tbk_error_exit_status(TBK_E_INTERRUPTED);
    item->again_s = again ? now_s + TBK_AGENDA_AGAIN_S : 0;
    if (!again)
        item->since_s = now_s;
}
