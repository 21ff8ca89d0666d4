/* SPDX-License-Identifier: MIT */
/* Containers on the VM that do one thing and are gone: known by a name, so that they can be ended.
 */
#ifndef TBK_COMMANDS_ONCE_CONTAINER_H
#define TBK_COMMANDS_ONCE_CONTAINER_H

#include "ports/remote.h"

/* One that no other container has. */
const char *tbk_once_container_name(tbk_arena *arena, const char *service);

/*
 * Ends it, where what ran it failed without waiting for its end: when the caller goes, Docker's
 * client on the VM does not, nor what it has started. It is given the time to tidy up. Over a
 * connection that is lost nothing can be ended: then what goes on is left to its own end.
 */
void tbk_once_container_stop(const tbk_remote *remote, const tbk_report *report, const char *name,
                             tbk_error_code why);

#endif
