/* SPDX-License-Identifier: MIT */
/* One backup, step by step. Whatever can be known to fail is looked at before the tracker is held.
 */
#include "engine/backup.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "database/database.h"
#include "database/sqlite/sqlite.h"
#include "database/throttle.h"
#include "engine/in_use.h"
#include "engine/space_estimate.h"
#include "engine/verification.h"
#include "store/archive.h"
#include "store/brake.h"
#include "store/last_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define SET_FILE_MODE 0640
#define DAY_S 86400

typedef struct cycle {
    tbk_arena *arena;
    const tbk_backup_request *request;
    const tbk_report *report; /* keeps to the rate limit */
    const tbk_report *prompt; /* the same without one, for what must not take long */
    tbk_store *store;
    tbk_stored_set *earlier; /* the newest first; NULL when this is the first */
    const char *set_path;    /* hidden until published */
    const char *scratch;
    tbk_database database;
    tbk_origin origin;      /* which database of which environment */
    tbk_set_kind kind;      /* what the new set is compared with */
    tbk_brakes brakes;      /* of retention; of other databases too */
    bool is_good;           /* done as it should be; the brake may be on */
    tbk_database_view view; /* as it was before the capture */
    tbk_proof_level level;  /* that is due, and can be reached */
    tbk_capture capture;
    tbk_manifest *manifest;
    tbk_proof proof;
    bool published;
    tbk_error unsaved;  /* code TBK_E_OK, or why the set has no configuration files */
    tbk_error unproved; /* code TBK_E_OK, or why the proof that was due could not be made */
    size_t pruned;
    int64_t phase_started_ms;
} cycle;

/* --- phases and their times --- */

static void phase_ended(void *self, const char *name, int64_t started_ms)
{
    tbk_manifest *manifest = ((cycle *)self)->manifest;
    if (manifest->phase_count == TBK_MANIFEST_PHASES_MAX)
        return;
    manifest->phases[manifest->phase_count++] =
        (tbk_phase_time){.name = name, .duration_ms = tbk_clock_monotonic_ms() - started_ms};
}

static void phase_begin(cycle *self) { self->phase_started_ms = tbk_clock_monotonic_ms(); }

static void phase_end(cycle *self, const char *name)
{
    phase_ended(self, name, self->phase_started_ms);
}

/* --- before the hold --- */

/* Sets of another profile, or of another database, are another kind of thing: nothing of them is
 * compared with this one. Nor are damaged ones, and those from the future. */
static const tbk_stored_set *last_restored(const cycle *self)
{
    const tbk_stored_set *set = tbk_stored_set_first_of(self->earlier, &self->kind);
    while (set != NULL && (set->proof.level != TBK_PROOF_RESTORED || !set->proof.ok))
        set = tbk_stored_set_first_of(set->next, &self->kind);
    return set;
}

/* Whether rows were lost, or are back, only counting them tells. What is captured is known after
 * the capture only. */
static bool rows_matter(const cycle *self)
{
    const tbk_stored_set *last = tbk_stored_set_first_of(self->earlier, &self->kind);
    return tbk_brakes_find(&self->brakes, &self->origin, self->kind.profile) != NULL ||
           (last != NULL && self->manifest->file_count > 0 &&
            tbk_brake_is_suspicious(last->manifest, self->manifest));
}

static tbk_proof_level level_due(const cycle *self)
{
    int64_t every_days = self->request->config->prove_restored_every_days;
    const tbk_stored_set *last = last_restored(self);
    if (rows_matter(self))
        return TBK_PROOF_RESTORED;
    if (every_days == 0)
        return TBK_PROOF_CHECKSUMS;
    if (last == NULL)
        return TBK_PROOF_RESTORED;
    /* An hour less, so that a run that comes a little early does not shift the proof by a day. */
    int64_t age_s = self->request->now_s - last->time_s;
    return age_s >= every_days * DAY_S - 3600 ? TBK_PROOF_RESTORED : TBK_PROOF_CHECKSUMS;
}

