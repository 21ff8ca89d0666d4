/* SPDX-License-Identifier: MIT */
/* Random tokens, from the kernel. */
#include "base/token.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>

bool tbk_token_make(tbk_arena *arena, const char **out, tbk_error *err)
{
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return tbk_fail_errno(err, TBK_E_FAILED, errno, NULL, "there are no random numbers");
    *out = tbk_arena_format(arena, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    return true;
}
