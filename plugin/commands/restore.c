/* SPDX-License-Identifier: MIT */
/* Restores and dry runs through the hook, which stops the tracker; tidying without it. */
#include "commands/restore.h"

#include "base/clock.h"
#include "commands/database_use.h"
#include "commands/host_facts.h"
#include "commands/host_runner.h"
#include "commands/outbound_client.h"
#include "commands/set_upload.h"

#include <string.h>

#define ENGINE_TIMEOUT_MS (24u * 3600000u)
#define HEALTHY_LIMIT_MS 120000

static tbk_value *result_of(tbk_arena *arena, const tbk_value *said)
{
    return said != NULL ? tbk_value_share(arena, said) : tbk_value_map(arena);
}

static bool ask_engine(tbk_arena *arena, const tbk_restore_input *input,
                       const char *const *arguments, tbk_value **out_result, tbk_error *err)
{
    tbk_host_answer answer;
    if (!tbk_host_run_engine(arena, &input->vm, arguments, ENGINE_TIMEOUT_MS, &answer, err))
        return false;
    *out_result = result_of(arena, answer.value);
    return tbk_host_outcome(answer.exit_status, answer.value, err);
}

/* What is not said as it should be was not done as it should be. */
static bool fail_answer(const tbk_restore_input *input, tbk_error *err)
{
    err->code = TBK_E_REMOTE;
    return tbk_error_context(err, "what '%s' says of the restore cannot be used",
                             input->vm.remote->name);
}

static bool check_counts(const tbk_value *result, const char *key, tbk_error *err)
{
    const tbk_value *counts = NULL;
    if (!tbk_value_require_map(result, key, &counts, err))
        return false;
    for (const tbk_member *table = counts->first; table != NULL; table = table->next)
        if (table->value->type != TBK_VALUE_INTEGER || table->value->integer < 0)
            return tbk_value_fail(result, err, NULL, "'%s' holds something that is no count", key);
    return true;
}

static bool check_answer(const tbk_restore_input *input, const tbk_value *result, tbk_error *err)
{
    const char *set = NULL, *text = NULL;
    bool dry_run = false, was_stopped = false;
    int64_t ms = 0, time_s = 0;
    if (!tbk_value_require_string(result, "set", &set, err) ||
        !tbk_value_require_bool(result, "dry_run", &dry_run, err) ||
        !tbk_value_optional_bool(result, "tracker_was_stopped", &was_stopped, err) ||
        !tbk_value_optional_integer_within(result, "prove_ms", 0, TBK_CLOCK_LAST_S, &ms, err) ||
        !tbk_value_optional_integer_within(result, "load_ms", 0, TBK_CLOCK_LAST_S, &ms, err) ||
        !tbk_value_optional_integer_within(result, "held_ms", 0, TBK_CLOCK_LAST_S, &ms, err) ||
        !tbk_value_optional_string(result, "kept", &text, err) ||
        !tbk_value_require_string(result, "profile", &text, err) ||
        !check_counts(result, "left_out", err) || !check_counts(result, "rows", err) ||
        !tbk_value_optional_string(result, "newest_full_set", &text, err))
        return fail_answer(input, err);
    if (dry_run == input->dry_run && tbk_clock_parse_compact(set, &time_s))
        return true;
    (void)tbk_value_fail(result, err, NULL, "it is of another restore: '%.64s', dry run: %s", set,
                         dry_run ? "yes" : "no");
    return fail_answer(input, err);
}

static bool purge_previous(tbk_arena *arena, const tbk_restore_input *input, tbk_value **out_result,
                           tbk_error *err)
{
    const char *const arguments[] = {"restore", "--forget-kept", "--output", "json", NULL};
    const tbk_value *removed = NULL;
    if (!ask_engine(arena, input, arguments, out_result, err))
        return false;
    return tbk_value_require_list(*out_result, "removed", &removed, err) || fail_answer(input, err);
}

/* Whether the set is on this machine. */
static bool is_here(const tbk_restore_input *input)
{
    return input->from != NULL && input->from[0] == '/';
}

typedef struct brought {
    const char *folder; /* NULL where the set is in the store */
    int64_t fetch_ms;
} brought;

static bool bring_from(tbk_arena *arena, const tbk_restore_input *input, const char **out,
                       tbk_error *err)
{
    if (is_here(input))
        return tbk_set_upload(arena, &input->vm, input->from, input->set, out, err);
    return tbk_offsite_bring(arena, &input->vm, input->from, input->set, out, err);
}

static bool bring(tbk_arena *arena, const tbk_restore_input *input, brought *out, tbk_error *err)
{
    int64_t start_ms = tbk_clock_monotonic_ms();
    *out = (brought){.folder = NULL};
    bool ok = input->from == NULL || bring_from(arena, input, &out->folder, err);
    out->fetch_ms = tbk_clock_monotonic_ms() - start_ms;
    return ok;
}

