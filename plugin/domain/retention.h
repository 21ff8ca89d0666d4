/* SPDX-License-Identifier: MIT */
/* Which sets to keep, and why: decided from names and proofs, without touching storage. */
#ifndef TBK_DOMAIN_RETENTION_H
#define TBK_DOMAIN_RETENTION_H

#include "base/arena.h"
#include "domain/proof.h"

typedef struct tbk_retention_set {
    const char *id;
    int64_t time_s;        /* from its name */
    tbk_proof_level proof; /* none where the last proof failed, or the set is damaged */
    bool is_new;           /* made by this run: it stays, and no age counts from it */
    bool keep;             /* decided */
    const char *reason;    /* decided; for people */
} tbk_retention_set;

/* Whether a set of this time is from the future: then the clock was wrong once, or is wrong now. */
bool tbk_retention_is_future(int64_t time_s, int64_t now_s);

typedef struct tbk_retention_limits {
    int64_t keep_days; /* at least 1 */
    int64_t keep_last; /* that many of the newest proved sets stay, however old; at least 1 */
} tbk_retention_limits;

/*
 * Fills keep and reason of each set (any order; all of one database and one profile). A set is
 * dropped when it is older than keep_days; never the newest one (its age is 0), never one of the
 * keep_last newest that are proved, never the newest with the strongest proof there is, never one
 * from the future (the clock went back).
 *
 * Age is not told by the clock, which may have jumped, nor after a pause of the machine: it counts
 * from the newest earlier set that is not from the future. Of the time between two sets no more
 * counts than twice the usual time (their median), or a day where that is more.
 */
void tbk_retention_apply(tbk_arena *arena, tbk_retention_set *sets, size_t count,
                         const tbk_retention_limits *limits, int64_t now_s);

#endif
