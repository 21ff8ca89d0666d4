/* SPDX-License-Identifier: MIT */
/* The verbs of the plugin: each puts phases and adapters together for one request. */
#ifndef TBK_ENTRY_PLUGIN_VERBS_H
#define TBK_ENTRY_PLUGIN_VERBS_H

#include "base/value.h"
#include "ports/report.h"
#include "torrust_backup/plugin_v1.h"

/* *out_result may be set on failure too. The result is also kept as last-<verb>.json in the
 * environment's build folder. */
bool tbk_verb_run(tbk_arena *arena, const tbk_request_v1 *request, const char *data_path,
                  const tbk_report *report, tbk_value **out_result, tbk_error *err) TBK_MUST_CHECK;

#endif
