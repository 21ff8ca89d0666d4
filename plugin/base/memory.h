/* SPDX-License-Identifier: MIT */
/* Small memory: there, or the process ends by abort(), as that of the Rust hosts does. */
#ifndef TBK_BASE_MEMORY_H
#define TBK_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed, from malloc. Never for sizes that data decides: failing those is an error, not the end.
 */
void *tbk_memory_new(size_t size_bytes) __attribute__((malloc, returns_nonnull));

/* For calls into libraries that fail only where memory does (or a library is broken). */
void tbk_memory_must(bool succeeded);

#endif
