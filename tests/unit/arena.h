/* SPDX-License-Identifier: MIT */
/* One arena for a test, or for all tests of a group. */
#ifndef TBK_TESTS_UNIT_ARENA_H
#define TBK_TESTS_UNIT_ARENA_H

#include "unit/unit.h"

static tbk_arena *arena;

static inline int begin_arena(void **state)
{
    (void)state;
    arena = tbk_arena_new();
    return 0;
}

static inline int end_arena(void **state)
{
    (void)state;
    tbk_arena_free(arena);
    arena = NULL;
    return 0;
}

#endif
