/* SPDX-License-Identifier: MIT */
/* Looks at what is installed, at the record of the last run, and at the tracker. */
#include "commands/status.h"

#include "base/clock.h"
#include "commands/database_use.h"
#include "commands/host_facts.h"
#include "commands/host_runner.h"
#include "commands/offsite_status.h"
#include "commands/schedule_report.h"
#include "domain/schedule.h"
#include "store/last_run.h"

#include <inttypes.h>

#define ENGINE_TIMEOUT_MS 300000
#define PREVIOUS_TIMEOUT_MS 60000
/* A run may take a while; this much later than due, it is missing. */
#define OVERDUE_SLACK_S (2 * 3600)

typedef struct status {
    tbk_arena *arena;
    const tbk_vm *vm;
    tbk_host_facts facts;
    const tbk_value *record; /* NULL = there was no run yet */
    tbk_value *result;
    tbk_value *problems;
    tbk_value *warnings;
} status;

static void TBK_PRINTF(2, 3) problem(status *self, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tbk_value_append(
        self->arena, self->problems,
        tbk_value_string(self->arena, tbk_arena_vformat(self->arena, format, arguments)));
    va_end(arguments);
}

static bool docker_answers(const status *self) { return self->facts.docker_version[0] != '\0'; }

static void look_at_installation(status *self)
{
    tbk_items items;

    tbk_vm_items(self->arena, self->vm, &self->facts, &items);
    const char *drift = tbk_items_drift(self->arena, &items, docker_answers(self));
    if (!docker_answers(self))
        problem(self, "Docker does not answer on the VM");
    if (drift != NULL)
        problem(self, "%s", drift);
    const char *other = tbk_items_other_mode(self->arena, &items);
    if (other != NULL)
        problem(self, "%s", other);
    if (tbk_vm_mode(self->vm) == TBK_MODE_WINDOW && !self->facts.cron_running)
        problem(self, "no cron daemon runs on the VM");
    tbk_value_set_string(self->arena, self->result, "mode", tbk_mode_name(tbk_vm_mode(self->vm)));
    tbk_value_set_bool(self->arena, self->result, "installed", drift == NULL);
    tbk_value_set_string(self->arena, self->result, "image", self->vm->image->tag);
}

static void look_at_tracker(status *self)
{
    tbk_value *tracker = tbk_value_map(self->arena);

    tbk_value_set_string(self->arena, tracker, "state", self->facts.tracker_state);
    tbk_value_set_string(self->arena, tracker, "health", self->facts.tracker_health);
    tbk_value_set(self->arena, self->result, "tracker", tracker);
    tbk_value_set_bool(self->arena, self->result, "held", self->facts.held);
    tbk_value_set_bool(self->arena, self->result, "backup_runs", self->facts.hook_runs);
    tbk_value_set_bool(self->arena, self->result, "native_backup", self->facts.native_cron);
    tbk_value_set_integer(self->arena, self->result, "store_free_bytes",
                          self->facts.store_free_bytes);
}

static bool tracker_never_was(const status *self)
{
    return docker_answers(self) && self->facts.tracker_id[0] == '\0' && self->record == NULL;
}

/* It waits for a tracker where there is none. */
static void look_at_sidecar(status *self)
{
    tbk_value *sidecar = tbk_value_map(self->arena);

    if (tbk_vm_mode(self->vm) == TBK_MODE_WINDOW)
        return;
    tbk_value_set_string(self->arena, sidecar, "state", self->facts.sidecar_state);
    tbk_value_set_string(self->arena, sidecar, "health", self->facts.sidecar_health);
    tbk_value_set(self->arena, self->result, "sidecar", sidecar);
    if (!docker_answers(self) || tracker_never_was(self))
        return;
    if (self->facts.sidecar_state[0] == '\0')
        problem(self, "the sidecar is not there; run 'torrust-backup configure'");
    else if (strcmp(self->facts.sidecar_state, "running") != 0)
        problem(self, "the sidecar is '%s'; run 'torrust-backup configure'",
                self->facts.sidecar_state);
    else if (strcmp(self->facts.sidecar_health, "unhealthy") == 0)
        problem(self, "the sidecar is unhealthy");
}

/* While a backup runs it may hold the tracker; then it is where it should be. */
static bool tracker_is_down(const status *self)
{
    return docker_answers(self) && strcmp(self->facts.tracker_state, "running") != 0 &&
           !tracker_never_was(self) && !self->facts.hook_runs;
}

