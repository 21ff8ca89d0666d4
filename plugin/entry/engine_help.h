/* SPDX-License-Identifier: MIT */
/* The engine's help: of all, and of one command. */
#ifndef TBK_ENTRY_ENGINE_HELP_H
#define TBK_ENTRY_ENGINE_HELP_H

#include "domain/option_table.h"

#include <stdio.h>

/* Of help itself: of all commands. */
void engine_print_help(FILE *out, tbk_engine_command topic);

#endif
