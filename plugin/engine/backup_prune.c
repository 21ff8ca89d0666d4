/* SPDX-License-Identifier: MIT */
/* Retention, and the room that a new set needs. */
#include "engine/backup_internal.h"
#include "engine/space_estimate.h"

#include <inttypes.h>
#include <string.h>

/* --- pruning --- */

/* Those of one profile that are ours; what is damaged proves nothing. */
static size_t gather(const tbk_backup_cycle *self, const tbk_stored_set *list, tbk_profile profile,
                     tbk_retention_set **out)
{
    size_t count = 0;
    for (const tbk_stored_set *set = list; set != NULL; set = set->next)
        count++;
    *out = tbk_arena_alloc(self->arena, (count + 1) * sizeof **out);
    count = 0;
    for (const tbk_stored_set *set = list; set != NULL; set = set->next)
        if (tbk_stored_set_is_ours(set) && set->manifest->profile == profile &&
            tbk_origin_owns(&self->origin, set->manifest))
            (*out)[count++] = (tbk_retention_set){
                .id = set->id,
                .time_s = set->time_s,
                .is_new = self->published && strcmp(set->id, self->manifest->id) == 0,
                .proof = set->damage == NULL && set->proof.ok ? set->proof.level : TBK_PROOF_NONE};
    return count;
}

/* Each profile's newest and best proved sets stay, whatever there is of the other one. */
static bool prune_profile(tbk_backup_cycle *self, const tbk_stored_set *list, tbk_profile profile,
                          tbk_error *err)
{
    tbk_retention_set *sets;
    const tbk_retention_limits limits = {.keep_days = self->request->config->keep_days,
                                         .keep_last = self->request->config->keep_last};
    size_t count = gather(self, list, profile, &sets);
    tbk_retention_apply(self->arena, sets, count, &limits, self->request->now_s);
    for (size_t i = 0; i < count; i++) {
        tbk_report_log(self->report, sets[i].keep ? TBK_LOG_DETAIL : TBK_LOG_INFO, "prune",
                       "%s %s: %s", sets[i].keep ? "keeping" : "removing", sets[i].id,
                       sets[i].reason);
        if (sets[i].keep)
            continue;
        if (!tbk_store_remove(self->store, sets[i].id, err))
            return false;
        self->pruned++;
    }
    return true;
}

/* Reports the sets that retention never removes: the operator has to. */
static void tell_strangers(const tbk_backup_cycle *self, const tbk_stored_set *list)
{
    size_t others = 0;
    for (const tbk_stored_set *set = list; set != NULL; set = set->next) {
        if (set->manifest == NULL)
            tbk_report_log(self->report, TBK_LOG_WARNING, "prune",
                           "%s is left alone, it is no set of ours: %s", set->path, set->damage);
        else if (set->stranger != NULL)
            tbk_report_log(self->report, TBK_LOG_WARNING, "prune",
                           "%s is left alone, it holds a file that is not of a set: %s", set->path,
                           set->stranger);
        else
            others += !tbk_origin_owns(&self->origin, set->manifest);
    }
    if (others > 0)
        tbk_report_log(self->report, TBK_LOG_INFO, "prune",
                       "%zu sets are left alone: they are of other databases, or of a version that "
                       "did not note which",
                       others);
}

/* While the brake of either profile is on, older sets of both may be needed. */
bool tbk_backup_prune(tbk_backup_cycle *self, tbk_error *err)
{
    tbk_stored_set *list;
    if (tbk_brakes_hold(&self->brakes, &self->origin))
        return true;
    if (!tbk_store_list(self->store, self->arena, &list, err))
        return false;
    tell_strangers(self, list);
    return prune_profile(self, list, TBK_PROFILE_FULL, err) &&
           prune_profile(self, list, TBK_PROFILE_ESSENTIAL, err);
}

/* --- space --- */

static uint64_t needed_bytes(const tbk_backup_cycle *self, bool copies)
{
    tbk_space_estimate room =
        tbk_space_estimate_make(self->earlier, &self->kind, self->view.size_bytes);
    return tbk_space_estimate_needed_bytes(&room, copies, self->level == TBK_PROOF_RESTORED);
}

/* What would help is said, and nothing that would not: what may go is gone by now. */
static bool fail_space(const tbk_backup_cycle *self, uint64_t needed, uint64_t free_bytes,
                       tbk_error *err)
{
    bool is_held = tbk_brakes_hold(&self->brakes, &self->origin);
    return tbk_fail(
        err, TBK_E_SPACE,
        is_held ? "make room on the store's file system, or put the store elsewhere; "
                  "no older set goes while the brake is on ('status' tells why, "
                  "'acknowledge' takes it off)"
                : "make room on the store's file system, or put the store elsewhere; "
                  "the sets that keep_days and keep_last let go are gone already, and those "
                  "of other databases stay until you remove them ('list' shows them)",
        "the backup needs %" PRIu64 " MiB, '%s' has %" PRIu64 " MiB free", needed >> 20,
        tbk_store_path(self->store), free_bytes >> 20);
}

/* Expired sets go first where they are in the way of the next one; the floor stays. Configuration
 * files that do not fit are left out: they must not cost the database its backup. */
bool tbk_backup_need_space(tbk_backup_cycle *self, bool copies, tbk_error *err)
{
    uint64_t free_bytes, needed = needed_bytes(self, copies);
    if (!tbk_store_free_bytes(self->store, &free_bytes, err))
        return false;
    if (free_bytes < needed &&
        (!tbk_backup_prune(self, err) || !tbk_store_free_bytes(self->store, &free_bytes, err)))
        return tbk_error_context(err, "making room");
    if (free_bytes < needed)
        return fail_space(self, needed, free_bytes, err);
    if (self->request->files != NULL)
        tbk_files_limit(self->request->files, free_bytes - needed);
    return true;
}
