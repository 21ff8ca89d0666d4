/* SPDX-License-Identifier: MIT */
/* One backup end to end: installation, run, proof there, proof here, tracker, schedule. */
#include "commands/verify.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "commands/database_use.h"
#include "commands/host_facts.h"
#include "commands/host_runner.h"
#include "commands/live_database.h"
#include "commands/schedule_report.h"
#include "domain/manifest.h"
#include "domain/proof.h"
#include "engine/verification.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#define REPORT_SCHEMA 1
#define STEPS 6u /* and one more for a live server, and when cron is waited for */
#define PROVE_TIMEOUT_MS (6u * 3600000u)
#define HEALTHY_LIMIT_MS 120000
#define CRON_RUN_LIMIT_MS (15 * 60000)
#define POLL_MS 1000
#define SMALL_FILE_LIMIT_BYTES (64u << 20)
#define CRON_ONCE_FILE "/etc/cron.d/torrust-backup-verify"
#define SCRATCH_NAME "verify-scratch"

typedef struct verify {
    tbk_arena *arena;
    const tbk_verify_input *input;
    tbk_host_facts facts;
    tbk_value *result;
    tbk_value *checks;
    tbk_value *runs;
    const char *set_id;           /* of the latest run */
    const char *run_id;           /* of the latest run */
    const tbk_manifest *manifest; /* of that set, fetched; NULL = not yet */
    uint32_t step;                /* the number of the current one */
    const char *first_failed;     /* name and detail; NULL = none */
    bool has_wrong;               /* not only what could not be looked at */
    tbk_error_code outcome;       /* why it failed, where that is more than "not proved" */
} verify;

/* --- the report --- */

static void note_check(verify *self, const char *name, const char *state, const char *detail)
{
    tbk_value *check = tbk_value_map(self->arena);

    tbk_value_set_string(self->arena, check, "name", name);
    tbk_value_set_string(self->arena, check, "state", state);
    tbk_value_set_string(self->arena, check, "detail", detail);
    tbk_value_append(self->arena, self->checks, check);
    tbk_report_log(self->input->report, strcmp(state, "failed") == 0 ? TBK_LOG_ERROR : TBK_LOG_INFO,
                   "verify", "%s: %s%s%s", name, state, detail[0] != '\0' ? ", " : "", detail);
}

static void note_not_ok(verify *self, const char *name, const char *detail)
{
    note_check(self, name, "failed", detail);
    if (self->first_failed == NULL)
        self->first_failed = tbk_arena_format(self->arena, "%s: %s", name, detail);
}

static void note_failed(verify *self, const char *name, const char *detail)
{
    note_not_ok(self, name, detail);
    self->has_wrong = true;
}

/* Nothing is known then, of the set least of all. */
static void note_unknown(verify *self, const char *name, const char *why)
{
    note_not_ok(self, name, tbk_arena_format(self->arena, "it could not be carried out: %s", why));
}

static void TBK_PRINTF(4, 5) check(verify *self, const char *name, bool ok, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const char *detail = tbk_arena_vformat(self->arena, format, arguments);
    va_end(arguments);
    if (ok)
        note_check(self, name, "ok", detail);
    else
        note_failed(self, name, detail);
}

static void remark(verify *self, const char *text)
{
    for (tbk_member *member = self->result->first; member != NULL; member = member->next)
        if (strcmp(member->key, "remarks") == 0)
            tbk_value_append(self->arena, member->value, tbk_value_string(self->arena, text));
}

static bool read_facts(verify *self, tbk_error *err)
{
    const tbk_verify_input *input = self->input;

    return tbk_host_facts_read(self->arena, input->remote, input->rendering, input->image->tag,
                               input->workspace->options.store, &self->facts, err);
}

static const char *tracker_words(verify *self)
{
    const char *health = self->facts.tracker_health;

    return tbk_arena_format(self->arena, "%s%s%s", self->facts.tracker_state,
                            health[0] != '\0' ? ", " : "", health);
}

/* --- the steps --- */

static tbk_mode mode_of(const verify *self) { return self->input->workspace->options.mode; }

static bool has_server(const verify *self)
{
    return self->input->workspace->environment.driver == TBK_DRIVER_MYSQL;
}

