/* SPDX-License-Identifier: MIT */
/* One backup end to end: installation, run, proof there, proof here, tracker, schedule. */
#include "commands/verify.h"

#include "base/clock.h"
#include "commands/database_use.h"
#include "commands/schedule_report.h"
#include "commands/verify_internal.h"
#include "domain/document.h"
#include "store/private_folder.h"

#include <inttypes.h>

#define REPORT_SCHEMA 1
#define STEPS 6u /* and one each for a live server, for off-site, its proof, and cron */
#define HEALTHY_LIMIT_MS 120000

/* --- the report --- */

#define AT(member) TBK_AT(tbk_verify_report, member)
#define AT_VALUE(member) TBK_AT_VALUE(tbk_verify_report, member)
#define OMITTED .need = TBK_FIELD_OMITTED
static const tbk_field report_fields[] = {
    {"schema", TBK_FIELD_VERSION, .most = REPORT_SCHEMA},
    {"environment", TBK_FIELD_TEXT, AT(environment)},
    {"host", TBK_FIELD_TEXT, AT(host)},
    {"at", TBK_FIELD_TEXT, AT(at)},
    {"proved", TBK_FIELD_BOOL, AT(proved)},
    {"checks", TBK_FIELD_VALUE, AT_VALUE(checks)},
    {"runs", TBK_FIELD_VALUE, AT_VALUE(runs)},
    {"remarks", TBK_FIELD_VALUE, AT_VALUE(warnings)},
    {"tracker_before", TBK_FIELD_TEXT, AT(tracker_before), OMITTED},
    {"proof_on_vm", TBK_FIELD_VALUE, AT_VALUE(proof_on_vm), OMITTED},
    {"manifest", TBK_FIELD_VALUE, AT_VALUE(manifest), OMITTED},
    {"proof_here", TBK_FIELD_VALUE, AT_VALUE(proof_here), OMITTED},
    {"kept", TBK_FIELD_TEXT, AT(kept), OMITTED},
    {"live_tables", TBK_FIELD_VALUE, AT_VALUE(live_tables), OMITTED},
    {"tracker_after", TBK_FIELD_TEXT, AT(tracker_after), OMITTED},
    {"healthy_after_ms", TBK_FIELD_INTEGER, AT(healthy_after_ms), OMITTED, .otherwise = -1},
    {.kind = TBK_FIELD_END},
};

static tbk_value *report_to_value(tbk_arena *arena, const tbk_verify_report *report)
{
    tbk_value *value = tbk_fields_to_value(arena, report_fields, report);

    for (const tbk_member *member = report->schedule->first; member != NULL; member = member->next)
        tbk_value_add(arena, value, member->key, member->value);
    return value;
}

void tbk_verify_note(tbk_verify_job *self, const char *name, tbk_check_state state,
                     const char *detail)
{
    tbk_value *check = tbk_value_map(self->arena);

    tbk_value_set_string(self->arena, check, "name", name);
    tbk_value_set_string(self->arena, check, "state", tbk_check_state_name(state));
    tbk_value_set_string(self->arena, check, "detail", detail);
    tbk_value_append(self->arena, self->report.checks, check);
    tbk_report_log(self->vm->report, state == TBK_CHECK_FAILED ? TBK_LOG_ERROR : TBK_LOG_INFO,
                   "verify", "%s: %s%s%s", name, tbk_check_state_name(state),
                   detail[0] != '\0' ? ", " : "", detail);
}

static void note_not_ok(tbk_verify_job *self, const char *name, const char *detail)
{
    tbk_verify_note(self, name, TBK_CHECK_FAILED, detail);
    if (self->first_failed == NULL)
        self->first_failed = tbk_arena_format(self->arena, "%s: %s", name, detail);
}

void tbk_verify_failed(tbk_verify_job *self, const char *name, const char *detail)
{
    note_not_ok(self, name, detail);
    self->has_wrong = true;
}

void tbk_verify_unknown(tbk_verify_job *self, const char *name, const char *why)
{
    note_not_ok(self, name, tbk_arena_format(self->arena, "it could not be carried out: %s", why));
}

void tbk_verify_check(tbk_verify_job *self, const char *name, bool ok, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const char *detail = tbk_arena_vformat(self->arena, format, arguments);
    va_end(arguments);
    if (ok)
        tbk_verify_note(self, name, TBK_CHECK_OK, detail);
    else
        tbk_verify_failed(self, name, detail);
}

/* --- the steps --- */

static bool has_server(const tbk_verify_job *self)
{
    return self->vm->workspace->environment.driver == TBK_DRIVER_MYSQL;
}

