/* SPDX-License-Identifier: MIT */
/* One backup: capture, recover, store, check, publish, prune. */
#ifndef TBK_ENGINE_BACKUP_H
#define TBK_ENGINE_BACKUP_H

#include "domain/engine_config.h"
#include "engine/files.h"
#include "ports/hold.h"
#include "ports/report.h"
#include "ports/scratch_server.h"
#include "ports/scratch_tracker.h"
#include "store/store.h"

typedef struct tbk_backup_request {
    const tbk_engine_config *config;
    const tbk_hold *hold;                       /* NULL: the tracker cannot be held */
    const tbk_tracker_files *tracker;           /* NULL: its open files cannot be seen */
    const tbk_scratch_server *scratch_server;   /* for proofs; NULL: there is none */
    const tbk_scratch_tracker *scratch_tracker; /* for proofs; NULL: there is none */
    bool boot;                     /* have it come up on the set, whether that is due or not */
    tbk_journal_mode journal_mode; /* what the database's is to become, inside the hold */
    tbk_files *files;              /* NULL: no configuration files are saved */
    const char *run_id;
    bool holds_nothing; /* no method that would make writers wait for more than an instant */
    bool create_store;
    int64_t now_s; /* wall clock at the start: the set's name, retention */
} tbk_backup_request;

typedef struct tbk_backup_result {
    const char *id; /* in the arena */
    const char *path;
    const tbk_manifest *manifest;
    tbk_proof proof;
    size_t pruned;
} tbk_backup_result;

/*
 * Errors: TBK_E_CONFIG, TBK_E_UNSUPPORTED (MySQL), TBK_E_CORRUPT (also 0 bytes), TBK_E_SPACE before
 * any hold, TBK_E_LOCKED, TBK_E_BUSY, TBK_E_TRACKER_DOWN, TBK_E_INTERRUPTED. Whatever fails, the
 * hold is released, nothing half is visible and nothing was pruned. A set that is whole stays
 * published even when the release, pruning or proving then fails.
 */
bool tbk_backup_run(tbk_arena *arena, const tbk_backup_request *request, const tbk_report *report,
                    tbk_backup_result *out, tbk_error *err) TBK_MUST_CHECK;

#endif
