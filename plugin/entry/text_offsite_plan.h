/* SPDX-License-Identifier: MIT */
/* What `plan` says of off-site, for people. */
#ifndef TBK_ENTRY_TEXT_OFFSITE_PLAN_H
#define TBK_ENTRY_TEXT_OFFSITE_PLAN_H

#include "base/value.h"

#include <stdio.h>

/* "offsite" of docs/schemas/plan.schema.json, with everything in it shown by a terminal as it is.
 */
void tbk_offsite_plan_print(FILE *out, const tbk_value *offsite);

#endif