/* Before the run: what it would save and prove were another database. */
static bool check_database_use(tbk_verify_job *self, tbk_error *err)
{
    tbk_database_use use;

    if (has_server(self))
        return true;
    if (!tbk_database_use_look(self->arena, self->vm, &use, err))
        return false;
    if (use.problem != NULL)
        tbk_verify_failed(
            self, "database in use",
            tbk_arena_format(self->arena, "%s; %s", use.problem, tbk_database_use_fix));
    else if (use.unknown != NULL)
        tbk_verify_note(self, "database in use", TBK_CHECK_WARNING,
                        tbk_arena_format(self->arena, "could not look: %s", use.unknown));
    else
        tbk_verify_note(self, "database in use", TBK_CHECK_OK,
                        use.is_open ? "the tracker has it open" : "the tracker does not run");
    return true;
}

static bool check_installation(tbk_verify_job *self, tbk_error *err)
{
    tbk_items items;

    if (!tbk_vm_look(self->arena, self->vm, &self->facts, err))
        return false;
    if (self->facts.docker_version[0] == '\0') {
        tbk_verify_check(self, "Docker", false, "it does not answer");
        return tbk_fail(err, TBK_E_CONTAINER, "start it: sudo systemctl start docker",
                        "Docker does not answer on '%s'", self->vm->remote->name);
    }
    tbk_vm_items(self->arena, self->vm, &self->facts, &items);
    const char *drift = tbk_items_drift(self->arena, &items, true);
    tbk_verify_check(self, "installation", drift == NULL, "%s",
                     drift != NULL ? drift : "files, owners and image are as rendered");
    const char *other = tbk_items_other_mode(self->arena, &items);
    tbk_verify_check(self, "one mode", other == NULL, "%s",
                     other != NULL ? other : "nothing of the other one");
    if (tbk_vm_mode(self->vm) == TBK_MODE_WINDOW)
        tbk_verify_check(self, "cron daemon", self->facts.cron_running,
                         self->facts.cron_running ? "running" : "no cron daemon runs on the VM");
    if (self->facts.tracker_id[0] == '\0')
        return tbk_fail(err, TBK_E_SKIPPED, "run the deployer's 'release' and 'run' first",
                        "there is no tracker on the VM yet, so there is nothing to verify");
    self->report.tracker_before = tbk_host_facts_tracker(self->arena, &self->facts);
    if (tbk_vm_mode(self->vm) == TBK_MODE_SIDECAR)
        tbk_verify_check(self, "sidecar", strcmp(self->facts.sidecar_state, "running") == 0, "%s",
                         self->facts.sidecar_state[0] != '\0' ? self->facts.sidecar_state
                                                              : "it is not there");
    return check_database_use(self, err);
}

/* --- the tracker afterwards --- */

/* Docker says "unhealthy" from a pause until its next probe passes, so this waits, with a limit. */
static bool check_tracker(tbk_verify_job *self, bool ran_before, tbk_error *err)
{
    int64_t start_ms = tbk_clock_monotonic_ms();

    if (!tbk_vm_await_tracker(self->arena, self->vm, ran_before ? HEALTHY_LIMIT_MS : 0,
                              &self->facts, err))
        return false;
    int64_t waited_ms = tbk_clock_monotonic_ms() - start_ms;
    self->report.tracker_after = tbk_host_facts_tracker(self->arena, &self->facts);
    self->report.healthy_after_ms = waited_ms;
    if (ran_before)
        tbk_verify_check(self, "tracker", tbk_host_facts_tracker_is_well(&self->facts),
                         "%s after %" PRId64 " ms", self->report.tracker_after, waited_ms);
    else
        tbk_verify_check(self, "tracker", strcmp(self->facts.tracker_state, "running") != 0,
                         "it was not running before, and is %s now", self->facts.tracker_state);
    tbk_verify_check(self, "hold", !self->facts.held,
                     self->facts.held ? "the marker of a hold still stands" : "nothing is held");
    if (ran_before && strcmp(self->facts.tracker_state, "running") != 0)
        self->outcome = TBK_E_TRACKER_DOWN;
    return true;
}

/* --- all of it --- */

static bool goes_offsite(const tbk_verify_job *self)
{
    return self->vm->workspace->options.offsite.repository != NULL;
}

static bool step(tbk_verify_job *self, const char *title,
                 bool (*work)(tbk_verify_job *, tbk_error *), tbk_error *err)
{
    uint32_t total = STEPS + (self->wait_for_cron ? 1u : 0) + (has_server(self) ? 1u : 0) +
                     (goes_offsite(self) ? 1u : 0) + (self->proves_offsite ? 1u : 0);
    uint32_t number = ++self->step;

    tbk_report_step_started(self->vm->report, number, total, title);
    if (!tbk_report_go_on(self->vm->report, err) || !work(self, err))
        return false;
    tbk_report_step_completed(self->vm->report, number, total, title);
    return true;
}

static bool check_tracker_that_ran(tbk_verify_job *self, tbk_error *err)
{
    return check_tracker(self, true, err);
}

static bool check_tracker_that_was_stopped(tbk_verify_job *self, tbk_error *err)
{
    tbk_value_append(
        self->arena, self->report.warnings,
        tbk_value_string(self->arena,
                         "the tracker was not running; its database was saved as it is"));
    return check_tracker(self, false, err);
}

