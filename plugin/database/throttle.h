/* SPDX-License-Identifier: MIT */
/* Long reading and writing that leaves the disk to the tracker: low priority, and a rate limit
 * where the operator wants one. Nothing of it holds inside a hold, where only speed counts. */
#ifndef TBK_DATABASE_THROTTLE_H
#define TBK_DATABASE_THROTTLE_H

#include "ports/report.h"

/* This thread's place in the disk's queue, and that of the threads that it starts from then on: the
 * last one among equals, or the usual one. Only some of the kernel's schedulers look at it. */
void tbk_throttle_io(bool throttled);

/* A report that waits in its progress calls, so that the bytes of a phase come no faster. */
typedef struct tbk_throttle {
    const tbk_report *outer;
    uint64_t bytes_per_second; /* 0 = no limit */
    char phase[16];            /* whose bytes are counted */
    uint64_t begun_bytes, done_bytes;
    int64_t begun_ms;
} tbk_throttle;

tbk_report tbk_throttle_report(tbk_throttle *pace);

#endif
