/* SPDX-License-Identifier: MIT */
/* Proof of the repository, a part of its data at a time; and what was found last. */
#include "engine/offsite_internal.h"

#include <inttypes.h>

#define PHASE "offsite"

void offsite_doubt_all(tbk_offsite_state *state)
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
           tbk_fail(err, TBK_E_UNPROVED, REPAIR, "set %s off-site is damaged: %s", state->drill_set,
                    state->drill_error);
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
    offsite_doubt_all(state);
    return offsite_judge_check(state, err);
}
