/* SPDX-License-Identifier: MIT */
/* Whether a restic that runs still gets anywhere. Only adapters/restic_run.c needs this. */
#ifndef TBK_ADAPTERS_RESTIC_STALL_H
#define TBK_ADAPTERS_RESTIC_STALL_H

#include "adapters/command_io.h"

/*
 * Fails once it has moved as good as nothing for the whole limit. What it says of its progress does
 * not tell: bytes count there once a whole piece of many MiB is packed, which a slow line takes
 * hours for. So the bytes are counted that it reads and writes, from files, pipes and connections;
 * but for what it says to us, which goes on when nothing else does.
 */
typedef struct tbk_restic_stall {
    const tbk_command_io *io;
    int64_t limit_s;
    int64_t looked_ms, moved_ms; /* 0 = not yet */
    uint64_t moved_bytes;        /* until moved_ms */
} tbk_restic_stall;

/* For tbk_process_setting. Fails with TBK_E_NETWORK. */
bool tbk_restic_stall_look(void *stall, pid_t process, tbk_error *err);

#endif
