/* SPDX-License-Identifier: MIT */
/* What the service `outbound` remembers. */
#include "engine/offsite_state.h"

#include "base/file.h"
#include "base/json.h"
#include "domain/document.h"
#include "domain/manifest.h"
#include "store/last_run.h"

#include <string.h>
#include <unistd.h>

#define STATE_SCHEMA 1
#define STATE_NAME "state.json"
#define METRICS_NAME "torrust_backup_offsite.prom"
#define STATE_BYTES_MAX (8u << 20) /* for as many copies as a list may have */
#define KNOWN_ROOM_LEAST 64
#define HOSTS_MAX 64 /* the oldest are forgotten: their locks are stale by their age */

#define AT(member) TBK_AT(tbk_offsite_known, member)
static const tbk_field known_fields[] = {
    {"snapshot", TBK_FIELD_TEXT, AT(snapshot)},
    {"set", TBK_FIELD_TEXT, AT(set)},
    {"damage", TBK_FIELD_TEXT, AT(damage), .need = TBK_FIELD_OMITTED},
    {"lacks", TBK_FIELD_TEXT, AT(lacks), .need = TBK_FIELD_OMITTED},
    {"profile", TBK_FIELD_NAME, AT(profile), .names = &tbk_profile_names},
    {"database_bytes", TBK_FIELD_INTEGER, AT(database_bytes)},
    {"stored_bytes", TBK_FIELD_INTEGER, AT(stored_bytes)},
    {"level", TBK_FIELD_NAME, AT(level), .need = TBK_FIELD_OPTIONAL,
     .names = &tbk_offsite_level_names},
    {"level_s", TBK_FIELD_INTEGER, AT(level_s), .need = TBK_FIELD_OPTIONAL},
    {.kind = TBK_FIELD_END},
};
#undef AT

#define AT(member) TBK_AT(tbk_offsite_seen, member)
static const tbk_field lock_fields[] = {
    {"id", TBK_FIELD_TEXT, AT(id)},
    {"uptime_s", TBK_FIELD_INTEGER, AT(uptime_s)},
    {.kind = TBK_FIELD_END},
};
#undef AT

#define AT(member) TBK_AT(tbk_offsite_state, member)
#define OPTIONAL .need = TBK_FIELD_OPTIONAL
static const tbk_field state_fields[] = {
    {"schema", TBK_FIELD_VERSION, .most = STATE_SCHEMA},
    {"repository", TBK_FIELD_TEXT, AT(repository), OPTIONAL},
    {"hosts", TBK_FIELD_TEXTS, AT(hosts)},
    {"attempt_s", TBK_FIELD_INTEGER, AT(attempt_s)},
    {"success_s", TBK_FIELD_INTEGER, AT(success_s)},
    {"exit_status", TBK_FIELD_INTEGER, AT(exit_status)},
    {"error", TBK_FIELD_TEXT, AT(error), OPTIONAL},
    {"fix", TBK_FIELD_TEXT, AT(fix), OPTIONAL},
    {"sending", TBK_FIELD_TEXT, AT(sending), .need = TBK_FIELD_OMITTED},
    {"waiting", TBK_FIELD_INTEGER, AT(waiting)},
    {"newest", TBK_FIELD_TEXT, AT(newest), OPTIONAL},
    {"newest_s", TBK_FIELD_INTEGER, AT(newest_s)},
    {"sent_s", TBK_FIELD_INTEGER, AT(sent_s)},
    {"sent_bytes", TBK_FIELD_INTEGER, AT(sent_bytes)},
    {"check_s", TBK_FIELD_INTEGER, AT(check_s)},
    {"check_good_s", TBK_FIELD_INTEGER, AT(check_good_s)},
    {"check_part", TBK_FIELD_INTEGER, AT(check_part), .least = 0, .most = 1000},
    {"check_error", TBK_FIELD_TEXT, AT(check_error), OPTIONAL},
    {"drill_s", TBK_FIELD_INTEGER, AT(drill_s)},
    {"drill_good_s", TBK_FIELD_INTEGER, AT(drill_good_s)},
    {"drill_set", TBK_FIELD_TEXT, AT(drill_set), OPTIONAL},
    {"drill_error", TBK_FIELD_TEXT, AT(drill_error), OPTIONAL},
    {"drill_level", TBK_FIELD_NAME, AT(drill_level), OPTIONAL, .names = &tbk_proof_level_names},
    {"drill_shortfall", TBK_FIELD_TEXT, AT(drill_shortfall), OPTIONAL},
    {"restored_s", TBK_FIELD_INTEGER, AT(restored_s), OPTIONAL},
    {"prune_s", TBK_FIELD_INTEGER, AT(prune_s)},
    {"accepted_s", TBK_FIELD_INTEGER, AT(accepted_s)},
    {"brake", TBK_FIELD_TEXT, AT(brake), OPTIONAL},
    {"known", TBK_FIELD_LIST, .need = TBK_FIELD_REQUIRED,
     TBK_AT_LIST(tbk_offsite_state, known, known_count), .items = known_fields},
    {"locks", TBK_FIELD_LIST, OPTIONAL, TBK_AT_LIST(tbk_offsite_state, locks, lock_count),
     .items = lock_fields},
    {.kind = TBK_FIELD_END},
};
#undef AT

