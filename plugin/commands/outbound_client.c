/* SPDX-License-Identifier: MIT */
/* Runs the engine in the container of `outbound`, and understands its answer. */
#include "commands/outbound_client.h"

#include "base/clock.h"
#include "commands/host_runner.h"

#include <string.h>

#define SERVICE "outbound"
#define SOURCE "offsite"
/* As long as a set of a slow line may take; who waits can interrupt. */
#define LIMIT_MS (48u * 3600000u)

static bool check_configured(const tbk_vm *vm, tbk_error *err)
{
    return vm->workspace->options.offsite.repository != NULL ||
           tbk_fail(err, TBK_E_CONFIG,
                    "write a section 'offsite' into the options file "
                    "(envs/<environment>.backup.yml), and configure again",
                    "nothing goes off-site from this environment");
}

/* What the sets of this environment are filed under. */
static const char *own_name(const tbk_vm *vm)
{
    const char *name = vm->workspace->options.offsite.name;
    return name != NULL ? name : vm->workspace->environment.name;
}

static bool ask(tbk_arena *arena, const tbk_vm *vm, const char *const *arguments,
                tbk_value **out_result, tbk_error *err)
{
    tbk_host_answer answer = {.value = NULL};
    if (!check_configured(vm, err) ||
        !tbk_host_run_service(arena, vm, SERVICE, arguments, LIMIT_MS, &answer, err))
        return false;
    *out_result = answer.value != NULL ? tbk_value_share(arena, answer.value) : NULL;
    return tbk_host_outcome(answer.exit_status, answer.value, err);
}

bool tbk_offsite_act(tbk_arena *arena, const tbk_vm *vm, tbk_offsite_action action,
                     tbk_value **out_result, tbk_error *err)
{
    const char *const arguments[] = {"offsite", tbk_names_of(&tbk_option_action_names, action),
                                     "--output", "json", NULL};
    return ask(arena, vm, arguments, out_result, err);
}

bool tbk_offsite_source(const char *from, const char **out_name, tbk_error *err)
{
    size_t length = strlen(SOURCE);
    *out_name = NULL;
    if (strncmp(from, SOURCE, length) == 0 && from[length] == '\0')
        return true;
    if (strncmp(from, SOURCE, length) == 0 && from[length] == ':') {
        *out_name = from + length + 1;
        if (tbk_options_check_offsite_name(*out_name, err))
            return true;
        err->code = TBK_E_USAGE;
        return false;
    }
    return tbk_fail(err, TBK_E_USAGE, "write --from offsite, or --from offsite:NAME",
                    "'%.200s' is nowhere that a set could come from", from);
}

bool tbk_offsite_sets(tbk_arena *arena, const tbk_vm *vm, const char *from, bool all_names,
                      tbk_value **out_result, tbk_error *err)
{
    const char *name = NULL;
    tbk_value *list = NULL, *sets = tbk_value_list(arena), *result = tbk_value_map(arena);
    if (!tbk_offsite_source(from, &name, err) ||
        !tbk_offsite_act(arena, vm, TBK_OFFSITE_LIST, &list, err))
        return false;
    if (name == NULL)
        name = own_name(vm);
    for (const tbk_member *at = list != NULL ? list->first : NULL; at != NULL; at = at->next)
        if (at->key != NULL && strcmp(at->key, "sets") != 0)
            tbk_value_set(arena, result, at->key, at->value);
    for (const tbk_member *at = tbk_value_members_at(list, "sets"); at != NULL; at = at->next)
        if (all_names || strcmp(tbk_value_text_at(at->value, "name", ""), name) == 0)
            tbk_value_append(arena, sets, at->value);
    tbk_value_set(arena, result, "sets", sets);
    *out_result = result;
    return true;
}

/* What the VM says is a place in the folder that fetched sets come to, and nothing else. */
static bool check_folder(const tbk_vm *vm, const char *path, tbk_error *err)
{
    size_t length = strlen(TBK_INCOMING_DIRECTORY);
    int64_t time_s = 0;
    return (strncmp(path, TBK_INCOMING_DIRECTORY "/", length + 1) == 0 &&
            tbk_clock_parse_compact(path + length + 1, &time_s)) ||
           tbk_fail(err, TBK_E_REMOTE, NULL, "'%s' says that the set was fetched to '%.200s'",
                    vm->remote->name, path);
}

bool tbk_offsite_bring(tbk_arena *arena, const tbk_vm *vm, const char *from, const char *set,
                       const char **out_folder, tbk_error *err)
{
    const char *name = NULL;
    tbk_value *result = NULL;
    if (!tbk_offsite_source(from, &name, err))
        return false;
    const char *const arguments[] = {
        "offsite", "fetch", "--set", set, "--output", "json", name != NULL ? "--name" : NULL,
        name,      NULL};
    tbk_report_log(vm->report, TBK_LOG_INFO, "offsite", "the set is fetched to the VM");
    return ask(arena, vm, arguments, &result, err) &&
           tbk_value_require_string(result, "path", out_folder, err) &&
           check_folder(vm, *out_folder, err);
}

#define PROBE_LIMIT_MS 120000

bool tbk_offsite_probe(tbk_arena *arena, const tbk_vm *vm, tbk_offsite_contact *out, tbk_error *err)
{
    static const char *const arguments[] = {"offsite", "list", "--output", "json", NULL};
    tbk_host_answer answer = {.value = NULL};
    tbk_error why = {.code = TBK_E_OK};
    *out = (tbk_offsite_contact){.was_asked = true};
    if (!tbk_host_run_service(arena, vm, SERVICE, arguments, PROBE_LIMIT_MS, &answer, &why)) {
        if (why.code == TBK_E_NETWORK || why.code == TBK_E_INTERRUPTED) {
            *err = why; /* the way to the VM */
            return false;
        }
        out->was_asked = false;
    } else if (tbk_host_outcome(answer.exit_status, answer.value, &why)) {
        out->answer = answer.value;
        return true;
    }
    out->problem =
        tbk_arena_format(arena, "%s%s%s", why.message, why.fix[0] != '\0' ? "; " : "", why.fix);
    return true;
}
