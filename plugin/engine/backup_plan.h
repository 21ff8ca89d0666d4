/* SPDX-License-Identifier: MIT */
/* The forecast of a backup: which way of capturing a deployment would get, and what it costs. */
#ifndef TBK_ENGINE_BACKUP_PLAN_H
#define TBK_ENGINE_BACKUP_PLAN_H

#include "database/database.h"

typedef struct tbk_backup_plan_request {
    const tbk_database *database;
    const char *store; /* need not be there: the first run makes it */
    tbk_method method; /* as configured */
    tbk_profile profile;
    const tbk_origin *origin; /* whose earlier sets tell how large a set will be; NULL: all */
    const tbk_rules *rules;   /* that have to fit the database; NULL: none are used */
    const char *environment;  /* NULL by hand, where no hook holds the tracker */
    bool holds_nothing;       /* only what holds nothing is to be had: the sidecar */
    bool restores;            /* proofs restore the database, now and then */
} tbk_backup_plan_request;

typedef struct tbk_backup_plan {
    tbk_forecast forecast;
    const char *configured_method;
    uint64_t free_bytes, needed_bytes; /* on the store's file system */
} tbk_backup_plan;

/*
 * Looks, and tries out what can be tried without taking a lock or holding anything: it works while
 * a backup runs, and leaves nothing.
 * Owns:   text lives in the arena.
 * Errors: as tbk_database.inspect and .forecast (TBK_E_CONFIG: a rule does not fit) and
 *         tbk_store_list; TBK_E_INTERRUPTED.
 */
bool tbk_backup_plan_make(tbk_arena *arena, const tbk_backup_plan_request *request,
                          const tbk_report *report, tbk_backup_plan *out,
                          tbk_error *err) TBK_MUST_CHECK;

/* For machines, with advice for people: docs/schemas/plan.schema.json, "forecast". */
tbk_value *tbk_backup_plan_to_value(tbk_arena *arena, const tbk_backup_plan_request *request,
                                    const tbk_backup_plan *plan);

#endif
