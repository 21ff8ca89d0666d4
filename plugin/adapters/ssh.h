/* SPDX-License-Identifier: MIT */
/*
 * Reaching the VM: one function opens the remote port, three adapters implement it.
 *
 * libssh2 is the default. The ssh program is taken instead, with a note in the report, for an RSA
 * key where libssh2 is older than 1.11 (it can sign only with SHA-1, which today's sshd refuses).
 * Host keys: pinned in known_hosts_path at the first contact (an entry in ~/.ssh/known_hosts
 * counts), checked after that.
 */
#ifndef TBK_ADAPTERS_SSH_H
#define TBK_ADAPTERS_SSH_H

#include "adapters/ssh_target.h"
#include "ports/remote.h"

/* report, which may be NULL, outlives *out: it may cancel any wait of it.
 *
 * Checks the key before anything is contacted: missing, unreadable, readable by others, encrypted
 * and not in the agent, not a private key: TBK_E_CONFIG. Then TBK_E_NETWORK, TBK_E_TIMEOUT,
 * TBK_E_HOST_KEY, or TBK_E_KEY when the VM refuses the key. */
bool tbk_ssh_open(const tbk_ssh_target *target, const tbk_report *report, tbk_remote *out,
                  tbk_error *err) TBK_MUST_CHECK;

#endif