/* Before the run: what it would save and prove were another database. */
static bool check_database_use(verify *self, tbk_error *err)
{
    tbk_database_use use;

    if (has_server(self))
        return true;
    if (!tbk_database_use_look(self->arena, self->input->remote,
                               &self->input->workspace->environment, self->input->report, &use,
                               err))
        return false;
    if (use.problem != NULL)
        note_failed(self, "database in use",
                    tbk_arena_format(self->arena, "%s; %s", use.problem, tbk_database_use_fix));
    else if (use.unknown != NULL)
        note_check(self, "database in use", "warning",
                   tbk_arena_format(self->arena, "could not look: %s", use.unknown));
    else
        note_check(self, "database in use", "ok",
                   use.is_open ? "the tracker has it open" : "the tracker does not run");
    return true;
}

static bool check_installation(verify *self, tbk_error *err)
{
    if (!read_facts(self, err))
        return false;
    if (self->facts.docker_version[0] == '\0') {
        check(self, "Docker", false, "it does not answer");
        return tbk_fail(err, TBK_E_CONTAINER, "start it: sudo systemctl start docker",
                        "Docker does not answer on '%s'", self->input->remote->name);
    }
    const char *difference = tbk_host_facts_difference(
        self->arena, &self->facts, self->input->rendering, self->input->image->tag);
    check(self, "installation", difference == NULL, "%s",
          difference != NULL ? difference : "files, owners and image are as rendered");
    const char *other = tbk_host_facts_other_mode(self->arena, &self->facts, mode_of(self));
    check(self, "one mode", other == NULL, "%s",
          other != NULL ? other : "nothing of the other one");
    if (mode_of(self) == TBK_MODE_WINDOW)
        check(self, "cron daemon", self->facts.cron_running,
              self->facts.cron_running ? "running" : "no cron daemon runs on the VM");
    if (self->facts.tracker_id[0] == '\0')
        return tbk_fail(err, TBK_E_SKIPPED, "run the deployer's 'release' and 'run' first",
                        "there is no tracker on the VM yet, so there is nothing to verify");
    tbk_value_set_string(self->arena, self->result, "tracker_before", tracker_words(self));
    if (mode_of(self) == TBK_MODE_SIDECAR)
        check(self, "sidecar", strcmp(self->facts.sidecar_state, "running") == 0, "%s",
              self->facts.sidecar_state[0] != '\0' ? self->facts.sidecar_state : "it is not there");
    return check_database_use(self, err);
}

/* Enters a finished run into the report, and remembers its set. */
static bool note_run(verify *self, const char *trigger, int exit_status, const tbk_value *record,
                     tbk_error *err)
{
    tbk_arena *arena = self->arena;
    tbk_value *run = tbk_value_map(arena);
    const char *set_id = NULL;
    const char *run_id = NULL;
    const char *method = NULL;
    int64_t held_ms = 0;
    int64_t duration_ms = 0;
    tbk_error why = {0};

    bool ok = tbk_host_outcome(exit_status, record, &why);
    if (record != NULL && (!tbk_value_optional_string(record, "set", &set_id, err) ||
                           !tbk_value_optional_string(record, "run", &run_id, err) ||
                           !tbk_value_optional_string(record, "method", &method, err) ||
                           !tbk_value_optional_integer(record, "held_ms", &held_ms, err) ||
                           !tbk_value_optional_integer(record, "duration_ms", &duration_ms, err)))
        return false;
    bool new_set = set_id != NULL && (self->set_id == NULL || strcmp(set_id, self->set_id) != 0);
    tbk_value_set_string(arena, run, "trigger", trigger);
    tbk_value_set_string(arena, run, "run", run_id);
    tbk_value_set_string(arena, run, "set", set_id);
    tbk_value_set_integer(arena, run, "exit_status", exit_status);
    tbk_value_set_integer(arena, run, "held_ms", held_ms);
    tbk_value_set_integer(arena, run, "duration_ms", duration_ms);
    tbk_value_append(arena, self->runs, run);
    if (ok && new_set)
        check(self, trigger, true,
              "set %s by '%s'; the tracker was held for %" PRId64 " ms of %" PRId64 " ms", set_id,
              method != NULL ? method : "unknown", held_ms, duration_ms);
    else
        check(self, trigger, false, "%s%s%s", ok ? "no new set was recorded" : why.message,
              why.fix[0] != '\0' ? ". Fix: " : "", why.fix);
    if (!ok && self->outcome == TBK_E_OK)
        self->outcome = why.code;
    self->set_id = ok ? set_id : NULL;
    self->run_id = run_id;
    return true;
}

