/* SPDX-License-Identifier: MIT */
/* The engine's command `restore`: a set goes back, or what earlier restores kept goes away. */
#include "adapters/hold_hook.h"
#include "base/clock.h"
#include "engine/restoration.h"
#include "entry/engine_commands.h"
#include "entry/engine_privileges.h"
#include "entry/text_restored.h"

#include <inttypes.h>
#include <unistd.h>

#define HOLD_ANSWER_TIMEOUT_MS 60000
#define RESULT_SCHEMA 1

TBK_AUTO_POINTER(tbk_hold_hook, tbk_hold_hook_free);

static void print_restore(const tbk_value *result)
{
    tbk_restored_print(stdout, result);
    (void)printf("Result:     %s\n", tbk_value_true_at(result, "dry_run")
                                         ? "it can be restored (dry run: nothing was changed)"
                                         : "it is in place");
    (void)printf("Before:     %s\n", tbk_value_text_at(result, "kept", "-"));
}

static bool restore_set(tbk_arena *arena, const engine_args *args, const tbk_engine_config *config,
                        engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_hold_hook) *hook = NULL;
    tbk_report report = engine_output_report(output);
    tbk_restore_result result;
    tbk_hold hold;
    tbk_tracker_files tracker;
    tbk_restore_request request = {.config = config,
                                   .set = args->set,
                                   .from = args->from,
                                   .run_id = output->run_id,
                                   .dry_run = args->dry_run,
                                   .now_s = tbk_clock_now_s()};
    if (args->hook) {
        hook = tbk_hold_hook_new(STDIN_FILENO, STDOUT_FILENO, HOLD_ANSWER_TIMEOUT_MS, &report);
        hold = tbk_hold_hook_port(hook);
        tracker = tbk_hold_hook_tracker_files(hook);
        request.hold = &hold;
        request.tracker = &tracker;
    }
    if (!tbk_restore_run(arena, &request, &report, &result, err))
        return false;
    engine_output_result(output, tbk_restore_to_value(arena, &request, &result, NULL),
                         print_restore);
    return true;
}

static void print_forgotten(const tbk_value *result)
{
    const tbk_member *names = tbk_value_members_at(result, "removed");
    tbk_texts_print(stdout, "Removed:", names);
    if (names == NULL)
        (void)printf("There was nothing to remove.\n");
}

/* With the store's lock, so that no restore is under way. */
static bool purge_previous(tbk_arena *arena, const tbk_engine_config *config, engine_output *output,
                           tbk_error *err)
{
    tbk_auto(tbk_store) *store = NULL;
    tbk_report report = engine_output_report(output);
    tbk_database database;
    const char *const *names;
    if (!tbk_store_open(config->store, TBK_STORE_WRITE, &store, err) ||
        !tbk_database_open(arena, config, NULL, &report, &database, err) ||
        !database.purge_previous(database.self, arena, &names, err))
        return false;
    tbk_value *result = tbk_value_map(arena);
    tbk_value *removed = tbk_value_list(arena);
    tbk_value_set_integer(arena, result, "schema", RESULT_SCHEMA);
    for (; *names != NULL; names++)
        tbk_value_append(arena, removed, tbk_value_string(arena, *names));
    tbk_value_set(arena, result, "removed", removed);
    engine_output_result(output, result, print_forgotten);
    return true;
}

static void print_previous(const tbk_value *result)
{
    const tbk_member *kept = tbk_value_members_at(result, "kept");
    if (kept == NULL)
        (void)printf("Nothing is kept.\n");
    for (; kept != NULL; kept = kept->next)
        (void)printf("Kept:       %s (%" PRIu64 " bytes)\n",
                     tbk_value_text_at(kept->value, "name", "-"),
                     tbk_value_bytes_at(kept->value, "bytes"));
}

static bool list_previous(tbk_arena *arena, const tbk_engine_config *config, engine_output *output,
                          tbk_error *err)
{
    tbk_report report = engine_output_report(output);
    tbk_database database;
    const tbk_previous_database *kept;
    size_t count;
    if (!tbk_database_open(arena, config, NULL, &report, &database, err) ||
        !database.list_previous(database.self, arena, &kept, &count, err))
        return false;
    tbk_value *result = tbk_value_map(arena), *list = tbk_value_list(arena);
    tbk_value_set_integer(arena, result, "schema", RESULT_SCHEMA);
    tbk_value_set(arena, result, "kept", list);
    for (size_t i = 0; i < count; i++) {
        tbk_value *item = tbk_value_map(arena);
        tbk_value_set_string(arena, item, "name", kept[i].name);
        tbk_value_set_integer(arena, item, "bytes", (int64_t)kept[i].size_bytes);
        tbk_value_append(arena, list, item);
    }
    engine_output_result(output, result, print_previous);
    return true;
}

/* A sidecar cannot hold the tracker. */
static bool check_mode(const engine_args *args, const tbk_engine_config *config, tbk_error *err)
{
    return !args->hook || config->mode == TBK_MODE_WINDOW ||
           tbk_fail(err, TBK_E_CONFIG,
                    "torrust-backup configure ENVIRONMENT --mode window, restore, then configure "
                    "ENVIRONMENT --mode sidecar again",
                    "the sidecar cannot stop the tracker for a restore");
}

bool engine_command_restore(const engine_args *args, engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_engine_config config;
    if (!engine_config_load(arena, args->config, &config, err) || !check_mode(args, &config, err) ||
        !engine_privileges_become_owner(config.store, true, err))
        return false;
    if (args->purge_previous)
        return (args->dry_run ? list_previous : purge_previous)(arena, &config, output, err);
    return restore_set(arena, args, &config, output, err);
}
