/* SPDX-License-Identifier: MIT */
/* One backup, step by step. Whatever can be known to fail is looked at before the tracker is held.
 */
#include "engine/backup.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "database/sqlite_select.h"
#include "engine/archive.h"
#include "engine/capture.h"
#include "engine/gentle.h"
#include "engine/last_run.h"
#include "engine/prove.h"
#include "engine/room.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define STAGED_NAME "tracker.db"
#define SELECTED_NAME "essential.db"
#define SET_FILE_MODE 0640
#define DAY_S 86400
/* A database that lost more than half of what it had is news; small ones come and go. */
#define DROP_BYTES_MIN (16u << 20)

typedef struct cycle {
    tbk_arena *arena;
    const tbk_backup_request *request;
    const tbk_report *report; /* keeps to the rate limit */
    const tbk_report *prompt; /* the same without one, for what must not take long */
    tbk_store *store;
    tbk_stored_set *earlier; /* the newest first; NULL when this is the first */
    const char *set_path;    /* hidden until published */
    const char *staged;      /* the copy, below the store's scratch directory */
    const char *selected;    /* what is essential of it */
    const char *scratch;
    tbk_journal_mode journal_mode; /* as asked for, unless the database has it */
    tbk_capture capture;
    tbk_manifest *manifest;
    tbk_proof proof;
    bool published;
    size_t pruned;
    int64_t phase_started_ms;
} cycle;

/* --- phases and their times --- */

static void phase_begin(cycle *self) { self->phase_started_ms = tbk_clock_monotonic_ms(); }

static void phase_end(cycle *self, const char *name)
{
    tbk_manifest *manifest = self->manifest;
    if (manifest->phase_count == TBK_MANIFEST_PHASES_MAX)
        return;
    manifest->phases[manifest->phase_count++] = (tbk_phase_time){
        .name = name, .duration_ms = tbk_clock_monotonic_ms() - self->phase_started_ms};
}

/* --- before the hold --- */

/* Sets of another profile are another kind of thing: nothing of them is compared with this one. */
static bool is_alike(const cycle *self, const tbk_stored_set *set)
{
    return set->manifest != NULL && set->manifest->profile == self->request->config->profile;
}

static const tbk_stored_set *last_restored(const cycle *self)
{
    const tbk_stored_set *set = self->earlier;
    while (set != NULL &&
           (!is_alike(self, set) || set->proof.level != TBK_PROOF_RESTORED || !set->proof.ok))
        set = set->next;
    return set;
}

static tbk_proof_level level_due(const cycle *self)
{
    int64_t every_days = self->request->config->prove_restored_every_days;
    const tbk_stored_set *last = last_restored(self);
    if (every_days == 0)
        return TBK_PROOF_CHECKSUMS;
    if (last == NULL)
        return TBK_PROOF_RESTORED;
    /* An hour less, so that a run that comes a little early does not shift the proof by a day. A
     * set from the future says that the clock went back: then nothing is known. */
    int64_t age_s = self->request->now_s - last->time_s;
    return age_s < 0 || age_s >= every_days * DAY_S - 3600 ? TBK_PROOF_RESTORED
                                                           : TBK_PROOF_CHECKSUMS;
}

static bool need_space(cycle *self, bool copies, tbk_error *err)
{
    uint64_t database_bytes, free_bytes;
    if (!tbk_sqlite_size(self->request->config->database_path, &database_bytes, err) ||
        !tbk_store_free_bytes(self->store, &free_bytes, err))
        return false;
    tbk_room room = tbk_room_expect(self->earlier, self->request->config->profile, database_bytes);
    uint64_t needed = tbk_room_needed_bytes(&room, copies, level_due(self) == TBK_PROOF_RESTORED);
    if (self->request->files != NULL)
        needed += tbk_files_size_bytes(self->request->files);
    if (free_bytes >= needed)
        return true;
    return tbk_fail(
        err, TBK_E_SPACE,
        "make room on the store's file system, keep fewer days, or put the store elsewhere",
        "the backup needs %" PRIu64 " MiB, '%s' has %" PRIu64 " MiB free", needed >> 20,
        tbk_store_path(self->store), free_bytes >> 20);
}

static bool has_room_for_copy(void *self, tbk_error *err) { return need_space(self, true, err); }

/* Nobody is stopped for what is so already. */
static tbk_journal_mode mode_to_change(const cycle *self, const tbk_sqlite_facts *facts)
{
    tbk_journal_mode wanted = self->request->journal_mode;
    tbk_journal_mode now = facts->wal ? TBK_JOURNAL_WAL : TBK_JOURNAL_DELETE;
    if (wanted != now)
        return wanted;
    tbk_report_log(self->report, TBK_LOG_INFO, "begin", "the journal mode is %s already",
                   tbk_journal_mode_name(now));
    return TBK_JOURNAL_AS_IT_IS;
}

