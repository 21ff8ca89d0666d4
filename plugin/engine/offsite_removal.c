/* SPDX-License-Identifier: MIT */
/* What goes off-site, and the space that it had. */
#include "engine/offsite_internal.h"

#include "store/brake.h"

#include <string.h>

#define PRUNE_EVERY_DAYS 7
#define PHASE "offsite"

/* What a bad check or drill says is a reason to keep all that there is. */
static bool trusts_repository(const offsite_work *work)
{
    const tbk_offsite_state *state = &work->state;
    return work->settings->access == TBK_ACCESS_READ_WRITE &&
           state->check_s == state->check_good_s && state->drill_s == state->drill_good_s;
}

static bool may_remove(offsite_work *work)
{
    tbk_offsite_state *state = &work->state;
    const tbk_offsite_copies past = offsite_past_copies(work);
    state->brake = tbk_offsite_brake(work->arena, &past, state->accepted_s);
    if (state->brake != NULL)
        tbk_report_log(work->report, TBK_LOG_WARNING, PHASE,
                       "nothing is removed off-site: %s; if that is as it should be: "
                       "torrust-backup offsite accept ENVIRONMENT",
                       state->brake);
    return state->brake == NULL && trusts_repository(work);
}

/* The store's own brake stops removal here too. */
static bool store_brakes(const offsite_work *work)
{
    tbk_auto(tbk_store) *store = NULL;
    tbk_error ignored;
    tbk_brakes brakes = {.list = NULL};
    if (!tbk_store_open(work->request->config->store, TBK_STORE_READ, &store, &ignored))
        return true;
    tbk_brakes_read(store, work->arena, &brakes);
    return brakes.damage != NULL || brakes.count > 0;
}

static const char *const *dropped(offsite_work *work, size_t *out_count)
{
    const char **ids = tbk_arena_alloc(work->arena, (work->copies.count + 1) * sizeof *ids);
    size_t count = 0;
    tbk_offsite_retain(work->settings, &work->copies, work->request->now_s);
    for (size_t i = 0; i < work->copies.count; i++) {
        const tbk_offsite_copy *copy = &work->copies.list[i];
        if (copy->keep)
            continue;
        tbk_report_log(work->report, TBK_LOG_INFO, PHASE, "set %s is removed off-site: %s",
                       copy->id, copy->reason);
        ids[count++] = copy->snapshot;
    }
    ids[count] = NULL;
    *out_count = count;
    return ids;
}

/* A good copy comes before each removal: one that is newer than what could not be sent. */
static bool lacks_the_newest(const offsite_work *work)
{
    const tbk_snapshot *newest = offsite_newest_whole(work);
    return newest == NULL || (work->left_count > 0 && strcmp(work->left[0], newest->set) > 0);
}

/* Where the store shows no set, its disk may not be mounted, and nothing is known of it. */
static bool has_reason_to_keep(offsite_work *work)
{
    return work->gap != NULL || work->is_shared || !may_remove(work) || store_brakes(work) ||
           work->store_sets == 0 || lacks_the_newest(work);
}

static bool forget_old(offsite_work *work, size_t *out_count, tbk_error *err)
{
    const char *const *ids = dropped(work, out_count);
    if (*out_count > 0 && (!work->repository->forget(work->repository->self, ids, err) ||
                           !offsite_look(work, err) || !offsite_judge_gap(work->gap, err)))
        return tbk_error_context(err, "removing old sets off-site");
    for (size_t i = 0; i < *out_count; i++)
        if (offsite_find_snapshot(work, ids[i]) != NULL)
            return tbk_fail(err, TBK_E_PARTIAL,
                            "write 'access: append_only' into 'offsite', and remove old sets by "
                            "other credentials",
                            "sets that were to be removed off-site are still there: the "
                            "credentials may only add");
    return true;
}

static bool prune(offsite_work *work, tbk_error *err)
{
    if (!work->repository->prune(work->repository->self, err))
        return tbk_error_context(err, "giving back space off-site");
    work->state.prune_s = work->request->now_s;
    return true;
}

bool offsite_remove_old(offsite_work *work, tbk_error *err)
{
    int64_t pruned_s = work->state.prune_s;
    size_t count = 0;
    if (has_reason_to_keep(work))
        return true;
    if (!forget_old(work, &count, err))
        return false;
    bool is_due = tbk_offsite_is_due(pruned_s, PRUNE_EVERY_DAYS, work->request->now_s);
    return !is_due || (count == 0 && pruned_s == 0) || prune(work, err);
}

void offsite_make_room(offsite_work *work)
{
    tbk_error why;
    size_t count = 0;
    if (has_reason_to_keep(work))
        return;
    tbk_report_log(work->report, TBK_LOG_INFO, PHASE, "there is no room: space is given back");
    if (!forget_old(work, &count, &why) || !prune(work, &why))
        tbk_report_log(work->report, TBK_LOG_WARNING, PHASE, "no space could be given back: %s",
                       why.message);
}
