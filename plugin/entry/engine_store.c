/* SPDX-License-Identifier: MIT */
/* The engine's commands on a store: list, check, prove, extract, acknowledge. */
#include "base/clock.h"
#include "base/json.h"
#include "domain/host_layout.h"
#include "engine/catalogue.h"
#include "engine/extraction.h"
#include "engine/offsite_state.h"
#include "engine/verification.h"
#include "entry/engine_commands.h"
#include "entry/engine_privileges.h"
#include "entry/text_sets.h"
#include "store/brake.h"
#include "store/last_run.h"

#include <string.h>

#define RESULT_SCHEMA 1

/* --- the store --- */

/* By hand no more is known than where the store is. */
static bool store_config(tbk_arena *arena, const engine_args *args, tbk_engine_config *out,
                         tbk_error *err)
{
    *out = (tbk_engine_config){.driver = TBK_DRIVER_SQLITE, .store = args->store};
    return args->store != NULL || engine_config_load(arena, args->config, out, err);
}

static bool open_store(tbk_arena *arena, const engine_args *args, tbk_store_access access,
                       tbk_engine_config *out_config, tbk_store **out, tbk_error *err)
{
    return store_config(arena, args, out_config, err) &&
           engine_privileges_become_owner(out_config->store, true, err) &&
           tbk_store_open(out_config->store, access, out, err);
}

/* By hand with --store only, whose sets are meant is not known. */
static const tbk_origin *origin_of(tbk_arena *arena, const tbk_engine_config *config)
{
    if (config->environment == NULL)
        return NULL;
    tbk_origin *origin = TBK_ARENA_NEW(arena, tbk_origin);
    *origin = tbk_database_origin(arena, config);
    return origin;
}

/* What the service `outbound` has seen of the store's sets, if there is one; a cache that cannot be
 * read is none. */
static void read_offsite(tbk_arena *arena, const tbk_engine_config *config,
                         const tbk_report *report, tbk_offsite_state *out)
{
    tbk_error why;
    *out = (tbk_offsite_state){.known_count = 0};
    if (config->offsite.repository == NULL ||
        tbk_offsite_state_read(arena, TBK_OUTBOUND_DIRECTORY, out, &why))
        return;
    *out = (tbk_offsite_state){.known_count = 0};
    tbk_report_log(report, TBK_LOG_WARNING, "list", "what is off-site is not known: %s",
                   why.message);
}

/* Only of the environment that goes there: another one's set could have the same id. */
static void set_offsite(tbk_arena *arena, tbk_value *set, const tbk_engine_config *config,
                        const tbk_offsite_state *state)
{
    const tbk_offsite_known *known =
        tbk_offsite_state_find_set(state, tbk_value_text_at(set, "id", ""));
    if (known == NULL || config->environment == NULL ||
        strcmp(tbk_value_text_at(set, "environment", ""), config->environment) != 0)
        return;
    tbk_value_set_string(arena, set, "offsite", tbk_offsite_level_name(known->level));
    tbk_value_set_integer(arena, set, "offsite_s", known->level_s);
}

static tbk_value *result_begin(tbk_arena *arena, const tbk_store *store, tbk_value **out_sets)
{
    tbk_value *result = tbk_value_map(arena);
    *out_sets = tbk_value_list(arena);
    tbk_value_set_integer(arena, result, "schema", RESULT_SCHEMA);
    tbk_value_set_string(arena, result, "store", tbk_store_path(store));
    tbk_value_set(arena, result, "sets", *out_sets);
    return result;
}

bool engine_command_list(const engine_args *args, engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(tbk_store) *store = NULL;
    tbk_engine_config config;
    tbk_value *result = NULL;
    tbk_offsite_state state;
    if (!open_store(arena, args, TBK_STORE_READ, &config, &store, err) ||
        !tbk_catalogue_of(arena, store, origin_of(arena, &config), &result, err))
        return false;
    const tbk_report report = engine_output_report(output);
    read_offsite(arena, &config, &report, &state);
    for (const tbk_member *set = tbk_value_members_at(result, "sets"); set != NULL; set = set->next)
        set_offsite(arena, set->value, &config, &state);
    engine_output_result(output, result, engine_print_list);
    return true;
}

/* --- check --- */

static bool prove_checksums(tbk_arena *arena, const tbk_store *store, const tbk_stored_set *stored,
                            const tbk_report *report, tbk_proof *out, tbk_error *err)
{
    tbk_auto(tbk_set) *set = NULL;
    if (!tbk_store_open_set(store, stored->id, &set, err))
        return false;
    const tbk_prove_request request = {.set = set,
                                       .manifest = stored->manifest,
                                       .level = TBK_PROOF_CHECKSUMS,
                                       .now_s = tbk_clock_now_s(),
                                       .report = report};
    return tbk_prove_set(arena, &request, out, err);
}

