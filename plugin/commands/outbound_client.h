/* SPDX-License-Identifier: MIT */
/* What the operator asks of the service `outbound`: one action, or a set for a restore. */
#ifndef TBK_COMMANDS_OUTBOUND_CLIENT_H
#define TBK_COMMANDS_OUTBOUND_CLIENT_H

#include "commands/vm.h"

/*
 * Has it do one action, and waits until it is done; other than fetch.
 * out_result: what the engine says: {"repository", "name", "sets"} of list, else {"action"}.
 * Errors: as the engine's; TBK_E_CONFIG where nothing goes off-site.
 */
bool tbk_offsite_act(tbk_arena *arena, const tbk_vm *vm, tbk_offsite_action action,
                     tbk_value **out_result, tbk_error *err) TBK_MUST_CHECK;

/*
 * Has a set fetched to the VM, from "offsite" or "offsite:NAME", and proved there by its sums.
 * out_folder: its folder on the VM. Errors: as above; TBK_E_USAGE, it is no such source.
 */
bool tbk_offsite_bring(tbk_arena *arena, const tbk_vm *vm, const char *from, const char *set,
                       const char **out_folder, tbk_error *err) TBK_MUST_CHECK;

/* The sets of "offsite" or "offsite:NAME" there, or of all names, as the action list says them. */
bool tbk_offsite_sets(tbk_arena *arena, const tbk_vm *vm, const char *from, bool all_names,
                      tbk_value **out_result, tbk_error *err) TBK_MUST_CHECK;

/* What came of asking for the list of sets. */
typedef struct tbk_offsite_contact {
    bool was_asked;          /* the engine ran; else the problem says why it could not */
    const char *problem;     /* NULL: it answers, takes the password and is there; else a sentence
                              * for people, with what to do */
    const tbk_value *answer; /* as of the action list; NULL where there is a problem */
} tbk_offsite_contact;

/* Asks what is installed on the VM. Only the way to the VM fails. */
bool tbk_offsite_probe(tbk_arena *arena, const tbk_vm *vm, tbk_offsite_contact *out,
                       tbk_error *err) TBK_MUST_CHECK;

/* Whether it is one; whose the sets are, NULL where they are our own. */
bool tbk_offsite_source(const char *from, const char **out_name, tbk_error *err) TBK_MUST_CHECK;

#endif
