/* SPDX-License-Identifier: MIT */
/* What the fuzz targets have in common. */
#ifndef TBK_TESTS_FUZZ_H
#define TBK_TESTS_FUZZ_H

#include "base/json.h"
#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: it must hold in every build. */
static inline void must(bool holds)
{
    if (!holds)
        abort();
}

/* An error of this code, in one line of whole characters. The input decides what is quoted in it,
 * so only text that was valid itself has to come out valid. */
static inline void check_error(const tbk_error *err, tbk_error_code code)
{
    must(err->code == code);
    must(err->message[0] != '\0' && memchr(err->message, '\0', sizeof err->message) != NULL);
    must(strpbrk(err->message, "\n\r\033") == NULL);
}

/* The value as JSON text can be read again and is then the same. */
static inline void check_round_trip(tbk_arena *arena, const tbk_value *value)
{
    tbk_auto_text first = {0};
    tbk_auto_text second = {0};
    tbk_error err = {0};
    const tbk_value *again = NULL;
    tbk_json_write(&first, value, true);
    must(tbk_text_is_utf8(first.bytes, first.length));
    must(tbk_json_parse(arena, first.bytes, first.length, "again", &again, &err));
    tbk_json_write(&second, again, true);
    must(strcmp(first.bytes, second.bytes) == 0);
}

#endif
