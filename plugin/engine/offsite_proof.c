/* SPDX-License-Identifier: MIT */
/* Proof that what is off-site can be read: the repository in parts, and one set as a whole. */
#include "engine/offsite_internal.h"

#include <inttypes.h>

#define PHASE "offsite"

/* Whatever was known to be whole may not be any more; what is known to be damaged is. */
static void doubt_all(tbk_offsite_state *state)
{
    size_t count = 0;
    for (size_t i = 0; i < state->known_count; i++)
        if (state->known[i].damage != NULL)
            state->known[count++] = state->known[i];
    state->known_count = count;
}

/* The look that found something missing may have been wrong, or the repository was repaired. */
static void look_again_at_partial(tbk_offsite_state *state)
{
    size_t count = 0;
    for (size_t i = 0; i < state->known_count; i++)
        if (state->known[i].lacks == NULL)
            state->known[count++] = state->known[i];
    state->known_count = count;
}

/* restic takes a damaged piece for one that it has, so that sending a set again mends nothing. */
static const char *const REPAIR =
    "docs/offsite.md says how to repair the repository; what is still on the VM is sent again then";

bool offsite_judge_check(const tbk_offsite_state *state, tbk_error *err)
{
    return state->check_error == NULL ||
           tbk_fail(err, TBK_E_UNPROVED, REPAIR, "the repository is damaged: %s",
                    state->check_error);
}

bool offsite_judge_drill(const tbk_offsite_state *state, tbk_error *err)
{
    return state->drill_error == NULL ||
           tbk_fail(err, TBK_E_UNPROVED, REPAIR, "set %s off-site is not what was sent: %s",
                    state->drill_set, state->drill_error);
}

bool offsite_check(offsite_work *work, tbk_error *err)
{
    tbk_offsite_state *state = &work->state;
    int64_t parts = work->settings->check_parts;
    int64_t part = state->check_part % parts + 1;
    tbk_report_log(work->report, TBK_LOG_INFO, PHASE,
                   "the repository is checked, with part %" PRId64 " of %" PRId64 " of its data",
                   part, parts);
    bool ok = work->repository->check(work->repository->self, part, parts, err);
    if (!ok && err->code != TBK_E_CORRUPT)
        return false; /* it could not be looked at */
    state->check_s = work->request->now_s;
    state->check_error = ok ? NULL : tbk_arena_copy(work->arena, err->message);
    if (ok) {
        state->check_part = part;
        state->check_good_s = state->check_s;
        look_again_at_partial(state);
        return true;
    }
    doubt_all(state);
    return offsite_judge_check(state, err);
}

/* Its sizes are right: only this remembers that it is not whole. */
static void note_damage(offsite_work *work, const tbk_snapshot *snapshot, const char *reason)
{
    const tbk_offsite_known known = {.snapshot = snapshot->id,
                                     .set = snapshot->set,
                                     .damage = reason,
                                     .profile = offsite_profile_of(snapshot),
                                     .database_bytes = (int64_t)offsite_bytes_of(snapshot)};
    doubt_all(&work->state);
    tbk_offsite_state_add_known(work->arena, &work->state, &known);
}

bool offsite_drill(offsite_work *work, tbk_error *err)
{
    tbk_offsite_state *state = &work->state;
    const tbk_snapshot *snapshot = offsite_newest_whole(work);
    const char *reason = NULL;
    if (snapshot == NULL)
        return true;
    tbk_report_log(work->report, TBK_LOG_INFO, PHASE, "set %s is read back", snapshot->set);
    if (!offsite_read_back(work, snapshot, &reason, err))
        return false;
    state->drill_s = work->request->now_s;
    state->drill_set = snapshot->set;
    state->drill_error = reason;
    if (reason == NULL) {
        state->drill_good_s = state->drill_s;
        return true;
    }
    note_damage(work, snapshot, reason);
    return offsite_judge_drill(state, err);
}