static bool run_hook(verify *self, tbk_error *err)
{
    const tbk_value *record = NULL;
    int exit_status = 0;

    return tbk_host_run_hook(self->arena, self->input->remote,
                             self->input->workspace->options.store, "", self->input->report,
                             &exit_status, &record, err) &&
           note_run(self, "backup run", exit_status, record, err);
}

static bool run_sidecar(verify *self, tbk_error *err)
{
    const char *const arguments[] = {"backup", "--log", "json", NULL};
    const tbk_value *record = NULL;
    int exit_status = 0;

    return tbk_host_run_sidecar(self->arena, self->input->remote,
                                self->input->workspace->options.store, arguments,
                                self->input->report, &exit_status, &record, err) &&
           note_run(self, "backup run", exit_status, record, err);
}

/* Its own words: Docker asks now and then only. */
static bool check_endpoints(verify *self, tbk_error *err)
{
    const char *health = "", *metrics = "";
    int health_status = 0, metrics_status = 0;

    if (mode_of(self) == TBK_MODE_WINDOW)
        return true;
    if (!tbk_host_ask_sidecar(self->arena, self->input->remote, "health", &health_status, &health,
                              err) ||
        !tbk_host_ask_sidecar(self->arena, self->input->remote, "metrics", &metrics_status,
                              &metrics, err))
        return false;
    check(self, "sidecar's health", health_status == 0, "%s",
          health_status == 0 ? "it says that all is well" : health);
    bool has_metrics = metrics_status == 0 && strstr(metrics, "torrust_backup_sets ") != NULL;
    check(self, "sidecar's metrics", has_metrics,
          has_metrics ? "they are there" : "there are none");
    return true;
}

static bool prove_on_host(verify *self, tbk_error *err)
{
    const char *const arguments[] = {"prove",      "--level",  "restored", "--set",
                                     self->set_id, "--output", "json",     NULL};
    const tbk_value *answer = NULL;
    const char *reason = NULL;
    int exit_status = 0;

    if (!tbk_host_run_engine(self->arena, self->input->remote, arguments, PROVE_TIMEOUT_MS,
                             self->input->report, &exit_status, &answer, err))
        return false;
    if (answer != NULL && !tbk_value_optional_string(answer, "proof.reason", &reason, err))
        return false;
    const char *ended = tbk_arena_format(self->arena, "the engine ended with %d: %s", exit_status,
                                         reason != NULL ? reason : "it gave no reason");
    if (exit_status == 0)
        check(self, "proof on the VM", true, "restored, whole, and as captured");
    else if (exit_status == tbk_error_exit_status(TBK_E_UNPROVED))
        note_failed(self, "proof on the VM", ended);
    else
        note_unknown(self, "proof on the VM", ended);
    if (answer != NULL && tbk_value_find(answer, "proof") != NULL) {
        tbk_value *proof = tbk_value_map(self->arena);
        const tbk_value *found = NULL;
        if (!tbk_value_require_map(answer, "proof", &found, err))
            return false;
        for (const tbk_member *member = found->first; member != NULL; member = member->next)
            tbk_value_set(self->arena, proof, member->key, member->value);
        tbk_value_set(self->arena, self->result, "proof_on_vm", proof);
    }
    return true;
}

/* --- the proof on this machine --- */

/* The port knows no size beforehand; the manifest does, so a person sees the time left. */
typedef struct download {
    const tbk_report *report;
    const char *phase;
    uint64_t size_bytes;
} download;

static void fetch_progress(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    const download *file = self;

    (void)phase;
    (void)total_bytes;
    tbk_report_progress(file->report, file->phase, done_bytes, file->size_bytes);
}

static bool fetch_cancelled(void *self)
{
    const download *file = self;

    return file->report != NULL && file->report->cancelled != NULL &&
           file->report->cancelled(file->report->self);
}

