/* SPDX-License-Identifier: MIT */
/* The commands of torrust-backup, and its help: of all, and of one of them. */
#ifndef TBK_ENTRY_CLI_HELP_H
#define TBK_ENTRY_CLI_HELP_H

#include "domain/option_table.h"

#include <stdio.h>

/* Whether there is a command of this name. */
bool cli_find_verb(const char *name, tbk_verb *out);

void cli_print_help(FILE *out);
void cli_print_command_help(FILE *out, tbk_verb verb);

#endif
