/* SPDX-License-Identifier: MIT */
/* Runs the hook as cron would, and the engine in its container. */
#include "commands/host_runner.h"

#include "base/clock.h"
#include "base/json.h"
#include "commands/host_facts.h"
#include "commands/once_container.h"
#include "domain/document.h"
#include "domain/units.h"

#define HOUR_MS 3600000u
#define RUN_TIMEOUT_MS (12 * HOUR_MS)
#define RUN_IDLE_TIMEOUT_MS (HOUR_MS / 2)
#define LINE_LIMIT_BYTES 65536
#define RUN_RECORD "/.state/last-run.json"
#define RUN_RECORD_OF "/.state/last-run.%s.json"
#define RESTORE_RECORD "/.state/last-restore.json"
/* Our scripts' own exit status, which no program in them has. */
#define NOT_INSTALLED 119
#define NOT_INSTALLED_TEXT "119"
#define NO_HOOK 118
#define NO_HOOK_TEXT "118"
#define NO_SIDECAR 117
#define NO_SIDECAR_TEXT "117"

/* The command and the environment come from the installed crontab, so that what is proved is what
 * cron will do. More arguments ($4) are put after the hook's name ($3), wherever it stands: what
 * comes after that is the shell's. The hook is not a child of the pipe to us: when we go, it goes
 * on.
 */
static const char HOOK_SCRIPT[] = TBK_BACKUP_COMMAND_SCRIPT
    "crontab=$1 log=$2 hook=$3 arguments=$4\n"
    "command=$(backup_command \"$crontab\")\n"
    "path=$(sed -n 's/^PATH=//p' \"$crontab\")\n"
    "[ -n \"$command\" ] || exit " NOT_INSTALLED_TEXT "\n"
    "if [ -n \"$arguments\" ]; then\n"
    "    command=\"$command \"\n"
    "    before=${command%%\"$hook \"*}\n"
    "    [ \"$before\" != \"$command\" ] || exit " NO_HOOK_TEXT "\n"
    "    command=\"$before$hook $arguments ${command#*\"$hook \"}\"\n"
    "fi\n"
    "size=$(stat -c %s \"$log\" 2>/dev/null || echo 0)\n"
    "env -i SHELL=/bin/sh HOME=/root LOGNAME=root PATH=\"${path:-/usr/bin:/bin}\" "
    "/bin/sh -c \"$command\" </dev/null >/dev/null 2>&1 &\n"
    "run=$!\n"
    "tail -c +$((size + 1)) -s 0.2 --pid=$run -F \"$log\" 2>/dev/null\n"
    "wait $run\n";

static bool fail_not_installed(const tbk_remote *remote, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CONFIG, "run 'torrust-backup configure' first",
                    "the backup is not installed on '%s'", remote->name);
}

typedef struct log_follower {
    const tbk_report *report;
    tbk_text line;
} log_follower;

static tbk_log_level level_of(const char *name)
{
    for (int level = TBK_LOG_ERROR; level <= TBK_LOG_DEBUG; level++)
        if (strcmp(name, tbk_log_level_name((tbk_log_level)level)) == 0)
            return (tbk_log_level)level;
    return TBK_LOG_INFO;
}

/* A line of the log as an event; what is not JSON (what Docker says) is passed on as it is. */
static void follow_line(const tbk_report *report, const tbk_text *line)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *value = NULL;
    const char *phase = "run";
    const char *level = "info";
    const char *message = NULL;
    int64_t done_bytes = -1;
    int64_t total_bytes = 0;
    tbk_error ignored;

    if (line->length == 0)
        return;
    if (!tbk_json_parse(arena, line->bytes, line->length, "log", &value, &ignored) ||
        !tbk_value_optional_string(value, "phase", &phase, &ignored) ||
        !tbk_value_optional_string(value, "level", &level, &ignored) ||
        !tbk_value_optional_string(value, "message", &message, &ignored) ||
        !tbk_value_optional_integer_within(value, "done_bytes", 0, INT64_MAX, &done_bytes,
                                           &ignored) ||
        !tbk_value_optional_integer_within(value, "total_bytes", 0, INT64_MAX, &total_bytes,
                                           &ignored)) {
        tbk_report_log(report, TBK_LOG_DETAIL, "run", "%s", tbk_text_string(line));
        return;
    }
    if (done_bytes >= 0)
        tbk_report_progress(report, phase, (uint64_t)done_bytes, (uint64_t)total_bytes);
    else if (message != NULL)
        tbk_report_log(report, level_of(level), phase, "%s", message);
}