static bool fetch(verify *self, const char *directory, const char *name, uint64_t limit_bytes,
                  tbk_error *err)
{
    const char *path = tbk_arena_format(self->arena, "%s/%s/%s",
                                        self->input->workspace->options.store, self->set_id, name);
    const char *local = tbk_arena_format(self->arena, "%s/%s", directory, name);
    tbk_digest digest;
    tbk_auto_fd int fd = open(local, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "creating '%s'", local);
    download file = {.report = self->input->report,
                     .phase = tbk_arena_format(self->arena, "fetch %s", name),
                     .size_bytes = limit_bytes};
    const tbk_report report = {
        .self = &file, .progress = fetch_progress, .cancelled = fetch_cancelled};
    return tbk_remote_get(self->input->remote, path, fd, limit_bytes, &digest, &report, err);
}

static bool fetch_manifest(verify *self, const char *directory, tbk_manifest *out, tbk_error *err)
{
    char *bytes = NULL;
    size_t length = 0;
    const tbk_value *value = NULL;

    return fetch(self, directory, TBK_SET_MANIFEST_FILE, SMALL_FILE_LIMIT_BYTES, err) &&
           fetch(self, directory, TBK_SET_SUMS_FILE, SMALL_FILE_LIMIT_BYTES, err) &&
           tbk_file_read(self->arena,
                         tbk_arena_format(self->arena, "%s/" TBK_SET_MANIFEST_FILE, directory),
                         SMALL_FILE_LIMIT_BYTES, &bytes, &length, err) &&
           tbk_json_parse(self->arena, bytes, length, TBK_SET_MANIFEST_FILE, &value, err) &&
           tbk_manifest_read(self->arena, value, out, err);
}

static bool fetch_files(verify *self, const char *directory, const tbk_manifest *manifest,
                        tbk_error *err)
{
    for (size_t i = 0; i < manifest->file_count; i++)
        if (!fetch(self, directory, manifest->files[i].name, manifest->files[i].stored_bytes, err))
            return false;
    return true;
}

static void note_restored_here(verify *self, const tbk_proof *proof)
{
    int64_t rows = 0;

    for (size_t i = 0; i < proof->table_count; i++)
        rows += proof->tables[i].rows;
    check(self, "proof on this machine", true,
          "fetched, restored and checked: %zu tables, %" PRId64 " rows", proof->table_count, rows);
}

static void note_proof_here(verify *self, const tbk_proof *proof)
{
    if (!proof->ok)
        check(self, "proof on this machine", false, "%s", proof->reason);
    else if (proof->level == TBK_PROOF_RESTORED)
        note_restored_here(self, proof);
    else
        check(self, "proof on this machine", true,
              "fetched, and all checksums are right; there is no server here to restore it into");
    tbk_value_set(self->arena, self->result, "proof_here", tbk_proof_to_value(self->arena, proof));
}

/* A file can be opened anywhere; a server's dump needs a server. */
static bool prove_files(verify *self, const char *directory, tbk_proof *out, tbk_error *err)
{
    tbk_database sqlite = tbk_database_sqlite(self->arena, NULL);
    bool is_file = self->manifest->driver == TBK_DRIVER_SQLITE;

    return tbk_prove_set(self->arena, is_file ? &sqlite : NULL, directory, self->manifest,
                         is_file ? TBK_PROOF_RESTORED : TBK_PROOF_CHECKSUMS, directory,
                         tbk_clock_now_s(), self->input->report, out, err);
}

static void note_config(verify *self, const tbk_manifest *manifest)
{
    tbk_auto_text missing = {0};

    for (const char **path = manifest->config_missing; path != NULL && *path != NULL; path++)
        tbk_text_format(&missing, "%s%s", missing.length > 0 ? "; " : "", *path);
    note_check(self, "configuration files", missing.length > 0 ? "warning" : "ok",
               missing.length > 0
                   ? tbk_arena_format(self->arena, "not in the set: %s", tbk_text_string(&missing))
                   : "all that are configured are in the set");
}

