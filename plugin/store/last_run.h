/* SPDX-License-Identifier: MIT */
/*
 * The record of the last run, for `status` and for monitoring: `.state/last-run.json` and
 * `.state/torrust_backup.prom` (a textfile for node_exporter). Where several environments share a
 * store, these are those of the last of them; each finds its own in `last-run.<environment>.json`.
 */
#ifndef TBK_STORE_LAST_RUN_H
#define TBK_STORE_LAST_RUN_H

#include "base/text.h"
#include "store/store.h"

typedef struct tbk_last_run {
    const char *run_id;
    const char *environment;       /* NULL by hand */
    int64_t started_s, finished_s; /* wall clock */
    int64_t duration_ms;
    tbk_profile profile;          /* that was asked for */
    const tbk_error *error;       /* NULL when the run succeeded */
    bool is_good;                 /* the set is as it should be; the brake of retention may be on */
    tbk_value *brakes;            /* those that are on (tbk_brakes_to_value); NULL as none */
    const tbk_manifest *manifest; /* of the set that was published; NULL when none was */
    const tbk_proof *proof;       /* NULL as manifest */
    int64_t held_ms;
    bool tracker_was_stopped;
    uint64_t sets; /* in the store, after pruning */
    uint64_t pruned;
    uint64_t store_free_bytes;
} tbk_last_run;

/* Publishes both files. Times of the last success, of the last proof, and of each profile's last
 * attempt are kept across failures; what became of a profile's last run, across runs of the other
 * one. A run that was cut short is none of a profile's: it is made again. */
bool tbk_last_run_write(const tbk_store *store, tbk_arena *arena, const tbk_last_run *run,
                        tbk_error *err) TBK_MUST_CHECK;

/* After the brakes were taken off: the record no longer tells of them, nor of a failure that was
 * nothing but them. Does nothing where there is no record. environment may be NULL: the last one's.
 */
bool tbk_last_run_acknowledge(const tbk_store *store, tbk_arena *arena, const char *environment,
                              tbk_error *err) TBK_MUST_CHECK;

/* How a record tells an error: name, message, fix; null where error is NULL. */
tbk_value *tbk_run_error_value(tbk_arena *arena, const tbk_error *error);

#define TBK_PROFILES 2 /* as many as tbk_profile has */

/* What the record says of one profile's runs. */
typedef struct tbk_profile_facts {
    int64_t finished_s; /* of the last run; 0: there was none yet */
    int64_t exit_status;
    int64_t success_s; /* 0: never */
    char message[256]; /* of the error; "" where there was none */
} tbk_profile_facts;

/* What the record says in numbers; 0 where it says nothing. */
typedef struct tbk_run_facts {
    int64_t finished_s; /* wall clock; 0: there was no run yet */
    int64_t exit_status;
    int64_t success_s, proof_s; /* the last good run, the last proof of level restored; 0: never */
    int64_t booted_s;           /* the last time that a tracker came up on a set; 0: never */
    int64_t duration_ms, held_ms;
    int64_t raw_bytes, stored_bytes, sets, store_free_bytes;
    int64_t full_attempt_s, essential_attempt_s; /* 0: never; one that was cut short is none */
    char message[256];                           /* of the error; "" where there was none */
    tbk_profile_facts profiles[TBK_PROFILES];    /* by tbk_profile */
    int64_t brakes;                              /* of retention, that are on */
    char brake[256];                             /* why the first of them is */
} tbk_run_facts;

/* Without the store's lock. A record that is missing or broken tells nothing: all is 0. */
void tbk_run_facts_read(const char *store, const char *environment, tbk_run_facts *out);
/* Appends them in Prometheus' text format. */
void tbk_run_facts_metrics(tbk_text *text, const tbk_run_facts *facts);
/* Why a last success of that time says nothing: the clock went back. False where it is well. */
bool tbk_run_is_ahead(int64_t success_s, int64_t now_s);
/* Appends one metric of type gauge; the name without "torrust_backup_". */
void tbk_metric_gauge(tbk_text *text, const char *name, const char *help, double value);

#endif
