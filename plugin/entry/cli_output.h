/* SPDX-License-Identifier: MIT */
/* Results as text for people. JSON is printed as the plugin gives it. */
#ifndef TBK_ENTRY_CLI_OUTPUT_H
#define TBK_ENTRY_CLI_OUTPUT_H

#include "base/value.h"
#include "torrust_backup/plugin_v1.h"

#include <stdio.h>

void cli_print_result(FILE *out, const char *command, const tbk_value *result);
void cli_print_error(FILE *out, const tbk_error_v1 *error);

#endif
