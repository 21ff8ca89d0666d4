/* SPDX-License-Identifier: MIT */
/* Inside of backup*.c: one backup, and the steps of it that have a file of their own. */
#ifndef TBK_ENGINE_BACKUP_INTERNAL_H
#define TBK_ENGINE_BACKUP_INTERNAL_H

#include "database/database.h"
#include "engine/backup.h"
#include "store/brake.h"
#include "store/set.h"

typedef struct tbk_backup_cycle {
    tbk_arena *arena;
    const tbk_backup_request *request;
    const tbk_report *report; /* keeps to the rate limit */
    const tbk_report *prompt; /* the same without one, for what must not take long */
    tbk_store *store;
    tbk_stored_set *earlier; /* the newest first; NULL when this is the first */
    tbk_set *set;            /* that is being made */
    const char *scratch;
    tbk_database database;
    tbk_origin origin;      /* which database of which environment */
    tbk_set_kind kind;      /* what the new set is compared with */
    tbk_brakes brakes;      /* of retention; of other databases too */
    bool is_good;           /* done as it should be; the brake may be on */
    tbk_database_view view; /* as it was before the capture */
    tbk_proof_level level;  /* that is due, and can be reached */
    tbk_capture capture;
    tbk_manifest *manifest;
    tbk_proof proof;
    bool published;
    tbk_error unsaved;  /* code TBK_E_OK, or why the set has no configuration files */
    tbk_error unproved; /* code TBK_E_OK, or why the proof that was due could not be made */
    size_t pruned;
    int64_t phase_started_ms;
} tbk_backup_cycle;

void tbk_backup_phase_begin(tbk_backup_cycle *self);
void tbk_backup_phase_end(tbk_backup_cycle *self, const char *name);

/* The level of proof that is due, as far as it can be reached here: what cannot is said. */
tbk_proof_level tbk_backup_level_possible(const tbk_backup_cycle *self);
/* Proves the set that was described, and writes that down. Fails with TBK_E_UNPROVED where it is
 * not what was captured. */
bool tbk_backup_prove(tbk_backup_cycle *self, tbk_error *err) TBK_MUST_CHECK;

/* Removes expired sets, but not while a brake is on. */
bool tbk_backup_prune(tbk_backup_cycle *self, tbk_error *err) TBK_MUST_CHECK;
/* Whether there is room for the set; expired ones go first where they are in the way. */
bool tbk_backup_need_space(tbk_backup_cycle *self, bool copies, tbk_error *err) TBK_MUST_CHECK;

/* After the set was published: prunes, and tells what is wrong although the set is whole. */
bool tbk_backup_conclude(tbk_backup_cycle *self, tbk_error *err) TBK_MUST_CHECK;
/* Writes the record of the run, whatever became of it; error is NULL where it went well. */
void tbk_backup_record(tbk_backup_cycle *self, int64_t started_ms, const tbk_error *error);

#endif