static void judge_tracker(status *self)
{
    if (tracker_never_was(self))
        problem(self, "there is no tracker on the VM yet");
    else if (!tracker_is_down(self))
        return;
    else if (self->facts.tracker_id[0] == '\0')
        problem(self, "the tracker's container is gone");
    else
        problem(self,
                self->facts.held ? "an interrupted backup left the tracker '%s'"
                                 : "the tracker is '%s', and no backup holds it",
                self->facts.tracker_state);
}

/* What the record says of a profile; records of earlier versions know one outcome for all. */
static const tbk_value *outcome_of(const status *self, tbk_profile profile)
{
    const tbk_value *profiles = tbk_value_find(self->record, "profiles");

    return profiles == NULL ? self->record : tbk_value_find(profiles, tbk_profile_name(profile));
}

/* One that was cut short is made again, and no failure by itself; the brake is told by itself. */
static bool is_failure(const tbk_value *outcome)
{
    int64_t exit_status = tbk_value_integer_at(outcome, "exit_status");
    const char *name = tbk_value_text_at(outcome, "error.name", "");

    return exit_status != 0 && exit_status != tbk_error_exit_status(TBK_E_INTERRUPTED) &&
           strcmp(name, tbk_error_name(TBK_E_BRAKE)) != 0;
}

static void judge_success(status *self, const char *which, int64_t success_s, int64_t gap_s)
{
    int64_t now_s = self->facts.now_s;

    if (success_s == 0)
        problem(self, "no backup%s has succeeded yet", which);
    else if (tbk_run_is_ahead(success_s, now_s))
        problem(self,
                "the last good backup%s is from the future: the clock went back, and since "
                "when there was none is not known",
                which);
    else if (now_s - success_s > gap_s + OVERDUE_SLACK_S)
        problem(self, "the last good backup%s is %" PRId64 " hours old", which,
                (now_s - success_s) / 3600);
}

/* A weekly backup that was never due yet is none that is missing. */
static bool was_due(const status *self, const tbk_schedule *schedule)
{
    int64_t first_s = tbk_value_integer_at(self->record, "first_run_s");

    return first_s != 0 &&
           tbk_schedule_next(schedule, first_s) + OVERDUE_SLACK_S < self->facts.now_s;
}

/* Each profile that is scheduled is well or not by itself: the daily one does not stand in for the
 * weekly one. */
static bool judge_profile(status *self, tbk_profile profile, const char *text, bool is_only,
                          tbk_error *err)
{
    const tbk_value *outcome = outcome_of(self, profile);
    const char *which =
        is_only ? "" : tbk_arena_format(self->arena, " (%s)", tbk_profile_name(profile));
    tbk_schedule schedule;
    tbk_error why = {0};
    int64_t shortest_s = 0;
    int64_t longest_s = 0;

    if (!tbk_schedule_parse(text, &schedule, err))
        return false;
    tbk_schedule_gaps(&schedule, self->facts.now_s, &shortest_s, &longest_s);
    if (outcome != NULL && is_failure(outcome) &&
        !tbk_host_outcome((int)tbk_value_integer_at(outcome, "exit_status"), outcome, &why))
        problem(self, "%s%s%s", is_only ? "" : tbk_profile_name(profile), is_only ? "" : ": ",
                why.message);
    if (outcome != NULL || was_due(self, &schedule) ||
        tbk_value_integer_at(self->record, "last_success_s") == 0)
        judge_success(self, which, tbk_value_integer_at(outcome, "last_success_s"), longest_s);
    return true;
}

static void judge_brakes(status *self)
{
    for (const tbk_member *item = tbk_value_members_at(self->record, "retention_brakes");
         item != NULL; item = item->next) {
        const char *since = tbk_value_text_at(item->value, "since", NULL);
        const char *reason = tbk_value_text_at(item->value, "reason", NULL);
        if (reason != NULL)
            problem(self,
                    "no older set is pruned%s%s: %s; restore an older set, or run 'torrust-backup "
                    "acknowledge' if it is meant to be so",
                    since != NULL ? " since " : "", since != NULL ? since : "", reason);
    }
}

