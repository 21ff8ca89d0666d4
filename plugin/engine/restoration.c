/* SPDX-License-Identifier: MIT */
/* One restore, step by step. Whatever can take long or fail is done while the tracker still runs.
 */
#include "engine/restoration.h"

#include "base/clock.h"
#include "base/json.h"
#include "database/with_hold.h"
#include "engine/in_use.h"
#include "engine/verification.h"
#include "store/archive.h"
#include "store/last_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#define RECORD_SCHEMA 1
#define RECORD_NAME "last-restore.json"

typedef struct restoring {
    tbk_arena *arena;
    const tbk_restore_request *request;
    const tbk_report *report;
    tbk_store *store;
    tbk_database database;
    const tbk_stored_set *set;
    tbk_set *files;   /* of it */
    tbk_capture held; /* of which only what belongs to holds is used */
    tbk_restore_result *out;
} restoring;

/* --- the set --- */

static bool find_newest_full(restoring *self, const tbk_origin *origin, tbk_error *err)
{
    const tbk_set_kind full = {
        .origin = origin, .profile = TBK_PROFILE_FULL, .now_s = self->request->now_s};
    tbk_stored_set *sets;
    if (!tbk_store_list(self->store, self->arena, &sets, err))
        return false;
    const tbk_stored_set *newest = tbk_stored_set_first_of(sets, &full);
    self->out->newest_full = newest != NULL ? newest->id : NULL;
    return true;
}

/* A set that lacks rows on purpose is never put back without a word. */
static bool tell_profile(restoring *self, const tbk_origin *origin, tbk_error *err)
{
    const tbk_manifest *manifest = self->out->manifest;
    tbk_auto_text excluded = {0};
    if (!find_newest_full(self, origin, err))
        return false;
    for (size_t i = 0; i < manifest->selection_count; i++)
        if (manifest->selection[i].excluded_rows > 0)
            tbk_text_format(&excluded, "%s%" PRIu64 " of %s", excluded.length > 0 ? ", " : "",
                            (uint64_t)manifest->selection[i].excluded_rows,
                            manifest->selection[i].table);
    tbk_report_log(self->report, TBK_LOG_WARNING, "restore",
                   "set %s has the profile %s: rows that are left out: %s; the newest full set is "
                   "%s",
                   self->out->id, tbk_profile_name(manifest->profile),
                   excluded.length > 0 ? tbk_text_string(&excluded) : "none",
                   self->out->newest_full != NULL ? self->out->newest_full : "none");
    return true;
}

static bool find_in_store(restoring *self, const tbk_origin *origin, tbk_stored_set **out,
                          tbk_error *err)
{
    const tbk_set_choice choice = {
        .id = self->request->set, .origin = origin, .now_s = self->request->now_s};
    return tbk_store_find(self->store, self->arena, &choice, out, err) &&
           tbk_store_open_set(self->store, (*out)->id, &self->files, err);
}

static bool open_fetched(restoring *self, tbk_stored_set **out, tbk_error *err)
{
    tbk_manifest *manifest = TBK_ARENA_NEW(self->arena, tbk_manifest);
    tbk_stored_set *set = TBK_ARENA_NEW(self->arena, tbk_stored_set);
    if (!tbk_set_open(self->request->from, &self->files, err) ||
        !tbk_set_read_manifest(self->files, self->arena, manifest, err))
        return false;
    const char *name = strrchr(self->request->from, '/');
    if (name == NULL || strcmp(name + 1, manifest->id) != 0)
        return tbk_fail(err, TBK_E_UNPROVED, "fetch it again", "'%s' holds the set %s",
                        self->request->from, manifest->id);
    *set = (tbk_stored_set){.id = manifest->id, .path = self->request->from, .manifest = manifest};
    *out = set;
    return true;
}

static bool choose_set(restoring *self, tbk_error *err)
{
    const tbk_origin origin = tbk_database_origin(self->arena, self->request->config);
    tbk_stored_set *set = NULL;
    if (!(self->request->from != NULL ? open_fetched(self, &set, err)
                                      : find_in_store(self, &origin, &set, err)))
        return false;
    const tbk_origin made_by = tbk_origin_of(set->manifest);
    if (tbk_origin_differs(&origin, &made_by)) /* named on purpose, to move a tracker */
        tbk_report_log(self->report, TBK_LOG_WARNING, "restore", "set %s is of %s", set->id,
                       tbk_origin_words(self->arena, &made_by));
    if (set->manifest->driver != self->database.driver)
        return tbk_fail(err, TBK_E_CONFIG, "restore it by hand, into a database of its own kind",
                        "set %s is of %s, the database is not", set->id,
                        tbk_driver_name(set->manifest->driver));
    self->set = set;
    self->out->id = set->id;
    self->out->manifest = set->manifest;
    return set->manifest->profile == TBK_PROFILE_FULL || tell_profile(self, &origin, err);
}

