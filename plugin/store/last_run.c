/* SPDX-License-Identifier: MIT */
/* Writes the record of the last run twice: as JSON, and as metrics. */
#include "store/last_run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "domain/document.h"
#include "domain/units.h"

#include <inttypes.h>
#include <string.h>

#define RECORD_NAME "last-run.json"
#define METRICS_NAME "torrust_backup.prom"
#define RECORD_BYTES_MAX (1u << 20)
#define RECORD_SCHEMA 1

/* --- the record's fields, in its order --- */

/* What became of a profile's last run. */
typedef struct outcome {
    tbk_profile_facts facts;
    const tbk_value *error;
    const char *set;
} outcome;

#define AT(member) TBK_AT(outcome, member)
static const tbk_field outcome_fields[] = {
    {"finished_s", TBK_FIELD_INTEGER, AT(facts.finished_s)},
    {"exit_status", TBK_FIELD_INTEGER, AT(facts.exit_status)},
    {"error", TBK_FIELD_VALUE, TBK_AT_VALUE(outcome, error)},
    {"set", TBK_FIELD_TEXT, AT(set)},
    {"last_success_s", TBK_FIELD_INTEGER, AT(facts.success_s)},
    {.kind = TBK_FIELD_END},
};
#undef AT

typedef struct run_record {
    tbk_run_facts facts;
    const char *run_id, *environment, *started, *finished;
    const tbk_value *error;
    const char *set, *profile, *method, *method_reason, *proof;
    const char **config_missing;
    const tbk_value *phases_ms, *booted;
    bool tracker_was_stopped;
    int64_t pruned;
    const char *success_set, *proof_set, *booted_set;
    int64_t first_run_s;       /* since when there is a record */
    const tbk_value *profiles; /* an outcome each; NULL in records of earlier versions */
    const tbk_value *brakes;
} run_record;

#define AT(member) TBK_AT(run_record, member)
static const tbk_field run_fields[] = {
    {"schema", TBK_FIELD_VERSION, .most = RECORD_SCHEMA},
    {"run", TBK_FIELD_TEXT, AT(run_id)},
    {"environment", TBK_FIELD_TEXT, AT(environment)},
    {"started", TBK_FIELD_TEXT, AT(started)},
    {"time", TBK_FIELD_TEXT, AT(finished)},
    {"finished_s", TBK_FIELD_INTEGER, AT(facts.finished_s)},
    {"exit_status", TBK_FIELD_INTEGER, AT(facts.exit_status)},
    {"error", TBK_FIELD_VALUE, TBK_AT_VALUE(run_record, error)},
    {"set", TBK_FIELD_TEXT, AT(set)},
    {"profile", TBK_FIELD_TEXT, AT(profile)},
    {"method", TBK_FIELD_TEXT, AT(method)},
    {"config_missing", TBK_FIELD_TEXTS, AT(config_missing)},
    {"method_reason", TBK_FIELD_TEXT, AT(method_reason)},
    {"phases_ms", TBK_FIELD_VALUE, TBK_AT_VALUE(run_record, phases_ms)},
    {"held_ms", TBK_FIELD_INTEGER, AT(facts.held_ms)},
    {"tracker_was_stopped", TBK_FIELD_BOOL, AT(tracker_was_stopped)},
    {"duration_ms", TBK_FIELD_INTEGER, AT(facts.duration_ms)},
    {"raw_bytes", TBK_FIELD_INTEGER, AT(facts.raw_bytes)},
    {"stored_bytes", TBK_FIELD_INTEGER, AT(facts.stored_bytes)},
    {"proof", TBK_FIELD_TEXT, AT(proof)},
    {"booted", TBK_FIELD_VALUE, TBK_AT_VALUE(run_record, booted)},
    {"sets", TBK_FIELD_INTEGER, AT(facts.sets)},
    {"pruned", TBK_FIELD_INTEGER, AT(pruned)},
    {"store_free_bytes", TBK_FIELD_INTEGER, AT(facts.store_free_bytes)},
    {.kind = TBK_FIELD_END},
};

