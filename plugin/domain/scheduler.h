/* SPDX-License-Identifier: MIT */
/*
 * The scheduler of a process that has its own schedules: what is due next, and what was missed.
 *
 * Decided from the wall clock as it is now, each time anew: clocks jump, machines sleep. A time
 * that passed while the process was down is made up for by one run, however many were missed.
 */
#ifndef TBK_DOMAIN_SCHEDULER_H
#define TBK_DOMAIN_SCHEDULER_H

#include "domain/schedule.h"

typedef struct tbk_scheduler_job {
    tbk_schedule schedule;
    int64_t since_s; /* the last attempt, or when the schedule became known */
    int64_t again_s; /* not before this time, after an attempt that must be repeated; 0 = none */
} tbk_scheduler_job;

#define TBK_AGENDA_AGAIN_S 60

/* What is known elsewhere of the last attempt (0: nothing), and what the clock says now: an attempt
 * in the future tells that the clock went back, and then counts as made now. */
void tbk_scheduler_reconcile(tbk_scheduler_job *item, int64_t attempt_s, int64_t now_s);

/* The item that is due first; *out_due_s is its time, which is not in the future when it is due
 * now, and may be long past. count is at least 1. */
size_t tbk_scheduler_first(const tbk_scheduler_job *items, size_t count, int64_t *out_due_s);

/* An attempt ended at now_s. One that was cut short, or found another run under way, is made again
 * TBK_AGENDA_AGAIN_S later; whatever else came of it, it was made. */
void tbk_scheduler_note(tbk_scheduler_job *item, int exit_status, int64_t now_s);

#endif