static bool prove_fetched(verify *self, const char *directory, tbk_error *err)
{
    tbk_manifest *manifest = TBK_ARENA_NEW(self->arena, tbk_manifest);
    uint64_t limit_bytes = (uint64_t)self->input->workspace->options.verify_fetch_limit_mib << 20;
    tbk_proof proof = {0};

    if (!fetch_manifest(self, directory, manifest, err))
        return false;
    self->manifest = manifest;
    note_config(self, manifest);
    tbk_value_set(self->arena, self->result, "manifest",
                  tbk_manifest_to_value(self->arena, manifest));
    if (!self->input->fetch_all && tbk_manifest_stored_bytes(manifest) > limit_bytes) {
        note_check(self, "proof on this machine", "skipped",
                   tbk_arena_format(self->arena,
                                    "the set has %" PRIu64 " MiB, the limit is %" PRIu64
                                    " MiB (verify.fetch_limit_mib, or --fetch-all)",
                                    tbk_manifest_stored_bytes(manifest) >> 20, limit_bytes >> 20));
        return true;
    }
    if (!fetch_files(self, directory, manifest, err))
        return false;
    if (prove_files(self, directory, &proof, err))
        note_proof_here(self, &proof);
    else if (err->code == TBK_E_INTERRUPTED)
        return false;
    else
        note_unknown(self, "proof on this machine", err->message);
    return true;
}

static bool prove_here(verify *self, tbk_error *err)
{
    const char *parent = self->input->workspace->output_path;
    const char *directory = tbk_arena_format(self->arena, "%s/" SCRATCH_NAME, parent);
    tbk_error ignored;

    if (!tbk_directory_make(parent, 0700, err))
        return false;
    tbk_auto_fd int parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "opening '%s'", parent);
    /* What an interrupted verification left behind goes first, what this one made goes last. */
    if (!tbk_directory_remove_at(parent_fd, SCRATCH_NAME, err) ||
        !tbk_directory_make(directory, 0700, err))
        return false;
    bool ok = prove_fetched(self, directory, err);
    if (!tbk_directory_remove_at(parent_fd, SCRATCH_NAME, ok ? err : &ignored))
        return false;
    return ok;
}

/* --- the live server --- */

static void note_live(verify *self, const char *name, const tbk_live_check *found)
{
    if (strcmp(found->state, "failed") == 0)
        note_failed(self, name, found->detail);
    else
        note_check(self, name, found->state, found->detail);
}

static bool compare_live(verify *self, tbk_error *err)
{
    const tbk_live_database_input input = {
        .remote = self->input->remote,
        .report = self->input->report,
        .manifest = self->manifest,
        .needs_tls = self->input->workspace->options.database_tls == TBK_TLS_REQUIRED};
    tbk_live_database found;

    if (!tbk_live_database_check(self->arena, &input, &found, err))
        return tbk_error_context(err, "comparing with the live database");
    note_live(self, "credentials", &found.credentials);
    note_live(self, "live database", &found.database);
    if (found.tables != NULL)
        tbk_value_set(self->arena, self->result, "live_tables", found.tables);
    return true;
}

/* --- the tracker afterwards --- */

static void wait_a_moment(void)
{
    const struct timespec moment = {.tv_sec = POLL_MS / 1000, .tv_nsec = POLL_MS % 1000 * 1000000};

    (void)nanosleep(&moment, NULL);
}

static bool tracker_is_well(const tbk_host_facts *facts)
{
    return strcmp(facts->tracker_state, "running") == 0 &&
           (facts->tracker_health[0] == '\0' || strcmp(facts->tracker_health, "healthy") == 0);
}

/* Docker says "unhealthy" from a pause until its next probe passes, so this waits, with a limit. */
static bool check_tracker(verify *self, bool ran_before, tbk_error *err)
{
    int64_t start_ms = tbk_clock_monotonic_ms();

    do {
        if (!tbk_report_go_on(self->input->report, err) || !read_facts(self, err))
            return false;
        if (tracker_is_well(&self->facts) || !ran_before)
            break;
        wait_a_moment();
    } while (tbk_clock_monotonic_ms() - start_ms < HEALTHY_LIMIT_MS);

    int64_t waited_ms = tbk_clock_monotonic_ms() - start_ms;
    tbk_value_set_string(self->arena, self->result, "tracker_after", tracker_words(self));
    tbk_value_set_integer(self->arena, self->result, "healthy_after_ms", waited_ms);
    if (ran_before)
        check(self, "tracker", tracker_is_well(&self->facts), "%s after %" PRId64 " ms",
              tracker_words(self), waited_ms);
    else
        check(self, "tracker", strcmp(self->facts.tracker_state, "running") != 0,
              "it was not running before, and is %s now", self->facts.tracker_state);
    check(self, "hold", !self->facts.held,
          self->facts.held ? "the marker of a hold still stands" : "nothing is held");
    if (ran_before && strcmp(self->facts.tracker_state, "running") != 0)
        self->outcome = TBK_E_TRACKER_DOWN;
    return true;
}

