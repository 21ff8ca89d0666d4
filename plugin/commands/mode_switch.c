/* SPDX-License-Identifier: MIT */
/* Small shell scripts on the VM; whatever interrupts one, the next one goes on from there. */
#include "commands/mode_switch.h"

#include "base/json.h"

#include <string.h>

#define SERVICE_FILTERS                                                                            \
    "--filter label=com.docker.compose.project=torrust-backup "                                    \
    "--filter label=com.docker.compose.service=sidecar"
#define START_TIMEOUT_MS 180000
#define PROBE_TIMEOUT_MS 120000

/* The database, or what is there once there is one that is not a file. */
static const char *database_of(tbk_arena *arena, const tbk_vm *vm)
{
    const char *path = tbk_render_database_path(arena, &vm->workspace->environment);
    return path != NULL ? path : TBK_ENV_FILE;
}

static bool is_mysql(const tbk_vm *vm)
{
    return vm->workspace->environment.driver == TBK_DRIVER_MYSQL;
}

/* --- can the database be backed up so? --- */

/* By the engine itself, with the container's privileges, on the very mounts. $1 image, $2 database,
 * $3 store. Nothing is printed where there is no database yet. */
static const char PROBE_SCRIPT[] =
    "image=$1 database=$2 store=$3; set --\n"
    "[ -s \"$database\" ] || exit 0\n"
    "case $store in " TBK_STORAGE "/*) ;; *) [ ! -d \"$store\" ] ||\n"
    "    set -- --mount \"type=bind,\\\"source=$store\\\",\\\"target=$store\\\"\" ;; esac\n"
    "exec docker run --rm --network none --read-only --user 0:0 --cap-drop ALL\\\n"
    "    --cap-add DAC_READ_SEARCH --cap-add SETUID --cap-add SETGID\\\n"
    "    --security-opt no-new-privileges:true --mount type=bind,source=" TBK_STORAGE
    ",target=" TBK_STORAGE " \"$@\"\\\n"
    "    \"$image\" plan --sqlite \"$database\" --store \"$store\" --output json\n";

static bool is_wanted(const tbk_vm *vm, const char *method)
{
    tbk_method wanted = vm->workspace->options.method;
    if (wanted == TBK_METHOD_AUTO)
        return strcmp(method, tbk_method_name(TBK_METHOD_HOT)) == 0 ||
               strcmp(method, tbk_method_name(TBK_METHOD_REFLINK)) == 0;
    return strcmp(method, tbk_method_name(wanted)) == 0;
}

static bool judge_methods(tbk_arena *arena, const tbk_vm *vm, const tbk_value *answer,
                          tbk_error *err)
{
    const tbk_value *methods = NULL;
    const char *reasons = "";
    if (!tbk_value_require_list(answer, "rungs", &methods, err))
        return false;
    for (const tbk_member *item = methods->first; item != NULL; item = item->next) {
        const char *method = NULL, *reason = NULL;
        bool possible = false;
        if (!tbk_value_require_string(item->value, "method", &method, err) ||
            !tbk_value_require_string(item->value, "reason", &reason, err) ||
            !tbk_value_require_bool(item->value, "possible", &possible, err))
            return false;
        if (!is_wanted(vm, method))
            continue;
        if (possible)
            return true;
        reasons = tbk_arena_format(arena, "%s%s%s: %s", reasons, reasons[0] != '\0' ? "; " : "",
                                   method, reason);
    }
    const char *name = vm->workspace->environment.name;
    return tbk_fail(err, TBK_E_UNSUPPORTED,
                    tbk_arena_format(arena,
                                     "torrust-backup configure %s --mode window, then run %s "
                                     "--journal-mode wal, then configure %s --mode sidecar again",
                                     name, name, name),
                    "the database allows no backup without a hold: %s", reasons);
}

