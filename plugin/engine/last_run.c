/* SPDX-License-Identifier: MIT */
/* Writes the record of the last run twice: as JSON, and as metrics. */
#include "engine/last_run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <inttypes.h>

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
} memory;

/* NULL for a record that is missing or broken: it tells nothing, and is written anew. */
static const tbk_value *read_record(const char *store, tbk_arena *arena)
{
    tbk_error ignored;
    char *bytes;
    size_t length;
    const tbk_value *record;
    const char *path = tbk_arena_format(arena, "%s/.state/" RECORD_NAME, store);
    if (!tbk_file_read(arena, path, RECORD_BYTES_MAX, &bytes, &length, &ignored) ||
        !tbk_json_parse(arena, bytes, length, RECORD_NAME, &record, &ignored))
        return NULL;
    return record;
}

static void remember(const tbk_store *store, tbk_arena *arena, memory *out)
{
    tbk_error ignored;
    const tbk_value *earlier = read_record(tbk_store_path(store), arena);
    if (earlier == NULL)
        return;
    if (!tbk_value_read_integer(earlier, "last_success_s", &out->success_s, &ignored) ||
        !tbk_value_read_string(earlier, "last_success_set", &out->success_set, &ignored) ||
        !tbk_value_read_integer(earlier, "last_proof_s", &out->proof_s, &ignored) ||
        !tbk_value_read_string(earlier, "last_proof_set", &out->proof_set, &ignored) ||
        !tbk_value_read_integer(earlier, "last_full_attempt_s", &out->full_attempt_s, &ignored) ||
        !tbk_value_read_integer(earlier, "last_essential_attempt_s", &out->essential_attempt_s,
                                &ignored))
        *out = (memory){0};
}

static void update(memory *known, const tbk_last_run *run)
{
    bool is_attempt = run->error == NULL || run->error->code != TBK_E_INTERRUPTED;
    if (is_attempt && run->profile == TBK_PROFILE_ESSENTIAL)
        known->essential_attempt_s = run->finished_s;
    else if (is_attempt)
        known->full_attempt_s = run->finished_s;
    if (run->error == NULL && run->manifest != NULL) {
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

static tbk_value *record(tbk_arena *arena, const tbk_last_run *run, const memory *known)
{
    tbk_value *map = tbk_value_map(arena);
    tbk_value_set_integer(arena, map, "schema", RECORD_SCHEMA);
    tbk_value_set_string(arena, map, "run", run->run_id);
    set_time(arena, map, "started", run->started_s);
    set_time(arena, map, "time", run->finished_s);
    tbk_value_set_integer(arena, map, "finished_s", run->finished_s);
    tbk_value_set_integer(arena, map, "exit_status",
                          run->error != NULL ? tbk_error_exit_status(run->error->code) : 0);
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
    return map;
}

/* --- in numbers --- */

static int64_t number_in(const tbk_value *record, const char *key)
{
    int64_t number = 0;
    tbk_error ignored;
    (void)!tbk_value_read_integer(record, key, &number, &ignored);
    return number;
}

void tbk_run_facts_read(const char *store, tbk_run_facts *out)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *record = read_record(store, arena);
    const char *message = NULL;
    tbk_error ignored;
    *out = (tbk_run_facts){.finished_s = 0};
    if (record == NULL)
        return;
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
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        *rows[i].to = number_in(record, rows[i].key);
    if (tbk_value_read_string(record, "error.message", &message, &ignored) && message != NULL)
        (void)snprintf(out->message, sizeof out->message, "%.*s", (int)sizeof out->message - 1,
                       message);
}

static tbk_run_facts facts_of(const tbk_last_run *run, const memory *known)
{
    return (tbk_run_facts){.finished_s = run->finished_s,
                           .exit_status =
                               run->error != NULL ? tbk_error_exit_status(run->error->code) : 0,
                           .success_s = known->success_s,
                           .proof_s = known->proof_s,
                           .duration_ms = run->duration_ms,
                           .held_ms = run->held_ms,
                           .raw_bytes = (int64_t)tbk_manifest_raw_bytes(run->manifest),
                           .stored_bytes = (int64_t)tbk_manifest_stored_bytes(run->manifest),
                           .sets = (int64_t)run->sets,
                           .store_free_bytes = (int64_t)run->store_free_bytes};
}

void tbk_metric_gauge(tbk_text *text, const char *name, const char *help, double value)
{
    tbk_text_format(text, "# HELP torrust_backup_%s %s\n# TYPE torrust_backup_%s gauge\n", name,
                    help, name);
    tbk_text_format(text, "torrust_backup_%s %.15g\n", name, value);
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
        {"store_free_bytes", "Free space of the store.", (double)facts->store_free_bytes}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        tbk_metric_gauge(text, rows[i].name, rows[i].help, rows[i].value);
}

bool tbk_last_run_write(const tbk_store *store, tbk_arena *arena, const tbk_last_run *run,
                        tbk_error *err)
{
    memory known = {0};
    tbk_auto_text json = {0}, prometheus = {0};
    remember(store, arena, &known);
    update(&known, run);
    tbk_json_write(&json, record(arena, run, &known), true);
    const tbk_run_facts facts = facts_of(run, &known);
    tbk_run_facts_metrics(&prometheus, &facts);
    return tbk_store_write_state(store, RECORD_NAME, json.bytes, json.length, err) &&
           tbk_store_write_state(store, METRICS_NAME, prometheus.bytes, prometheus.length, err);
}