/* What outlives a failed run. */
#define OPTIONAL .need = TBK_FIELD_OPTIONAL
static const tbk_field kept_fields[] = {
    {"last_success_s", TBK_FIELD_INTEGER, AT(facts.success_s), OPTIONAL},
    {"last_success_set", TBK_FIELD_TEXT, AT(success_set), OPTIONAL},
    {"last_proof_s", TBK_FIELD_INTEGER, AT(facts.proof_s), OPTIONAL}, /* of level restored */
    {"last_proof_set", TBK_FIELD_TEXT, AT(proof_set), OPTIONAL},
    {"last_booted_s", TBK_FIELD_INTEGER, AT(facts.booted_s), OPTIONAL},
    {"last_booted_set", TBK_FIELD_TEXT, AT(booted_set), OPTIONAL},
    {"last_full_attempt_s", TBK_FIELD_INTEGER, AT(facts.full_attempt_s), OPTIONAL},
    {"last_essential_attempt_s", TBK_FIELD_INTEGER, AT(facts.essential_attempt_s), OPTIONAL},
    {"first_run_s", TBK_FIELD_INTEGER, AT(first_run_s), OPTIONAL},
    {.kind = TBK_FIELD_END},
};

static const tbk_field state_fields[] = {
    {"profiles", TBK_FIELD_VALUE, TBK_AT_VALUE(run_record, profiles)},
    {"retention_brakes", TBK_FIELD_VALUE, TBK_AT_VALUE(run_record, brakes)},
    {.kind = TBK_FIELD_END},
};
#undef AT

/* --- what earlier runs left --- */

/* The environment's own record; names of environments are plain (tbk_environment_check_name). */
static const char *own_name(tbk_arena *arena, const char *environment)
{
    return tbk_arena_format(arena, "last-run.%s.json", environment);
}

/* NULL for a record that is missing or broken: it tells nothing, and is written anew. */
static const tbk_value *read_file(const char *store, tbk_arena *arena, const char *name)
{
    tbk_error ignored;
    char *bytes;
    size_t length;
    const tbk_value *record;
    const char *path = tbk_arena_format(arena, "%s/.state/%s", store, name);
    if (!tbk_file_read(arena, path, RECORD_BYTES_MAX, &bytes, &length, &ignored) ||
        !tbk_json_parse(arena, bytes, length, name, &record, &ignored) ||
        !tbk_units_check(record, &ignored))
        return NULL;
    return record;
}

/* Records of earlier versions name no environment: they count for each. */
static bool is_of(const tbk_value *record, const char *environment)
{
    const char *of = tbk_value_text_at(record, "environment", "");
    return tbk_value_find(record, "profiles") == NULL ||
           strcmp(of, environment != NULL ? environment : "") == 0;
}

static const tbk_value *read_record(const char *store, tbk_arena *arena, const char *environment)
{
    const tbk_value *record = read_file(store, arena, RECORD_NAME);
    if (record != NULL && is_of(record, environment))
        return record;
    return environment != NULL ? read_file(store, arena, own_name(arena, environment)) : NULL;
}

/* NULL: it says nothing of it. */
static const tbk_value *profile_in(const tbk_value *profiles, tbk_profile profile)
{
    return profiles != NULL ? tbk_value_find(profiles, tbk_profile_name(profile)) : NULL;
}

static void remember(const tbk_store *store, tbk_arena *arena, const char *environment,
                     run_record *out)
{
    tbk_error ignored;
    const tbk_value *earlier = read_record(tbk_store_path(store), arena, environment);
    if (earlier == NULL)
        return;
    if (!tbk_fields_read(arena, earlier, kept_fields, out, &ignored))
        *out = (run_record){.run_id = NULL};
    out->profiles = tbk_value_find(earlier, "profiles");
}

/* --- what this run leaves --- */

static bool is_attempt(const tbk_last_run *run)
{
    return run->error == NULL || run->error->code != TBK_E_INTERRUPTED;
}

static void update(run_record *known, const tbk_last_run *run)
{
    if (is_attempt(run) && run->profile == TBK_PROFILE_ESSENTIAL)
        known->facts.essential_attempt_s = run->finished_s;
    else if (is_attempt(run))
        known->facts.full_attempt_s = run->finished_s;
    if (run->is_good && run->manifest != NULL) {
        known->facts.success_s = run->finished_s;
        known->success_set = run->manifest->id;
    }
    if (run->manifest != NULL && run->proof != NULL && run->proof->ok &&
        run->proof->level == TBK_PROOF_RESTORED) {
        known->facts.proof_s = run->finished_s;
        known->proof_set = run->manifest->id;
    }
    if (run->manifest != NULL && run->proof != NULL &&
        run->proof->booted.state == TBK_BOOT_PASSED) {
        known->facts.booted_s = run->finished_s;
        known->booted_set = run->manifest->id;
    }
    if (known->first_run_s == 0)
        known->first_run_s = run->finished_s;
}

