/* SPDX-License-Identifier: MIT */
/* What is said of a backup in the end: its error, and the record of the run. */
#include "engine/backup_internal.h"

#include "base/clock.h"
#include "store/last_run.h"

static bool fail_braked(const tbk_backup_cycle *self, tbk_error *err)
{
    const char *reason = self->brakes.damage;
    for (size_t i = 0; reason == NULL && i < self->brakes.count; i++)
        if (tbk_origin_equal(&self->brakes.list[i].origin, &self->origin))
            reason = self->brakes.list[i].reason;
    return tbk_fail(err, TBK_E_BRAKE,
                    self->request->config->environment != NULL
                        ? "restore an older set; or, if it is meant to be so: 'torrust-backup "
                          "acknowledge ENVIRONMENT'"
                        : "restore an older set; or, if it is meant to be so: "
                          "'torrust-backup-engine acknowledge --store DIR'",
                    "set %s is whole, but nothing is pruned: %s", self->manifest->id, reason);
}

/* What is right but not all that was to be done. */
static bool conclude_files(const tbk_backup_cycle *self, tbk_error *err)
{
    const char *fix = "see config_missing in its manifest; fix that, or name other paths";
    const tbk_files *files = self->request->files;
    if (self->unsaved.code != TBK_E_OK)
        return tbk_fail(err, TBK_E_PARTIAL, self->unsaved.fix,
                        "set %s has the database, but no configuration files: %s",
                        self->manifest->id, self->unsaved.message);
    size_t lost = files != NULL ? tbk_files_lost(files) : 0;
    return lost == 0 || tbk_fail(err, TBK_E_PARTIAL, fix,
                                 "set %s has the database, but not all configuration files: %zu "
                                 "left out or not whole, among them %s",
                                 self->manifest->id, lost, tbk_files_first_lost(files));
}

static bool conclude_whole(const tbk_backup_cycle *self, tbk_error *err)
{
    if (self->unproved.code != TBK_E_OK)
        return tbk_fail(err, TBK_E_PARTIAL, self->unproved.fix,
                        "set %s is whole, but the proof that was due could not be made: %s",
                        self->manifest->id, self->unproved.message);
    if (self->manifest->driver == TBK_DRIVER_MYSQL && self->manifest->mysql.missing != NULL)
        return tbk_fail(err, TBK_E_PARTIAL,
                        "put the root password that the server has into MYSQL_ROOT_PASSWORD in the "
                        "tracker's .env",
                        "set %s has all rows, but not all of the schema: %s", self->manifest->id,
                        self->manifest->mysql.missing);
    return conclude_files(self, err);
}

/* What is wrong although a whole set was published; pruning waits until all is well. */
bool tbk_backup_conclude(tbk_backup_cycle *self, tbk_error *err)
{
    if (self->capture.release.code != TBK_E_OK) {
        *err = self->capture.release;
        return tbk_error_context(err, "set %s is whole", self->manifest->id);
    }
    if (self->capture.change.code != TBK_E_OK) {
        *err = self->capture.change;
        return tbk_error_context(err, "set %s is whole", self->manifest->id);
    }
    if (!self->proof.ok)
        return tbk_fail(
            err, TBK_E_UNPROVED,
            "the tracker's own database is damaged: stop it and restore an older set, or save rows "
            "with the database's own tools (SQLite: 'sqlite3 FILE .recover')",
            "set %s holds what was captured, but %s", self->manifest->id, self->proof.reason);
    if (!tbk_backup_prune(self, err))
        return tbk_error_context(err, "set %s is whole; pruning", self->manifest->id);
    if (!conclude_whole(self, err))
        return false;
    self->is_good = true;
    return !tbk_brakes_hold(&self->brakes, &self->origin) || fail_braked(self, err);
}

/* The record is for monitoring: a failure to write it is a warning only. */
void tbk_backup_record(tbk_backup_cycle *self, int64_t started_ms, const tbk_error *error)
{
    tbk_error why;
    tbk_stored_set *list = NULL;
    tbk_last_run last = {.run_id = self->request->run_id,
                         .environment = self->request->config->environment,
                         .started_s = self->request->now_s,
                         .finished_s = tbk_clock_now_s(),
                         .duration_ms = tbk_clock_monotonic_ms() - started_ms,
                         .profile = self->request->config->profile,
                         .error = error,
                         .is_good = self->is_good,
                         .brakes = tbk_brakes_to_value(self->arena, &self->brakes, &self->origin),
                         .manifest = self->published ? self->manifest : NULL,
                         .proof = self->published ? &self->proof : NULL,
                         .held_ms = self->capture.held_ms,
                         .tracker_was_stopped = self->capture.tracker_was_stopped,
                         .pruned = self->pruned};
    if (!tbk_store_list(self->store, self->arena, &list, &why) ||
        !tbk_store_free_bytes(self->store, &last.store_free_bytes, &why))
        tbk_report_log(self->report, TBK_LOG_WARNING, "record", "%s", why.message);
    for (; list != NULL; list = list->next)
        last.sets++;
    if (!tbk_last_run_write(self->store, self->arena, &last, &why))
        tbk_report_log(self->report, TBK_LOG_WARNING, "record",
                       "the record of this run could not be written: %s", why.message);
}