bool tbk_sidecar_check_database(tbk_arena *arena, const tbk_vm *vm, tbk_error *err)
{
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", PROBE_SCRIPT, "probe", vm->image->tag,
                                      database_of(arena, vm), vm->workspace->options.store, NULL},
        .as_root = true,
        .timeout_ms = PROBE_TIMEOUT_MS,
        .report = vm->report};
    tbk_auto_remote_result result = {0};
    const tbk_value *answer = NULL;
    if (is_mysql(vm))
        return true; /* without a hold too there is a way, and a run says what is amiss */
    if (!tbk_remote_do(vm->remote, "asking the engine about the database", &command, &result, err))
        return false;
    if (result.output.length == 0)
        return true;
    const char *text = tbk_arena_copy(arena, tbk_text_string(&result.output));
    return tbk_json_parse(arena, text, strlen(text), "the engine's answer", &answer, err) &&
           judge_methods(arena, vm, answer, err);
}

/* --- the sidecar --- */

/* $1 look or start, $2 compose file, $3 database, $4 store, $5 the network that the database is
 * reached by, or "". Prints one word. Compose itself says
 * whether a container is as its file wants it. */
static const char SIDECAR_SCRIPT[] =
    "action=$1 file=$2 database=$3 store=$4 network=$5 owner='' ready=yes\n"
    "[ -d " TBK_STORAGE " ] || { echo waits; exit; }\n"
    "[ -z \"$network\" ] || timeout 20 docker network inspect \"$network\" >/dev/null 2>&1 ||\n"
    "    { echo waits; exit; }\n"
    "[ ! -L \"$database\" ] || { echo 'a link is in the place of the database' >&2; exit 1; }\n"
    "[ ! -s \"$database\" ] || owner=$(stat -c %u \"$database\") || exit\n"
    "case $store in " TBK_STORAGE "/*) ;; *)\n"
    "    [ -n \"$owner\" ] || [ -d \"$store\" ] || { echo waits; exit; } ;; esac\n"
    "[ ! -L \"$store\" ] || { echo 'the store is a link, which could lead root anywhere' >&2\n"
    "    exit 1; }\n"
    "[ -z \"$owner\" ] || [ -d \"$store\" ] || ready=no\n"
    "id=$(timeout 20 docker ps -q " SERVICE_FILTERS " | head -n 1) || exit\n"
    "[ -n \"$id\" ] && [ -f \"$file\" ] &&\n"
    "    has=$(timeout 20 docker inspect -f\\\n"
    "        '{{index .Config.Labels \"com.docker.compose.config-hash\"}}' \"$id\") &&\n"
    "    wants=$(timeout 20 docker compose -f \"$file\" config --hash sidecar 2>/dev/null) &&\n"
    "    [ \"$has\" = \"${wants#* }\" ] || ready=no\n"
    "[ $ready = no ] || { echo in-place; exit; }\n"
    "[ \"$action\" = start ] || { echo to-start; exit; }\n"
    "[ -z \"$owner\" ] || store=$store owner_of=$database TORRUST_BACKUP_REQUEST=ready\\\n"
    "    " TBK_AID_FILE " >&2 || exit\n"
    "timeout 150 docker compose --progress quiet -f \"$file\" up -d sidecar >&2 && echo to-start\n";

tbk_service_step tbk_service_step_of(const char *word)
{
    return tbk_text_starts_with(word, "in-place") ? TBK_SERVICE_IN_PLACE
           : tbk_text_starts_with(word, "waits")  ? TBK_SERVICE_WAITS
                                                  : TBK_SERVICE_TO_START;
}

static bool run_sidecar_script(tbk_arena *arena, const tbk_vm *vm, const char *action,
                               tbk_service_step *out, tbk_error *err)
{
    const tbk_remote_command command = {
        .argv =
            (const char *const[]){"sh", "-c", SIDECAR_SCRIPT, "sidecar", action, TBK_COMPOSE_FILE,
                                  database_of(arena, vm), vm->workspace->options.store,
                                  is_mysql(vm) ? TBK_DATABASE_NETWORK : "", NULL},
        .as_root = true,
        .timeout_ms = START_TIMEOUT_MS,
        .report = vm->report};
    tbk_auto_remote_result result = {0};
    if (!tbk_remote_do(vm->remote, "starting the sidecar", &command, &result, err))
        return false;
    *out = tbk_service_step_of(tbk_text_string(&result.output));
    return true;
}

bool tbk_sidecar_look(tbk_arena *arena, const tbk_vm *vm, tbk_service_step *out, tbk_error *err)
{
    return run_sidecar_script(arena, vm, "look", out, err);
}

