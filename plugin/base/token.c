/* SPDX-License-Identifier: MIT */
/* Random tokens, from the kernel. */
#include "base/token.h"

#include "base/memory.h"

#include <inttypes.h>
#include <sys/random.h>

const char *tbk_token_new(tbk_arena *arena)
{
    uint64_t random[2];
    /* So few bytes are never cut short, and there is no kernel without them. */
    tbk_memory_must(getrandom(random, sizeof random, 0) == sizeof random);
    return tbk_arena_format(arena, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
}
