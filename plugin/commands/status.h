/* SPDX-License-Identifier: MIT */
/* Status: whether the backups of a deployment are well, from what stands on the VM. Changes
 * nothing. */
#ifndef TBK_COMMANDS_STATUS_H
#define TBK_COMMANDS_STATUS_H

#include "commands/vm.h"

typedef tbk_vm tbk_status_input;

/*
 * out_result: {"host", "health": "ok" or "failing", "problems": [...], "installed", "tracker",
 * "held", "native_backup", "mode", "sidecar" (in that mode), "last_run": {...} or null, "schedule",
 * "next_runs", "remarks", "store_free_bytes"}. Errors: TBK_E_FAILED naming the first problem (for
 * monitors), TBK_E_TRACKER_DOWN when a hold left it down; as the remote port.
 */
bool tbk_status(tbk_arena *arena, const tbk_status_input *input, tbk_value **out_result,
                tbk_error *err) TBK_MUST_CHECK;

/* The catalogue, as the engine prints it: {"store", "sets": [...]}. */
bool tbk_status_sets(tbk_arena *arena, const tbk_status_input *input, tbk_value **out_result,
                     tbk_error *err) TBK_MUST_CHECK;
/* What the database lost is as it should be: retention's brake is taken off, as the engine prints
 * it: {"store", "acknowledged": [{"profile", "since", "set", "reason"}, ...]}. */
bool tbk_status_acknowledge(tbk_arena *arena, const tbk_status_input *input, tbk_value **out_result,
                            tbk_error *err) TBK_MUST_CHECK;

#endif
