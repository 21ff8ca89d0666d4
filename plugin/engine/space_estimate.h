/* SPDX-License-Identifier: MIT */
/* How much room a backup will need in the store's file system, judged by the sets that are there.
 */
#ifndef TBK_ENGINE_SPACE_ESTIMATE_H
#define TBK_ENGINE_SPACE_ESTIMATE_H

#include "store/store.h"

typedef struct tbk_space_estimate {
    uint64_t database_bytes; /* with its journal or log */
    uint64_t raw_bytes;      /* what goes into the set */
    uint64_t stored_bytes;   /* the same, compressed */
    bool selects;            /* it is a file of its own before it goes there */
} tbk_space_estimate;

/* What is essential is expected to be as large as in the newest essential set, and a quarter more;
 * compression to be as good as in the newest set of the kind, less a quarter. Sets of another
 * database or profile tell nothing. earlier: the newest first. */
tbk_space_estimate tbk_space_estimate_make(const tbk_stored_set *earlier, const tbk_set_kind *kind,
                                           uint64_t database_bytes);

/* The most that is there at one time, with 5 % to spare. copies: the database is copied first (the
 * copy is gone before a proof restores the set). */
uint64_t tbk_space_estimate_needed_bytes(const tbk_space_estimate *room, bool copies,
                                         bool restores);

#endif
