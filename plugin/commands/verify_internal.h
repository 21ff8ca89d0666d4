/* SPDX-License-Identifier: MIT */
/* What the parts of `verify` share: the job, its report, and the steps. */
#ifndef TBK_COMMANDS_VERIFY_INTERNAL_H
#define TBK_COMMANDS_VERIFY_INTERNAL_H

#include "commands/check.h"
#include "commands/host_facts.h"
#include "commands/verify.h"
#include "domain/manifest.h"

/* docs/schemas/report.schema.json; what is NULL is not told. */
typedef struct tbk_verify_report {
    const char *environment, *host, *at;
    bool proved;
    tbk_value *checks, *runs, *warnings; /* lists */
    const char *tracker_before, *tracker_after;
    const char *kept;         /* the folder of the set that stays here */
    int64_t healthy_after_ms; /* -1 before it was waited for */
    const tbk_value *proof_on_vm, *manifest, *proof_here, *live_tables;
    tbk_value *schedule; /* a map (commands/schedule_report.h), whose keys are the report's */
} tbk_verify_report;

typedef struct tbk_verify_job {
    tbk_arena *arena;
    const tbk_vm *vm;
    bool wait_for_cron, fetch_all, proves_offsite; /* as the input has them */
    const char *keep;
    tbk_host_facts facts;
    tbk_verify_report report;
    const char *set_id;           /* of the latest run */
    const char *run_id;           /* of the latest run */
    const tbk_manifest *manifest; /* of that set, fetched; NULL = not yet */
    uint32_t step;                /* the number of the current one */
    const char *first_failed;     /* name and detail; NULL = none */
    bool has_wrong;               /* not only what could not be looked at */
    tbk_error_code outcome;       /* why it failed, where that is more than "not proved" */
} tbk_verify_job;

/* --- the report --- */

/* Enters a check; a failed one by tbk_verify_failed or tbk_verify_unknown. */
void tbk_verify_note(tbk_verify_job *self, const char *name, tbk_check_state state,
                     const char *detail);
void tbk_verify_failed(tbk_verify_job *self, const char *name, const char *detail);
/* It could not be carried out: nothing is known then, of the set least of all. */
void tbk_verify_unknown(tbk_verify_job *self, const char *name, const char *why);
/* Enters it as ok or failed. */
void TBK_PRINTF(4, 5)
    tbk_verify_check(tbk_verify_job *self, const char *name, bool ok, const char *format, ...);

/* --- steps: verify_run.c; they fail when nothing could be found out --- */

/* A backup as cron starts it. */
bool tbk_verify_run_hook(tbk_verify_job *self, tbk_error *err) TBK_MUST_CHECK;
/* A backup in the sidecar, and what its endpoints say. */
bool tbk_verify_run_sidecar(tbk_verify_job *self, tbk_error *err) TBK_MUST_CHECK;
bool tbk_verify_endpoints(tbk_verify_job *self, tbk_error *err) TBK_MUST_CHECK;
/* A backup that cron itself starts. */
bool tbk_verify_await_cron(tbk_verify_job *self, tbk_error *err) TBK_MUST_CHECK;

/* --- steps: verify_proof.c --- */

bool tbk_verify_prove_on_vm(tbk_verify_job *self, tbk_error *err) TBK_MUST_CHECK;
bool tbk_verify_prove_here(tbk_verify_job *self, tbk_error *err) TBK_MUST_CHECK;
/* The set's rows compared with those of the live server. */
bool tbk_verify_compare_live(tbk_verify_job *self, tbk_error *err) TBK_MUST_CHECK;

/* --- steps: verify_offsite.c --- */

/* The set goes off-site, and is seen there. Starts the service where it waited for a first set. */
bool tbk_verify_follow_offsite(tbk_verify_job *self, tbk_error *err) TBK_MUST_CHECK;
/* The newest set there is proved, as deep as the options say. */
bool tbk_verify_drill_offsite(tbk_verify_job *self, tbk_error *err) TBK_MUST_CHECK;

#endif