/* --- a run that cron itself starts --- */

static bool schedule_once(verify *self, tbk_error *err)
{
    /* A schedule of its own, with the date in it, so that a forgotten one stays quiet. */
    static const char script[] =
        "at=$(date +%s) && at=$((at + 75)) && due=$(date -d @$at '+%M %H %d %m') || exit\n"
        "{ grep -E '^(SHELL|PATH|MAILTO)=' \"$1\"\n"
        "sed -n '/^#/d; /--recover/d; s/^.*[[:space:]]root[[:space:]]\\{1,\\}/root /p' \"$1\" |\n"
        "head -n 1 | sed \"s/^/$due * /\"; } >\"$2~\" && chmod 644 \"$2~\" && mv \"$2~\" \"$2\" "
        "&&\n"
        "date -d @$at +%H:%M\n";
    const tbk_remote_command command = {
        .argv =
            (const char *const[]){"sh", "-c", script, "once", TBK_CRON_FILE, CRON_ONCE_FILE, NULL},
        .as_root = true};
    tbk_auto_remote_result result = {0};

    if (!tbk_remote_do(self->input->remote, "scheduling one run for verification", &command,
                       &result, err))
        return false;
    tbk_report_log(self->input->report, TBK_LOG_INFO, "verify",
                   "cron is to start a run at %.5s, the VM's time",
                   tbk_text_string(&result.output));
    return true;
}

static bool unschedule(verify *self, tbk_error *err)
{
    const tbk_remote_command command = {.argv =
                                            (const char *const[]){"rm", "-f", CRON_ONCE_FILE, NULL},
                                        .as_root = true,
                                        .is_cleanup = true};
    tbk_auto_remote_result result = {0};

    return tbk_remote_do(self->input->remote, "removing the schedule for verification", &command,
                         &result, err);
}

/* *out_record is NULL when no run ended within the limit. */
static bool await_next_run(verify *self, const tbk_value **out_record, tbk_error *err)
{
    int64_t start_ms = tbk_clock_monotonic_ms();

    *out_record = NULL;
    while (tbk_clock_monotonic_ms() - start_ms < CRON_RUN_LIMIT_MS) {
        const tbk_value *record = NULL;
        const char *run_id = NULL;
        wait_a_moment();
        if (!tbk_report_go_on(self->input->report, err) ||
            !tbk_host_last_run(self->arena, self->input->remote,
                               self->input->workspace->options.store,
                               self->input->workspace->environment.name, &record, err))
            return false;
        if (record == NULL)
            continue;
        if (!tbk_value_require_string(record, "run", &run_id, err))
            return false;
        if (self->run_id == NULL || strcmp(run_id, self->run_id) != 0) {
            *out_record = record;
            return true;
        }
    }
    return true;
}

static bool await_cron(verify *self, tbk_error *err)
{
    const tbk_value *record = NULL;
    int64_t exit_status = 0;
    tbk_error ignored;

    /* A schedule whose answer did not come may have been made. */
    bool ok = schedule_once(self, err) && await_next_run(self, &record, err);
    if (!unschedule(self, ok ? err : &ignored) || !ok)
        return false;
    if (record != NULL)
        return tbk_value_require_integer(record, "exit_status", &exit_status, err) &&
               note_run(self, "run fired by cron", (int)exit_status, record, err);
    check(self, "run fired by cron", false, "cron started no run within %d minutes",
          CRON_RUN_LIMIT_MS / 60000);
    return true;
}

/* --- all of it --- */

static bool step(verify *self, const char *title, bool (*work)(verify *, tbk_error *),
                 tbk_error *err)
{
    uint32_t total = STEPS + (self->input->wait_for_cron ? 1u : 0) + (has_server(self) ? 1u : 0);
    uint32_t number = ++self->step;

    tbk_report_step_started(self->input->report, number, total, title);
    if (!tbk_report_go_on(self->input->report, err) || !work(self, err))
        return false;
    tbk_report_step_completed(self->input->report, number, total, title);
    return true;
}

static bool check_tracker_that_ran(verify *self, tbk_error *err)
{
    return check_tracker(self, true, err);
}