static const char *time_text(tbk_arena *arena, int64_t time_s)
{
    char text[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format(time_s, text);
    return tbk_arena_copy(arena, text);
}

tbk_value *tbk_run_error_value(tbk_arena *arena, const tbk_error *error)
{
    if (error == NULL)
        return tbk_value_null(arena);
    tbk_value *map = tbk_value_map(arena);
    tbk_value_set_string(arena, map, "name", tbk_error_name(error->code));
    tbk_value_set_string(arena, map, "message", error->message);
    tbk_value_set_string(arena, map, "fix", error->fix);
    return map;
}

static int64_t exit_status_of(const tbk_last_run *run)
{
    return run->error != NULL ? tbk_error_exit_status(run->error->code) : 0;
}

static void read_outcome(tbk_arena *arena, const tbk_value *map, outcome *out)
{
    *out = (outcome){.set = NULL};
    tbk_fields_read_known(arena, map, outcome_fields, out);
}

/* What this run leaves of its profile. Records of earlier versions know one success for all. */
static tbk_value *profile_of_run(tbk_arena *arena, const tbk_last_run *run,
                                 const tbk_value *earlier, int64_t success_s)
{
    outcome left = {.facts = {.success_s = success_s}};
    if (earlier != NULL)
        read_outcome(arena, earlier, &left);
    left.facts.finished_s = run->finished_s;
    left.facts.exit_status = exit_status_of(run);
    left.error = tbk_run_error_value(arena, run->error);
    left.set = run->manifest != NULL ? run->manifest->id : NULL;
    if (run->is_good && run->manifest != NULL)
        left.facts.success_s = run->finished_s;
    return tbk_fields_to_value(arena, outcome_fields, &left);
}

static tbk_value *copy_of(tbk_arena *arena, const tbk_value *value)
{
    tbk_value *copy = TBK_ARENA_NEW(arena, tbk_value);
    *copy = *value;
    return copy;
}

static tbk_value *profiles_value(tbk_arena *arena, const tbk_last_run *run,
                                 const tbk_value *profiles, int64_t success_before_s)
{
    tbk_value *map = tbk_value_map(arena);
    for (int profile = 0; profile < TBK_PROFILES; profile++) {
        const char *name = tbk_profile_name((tbk_profile)profile);
        const tbk_value *earlier = profile_in(profiles, (tbk_profile)profile);
        if (profile == (int)run->profile && is_attempt(run))
            tbk_value_set(arena, map, name, profile_of_run(arena, run, earlier, success_before_s));
        else if (earlier != NULL)
            tbk_value_set(arena, map, name, copy_of(arena, earlier));
    }
    return map;
}

static void set_manifest(tbk_arena *arena, run_record *out, const tbk_manifest *manifest)
{
    tbk_value *phases = tbk_value_map(arena);
    out->phases_ms = phases;
    out->facts.raw_bytes = (int64_t)tbk_manifest_raw_bytes(manifest);
    out->facts.stored_bytes = (int64_t)tbk_manifest_stored_bytes(manifest);
    if (manifest == NULL)
        return;
    out->set = manifest->id;
    out->profile = tbk_profile_name(manifest->profile);
    out->method = manifest->method;
    out->method_reason = manifest->method_reason;
    out->config_missing = manifest->config_missing;
    for (size_t i = 0; i < manifest->phase_count; i++)
        tbk_value_set_integer(arena, phases, manifest->phases[i].name,
                              manifest->phases[i].duration_ms);
}

static void set_run(tbk_arena *arena, run_record *out, const tbk_last_run *run)
{
    out->run_id = run->run_id;
    out->environment = run->environment;
    out->started = time_text(arena, run->started_s);
    out->finished = time_text(arena, run->finished_s);
    out->facts.finished_s = run->finished_s;
    out->facts.exit_status = exit_status_of(run);
    out->error = tbk_run_error_value(arena, run->error);
    set_manifest(arena, out, run->manifest);
    out->facts.held_ms = run->held_ms;
    out->tracker_was_stopped = run->tracker_was_stopped;
    out->facts.duration_ms = run->duration_ms;
    if (run->proof != NULL) {
        out->proof = tbk_proof_level_name(run->proof->level);
        out->booted = tbk_value_find(tbk_proof_to_value(arena, run->proof), "booted");
    }
    out->facts.sets = (int64_t)run->sets;
    out->pruned = (int64_t)run->pruned;
    out->facts.store_free_bytes = (int64_t)run->store_free_bytes;
    out->brakes = run->brakes != NULL ? run->brakes : tbk_value_list(arena);
}

static tbk_value *record_to_value(tbk_arena *arena, const run_record *left)
{
    tbk_value *map = tbk_fields_to_value(arena, run_fields, left);
    tbk_fields_write(arena, map, kept_fields, left);
    tbk_fields_write(arena, map, state_fields, left);
    return map;
}

/* --- in numbers --- */

static void read_message(const tbk_value *map, const char *key, char *out, size_t size_bytes)
{
    const char *message = map != NULL ? tbk_value_text_at(map, key, "") : "";
    (void)snprintf(out, size_bytes, "%.*s", (int)size_bytes - 1, message);
}

/* A record of an earlier version tells profiles apart by their attempts only. */
static void read_profile(tbk_arena *arena, const run_record *from, tbk_profile profile,
                         tbk_profile_facts *out)
{
    const tbk_value *map = profile_in(from->profiles, profile);
    outcome read = {.facts = {.success_s = from->profiles == NULL ? from->facts.success_s : 0}};
    if (map != NULL)
        read_outcome(arena, map, &read);
    *out = read.facts;
    read_message(read.error, "message", out->message, sizeof out->message);
}

static void read_brakes(const tbk_value *brakes, tbk_run_facts *out)
{
    if (brakes == NULL || brakes->type != TBK_VALUE_LIST || brakes->count == 0)
        return;
    out->brakes = (int64_t)brakes->count;
    read_message(brakes->first->value, "reason", out->brake, sizeof out->brake);
}

static void read_facts(tbk_arena *arena, const tbk_value *map, tbk_run_facts *out)
{
    run_record read = {.run_id = NULL};
    tbk_fields_read_known(arena, map, run_fields, &read);
    tbk_fields_read_known(arena, map, kept_fields, &read);
    tbk_fields_read_known(arena, map, state_fields, &read);
    *out = read.facts;
    read_message(read.error, "message", out->message, sizeof out->message);
    for (int profile = 0; profile < TBK_PROFILES; profile++)
        read_profile(arena, &read, (tbk_profile)profile, &out->profiles[profile]);
    read_brakes(read.brakes, out);
}

void tbk_run_facts_read(const char *store, const char *environment, tbk_run_facts *out)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = read_record(store, arena, environment);
    *out = (tbk_run_facts){.finished_s = 0};
    if (map != NULL)
        read_facts(arena, map, out);
}

