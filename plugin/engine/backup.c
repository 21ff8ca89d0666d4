/* SPDX-License-Identifier: MIT */
/* One backup, step by step. Whatever can be known to fail is looked at before the tracker is held.
 */
#include "engine/backup_internal.h"

#include "base/clock.h"
#include "database/sqlite/sqlite.h"
#include "database/throttle.h"
#include "engine/in_use.h"
#include "store/archive.h"

/* --- phases and their times --- */

static void phase_ended(void *self, const char *name, int64_t started_ms)
{
    tbk_manifest *manifest = ((tbk_backup_cycle *)self)->manifest;
    if (manifest->phase_count == TBK_MANIFEST_PHASES_MAX)
        return;
    manifest->phases[manifest->phase_count++] =
        (tbk_phase_time){.name = name, .duration_ms = tbk_clock_monotonic_ms() - started_ms};
}

void tbk_backup_phase_begin(tbk_backup_cycle *self)
{
    self->phase_started_ms = tbk_clock_monotonic_ms();
}

void tbk_backup_phase_end(tbk_backup_cycle *self, const char *name)
{
    phase_ended(self, name, self->phase_started_ms);
}

/* --- before the hold --- */

static bool has_space_for_copy(void *self, tbk_error *err)
{
    return tbk_backup_need_space(self, true, err);
}

/* The tracker is not stopped where the mode is right already. */
static tbk_journal_mode mode_to_change(const tbk_backup_cycle *self)
{
    tbk_journal_mode wanted = self->request->journal_mode;
    if (wanted == TBK_JOURNAL_AS_IT_IS || wanted != self->view.journal_mode)
        return wanted;
    tbk_report_log(self->report, TBK_LOG_INFO, "begin", "the journal mode is %s already",
                   tbk_journal_mode_name(wanted));
    return TBK_JOURNAL_AS_IT_IS;
}

/* The rules of the profile; NULL: all is kept. */
static const tbk_rules *rules_of(const tbk_backup_cycle *self)
{
    const tbk_engine_config *config = self->request->config;
    return config->profile == TBK_PROFILE_ESSENTIAL ? &config->essential : NULL;
}

static bool check_journal_mode(const tbk_backup_cycle *self, tbk_error *err)
{
    return self->request->journal_mode == TBK_JOURNAL_AS_IT_IS ||
           self->database.driver == TBK_DRIVER_SQLITE ||
           tbk_fail(err, TBK_E_CONFIG, "leave --journal-mode out", "MySQL has no journal mode");
}

static bool begin(tbk_backup_cycle *self, tbk_error *err)
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
    self->level = tbk_backup_level_possible(self);
    if (!tbk_backup_need_space(self, false, err) ||
        !tbk_store_begin(self->store, self->arena, request->now_s, &id, &self->set, err) ||
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

static tbk_set_file *new_file(tbk_backup_cycle *self)
{
    return &self->manifest->files[self->manifest->file_count++];
}

static const char *database_file(const tbk_backup_cycle *self)
{
    return tbk_manifest_database_file(self->database.driver);
}

/* Discards what an earlier attempt left. */
static void discard_database(tbk_backup_cycle *self)
{
    tbk_error ignored; /* making it anew tells */
    (void)!tbk_set_remove_file(self->set, database_file(self), &ignored);
    self->manifest->file_count = 0;
}

static bool store_source(void *self, const tbk_source *source, const char *phase,
                         const tbk_report *report, tbk_error *err)
{
    tbk_backup_cycle *run = self;
    tbk_auto_fd int out = -1;
    discard_database(run);
    if (!tbk_set_create_file(run->set, database_file(run), &out, err))
        return false;
    tbk_set_file *file = new_file(run);
    if (!tbk_archive_store(source, out, (int)run->request->config->compression_level, phase, report,
                           file, err))
        return false;
    file->name = database_file(run);
    return true;
}

static bool capture(tbk_backup_cycle *self, tbk_error *err)
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
    self->manifest->method = tbk_capture_method_name(self->capture.method);
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

static bool write_files(tbk_backup_cycle *self, tbk_set_file *file, tbk_error *err)
{
    tbk_auto_fd int out = -1;
    tbk_auto(tbk_archive_writer) *writer = NULL;
    return tbk_set_create_file(self->set, TBK_SET_CONFIG_FILE, &out, err) &&
           tbk_archive_writer_open(out, (int)self->request->config->compression_level, 1, &writer,
                                   err) &&
           tbk_files_store(self->request->files, self->scratch, writer, self->prompt, err) &&
           tbk_archive_writer_finish(writer, file, err);
}

/* The set goes without them. */
static bool discard_files(tbk_backup_cycle *self, tbk_error *err)
{
    self->manifest->file_count--;
    self->unsaved = *err;
    tbk_report_log(self->report, TBK_LOG_WARNING, "config",
                   "the configuration files are not saved: %s", err->message);
    return tbk_set_remove_file(self->set, TBK_SET_CONFIG_FILE, err);
}

static void tell_missing(const tbk_backup_cycle *self)
{
    for (const char **note = self->manifest->config_missing; *note != NULL; note++)
        tbk_report_log(self->report, TBK_LOG_WARNING, "config", "configuration files: %s", *note);
}

static bool store_files(tbk_backup_cycle *self, tbk_error *err)
{
    if (self->request->files == NULL)
        return true;
    tbk_backup_phase_begin(self);
    tbk_set_file *file = new_file(self);
    if (write_files(self, file, err))
        file->name = TBK_SET_CONFIG_FILE;
    else if (err->code == TBK_E_INTERRUPTED || !discard_files(self, err))
        return tbk_error_context(err, "saving the configuration files");
    self->manifest->config_missing = tbk_files_missing(self->request->files);
    tell_missing(self);
    tbk_backup_phase_end(self, "config");
    return true;
}

static bool describe(tbk_backup_cycle *self, tbk_error *err)
{
    return tbk_set_write_manifest(self->set, self->arena, self->manifest, err);
}

/* --- publish --- */

static bool publish(tbk_backup_cycle *self, tbk_error *err)
{
    tbk_backup_phase_begin(self);
    if (!tbk_store_publish(self->store, self->manifest->id, err))
        return tbk_error_context(err, "publishing the set");
    self->published = true;
    tbk_backup_phase_end(self, "publish");
    tbk_report_log(self->report, TBK_LOG_INFO, "publish", "set %s is published, proved: %s",
                   self->manifest->id, tbk_proof_level_name(self->proof.level));
    return true;
}

/* Before the set is published: should this run die, the next one does not take the emptied database
 * for what there was before. */
static bool judge_drop(tbk_backup_cycle *self, tbk_error *err)
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

static bool make_set(tbk_backup_cycle *self, tbk_error *err)
{
    return capture(self, err) && tbk_report_go_on(self->report, err) && store_files(self, err) &&
           describe(self, err) && tbk_backup_prove(self, err) &&
           tbk_report_go_on(self->report, err) && judge_drop(self, err) && publish(self, err);
}

static bool run(tbk_backup_cycle *self, tbk_error *err)
{
    if (!begin(self, err))
        return false;
    if (make_set(self, err))
        return tbk_backup_conclude(self, err);
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

static void fill_result(const tbk_backup_cycle *self, tbk_backup_result *out)
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
static void learn_kind(tbk_backup_cycle *self)
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
    tbk_backup_cycle self = {.arena = arena,
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
    tbk_backup_record(&self, started_ms, ok ? NULL : err);
    if (self.published)
        fill_result(&self, out);
    tbk_set_close(self.set);
    return ok;
}
