/* SPDX-License-Identifier: MIT */
/* The source port: bytes that are read once, from front to back. */
#ifndef TBK_PORTS_SOURCE_H
#define TBK_PORTS_SOURCE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct tbk_source {
    void *self;
    uint64_t total_bytes; /* for progress; 0 when it is not known */
    /* Fills the buffer as far as it likes, but not with nothing before the end: *out_got is 0 there
     * only. */
    bool (*read)(void *self, void *buffer, size_t size_bytes, size_t *out_got, tbk_error *err);
} tbk_source;

/* A file from its current position; *fd must stay as long as the source is used. */
tbk_source tbk_source_of_file(int *fd);
/* What is left to be read of a regular file, which is about to be read in order; 0 = not known. */
uint64_t tbk_source_file_bytes(int fd);
/* Its read, for callers that read pieces themselves: self is the file's int. */
bool tbk_source_read_file(void *self, void *buffer, size_t size_bytes, size_t *out_got,
                          tbk_error *err) TBK_MUST_CHECK;

#endif
