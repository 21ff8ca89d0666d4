/* SPDX-License-Identifier: MIT */
/* The capture: the first rung of the ladder that the tracker's holder grants, and one copy on it.
 */
#ifndef TBK_ENGINE_CAPTURE_H
#define TBK_ENGINE_CAPTURE_H

#include "base/arena.h"
#include "domain/options.h"
#include "ports/hold.h"
#include "ports/report.h"

typedef struct tbk_capture {
    const char *method; /* "pause", "stop", "locked"; NULL when nothing was copied */
    const char *reason; /* why not the rungs before; may be "" */
    bool tracker_was_stopped;
    int64_t held_ms;   /* from the request until the answer to the release */
    tbk_error release; /* code TBK_E_OK, or why the tracker did not come back after a good copy */
} tbk_capture;

/*
 * Copies the SQLite database to target (with its journal or log, so still to be recovered). hold
 * may be NULL: then SQLite's own locks are used. Only reading and writing the copy happens inside a
 * hold. Shape:  out is filled on failure too, as far as it went. Errors: those of the copy;
 * TBK_E_TRACKER_DOWN when copy and release both failed. When only the release failed the copy is
 * good: true, with out->release filled.
 */
bool tbk_capture_sqlite(tbk_arena *arena, const char *database, const char *target,
                        tbk_method method, const tbk_hold *hold, const tbk_report *report,
                        tbk_capture *out, tbk_error *err) TBK_MUST_CHECK;

#endif