static bool look_at_last_run(status *self, tbk_error *err)
{
    const tbk_options *options = &self->vm->workspace->options;
    bool is_only = options->full_schedule == NULL;
    tbk_error why = {0};
    int64_t exit_status = 0;

    if (self->record == NULL) {
        if (!tracker_never_was(self))
            problem(self, "there was no run yet; try one with 'torrust-backup verify'");
        return true;
    }
    if (!tbk_value_require_integer(self->record, "exit_status", &exit_status, err))
        return false;
    judge_brakes(self);
    if (!judge_profile(self, options->profile, options->schedule, is_only, err) ||
        (!is_only && !judge_profile(self, TBK_PROFILE_FULL, options->full_schedule, is_only, err)))
        return false;
    /* Of a profile that no schedule has, by hand; or the run that was cut short last. */
    if (self->problems->first == NULL && !tbk_host_outcome((int)exit_status, self->record, &why))
        problem(self, "%s", why.message);
    return true;
}

static void warn(status *self, const char *text)
{
    tbk_value_append(self->arena, self->warnings, tbk_value_string(self->arena, text));
}

static bool look_at_database(status *self, tbk_error *err)
{
    const char *wrong = NULL, *warning = NULL;

    if (!docker_answers(self))
        return true;
    if (!tbk_database_use_tell(self->arena, self->vm, &self->facts, &wrong, &warning, err))
        return false;
    if (wrong != NULL)
        problem(self, "%s", wrong);
    if (warning != NULL)
        warn(self, warning);
    return true;
}

static bool ask_for_previous(status *self, const tbk_value **out_previous, tbk_error *err)
{
    const char *const arguments[] = {"restore",  "--forget-kept", "--dry-run",
                                     "--output", "json",          NULL};
    tbk_host_answer answer;

    return tbk_host_run_engine(self->arena, self->vm, arguments, PREVIOUS_TIMEOUT_MS, &answer,
                               err) &&
           tbk_host_outcome(answer.exit_status, answer.value, err) &&
           (answer.value != NULL ? tbk_value_require_list(answer.value, "kept", out_previous, err)
                                 : tbk_fail(err, TBK_E_CONTAINER, NULL, "the engine said nothing"));
}

static void warn_of_previous(status *self, const tbk_value *previous)
{
    tbk_auto_text names = {0};
    int64_t bytes = 0, all_bytes = 0;
    const char *name = "";
    tbk_error ignored;

    for (const tbk_member *item = previous->first; item != NULL; item = item->next) {
        if (!tbk_value_require_string(item->value, "name", &name, &ignored) ||
            !tbk_value_require_integer(item->value, "bytes", &bytes, &ignored))
            continue;
        tbk_text_format(&names, "%s'%s'", names.length > 0 ? ", " : "", name);
        all_bytes += bytes > 0 && bytes < INT64_MAX - all_bytes ? bytes : 0;
    }
    if (names.length > 0)
        warn(self, tbk_arena_format(self->arena,
                                    "databases of before a restore are kept (%zu, %" PRId64
                                    " MiB): %s; 'torrust-backup restore %s --forget-kept' "
                                    "removes them",
                                    previous->count, all_bytes >> 20, tbk_text_string(&names),
                                    self->vm->workspace->environment.name));
}

/* By the engine, which knows how they are called. It needs no hold and no lock. */
static bool look_for_previous(status *self, tbk_error *err)
{
    const tbk_value *previous = NULL;
    tbk_error why = {.code = TBK_E_OK};

    if (!docker_answers(self) || !self->facts.found.has_image ||
        self->facts.tracker_id[0] == '\0' || self->record == NULL)
        return true;
    if (ask_for_previous(self, &previous, &why)) {
        tbk_value_set(self->arena, self->result, "kept", tbk_value_share(self->arena, previous));
        warn_of_previous(self, previous);
        return true;
    }
    if (!tbk_report_go_on(self->vm->report, err))
        return false;
    tbk_report_log(self->vm->report, TBK_LOG_DETAIL, "status",
                   "databases of before a restore could not be listed: %s", why.message);
    return true;
}

static bool look_off_site(status *self, tbk_error *err)
{
    const tbk_offsite_look look = {.facts = &self->facts,
                                   .local_s = tbk_value_integer_at(self->record, "last_success_s"),
                                   .problems = self->problems,
                                   .warnings = self->warnings};
    tbk_value *offsite = NULL;

    if (!tbk_offsite_status(self->arena, self->vm, &look, &offsite, err))
        return false;
    if (offsite != NULL)
        tbk_value_set(self->arena, self->result, "offsite", offsite);
    return true;
}

