/* SPDX-License-Identifier: MIT */
/* The engine's commands that look at a database: backup and its plan, from arguments to a result.
 */
#include "entry/engine_commands.h"

#include "adapters/hold_hook.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/yaml.h"
#include "domain/engine_config.h"
#include "engine/backup.h"
#include "engine/backup_plan.h"
#include "entry/engine_privileges.h"
#include "entry/text_forecast.h"

#include <errno.h>
#include <unistd.h>

#define CONFIG_BYTES_MAX (1u << 20)
#define HOLD_ANSWER_TIMEOUT_MS 60000
#define RESULT_SCHEMA 1

TBK_AUTO_POINTER(tbk_hold_hook, tbk_hold_hook_free);

/* --- what is to be done --- */

bool engine_config_load(tbk_arena *arena, const char *path, tbk_engine_config *out, tbk_error *err)
{
    char *bytes;
    size_t length;
    const tbk_value *document;
    if (!tbk_file_read(arena, path, CONFIG_BYTES_MAX, &bytes, &length, err)) {
        /* Whatever keeps it from being read, the configuration is at fault. */
        err->code = TBK_E_CONFIG;
        if (err->fix[0] == '\0')
            (void)snprintf(err->fix, sizeof err->fix,
                           "name it with --config, or work by hand with --store");
        return tbk_error_context(err, "reading the configuration");
    }
    return tbk_yaml_parse(arena, bytes, length, path, &document, err) &&
           tbk_engine_config_read(arena, document, out, err);
}

static bool config_by_hand(tbk_arena *arena, const engine_args *args, tbk_engine_config *out,
                           tbk_error *err)
{
    const tbk_environment nothing = {.name = NULL};
    tbk_options defaults;
    tbk_options_default(&nothing, &defaults);
    tbk_auto_free char *path = realpath(args->sqlite, NULL);
    if (path == NULL)
        return tbk_fail_errno(err, TBK_E_NOT_FOUND, errno, "name the tracker's database file",
                              "there is no database '%s'", args->sqlite);
    *out = (tbk_engine_config){
        .driver = TBK_DRIVER_SQLITE,
        .database_path = tbk_arena_copy(arena, path),
        .store = args->store,
        .method = args->has_method ? args->method : TBK_METHOD_AUTO,
        .keep_days = args->keep_days != 0 ? args->keep_days : defaults.keep_days,
        .keep_last = args->keep_last != 0 ? args->keep_last : defaults.keep_last,
        .compression_level = args->has_level ? args->compression_level : defaults.compression_level,
        .profile = args->profile,
        .essential = args->rules.count != 0 ? args->rules : defaults.essential,
        .rate_limit_mib = args->rate_limit_mib,
        .prove_restored_every_days = defaults.prove_restored_every_days,
    };
    return true;
}

/* --- backup --- */

static tbk_value *backup_value(tbk_arena *arena, const tbk_backup_result *result,
                               const char *run_id, int64_t duration_ms)
{
    const tbk_manifest *manifest = result->manifest;
    tbk_value *map = tbk_value_map(arena);
    tbk_value_set_integer(arena, map, "schema", RESULT_SCHEMA);
    tbk_value_set_string(arena, map, "run", run_id);
    tbk_value_set_string(arena, map, "id", result->id);
    tbk_value_set_string(arena, map, "path", result->path);
    tbk_value_set_string(arena, map, "profile", tbk_profile_name(manifest->profile));
    tbk_value_set_string(arena, map, "method", manifest->method);
    tbk_value_set_string(arena, map, "method_reason", manifest->method_reason);
    tbk_value_set_integer(arena, map, "held_ms", manifest->held_ms);
    tbk_value_set_integer(arena, map, "raw_bytes", (int64_t)tbk_manifest_database_bytes(manifest));
    tbk_value_set_integer(arena, map, "stored_bytes", (int64_t)tbk_manifest_stored_bytes(manifest));
    tbk_value_set_integer(arena, map, "duration_ms", duration_ms);
    tbk_value_set_integer(arena, map, "pruned", (int64_t)result->pruned);
    tbk_value_set(arena, map, "proof", tbk_proof_to_value(arena, &result->proof));
    return map;
}

static bool run_backup(tbk_arena *arena, tbk_backup_request *request, engine_output *output,
                       tbk_error *err)
{
    tbk_backup_result result;
    tbk_report report = engine_output_report(output);
    int64_t started_ms = tbk_clock_monotonic_ms();
    request->run_id = output->run_id;
    request->now_s = tbk_clock_now_s();
    if (!tbk_backup_run(arena, request, &report, &result, err))
        return false;
    tbk_report_log(&report, TBK_LOG_INFO, "end", "set %s is complete", result.id);
    engine_output_result(
        output, backup_value(arena, &result, output->run_id, tbk_clock_monotonic_ms() - started_ms),
        engine_print_backup);
    return true;
}

static bool backup_by_hand(const engine_args *args, engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_engine_config config;
    if (!config_by_hand(arena, args, &config, err) ||
        !engine_privileges_become_owner(config.store, false, err))
        return false;
    tbk_backup_request request = {.config = &config, .create_store = true};
    return run_backup(arena, &request, output, err);
}