static bool follow(void *self, const char *bytes, size_t length, tbk_error *err)
{
    log_follower *follower = self;

    (void)err;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n' || follower->line.length >= LINE_LIMIT_BYTES) {
            follow_line(follower->report, &follower->line);
            tbk_text_clear(&follower->line);
        }
        if (bytes[i] != '\n')
            tbk_text_append_char(&follower->line, bytes[i]);
    }
    return true;
}

static bool run_followed(const tbk_vm *vm, const char *const *argv, int *out_exit_status,
                         tbk_error *err)
{
    const tbk_remote *remote = vm->remote;
    const tbk_report *report = vm->report;
    log_follower follower = {.report = report};
    const tbk_remote_command command = {.argv = argv,
                                        .as_root = true,
                                        .on_output = follow,
                                        .on_output_self = &follower,
                                        .timeout_ms = RUN_TIMEOUT_MS,
                                        .idle_timeout_ms = RUN_IDLE_TIMEOUT_MS,
                                        .report = report};
    tbk_auto_remote_result result = {0};

    bool ok = remote->run(remote->self, &command, &result, err);
    follow_line(report, &follower.line); /* the last one need not have an end */
    tbk_text_end(&follower.line);
    if (!ok) {
        (void)snprintf(err->fix, sizeof err->fix, "%s",
                       "the run itself goes on on the VM; see it with 'torrust-backup status'");
        return tbk_error_context(err, "following the run on '%s'", remote->name);
    }
    if (result.exit_status == NOT_INSTALLED)
        return fail_not_installed(remote, err);
    if (result.exit_status == NO_HOOK)
        return tbk_fail(err, TBK_E_CONFIG, "let the crontab call " TBK_HOOK_FILE " by its name",
                        "the command in " TBK_CRON_FILE " takes no further options");
    if (result.exit_status == NO_SIDECAR)
        return tbk_fail(err, TBK_E_CONTAINER, "run 'torrust-backup configure'",
                        "the sidecar does not run on '%s'", remote->name);
    *out_exit_status = result.exit_status;
    return true;
}

static bool is_set_id(const char *text)
{
    int64_t time_s = 0;
    return tbk_clock_parse_compact(text, &time_s);
}

#define AT(member) TBK_AT(tbk_host_record, member)
#define OPTIONAL .need = TBK_FIELD_OPTIONAL
static const tbk_field record_fields[] = {
    {"run", TBK_FIELD_TEXT, AT(run_id), OPTIONAL},
    {"set", TBK_FIELD_TEXT, AT(set_id), OPTIONAL, .accepts = is_set_id,
     .refusal = "is not the id of a backup set"},
    {"method", TBK_FIELD_TEXT, AT(method), OPTIONAL},
    {"held_ms", TBK_FIELD_INTEGER, AT(held_ms), OPTIONAL},
    {"duration_ms", TBK_FIELD_INTEGER, AT(duration_ms), OPTIONAL},
    {"method_reason", TBK_FIELD_TEXT, AT(method_reason), OPTIONAL},
    {"profile", TBK_FIELD_TEXT, AT(profile), OPTIONAL},
    {"time", TBK_FIELD_TEXT, AT(finished), OPTIONAL},
    {"last_success_set", TBK_FIELD_TEXT, AT(success_set), OPTIONAL},
    {"error.name", TBK_FIELD_TEXT, AT(error_name), OPTIONAL},
    {"error.message", TBK_FIELD_TEXT, AT(error_message), OPTIONAL},
    {"error.fix", TBK_FIELD_TEXT, AT(error_fix), OPTIONAL},
    {"exit_status", TBK_FIELD_INTEGER, AT(exit_status), OPTIONAL},
    {.kind = TBK_FIELD_END},
};
#undef AT

/* What the VM gives as a record is looked at once, here: later readers find no other
 * types, no time out of the calendar, and no set whose name leads elsewhere. */