/* A proof that cannot be made here is not worth a failed backup; that it was not made is said. */
static tbk_proof_level level_possible(const cycle *self)
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

/* --- pruning --- */

/* Those of one profile that are ours; what is damaged proves nothing. */
static size_t gather(const cycle *self, const tbk_stored_set *list, tbk_profile profile,
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
static bool prune_profile(cycle *self, const tbk_stored_set *list, tbk_profile profile,
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

/* What retention never touches, and nobody else will: that it is there is said. */
static void tell_strangers(const cycle *self, const tbk_stored_set *list)
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
static bool prune(cycle *self, tbk_error *err)
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

static uint64_t needed_bytes(const cycle *self, bool copies)
{
    tbk_space_estimate room =
        tbk_space_estimate_make(self->earlier, &self->kind, self->view.size_bytes);
    return tbk_space_estimate_needed_bytes(&room, copies, self->level == TBK_PROOF_RESTORED);
}

/* What would help is said, and nothing that would not: what may go is gone by now. */
static bool fail_space(const cycle *self, uint64_t needed, uint64_t free_bytes, tbk_error *err)
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
static bool need_space(cycle *self, bool copies, tbk_error *err)
{
    uint64_t free_bytes, needed = needed_bytes(self, copies);
    if (!tbk_store_free_bytes(self->store, &free_bytes, err))
        return false;
    if (free_bytes < needed &&
        (!prune(self, err) || !tbk_store_free_bytes(self->store, &free_bytes, err)))
        return tbk_error_context(err, "making room");
    if (free_bytes < needed)
        return fail_space(self, needed, free_bytes, err);
    if (self->request->files != NULL)
        tbk_files_limit(self->request->files, free_bytes - needed);
    return true;
}

static bool has_space_for_copy(void *self, tbk_error *err) { return need_space(self, true, err); }

/* Nobody is stopped for what is so already. */
static tbk_journal_mode mode_to_change(const cycle *self)
{
    tbk_journal_mode wanted = self->request->journal_mode;
    if (wanted == TBK_JOURNAL_AS_IT_IS || wanted != self->view.journal_mode)
        return wanted;
    tbk_report_log(self->report, TBK_LOG_INFO, "begin", "the journal mode is %s already",
                   tbk_journal_mode_name(wanted));
    return TBK_JOURNAL_AS_IT_IS;
}

/* The rules of the profile; NULL: all is kept. */
static const tbk_rules *rules_of(const cycle *self)
{
    const tbk_engine_config *config = self->request->config;
    return config->profile == TBK_PROFILE_ESSENTIAL ? &config->essential : NULL;
}

static bool check_journal_mode(const cycle *self, tbk_error *err)
{
    return self->request->journal_mode == TBK_JOURNAL_AS_IT_IS ||
           self->database.driver == TBK_DRIVER_SQLITE ||
           tbk_fail(err, TBK_E_CONFIG, "leave --journal-mode out", "MySQL has no journal mode");
}

static bool begin(cycle *self, tbk_error *err)
{
    const tbk_backup_request *request = self->request;
    const char *id;
    if (!tbk_store_list(self->store, self->arena, &self->earlier, err) ||
        !tbk_database_open(self->arena, request->config, request->scratch_server, self->report,
                           &self->database, err) ||
        !check_journal_mode(self, err) || !tbk_store_probe(self->store, self->report, err) ||
        !self->database.inspect(self->database.self, self->arena, rules_of(self), &self->view,
                                err) ||
        !tbk_in_use_check(self->arena, request->tracker, request->config->database_path,
                          TBK_IN_USE_WAIT_MS, self->report, err))
        return false;
    self->level = level_possible(self);
    if (!need_space(self, false, err) ||
        !tbk_store_begin(self->store, self->arena, request->now_s, &id, &self->set_path, err) ||
        !tbk_store_scratch(self->store, self->arena, &self->scratch, err))
        return false;
    *self->manifest = (tbk_manifest){.id = id,
                                     .profile = request->config->profile,
                                     .run_id = request->run_id,
                                     .environment = request->config->environment,
                                     .engine_version = TBK_VERSION,
                                     .sqlite_version = tbk_sqlite_version(),
                                     .zstd_version = tbk_archive_zstd_version(),
                                     .driver = self->database.driver,
                                     .location = self->origin.location};
    tbk_report_log(self->report, TBK_LOG_INFO, "begin", "backing up %s as set %s", self->view.words,
                   id);
    return true;
}

/* --- the database --- */

static bool create_in_set(const cycle *self, const char *name, int *out_fd, tbk_error *err)
{
    const char *path = tbk_arena_format(self->arena, "%s/%s", self->set_path, name);
    *out_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, SET_FILE_MODE);
    if (*out_fd < 0)
        return tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                              "cannot make '%s'", path);
    return true;
}

