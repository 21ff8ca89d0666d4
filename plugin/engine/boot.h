/* SPDX-License-Identifier: MIT */
/*
 * The proof that a tracker comes up on a restored database: one of the deployed image and settings
 * is started on it, says that it is healthy, and answers by its API.
 */
#ifndef TBK_ENGINE_BOOT_H
#define TBK_ENGINE_BOOT_H

#include "domain/proof.h"
#include "ports/report.h"
#include "ports/scratch_tracker.h"

typedef struct tbk_boot_request {
    const tbk_scratch_tracker *tracker;
    const char *database; /* a file in a folder of its own; the tracker writes there */
    int64_t torrents;     /* rows of that table in it; -1: not known */
    int64_t now_s;
    uint32_t limit_ms; /* until it is healthy; 0: TBK_BOOT_LIMIT_MS */
    const tbk_report *report;
} tbk_boot_request;

#define TBK_BOOT_LIMIT_MS 300000 /* a tracker may read all torrents before it answers */

/*
 * What came of it: passed; failed, with what the tracker said last; skipped, where none could be
 * started. Whatever comes, nothing of it runs afterwards.
 * Errors: TBK_E_INTERRUPTED, as the report says, or where the hook is gone.
 */
bool tbk_boot_prove(tbk_arena *arena, const tbk_boot_request *request, tbk_boot_proof *out,
                    tbk_error *err) TBK_MUST_CHECK;

#endif
