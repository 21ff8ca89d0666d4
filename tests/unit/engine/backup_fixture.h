/* SPDX-License-Identifier: MIT */
/* What tests of backups and restores share: the configuration, and a tracker's holder that is
 * played by the test. */
#ifndef TBK_TESTS_UNIT_BACKUP_FIXTURE_H
#define TBK_TESTS_UNIT_BACKUP_FIXTURE_H

#include "engine/backup.h"
#include "unit/databases.h"

#define START_S 1771264603 /* 20260216T175643Z */
#define DAY_S 86400

/* Every answer can be made to fail. */
typedef struct holder {
    bool refuses_pause, refuses_stop, was_stopped, is_lost, does_not_release, stays_down_once;
    int holds, releases;
    tbk_hold_kind kind; /* of the last hold */
} holder;

static inline bool holder_acquire(void *self, tbk_hold_kind kind, bool *out_was_stopped,
                                  tbk_error *err)
{
    holder *holding = self;
    if (kind == TBK_HOLD_PAUSE ? holding->refuses_pause : holding->refuses_stop)
        return tbk_fail(err, TBK_E_FAILED, NULL, "not today");
    holding->holds++;
    holding->kind = kind;
    *out_was_stopped = holding->was_stopped;
    return true;
}

static inline bool holder_check(void *self, tbk_error *err)
{
    return !((holder *)self)->is_lost || tbk_fail(err, TBK_E_INTERRUPTED, NULL, "the hook is gone");
}

static inline bool holder_release(void *self, tbk_error *err)
{
    holder *holding = self;
    holding->releases++;
    if (holding->does_not_release)
        return tbk_fail(err, TBK_E_TRACKER_DOWN, NULL, "it stays down");
    if (!holding->stays_down_once)
        return true;
    holding->stays_down_once = false;
    return tbk_fail(err, TBK_E_TRACKER_DOWN, NULL, "it does not start");
}

static inline tbk_hold hold_of(holder *self)
{
    return (tbk_hold){
        .self = self, .acquire = holder_acquire, .check = holder_check, .release = holder_release};
}

/* A SQLite database's backups; quick, and of one week. */
static inline tbk_engine_config sqlite_config(const char *database, const char *store)
{
    return (tbk_engine_config){.driver = TBK_DRIVER_SQLITE,
                               .database_path = database,
                               .store = store,
                               .keep_days = 7,
                               .keep_last = 3,
                               .compression_level = 1};
}

#endif
