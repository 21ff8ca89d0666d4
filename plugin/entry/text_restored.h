/* SPDX-License-Identifier: MIT */
/* What a restore puts back, for people: the engine by hand and the command line say it alike. */
#ifndef TBK_ENTRY_TEXT_RESTORED_H
#define TBK_ENTRY_TEXT_RESTORED_H

#include "base/value.h"

#include <stdio.h>

/* Set, profile, rows that come back and rows that do not, from what tbk_restore_to_value gives. */
void tbk_restored_print(FILE *out, const tbk_value *result);
/* A line for each member that is text. */
void tbk_texts_print(FILE *out, const char *label, const tbk_member *members);

#endif
