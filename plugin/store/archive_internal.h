/* SPDX-License-Identifier: MIT */
/* Inside of archive_*.c: what writing and reading share. */
#ifndef TBK_STORE_ARCHIVE_INTERNAL_H
#define TBK_STORE_ARCHIVE_INTERNAL_H

#include "store/archive.h"

enum { TBK_ARCHIVE_READ_BYTES = 1 << 20 };

static inline bool tbk_archive_fail_memory(tbk_error *err)
{
    return tbk_fail(err, TBK_E_FAILED, "free some memory, or raise the container's limit",
                    "not enough memory for the buffers of zstd");
}

#endif
