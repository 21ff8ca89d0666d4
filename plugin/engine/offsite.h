/* SPDX-License-Identifier: MIT */
/*
 * Off-site: sets go into a repository, stay there as long as our own retention says, are looked at
 * and read back, and come back for a restore. domain/offsite_policy.h decides; the repository port
 * does.
 *
 * Nothing here writes to the store, or takes its lock: a network that is slow or dead never delays
 * a backup. What is done is looked at afterwards, since an exit status is no proof.
 */
#ifndef TBK_ENGINE_OFFSITE_H
#define TBK_ENGINE_OFFSITE_H

#include "base/value.h"
#include "domain/engine_config.h"
#include "ports/report.h"
#include "ports/repository.h"

typedef struct tbk_offsite_request {
    const tbk_engine_config *config; /* with a repository and a name */
    const tbk_repository *repository;
    const char *folder; /* ours: state.json, incoming/ */
    const char *host;   /* by which locks of this process are known */
    int64_t now_s;
    int64_t uptime_s; /* of the machine: goes on evenly, whatever the wall clock is set to */
    const tbk_report *report;
} tbk_offsite_request;

/*
 * All that is due: sets are sent, the newest first; then a check, a drill, removal of what
 * retention drops, and the space given back. What it did and why it failed stands in the state.
 * Errors: those of the repository port; TBK_E_CONFIG, it is another repository than before;
 *         TBK_E_UNPROVED, a copy or the repository is damaged; TBK_E_PARTIAL, what was to be
 * removed is still there; TBK_E_LOCKED, another process of this VM is at it.
 */
bool tbk_offsite_sync(tbk_arena *arena, const tbk_offsite_request *request,
                      tbk_error *err) TBK_MUST_CHECK;

/* The same, of one thing only, whether it is due or not. */
bool tbk_offsite_check(tbk_arena *arena, const tbk_offsite_request *request,
                       tbk_error *err) TBK_MUST_CHECK;
/* out: {set, level: tbk_offsite_level_name, level_s, shortfall: why the level is not the configured
 * one}. Also fails with TBK_E_SPACE, where there is no room to restore the set; then nothing is
 * changed. */
bool tbk_offsite_drill(tbk_arena *arena, const tbk_offsite_request *request, tbk_value **out,
                       tbk_error *err) TBK_MUST_CHECK;

/* Makes the repository, and remembers its id. Also where there is one already: then it is this one
 * from now on. */
bool tbk_offsite_init(tbk_arena *arena, const tbk_offsite_request *request,
                      tbk_error *err) TBK_MUST_CHECK;
/* Removes all locks, whosever they are. */
bool tbk_offsite_unlock(tbk_arena *arena, const tbk_offsite_request *request,
                        tbk_error *err) TBK_MUST_CHECK;
/* Says that a database that shrank is as it should be. */
bool tbk_offsite_accept(tbk_arena *arena, const tbk_offsite_request *request,
                        tbk_error *err) TBK_MUST_CHECK;

/* {repository, name, sets: [{id, name, profile, database_bytes, snapshot, level, level_s,
 * damage}]}: of all names, the newest first; the level where the service has looked at it. Needs no
 * lock. */
bool tbk_offsite_list(tbk_arena *arena, const tbk_offsite_request *request, tbk_value **out,
                      tbk_error *err) TBK_MUST_CHECK;

/*
 * Brings a set to <folder>/incoming/ID, and checks every byte of it. What was fetched before and is
 * still right is not fetched again. name: whose; set: an id, or "latest".
 * Errors: TBK_E_NOT_FOUND, TBK_E_SPACE, TBK_E_UNPROVED, and those of the port.
 */
bool tbk_offsite_fetch(tbk_arena *arena, const tbk_offsite_request *request, const char *name,
                       const char *set, const char **out_path, tbk_error *err) TBK_MUST_CHECK;

#endif
