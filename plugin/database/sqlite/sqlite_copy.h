/* SPDX-License-Identifier: MIT */
/* Copying a file of any size at disk speed. */
#ifndef TBK_DATABASE_SQLITE_SQLITE_COPY_H
#define TBK_DATABASE_SQLITE_SQLITE_COPY_H

#include "database/sqlite/sqlite_internal.h"

typedef struct tbk_sqlite_copying {
    const tbk_report *report;
    tbk_sqlite_may_go_on *may_go_on; /* between two chunks */
    void *self;
    uint64_t done_bytes;  /* counts on over several files */
    uint64_t total_bytes; /* of all of them */
} tbk_sqlite_copying;

/* Copies source from its beginning to its end into the new file target. Not synced. */
bool tbk_sqlite_copy_file(int source, const char *target, tbk_sqlite_copying *copying,
                          tbk_error *err) TBK_MUST_CHECK;

#endif
