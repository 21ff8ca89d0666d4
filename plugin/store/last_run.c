/* SPDX-License-Identifier: MIT */
/* Writes the record of the last run twice: as JSON, and as metrics. */
#include "store/last_run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "domain/units.h"

#include <inttypes.h>
#include <string.h>

#define RECORD_NAME "last-run.json"
#define METRICS_NAME "torrust_backup.prom"
#define RECORD_BYTES_MAX (1u << 20)
#define RECORD_SCHEMA 1

/* What outlives a failed run. */
typedef struct memory {
    int64_t success_s;
    const char *success_set;
    int64_t proof_s; /* of level restored */
    const char *proof_set;
    int64_t full_attempt_s, essential_attempt_s;
    int64_t first_run_s;                     /* since when there is a record */
    bool tells_profiles;                     /* records of earlier versions do not */
    const tbk_value *profiles[TBK_PROFILES]; /* what each profile's last run left; NULL: nothing */
} memory;

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

/* Records of earlier versions do not say whose they are: they are taken for anybody's. */
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

static const tbk_value *profile_in(const tbk_value *record, tbk_profile profile)
{
    const tbk_value *profiles = tbk_value_find(record, "profiles");
    return profiles != NULL ? tbk_value_find(profiles, tbk_profile_name(profile)) : NULL;
}

static void remember(const tbk_store *store, tbk_arena *arena, const char *environment, memory *out)
{
    tbk_error ignored;
    const tbk_value *earlier = read_record(tbk_store_path(store), arena, environment);
    if (earlier == NULL)
        return;
    if (!tbk_value_optional_integer(earlier, "last_success_s", &out->success_s, &ignored) ||
        !tbk_value_optional_string(earlier, "last_success_set", &out->success_set, &ignored) ||
        !tbk_value_optional_integer(earlier, "last_proof_s", &out->proof_s, &ignored) ||
        !tbk_value_optional_string(earlier, "last_proof_set", &out->proof_set, &ignored) ||
        !tbk_value_optional_integer(earlier, "last_full_attempt_s", &out->full_attempt_s,
                                    &ignored) ||
        !tbk_value_optional_integer(earlier, "last_essential_attempt_s", &out->essential_attempt_s,
                                    &ignored) ||
        !tbk_value_optional_integer(earlier, "first_run_s", &out->first_run_s, &ignored))
        *out = (memory){0};
    out->tells_profiles = tbk_value_find(earlier, "profiles") != NULL;
    for (int profile = 0; profile < TBK_PROFILES; profile++)
        out->profiles[profile] = profile_in(earlier, (tbk_profile)profile);
}

static bool is_attempt(const tbk_last_run *run)
{
    return run->error == NULL || run->error->code != TBK_E_INTERRUPTED;
}

static void update(memory *known, const tbk_last_run *run)
{
    if (is_attempt(run) && run->profile == TBK_PROFILE_ESSENTIAL)
        known->essential_attempt_s = run->finished_s;
    else if (is_attempt(run))
        known->full_attempt_s = run->finished_s;
    if (run->is_good && run->manifest != NULL) {
        known->success_s = run->finished_s;
        known->success_set = run->manifest->id;
    }
    if (run->manifest != NULL && run->proof != NULL && run->proof->ok &&
        run->proof->level == TBK_PROOF_RESTORED) {
        known->proof_s = run->finished_s;
        known->proof_set = run->manifest->id;
    }
}

