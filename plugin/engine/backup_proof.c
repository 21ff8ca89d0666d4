/* SPDX-License-Identifier: MIT */
/* The proof of a new set: which level is due, and what comes of it. */
#include "engine/backup_internal.h"

#include "base/clock.h"
#include "engine/verification.h"

#define DAY_S 86400

/* --- what is due --- */

/* Sets of another profile, or of another database, are another kind of thing: nothing of them is
 * compared with this one. Nor are damaged ones, and those from the future. */
static const tbk_stored_set *last_restored(const tbk_backup_cycle *self)
{
    const tbk_stored_set *set = tbk_stored_set_first_of(self->earlier, &self->kind);
    while (set != NULL && (set->proof.level != TBK_PROOF_RESTORED || !set->proof.ok))
        set = tbk_stored_set_first_of(set->next, &self->kind);
    return set;
}

static const tbk_stored_set *last_booted(const tbk_backup_cycle *self)
{
    const tbk_stored_set *set = tbk_stored_set_first_of(self->earlier, &self->kind);
    while (set != NULL && set->proof.booted.state != TBK_BOOT_PASSED)
        set = tbk_stored_set_first_of(set->next, &self->kind);
    return set;
}

/* An hour less, so that a run that comes a little early does not shift the proof by a day. */
static bool is_older_than(const tbk_backup_cycle *self, const tbk_stored_set *last,
                          int64_t every_days)
{
    return last == NULL || self->request->now_s - last->time_s >= every_days * DAY_S - 3600;
}

/* Also when the last try failed. Who wants no set restored by itself, as for want of room, wants no
 * tracker on one either. */
static bool is_boot_due(const tbk_backup_cycle *self)
{
    const tbk_engine_config *config = self->request->config;
    int64_t every_days =
        config->prove_restored_every_days > 0 ? config->prove_booted_every_days : 0;
    if (self->request->scratch_tracker == NULL || self->database.unpacked_name == NULL)
        return false;
    return self->request->boot ||
           (every_days > 0 && is_older_than(self, last_booted(self), every_days));
}

/* Whether rows were lost, or are back, only counting them tells. What is captured is known after
 * the capture only. */
static bool rows_matter(const tbk_backup_cycle *self)
{
    const tbk_stored_set *last = tbk_stored_set_first_of(self->earlier, &self->kind);
    return tbk_brakes_find(&self->brakes, &self->origin, self->kind.profile) != NULL ||
           (last != NULL && self->manifest->file_count > 0 &&
            tbk_brake_is_suspicious(last->manifest, self->manifest));
}

static tbk_proof_level level_due(const tbk_backup_cycle *self)
{
    int64_t every_days = self->request->config->prove_restored_every_days;
    bool is_due = rows_matter(self) || is_boot_due(self) ||
                  (every_days > 0 && is_older_than(self, last_restored(self), every_days));
    return is_due ? TBK_PROOF_RESTORED : TBK_PROOF_CHECKSUMS;
}

/* A proof that cannot be made here is not worth a failed backup; that it was not made is said. */
tbk_proof_level tbk_backup_level_possible(const tbk_backup_cycle *self)
{
    tbk_error why;
    tbk_proof_level due = level_due(self);
    if (due != TBK_PROOF_RESTORED || self->database.can_restore(self->database.self, &why))
        return due;
    tbk_report_log(self->report, TBK_LOG_WARNING, "begin",
                   "the set will not be proved by restoring it: %s%s%s", why.message,
                   why.fix[0] != '\0' ? ". Fix: " : "", why.fix);
    return TBK_PROOF_CHECKSUMS;
}

/* --- proof --- */

static bool prove_at(tbk_backup_cycle *self, tbk_proof_level level, tbk_proof *out, tbk_error *err)
{
    const tbk_prove_request request = {.set = self->set,
                                       .manifest = self->manifest,
                                       .level = level,
                                       .database = &self->database,
                                       .scratch = self->scratch,
                                       .tracker = is_boot_due(self) ? self->request->scratch_tracker
                                                                    : NULL,
                                       .now_s = tbk_clock_now_s(),
                                       .report = self->report};
    return tbk_prove_set(self->arena, &request, out, err);
}

/* A good set is not lost for it: the run is done in part only. */
static void tell_boot(tbk_backup_cycle *self)
{
    const tbk_boot_proof *booted = &self->proof.booted;
    if (booted->state == TBK_BOOT_NONE)
        return;
    tbk_report_log(self->report, booted->state == TBK_BOOT_PASSED ? TBK_LOG_INFO : TBK_LOG_WARNING,
                   "prove", "a tracker on the restored database: %s: %s",
                   tbk_boot_state_name(booted->state), booted->detail);
    if (booted->state == TBK_BOOT_FAILED)
        (void)tbk_fail(&self->unproved, TBK_E_PARTIAL,
                       "see whether the tracker that runs would start again: its image or its "
                       "configuration may have changed",
                       "no tracker came up on the restored database: %s", booted->detail);
}

/* What keeps a good set from being restored elsewhere (a server that is gone, or full) must not
 * cost the set: it is proved by its checksums then, and the run is done in part only. */
static bool prove_at_best(tbk_backup_cycle *self, tbk_proof_level *level, tbk_error *err)
{
    if (prove_at(self, *level, &self->proof, err))
        return true;
    if (*level != TBK_PROOF_RESTORED || err->code == TBK_E_INTERRUPTED)
        return false;
    self->unproved = *err;
    tbk_report_log(self->report, TBK_LOG_WARNING, "prove", "%s", err->message);
    *level = TBK_PROOF_CHECKSUMS;
    return prove_at(self, *level, &self->proof, err);
}

/* A set whose files are not what was captured is thrown away. One whose files are right but whose
 * database is damaged was damaged before: it is kept, it is all there is of that day, and says so.
 */
bool tbk_backup_prove(tbk_backup_cycle *self, tbk_error *err)
{
    tbk_proof_level level = rows_matter(self) ? tbk_backup_level_possible(self) : self->level;
    tbk_backup_phase_begin(self);
    if (!prove_at_best(self, &level, err))
        return tbk_error_context(err, "proving the new set");
    if (!self->proof.ok) {
        tbk_proof checksums = {.ok = false};
        if (level == TBK_PROOF_RESTORED && !prove_at(self, TBK_PROOF_CHECKSUMS, &checksums, err))
            return tbk_error_context(err, "proving the new set");
        if (!checksums.ok)
            return tbk_fail(err, TBK_E_UNPROVED, "look for disk or memory errors, then try again",
                            "the new set was not stored as it was captured: %s",
                            self->proof.reason);
    }
    tell_boot(self);
    if (!tbk_set_write_proof(self->set, self->arena, &self->proof, err))
        return false;
    tbk_backup_phase_end(self, "prove");
    return true;
}