static bool check_files(restoring *self, tbk_error *err)
{
    int64_t start_ms = tbk_clock_monotonic_ms();
    const tbk_prove_request request = {.set = self->files,
                                       .manifest = self->set->manifest,
                                       .level = TBK_PROOF_CHECKSUMS,
                                       .now_s = self->request->now_s,
                                       .report = self->report};
    tbk_proof proof;
    if (!tbk_prove_set(self->arena, &request, &proof, err))
        return false;
    self->out->prove_ms = tbk_clock_monotonic_ms() - start_ms;
    return proof.ok || tbk_fail(err, TBK_E_UNPROVED, "restore another set ('list' shows them)",
                                "set %s is not what was stored: %s", self->set->id, proof.reason);
}

/* --- beside the real database --- */

static bool restore_unpacked(restoring *self, const tbk_unpacked *unpacked, tbk_error *err)
{
    tbk_restored_check check = {0};
    if (!self->database.restore_to_staging(self->database.self, self->arena, unpacked,
                                           self->set->manifest, self->report, &check, err))
        return false;
    self->out->tables = check.tables;
    self->out->table_count = check.table_count;
    return check.wrong == NULL ||
           tbk_fail(err, TBK_E_UNPROVED, "restore another set ('list' shows them)", "set %s: %s",
                    self->set->id, check.wrong);
}

static const tbk_set_file *stored_file(const restoring *self)
{
    return tbk_manifest_file(self->set->manifest,
                             tbk_manifest_database_file(self->database.driver));
}

static bool unpack_to_file(restoring *self, const char *path, int in, tbk_error *err)
{
    tbk_set_file found;
    (void)unlink(path); /* of a restore that was killed */
    tbk_auto_fd int out = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                              "cannot write '%s'", path);
    if (!tbk_archive_extract(in, stored_file(self), out, "restore", self->report, &found, err))
        return false;
    return tbk_digest_equal(&found.raw, &stored_file(self)->raw) ||
           tbk_fail(err, TBK_E_UNPROVED, "restore it again, or another set",
                    "set %s changed while it was restored", self->set->id);
}

static bool restore_to_staging(restoring *self, tbk_error *err)
{
    tbk_auto_fd int in = -1;
    tbk_auto(tbk_archive_reader) *reader = NULL;
    tbk_unpacked unpacked = {0};
    if (!tbk_set_open_file(self->files, tbk_manifest_database_file(self->database.driver), &in,
                           err))
        return false;
    if (self->database.unpacked_name != NULL) {
        unpacked.path = self->database.staging_path(self->database.self, self->arena);
        return unpack_to_file(self, unpacked.path, in, err) &&
               restore_unpacked(self, &unpacked, err);
    }
    if (!tbk_archive_reader_open(in, stored_file(self), &reader, err))
        return false;
    const tbk_source source = tbk_archive_reader_source(reader);
    unpacked.source = &source;
    return restore_unpacked(self, &unpacked, err);
}

/* --- into its place --- */

static bool swap(void *self, const tbk_report *watched, tbk_error *err)
{
    restoring *work = self;
    return work->database.swap(work->database.self, work->arena, work->request->now_s, watched,
                               &work->out->kept, err);
}

/* A tracker that does not start on the restored database gets its old one back. */
static bool go_back(restoring *self, tbk_error *err)
{
    const tbk_hold *hold = self->request->hold;
    tbk_error why = self->held.release;
    tbk_report_log(self->report, TBK_LOG_WARNING, "restore",
                   "%s: the database of before is put back", why.message);
    if (!self->database.swap_back(self->database.self, self->arena, self->report, err))
        return tbk_error_context(err, "the tracker did not start (%s), and then", why.message);
    self->out->kept = NULL;
    if (!hold->release(hold->self, err))
        return tbk_error_context(err, "the database of before is in its place again, but");
    *err = why;
    err->code = TBK_E_FAILED;
    return tbk_error_context(
        err, "the tracker runs on the database of before, since it did not start on "
             "the restored one");
}

static bool swap_held(restoring *self, tbk_error *err)
{
    bool declined;
    const tbk_hold_work work = {.hold = self->request->hold,
                                .kind = TBK_HOLD_STOP,
                                .report = self->report,
                                .self = self,
                                .work = swap};
    bool ok = tbk_with_hold(&work, &self->held, &declined, err);
    self->out->held_ms = self->held.held_ms;
    self->out->tracker_was_stopped = self->held.tracker_was_stopped;
    return ok && (self->held.release.code == TBK_E_OK || go_back(self, err));
}

