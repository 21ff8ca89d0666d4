/* SPDX-License-Identifier: MIT */
/* The engine as a service: its own schedule, health and metrics. */
#ifndef TBK_ENTRY_ENGINE_SERVE_H
#define TBK_ENTRY_ENGINE_SERVE_H

#include "entry/engine_args.h"
#include "entry/engine_output.h"

/* Runs until SIGTERM or SIGINT, and then succeeds. Fails with TBK_E_CONFIG when it cannot begin. */
bool engine_command_serve(const engine_args *args, engine_output *output,
                          tbk_error *err) TBK_MUST_CHECK;

/* Asks a running service. *out_ok is its answer; fails when there is none. */
bool engine_command_health(const engine_args *args, bool *out_ok, tbk_error *err) TBK_MUST_CHECK;

#endif
