/* SPDX-License-Identifier: MIT */
/* Runs the engine's `plan` from a folder of its own, which goes again. */
#include "commands/rules_check.h"

#include "base/json.h"
#include "commands/host_facts.h"
#include "commands/host_runner.h"

#include <string.h>

#define CHECK_TIMEOUT_MS 180000

/* $1 compose.yml, $2 engine.yml (no secrets are in either), $3 the database, or what is there once
 * there is one that is no file. Nothing is printed where there is none. */
static const char CHECK_SCRIPT[] =
    "umask 077; compose=$1 config=$2 database=$3\n"
    "[ -s \"$database\" ] || exit 0\n"
    "folder=$(mktemp -d) || exit\n"
    "trap 'rm -rf \"$folder\"' EXIT; trap 'exit 1' HUP INT TERM\n"
    "printf '%s\\n' \"$compose\" | sed \"s|" TBK_ENGINE_CONFIG_FILE "|$folder/engine.yml|\" "
    ">\"$folder/compose.yml\"\n"
    "printf '%s\\n' \"$config\" >\"$folder/engine.yml\"\n"
    "timeout 150 docker compose --progress quiet -f \"$folder/compose.yml\" run --rm -T backup\\\n"
    "    plan --output json </dev/null\n";

static const char *rendered(const tbk_rendering *rendering, const char *target)
{
    for (size_t i = 0; i < rendering->count; i++)
        if (strcmp(rendering->files[i].target, target) == 0)
            return rendering->files[i].bytes;
    return "";
}

static bool run(tbk_arena *arena, const tbk_vm *vm, tbk_remote_result *out, tbk_error *err)
{
    const char *path = tbk_render_database_path(arena, &vm->workspace->environment);
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", CHECK_SCRIPT, "rules",
                                      rendered(vm->rendering, TBK_COMPOSE_FILE),
                                      rendered(vm->rendering, TBK_ENGINE_CONFIG_FILE),
                                      path != NULL ? path : TBK_ENV_FILE, NULL},
        .as_root = true,
        .timeout_ms = CHECK_TIMEOUT_MS,
        .report = vm->report};
    return vm->remote->run(vm->remote->self, &command, out, err) ||
           tbk_error_context(err, "checking the rules on '%s'", vm->remote->name);
}

bool tbk_rules_check(tbk_arena *arena, const tbk_vm *vm, const char **out_unchecked, tbk_error *err)
{
    tbk_auto_remote_result result = {0};
    const tbk_value *answer = NULL;
    tbk_error why = {.code = TBK_E_OK};
    *out_unchecked = NULL;
    if (vm->workspace->options.profile != TBK_PROFILE_ESSENTIAL)
        return true;
    if (!run(arena, vm, &result, err))
        return false;
    const char *text = tbk_arena_copy(arena, tbk_text_string(&result.output));
    if (text[0] == '\0')
        *out_unchecked = result.exit_status == 0 ? "there is no database yet"
                                                 : "the engine's container could not be run";
    else if (!tbk_json_parse(arena, text, strlen(text), "the engine's answer", &answer, &why) ||
             !tbk_host_outcome(result.exit_status, answer, &why))
        *out_unchecked = tbk_arena_copy(arena, why.message);
    if (why.code != TBK_E_CONFIG)
        return true;
    *err = why;
    return tbk_error_context(err, "the configuration does not fit the database");
}
