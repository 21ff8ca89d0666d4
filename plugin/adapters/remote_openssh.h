/* SPDX-License-Identifier: MIT */
/* The remote port over the ssh program: one master connection, every command through it. */
#ifndef TBK_ADAPTERS_REMOTE_OPENSSH_H
#define TBK_ADAPTERS_REMOTE_OPENSSH_H

#include "adapters/ssh_host_keys.h"
#include "ports/remote.h"

/* Whether the ssh configuration of the user or the machine leads to this host by another way: a
 * jump host, a proxy, another name. */
bool tbk_remote_openssh_has_route(const tbk_ssh_target *target, const tbk_report *report);

/* with_config: the user's and the machine's ssh configuration applies (jump hosts). */
bool tbk_remote_openssh_open(const tbk_ssh_target *target, const tbk_host_keys *known,
                             bool with_config, const tbk_report *report, tbk_remote *out,
                             tbk_error *err) TBK_MUST_CHECK;

#endif