bool tbk_sidecar_start(tbk_arena *arena, const tbk_vm *vm, tbk_service_step *out, tbk_error *err)
{
    return run_sidecar_script(arena, vm, "start", out, err);
}

bool tbk_sidecar_remove(const tbk_remote *remote, const tbk_report *report, tbk_error *err)
{
    /* By labels, not by the compose file: that may be the other mode's already. */
    static const char script[] =
        "ids=$(timeout 20 docker ps -aq " SERVICE_FILTERS ") || exit\n"
        "for id in $ids; do\n"
        "    timeout 60 docker stop -t 40 \"$id\" && timeout 60 docker rm \"$id\" || exit\n"
        "done >/dev/null\n"
        "timeout 20 docker network inspect " TBK_METRICS_NETWORK " >/dev/null 2>&1 || exit 0\n"
        "timeout 20 docker network rm " TBK_METRICS_NETWORK " >/dev/null 2>&1 || echo used\n";
    const tbk_remote_command command = {.argv = (const char *const[]){"sh", "-c", script, NULL},
                                        .as_root = true,
                                        .timeout_ms = START_TIMEOUT_MS,
                                        .report = report};
    tbk_auto_remote_result result = {0};
    if (!tbk_remote_do(remote, "removing the sidecar", &command, &result, err))
        return false;
    if (result.output.length > 0)
        tbk_report_log(report, TBK_LOG_WARNING, "install",
                       "the network '" TBK_METRICS_NETWORK "' is in use by another container, and "
                       "stays");
    return true;
}

/* --- the maintenance window --- */

#define LOCKED 117
#define LOCKED_TEXT "117"
#define TRACKER_DOWN 116
#define TRACKER_DOWN_TEXT "116"

/* No run may start while hook and lock are taken away: cron has no line any more, and the lock is
 * held to the end. */
static const char WINDOW_SCRIPT[] =
    "cron=$1 hook=$2 logrotate=$3 log=$4 state=$5 hold=$6\n"
    "free() { [ ! -e \"$state/lock\" ] || timeout 15 flock \"$state/lock\" true; }\n"
    "free || exit " LOCKED_TEXT "\n"
    "rm -f \"$cron\" \"$cron-verify\" || exit\n"
    "if [ -e \"$state/held\" ]; then\n"
    "    \"$hook\" --recover >&2; [ ! -e \"$state/held\" ] || exit " TRACKER_DOWN_TEXT "\n"
    "fi\n"
    "if [ -d \"$state\" ]; then exec 9>\"$state/lock\"; timeout 15 flock 9 || exit " LOCKED_TEXT
    "; fi\n"
    "rm -f \"$hook\" \"$hold\" \"$logrotate\" \"/run/$(echo \"$state\" | tr / -)-held\" &&\n"
    "    rm -rf \"$log\" \"$state\"\n";

bool tbk_window_remove(const tbk_remote *remote, const tbk_report *report, tbk_error *err)
{
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", WINDOW_SCRIPT, "window", TBK_CRON_FILE,
                                      TBK_HOOK_FILE, TBK_LOGROTATE_FILE, TBK_LOG_DIRECTORY,
                                      TBK_STATE_DIRECTORY, TBK_HOLD_FILE, NULL},
        .as_root = true,
        .timeout_ms = START_TIMEOUT_MS,
        .report = report};
    tbk_auto_remote_result result = {0};
    if (!remote->run(remote->self, &command, &result, err))
        return tbk_error_context(err, "removing the maintenance window");
    if (result.exit_status == LOCKED)
        return tbk_fail(err, TBK_E_LOCKED, "wait until it has ended, then configure again",
                        "a backup goes on on the VM, so its hook cannot be removed");
    if (result.exit_status == TRACKER_DOWN)
        return tbk_fail(err, TBK_E_TRACKER_DOWN, "on the VM: sudo " TBK_HOLD_FILE " recover",
                        "an interrupted backup left the tracker held, and it cannot be let go");
    return result.exit_status == 0 ||
           tbk_fail(err, TBK_E_REMOTE, "configure again", "removing the maintenance window: %s",
                    tbk_text_string(&result.error_output));
}
