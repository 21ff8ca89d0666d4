/* SPDX-License-Identifier: MIT */
/* Judges drops, and keeps what there was before them. */
#include "store/brake.h"

#include "base/clock.h"
#include "base/json.h"
#include "domain/document.h"
#include "domain/units.h"

#include <inttypes.h>
#include <string.h>

#define RECORD_NAME "brake.json"
#define RECORD_SCHEMA 1
/* Below this many rows, losing half of them is a tracker's daily life; losing all of that many is
 * not. */
#define DROP_ROWS_MIN 1000
#define LOST_ROWS_MIN 100
#define DROP_BYTES_MIN (16u << 20)
/* From here on rows are counted, which decides. */
#define SUSPICIOUS_BYTES_MIN (64u << 10)

/* --- the record --- */

#define AT(member) TBK_AT(tbk_brake, member)
static const tbk_field brake_fields[] = {
    {"environment", TBK_FIELD_TEXT, AT(origin.environment), .need = TBK_FIELD_OPTIONAL},
    {"driver", TBK_FIELD_NAME, AT(origin.driver), .names = &tbk_driver_names},
    {"location", TBK_FIELD_TEXT, AT(origin.location)},
    {"profile", TBK_FIELD_NAME, AT(profile), .names = &tbk_profile_names},
    {"since_s", TBK_FIELD_INTEGER, AT(since_s)},
    {"reason", TBK_FIELD_TEXT, AT(reason)},
    {"set", TBK_FIELD_TEXT, AT(set)},
    {"bytes", TBK_FIELD_INTEGER, AT(bytes)},
    {"used_bytes", TBK_FIELD_INTEGER, AT(used_bytes), .need = TBK_FIELD_OPTIONAL},
    {"rows", TBK_FIELD_ROWS, TBK_AT_LIST(tbk_brake, rows, row_count)},
    {.kind = TBK_FIELD_END},
};
#undef AT

static const tbk_field record_fields[] = {
    {"schema", TBK_FIELD_VERSION, .most = RECORD_SCHEMA},
    {"brakes", TBK_FIELD_LIST, TBK_AT_LIST(tbk_brakes, list, count), .items = brake_fields,
     .refusal = "holds something that is none"},
    {.kind = TBK_FIELD_END},
};

static bool read_brakes(tbk_arena *arena, const tbk_value *document, tbk_brakes *out,
                        tbk_error *err)
{
    int64_t schema = 0;
    if (!tbk_units_check(document, err) ||
        !tbk_value_require_integer(document, "schema", &schema, err))
        return false;
    if (schema != RECORD_SCHEMA)
        return tbk_fail(err, TBK_E_UNSUPPORTED, NULL, "it is of another version");
    return tbk_fields_read(arena, document, record_fields, out, err);
}

void tbk_brakes_read(const tbk_store *store, tbk_arena *arena, tbk_brakes *out)
{
    tbk_error err;
    char *bytes = NULL;
    size_t length = 0;
    const tbk_value *document;
    *out = (tbk_brakes){.list = TBK_ARENA_NEW(arena, tbk_brake)};
    if (tbk_store_read_state(store, arena, RECORD_NAME, &bytes, &length, &err) &&
        (bytes == NULL || (tbk_json_parse(arena, bytes, length, RECORD_NAME, &document, &err) &&
                           read_brakes(arena, document, out, &err))))
        return;
    *out = (tbk_brakes){
        .list = TBK_ARENA_NEW(arena, tbk_brake),
        .damage = tbk_arena_format(arena,
                                   "whether the database lost its rows is not known, since "
                                   "'%s/.state/" RECORD_NAME "' cannot be read: %s",
                                   tbk_store_path(store), err.message)};
}

static bool write_brakes(const tbk_store *store, tbk_arena *arena, const tbk_brakes *brakes,
                         tbk_error *err)
{
    tbk_auto_text text = {0};
    tbk_json_write(&text, tbk_fields_to_value(arena, record_fields, brakes), true);
    return tbk_store_write_state(store, RECORD_NAME, text.bytes, text.length, err) ||
           tbk_error_context(err, "noting that the database lost rows");
}