static const char *const NO_HOSTS[] = {NULL};

bool tbk_offsite_state_parse(tbk_arena *arena, const char *bytes, size_t length, const char *source,
                             tbk_offsite_state *out, tbk_error *err)
{
    const tbk_value *document = NULL;
    *out = (tbk_offsite_state){.hosts = (const char **)(uintptr_t)NO_HOSTS};
    return tbk_json_parse(arena, bytes, length, source, &document, err) &&
           (tbk_fields_read(arena, document, state_fields, out, err) ||
            tbk_error_context(err, "'%s'", source));
}

bool tbk_offsite_state_read(tbk_arena *arena, const char *folder, tbk_offsite_state *out,
                            tbk_error *err)
{
    const char *path = tbk_arena_format(arena, "%s/" STATE_NAME, folder);
    tbk_auto_fd int fd = -1;
    char *bytes = NULL;
    size_t length = 0;
    *out = (tbk_offsite_state){.hosts = (const char **)(uintptr_t)NO_HOSTS};
    if (!tbk_file_open(path, &fd, err)) /* no link: who lists sets is another user */
        return err->code == TBK_E_NOT_FOUND;
    if (!tbk_file_read_open(arena, fd, path, STATE_BYTES_MAX, &bytes, &length, err))
        return false;
    if (tbk_offsite_state_parse(arena, bytes, length, path, out, err))
        return true;
    (void)snprintf(err->fix, sizeof err->fix,
                   "remove it: what is off-site is looked at anew, and nothing is lost");
    err->code = TBK_E_CORRUPT;
    return false;
}

static void append_metrics(tbk_text *text, const tbk_offsite_state *state)
{
    const struct {
        const char *name, *help;
        int64_t value;
    } gauges[] = {
        {"offsite_exit_status", "Exit status of the last synchronization.", state->exit_status},
        {"offsite_last_attempt_timestamp_seconds", "When it was.", state->attempt_s},
        {"offsite_last_success_timestamp_seconds", "When all that was due was done.",
         state->success_s},
        {"offsite_newest_set_timestamp_seconds", "Time of the newest set that is off-site.",
         state->newest_s},
        {"offsite_waiting_sets", "Sets that are to be sent yet.", state->waiting},
        {"offsite_last_check_timestamp_seconds", "When the repository was found good.",
         state->check_good_s},
        {"offsite_last_drill_timestamp_seconds", "When a set was read back and found good.",
         state->drill_good_s},
        {"offsite_last_restored_timestamp_seconds",
         "When a set from there was restored and found good.", state->restored_s},
        {"offsite_drill_shortfall", "1 where the last drill did not go as deep as it was to.",
         state->drill_shortfall != NULL},
        {"offsite_retention_brake", "1 where nothing is removed: the database shrank.",
         state->brake != NULL},
    };
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
        tbk_metric_gauge(text, gauges[i].name, gauges[i].help, (double)gauges[i].value);
}