static bool parse_record(tbk_arena *arena, const tbk_text *text, const char *path,
                         tbk_host_record *out, tbk_error *err)
{
    tbk_host_record read = {.value = NULL};
    if (!tbk_json_parse(arena, text->bytes, text->length, path, &read.value, err) ||
        !tbk_units_check(read.value, err) ||
        !tbk_fields_read(arena, read.value, record_fields, &read, err))
        return false;
    *out = read;
    return true;
}

static bool read_record(tbk_arena *arena, const tbk_remote *remote, const char *path,
                        tbk_host_record *out, tbk_error *err)
{
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", "! [ -f \"$1\" ] || cat \"$1\"", "record", path,
                                      NULL},
        .as_root = true};
    tbk_auto_remote_result result = {0};

    *out = (tbk_host_record){.value = NULL};
    if (!tbk_remote_do(remote, "reading the record of the last run", &command, &result, err))
        return false;
    if (result.output.length == 0 || parse_record(arena, &result.output, path, out, err))
        return true;
    err->code = TBK_E_REMOTE;
    return tbk_error_context(err, "the record on '%s' cannot be used", remote->name);
}

/* One that cannot be used is none: the run writes it anew. */
static bool read_earlier_record(tbk_arena *arena, const tbk_remote *remote, const char *path,
                                const tbk_report *report, tbk_host_record *out, tbk_error *err)
{
    if (read_record(arena, remote, path, out, err))
        return true;
    if (err->code == TBK_E_REMOTE)
        tbk_report_log(report, TBK_LOG_WARNING, "run", "%s", err->message);
    return err->code == TBK_E_REMOTE;
}

/* The answer's value is the record where this run has left one. */
static bool run_recorded(tbk_arena *arena, const tbk_vm *vm, const char *record,
                         const char *const *argv, tbk_host_answer *out, tbk_error *err)
{
    tbk_host_record earlier, latest;
    const char *run_id = NULL;

    *out = (tbk_host_answer){.value = NULL};
    if (!read_earlier_record(arena, vm->remote, record, vm->report, &earlier, err) ||
        !run_followed(vm, argv, &out->exit_status, err) ||
        !read_record(arena, vm->remote, record, &latest, err) ||
        (latest.value != NULL && !tbk_value_require_string(latest.value, "run", &run_id, err)))
        return false;
    if (run_id != NULL && (earlier.run_id == NULL || strcmp(earlier.run_id, run_id) != 0)) {
        out->value = latest.value;
        out->record = latest;
    }
    return true;
}

static const char *in_store(tbk_arena *arena, const tbk_vm *vm, const char *name)
{
    return tbk_arena_format(arena, "%s%s", vm->workspace->options.store, name);
}

static bool run_hook(tbk_arena *arena, const tbk_vm *vm, const char *record, const char *arguments,
                     tbk_host_answer *out, tbk_error *err)
{
    const char *const argv[] = {"sh",         "-c",          HOOK_SCRIPT, "run", TBK_CRON_FILE,
                                TBK_LOG_FILE, TBK_HOOK_FILE, arguments,   NULL};

    return run_recorded(arena, vm, in_store(arena, vm, record), argv, out, err);
}

bool tbk_host_run_hook(tbk_arena *arena, const tbk_vm *vm, const char *arguments,
                       tbk_host_answer *out, tbk_error *err)
{
    return run_hook(arena, vm, RUN_RECORD, arguments, out, err);
}

bool tbk_host_restore(tbk_arena *arena, const tbk_vm *vm, const char *arguments,
                      tbk_host_answer *out, tbk_error *err)
{
    return run_hook(arena, vm, RESTORE_RECORD, arguments, out, err);
}

/* A script and its own arguments, then the engine's arguments; both end with NULL. */
static const char *const *join_words(tbk_arena *arena, const char *const *script,
                                     const char *const *arguments)
{
    size_t script_count = 0, count = 0;

    while (script[script_count] != NULL)
        script_count++;
    while (arguments[count] != NULL)
        count++;
    const char **words = tbk_arena_alloc(arena, (script_count + count + 1) * sizeof *words);
    memcpy(words, script, script_count * sizeof *words);
    memcpy(words + script_count, arguments, count * sizeof *words);
    words[script_count + count] = NULL;
    return words;
}

/* --- the sidecar --- */