static tbk_set_file *new_file(cycle *self)
{
    return &self->manifest->files[self->manifest->file_count++];
}

static const char *database_file(const cycle *self)
{
    return tbk_manifest_database_file(self->database.driver);
}

/* What a try before this one left counts for nothing. */
static void discard_database(cycle *self)
{
    (void)unlink(tbk_arena_format(self->arena, "%s/%s", self->set_path, database_file(self)));
    self->manifest->file_count = 0;
}

static bool store_source(void *self, const tbk_source *source, const char *phase,
                         const tbk_report *report, tbk_error *err)
{
    cycle *run = self;
    tbk_auto_fd int out = -1;
    discard_database(run);
    if (!create_in_set(run, database_file(run), &out, err))
        return false;
    tbk_set_file *file = new_file(run);
    if (!tbk_archive_store(source, out, (int)run->request->config->compression_level, phase, report,
                           file, err))
        return false;
    file->name = database_file(run);
    return true;
}

static bool capture(cycle *self, tbk_error *err)
{
    const tbk_backup_request *request = self->request;
    const tbk_capture_request wanted = {.scratch = self->scratch,
                                        .method = request->config->method,
                                        .holds_nothing = request->holds_nothing,
                                        .hold = request->holds_nothing ? NULL : request->hold,
                                        .journal_mode = mode_to_change(self),
                                        .rules = rules_of(self),
                                        .report = self->report,
                                        .prompt = self->prompt,
                                        .self = self,
                                        .store = store_source,
                                        .has_space = has_space_for_copy,
                                        .phase_ended = phase_ended};
    self->capture = (tbk_capture){.reason = ""};
    bool ok =
        self->database.capture(self->database.self, self->arena, &wanted, &self->capture, err);
    self->manifest->method = self->capture.method;
    self->manifest->method_reason = self->capture.reason;
    self->manifest->tracker_was_stopped = self->capture.tracker_was_stopped;
    self->manifest->held_ms = self->capture.held_ms;
    self->manifest->sqlite = self->capture.sqlite;
    self->manifest->mysql = self->capture.mysql;
    self->manifest->selection = self->capture.selection;
    self->manifest->selection_count = self->capture.selection_count;
    return ok;
}

/* --- the configuration files --- */

static bool write_files(cycle *self, tbk_set_file *file, tbk_error *err)
{
    tbk_auto_fd int out = -1;
    tbk_auto(tbk_archive_writer) *writer = NULL;
    return create_in_set(self, TBK_SET_CONFIG_FILE, &out, err) &&
           tbk_archive_writer_open(out, (int)self->request->config->compression_level, 1, &writer,
                                   err) &&
           tbk_files_store(self->request->files, self->scratch, writer, self->prompt, err) &&
           tbk_archive_writer_finish(writer, file, err);
}