bool tbk_offsite_state_write(tbk_arena *arena, const char *folder, const tbk_offsite_state *state,
                             tbk_error *err)
{
    tbk_auto_text json = {0}, metrics = {0};
    tbk_json_write(&json, tbk_fields_to_value(arena, state_fields, state), true);
    append_metrics(&metrics, state);
    return tbk_file_publish(tbk_arena_format(arena, "%s/" STATE_NAME, folder), json.bytes,
                            json.length, 0644, err) &&
           tbk_file_publish(tbk_arena_format(arena, "%s/" METRICS_NAME, folder), metrics.bytes,
                            metrics.length, 0644, err);
}

bool tbk_offsite_state_has_host(const tbk_offsite_state *state, const char *host)
{
    for (const char **name = state->hosts; *name != NULL; name++)
        if (strcmp(*name, host) == 0)
            return true;
    return false;
}

void tbk_offsite_state_add_host(tbk_arena *arena, tbk_offsite_state *state, const char *host)
{
    size_t count = 0, from = 0;
    if (tbk_offsite_state_has_host(state, host))
        return;
    while (state->hosts[count] != NULL)
        count++;
    if (count >= HOSTS_MAX)
        from = count - HOSTS_MAX + 1;
    const char **hosts = tbk_arena_alloc(arena, (count - from + 2) * sizeof *hosts);
    memcpy(hosts, state->hosts + from, (count - from) * sizeof *hosts);
    hosts[count - from] = host;
    hosts[count - from + 1] = NULL;
    state->hosts = hosts;
}

void tbk_offsite_state_add_known(tbk_arena *arena, tbk_offsite_state *state,
                                 const tbk_offsite_known *known)
{
    if (state->known_count >= state->known_room) {
        size_t room = 2 * state->known_count + KNOWN_ROOM_LEAST;
        tbk_offsite_known *all = tbk_arena_alloc(arena, room * sizeof *all);
        if (state->known_count > 0)
            memcpy(all, state->known, state->known_count * sizeof *all);
        state->known = all;
        state->known_room = room;
    }
    state->known[state->known_count++] = *known;
}

bool tbk_offsite_known_is_whole(const tbk_offsite_known *known)
{
    return known != NULL && known->damage == NULL && known->lacks == NULL;
}

const tbk_offsite_known *tbk_offsite_state_find(const tbk_offsite_state *state,
                                                const char *snapshot)
{
    for (size_t i = 0; i < state->known_count; i++)
        if (strcmp(state->known[i].snapshot, snapshot) == 0)
            return &state->known[i];
    return NULL;
}

const tbk_offsite_known *tbk_offsite_state_find_set(const tbk_offsite_state *state, const char *set)
{
    const tbk_offsite_known *best = NULL;
    for (size_t i = 0; i < state->known_count; i++) {
        const tbk_offsite_known *known = &state->known[i];
        if (tbk_offsite_known_is_whole(known) && strcmp(known->set, set) == 0 &&
            (best == NULL || known->level > best->level))
            best = known;
    }
    return best;
}

void tbk_offsite_state_note_level(tbk_offsite_state *state, const char *snapshot,
                                  tbk_proof_level level, int64_t now_s)
{
    for (size_t i = 0; i < state->known_count; i++) {
        tbk_offsite_known *known = &state->known[i];
        if (strcmp(known->snapshot, snapshot) != 0 || level < known->level)
            continue;
        known->level = level;
        known->level_s = now_s;
    }
}
