/* SPDX-License-Identifier: MIT */
/*
 * Reading a large file without taking from others what they keep in memory: only the pages that the
 * reading brought in are given back.
 *
 * All of it is advice to the kernel. Where the kernel does not tell what is in memory (a file of
 * another user), nothing is dropped.
 */
#ifndef TBK_BASE_PAGE_CACHE_H
#define TBK_BASE_PAGE_CACHE_H

#include "base/auto.h"

#include <stdint.h>

typedef struct tbk_page_cache tbk_page_cache;

/* Notes which pages of the file are in memory now: one bit a page, so 0.5 MiB for 17 GB. */
tbk_page_cache *tbk_page_cache_snapshot(int fd, uint64_t file_bytes);
/* Drops what came into memory since then, from the last call's end up to end_bytes. */
void tbk_page_cache_drop(tbk_page_cache *note, int fd, uint64_t end_bytes);
void tbk_page_cache_free(tbk_page_cache *note);
TBK_AUTO_POINTER(tbk_page_cache, tbk_page_cache_free);

/*
 * The same for a file that is written: has the kernel begin to write early, and drops the pages
 * once they are on the disk, with a small lag. Begins as {0}.
 */
typedef struct tbk_write_behind {
    uint64_t begun_bytes; /* the kernel was told to write them */
    uint64_t given_bytes; /* are on the disk, and no longer in memory */
} tbk_write_behind;

/* Returns 0, or the errno of a failed write, which the kernel reports only once. */
int tbk_write_behind_advance(tbk_write_behind *behind, int fd, uint64_t written_bytes);

#endif