bool tbk_run_is_ahead(int64_t success_s, int64_t now_s)
{
    return tbk_retention_is_future(success_s, now_s);
}

static void metric_head(tbk_text *text, const char *name, const char *help)
{
    tbk_text_format(text, "# HELP torrust_backup_%s %s\n# TYPE torrust_backup_%s gauge\n", name,
                    help, name);
}

void tbk_metric_gauge(tbk_text *text, const char *name, const char *help, double value)
{
    metric_head(text, name, help);
    tbk_text_format(text, "torrust_backup_%s %.15g\n", name, value);
}

static void metric_profiles(tbk_text *text, const char *name, const char *help,
                            const int64_t values[TBK_PROFILES])
{
    metric_head(text, name, help);
    for (int profile = 0; profile < TBK_PROFILES; profile++)
        tbk_text_format(text, "torrust_backup_%s{profile=\"%s\"} %" PRId64 "\n", name,
                        tbk_profile_name((tbk_profile)profile), values[profile]);
}

static void metrics_of_profiles(tbk_text *text, const tbk_profile_facts *profiles)
{
    int64_t finished_s[TBK_PROFILES], exit_status[TBK_PROFILES], success_s[TBK_PROFILES];
    for (int i = 0; i < TBK_PROFILES; i++) {
        finished_s[i] = profiles[i].finished_s;
        exit_status[i] = profiles[i].exit_status;
        success_s[i] = profiles[i].success_s;
    }
    metric_profiles(text, "profile_last_run_timestamp_seconds",
                    "When the profile's last run ended; 0: never.", finished_s);
    metric_profiles(text, "profile_last_exit_status", "Exit status of the profile's last run.",
                    exit_status);
    metric_profiles(text, "profile_last_success_timestamp_seconds",
                    "When the profile's last good run ended; 0: never.", success_s);
}

