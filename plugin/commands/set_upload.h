/* SPDX-License-Identifier: MIT */
/* A set that was fetched to this machine goes to a VM, for a restore there. */
#ifndef TBK_COMMANDS_SET_UPLOAD_H
#define TBK_COMMANDS_SET_UPLOAD_H

#include "commands/vm.h"

/*
 * Proves the set by its sums, here, and puts it below TBK_UPLOADED_DIRECTORY, in which only root
 * writes: readable by root and the store's group, beside no other set. Files that came there before
 * and are right are not sent again.
 * from: a folder of this machine that has sets under their names; set: an id, or "latest".
 * out_folder: the set's folder on the VM.
 * Errors: those of tbk_store_find; TBK_E_UNPROVED, it is not what was stored; TBK_E_SPACE, there is
 * too little room on the VM; TBK_E_CONFIG, nothing of ours is installed there; TBK_E_REMOTE; those
 * of the remote port.
 */
bool tbk_set_upload(tbk_arena *arena, const tbk_vm *vm, const char *from, const char *set,
                    const char **out_folder, tbk_error *err) TBK_MUST_CHECK;

/* Removes what was uploaded, once it is in place. That it cannot be removed is a warning. */
void tbk_set_upload_remove(const tbk_vm *vm);

#endif