static void tell_fetch(tbk_arena *arena, const brought *set, tbk_value *result)
{
    if (set->folder != NULL)
        tbk_value_set_integer(arena, result, "fetch_ms", set->fetch_ms);
}

/* Where there is no hook. */
static bool try_by_engine(tbk_arena *arena, const tbk_restore_input *input, tbk_value **out_result,
                          tbk_error *err)
{
    brought set;
    if (!bring(arena, input, &set, err))
        return false;
    const char *const arguments[] = {"restore",
                                     set.folder != NULL ? "--from" : "--set",
                                     set.folder != NULL ? set.folder : input->set,
                                     "--dry-run",
                                     "--output",
                                     "json",
                                     NULL};
    if (!ask_engine(arena, input, arguments, out_result, err) ||
        !check_answer(input, *out_result, err))
        return false;
    tell_fetch(arena, &set, *out_result);
    return true;
}

/* --- the tracker, afterwards --- */

static bool wait_until_well(tbk_arena *arena, const tbk_restore_input *input, tbk_value *result,
                            tbk_error *err)
{
    tbk_host_facts facts;
    int64_t start_ms = tbk_clock_monotonic_ms();
    if (!tbk_vm_await_tracker(arena, &input->vm, HEALTHY_LIMIT_MS, &facts, err))
        return false;
    tbk_value_set_integer(arena, result, "healthy_ms", tbk_clock_monotonic_ms() - start_ms);
    const char *tracker = tbk_host_facts_tracker(arena, &facts);
    tbk_value_set_string(arena, result, "tracker", tracker);
    return tbk_host_facts_tracker_is_well(&facts) ||
           tbk_fail(err, TBK_E_UNPROVED,
                    "see its log on the VM (docker logs tracker); docs/operate.md says how to go "
                    "back to the database of before",
                    "the set is in place, but the tracker is %s after two minutes", tracker);
}

/* The set would come into a place at which the tracker does not look, and what only the tracker has
 * open would be lost. The engine looks too; here the files have names. */
static bool check_database_use(tbk_arena *arena, const tbk_vm *vm, tbk_error *err)
{
    tbk_database_use use;
    if (!tbk_database_use_look(arena, vm, &use, err))
        return false;
    return use.problem == NULL ||
           tbk_fail(err, TBK_E_CONFIG,
                    tbk_arena_format(arena, "%s; a tracker that is down is no obstacle",
                                     tbk_database_use_fix),
                    "%s", use.problem);
}

/* Up to the swap a dry run is the restore: by the same way, with the same checks and refusals. */
static bool restore(tbk_arena *arena, const tbk_restore_input *input, tbk_value **out_result,
                    tbk_error *err)
{
    tbk_auto_text arguments = {0};
    tbk_host_answer answer;
    brought set;
    if (!check_database_use(arena, &input->vm, err) || !bring(arena, input, &set, err))
        return false;
    tbk_text_append(&arguments, set.folder != NULL ? "restore --from " : "restore --set ");
    tbk_text_append_shell_word(&arguments, set.folder != NULL ? set.folder : input->set);
    tbk_text_append(&arguments, input->dry_run ? " --dry-run" : "");
    if (!tbk_host_restore(arena, &input->vm, tbk_text_string(&arguments), &answer, err))
        return false;
    *out_result = result_of(arena, answer.value);
    if (!tbk_host_outcome(answer.exit_status, answer.value, err) ||
        !check_answer(input, *out_result, err))
        return false;
    if (is_here(input) && !input->dry_run) /* after a dry run the restore follows */
        tbk_set_upload_remove(&input->vm);
    tell_fetch(arena, &set, *out_result);
    return input->dry_run || tbk_value_true_at(*out_result, "tracker_was_stopped") ||
           wait_until_well(arena, input, *out_result, err);
}

/* A restore in mode sidecar goes by way of the maintenance window, for which the VM has to have
 * all that it needs. */
static bool try_in_sidecar(tbk_arena *arena, const tbk_restore_input *input, tbk_value **out_result,
                           tbk_error *err)
{
    tbk_host_facts facts;
    if (!tbk_vm_look(arena, &input->vm, &facts, err))
        return false;
    if (!tbk_host_facts_check(&facts, input->vm.image->architecture, TBK_MODE_WINDOW, err))
        return tbk_error_context(err, "a restore installs the maintenance window for its time");
    return check_database_use(arena, &input->vm, err) &&
           try_by_engine(arena, input, out_result, err);
}

bool tbk_restore(tbk_arena *arena, const tbk_restore_input *input, tbk_value **out_result,
                 tbk_error *err)
{
    if (input->purge_previous)
        return purge_previous(arena, input, out_result, err);
    if (tbk_vm_mode(&input->vm) == TBK_MODE_WINDOW)
        return restore(arena, input, out_result, err);
    if (input->dry_run)
        return try_in_sidecar(arena, input, out_result, err);
    return tbk_fail(err, TBK_E_CONFIG, "restore in mode window",
                    "the sidecar cannot stop the tracker for a restore");
}