static bool restore(restoring *self, tbk_error *err)
{
    bool swaps = !self->request->dry_run;
    int64_t start_ms = tbk_clock_monotonic_ms();
    bool ok = restore_to_staging(self, err);
    self->out->load_ms = tbk_clock_monotonic_ms() - start_ms;
    ok = ok && tbk_report_go_on(self->report, err) && (!swaps || swap_held(self, err));
    /* After a swap nothing is left of it but an empty place. */
    self->database.discard(self->database.self, self->report);
    if (ok && swaps)
        tbk_report_log(self->report, TBK_LOG_INFO, "restore",
                       "set %s is in place; the database of before is kept: %s", self->set->id,
                       self->out->kept);
    return ok;
}

/* --- the record --- */

static tbk_value *rows_value(tbk_arena *arena, const tbk_restore_result *result)
{
    tbk_value *rows = tbk_value_map(arena);
    for (size_t i = 0; i < result->table_count; i++)
        tbk_value_set_integer(arena, rows, result->tables[i].table, result->tables[i].rows);
    return rows;
}

static void add_profile(tbk_arena *arena, tbk_value *map, const tbk_restore_result *result)
{
    const tbk_manifest *manifest = result->manifest;
    tbk_value *excluded = tbk_value_map(arena);
    if (manifest == NULL)
        return;
    for (size_t i = 0; i < manifest->selection_count; i++)
        tbk_value_set_integer(arena, excluded, manifest->selection[i].table,
                              (int64_t)manifest->selection[i].excluded_rows);
    tbk_value_set_string(arena, map, "profile", tbk_profile_name(manifest->profile));
    tbk_value_set(arena, map, "left_out", excluded);
    tbk_value_set_string(arena, map, "newest_full_set", result->newest_full);
}

tbk_value *tbk_restore_to_value(tbk_arena *arena, const tbk_restore_request *request,
                                const tbk_restore_result *result, const tbk_error *error)
{
    char at[TBK_CLOCK_TEXT_SIZE];
    tbk_value *map = tbk_value_map(arena);
    tbk_clock_format(request->now_s, at);
    tbk_value_set_integer(arena, map, "schema", RECORD_SCHEMA);
    tbk_value_set_string(arena, map, "run", request->run_id);
    tbk_value_set_string(arena, map, "started_at", tbk_arena_copy(arena, at));
    tbk_value_set_string(arena, map, "set", result->id);
    add_profile(arena, map, result);
    tbk_value_set_bool(arena, map, "dry_run", request->dry_run);
    tbk_value_set_integer(arena, map, "prove_ms", result->prove_ms);
    tbk_value_set_integer(arena, map, "load_ms", result->load_ms);
    tbk_value_set_integer(arena, map, "held_ms", result->held_ms);
    tbk_value_set_bool(arena, map, "tracker_was_stopped", result->tracker_was_stopped);
    tbk_value_set_string(arena, map, "kept", result->kept);
    tbk_value_set(arena, map, "rows", rows_value(arena, result));
    tbk_value_set_integer(arena, map, "exit_status",
                          error != NULL ? tbk_error_exit_status(error->code) : 0);
    tbk_value_set(arena, map, "error", tbk_run_error_value(arena, error));
    return map;
}

static void record(restoring *self, const tbk_error *error)
{
    tbk_auto_text text = {0};
    tbk_error why;
    tbk_json_write(&text, tbk_restore_to_value(self->arena, self->request, self->out, error), true);
    if (!tbk_store_write_state(self->store, RECORD_NAME, text.bytes, text.length, &why))
        tbk_report_log(self->report, TBK_LOG_WARNING, "record",
                       "the record of this restore could not be written: %s", why.message);
}

bool tbk_restore_run(tbk_arena *arena, const tbk_restore_request *request, const tbk_report *report,
                     tbk_restore_result *out, tbk_error *err)
{
    tbk_auto(tbk_store) *store = NULL;
    restoring self = {.arena = arena, .request = request, .report = report, .out = out};
    *out = (tbk_restore_result){0};
    if (request->hold == NULL && !request->dry_run)
        return tbk_fail(err, TBK_E_CONFIG,
                        "run it through the hook, or by hand as docs/restore-by-hand.md says",
                        "a restore needs the hook, which stops the tracker");
    if (!tbk_store_open(request->config->store, TBK_STORE_WRITE, &store, err))
        return false;
    self.store = store;
    bool ok = tbk_database_open(arena, request->config, NULL, report, &self.database, err) &&
              tbk_in_use_check(arena, request->tracker, request->config->database_path,
                               TBK_IN_USE_WAIT_MS, report, err) &&
              choose_set(&self, err) && check_files(&self, err) &&
              self.database.can_restore(self.database.self, err) && restore(&self, err);
    record(&self, ok ? NULL : err);
    tbk_set_close(self.files);
    return ok;
}
