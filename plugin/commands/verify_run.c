/* SPDX-License-Identifier: MIT */
/* The runs of `verify`: as cron starts them, in the sidecar, and one that cron itself starts. */
#include "commands/verify_internal.h"

#include "base/clock.h"
#include "commands/host_runner.h"
#include "domain/proof.h"

#include <inttypes.h>
#include <string.h>

#define CRON_RUN_LIMIT_MS (15 * 60000)
#define BOOT_CHECK "tracker on the set"
#define CRON_ONCE_FILE TBK_CRON_FILE "-verify"

/* Enters a finished run into the report, and remembers its set. */
static void note_run(tbk_verify_job *self, const char *trigger, const tbk_host_answer *answer)
{
    tbk_arena *arena = self->arena;
    const tbk_host_record *record = &answer->record;
    const char *set_id = record->set_id;
    const char *method = record->method != NULL ? record->method : "unknown";
    tbk_value *run = tbk_value_map(arena);
    tbk_error why = {0};

    bool ok = tbk_host_outcome(answer->exit_status, record->value, &why);
    bool new_set = set_id != NULL && (self->set_id == NULL || strcmp(set_id, self->set_id) != 0);
    tbk_value_set_string(arena, run, "trigger", trigger);
    tbk_value_set_string(arena, run, "run", record->run_id);
    tbk_value_set_string(arena, run, "set", set_id);
    tbk_value_set_integer(arena, run, "exit_status", answer->exit_status);
    tbk_value_set_integer(arena, run, "held_ms", record->held_ms);
    tbk_value_set_integer(arena, run, "duration_ms", record->duration_ms);
    tbk_value_append(arena, self->report.runs, run);
    if (ok && new_set)
        tbk_verify_check(self, trigger, true,
                         "set %s by '%s'; the tracker was held for %" PRId64 " ms of %" PRId64
                         " ms",
                         set_id, method, record->held_ms, record->duration_ms);
    else
        tbk_verify_check(self, trigger, false, "%s%s%s",
                         ok ? "no new set was recorded" : why.message,
                         why.fix[0] != '\0' ? ". Fix: " : "", why.fix);
    if (!ok && self->outcome == TBK_E_OK)
        self->outcome = why.code;
    self->set_id = ok ? set_id : NULL;
    self->run_id = record->run_id;
}

/* What the run saw of a tracker on its set. That one could not be started says nothing of it. */
static void note_boot(tbk_verify_job *self, const tbk_value *record)
{
    const char *state = tbk_value_text_at(record, "booted.state", "skipped");
    const char *detail = tbk_value_text_at(record, "booted.detail", "the run did not try it");

    if (strcmp(state, tbk_boot_state_name(TBK_BOOT_FAILED)) == 0)
        tbk_verify_failed(self, BOOT_CHECK, detail);
    else
        tbk_verify_note(self, BOOT_CHECK,
                        strcmp(state, tbk_boot_state_name(TBK_BOOT_PASSED)) == 0
                            ? TBK_CHECK_OK
                            : TBK_CHECK_SKIPPED,
                        detail);
}

bool tbk_verify_run_hook(tbk_verify_job *self, tbk_error *err)
{
    bool boots = self->vm->workspace->environment.driver == TBK_DRIVER_SQLITE;
    tbk_host_answer answer;

    if (!tbk_host_run_hook(self->arena, self->vm, boots ? "--boot" : "", &answer, err))
        return false;
    note_run(self, "backup run", &answer);
    if (boots && answer.record.value != NULL)
        note_boot(self, answer.record.value);
    return true;
}

bool tbk_verify_run_sidecar(tbk_verify_job *self, tbk_error *err)
{
    const char *const arguments[] = {"backup", "--log", "json", NULL};
    tbk_host_answer answer;

    if (!tbk_host_run_sidecar(self->arena, self->vm, arguments, &answer, err))
        return false;
    note_run(self, "backup run", &answer);
    return true;
}

