/* SPDX-License-Identifier: MIT */
/* Small memory: there, or the process ends by abort(), as that of the Rust hosts does. */
#ifndef TBK_BASE_MEMORY_H
#define TBK_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Zeroed, from malloc. Never for sizes that data decides: failing those is an error, not the end.
 */
void *tbk_memory_new(size_t size_bytes) __attribute__((malloc, returns_nonnull));

/* For calls that fail only where memory does (or a library is broken). Inline, so that static
 * analysis sees that what follows has its memory. */
static inline void tbk_memory_must(bool succeeded)
{
    if (!succeeded) /* GCOVR_EXCL_BR_LINE: a process that ends so writes no coverage */
        abort();    /* GCOVR_EXCL_LINE */
}

#endif
