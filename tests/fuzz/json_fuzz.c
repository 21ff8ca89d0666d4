/* SPDX-License-Identifier: MIT */
/* JSON from bytes: refused with its place, or read into a tree that is written and read again. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err = {0};
    const tbk_value *value = NULL;
    if (tbk_json_parse(arena, (const char *)data, size, "s.json", &value, &err)) {
        check_round_trip(arena, value);
        return 0;
    }
    check_error(&err, TBK_E_CONFIG);
    must(strncmp(err.message, "s.json:", 7) == 0);
    return 0;
}