/* The engine's arguments. The client may go; what it has started in the container goes on. */
static const char SIDECAR_SCRIPT[] =
    "[ -f " TBK_COMPOSE_FILE " ] || exit " NOT_INSTALLED_TEXT "\n"
    "id=$(docker ps -q --filter label=com.docker.compose.project=torrust-backup "
    "--filter label=com.docker.compose.service=sidecar | head -n 1)\n"
    "[ -n \"$id\" ] || exit " NO_SIDECAR_TEXT "\n"
    "exec docker exec -u 0:0 \"$id\" /torrust-backup-engine \"$@\"\n";

static const char *const *sidecar_argv(tbk_arena *arena, const char *const *arguments)
{
    static const char *const script[] = {"sh", "-c", SIDECAR_SCRIPT, "sidecar", NULL};

    return join_words(arena, script, arguments);
}

bool tbk_host_run_sidecar(tbk_arena *arena, const tbk_vm *vm, const char *const *arguments,
                          tbk_host_answer *out, tbk_error *err)
{
    return run_recorded(arena, vm, in_store(arena, vm, RUN_RECORD), sidecar_argv(arena, arguments),
                        out, err);
}

bool tbk_host_ask_sidecar(tbk_arena *arena, const tbk_remote *remote, const char *what,
                          int *out_exit_status, const char **out, tbk_error *err)
{
    const char *const arguments[] = {"health", "--show", what, NULL};
    const tbk_remote_command command = {.argv = sidecar_argv(arena, arguments), .as_root = true};
    tbk_auto_remote_result result = {0};

    if (!remote->run(remote->self, &command, &result, err))
        return tbk_error_context(err, "asking the sidecar on '%s'", remote->name);
    *out_exit_status = result.exit_status;
    *out = tbk_arena_copy(arena, tbk_text_string(&result.output));
    return true;
}

/* --- the engine, once --- */

/* $1 compose file, $2 service, $3 store, $4 the container's name, then the engine's arguments. What
 * works off-site has the store alone of the tracker's folders: on a new VM it is made before. */
static const char ENGINE_SCRIPT[] =
    "[ -f \"$1\" ] || exit " NOT_INSTALLED_TEXT "\n"
    "file=$1 service=$2 store=$3 name=$4; shift 4\n"
    "[ \"$service\" != outbound ] || [ -d \"$store\" ] ||\n"
    "    TORRUST_BACKUP_REQUEST=ready " TBK_AID_FILE " >&2 || exit\n"
    "exec docker compose --progress quiet -f \"$file\" run --rm -T --name \"$name\" "
    "\"$service\" \"$@\"\n";

static bool read_answer(tbk_arena *arena, const tbk_remote *remote, const tbk_remote_result *result,
                        const tbk_value **out, tbk_error *err)
{
    const tbk_text *output = &result->output;
    const tbk_value *answer = NULL;
    if (tbk_json_parse(arena, output->bytes, output->length, "the engine's answer", &answer, err) &&
        (answer->type == TBK_VALUE_MAP ||
         tbk_value_fail(answer, err, NULL, "it must be a map, but it is %s",
                        tbk_value_type_name(answer->type)))) {
        *out = answer;
        return true;
    }
    err->code = TBK_E_REMOTE;
    return tbk_error_context(err, "the engine on '%s' cannot be understood%s", remote->name,
                             tbk_remote_shell_fault(arena, result));
}

bool tbk_host_run_service(tbk_arena *arena, const tbk_vm *vm, const char *service,
                          const char *const *arguments, uint32_t timeout_ms, tbk_host_answer *out,
                          tbk_error *err)
{
    const char *name = tbk_once_container_name(arena, service);
    const char *const script[] = {"sh",
                                  "-c",
                                  ENGINE_SCRIPT,
                                  "engine",
                                  TBK_COMPOSE_FILE,
                                  service,
                                  vm->workspace->options.store,
                                  name,
                                  NULL};
    const tbk_remote *remote = vm->remote;
    const tbk_remote_command command = {.argv = join_words(arena, script, arguments),
                                        .as_root = true,
                                        .timeout_ms = timeout_ms,
                                        .report = vm->report};
    tbk_auto_remote_result result = {0};

    if (!remote->run(remote->self, &command, &result, err)) {
        tbk_once_container_stop(remote, vm->report, name, err->code);
        return tbk_error_context(err, "running the engine on '%s'", remote->name);
    }

    *out = (tbk_host_answer){.exit_status = result.exit_status};
    if (result.exit_status == NOT_INSTALLED)
        return fail_not_installed(remote, err);
    if (result.output.length > 0)
        return read_answer(arena, remote, &result, &out->value, err);
    if (result.exit_status != 0)
        return tbk_fail(
            err, TBK_E_CONTAINER,
            tbk_arena_format(arena,
                             "try it on the VM: sudo docker compose -f " TBK_COMPOSE_FILE
                             " run --rm %s version",
                             service),
            "the engine's container on '%s' ended with %d: %s%s", remote->name, result.exit_status,
            tbk_remote_last_line(arena, tbk_text_string(&result.error_output)),
            tbk_remote_shell_fault(arena, &result));
    return true;
}