/* Of two schedulers, either would be locked out now and then. */
static bool check_mode(const engine_args *args, const tbk_engine_config *config, tbk_error *err)
{
    if (args->hook && config->mode == TBK_MODE_SIDECAR)
        return tbk_fail(err, TBK_E_CONFIG,
                        "run 'torrust-backup configure' again: it removes the hook",
                        "the sidecar makes the backups here; hook and sidecar at once are refused");
    if (config->hold == TBK_HOLD_NEVER && args->journal_mode != TBK_JOURNAL_AS_IT_IS)
        return tbk_fail(err, TBK_E_CONFIG,
                        "configure without 'hold: never', do it, and configure with it again",
                        "the journal mode is changed while the tracker is stopped, which "
                        "'hold: never' rules out");
    return tbk_method_check(config->method, config->driver, config->mode, config->hold, err);
}

static bool holds_nothing(const tbk_engine_config *config)
{
    return config->mode == TBK_MODE_SIDECAR || config->hold == TBK_HOLD_NEVER;
}

/* In mode window the hook has made the store. Here it is made as the database's owner. */
static const char *owner_of(const tbk_engine_config *config)
{
    bool is_there = config->mode == TBK_MODE_WINDOW || access(config->store, F_OK) == 0;
    return is_there ? config->store : tbk_engine_config_owned_file(config);
}

/* In the container: what is to be saved is opened with the privilege to read everything; then
 * that privilege is dropped, and only then the database is touched. */
static bool backup_as_configured(const engine_args *args, engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(tbk_files) *files = NULL;
    tbk_auto(tbk_hold_hook) *hook = NULL;
    tbk_hold hold;
    tbk_tracker_files tracker;
    tbk_scratch_server scratch_server;
    tbk_scratch_tracker scratch_tracker;
    tbk_report report = engine_output_report(output);
    tbk_engine_config config;
    if (!engine_config_load(arena, args->config, &config, err))
        return false;
    if (args->has_method)
        config.method = args->method;
    if (args->has_profile)
        config.profile = args->profile;
    bool is_sidecar = config.mode == TBK_MODE_SIDECAR;
    if (!check_mode(args, &config, err) || !tbk_files_open(&config, &files, err) ||
        !engine_privileges_become_owner(owner_of(&config), true, err))
        return false;
    tbk_backup_request request = {.config = &config,
                                  .files = files,
                                  .journal_mode = args->journal_mode,
                                  .holds_nothing = holds_nothing(&config),
                                  .create_store = is_sidecar};
    if (args->hook) {
        hook = tbk_hold_hook_new(STDIN_FILENO, STDOUT_FILENO, HOLD_ANSWER_TIMEOUT_MS, &report);
        hold = tbk_hold_hook_port(hook);
        tracker = tbk_hold_hook_tracker_files(hook);
        scratch_server = tbk_hold_hook_scratch_server(hook);
        scratch_tracker = tbk_hold_hook_scratch_tracker(hook);
        request.tracker = &tracker;
        request.hold = request.holds_nothing ? NULL : &hold;
        request.scratch_server = &scratch_server;
        request.scratch_tracker = &scratch_tracker;
        request.boot = args->boot;
    }
    return run_backup(arena, &request, output, err);
}

bool engine_command_backup(const engine_args *args, engine_output *output, tbk_error *err)
{
    return args->sqlite != NULL ? backup_by_hand(args, output, err)
                                : backup_as_configured(args, output, err);
}

/* --- plan --- */

static void print_plan(const tbk_value *result) { tbk_forecast_print(stdout, result); }

static bool plan_config(tbk_arena *arena, const engine_args *args, tbk_engine_config *out,
                        tbk_error *err)
{
    return args->sqlite != NULL ? config_by_hand(arena, args, out, err)
                                : engine_config_load(arena, args->config, out, err);
}

/* Before the first run there is no store: then as its future owner. */
bool engine_command_plan(const engine_args *args, engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_report report = engine_output_report(output);
    tbk_engine_config config;
    tbk_database database;
    tbk_backup_plan plan;
    if (!plan_config(arena, args, &config, err))
        return false;
    const char *owned =
        access(config.store, F_OK) == 0 ? config.store : tbk_engine_config_owned_file(&config);
    const tbk_origin origin = tbk_database_origin(arena, &config);
    const tbk_backup_plan_request request = {
        .database = &database,
        .origin = &origin,
        .store = config.store,
        .method = config.method,
        .profile = config.profile,
        .rules = config.profile == TBK_PROFILE_ESSENTIAL ? &config.essential : NULL,
        .environment = config.environment,
        .holds_nothing = holds_nothing(&config),
        .restores = config.prove_restored_every_days > 0};
    if (!engine_privileges_become_owner(owned, args->sqlite == NULL, err) ||
        !tbk_database_open(arena, &config, NULL, &report, &database, err) ||
        !tbk_backup_plan_make(arena, &request, &report, &plan, err))
        return false;
    engine_output_result(output, tbk_backup_plan_to_value(arena, &request, &plan), print_plan);
    return true;
}
