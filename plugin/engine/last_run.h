/* SPDX-License-Identifier: MIT */
/*
 * The record of the last run, for `status` and for whoever watches: `.state/last-run.json` and
 * `.state/torrust_backup.prom` (a textfile for node_exporter).
 */
#ifndef TBK_ENGINE_LAST_RUN_H
#define TBK_ENGINE_LAST_RUN_H

#include "engine/store.h"

typedef struct tbk_last_run {
    const char *run_id;
    int64_t started_s, finished_s; /* wall clock */
    int64_t duration_ms;
    const tbk_error *error;       /* NULL when the run succeeded */
    const tbk_manifest *manifest; /* of the set that was published; NULL when none was */
    const tbk_proof *proof;       /* NULL as manifest */
    int64_t held_ms;
    bool tracker_was_stopped;
    uint64_t sets; /* in the store, after pruning */
    uint64_t pruned;
    uint64_t store_free_bytes;
} tbk_last_run;

/* Publishes both files. Times of the last success and the last proof are kept across failures. */
bool tbk_last_run_write(const tbk_store *store, tbk_arena *arena, const tbk_last_run *run,
                        tbk_error *err) TBK_MUST_CHECK;

#endif
