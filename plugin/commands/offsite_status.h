/* SPDX-License-Identifier: MIT */
/* How it is off-site, from what the service on the VM knows. */
#ifndef TBK_COMMANDS_OFFSITE_STATUS_H
#define TBK_COMMANDS_OFFSITE_STATUS_H

#include "commands/host_facts.h"
#include "engine/offsite_state.h"

typedef struct tbk_offsite_look {
    const tbk_host_facts *facts;
    int64_t local_s;                /* the last success of a backup; 0: never */
    tbk_value *problems, *warnings; /* lists that texts are appended to */
} tbk_offsite_look;

/* *out is NULL where nothing is to go off-site; else {"state", "newest", "newest_s",
 * "newest_level", "newest_level_s", "waiting", "checked_s", "read_back_s", "restored_s", "error",
 * ...} for people and machines. */
bool tbk_offsite_status(tbk_arena *arena, const tbk_vm *vm, const tbk_offsite_look *look,
                        tbk_value **out, tbk_error *err) TBK_MUST_CHECK;

/* What the service remembers; of one that did nothing yet, nothing. Errors: as the remote port;
 * TBK_E_REMOTE, too, where it cannot be used. */
bool tbk_offsite_read_state(tbk_arena *arena, const tbk_vm *vm, tbk_offsite_state *out,
                            tbk_error *err) TBK_MUST_CHECK;

#endif
