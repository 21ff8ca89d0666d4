/* SPDX-License-Identifier: MIT */
/* Looks at what is installed, at the record of the last run, and at the tracker. */
#include "phases/status.h"

#include "base/clock.h"
#include "domain/schedule.h"
#include "phases/host_facts.h"
#include "phases/on_vm.h"
#include "phases/schedule_report.h"

#include <inttypes.h>

#define LIST_TIMEOUT_MS 300000
/* A run may take a while; this much later than due, it is missing. */
#define OVERDUE_SLACK_S (2 * 3600)

typedef struct status {
    tbk_arena *arena;
    const tbk_status_input *input;
    tbk_host_facts facts;
    const tbk_value *record; /* NULL = there was no run yet */
    tbk_value *result;
    tbk_value *problems;
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

static tbk_mode mode_of(const status *self) { return self->input->workspace->options.mode; }

static void look_at_installation(status *self)
{
    const char *difference = tbk_host_facts_difference(
        self->arena, &self->facts, self->input->rendering, self->input->image->tag);

    if (!docker_answers(self))
        problem(self, "Docker does not answer on the VM");
    if (difference != NULL)
        problem(self, "%s", difference);
    const char *other = tbk_host_facts_other_mode(self->arena, &self->facts, mode_of(self));
    if (other != NULL)
        problem(self, "%s", other);
    if (mode_of(self) == TBK_MODE_WINDOW && !self->facts.cron_running)
        problem(self, "no cron daemon runs on the VM");
    tbk_value_set_string(self->arena, self->result, "mode", tbk_mode_name(mode_of(self)));
    tbk_value_set_bool(self->arena, self->result, "installed", difference == NULL);
    tbk_value_set_string(self->arena, self->result, "image", self->input->image->tag);
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

    if (mode_of(self) == TBK_MODE_WINDOW)
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

static bool look_at_last_run(status *self, tbk_error *err)
{
    int64_t last_success_s = 0;
    int64_t shortest_s = 0;
    int64_t longest_s = 0;
    tbk_schedule schedule;
    tbk_error why = {0};
    int64_t exit_status = 0;

    if (self->record == NULL) {
        if (!tracker_never_was(self))
            problem(self, "there was no run yet; try one with 'torrust-backup verify'");
        return true;
    }
    if (!tbk_value_need_integer(self->record, "exit_status", &exit_status, err) ||
        !tbk_value_read_integer(self->record, "last_success_s", &last_success_s, err) ||
        !tbk_schedule_parse(self->input->workspace->options.schedule, &schedule, err))
        return false;
    if (!tbk_on_vm_outcome((int)exit_status, self->record, &why))
        problem(self, "%s", why.message);
    tbk_schedule_gaps(&schedule, self->facts.now_s, &shortest_s, &longest_s);
    if (last_success_s == 0)
        problem(self, "no backup has succeeded yet");
    else if (self->facts.now_s - last_success_s > longest_s + OVERDUE_SLACK_S)
        problem(self, "the last good backup is %" PRId64 " hours old",
                (self->facts.now_s - last_success_s) / 3600);
    return true;
}

static bool look(status *self, tbk_error *err)
{
    const tbk_status_input *input = self->input;

    if (!tbk_host_facts_read(self->arena, input->remote, input->rendering, input->image->tag,
                             input->workspace->options.store, &self->facts, err) ||
        !tbk_on_vm_last_run(self->arena, input->remote, input->workspace->options.store,
                            &self->record, err))
        return false;
    look_at_installation(self);
    look_at_tracker(self);
    look_at_sidecar(self);
    judge_tracker(self);
    return look_at_last_run(self, err) &&
           tbk_schedule_report(self->arena, input->workspace, &self->facts, self->result, err);
}

static bool conclude(const status *self, tbk_error *err)
{
    if (tracker_is_down(self))
        return tbk_fail(err, TBK_E_TRACKER_DOWN,
                        self->facts.held ? "on the VM: sudo " TBK_HOLD_FILE " recover"
                                         : "start it, unless it is to be down",
                        "the tracker of '%s' is not running (%s)",
                        self->input->workspace->environment.name,
                        self->facts.tracker_id[0] != '\0' ? self->facts.tracker_state
                                                          : "its container is gone");
    if (tracker_never_was(self) && self->problems->first->next == NULL)
        return tbk_fail(err, TBK_E_SKIPPED, "run the deployer's 'release' and 'run' first",
                        "there is no tracker on the VM yet, so there is nothing to back up");
    if (self->problems->first != NULL)
        return tbk_fail(err, TBK_E_FAILED, "see the problems in the status",
                        "the backups of '%s' are not well: %s",
                        self->input->workspace->environment.name,
                        self->problems->first->value->string);
    return true;
}

/* A copy that can be put into a result; the children are shared. */
static tbk_value *shallow_copy(tbk_arena *arena, const tbk_value *value)
{
    tbk_value *copy = TBK_ARENA_NEW(arena, tbk_value);

    if (value == NULL)
        return tbk_value_null(arena);
    *copy = *value;
    return copy;
}

bool tbk_status(tbk_arena *arena, const tbk_status_input *input, tbk_value **out_result,
                tbk_error *err)
{
    status self = {.arena = arena,
                   .input = input,
                   .result = tbk_value_map(arena),
                   .problems = tbk_value_list(arena)};

    *out_result = self.result;
    tbk_value_set_string(arena, self.result, "host", input->remote->name);
    tbk_value_set_string(arena, self.result, "health", "failing");
    tbk_value_set(arena, self.result, "problems", self.problems);
    if (!look(&self, err))
        return false;
    tbk_value_set(arena, self.result, "last_run", shallow_copy(arena, self.record));
    if (!conclude(&self, err))
        return false;
    tbk_value_set_string(arena, self.result, "health", "ok");
    return true;
}

bool tbk_status_sets(tbk_arena *arena, const tbk_status_input *input, tbk_value **out_result,
                     tbk_error *err)
{
    const char *const arguments[] = {"list", "--output", "json", NULL};
    const tbk_value *answer = NULL;
    int exit_status = 0;

    *out_result = NULL;
    if (!tbk_on_vm_run_engine(arena, input->remote, arguments, LIST_TIMEOUT_MS, input->report,
                              &exit_status, &answer, err))
        return false;
    if (answer != NULL && exit_status == 0)
        *out_result = shallow_copy(arena, answer);
    return tbk_on_vm_outcome(exit_status, answer, err);
}
