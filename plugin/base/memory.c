/* SPDX-License-Identifier: MIT */
/* Small memory: one place where the lack of it ends the process. */
#include "base/memory.h"

#include <stdlib.h>

void *tbk_memory_new(size_t size_bytes)
{
    void *memory = calloc(1, size_bytes);
    tbk_memory_must(memory != NULL);
    return memory;
}

void tbk_memory_must(bool succeeded)
{
    if (!succeeded) /* GCOVR_EXCL_BR_LINE: a process that ends so writes no coverage */
        abort();    /* GCOVR_EXCL_LINE */
}