/* The set goes without them. */
static bool discard_files(cycle *self, tbk_error *err)
{
    const char *path = tbk_arena_format(self->arena, "%s/" TBK_SET_CONFIG_FILE, self->set_path);
    self->manifest->file_count--;
    self->unsaved = *err;
    tbk_report_log(self->report, TBK_LOG_WARNING, "config",
                   "the configuration files are not saved: %s", err->message);
    return unlink(path) == 0 || errno == ENOENT ||
           tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot remove '%s'", path);
}

static void tell_missing(const cycle *self)
{
    for (const char **note = self->manifest->config_missing; *note != NULL; note++)
        tbk_report_log(self->report, TBK_LOG_WARNING, "config", "configuration files: %s", *note);
}

static bool store_files(cycle *self, tbk_error *err)
{
    if (self->request->files == NULL)
        return true;
    phase_begin(self);
    tbk_set_file *file = new_file(self);
    if (write_files(self, file, err))
        file->name = TBK_SET_CONFIG_FILE;
    else if (err->code == TBK_E_INTERRUPTED || !discard_files(self, err))
        return tbk_error_context(err, "saving the configuration files");
    self->manifest->config_missing = tbk_files_missing(self->request->files);
    tell_missing(self);
    phase_end(self, "config");
    return true;
}

/* --- what describes the set --- */

static bool write_in_set(const cycle *self, const char *name, const tbk_text *text, tbk_error *err)
{
    const char *path = tbk_arena_format(self->arena, "%s/%s", self->set_path, name);
    return tbk_file_publish(path, text->bytes, text->length, SET_FILE_MODE, err);
}

static bool describe(cycle *self, tbk_error *err)
{
    tbk_auto_text manifest = {0}, sums = {0};
    tbk_digest digest;
    tbk_json_write(&manifest, tbk_manifest_to_value(self->arena, self->manifest), true);
    tbk_digest_of(manifest.bytes, manifest.length, &digest);
    for (size_t i = 0; i < self->manifest->file_count; i++)
        tbk_text_format(&sums, "%s  %s\n", self->manifest->files[i].stored.hex,
                        self->manifest->files[i].name);
    tbk_text_format(&sums, "%s  %s\n", digest.hex, TBK_SET_MANIFEST_FILE);
    return write_in_set(self, TBK_SET_MANIFEST_FILE, &manifest, err) &&
           write_in_set(self, TBK_SET_SUMS_FILE, &sums, err);
}

/* --- proof --- */

static bool prove_at(cycle *self, tbk_proof_level level, tbk_proof *out, tbk_error *err)
{
    return tbk_prove_set(self->arena, &self->database, self->set_path, self->manifest, level,
                         self->scratch, tbk_clock_now_s(), self->report, out, err);
}

/* What keeps a good set from being restored elsewhere (a server that is gone, or full) must not
 * cost the set: it is proved by its checksums then, and the run is done in part only. */
static bool prove_at_best(cycle *self, tbk_proof_level *level, tbk_error *err)
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
static bool prove(cycle *self, tbk_error *err)
{
    tbk_auto_text text = {0};
    tbk_proof_level level = rows_matter(self) ? level_possible(self) : self->level;
    phase_begin(self);
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
    tbk_json_write(&text, tbk_proof_to_value(self->arena, &self->proof), true);
    if (!write_in_set(self, TBK_SET_PROOF_FILE, &text, err))
        return false;
    phase_end(self, "prove");
    return true;
}

/* --- publish --- */

static bool publish(cycle *self, tbk_error *err)
{
    phase_begin(self);
    if (!tbk_store_publish(self->store, self->manifest->id, err))
        return tbk_error_context(err, "publishing the set");
    self->published = true;
    phase_end(self, "publish");
    tbk_report_log(self->report, TBK_LOG_INFO, "publish", "set %s is published, proved: %s",
                   self->manifest->id, tbk_proof_level_name(self->proof.level));
    return true;
}

/* Before the set is published: should this run die, the next one does not take the emptied database
 * for what there was before. */
