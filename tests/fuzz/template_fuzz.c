/* SPDX-License-Identifier: MIT */
/* Templates from bytes: the first one chooses the context, the rest is the template. Whatever it
 * is, it is rendered or refused with the template's name, within the limits, and what was there
 * stays there. */
#include "phases/template.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static tbk_value *sample_values(tbk_arena *arena)
{
    tbk_value *values = tbk_value_map(arena), *map = tbk_value_map(arena),
              *list = tbk_value_list(arena);
    tbk_value_append(arena, list, tbk_value_string(arena, "it's"));
    tbk_value_append(arena, list, tbk_value_integer(arena, -7));
    tbk_value_append(arena, list, map);
    tbk_value_set_string(arena, map, "driver", "sqlite3");
    tbk_value_set_string(arena, map, "path", NULL);
    tbk_value_set(arena, values, "database", map);
    tbk_value_set(arena, values, "config_paths", list);
    tbk_value_set(arena, values, "half", tbk_value_real(arena, 0.5));
    tbk_value_set_string(arena, values, "schedule", "*/5 1-3 * * 1-5");
    tbk_value_set_string(arena, values, "store", "/a \xCE\xB1 '\"\\%$(x)\n");
    tbk_value_set_string(arena, values, "log", "/l");
    tbk_value_set_bool(arena, values, "yes", true);
    return values;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text text = {0};
    tbk_error err = {0};
    tbk_text_append(&text, "before");
    tbk_template_context context = (tbk_template_context)(data[0] % (TBK_TEMPLATE_CRON + 1));
    bool rendered = tbk_template_render("t.tera", (const char *)data + 1, size - 1, context,
                                        sample_values(arena), &text, &err);
    if (!rendered &&
        (strncmp(err.message, "t.tera", 6) != 0 || strcmp(tbk_text_string(&text), "before") != 0))
        abort();
    return 0;
}
