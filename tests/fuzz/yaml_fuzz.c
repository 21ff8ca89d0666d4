/* SPDX-License-Identifier: MIT */
/* YAML from bytes: refused with its place, or read into a tree within its limits. */
#include "fuzz/fuzz.h"

#include "base/yaml.h"

/* Counts nodes and checks that nothing is deeper than the readers of trees may recurse. */
static size_t count_nodes(const tbk_value *value, int level)
{
    size_t nodes = 1;
    size_t members = 0;
    must(value->type < TBK_VALUE_LIST || level <= 64);
    for (const tbk_member *at = value->first; at != NULL; at = at->next, members++) {
        must((at->key != NULL) == (value->type == TBK_VALUE_MAP));
        nodes += count_nodes(at->value, level + 1);
    }
    must(members == value->count);
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err = {0};
    const tbk_value *value = NULL;
    if (tbk_yaml_parse(arena, (const char *)data, size, "s.yml", &value, &err)) {
        must(count_nodes(value, 1) <= 100000);
        check_round_trip(arena, value);
        return 0;
    }
    check_error(&err, TBK_E_CONFIG);
    must(strncmp(err.message, "s.yml:", 6) == 0);
    return 0;
}