static bool check_schedule(tbk_verify_job *self, tbk_error *err)
{
    if (!tbk_schedule_report(self->arena, self->vm->workspace, &self->facts, self->report.schedule,
                             self->report.warnings, err))
        return false;
    tbk_verify_note(self, "one scheduler",
                    self->facts.native_cron ? TBK_CHECK_WARNING : TBK_CHECK_OK,
                    self->facts.native_cron ? "the deployer's own backup is scheduled too"
                                            : "no other backup is scheduled");
    return true;
}

static bool run_once(tbk_verify_job *self, tbk_error *err)
{
    return tbk_vm_mode(self->vm) == TBK_MODE_SIDECAR
               ? step(self, "Running a backup in the sidecar", tbk_verify_run_sidecar, err)
               : step(self, "Running a backup as cron does", tbk_verify_run_hook, err);
}

static bool prove_all(tbk_verify_job *self, tbk_error *err)
{
    return step(self, "Proving it on the VM", tbk_verify_prove_on_vm, err) &&
           step(self, "Proving it here", tbk_verify_prove_here, err) &&
           (!has_server(self) ||
            step(self, "Comparing with the live database", tbk_verify_compare_live, err));
}

static bool verify_backup(tbk_verify_job *self, tbk_error *err)
{
    if (self->first_failed == NULL && !run_once(self, err))
        return false;
    if (self->first_failed == NULL && !tbk_verify_endpoints(self, err))
        return false;
    if (self->first_failed == NULL && !prove_all(self, err))
        return false;
    if (self->first_failed == NULL && goes_offsite(self) &&
        !step(self, "Following it off-site", tbk_verify_follow_offsite, err))
        return false;
    return self->first_failed != NULL || !self->proves_offsite ||
           step(self, "Proving the newest set off-site", tbk_verify_drill_offsite, err);
}

static bool verify_all(tbk_verify_job *self, tbk_error *err)
{
    if (!step(self, "Checking the installation", check_installation, err))
        return false;
    bool ran = strcmp(self->facts.tracker_state, "running") == 0;
    if (!verify_backup(self, err) ||
        !step(self, "Looking after the tracker",
              ran ? check_tracker_that_ran : check_tracker_that_was_stopped, err))
        return false;
    if (self->wait_for_cron && self->first_failed == NULL &&
        (!step(self, "Waiting for a run fired by cron", tbk_verify_await_cron, err) ||
         !check_tracker(self, ran, err)))
        return false;
    return step(self, "Checking the schedule", check_schedule, err);
}

static bool conclude(const tbk_verify_job *self, tbk_error *err)
{
    if (self->first_failed == NULL)
        return true;
    bool is_more = self->outcome == TBK_E_TRACKER_DOWN || self->outcome == TBK_E_SKIPPED ||
                   self->outcome == TBK_E_LOCKED || self->outcome == TBK_E_INTERRUPTED;
    tbk_error_code code = is_more           ? self->outcome
                          : self->has_wrong ? TBK_E_UNPROVED
                                            : TBK_E_PARTIAL;
    return tbk_fail(err, code, "fix what the report names, then verify again",
                    "not everything is proved: %s", self->first_failed);
}

/* Before a backup is made that then could not be kept. */
static bool check_keep(const char *path, tbk_error *err)
{
    tbk_auto_fd int folder = -1;

    return path == NULL || tbk_private_folder_open(path, &folder, err);
}

bool tbk_verify(tbk_arena *arena, const tbk_verify_input *input, tbk_value **out_result,
                tbk_error *err)
{
    char at[TBK_CLOCK_TEXT_SIZE];
    tbk_verify_job self = {.arena = arena,
                           .vm = &input->vm,
                           .wait_for_cron = input->wait_for_cron,
                           .fetch_all = input->fetch_all,
                           .keep = input->keep,
                           .proves_offsite = input->proves_offsite,
                           .report = {.environment = input->vm.workspace->environment.name,
                                      .host = input->vm.remote->name,
                                      .at = at,
                                      .checks = tbk_value_list(arena),
                                      .runs = tbk_value_list(arena),
                                      .warnings = tbk_value_list(arena),
                                      .healthy_after_ms = -1,
                                      .schedule = tbk_value_map(arena)}};

    if (input->proves_offsite && !goes_offsite(&self))
        return tbk_fail(err, TBK_E_CONFIG,
                        "write a section 'offsite' into the options file, and configure",
                        "nothing goes off-site from this environment, so there is nothing to prove "
                        "there");
    if (input->wait_for_cron && tbk_vm_mode(&input->vm) == TBK_MODE_SIDECAR)
        return tbk_fail(err, TBK_E_CONFIG, "leave it out: the sidecar has a schedule of its own",
                        "cron starts nothing in mode sidecar, so there is nothing to wait for");
    if (!check_keep(input->keep, err))
        return false;
    tbk_clock_format(tbk_clock_now_s(), at);
    self.report.proved = verify_all(&self, err) && conclude(&self, err);
    *out_result = report_to_value(arena, &self.report);
    return self.report.proved;
}
