/* SPDX-License-Identifier: MIT */
/*
 * Load on a database: two processes with two writing connections each, and beside them one that
 * issues checkpoints of all kinds and one that vacuums. They die with this process.
 *
 * A process must have no connection open when it starts a load: SQLite's locks do not survive fork.
 */
#ifndef TBK_TESTS_TRIALS_LOAD_H
#define TBK_TESTS_TRIALS_LOAD_H

#include "base/auto.h"
#include "trials/history.h"

typedef struct load_plan {
    const char *database;
    const history *history;
    uint64_t seed;
    int64_t pause_us; /* of a connection between two transactions, at most */
    int cache_pages;  /* of every connection: what does not fit is spilled before the commit */
    bool synchronous; /* NORMAL, not OFF: slower commits */
    bool checkpoints;
    bool vacuums;
} load_plan;

typedef struct load load;

bool load_start(const load_plan *plan, load **out, tbk_error *err) TBK_MUST_CHECK;
/* Kills what still runs. */
void load_end(load *self);
TBK_AUTO_POINTER(load, load_end);
/* Lets all finish. Fails when one of them failed, or a transaction was refused as busy. */
bool load_stop(load *self, tbk_error *err) TBK_MUST_CHECK;

/* Waits until so many transactions more were committed; fails with TBK_E_TIMEOUT. */
bool load_await(load *self, int64_t transactions, tbk_error *err) TBK_MUST_CHECK;

/* Whatever is in the database now has a counter from committed to begun. */
int64_t load_committed(const load *self);
int64_t load_begun(const load *self);

/* Idle writers have their connections open and no transaction. Checkpoints go on. */
bool load_make_idle(load *self, tbk_error *err) TBK_MUST_CHECK;
/* Idle, and no checkpoint nor VACUUM either, to the end: none of the load's processes has a lock.
 */
bool load_make_still(load *self, tbk_error *err) TBK_MUST_CHECK;
void load_wake(load *self);

/* Stops all processes where they are, as a paused container's are. */
bool load_freeze(load *self, tbk_error *err) TBK_MUST_CHECK;
void load_thaw(load *self);

void load_sleep_us(int64_t microseconds);

#endif