/* --- which are on --- */

const tbk_brake *tbk_brakes_find(const tbk_brakes *brakes, const tbk_origin *origin,
                                 tbk_profile profile)
{
    for (size_t i = 0; i < brakes->count; i++)
        if (tbk_origin_equal(&brakes->list[i].origin, origin) && brakes->list[i].profile == profile)
            return &brakes->list[i];
    return NULL;
}

bool tbk_brakes_hold(const tbk_brakes *brakes, const tbk_origin *origin)
{
    return brakes->damage != NULL || tbk_brakes_find(brakes, origin, TBK_PROFILE_FULL) != NULL ||
           tbk_brakes_find(brakes, origin, TBK_PROFILE_ESSENTIAL) != NULL;
}

static tbk_value *to_record(tbk_arena *arena, const tbk_brake *brake)
{
    char since[TBK_CLOCK_TEXT_SIZE];
    tbk_value *map = tbk_value_map(arena);
    tbk_clock_format(brake->since_s, since);
    tbk_value_set_string(arena, map, "profile", tbk_profile_name(brake->profile));
    tbk_value_set_string(arena, map, "since", since);
    tbk_value_set_integer(arena, map, "since_s", brake->since_s);
    tbk_value_set_string(arena, map, "set", brake->set);
    tbk_value_set_string(arena, map, "reason", brake->reason);
    return map;
}

tbk_value *tbk_brakes_to_value(tbk_arena *arena, const tbk_brakes *brakes, const tbk_origin *origin)
{
    tbk_value *list = tbk_value_list(arena);
    for (size_t i = 0; i < brakes->count; i++)
        if (origin == NULL || tbk_origin_equal(&brakes->list[i].origin, origin))
            tbk_value_append(arena, list, to_record(arena, &brakes->list[i]));
    if (brakes->damage != NULL) {
        tbk_value *map = tbk_value_map(arena);
        tbk_value_set_string(arena, map, "reason", brakes->damage);
        tbk_value_append(arena, list, map);
    }
    return list;
}

/* --- judging --- */

typedef enum verdict { UNKNOWN, WHOLE, DROPPED } verdict;

/* Of a set: as its proof counted them, else as it was dumped or selected. False: not known. */
static bool rows_of(tbk_arena *arena, const tbk_manifest *manifest, const tbk_proof *proof,
                    tbk_brake *out)
{
    bool is_dump = manifest->driver == TBK_DRIVER_MYSQL && manifest->mysql.table_count > 0;
    size_t count = is_dump ? manifest->mysql.table_count : manifest->selection_count;
    if (proof->level == TBK_PROOF_RESTORED && proof->ok) {
        out->rows = proof->tables;
        out->row_count = proof->table_count;
        return true;
    }
    tbk_table_rows *rows = tbk_arena_alloc(arena, (count + 1) * sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i] = is_dump ? (tbk_table_rows){.table = manifest->mysql.tables[i].table,
                                             .rows = manifest->mysql.tables[i].rows}
                          : (tbk_table_rows){.table = manifest->selection[i].table,
                                             .rows = manifest->selection[i].saved_rows};
    out->rows = rows;
    out->row_count = count;
    return count > 0;
}

static bool is_alike(const tbk_brake_request *request, const tbk_stored_set *set)
{
    return set->proof.ok && tbk_stored_set_is_of(set, &request->kind);
}

/* The rows of the newest that was restored; where none was, of the newest that tells them. */
static const tbk_stored_set *find_rows(tbk_arena *arena, const tbk_brake_request *request)
{
    const tbk_stored_set *found = NULL;
    for (const tbk_stored_set *set = request->earlier; set != NULL; set = set->next) {
        tbk_brake ignored;
        if (!is_alike(request, set))
            continue;
        if (set->proof.level == TBK_PROOF_RESTORED)
            return set;
        if (found == NULL && rows_of(arena, set->manifest, &set->proof, &ignored))
            found = set;
    }
    return found;
}