/* What the last set lacks; where that is more than a link, the run has ended with 3 as well. */
static void look_at_config(status *self)
{
    for (const tbk_member *item = tbk_value_members_at(self->record, "config_missing");
         item != NULL; item = item->next)
        if (item->value->type == TBK_VALUE_STRING)
            warn(self,
                 tbk_arena_format(self->arena, "not in the last set: %s", item->value->string));
}

static bool look(status *self, tbk_error *err)
{
    const tbk_vm *vm = self->vm;
    tbk_host_record record;

    if (!tbk_vm_look(self->arena, vm, &self->facts, err) ||
        !tbk_host_last_run(self->arena, vm, &record, err))
        return false;
    self->record = record.value;
    look_at_installation(self);
    look_at_tracker(self);
    look_at_sidecar(self);
    judge_tracker(self);
    look_at_config(self);
    return look_at_database(self, err) && look_for_previous(self, err) &&
           look_at_last_run(self, err) && look_off_site(self, err) &&
           tbk_schedule_report(self->arena, vm->workspace, &self->facts, self->result,
                               self->warnings, err);
}

static bool conclude(const status *self, tbk_error *err)
{
    if (tracker_is_down(self))
        return tbk_fail(err, TBK_E_TRACKER_DOWN,
                        self->facts.held ? "on the VM: sudo " TBK_HOLD_FILE " recover"
                                         : "start it, unless it is to be down",
                        "the tracker of '%s' is not running (%s)",
                        self->vm->workspace->environment.name,
                        self->facts.tracker_id[0] != '\0' ? self->facts.tracker_state
                                                          : "its container is gone");
    if (tracker_never_was(self) && self->problems->first->next == NULL)
        return tbk_fail(err, TBK_E_SKIPPED, "run the deployer's 'release' and 'run' first",
                        "there is no tracker on the VM yet, so there is nothing to back up");
    if (self->problems->first != NULL)
        return tbk_fail(err, TBK_E_FAILED, "see the problems in the status",
                        "the backups of '%s' are not well: %s",
                        self->vm->workspace->environment.name,
                        self->problems->first->value->string);
    return true;
}

bool tbk_status(tbk_arena *arena, const tbk_status_input *input, tbk_value **out_result,
                tbk_error *err)
{
    status self = {.arena = arena,
                   .vm = input,
                   .result = tbk_value_map(arena),
                   .problems = tbk_value_list(arena),
                   .warnings = tbk_value_list(arena)};

    *out_result = self.result;
    tbk_value_set_string(arena, self.result, "host", input->remote->name);
    tbk_value_set_string(arena, self.result, "health", "failing");
    tbk_value_set(arena, self.result, "problems", self.problems);
    tbk_value_set(arena, self.result, "remarks", self.warnings);
    if (!look(&self, err))
        return false;
    tbk_value_set(arena, self.result, "last_run", tbk_value_share(arena, self.record));
    if (!conclude(&self, err))
        return false;
    tbk_value_set_string(arena, self.result, "health", "ok");
    return true;
}

static bool ask_engine(tbk_arena *arena, const tbk_status_input *input,
                       const char *const *arguments, tbk_value **out_result, tbk_error *err)
{
    tbk_host_answer answer;

    *out_result = NULL;
    if (!tbk_host_run_engine(arena, input, arguments, ENGINE_TIMEOUT_MS, &answer, err))
        return false;
    if (answer.value != NULL && answer.exit_status == 0)
        *out_result = tbk_value_share(arena, answer.value);
    return tbk_host_outcome(answer.exit_status, answer.value, err);
}

bool tbk_status_sets(tbk_arena *arena, const tbk_status_input *input, tbk_value **out_result,
                     tbk_error *err)
{
    const char *const arguments[] = {"list", "--output", "json", NULL};

    return ask_engine(arena, input, arguments, out_result, err);
}

bool tbk_status_acknowledge(tbk_arena *arena, const tbk_status_input *input, tbk_value **out_result,
                            tbk_error *err)
{
    const char *const arguments[] = {"acknowledge", "--output", "json", NULL};

    return ask_engine(arena, input, arguments, out_result, err);
}
