/* SPDX-License-Identifier: MIT */
/* Small memory: zeroed, or the end of the process. */
#include "base/memory.h"

void *tbk_memory_new(size_t size_bytes)
{
    void *memory = calloc(1, size_bytes);
    tbk_memory_must(memory != NULL);
    return memory;
}
