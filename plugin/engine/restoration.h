/* SPDX-License-Identifier: MIT */
/* Putting a set back: checked, restored beside the real database, swapped in while the tracker is
 * stopped; the database that was there is kept. */
#ifndef TBK_ENGINE_RESTORATION_H
#define TBK_ENGINE_RESTORATION_H

#include "database/database.h"
#include "store/store.h"

typedef struct tbk_restore_request {
    const tbk_engine_config *config;
    const tbk_hold *hold;             /* stops the tracker; NULL with dry_run only */
    const tbk_tracker_files *tracker; /* NULL: its open files cannot be seen */
    const char *set;                  /* an id, or "latest"; NULL as "latest" */
    const char *from;                 /* the folder of a set that was fetched; NULL: `set` of the
                                       * store */
    const char *run_id;
    bool dry_run; /* all but the swap */
    int64_t now_s;
} tbk_restore_request;

typedef struct tbk_restore_result {
    const char *id; /* in the arena, as all text */
    const tbk_manifest *manifest;
    const char
        *newest_full; /* where that set is not of all rows: the newest one that is, or NULL */
    const tbk_table_rows *tables;
    size_t table_count;
    const char *kept; /* where the database of before is, for people; NULL after a dry run */
    bool tracker_was_stopped;
    int64_t prove_ms; /* for its sums */
    int64_t load_ms;  /* beside the real database, and checked there */
    int64_t held_ms;
} tbk_restore_result;

/*
 * Errors: TBK_E_NOT_FOUND, no such set; TBK_E_UNPROVED, the set is not what it should be; those of
 * tbk_database; TBK_E_TRACKER_DOWN, the tracker did not come back: the database of before is in its
 * place again then. Whatever fails, the real database is whole, and the old one or the new one.
 * Leaves a record in `.state/last-restore.json`.
 */
bool tbk_restore_run(tbk_arena *arena, const tbk_restore_request *request, const tbk_report *report,
                     tbk_restore_result *out, tbk_error *err) TBK_MUST_CHECK;

/* What a result says to machines: also "profile", "left_out" (rows of the tables that a set of the
 * essential has no more, by table) and "newest_full_set". */
tbk_value *tbk_restore_to_value(tbk_arena *arena, const tbk_restore_request *request,
                                const tbk_restore_result *result, const tbk_error *error);

#endif
