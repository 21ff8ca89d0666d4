/* SPDX-License-Identifier: MIT */
/* Preview: what an install would change on the VM, and what a backup there would do. Changes
 * nothing. */
#ifndef TBK_COMMANDS_PLAN_H
#define TBK_COMMANDS_PLAN_H

#include "commands/image.h"
#include "commands/workspace.h"
#include "ports/remote.h"
#include "render/render.h"

typedef struct tbk_plan_input {
    const tbk_workspace *workspace;
    const tbk_rendering *rendering;
    const tbk_image *image;
    const tbk_remote *remote;
    const tbk_report *report;
} tbk_plan_input;

/*
 * out_result: docs/schemas/plan.schema.json. The forecast is the installed engine's; where there is
 * none, the result says why. Errors: as the remote port; TBK_E_REMOTE when an install would be
 * refused, and TBK_E_UNSUPPORTED as an install does, with the result filled.
 */
bool tbk_plan(tbk_arena *arena, const tbk_plan_input *input, tbk_value **out_result,
              tbk_error *err) TBK_MUST_CHECK;

#endif