bool tbk_host_run_engine(tbk_arena *arena, const tbk_vm *vm, const char *const *arguments,
                         uint32_t timeout_ms, tbk_host_answer *out, tbk_error *err)
{
    return tbk_host_run_service(arena, vm, "backup", arguments, timeout_ms, out, err);
}

bool tbk_host_last_run(tbk_arena *arena, const tbk_vm *vm, tbk_host_record *out, tbk_error *err)
{
    const char *environment = vm->workspace->environment.name;

    if (!read_record(arena, vm->remote, in_store(arena, vm, RUN_RECORD), out, err))
        return false;
    /* Another environment, or a run by hand, may have used the store last (store/last_run.h). */
    if (out->value == NULL || tbk_value_find(out->value, "profiles") == NULL ||
        strcmp(tbk_value_text_at(out->value, "environment", ""), environment) == 0)
        return true;
    const char *name = tbk_arena_format(arena, RUN_RECORD_OF, environment);
    return read_record(arena, vm->remote, in_store(arena, vm, name), out, err);
}

static tbk_error_code code_of(int exit_status, const char *name)
{
    static const char *const names[] = {
#define TBK_ERROR_CODE(name, exit_status, kind, meaning) #name,
#include "base/error_codes.def"
#undef TBK_ERROR_CODE
    };
    tbk_error_code first = TBK_E_FAILED;

    for (size_t code = sizeof names / sizeof names[0]; code-- > 1;) {
        if (tbk_error_exit_status((tbk_error_code)code) != exit_status)
            continue;
        first = (tbk_error_code)code;
        if (name != NULL && strcmp(name, names[code]) == 0)
            break;
    }
    return first;
}

/* For a run that left no message: it ended before the engine, or with it. */
static const char *fix_for(tbk_error_code code)
{
    switch (code) {
    case TBK_E_LOCKED:
        return "wait until it has ended; 'torrust-backup status' tells";
    case TBK_E_SKIPPED:
        return "run the deployer's 'release' and 'run' first";
    case TBK_E_TRACKER_DOWN:
        return "on the VM: sudo " TBK_HOLD_FILE " recover";
    case TBK_E_CONTAINER:
        return "see whether Docker runs on the VM, and read " TBK_LOG_FILE " there";
    default:
        return "on the VM read " TBK_LOG_FILE ", or in mode sidecar: docker logs "
               "torrust-backup-sidecar-1";
    }
}

bool tbk_host_outcome(int exit_status, const tbk_value *record, tbk_error *err)
{
    const char *name = NULL;
    const char *message = NULL;
    const char *fix = NULL;
    int64_t recorded_status = -1;
    tbk_error ignored;

    if (exit_status == 0)
        return true;
    bool has_message =
        record != NULL &&
        tbk_value_optional_integer(record, "error.exit_status", &recorded_status, &ignored) &&
        tbk_value_optional_integer(record, "exit_status", &recorded_status, &ignored) &&
        recorded_status == exit_status &&
        tbk_value_optional_string(record, "error.name", &name, &ignored) &&
        tbk_value_optional_string(record, "error.message", &message, &ignored) &&
        tbk_value_optional_string(record, "error.fix", &fix, &ignored) && message != NULL;
    tbk_error_code code = code_of(exit_status, has_message ? name : NULL);
    if (has_message)
        return tbk_fail(err, code, fix, "the run on the VM failed: %s", message);
    const char *meaning = tbk_exit_status_meaning(exit_status);
    return tbk_fail(err, code, fix_for(code), "the run on the VM ended with exit status %d (%s)",
                    exit_status, meaning != NULL ? meaning : "unknown");
}
