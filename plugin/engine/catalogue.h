/* SPDX-License-Identifier: MIT */
/* The sets of a store as `list` tells them, by the engine and by the command line alike. */
#ifndef TBK_ENGINE_CATALOGUE_H
#define TBK_ENGINE_CATALOGUE_H

#include "base/value.h"
#include "store/store.h"

/*
 * {"schema", "store", "sets": [{"id", "path", "damage", ...}]}, the newest first.
 * mine: sets of another database are told apart; NULL: whose are meant is not known.
 */
bool tbk_catalogue_of(tbk_arena *arena, const tbk_store *store, const tbk_origin *mine,
                      tbk_value **out, tbk_error *err) TBK_MUST_CHECK;

#endif