static bool judge_drop(cycle *self, tbk_error *err)
{
    const tbk_brake_request request = {.store = self->store,
                                       .kind = self->kind,
                                       .earlier = self->earlier,
                                       .manifest = self->manifest,
                                       .proof = &self->proof,
                                       .report = self->report};
    return !self->proof.ok || tbk_brake_judge(self->arena, &request, &self->brakes, err);
}

/* --- the cycle --- */

static bool fail_braked(const cycle *self, tbk_error *err)
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
static bool conclude_files(const cycle *self, tbk_error *err)
{
    const char *fix = "see config_missing in its manifest; mend that, or name other paths";
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

static bool conclude_whole(const cycle *self, tbk_error *err)
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
static bool conclude(cycle *self, tbk_error *err)
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
    if (!prune(self, err))
        return tbk_error_context(err, "set %s is whole; pruning", self->manifest->id);
    if (!conclude_whole(self, err))
        return false;
    self->is_good = true;
    return !tbk_brakes_hold(&self->brakes, &self->origin) || fail_braked(self, err);
}

static bool make_set(cycle *self, tbk_error *err)
{
    return capture(self, err) && tbk_report_go_on(self->report, err) && store_files(self, err) &&
           describe(self, err) && prove(self, err) && tbk_report_go_on(self->report, err) &&
           judge_drop(self, err) && publish(self, err);
}

static bool run(cycle *self, tbk_error *err)
{
    if (!begin(self, err))
        return false;
    if (make_set(self, err))
        return conclude(self, err);
    if (!self->published)
        tbk_store_abandon(self->store, self->manifest->id);
    /* The release comes first: an operator must hear of it whatever else failed. */
    if (self->capture.release.code != TBK_E_OK) {
        char why[sizeof err->message];
        (void)snprintf(why, sizeof why, "%s", err->message);
        *err = self->capture.release;
        (void)tbk_error_context(err, "the backup failed (%s), and", why);
    }
    return false;
}

/* The record is for those who watch: that it cannot be written is said, and changes nothing else.
 */
static void record(cycle *self, int64_t started_ms, const tbk_error *error)
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

static void fill_result(const cycle *self, tbk_backup_result *out)
{
    *out = (tbk_backup_result){
        .id = self->manifest->id,
        .path =
            tbk_arena_format(self->arena, "%s/%s", tbk_store_path(self->store), self->manifest->id),
        .manifest = self->manifest,
        .proof = self->proof,
        .pruned = self->pruned,
    };
}

/* Before anything can fail: the record tells of the brakes whatever comes of the run. */
static void learn_kind(cycle *self)
{
    self->origin = tbk_database_origin(self->arena, self->request->config);
    self->kind = (tbk_set_kind){.origin = &self->origin,
                                .profile = self->request->config->profile,
                                .now_s = self->request->now_s};
    tbk_brakes_read(self->store, self->arena, &self->brakes);
}

bool tbk_backup_run(tbk_arena *arena, const tbk_backup_request *request, const tbk_report *report,
                    tbk_backup_result *out, tbk_error *err)
{
    tbk_auto(tbk_store) *store = NULL;
    int64_t started_ms = tbk_clock_monotonic_ms();
    tbk_throttle pace = {.outer = report,
                         .bytes_per_second = (uint64_t)request->config->rate_limit_mib << 20};
    const tbk_report throttled = tbk_throttle_report(&pace);
    cycle self = {.arena = arena,
                  .request = request,
                  .report = &throttled,
                  .prompt = report,
                  .manifest = TBK_ARENA_NEW(arena, tbk_manifest)};
    *out = (tbk_backup_result){0};
    if (!tbk_store_open(request->config->store,
                        request->create_store ? TBK_STORE_CREATE : TBK_STORE_WRITE, &store, err))
        return false;
    self.store = store;
    learn_kind(&self);
    tbk_throttle_io(true);
    bool ok = run(&self, err);
    record(&self, started_ms, ok ? NULL : err);
    if (self.published)
        fill_result(&self, out);
    return ok;
}
