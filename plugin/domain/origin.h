/* SPDX-License-Identifier: MIT */
/*
 * Whose a set is: several environments and databases may share a store, and are told apart.
 *
 * Sets of earlier versions do not say their database. One that names an environment is taken for
 * that environment's database of its kind, so that it ages out as the others do. One that was made
 * by hand names nothing: it belongs to no environment, and is removed by hand only.
 */
#ifndef TBK_DOMAIN_ORIGIN_H
#define TBK_DOMAIN_ORIGIN_H

#include "domain/manifest.h"

typedef struct tbk_origin {
    const char *environment; /* NULL by hand */
    tbk_driver driver;
    const char *location; /* as tbk_manifest; NULL: not known */
} tbk_origin;

tbk_origin tbk_origin_of(const tbk_manifest *manifest);
/* Whether the set is surely this one's: for what compares with it, or removes it. The location of
 * origin is known. */
bool tbk_origin_owns(const tbk_origin *origin, const tbk_manifest *set);
/* Whether the two are surely not the same database of the same environment. */
bool tbk_origin_differs(const tbk_origin *a, const tbk_origin *b);
bool tbk_origin_equal(const tbk_origin *a, const tbk_origin *b);
/* For people: "the database '/srv/tracker.db' of 'my-env'". */
const char *tbk_origin_words(tbk_arena *arena, const tbk_origin *origin);

#endif
