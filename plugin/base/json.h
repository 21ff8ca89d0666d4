/* SPDX-License-Identifier: MIT */
/* JSON text to values and back (RFC 8259, strict: no duplicate keys, no trailing text). */
#ifndef TBK_BASE_JSON_H
#define TBK_BASE_JSON_H

#include "base/text.h"
#include "base/value.h"

/* Fails with TBK_E_CONFIG naming source, line and column; at most 64 levels deep. The tree and a
 * copy of source live in the arena. */
bool tbk_json_parse(tbk_arena *arena, const char *bytes, size_t length, const char *source,
                    const tbk_value **out, tbk_error *err) TBK_MUST_CHECK;

/* Appends the value, in one line, or indented by two spaces with a line break at the end. */
void tbk_json_write(tbk_text *text, const tbk_value *value, bool indented);

#endif