void tbk_run_facts_metrics(tbk_text *text, const tbk_run_facts *facts)
{
    const struct {
        const char *name, *help;
        double value;
    } rows[] = {
        {"last_run_timestamp_seconds", "When the last run ended.", (double)facts->finished_s},
        {"last_exit_status", "Exit status of the last run; 20: the tracker is down.",
         (double)facts->exit_status},
        {"last_success_timestamp_seconds", "When the last good run ended; 0: never.",
         (double)facts->success_s},
        {"last_restored_proof_timestamp_seconds",
         "When a set was last restored and found right; 0: never.", (double)facts->proof_s},
        {"last_booted_proof_timestamp_seconds",
         "When a tracker last came up on a restored set; 0: never.", (double)facts->booted_s},
        {"duration_seconds", "Duration of the last run.", (double)facts->duration_ms / 1000.0},
        {"tracker_held_seconds", "How long the last run held the tracker.",
         (double)facts->held_ms / 1000.0},
        {"set_raw_bytes", "Size of what the last run saved.", (double)facts->raw_bytes},
        {"set_stored_bytes", "Size of its set.", (double)facts->stored_bytes},
        {"sets", "Backup sets in the store.", (double)facts->sets},
        {"store_free_bytes", "Free space of the store.", (double)facts->store_free_bytes},
        {"retention_brake", "Whether nothing is pruned, since the database lost rows.",
         facts->brakes > 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        tbk_metric_gauge(text, rows[i].name, rows[i].help, rows[i].value);
    metrics_of_profiles(text, facts->profiles);
}

static bool write_record(const tbk_store *store, tbk_arena *arena, const tbk_value *map,
                         tbk_error *err)
{
    tbk_auto_text json = {0}, prometheus = {0};
    tbk_run_facts facts;
    const char *environment = tbk_value_text_at(map, "environment", NULL);
    read_facts(arena, map, &facts);
    tbk_json_write(&json, map, true);
    tbk_run_facts_metrics(&prometheus, &facts);
    return tbk_store_write_state(store, RECORD_NAME, json.bytes, json.length, err) &&
           (environment == NULL || tbk_store_write_state(store, own_name(arena, environment),
                                                         json.bytes, json.length, err)) &&
           tbk_store_write_public_state(store, METRICS_NAME, prometheus.bytes, prometheus.length,
                                        err);
}

bool tbk_last_run_write(const tbk_store *store, tbk_arena *arena, const tbk_last_run *run,
                        tbk_error *err)
{
    run_record left = {.run_id = NULL};
    remember(store, arena, run->environment, &left);
    int64_t success_before_s = left.profiles != NULL ? 0 : left.facts.success_s;
    update(&left, run);
    set_run(arena, &left, run);
    left.profiles = profiles_value(arena, run, left.profiles, success_before_s);
    return write_record(store, arena, record_to_value(arena, &left), err);
}

/* Where the brake was all that was wrong, nothing is now. */
static tbk_value *without_brake(tbk_arena *arena, const tbk_value *from)
{
    tbk_value *map = copy_of(arena, from);
    if (strcmp(tbk_value_text_at(map, "error.name", ""), tbk_error_name(TBK_E_BRAKE)) != 0)
        return map;
    tbk_value_set_integer(arena, map, "exit_status", 0);
    tbk_value_set(arena, map, "error", tbk_value_null(arena));
    return map;
}

bool tbk_last_run_acknowledge(const tbk_store *store, tbk_arena *arena, const char *environment,
                              tbk_error *err)
{
    const char *path = tbk_store_path(store);
    const tbk_value *earlier = environment != NULL ? read_record(path, arena, environment)
                                                   : read_file(path, arena, RECORD_NAME);
    if (earlier == NULL || earlier->type != TBK_VALUE_MAP)
        return true;
    tbk_value *map = without_brake(arena, earlier), *profiles = tbk_value_map(arena);
    for (int profile = 0; profile < TBK_PROFILES; profile++) {
        const tbk_value *left =
            profile_in(tbk_value_find(earlier, "profiles"), (tbk_profile)profile);
        if (left != NULL)
            tbk_value_set(arena, profiles, tbk_profile_name((tbk_profile)profile),
                          without_brake(arena, left));
    }
    tbk_value_set(arena, map, "profiles", profiles);
    tbk_value_set(arena, map, "retention_brakes", tbk_value_list(arena));
    return write_record(store, arena, map, err);
}
