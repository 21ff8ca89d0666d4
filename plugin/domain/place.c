/* SPDX-License-Identifier: MIT */
/* Where in a document a value stands that a check refused. */
#include "domain/place.h"

bool tbk_error_at(const tbk_value *value, const char *key, tbk_error *err)
{
    if (value->source == NULL)
        return tbk_error_context(err, "'%s'", key);
    if (value->line == 0)
        return tbk_error_context(err, "%s: '%s'", value->source, key);
    return tbk_error_context(err, "%s:%u: '%s'", value->source, value->line, key);
}
