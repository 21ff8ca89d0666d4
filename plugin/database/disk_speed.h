/* SPDX-License-Identifier: MIT */
/* How fast the copy that a hold waits for would be, measured with a part of the database itself. */
#ifndef TBK_DATABASE_DISK_SPEED_H
#define TBK_DATABASE_DISK_SPEED_H

#include "ports/report.h"

typedef struct tbk_disk_speed {
    uint64_t bytes_per_second; /* 0 = not measured */
    uint64_t copied_bytes;
    bool from_disk; /* nothing of what was read had been in memory */
    bool to_disk;   /* the copy was written through: memory would not take all of the database */
    char not_measured[256]; /* why not; "" where it was */
} tbk_disk_speed;

#define TBK_DISK_SPEED_SAMPLE_BYTES (256u << 20)
#define TBK_DISK_SPEED_LIMIT_MS 5000

/*
 * Copies up to 256 MiB of the file into the folder as the capture does, for at most five seconds,
 * into a file without a name: nothing is left whatever happens. What is in memory least is read,
 * and nothing that others keep in memory is taken from them.
 * Shape:  total_bytes is what a capture would copy.
 * Errors: TBK_E_INTERRUPTED only; why else it was not measured stands in out.
 */
bool tbk_disk_speed_measure(const char *path, const char *folder, uint64_t total_bytes,
                            const tbk_report *report, tbk_disk_speed *out,
                            tbk_error *err) TBK_MUST_CHECK;

#endif
