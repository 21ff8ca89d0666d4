/* SPDX-License-Identifier: MIT */
/* Running the hook and the engine on the VM, and understanding what they say. */
#ifndef TBK_COMMANDS_HOST_RUNNER_H
#define TBK_COMMANDS_HOST_RUNNER_H

#include "base/value.h"
#include "commands/vm.h"

/* A function of the shell: the command of the first backup that a crontab ($1) of ours schedules.
 * It stands after cron's user; what recovers is none, in a crontab of an earlier version neither.
 */
#define TBK_BACKUP_COMMAND_SCRIPT                                                                  \
    "backup_command() {\n"                                                                         \
    "    sed -n '/^#/d; / --recover/d; /-hold recover/d; "                                         \
    "s/^.*[[:space:]]root[[:space:]]\\{1,\\}//p' \"$1\" 2>/dev/null | head -n 1\n"                 \
    "}\n"

/* The record that the engine keeps of a run or a restore; members are NULL where it says nothing.
 */
typedef struct tbk_host_record {
    const tbk_value *value; /* all of it; NULL = there is none */
    const char *run_id, *set_id, *method;
    int64_t held_ms, duration_ms;
    /* Looked at for those who read them in the value. */
    const char *method_reason, *profile, *finished, *success_set;
    const char *error_name, *error_message, *error_fix;
    int64_t exit_status;
} tbk_host_record;

/* How the hook or the engine ended, and what it said. */
typedef struct tbk_host_answer {
    int exit_status;
    const tbk_value *value; /* the record of the run, or the engine's JSON; NULL = none */
    tbk_host_record record; /* of a run */
} tbk_host_answer;

/*
 * Runs the command of the installed crontab as cron would (shell, environment, log file), following
 * the log while it goes on: its lines become log and progress events. arguments are more options
 * for the hook, as words of a shell; "" = exactly as cron runs it. The value is the record of this
 * run, NULL when it left none (it was skipped, or another one was under way). When the connection
 * is lost or the caller cancels, the run itself goes on on the VM.
 */
bool tbk_host_run_hook(tbk_arena *arena, const tbk_vm *vm, const char *arguments,
                       tbk_host_answer *out, tbk_error *err) TBK_MUST_CHECK;

/* The same for a restore; arguments begin with its name, and the record is that of a restore. */
bool tbk_host_restore(tbk_arena *arena, const tbk_vm *vm, const char *arguments,
                      tbk_host_answer *out, tbk_error *err) TBK_MUST_CHECK;

/* A backup in the sidecar's container, besides those of its schedule; otherwise as
 * tbk_host_run_hook. The arguments are the engine's, and end with NULL. Fails with TBK_E_CONTAINER
 * when it does not run. */
bool tbk_host_run_sidecar(tbk_arena *arena, const tbk_vm *vm, const char *const *arguments,
                          tbk_host_answer *out, tbk_error *err) TBK_MUST_CHECK;

/* What the sidecar's own endpoints say: "health" or "metrics". Exit status 0 when all is well. */
bool tbk_host_ask_sidecar(tbk_arena *arena, const tbk_remote *remote, const char *what,
                          int *out_exit_status, const char **out, tbk_error *err) TBK_MUST_CHECK;

/* Runs the engine once in its container, without the hook: `list`, `check`, `prove`, `plan`. The
 * arguments end with NULL. The value is the JSON that it prints; NULL when it printed none. Where
 * the caller cancels, or the time is over, its container is stopped. */
bool tbk_host_run_engine(tbk_arena *arena, const tbk_vm *vm, const char *const *arguments,
                         uint32_t timeout_ms, tbk_host_answer *out, tbk_error *err) TBK_MUST_CHECK;

/* The same in the container of another service of ours. */
bool tbk_host_run_service(tbk_arena *arena, const tbk_vm *vm, const char *service,
                          const char *const *arguments, uint32_t timeout_ms, tbk_host_answer *out,
                          tbk_error *err) TBK_MUST_CHECK;

/* The record of the environment's last run, from the store. */
bool tbk_host_last_run(tbk_arena *arena, const tbk_vm *vm, tbk_host_record *out,
                       tbk_error *err) TBK_MUST_CHECK;

/* Fails as the run or engine on the VM failed: with the message of its record or answer where
 * there is one. Succeeds for exit status 0. record may be NULL. */
bool tbk_host_outcome(int exit_status, const tbk_value *record, tbk_error *err) TBK_MUST_CHECK;

#endif