static const char *rule_in(const tbk_manifest *manifest, const char *table)
{
    for (size_t i = 0; i < manifest->selection_count; i++)
        if (strcmp(manifest->selection[i].table, table) == 0)
            return manifest->selection[i].rule;
    return "";
}

/* Rows that another rule leaves out now were not lost. */
static void forget_other_rules(tbk_arena *arena, const tbk_manifest *before,
                               const tbk_manifest *now, tbk_brake *out)
{
    tbk_table_rows *rows = tbk_arena_alloc(arena, (out->row_count + 1) * sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; i < out->row_count; i++) {
        const char *table = out->rows[i].table;
        if (rule_in(now, table)[0] == '\0' ||
            strcmp(rule_in(before, table), rule_in(now, table)) == 0)
            rows[count++] = out->rows[i];
    }
    if (count < out->row_count)
        out->bytes = out->used_bytes = 0;
    out->rows = rows;
    out->row_count = count;
}

/* What there is to compare with where the brake is off; false: there is nothing. */
static bool look_back(tbk_arena *arena, const tbk_brake_request *request, tbk_brake *out)
{
    const tbk_stored_set *newest = request->earlier, *rows = find_rows(arena, request);
    while (newest != NULL && !is_alike(request, newest))
        newest = newest->next;
    *out = (tbk_brake){.origin = *request->kind.origin,
                       .profile = request->kind.profile,
                       .since_s = request->kind.now_s};
    if (newest == NULL)
        return false;
    out->set = rows != NULL ? rows->id : newest->id;
    out->bytes = tbk_manifest_database_bytes(newest->manifest);
    if (!tbk_manifest_used_bytes(newest->manifest, &out->used_bytes))
        out->used_bytes = 0;
    if (rows != NULL && rows_of(arena, rows->manifest, &rows->proof, out))
        forget_other_rules(arena, rows->manifest, request->manifest, out);
    return true;
}

static const tbk_table_rows *table_in(const tbk_brake *now, const char *table)
{
    for (size_t i = 0; i < now->row_count; i++)
        if (strcmp(now->rows[i].table, table) == 0)
            return &now->rows[i];
    return NULL;
}

static bool is_telling(const tbk_table_rows *before) { return before->rows >= LOST_ROWS_MIN; }

static bool is_drop(int64_t before, int64_t now)
{
    return before >= DROP_ROWS_MIN ? now < before / 2 : now == 0;
}

/* Sets *out_reason for the first that dropped. */
static verdict compare_rows(tbk_arena *arena, const tbk_brake *before, const tbk_brake *now,
                            const char **out_reason)
{
    verdict found = UNKNOWN;
    for (size_t i = 0; i < before->row_count; i++) {
        const tbk_table_rows *earlier = &before->rows[i];
        const tbk_table_rows *later = table_in(now, earlier->table);
        int64_t rows = later != NULL ? later->rows : 0;
        if (!is_telling(earlier))
            continue;
        found = WHOLE;
        if (!is_drop(earlier->rows, rows))
            continue;
        *out_reason = tbk_arena_format(
            arena, "table '%s' had %" PRId64 " rows in set %s and has %" PRId64 " now%s",
            earlier->table, earlier->rows, before->set, rows, later == NULL ? ": it is gone" : "");
        return DROPPED;
    }
    return found;
}

bool tbk_brake_is_suspicious(const tbk_manifest *before, const tbk_manifest *now)
{
    uint64_t used_before, used_now;
    return tbk_manifest_used_bytes(before, &used_before) &&
           tbk_manifest_used_bytes(now, &used_now) && used_before >= SUSPICIOUS_BYTES_MIN &&
           used_now < used_before / 2;
}

