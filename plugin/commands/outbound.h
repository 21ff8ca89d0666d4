/* SPDX-License-Identifier: MIT */
/* The service `outbound` on the VM, which takes sets off-site: what the operator has for it, its
 * container, and its answers. */
#ifndef TBK_COMMANDS_OUTBOUND_H
#define TBK_COMMANDS_OUTBOUND_H

#include "commands/vm.h"

/*
 * Reads the operator's secrets, SSH key and known hosts, as the options name them.
 * Shape:  out->count is 0 where nothing goes off-site.
 * Errors: TBK_E_CONFIG: a file is missing, too large, or others can read it; RESTIC_PASSWORD is
 *         missing; a line of the secrets is none. Errors never tell what stands in them.
 */
bool tbk_outbound_read_secrets(tbk_arena *arena, const tbk_workspace *workspace, tbk_secrets *out,
                               tbk_error *err) TBK_MUST_CHECK;

/* What its container needs; done unless look_only. It waits for a store. */
bool tbk_outbound_apply(const tbk_vm *vm, bool look_only, tbk_service_step *out,
                        tbk_error *err) TBK_MUST_CHECK;
/* Stops it, and removes its container, its network and its secrets. What it knows stays. */
bool tbk_outbound_remove(const tbk_remote *remote, const tbk_report *report,
                         tbk_error *err) TBK_MUST_CHECK;

#endif