/* Asked here, since Docker asks only now and then. */
bool tbk_verify_endpoints(tbk_verify_job *self, tbk_error *err)
{
    const char *health = "", *metrics = "";
    int health_status = 0, metrics_status = 0;

    if (tbk_vm_mode(self->vm) == TBK_MODE_WINDOW)
        return true;
    if (!tbk_host_ask_sidecar(self->arena, self->vm->remote, "health", &health_status, &health,
                              err) ||
        !tbk_host_ask_sidecar(self->arena, self->vm->remote, "metrics", &metrics_status, &metrics,
                              err))
        return false;
    tbk_verify_check(self, "sidecar's health", health_status == 0, "%s",
                     health_status == 0 ? "it says that all is well" : health);
    bool has_metrics = metrics_status == 0 && strstr(metrics, "torrust_backup_sets ") != NULL;
    tbk_verify_check(self, "sidecar's metrics", has_metrics,
                     has_metrics ? "they are there" : "there are none");
    return true;
}

/* --- a run that cron itself starts --- */

static bool schedule_once(tbk_verify_job *self, tbk_error *err)
{
    /* A schedule of its own, with the date in it, so that a forgotten one stays quiet. */
    static const char script[] = TBK_BACKUP_COMMAND_SCRIPT
        "at=$(date +%s) && at=$((at + 75)) && due=$(date -d @$at '+%M %H %d %m') || exit\n"
        "{ grep -E '^(SHELL|PATH|MAILTO)=' \"$1\"\n"
        "backup_command \"$1\" | sed \"s/^/$due * root /\"; } >\"$2~\" && chmod 644 \"$2~\" &&\n"
        "mv \"$2~\" \"$2\" && date -d @$at +%H:%M\n";
    const tbk_remote_command command = {
        .argv =
            (const char *const[]){"sh", "-c", script, "once", TBK_CRON_FILE, CRON_ONCE_FILE, NULL},
        .as_root = true};
    tbk_auto_remote_result result = {0};

    if (!tbk_remote_do(self->vm->remote, "scheduling one run for verification", &command, &result,
                       err))
        return false;
    tbk_report_log(self->vm->report, TBK_LOG_INFO, "verify",
                   "cron is to start a run at %.5s, the VM's time",
                   tbk_text_string(&result.output));
    return true;
}

static bool unschedule(tbk_verify_job *self, tbk_error *err)
{
    const tbk_remote_command command = {.argv =
                                            (const char *const[]){"rm", "-f", CRON_ONCE_FILE, NULL},
                                        .as_root = true,
                                        .is_cleanup = true};
    tbk_auto_remote_result result = {0};

    return tbk_remote_do(self->vm->remote, "removing the schedule for verification", &command,
                         &result, err);
}

/* out->value is NULL when no run ended within the limit. */
static bool await_next_run(tbk_verify_job *self, tbk_host_record *out, tbk_error *err)
{
    const struct timespec pause = {.tv_sec = 1};
    int64_t start_ms = tbk_clock_monotonic_ms();

    *out = (tbk_host_record){.value = NULL};
    while (tbk_clock_monotonic_ms() - start_ms < CRON_RUN_LIMIT_MS) {
        tbk_host_record record;
        const char *run_id = NULL;
        (void)nanosleep(&pause, NULL);
        if (!tbk_report_go_on(self->vm->report, err) ||
            !tbk_host_last_run(self->arena, self->vm, &record, err))
            return false;
        if (record.value == NULL)
            continue;
        if (!tbk_value_require_string(record.value, "run", &run_id, err))
            return false;
        if (self->run_id == NULL || strcmp(run_id, self->run_id) != 0) {
            *out = record;
            return true;
        }
    }
    return true;
}

bool tbk_verify_await_cron(tbk_verify_job *self, tbk_error *err)
{
    tbk_host_answer answer = {.value = NULL};
    int64_t exit_status = 0;
    tbk_error ignored;

    /* A schedule whose answer did not come may have been made. */
    bool ok = schedule_once(self, err) && await_next_run(self, &answer.record, err);
    if (!unschedule(self, ok ? err : &ignored) || !ok)
        return false;
    if (answer.record.value == NULL) {
        tbk_verify_check(self, "run fired by cron", false, "cron started no run within %d minutes",
                         CRON_RUN_LIMIT_MS / 60000);
        return true;
    }
    if (!tbk_value_require_integer(answer.record.value, "exit_status", &exit_status, err))
        return false;
    answer.exit_status = (int)exit_status;
    note_run(self, "run fired by cron", &answer);
    return true;
}
