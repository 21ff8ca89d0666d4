/* SPDX-License-Identifier: MIT */
/* From one mode to the other: what of the other one is on the VM goes, and the sidecar is started.
 */
#ifndef TBK_COMMANDS_MODE_SWITCH_H
#define TBK_COMMANDS_MODE_SWITCH_H

#include "commands/host_facts.h"

/* Whether the database can be backed up without a hold; fails with TBK_E_UNSUPPORTED and the way
 * out. One that is not there yet, or is empty, is not looked at. Needs the image. */
bool tbk_sidecar_check_database(tbk_arena *arena, const tbk_vm *vm, tbk_error *err) TBK_MUST_CHECK;

/* What a script says that a service needs, by its one word. */
tbk_service_step tbk_service_step_of(const char *word);

/* What is to be done, done with `start`: the store is made for the database's owner, and the
 * service started; a running one whose compose file has changed is made anew. */
bool tbk_sidecar_look(tbk_arena *arena, const tbk_vm *vm, tbk_service_step *out,
                      tbk_error *err) TBK_MUST_CHECK;
bool tbk_sidecar_start(tbk_arena *arena, const tbk_vm *vm, tbk_service_step *out,
                       tbk_error *err) TBK_MUST_CHECK;

/* Stops it, which abandons a run that goes on, and removes it with its network. A network that
 * another container uses stays, with a warning. */
bool tbk_sidecar_remove(const tbk_remote *remote, const tbk_report *report,
                        tbk_error *err) TBK_MUST_CHECK;

/* The crontab first; a tracker that an interrupted run left held is let go; then hook, logrotate's
 * file, log and state. Fails with TBK_E_LOCKED while a backup goes on. */
bool tbk_window_remove(const tbk_remote *remote, const tbk_report *report,
                       tbk_error *err) TBK_MUST_CHECK;

#endif