typedef struct checking {
    tbk_arena *arena;
    const tbk_store *store;
    const tbk_report *report;
    tbk_value *sets; /* what was found */
    bool ok;
} checking;

static bool check_set(checking *self, const tbk_stored_set *set, tbk_error *err)
{
    tbk_proof proof = {.level = TBK_PROOF_CHECKSUMS, .ok = false, .reason = set->damage};
    if (set->is_unread)
        return tbk_fail(err, TBK_E_IO, "look for disk errors in the system's log",
                        "the set '%s' could not be looked at: %s", set->path, set->damage);
    bool is_told = set->manifest == NULL ||
                   prove_checksums(self->arena, self->store, set, self->report, &proof, err);
    if ((!is_told || !proof.ok) && !tbk_store_has(self->store, set->id))
        return true; /* a backup that goes on meanwhile has pruned it */
    if (!is_told)
        return false;
    tbk_value *map = tbk_value_map(self->arena);
    tbk_value_set_string(self->arena, map, "id", set->id);
    tbk_value_set(self->arena, map, "proof", tbk_proof_to_value(self->arena, &proof));
    tbk_value_append(self->arena, self->sets, map);
    self->ok = self->ok && proof.ok;
    return true;
}

/* Also a damaged one, where it is named: that it is damaged is what is to be told. */
static bool choose_sets(const tbk_store *store, tbk_arena *arena, const engine_args *args,
                        const tbk_engine_config *config, tbk_stored_set **out, tbk_error *err)
{
    const tbk_set_choice choice = {
        .id = args->set, .origin = origin_of(arena, config), .now_s = tbk_clock_now_s()};
    bool is_latest = args->set != NULL && strcmp(args->set, "latest") == 0;
    if (!(is_latest ? tbk_store_find(store, arena, &choice, out, err)
                    : tbk_store_list(store, arena, out, err)))
        return false;
    if (args->set == NULL)
        return true;
    while (*out != NULL && !is_latest && strcmp((*out)->id, args->set) != 0)
        *out = (*out)->next;
    if (*out == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND, "'list' shows the sets that there are",
                        "there is no set '%s' in '%s'", args->set, tbk_store_path(store));
    (*out)->next = NULL;
    return true;
}

bool engine_command_check(const engine_args *args, engine_output *output, bool *out_ok,
                          tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(tbk_store) *store = NULL;
    tbk_report report = engine_output_report(output);
    checking check = {.arena = arena, .report = &report, .ok = true};
    tbk_engine_config config;
    tbk_stored_set *set;
    if (!open_store(arena, args, TBK_STORE_READ, &config, &store, err) ||
        !choose_sets(store, arena, args, &config, &set, err))
        return false;
    check.store = store;
    tbk_value *result = result_begin(arena, store, &check.sets);
    for (; set != NULL; set = set->next)
        if (!check_set(&check, set, err))
            return false;
    tbk_value_set_bool(arena, result, "ok", check.ok);
    engine_output_result(output, result, engine_print_checks);
    *out_ok = check.ok;
    return true;
}

/* --- prove --- */

static bool choose_one(const tbk_store *store, tbk_arena *arena, const engine_args *args,
                       const tbk_engine_config *config, tbk_stored_set **out, tbk_error *err)
{
    const tbk_set_choice choice = {
        .id = args->set, .origin = origin_of(arena, config), .now_s = tbk_clock_now_s()};
    return tbk_store_find(store, arena, &choice, out, err);
}

typedef struct proving {
    tbk_arena *arena;
    tbk_store *store;
    const tbk_stored_set *stored;
    const tbk_database *database; /* NULL at level checksums */
    tbk_proof_level level;
    const tbk_report *report;
} proving;

/* A proof that holds is not replaced by a weaker one; one that fails always is what counts. Whether
 * a tracker came up on the set stays known. */
static bool write_proof(const proving *self, const tbk_set *set, tbk_proof *proof, tbk_error *err)
{
    const tbk_proof *before = &self->stored->proof;
    if (proof->booted.state == TBK_BOOT_NONE)
        proof->booted = before->booted;
    return (proof->ok && before->ok && before->level > proof->level) ||
           tbk_set_write_proof(set, self->arena, proof, err);
}

