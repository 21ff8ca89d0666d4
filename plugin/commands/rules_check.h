/* SPDX-License-Identifier: MIT */
/* Whether a configuration that is not installed yet fits the database on the VM. */
#ifndef TBK_COMMANDS_RULES_CHECK_H
#define TBK_COMMANDS_RULES_CHECK_H

#include "commands/vm.h"

/*
 * Has the engine's image on the VM, which must be there, look at the database with the rendered
 * configuration, where that has rules that are used (profile essential). Nothing is installed.
 * *out_unchecked says why it could not be looked (there is no database yet, a server is down);
 * NULL: it could, or need not. Errors: TBK_E_CONFIG, a rule does not fit: which, why, and what
 * there is; as the remote port's.
 */
bool tbk_rules_check(tbk_arena *arena, const tbk_vm *vm, const char **out_unchecked,
                     tbk_error *err) TBK_MUST_CHECK;

#endif
