/* SPDX-License-Identifier: MIT */
/* Compares environment, kind of database and location. */
#include "domain/origin.h"

#include <string.h>

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

tbk_origin tbk_origin_of(const tbk_manifest *manifest)
{
    return (tbk_origin){.environment = manifest->environment,
                        .driver = manifest->driver,
                        .location = manifest->location};
}

bool tbk_origin_equal(const tbk_origin *a, const tbk_origin *b)
{
    return a->driver == b->driver && same(a->environment, b->environment) &&
           same(a->location, b->location);
}

bool tbk_origin_owns(const tbk_origin *origin, const tbk_manifest *set)
{
    tbk_origin made_by = tbk_origin_of(set);
    if (made_by.location == NULL && made_by.environment != NULL)
        made_by.location = origin->location;
    return tbk_origin_equal(origin, &made_by);
}

bool tbk_origin_differs(const tbk_origin *a, const tbk_origin *b)
{
    return a->driver != b->driver || !same(a->environment, b->environment) ||
           (a->location != NULL && b->location != NULL && strcmp(a->location, b->location) != 0);
}

const char *tbk_origin_words(tbk_arena *arena, const tbk_origin *origin)
{
    const char *location = origin->location != NULL ? origin->location : "not known";
    if (origin->environment == NULL)
        return tbk_arena_format(arena, "the database '%s', by hand", location);
    return tbk_arena_format(arena, "the database '%s' of '%s'", location, origin->environment);
}
