/* SPDX-License-Identifier: MIT */
/*
 * The ports that the hook serves, over its line protocol (docs/protocol.md): requests "@files",
 * "@hold pause|stop", "@release", "@server", "@tracker" on output, answers on input. Every wait has
 * a limit.
 */
#ifndef TBK_ADAPTERS_HOLD_HOOK_H
#define TBK_ADAPTERS_HOLD_HOOK_H

#include "ports/hold.h"
#include "ports/report.h"
#include "ports/scratch_server.h"
#include "ports/scratch_tracker.h"

#include <stdint.h>

typedef struct tbk_hold_hook tbk_hold_hook;

/* The descriptors and the report stay the caller's. A caller that wants to stop, as the report
 * says, ends the wait for a hold, not that for a release. */
tbk_hold_hook *tbk_hold_hook_new(int input_fd, int output_fd, uint32_t answer_timeout_ms,
                                 const tbk_report *report);
void tbk_hold_hook_free(tbk_hold_hook *hook);
tbk_hold tbk_hold_hook_port(tbk_hold_hook *hook);
tbk_tracker_files tbk_hold_hook_tracker_files(tbk_hold_hook *hook);
tbk_scratch_server tbk_hold_hook_scratch_server(tbk_hold_hook *hook);
tbk_scratch_tracker tbk_hold_hook_scratch_tracker(tbk_hold_hook *hook);

#endif
