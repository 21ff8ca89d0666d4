/* SPDX-License-Identifier: MIT */
/* Restore: has a set put back on the VM, and waits until the tracker is well on it. */
#ifndef TBK_COMMANDS_RESTORE_H
#define TBK_COMMANDS_RESTORE_H

#include "commands/vm.h"

typedef struct tbk_restore_input {
    tbk_vm vm;
    const char *set;  /* an id, or "latest" */
    const char *from; /* NULL: the store; a folder of this machine, absolute, which has sets under
                       * their names; else as tbk_offsite_bring */
    bool dry_run;     /* all but the swap, by the same way; nothing is stopped */
    bool
        purge_previous; /* instead: remove the previous databases that restores left; set is NULL */
} tbk_restore_input;

/*
 * out_result: what the engine says of the restore (engine/restoration.h), and "tracker"; or
 * {"removed":
 * [...]}. Errors: as the engine's; TBK_E_REMOTE when what the VM says of it lacks something;
 * TBK_E_UNPROVED when the tracker is not well two minutes later; TBK_E_CONFIG in mode sidecar,
 * where the tracker cannot be stopped: the caller installs the other mode for the time of a
 * restore.
 */
bool tbk_restore(tbk_arena *arena, const tbk_restore_input *input, tbk_value **out_result,
                 tbk_error *err) TBK_MUST_CHECK;

#endif
