/* SPDX-License-Identifier: MIT */
/* Templates from bytes, in every context: rendered, or refused with the template's name, within the
 * limits; a refusal leaves what was there. */
#include "render/template.h"

#include "fuzz/fuzz.h"

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

static void render(tbk_arena *arena, const char *bytes, size_t length, tbk_template_context context)
{
    tbk_auto_text text = {0};
    tbk_error err = {0};
    tbk_text_append(&text, "before");
    if (tbk_template_render("t.tera", bytes, length, context, sample_values(arena), &text, &err)) {
        must(tbk_text_starts_with(tbk_text_string(&text), "before"));
        must(tbk_text_is_utf8(text.bytes, text.length));
        return;
    }
    check_error(&err, TBK_E_TEMPLATE);
    must(tbk_text_starts_with(err.message, "t.tera:"));
    must(strcmp(tbk_text_string(&text), "before") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    for (int context = TBK_TEMPLATE_PLAIN; context <= TBK_TEMPLATE_CRON; context++)
        render(arena, (const char *)data, size, (tbk_template_context)context);
    return 0;
}
