/* SPDX-License-Identifier: MIT */
/* The engine's commands: configuration, privileges, work, result. */
#ifndef TBK_ENTRY_ENGINE_COMMANDS_H
#define TBK_ENTRY_ENGINE_COMMANDS_H

#include "domain/engine_config.h"
#include "entry/engine_args.h"
#include "entry/engine_output.h"

/* Each writes its result; on failure nothing was written but log lines, and the caller tells err.
 */
bool engine_command_backup(const engine_args *args, engine_output *output,
                           tbk_error *err) TBK_MUST_CHECK;
bool engine_command_list(const engine_args *args, engine_output *output,
                         tbk_error *err) TBK_MUST_CHECK;
/* *out_ok is false when a set was found not to be right: the result says which and why. */
bool engine_command_check(const engine_args *args, engine_output *output, bool *out_ok,
                          tbk_error *err) TBK_MUST_CHECK;
bool engine_command_prove(const engine_args *args, engine_output *output, bool *out_ok,
                          tbk_error *err) TBK_MUST_CHECK;
bool engine_command_restore(const engine_args *args, engine_output *output,
                            tbk_error *err) TBK_MUST_CHECK;
bool engine_command_extract(const engine_args *args, engine_output *output,
                            tbk_error *err) TBK_MUST_CHECK;
bool engine_command_plan(const engine_args *args, engine_output *output,
                         tbk_error *err) TBK_MUST_CHECK;
bool engine_command_acknowledge(const engine_args *args, engine_output *output,
                                tbk_error *err) TBK_MUST_CHECK;

/* Reads engine.yml; whatever is wrong with it is TBK_E_CONFIG. */
bool engine_config_load(tbk_arena *arena, const char *path, tbk_engine_config *out,
                        tbk_error *err) TBK_MUST_CHECK;

#endif
