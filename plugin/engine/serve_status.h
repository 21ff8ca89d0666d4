/* SPDX-License-Identifier: MIT */
/* What the sidecar says of itself: health for Docker and people, metrics for Prometheus. */
#ifndef TBK_ENGINE_SERVE_STATUS_H
#define TBK_ENGINE_SERVE_STATUS_H

#include "store/last_run.h"

typedef enum tbk_serve_state {
    TBK_SERVE_WAITING,       /* for the next time of the schedule */
    TBK_SERVE_RUNNING,       /* a backup that it has started goes on */
    TBK_SERVE_NO_DATABASE,   /* there is none yet; it looks again and again */
    TBK_SERVE_DATABASE_GONE, /* there was one, and backups of it: runs are due, and fail */
    TBK_SERVE_NO_CONFIG      /* the configuration cannot be read, or is not the sidecar's */
} tbk_serve_state;

/* Of a profile that has a schedule. */
typedef struct tbk_serve_profile {
    bool is_scheduled;
    int64_t known_s;       /* since when its schedule is */
    int64_t overdue_gap_s; /* a last success that is older is too old */
    /* When a run of serve's ended that failed and left no record (the store was gone); 0: the
     * record tells all. */
    int64_t failed_s;
    int failed_status;
} tbk_serve_profile;

/* Plain memory: one process writes it, another one shows it. */
typedef struct tbk_serve_status {
    tbk_serve_state state;
    char problem[256];                        /* of TBK_SERVE_NO_CONFIG */
    int64_t started_s;                        /* of serve; all times are of the wall clock */
    int64_t next_due_s;                       /* 0: not known */
    tbk_serve_profile profiles[TBK_PROFILES]; /* by tbk_profile */
    uint64_t good, failed;                    /* runs since started_s */
    tbk_run_facts last;                       /* of the last run, however it was started */
} tbk_serve_status;

/* Appends one JSON object, and returns whether all is well: the configuration is there, the last
 * run of each profile was good, and not too long ago; the brake of retention is off. That there is
 * no database yet is well; that it is gone is not. */
bool tbk_serve_health(tbk_text *text, const tbk_serve_status *status, int64_t now_s);

/* Appends Prometheus' text format. */
void tbk_serve_metrics(tbk_text *text, const tbk_serve_status *status);

#endif