/* What is used where that is known of both; a VACUUM changes the size only. */
static verdict compare_size(tbk_arena *arena, const tbk_brake *before, const tbk_manifest *manifest,
                            const char **out_reason)
{
    uint64_t bytes = before->bytes, now = tbk_manifest_database_bytes(manifest), used;
    if (before->used_bytes != 0 && tbk_manifest_used_bytes(manifest, &used)) {
        bytes = before->used_bytes;
        now = used;
    }
    if (bytes < DROP_BYTES_MIN)
        return UNKNOWN;
    if (now >= bytes / 2)
        return WHOLE;
    *out_reason = tbk_arena_format(
        arena, "the database had %" PRIu64 " bytes before and has %" PRIu64 " now", bytes, now);
    return DROPPED;
}

static bool has_telling_rows(const tbk_brake *before)
{
    for (size_t i = 0; i < before->row_count; i++)
        if (is_telling(&before->rows[i]))
            return true;
    return false;
}

/* Rows that are known say more than a size, which a VACUUM changes. A size that is there again does
 * not say that the rows are. */
static verdict compare(tbk_arena *arena, const tbk_brake_request *request, const tbk_brake *before,
                       bool is_on, const char **out_reason)
{
    tbk_brake now = {0};
    verdict found = rows_of(arena, request->manifest, request->proof, &now)
                        ? compare_rows(arena, before, &now, out_reason)
                        : UNKNOWN;
    if (found != UNKNOWN)
        return found;
    found = compare_size(arena, before, request->manifest, out_reason);
    return is_on && found == WHOLE && has_telling_rows(before) ? UNKNOWN : found;
}

static bool put_on(tbk_arena *arena, const tbk_brake_request *request, const tbk_brake *brake,
                   tbk_brakes *brakes, tbk_error *err)
{
    brakes->list[brakes->count++] = *brake;
    tbk_report_log(request->report, TBK_LOG_WARNING, "prune",
                   "%s: nothing is pruned from now on, older sets may be needed", brake->reason);
    return write_brakes(request->store, arena, brakes, err);
}

static bool take_off(tbk_arena *arena, const tbk_brake_request *request, const tbk_brake *brake,
                     tbk_brakes *brakes, tbk_error *err)
{
    brakes->list[brake - brakes->list] = brakes->list[--brakes->count];
    tbk_report_log(request->report, TBK_LOG_INFO, "prune",
                   "the rows are back: sets are pruned again");
    return write_brakes(request->store, arena, brakes, err);
}

bool tbk_brake_judge(tbk_arena *arena, const tbk_brake_request *request, tbk_brakes *brakes,
                     tbk_error *err)
{
    const tbk_brake *on = tbk_brakes_find(brakes, request->kind.origin, request->kind.profile);
    tbk_brake before = {0};
    if (brakes->damage != NULL || (on == NULL && !look_back(arena, request, &before)))
        return true;
    if (on != NULL)
        before = *on;
    verdict found = compare(arena, request, &before, on != NULL, &before.reason);
    if (on == NULL)
        return found != DROPPED || put_on(arena, request, &before, brakes, err);
    return found != WHOLE || take_off(arena, request, on, brakes, err);
}

/* --- acknowledging --- */

bool tbk_brakes_acknowledge(const tbk_store *store, tbk_arena *arena, const tbk_origin *origin,
                            tbk_brakes *out_lifted, tbk_error *err)
{
    tbk_brakes on, left;
    tbk_brakes_read(store, arena, &on);
    left = (tbk_brakes){.list = tbk_arena_alloc(arena, (on.count + 1) * sizeof *left.list)};
    *out_lifted = (tbk_brakes){.list = tbk_arena_alloc(arena, (on.count + 1) * sizeof *on.list),
                               .damage = on.damage};
    for (size_t i = 0; i < on.count; i++) {
        bool is_its = origin == NULL || !tbk_origin_differs(origin, &on.list[i].origin);
        tbk_brakes *to = is_its ? out_lifted : &left;
        to->list[to->count++] = on.list[i];
    }
    return (out_lifted->count == 0 && on.damage == NULL) || write_brakes(store, arena, &left, err);
}
