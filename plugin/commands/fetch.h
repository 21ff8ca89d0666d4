/* SPDX-License-Identifier: MIT */
/* Fetch: a whole set comes to this machine, and is compared with its sums. */
#ifndef TBK_COMMANDS_FETCH_H
#define TBK_COMMANDS_FETCH_H

#include "commands/vm.h"

typedef struct tbk_fetch_input {
    tbk_vm vm;
    const char *set;  /* an id, or "latest" */
    const char *from; /* NULL: the VM's store; else as tbk_offsite_bring */
    const char *to;   /* a folder of this machine, absolute; made where it is missing */
} tbk_fetch_input;

/*
 * The set is then in <to>/<id>, the folder 0700 and its files 0600. What came of it before a cut is
 * not sent again. Takes no lock on the VM: a backup is neither delayed nor failed, and a set that
 * retention removes meanwhile still comes whole where its database was begun.
 * out_result: {schema, set, path, from, environment, profile, stored_bytes, fetched_bytes,
 * was_there, files: [{name, bytes, sha256}]}.
 * Errors: TBK_E_NOT_FOUND, no such set; TBK_E_CORRUPT, the store's list says that it is damaged;
 * TBK_E_UNPROVED, what came, or is there of that name, is not that set; TBK_E_CONFIG, others can
 * write in the folder; TBK_E_LOCKED, another fetch into it is under way; TBK_E_SPACE; TBK_E_IO;
 * TBK_E_REMOTE; those of the remote port and of tbk_offsite_bring.
 */
bool tbk_fetch(tbk_arena *arena, const tbk_fetch_input *input, tbk_value **out_result,
               tbk_error *err) TBK_MUST_CHECK;

#endif