/* Wrong rules are told before anything is held; whatever else cannot be read now is told by the
 * capture. */
static bool check_rules(const cycle *self, tbk_error *err)
{
    tbk_error why;
    const tbk_engine_config *config = self->request->config;
    if (config->profile == TBK_PROFILE_FULL ||
        tbk_sqlite_check_rules(config->database_path, &config->essential, &why) ||
        why.code != TBK_E_CONFIG)
        return true;
    *err = why;
    return false;
}

static bool begin(cycle *self, tbk_error *err)
{
    const tbk_backup_request *request = self->request;
    const char *id;
    tbk_sqlite_facts facts;
    if (!tbk_store_list(self->store, self->arena, &self->earlier, err) ||
        !tbk_sqlite_inspect(request->config->database_path, &facts, err) ||
        !check_rules(self, err) || !need_space(self, false, err) ||
        !tbk_store_begin(self->store, self->arena, request->now_s, &id, &self->set_path, err) ||
        !tbk_store_scratch(self->store, self->arena, &self->scratch, err))
        return false;
    self->journal_mode = mode_to_change(self, &facts);
    self->staged = tbk_arena_format(self->arena, "%s/" STAGED_NAME, self->scratch);
    self->selected = tbk_arena_format(self->arena, "%s/" SELECTED_NAME, self->scratch);
    *self->manifest = (tbk_manifest){.id = id,
                                     .profile = request->config->profile,
                                     .run_id = request->run_id,
                                     .environment = request->config->environment,
                                     .engine_version = TBK_VERSION,
                                     .sqlite_version = tbk_sqlite_version(),
                                     .zstd_version = tbk_archive_zstd_version(),
                                     .driver = TBK_DRIVER_SQLITE};
    tbk_report_log(self->report, TBK_LOG_INFO, "begin",
                   "backing up '%s' (%" PRIu64 " bytes, %s) as set %s",
                   request->config->database_path, facts.size_bytes,
                   facts.wal ? "write-ahead log" : "rollback journal", id);
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

/* What a try before this one left counts for nothing. */
static void discard_database(cycle *self)
{
    (void)unlink(tbk_arena_format(self->arena, "%s/" TBK_SET_DATABASE_FILE, self->set_path));
    self->manifest->file_count = 0;
}

static bool store_source(cycle *self, const tbk_source *source, const char *phase, tbk_error *err)
{
    tbk_auto_fd int out = -1;
    discard_database(self);
    if (!create_in_set(self, TBK_SET_DATABASE_FILE, &out, err))
        return false;
    tbk_set_file *file = new_file(self);
    if (!tbk_archive_store(source, out, (int)self->request->config->compression_level, phase,
                           self->report, file, err))
        return false;
    file->name = TBK_SET_DATABASE_FILE;
    return true;
}

static bool store_stream(void *self, const tbk_source *source, tbk_error *err)
{
    return store_source(self, source, "capture", err);
}

static bool select_from(cycle *self, const char *source, tbk_error *err)
{
    tbk_selection selection;
    (void)unlink(self->selected);
    if (!tbk_sqlite_select(self->arena, source, self->selected, &self->request->config->essential,
                           self->report, &selection, err))
        return false;
    self->manifest->selection = selection.tables;
    self->manifest->selection_count = selection.count;
    return true;
}

static bool select_live(void *self, tbk_error *err)
{
    return select_from(self, ((cycle *)self)->request->config->database_path, err);
}

static bool capture(cycle *self, tbk_error *err)
{
    const tbk_backup_request *request = self->request;
    bool selects = request->config->profile == TBK_PROFILE_ESSENTIAL;
    const tbk_capture_request wanted = {.database = request->config->database_path,
                                        .staged = self->staged,
                                        .scratch = self->scratch,
                                        .method = request->config->method,
                                        .journal_mode = self->journal_mode,
                                        .hold = request->hold,
                                        .holds_nothing = request->holds_nothing,
                                        .report = self->prompt,
                                        .self = self,
                                        .store = store_stream,
                                        .select = selects ? select_live : NULL,
                                        .has_room = has_room_for_copy};
    phase_begin(self);
    bool ok = tbk_capture_sqlite(self->arena, &wanted, &self->capture, err);
    phase_end(self, "capture");
    self->manifest->method = self->capture.method;
    self->manifest->method_reason = self->capture.reason;
    self->manifest->tracker_was_stopped = self->capture.tracker_was_stopped;
    self->manifest->held_ms = self->capture.held_ms;
    self->manifest->sqlite = self->capture.facts;
    return ok || tbk_while(err, "capturing the database");
}

static bool recover(cycle *self, tbk_error *err)
{
    phase_begin(self);
    if (!tbk_sqlite_recover(self->staged, &self->manifest->sqlite, err))
        return false;
    phase_end(self, "recover");
    return true;
}

static bool store_staged(cycle *self, tbk_error *err)
{
    phase_begin(self);
    tbk_auto_fd int in = open(self->staged, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read '%s'", self->staged);
    const tbk_source source = tbk_archive_file_source(&in);
    if (!store_source(self, &source, "compress", err))
        return tbk_while(err, "compressing the database");
    (void)unlink(self->staged); /* its room is needed; the scratch directory goes in any case */
    phase_end(self, "compress");
    return true;
}

/* Of a copy that holds all: it is recovered first, and its room given back. */
static bool select_staged(cycle *self, tbk_error *err)
{
    if (!recover(self, err))
        return false;
    phase_begin(self);
    bool ok = select_from(self, self->staged, err);
    (void)unlink(self->staged);
    phase_end(self, "select");
    return ok;
}

/* What was streamed is in the set already. */
static bool store_database(cycle *self, tbk_error *err)
{
    bool selects = self->request->config->profile == TBK_PROFILE_ESSENTIAL;
    if (self->capture.is_stored)
        return true;
    if (selects && !self->capture.is_selected && !select_staged(self, err))
        return false;
    if (selects)
        self->staged = self->selected;
    return recover(self, err) && store_staged(self, err);
}

/* --- the configuration files --- */

static bool store_files(cycle *self, tbk_error *err)
{
    tbk_files *files = self->request->files;
    if (files == NULL)
        return true;
    phase_begin(self);
    tbk_auto_fd int out = -1;
    tbk_auto(tbk_archive_writer) *writer = NULL;
    tbk_set_file *file = new_file(self);
    if (!create_in_set(self, TBK_SET_CONFIG_FILE, &out, err) ||
        !tbk_archive_writer_open(out, (int)self->request->config->compression_level, 1, &writer,
                                 err) ||
        !tbk_files_store(files, self->scratch, writer, err) ||
        !tbk_archive_writer_finish(writer, file, err))
        return tbk_while(err, "saving the configuration files");
    file->name = TBK_SET_CONFIG_FILE;
    self->manifest->config_missing = tbk_files_missing(files);
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
    return tbk_prove_set(self->arena, self->set_path, self->manifest, level, self->scratch,
                         tbk_clock_now_s(), self->report, out, err);
}

/* A set whose files are not what was captured is thrown away. One whose files are right but whose
 * database is damaged was damaged before: it is kept, it is all there is of that day, and says so.
 */
static bool prove(cycle *self, tbk_error *err)
{
    tbk_auto_text text = {0};
    tbk_proof_level level = level_due(self);
    phase_begin(self);
    if (!prove_at(self, level, &self->proof, err))
        return tbk_while(err, "proving the new set");
    if (!self->proof.ok) {
        tbk_proof checksums = {.ok = false};
        if (level == TBK_PROOF_RESTORED && !prove_at(self, TBK_PROOF_CHECKSUMS, &checksums, err))
            return tbk_while(err, "proving the new set");
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

/* --- publish and prune --- */

static bool publish(cycle *self, tbk_error *err)
{
    phase_begin(self);
    if (!tbk_store_publish(self->store, self->manifest->id, err))
        return tbk_while(err, "publishing the set");
    self->published = true;
    phase_end(self, "publish");
    tbk_report_log(self->report, TBK_LOG_INFO, "publish", "set %s is published, proved: %s",
                   self->manifest->id, tbk_proof_level_name(self->proof.level));
    return true;
}

static bool dropped(const cycle *self)
{
    const tbk_stored_set *proved = last_restored(self);
    bool rows = proved != NULL && self->proof.level == TBK_PROOF_RESTORED &&
                tbk_prove_rows_dropped(&proved->proof, &self->proof, self->report);
    const tbk_stored_set *last = self->earlier;
    while (last != NULL && !is_alike(self, last))
        last = last->next;
    bool size = last != NULL && last->manifest->sqlite.size_bytes >= DROP_BYTES_MIN &&
                self->manifest->sqlite.size_bytes < last->manifest->sqlite.size_bytes / 2;
    if (size)
        tbk_report_log(self->report, TBK_LOG_WARNING, "prune",
                       "the database had %" PRIu64 " bytes in the last set and has %" PRIu64 " now",
                       last->manifest->sqlite.size_bytes, self->manifest->sqlite.size_bytes);
    return rows || size;
}

/* Those of one profile; a damaged one may have been of any, and counts as full. */
static size_t gather(const cycle *self, tbk_stored_set *list, tbk_profile profile,
                     tbk_retention_set **out)
{
    size_t count = 0;
    for (const tbk_stored_set *set = list; set != NULL; set = set->next)
        count++;
    *out = tbk_arena_alloc(self->arena, (count + 1) * sizeof **out);
    count = 0;
    for (const tbk_stored_set *set = list; set != NULL; set = set->next)
        if ((set->manifest != NULL ? set->manifest->profile : TBK_PROFILE_FULL) == profile)
            (*out)[count++] = (tbk_retention_set){
                .id = set->id,
                .time_s = set->time_s,
                .proof = set->damage == NULL && set->proof.ok ? set->proof.level : TBK_PROOF_NONE};
    return count;
}

/* Each profile's newest and best proved sets stay, whatever there is of the other one. */
static bool prune_profile(cycle *self, tbk_stored_set *list, tbk_profile profile, tbk_error *err)
{
    tbk_retention_set *sets;
    size_t count = gather(self, list, profile, &sets);
    tbk_retention_apply(self->arena, sets, count, self->request->config->keep_days,
                        self->request->now_s);
    for (size_t i = 0; i < count; i++) {
        tbk_report_log(self->report, sets[i].keep ? TBK_LOG_DETAIL : TBK_LOG_INFO, "prune",
                       "%s %s: %s", sets[i].keep ? "keeping" : "removing", sets[i].id,
                       sets[i].reason);
        if (sets[i].keep)
            continue;
        if (!tbk_store_remove(self->store, sets[i].id, err))
            return tbk_while(err, "set %s is whole; pruning", self->manifest->id);
        self->pruned++;
    }
    return true;
}

static bool prune(cycle *self, tbk_error *err)
{
    tbk_stored_set *list;
    if (dropped(self)) {
        tbk_report_log(self->report, TBK_LOG_WARNING, "prune",
                       "nothing is pruned in this run: older sets may be needed");
        return true;
    }
    if (!tbk_store_list(self->store, self->arena, &list, err))
        return false;
    return prune_profile(self, list, TBK_PROFILE_FULL, err) &&
           prune_profile(self, list, TBK_PROFILE_ESSENTIAL, err);
}

/* --- the cycle --- */

/* What is wrong although a whole set was published; pruning waits until all is well. */
static bool conclude(cycle *self, tbk_error *err)
{
    if (self->capture.release.code != TBK_E_OK) {
        *err = self->capture.release;
        return tbk_while(err, "set %s is whole", self->manifest->id);
    }
    if (self->capture.change.code != TBK_E_OK) {
        *err = self->capture.change;
        return tbk_while(err, "set %s is whole", self->manifest->id);
    }
    if (!self->proof.ok)
        return tbk_fail(
            err, TBK_E_UNPROVED,
            "the tracker's own database is damaged: stop it and restore an older set, or "
            "save rows with 'sqlite3 FILE .recover'",
            "set %s holds what was captured, but %s", self->manifest->id, self->proof.reason);
    return prune(self, err);
}

static bool make_set(cycle *self, tbk_error *err)
{
    return capture(self, err) && store_database(self, err) && tbk_report_go_on(self->report, err) &&
           store_files(self, err) && describe(self, err) && prove(self, err) &&
           tbk_report_go_on(self->report, err) && publish(self, err);
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
        (void)tbk_while(err, "the backup failed (%s), and", why);
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
                         .started_s = self->request->now_s,
                         .finished_s = tbk_clock_now_s(),
                         .duration_ms = tbk_clock_monotonic_ms() - started_ms,
                         .profile = self->request->config->profile,
                         .error = error,
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

bool tbk_backup_run(tbk_arena *arena, const tbk_backup_request *request, const tbk_report *report,
                    tbk_backup_result *out, tbk_error *err)
{
    tbk_auto(tbk_store) *store = NULL;
    int64_t started_ms = tbk_clock_monotonic_ms();
    tbk_gentle_pace pace = {.outer = report,
                            .bytes_per_second = (uint64_t)request->config->rate_limit_mib << 20};
    const tbk_report gentle = tbk_gentle_report(&pace);
    cycle self = {.arena = arena,
                  .request = request,
                  .report = &gentle,
                  .prompt = report,
                  .manifest = TBK_ARENA_NEW(arena, tbk_manifest)};
    *out = (tbk_backup_result){0};
    if (!tbk_store_open(request->config->store,
                        request->create_store ? TBK_STORE_CREATE : TBK_STORE_WRITE, &store, err))
        return false;
    self.store = store;
    tbk_gentle_io(true);
    bool ok = request->config->driver == TBK_DRIVER_SQLITE
                  ? run(&self, err)
                  : tbk_fail(err, TBK_E_UNSUPPORTED,
                             "use the deployer's own backup until a version of Torrust Backup can "
                             "save MySQL",
                             "this version cannot back up MySQL yet");
    record(&self, started_ms, ok ? NULL : err);
    if (self.published)
        fill_result(&self, out);
    return ok;
}
