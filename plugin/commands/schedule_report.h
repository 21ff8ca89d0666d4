/* SPDX-License-Identifier: MIT */
/* What an operator wants to know of a schedule on a VM: the next runs, and warnings. */
#ifndef TBK_COMMANDS_SCHEDULE_REPORT_H
#define TBK_COMMANDS_SCHEDULE_REPORT_H

#include "commands/host_facts.h"
#include "commands/workspace.h"

/* Sets "schedule", "next_runs" (five, "2026-02-16T03:00:00+01:00", in mode sidecar in UTC), and
 * where there is one "full_schedule" and "next_full_run"; appends warnings to the list. */
bool tbk_schedule_report(tbk_arena *arena, const tbk_workspace *workspace,
                         const tbk_host_facts *facts, tbk_value *result, tbk_value *warnings,
                         tbk_error *err) TBK_MUST_CHECK;

#endif