static bool check_tracker_that_was_stopped(verify *self, tbk_error *err)
{
    remark(self, "the tracker was not running; its database was saved as it is");
    return check_tracker(self, false, err);
}

static bool check_schedule(verify *self, tbk_error *err)
{
    if (!tbk_schedule_report(self->arena, self->input->workspace, &self->facts, self->result, err))
        return false;
    note_check(self, "one scheduler", self->facts.native_cron ? "warning" : "ok",
               self->facts.native_cron ? "the deployer's own backup is scheduled too"
                                       : "no other backup is scheduled");
    return true;
}

static bool run_once(verify *self, tbk_error *err)
{
    return mode_of(self) == TBK_MODE_SIDECAR
               ? step(self, "Running a backup in the sidecar", run_sidecar, err)
               : step(self, "Running a backup as cron does", run_hook, err);
}

static bool prove_all(verify *self, tbk_error *err)
{
    return step(self, "Proving it on the VM", prove_on_host, err) &&
           step(self, "Proving it here", prove_here, err) &&
           (!has_server(self) || step(self, "Comparing with the live database", compare_live, err));
}

static bool verify_backup(verify *self, tbk_error *err)
{
    if (self->first_failed == NULL && !run_once(self, err))
        return false;
    if (self->first_failed == NULL && !check_endpoints(self, err))
        return false;
    return self->first_failed != NULL || prove_all(self, err);
}

static bool verify_all(verify *self, tbk_error *err)
{
    if (!step(self, "Checking the installation", check_installation, err))
        return false;
    bool ran = strcmp(self->facts.tracker_state, "running") == 0;
    if (!verify_backup(self, err) ||
        !step(self, "Looking after the tracker",
              ran ? check_tracker_that_ran : check_tracker_that_was_stopped, err))
        return false;
    if (self->input->wait_for_cron && self->first_failed == NULL &&
        (!step(self, "Waiting for a run fired by cron", await_cron, err) ||
         !check_tracker(self, ran, err)))
        return false;
    return step(self, "Checking the schedule", check_schedule, err);
}

static bool conclude(const verify *self, tbk_error *err)
{
    if (self->first_failed == NULL)
        return true;
    bool is_more = self->outcome == TBK_E_TRACKER_DOWN || self->outcome == TBK_E_SKIPPED ||
                   self->outcome == TBK_E_LOCKED || self->outcome == TBK_E_INTERRUPTED;
    tbk_error_code code = is_more           ? self->outcome
                          : self->has_wrong ? TBK_E_UNPROVED
                                            : TBK_E_PARTIAL;
    return tbk_fail(err, code, "mend what the report names, then verify again",
                    "not everything is proved: %s", self->first_failed);
}

bool tbk_verify(tbk_arena *arena, const tbk_verify_input *input, tbk_value **out_result,
                tbk_error *err)
{
    char at[TBK_CLOCK_TEXT_SIZE];
    verify self = {.arena = arena,
                   .input = input,
                   .result = tbk_value_map(arena),
                   .checks = tbk_value_list(arena),
                   .runs = tbk_value_list(arena)};

    if (input->wait_for_cron && input->workspace->options.mode == TBK_MODE_SIDECAR)
        return tbk_fail(err, TBK_E_CONFIG, "leave it out: the sidecar has a schedule of its own",
                        "cron starts nothing in mode sidecar, so there is nothing to wait for");
    *out_result = self.result;
    tbk_clock_format(tbk_clock_now_s(), at);
    tbk_value_set_integer(arena, self.result, "schema", REPORT_SCHEMA);
    tbk_value_set_string(arena, self.result, "environment", input->workspace->environment.name);
    tbk_value_set_string(arena, self.result, "host", input->remote->name);
    tbk_value_set_string(arena, self.result, "at", at);
    tbk_value_set(arena, self.result, "proved", tbk_value_bool(arena, false));
    tbk_value_set(arena, self.result, "checks", self.checks);
    tbk_value_set(arena, self.result, "runs", self.runs);
    tbk_value_set(arena, self.result, "remarks", tbk_value_list(arena));
    if (!verify_all(&self, err) || !conclude(&self, err))
        return false;
    tbk_value_set_bool(arena, self.result, "proved", true);
    return true;
}