static void set_time(tbk_arena *arena, tbk_value *map, const char *key, int64_t time_s)
{
    char text[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format(time_s, text);
    tbk_value_set_string(arena, map, key, text);
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

static tbk_value *missing_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_value *list = tbk_value_list(arena);
    for (const char **path = manifest != NULL ? manifest->config_missing : NULL;
         path != NULL && *path != NULL; path++)
        tbk_value_append(arena, list, tbk_value_string(arena, *path));
    return list;
}

static void set_manifest(tbk_arena *arena, tbk_value *map, const tbk_manifest *manifest)
{
    tbk_value *phases = tbk_value_map(arena);
    tbk_value_set_string(arena, map, "set", manifest != NULL ? manifest->id : NULL);
    tbk_value_set_string(arena, map, "profile",
                         manifest != NULL ? tbk_profile_name(manifest->profile) : NULL);
    tbk_value_set_string(arena, map, "method", manifest != NULL ? manifest->method : NULL);
    tbk_value_set(arena, map, "config_missing", missing_value(arena, manifest));
    tbk_value_set_string(arena, map, "method_reason",
                         manifest != NULL ? manifest->method_reason : NULL);
    for (size_t i = 0; manifest != NULL && i < manifest->phase_count; i++)
        tbk_value_set_integer(arena, phases, manifest->phases[i].name,
                              manifest->phases[i].duration_ms);
    tbk_value_set(arena, map, "phases_ms", phases);
}

static int64_t number_in(const tbk_value *record, const char *key)
{
    int64_t number = 0;
    tbk_error ignored;
    (void)!tbk_value_optional_integer(record, key, &number, &ignored);
    return number;
}

static int64_t exit_status_of(const tbk_last_run *run)
{
    return run->error != NULL ? tbk_error_exit_status(run->error->code) : 0;
}

/* What this run leaves of its profile. Records of earlier versions know one success for all. */
static tbk_value *profile_of_run(tbk_arena *arena, const tbk_last_run *run, const memory *known,
                                 int64_t success_s)
{
    const tbk_value *earlier = known->profiles[run->profile];
    tbk_value *map = tbk_value_map(arena);
    if (earlier != NULL)
        success_s = number_in(earlier, "last_success_s");
    tbk_value_set_integer(arena, map, "finished_s", run->finished_s);
    tbk_value_set_integer(arena, map, "exit_status", exit_status_of(run));
    tbk_value_set(arena, map, "error", tbk_run_error_value(arena, run->error));
    tbk_value_set_string(arena, map, "set", run->manifest != NULL ? run->manifest->id : NULL);
    tbk_value_set_integer(arena, map, "last_success_s",
                          run->is_good && run->manifest != NULL ? run->finished_s : success_s);
    return map;
}

static tbk_value *copy_of(tbk_arena *arena, const tbk_value *value)
{
    tbk_value *copy = TBK_ARENA_NEW(arena, tbk_value);
    *copy = *value;
    return copy;
}

static tbk_value *profiles_value(tbk_arena *arena, const tbk_last_run *run, const memory *known,
                                 int64_t success_before_s)
{
    tbk_value *map = tbk_value_map(arena);
    for (int profile = 0; profile < TBK_PROFILES; profile++) {
        const char *name = tbk_profile_name((tbk_profile)profile);
        if (profile == (int)run->profile && is_attempt(run))
            tbk_value_set(arena, map, name, profile_of_run(arena, run, known, success_before_s));
        else if (known->profiles[profile] != NULL)
            tbk_value_set(arena, map, name, copy_of(arena, known->profiles[profile]));
    }
    return map;
}

static tbk_value *record(tbk_arena *arena, const tbk_last_run *run, const memory *known,
                         int64_t success_before_s)
{
    tbk_value *map = tbk_value_map(arena);
    tbk_value_set_integer(arena, map, "schema", RECORD_SCHEMA);
    tbk_value_set_string(arena, map, "run", run->run_id);
    tbk_value_set_string(arena, map, "environment", run->environment);
    set_time(arena, map, "started", run->started_s);
    set_time(arena, map, "time", run->finished_s);
    tbk_value_set_integer(arena, map, "finished_s", run->finished_s);
    tbk_value_set_integer(arena, map, "exit_status", exit_status_of(run));
    tbk_value_set(arena, map, "error", tbk_run_error_value(arena, run->error));
    set_manifest(arena, map, run->manifest);
    tbk_value_set_integer(arena, map, "held_ms", run->held_ms);
    tbk_value_set_bool(arena, map, "tracker_was_stopped", run->tracker_was_stopped);
    tbk_value_set_integer(arena, map, "duration_ms", run->duration_ms);
    tbk_value_set_integer(arena, map, "raw_bytes", (int64_t)tbk_manifest_raw_bytes(run->manifest));
    tbk_value_set_integer(arena, map, "stored_bytes",
                          (int64_t)tbk_manifest_stored_bytes(run->manifest));
    tbk_value_set_string(arena, map, "proof",
                         run->proof != NULL ? tbk_proof_level_name(run->proof->level) : NULL);
    tbk_value_set_integer(arena, map, "sets", (int64_t)run->sets);
    tbk_value_set_integer(arena, map, "pruned", (int64_t)run->pruned);
    tbk_value_set_integer(arena, map, "store_free_bytes", (int64_t)run->store_free_bytes);
    tbk_value_set_integer(arena, map, "last_success_s", known->success_s);
    tbk_value_set_string(arena, map, "last_success_set", known->success_set);
    tbk_value_set_integer(arena, map, "last_proof_s", known->proof_s);
    tbk_value_set_string(arena, map, "last_proof_set", known->proof_set);
    tbk_value_set_integer(arena, map, "last_full_attempt_s", known->full_attempt_s);
    tbk_value_set_integer(arena, map, "last_essential_attempt_s", known->essential_attempt_s);
    tbk_value_set_integer(arena, map, "first_run_s",
                          known->first_run_s != 0 ? known->first_run_s : run->finished_s);
    tbk_value_set(arena, map, "profiles", profiles_value(arena, run, known, success_before_s));
    tbk_value_set(arena, map, "retention_brakes",
                  run->brakes != NULL ? run->brakes : tbk_value_list(arena));
    return map;
}

/* --- in numbers --- */

static void read_message(const tbk_value *map, const char *path, char *out, size_t size_bytes)
{
    const char *message = NULL;
    tbk_error ignored;
    if (tbk_value_optional_string(map, path, &message, &ignored) && message != NULL)
        (void)snprintf(out, size_bytes, "%.*s", (int)size_bytes - 1, message);
}

/* A record of an earlier version tells profiles apart by their attempts only. */
static void read_profile(const tbk_value *record, tbk_profile profile, const tbk_run_facts *all,
                         tbk_profile_facts *out)
{
    const tbk_value *map = profile_in(record, profile);
    if (map == NULL && tbk_value_find(record, "profiles") == NULL)
        *out = (tbk_profile_facts){.success_s = all->success_s};
    if (map == NULL)
        return;
    out->finished_s = number_in(map, "finished_s");
    out->exit_status = number_in(map, "exit_status");
    out->success_s = number_in(map, "last_success_s");
    read_message(map, "error.message", out->message, sizeof out->message);
}

static void read_brakes(const tbk_value *record, tbk_run_facts *out)
{
    const tbk_value *brakes = tbk_value_find(record, "retention_brakes");
    if (brakes == NULL || brakes->type != TBK_VALUE_LIST || brakes->count == 0)
        return;
    out->brakes = (int64_t)brakes->count;
    read_message(brakes->first->value, "reason", out->brake, sizeof out->brake);
}

static void read_facts(const tbk_value *record, tbk_run_facts *out)
{
    const struct {
        const char *key;
        int64_t *to;
    } rows[] = {{"finished_s", &out->finished_s},
                {"exit_status", &out->exit_status},
                {"last_success_s", &out->success_s},
                {"last_proof_s", &out->proof_s},
                {"duration_ms", &out->duration_ms},
                {"held_ms", &out->held_ms},
                {"raw_bytes", &out->raw_bytes},
                {"stored_bytes", &out->stored_bytes},
                {"sets", &out->sets},
                {"store_free_bytes", &out->store_free_bytes},
                {"last_full_attempt_s", &out->full_attempt_s},
                {"last_essential_attempt_s", &out->essential_attempt_s}};
    *out = (tbk_run_facts){.finished_s = 0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        *rows[i].to = number_in(record, rows[i].key);
    read_message(record, "error.message", out->message, sizeof out->message);
    for (int profile = 0; profile < TBK_PROFILES; profile++)
        read_profile(record, (tbk_profile)profile, out, &out->profiles[profile]);
    read_brakes(record, out);
}

void tbk_run_facts_read(const char *store, const char *environment, tbk_run_facts *out)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *record = read_record(store, arena, environment);
    *out = (tbk_run_facts){.finished_s = 0};
    if (record != NULL)
        read_facts(record, out);
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
    read_facts(map, &facts);
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
    memory known = {0};
    remember(store, arena, run->environment, &known);
    int64_t success_before_s = known.tells_profiles ? 0 : known.success_s;
    update(&known, run);
    return write_record(store, arena, record(arena, run, &known, success_before_s), err);
}

/* Where the brake was all that was wrong, nothing is now. */
static tbk_value *without_brake(tbk_arena *arena, const tbk_value *outcome)
{
    tbk_value *map = copy_of(arena, outcome);
    const char *name = NULL;
    tbk_error ignored;
    if (!tbk_value_optional_string(map, "error.name", &name, &ignored) || name == NULL ||
        strcmp(name, tbk_error_name(TBK_E_BRAKE)) != 0)
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
        const tbk_value *outcome = profile_in(earlier, (tbk_profile)profile);
        if (outcome != NULL)
            tbk_value_set(arena, profiles, tbk_profile_name((tbk_profile)profile),
                          without_brake(arena, outcome));
    }
    tbk_value_set(arena, map, "profiles", profiles);
    tbk_value_set(arena, map, "retention_brakes", tbk_value_list(arena));
    return write_record(store, arena, map, err);
}
