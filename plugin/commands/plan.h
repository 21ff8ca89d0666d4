/* SPDX-License-Identifier: MIT */
/* Plan: what `configure` would change on the VM, and what a backup there would do. Changes nothing.
 */
#ifndef TBK_COMMANDS_PLAN_H
#define TBK_COMMANDS_PLAN_H

#include "commands/vm.h"

typedef tbk_vm tbk_plan_input;

/*
 * out_result: docs/schemas/plan.schema.json. The forecast is the installed engine's; where there is
 * none, the result says why. Errors: as the remote port; TBK_E_REMOTE when `configure` would be
 * refused, and TBK_E_UNSUPPORTED as it does, with the result filled.
 */
bool tbk_plan(tbk_arena *arena, const tbk_plan_input *input, tbk_value **out_result,
              tbk_error *err) TBK_MUST_CHECK;

#endif
