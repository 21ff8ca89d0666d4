/* SPDX-License-Identifier: MIT */
/* Which sets to keep, and why: decided from names and proofs, without touching storage. */
#ifndef TBK_DOMAIN_RETENTION_H
#define TBK_DOMAIN_RETENTION_H

#include "base/arena.h"
#include "domain/manifest.h"

typedef struct tbk_retention_set {
    const char *id;
    int64_t time_s;        /* from its name */
    tbk_proof_level proof; /* none where the last proof failed */
    bool keep;             /* decided */
    const char *reason;    /* decided; for people */
} tbk_retention_set;

/*
 * Fills keep and reason of each set (any order). A set is dropped when it is older than keep_days
 * at now_s; never the newest one, never the newest with the strongest proof there is, never one
 * from the future (the clock went back). keep_days is at least 1.
 */
void tbk_retention_apply(tbk_arena *arena, tbk_retention_set *sets, size_t count, int64_t keep_days,
                         int64_t now_s);

#endif
