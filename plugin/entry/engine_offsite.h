/* SPDX-License-Identifier: MIT */
/* The engine's commands off-site: single ones, and the service that does them when they are due. */
#ifndef TBK_ENTRY_ENGINE_OFFSITE_H
#define TBK_ENTRY_ENGINE_OFFSITE_H

#include "entry/engine_args.h"
#include "entry/engine_output.h"

/* Reads the secrets as root, then becomes the user that speaks to the network, and never root
 * again. Errors: those of engine/offsite.h; TBK_E_CONFIG where nothing goes off-site. */
bool engine_command_offsite(const engine_args *args, engine_output *output,
                            tbk_error *err) TBK_MUST_CHECK;

/* Stays until SIGTERM or SIGINT. Decides only when; each `offsite sync` is a process of its own. */
bool engine_command_outbound(const engine_args *args, engine_output *output,
                             tbk_error *err) TBK_MUST_CHECK;

#endif
