/* SPDX-License-Identifier: MIT */
/* What `plan` says of off-site: where sets go, whether it answers, and what it costs. */
#ifndef TBK_COMMANDS_OFFSITE_PLAN_H
#define TBK_COMMANDS_OFFSITE_PLAN_H

#include "commands/host_facts.h"

typedef struct tbk_offsite_plan_input {
    const tbk_vm *vm;
    const tbk_host_facts *facts;
    const tbk_items *items;
    const tbk_value *forecast; /* of a backup, as `plan` has it; NULL: there is none */
    const char *refused;       /* why `configure` would be refused, and nothing can run; NULL */
    tbk_value *remarks;        /* a list that texts are appended to */
} tbk_offsite_plan_input;

/*
 * *out is NULL where nothing is to go off-site; else as "offsite" in docs/schemas/plan.schema.json.
 * What cannot be found out is unknown there, with the reason; only the way to the VM fails.
 */
bool tbk_offsite_plan(tbk_arena *arena, const tbk_offsite_plan_input *input, tbk_value **out,
                      tbk_error *err) TBK_MUST_CHECK;

#endif
