/* SPDX-License-Identifier: MIT */
/* What is off-site, for people: the engine by hand and the command line say it alike. */
#ifndef TBK_ENTRY_TEXT_OFFSITE_H
#define TBK_ENTRY_TEXT_OFFSITE_H

#include "base/value.h"

#include <stdio.h>

/* The result of `offsite` and of `list --from offsite`: a list, or what was done. */
void tbk_offsite_print(FILE *out, const tbk_value *result);
/* One line of what commands/offsite_status.h gives; nothing where that is NULL. */
void tbk_offsite_status_print(FILE *out, const tbk_value *offsite);

#endif
