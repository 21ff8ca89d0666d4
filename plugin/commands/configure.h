/* SPDX-License-Identifier: MIT */
/*
 * Configure: brings directories, image, host scripts, configuration and schedule on the VM into the
 * desired state (domain/deployment.h).
 *
 * What is there already is left alone, so that a second run changes nothing. Whatever interrupts
 * it, the next run completes it: files appear whole, the schedule last.
 */
#ifndef TBK_COMMANDS_CONFIGURE_H
#define TBK_COMMANDS_CONFIGURE_H

#include "commands/vm.h"

typedef struct tbk_configure_input {
    tbk_vm vm;
    bool dry_run; /* stop before applying */
} tbk_configure_input;

/*
 * out_result: {"host", "changed", "complete", "items": [{"name", "target", "state"}], "remarks":
 * [...], "next_runs": [...]}; state is "in place", "installed" or "updated"; in a dry run "would be
 * installed" or "would be updated"; of the other mode's things "removed", of the sidecar "started"
 * or "waits for a tracker". Errors: TBK_E_UNSUPPORTED when the sidecar cannot back the database up,
 * TBK_E_LOCKED when the mode changes while a backup goes on; as the remote port; TBK_E_REMOTE when
 * the VM lacks Docker, Compose, cron or flock, or is of another architecture. On failure
 * *out_result tells what was changed until then.
 */
bool tbk_configure(tbk_arena *arena, const tbk_configure_input *input, tbk_value **out_result,
                   tbk_error *err) TBK_MUST_CHECK;

#endif