static bool prove_set(const proving *self, tbk_proof *out, tbk_error *err)
{
    tbk_auto(tbk_set) *set = NULL;
    const char *scratch;
    if (!tbk_store_scratch(self->store, self->arena, &scratch, err) ||
        !tbk_store_open_set(self->store, self->stored->id, &set, err))
        return false;
    const tbk_prove_request request = {.set = set,
                                       .manifest = self->stored->manifest,
                                       .level = self->level,
                                       .database = self->database,
                                       .scratch = scratch,
                                       .now_s = tbk_clock_now_s(),
                                       .report = self->report};
    return tbk_prove_set(self->arena, &request, out, err) && write_proof(self, set, out, err);
}

static void print_proof(const tbk_value *result)
{
    const char *reason = tbk_value_text_at(result, "proof.reason", NULL);
    const tbk_value *tables = tbk_value_find(result, "proof.rows");
    (void)printf("Set:   %s\n", tbk_value_text_at(result, "set", "-"));
    (void)printf("Proof: %s%s%s\n", tbk_value_text_at(result, "proof.level", "-"),
                 reason != NULL ? ", FAILED: " : ", ok", reason != NULL ? reason : "");
    if (tables == NULL)
        return;
    tbk_auto_text rows = {0};
    tbk_json_write(&rows, tables, false);
    (void)printf("Rows:  %s\n", tbk_text_string(&rows));
}

bool engine_command_prove(const engine_args *args, engine_output *output, bool *out_ok,
                          tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(tbk_store) *store = NULL;
    tbk_report report = engine_output_report(output);
    tbk_engine_config config;
    tbk_database database;
    bool restores = args->proof_level == TBK_PROOF_RESTORED;
    tbk_stored_set *set;
    tbk_proof proof;
    if (!open_store(arena, args, TBK_STORE_WRITE, &config, &store, err) ||
        (restores && !tbk_database_open(arena, &config, NULL, &report, &database, err)) ||
        !choose_one(store, arena, args, &config, &set, err))
        return false;
    const proving work = {.arena = arena,
                          .store = store,
                          .stored = set,
                          .database = restores ? &database : NULL,
                          .level = args->proof_level,
                          .report = &report};
    if (!prove_set(&work, &proof, err))
        return false;
    tbk_value *result = tbk_value_map(arena);
    tbk_value_set_integer(arena, result, "schema", RESULT_SCHEMA);
    tbk_value_set_string(arena, result, "store", tbk_store_path(store));
    tbk_value_set_string(arena, result, "set", set->id);
    tbk_value_set(arena, result, "proof", tbk_proof_to_value(arena, &proof));
    engine_output_result(output, result, print_proof);
    *out_ok = proof.ok;
    return true;
}

/* --- extract --- */

static void print_extracted(const tbk_value *result) { tbk_extracted_print(stdout, result); }

bool engine_command_extract(const engine_args *args, engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(tbk_store) *store = NULL;
    tbk_report report = engine_output_report(output);
    tbk_engine_config config;
    tbk_value *result = NULL;
    if (!open_store(arena, args, TBK_STORE_READ, &config, &store, err))
        return false;
    const tbk_extract_request request = {
        .store = store,
        .set = {.id = args->set, .origin = origin_of(arena, &config), .now_s = tbk_clock_now_s()},
        .to = args->to,
        .report = &report};
    if (!tbk_extract(arena, &request, &result, err))
        return false;
    engine_output_result(output, result, print_extracted);
    return true;
}

/* --- acknowledge --- */

static void print_acknowledged(const tbk_value *result)
{
    const tbk_member *lifted = tbk_value_members_at(result, "acknowledged");
    for (const tbk_member *item = lifted; item != NULL; item = item->next)
        (void)printf("Acknowledged: %s\n", tbk_value_text_at(item->value, "reason", "-"));
    (void)printf("%s\n", lifted != NULL ? "From the next run on, older sets are pruned again."
                                        : "There was nothing to acknowledge.");
}

/* With the store's lock: no run judges meanwhile. */
bool engine_command_acknowledge(const engine_args *args, engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(tbk_store) *store = NULL;
    tbk_engine_config config;
    tbk_brakes lifted;
    if (!open_store(arena, args, TBK_STORE_WRITE, &config, &store, err) ||
        !tbk_brakes_acknowledge(store, arena, origin_of(arena, &config), &lifted, err) ||
        !tbk_last_run_acknowledge(store, arena, config.environment, err))
        return false;
    tbk_value *result = tbk_value_map(arena);
    tbk_value_set_integer(arena, result, "schema", RESULT_SCHEMA);
    tbk_value_set_string(arena, result, "store", tbk_store_path(store));
    tbk_value_set(arena, result, "acknowledged", tbk_brakes_to_value(arena, &lifted, NULL));
    engine_output_result(output, result, print_acknowledged);
    return true;
}
