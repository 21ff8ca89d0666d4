/* SPDX-License-Identifier: MIT */
/* The forecast of a capture: which rung of the ladder a deployment would get, and what it costs. */
#ifndef TBK_ENGINE_PLAN_H
#define TBK_ENGINE_PLAN_H

#include "base/value.h"
#include "domain/manifest.h"
#include "domain/options.h"
#include "engine/disk_speed.h"

typedef struct tbk_plan_request {
    const char *database_path;
    const char *store; /* need not be there: the first run makes it */
    tbk_method method; /* as configured */
    tbk_profile profile;
    const char *environment; /* NULL by hand, where nobody holds the tracker */
    bool holds_nothing;      /* only what holds nothing is to be had: the sidecar */
    bool restores;           /* proofs restore the database, now and then */
} tbk_plan_request;

typedef struct tbk_plan_rung {
    const char *method;
    bool possible;
    const char *reason; /* why not; "" where it is */
} tbk_plan_rung;

#define TBK_PLAN_RUNGS_MAX 4
#define TBK_PLAN_HELD_UNKNOWN (-1)

typedef struct tbk_plan {
    const char *database_path;
    tbk_sqlite_facts facts;
    uint64_t copy_bytes; /* the database with its journal or log */
    tbk_plan_rung rungs[TBK_PLAN_RUNGS_MAX];
    size_t rung_count;
    const char *configured_method;
    const char *method; /* the one that a run would take; of a forced one also if impossible */
    int64_t expected_held_ms;          /* 0 for those that hold nothing; TBK_PLAN_HELD_UNKNOWN */
    tbk_disk_speed speed;              /* measured only where something is held */
    uint64_t free_bytes, needed_bytes; /* on the store's file system */
} tbk_plan;

/*
 * Looks, and tries out what can be tried without taking a lock or holding anything: it works while
 * a backup runs, and leaves nothing.
 * Owns:   text lives in the arena.
 * Errors: as tbk_sqlite_inspect and tbk_store_list; TBK_E_INTERRUPTED.
 */
bool tbk_plan_make(tbk_arena *arena, const tbk_plan_request *request, const tbk_report *report,
                   tbk_plan *out, tbk_error *err) TBK_MUST_CHECK;

/* For machines, with advice for people: docs/schemas/plan.schema.json, "forecast". */
tbk_value *tbk_plan_to_value(tbk_arena *arena, const tbk_plan_request *request,
                             const tbk_plan *plan);

#endif
