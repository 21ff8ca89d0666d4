/* SPDX-License-Identifier: MIT */
/* Options files from bytes: taken, or refused with a reason. */
#include "fuzz/fuzz.h"

#include "base/yaml.h"
#include "domain/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err = {0};
    const tbk_value *document = NULL;
    if (!tbk_yaml_parse(arena, (const char *)data, size, "demo.backup.yml", &document, &err))
        return 0;
    tbk_environment environment = {0};
    tbk_options options = {0};
    tbk_options_default(&environment, &options);
    if (!tbk_options_read(document, &options, &err) ||
        !tbk_options_check(&options, TBK_DRIVER_SQLITE, &err))
        check_error(&err, TBK_E_CONFIG);
    return 0;
}
