/* SPDX-License-Identifier: MIT */
/* Files of a set come from the VM into an open folder of this machine. */
#ifndef TBK_COMMANDS_SET_DOWNLOAD_H
#define TBK_COMMANDS_SET_DOWNLOAD_H

#include "commands/vm.h"

typedef struct tbk_set_download {
    const tbk_vm *vm;
    const char *from; /* the set's folder on the VM */
    int folder;       /* of this machine, in which no other user writes */
} tbk_set_download;

/*
 * Brings the file of limit_bytes at most (mode 0600), or what is not there of it yet, and syncs it.
 * Whether it is the right one, its sum tells.
 * Errors: TBK_E_NOT_FOUND, it is not on the VM; TBK_E_SPACE; TBK_E_IO; those of the remote port.
 */
bool tbk_set_download_file(tbk_arena *arena, const tbk_set_download *download, const char *name,
                           uint64_t limit_bytes, tbk_error *err) TBK_MUST_CHECK;

/* How much of the file is there from before; 0 where it is longer than limit_bytes, for then it is
 * fetched anew. */
uint64_t tbk_set_download_there(const tbk_set_download *download, const char *name,
                                uint64_t limit_bytes);

#endif
