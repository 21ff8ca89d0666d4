/* SPDX-License-Identifier: MIT */
/* One map for each set, of what its manifest and its proof say. */
#include "engine/catalogue.h"

#include "base/clock.h"

#define CATALOGUE_SCHEMA 1

/* Text that tells it apart where the configuration means another database. */
static void set_others(tbk_arena *arena, tbk_value *map, const tbk_stored_set *set,
                       const tbk_origin *mine)
{
    const tbk_origin its = tbk_origin_of(set->manifest);
    bool is_other = mine != NULL && tbk_origin_differs(mine, &its);
    tbk_value_set_string(arena, map, "other_database",
                         is_other ? tbk_origin_words(arena, &its) : NULL);
}

static tbk_value *set_value(tbk_arena *arena, const tbk_stored_set *set, const tbk_origin *mine)
{
    tbk_value *map = tbk_value_map(arena);
    tbk_value_set_string(arena, map, "id", set->id);
    tbk_value_set_string(arena, map, "path", set->path);
    tbk_value_set_string(arena, map, "damage", set->damage);
    tbk_value_set_bool(arena, map, "from_future",
                       tbk_retention_is_future(set->time_s, tbk_clock_now_s()));
    if (set->manifest == NULL)
        return map;
    tbk_value_set_string(arena, map, "environment", set->manifest->environment);
    tbk_value_set_string(arena, map, "location", set->manifest->location);
    set_others(arena, map, set, mine);
    tbk_value_set_string(arena, map, "profile", tbk_profile_name(set->manifest->profile));
    tbk_value_set_string(arena, map, "method", set->manifest->method);
    tbk_value_set_integer(arena, map, "held_ms", set->manifest->held_ms);
    tbk_value_set_integer(arena, map, "raw_bytes",
                          (int64_t)tbk_manifest_database_bytes(set->manifest));
    tbk_value_set_integer(arena, map, "stored_bytes",
                          (int64_t)tbk_manifest_stored_bytes(set->manifest));
    tbk_value_set_string(arena, map, "proof",
                         set->proof.level == TBK_PROOF_NONE || set->proof.ok
                             ? tbk_proof_level_name(set->proof.level)
                             : "failed");
    tbk_value_set_string(arena, map, "proved_at", set->proof.at);
    tbk_value_set_string(arena, map, "proof_reason", set->proof.reason);
    return map;
}

bool tbk_catalogue_of(tbk_arena *arena, const tbk_store *store, const tbk_origin *mine,
                      tbk_value **out, tbk_error *err)
{
    tbk_value *result = tbk_value_map(arena), *sets = tbk_value_list(arena);
    tbk_stored_set *set = NULL;
    if (!tbk_store_list(store, arena, &set, err))
        return false;
    tbk_value_set_integer(arena, result, "schema", CATALOGUE_SCHEMA);
    tbk_value_set_string(arena, result, "store", tbk_store_path(store));
    tbk_value_set(arena, result, "sets", sets);
    for (; set != NULL; set = set->next)
        tbk_value_append(arena, sets, set_value(arena, set, mine));
    *out = result;
    return true;
}
