/* SPDX-License-Identifier: MIT */
/* Locks in the repository: whose they are, and whether anybody still holds them. */
#include "engine/offsite_internal.h"

#include <string.h>

/* restic replaces the lock that it holds every five minutes by a new one, with another id; and
 * gives up what it does when it could not for about so long. */
#define STALE_LOCK_S (30 * 60)
#define PHASE "offsite"

typedef struct lock_owners {
    bool is_locked;
    const char *foreign, *foreign_live; /* the host of one; NULL: there is none */
} lock_owners;

/* Since when it has been there as it is. What was seen later than now was seen before the machine
 * started anew, which was longer ago than the time since. */
static int64_t seen_since_s(const offsite_work *work, const tbk_repository_lock *lock)
{
    const tbk_offsite_state *state = &work->state;
    int64_t now_s = work->request->uptime_s;
    for (size_t i = 0; i < state->lock_count; i++)
        if (strcmp(state->locks[i].id, lock->id) == 0 && state->locks[i].uptime_s <= now_s)
            return state->locks[i].uptime_s;
    return now_s;
}

/* The time in a lock is another machine's, and the time of this one may be wrong, too: neither says
 * how old it is. What does is how long it was seen here, by a clock that is never set. */
static void note_locks(offsite_work *work, const tbk_repository_lock *locks)
{
    tbk_offsite_state *state = &work->state;
    size_t count = 0;
    for (const tbk_repository_lock *lock = locks; lock != NULL; lock = lock->next)
        count++;
    tbk_offsite_seen *seen = tbk_arena_alloc(work->arena, (count + 1) * sizeof *seen);
    count = 0;
    for (const tbk_repository_lock *lock = locks; lock != NULL; lock = lock->next)
        seen[count++] = (tbk_offsite_seen){.id = lock->id, .uptime_s = seen_since_s(work, lock)};
    state->locks = seen;
    state->lock_count = count;
}

static bool look_at_locks(offsite_work *work, lock_owners *out, tbk_error *err)
{
    tbk_repository_lock *locks = NULL;
    if (!work->repository->locks(work->repository->self, work->arena, &locks, err))
        return false;
    note_locks(work, locks);
    *out = (lock_owners){.is_locked = locks != NULL};
    for (const tbk_repository_lock *lock = locks; lock != NULL; lock = lock->next) {
        if (tbk_offsite_state_has_host(&work->state, lock->host))
            continue;
        out->foreign = lock->host;
        if (work->request->uptime_s - seen_since_s(work, lock) < STALE_LOCK_S)
            out->foreign_live = lock->host;
    }
    return offsite_save(work, err);
}

/* With our folder's lock, whatever one of our containers has locked is a dead one's. Those of
 * others are stale once they were there, as they are, for the whole period; restic then looks at
 * them once more, by its own measure. It asks the process of a lock of its own host whether it
 * lives, by a signal, and no other host has our name. Once theirs are gone, ours can go. */
bool offsite_tidy_locks(offsite_work *work, tbk_error *err)
{
    lock_owners owners = {.foreign = NULL};
    for (int pass = 0; pass < 2; pass++) {
        if (!look_at_locks(work, &owners, err))
            return false;
        if (!owners.is_locked || owners.foreign_live != NULL)
            break;
        tbk_report_log(work->report, TBK_LOG_INFO, PHASE, "stale locks are removed");
        if (!work->repository->unlock(work->repository->self, owners.foreign == NULL, err))
            return false;
        if (owners.foreign == NULL)
            return true;
    }
    if (owners.foreign != NULL)
        tbk_report_log(work->report, TBK_LOG_INFO, PHASE, "'%s' has locked the repository",
                       owners.foreign_live != NULL ? owners.foreign_live : owners.foreign);
    return true;
}
