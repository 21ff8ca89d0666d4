/* SPDX-License-Identifier: MIT */
/* The drill: the newest copy is read back, or restored to a folder of ours and checked as a
 * database. */
#include "engine/offsite_internal.h"

#include "base/file.h"
#include "database/database.h"
#include "engine/verification.h"

#include <fcntl.h>
#include <inttypes.h>

#define SCRATCH "drill"
#define PHASE "offsite"
/* More than a fetch leaves free: nobody has asked for a drill, and the tracker may write to the
 * same disk meanwhile. */
#define SPARE_BYTES ((uint64_t)256 << 20)

typedef struct drill {
    offsite_work *work;
    const tbk_snapshot *snapshot;
    tbk_manifest manifest;
    tbk_proof_level level; /* that it is to reach, and then that it has reached */
    const char *damage;    /* what is wrong with the copy; NULL: nothing */
    const char *shortfall; /* why the level is not the one that was wanted; NULL: it is */
} drill;

/* --- the scratch folder --- */

static const char *scratch_of(const offsite_work *work)
{
    return tbk_arena_format(work->arena, "%s/" SCRATCH, work->request->folder);
}

void offsite_tidy_drill(const offsite_work *work)
{
    tbk_error why;
    if (!tbk_directory_remove_at(AT_FDCWD, scratch_of(work), &why))
        tbk_report_log(work->report, TBK_LOG_WARNING, PHASE,
                       "what a drill has restored is still there: %s", why.message);
}

/* The set, and its database unpacked beside it. */
static bool check_room(const drill *self, const char *folder, tbk_error *err)
{
    const offsite_work *work = self->work;
    uint64_t raw_bytes = tbk_manifest_database_bytes(&self->manifest);
    uint64_t beside = raw_bytes < UINT64_MAX - SPARE_BYTES ? raw_bytes + SPARE_BYTES : UINT64_MAX;
    return offsite_check_room(work->arena, work->request, self->snapshot, folder, beside, err);
}

/* --- restored --- */

static bool prove_restored(drill *self, const char *folder, tbk_error *err)
{
    const offsite_work *work = self->work;
    const tbk_database sqlite = tbk_database_sqlite(work->arena, NULL);
    tbk_auto(tbk_set) *set = NULL;
    tbk_proof proof;
    if (!tbk_set_open(folder, &set, err))
        return false;
    const tbk_prove_request request = {.set = set,
                                       .manifest = &self->manifest,
                                       .level = TBK_PROOF_RESTORED,
                                       .database = &sqlite,
                                       .scratch = scratch_of(work),
                                       .now_s = work->request->now_s,
                                       .report = work->report};
    if (!tbk_prove_set(work->arena, &request, &proof, err))
        return false;
    self->damage = proof.reason;
    return true;
}

/* What the repository says is damaged is an answer, as where it is read back. */
static bool bring_and_prove(drill *self, tbk_error *err)
{
    const offsite_work *work = self->work;
    const tbk_repository *it = work->repository;
    const char *folder =
        tbk_arena_format(work->arena, "%s/%s", scratch_of(work), self->snapshot->set);
    tbk_report_log(work->report, TBK_LOG_INFO, PHASE, "set %s is restored, and checked",
                   self->snapshot->set);
    if (!tbk_directory_make(folder, 0700, err) || !check_room(self, folder, err))
        return false;
    if (it->restore(it->self, self->snapshot, folder, err))
        return prove_restored(self, folder, err);
    self->damage = tbk_arena_copy(work->arena, err->message);
    return err->code == TBK_E_CORRUPT;
}

static bool restore_beside(drill *self, tbk_error *err)
{
    bool ok = bring_and_prove(self, err);
    offsite_tidy_drill(self->work);
    return ok;
}

/* --- one of both --- */

static bool read_back(drill *self, tbk_error *err)
{
    self->level = TBK_PROOF_CHECKSUMS;
    tbk_report_log(self->work->report, TBK_LOG_INFO, PHASE, "set %s is read back",
                   self->snapshot->set);
    return offsite_read_back(self->work, self->snapshot, &self->manifest, &self->damage, err);
}

/* That this machine cannot do it says nothing of the copy, and must not keep it unproved. */
static bool is_of_this_machine(tbk_error_code code)
{
    return code == TBK_E_SPACE || code == TBK_E_PARTIAL || code == TBK_E_TIMEOUT;
}

static void fall_short(drill *self, const char *why)
{
    self->shortfall = why;
    tbk_report_log(self->work->report, TBK_LOG_WARNING, PHASE,
                   "set %s is read back, and not restored: %s", self->snapshot->set, why);
}

static bool restore_or_read_back(drill *self, offsite_manner manner, tbk_error *err)
{
    if (self->manifest.driver != TBK_DRIVER_SQLITE) {
        fall_short(self, tbk_arena_format(self->work->arena,
                                          "a dump of %s is restored in a server, and there is none",
                                          tbk_driver_name(self->manifest.driver)));
        return read_back(self, err);
    }
    if (restore_beside(self, err))
        return true;
    if (manner == OFFSITE_AS_ASKED || !is_of_this_machine(err->code))
        return false;
    fall_short(self, tbk_arena_copy(self->work->arena, err->message));
    self->damage = NULL;
    return read_back(self, err);
}

static bool look(drill *self, offsite_manner manner, tbk_error *err)
{
    const offsite_work *work = self->work;
    if (!offsite_examine(work->arena, work->repository, self->snapshot, &self->manifest,
                         &self->damage, err))
        return false;
    if (self->damage != NULL)
        return true;
    return self->level == TBK_PROOF_RESTORED ? restore_or_read_back(self, manner, err)
                                             : read_back(self, err);
}

/* --- what becomes of it --- */

/* Its sizes are right: only this remembers that it is not whole. */
static void note_damage(const drill *self)
{
    offsite_work *work = self->work;
    const tbk_offsite_known known = {.snapshot = self->snapshot->id,
                                     .set = self->snapshot->set,
                                     .damage = self->damage,
                                     .profile = offsite_profile_of(self->snapshot),
                                     .database_bytes = (int64_t)offsite_bytes_of(self->snapshot)};
    offsite_doubt_all(&work->state);
    tbk_offsite_state_add_known(work->arena, &work->state, &known);
}

static void note_good(const drill *self)
{
    tbk_offsite_state *state = &self->work->state;
    state->drill_good_s = state->drill_s;
    if (self->level == TBK_PROOF_RESTORED)
        state->restored_s = state->drill_s;
    tbk_offsite_state_note_level(state, self->snapshot->id, self->level, state->drill_s);
}

bool offsite_drill(offsite_work *work, offsite_manner manner, tbk_error *err)
{
    tbk_offsite_state *state = &work->state;
    drill self = {.work = work,
                  .snapshot = offsite_newest_whole(work),
                  .level = tbk_offsite_drill_level(work->settings, work->request->config->driver)};
    if (self.snapshot == NULL)
        return true;
    if (!look(&self, manner, err))
        return false; /* nothing is known that was not before */
    state->drill_s = work->request->now_s;
    state->drill_set = self.snapshot->set;
    state->drill_level = self.level;
    state->drill_shortfall = self.shortfall;
    state->drill_error = self.damage;
    if (self.damage != NULL)
        note_damage(&self);
    else
        note_good(&self);
    return offsite_judge_drill(state, err);
}
