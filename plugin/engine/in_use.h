/* SPDX-License-Identifier: MIT */
/* Whether the database that is configured is the one that the tracker works on. */
#ifndef TBK_ENGINE_IN_USE_H
#define TBK_ENGINE_IN_USE_H

#include "ports/hold.h"
#include "ports/report.h"

/* A tracker that has just been started opens its database after some seconds. */
#define TBK_IN_USE_WAIT_MS 15000

/*
 * Asks which files the tracker has open, for as long as wait_ms while the database is none of them.
 * Succeeds, too: for a tracker that does not run, and for one that could not be looked at (with a
 * warning). tracker is NULL where there is no hook to ask, database_path for one that is no file.
 * Errors: TBK_E_CONFIG, the tracker runs on another file; TBK_E_INTERRUPTED.
 */
bool tbk_in_use_check(tbk_arena *arena, const tbk_tracker_files *tracker, const char *database_path,
                      uint32_t wait_ms, const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;

#endif
