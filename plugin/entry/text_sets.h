/* SPDX-License-Identifier: MIT */
/* The list of sets, for people: the engine by hand and the command line show it alike. */
#ifndef TBK_ENTRY_TEXT_SETS_H
#define TBK_ENTRY_TEXT_SETS_H

#include "base/value.h"

#include <stdio.h>

/* A table with a line for each member, from what `list` gives. */
/* What engine/extraction.h says of a set. */
void tbk_extracted_print(FILE *out, const tbk_value *result);
void tbk_sets_print(FILE *out, const tbk_member *sets);

#endif
