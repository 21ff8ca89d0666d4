/* SPDX-License-Identifier: MIT */
/*
 * Reaching the VM: one way to open the remote port, three adapters behind it.
 *
 * libssh2 is the default. The ssh program is taken instead, with a note in the report, for an RSA
 * key where libssh2 is older than 1.11 (it can sign only with SHA-1, which today's sshd refuses).
 * Host keys: pinned in known_hosts_path at the first contact (an entry in ~/.ssh/known_hosts
 * counts), checked after that.
 */
#ifndef TBK_ADAPTERS_SSH_H
#define TBK_ADAPTERS_SSH_H

#include "domain/options.h"
#include "ports/remote.h"

typedef struct tbk_ssh_target {
    const char *host;
    uint16_t port;
    const char *user;
    const char *private_key_path;
    const char *public_key_path;  /* to find the agent's identity; may be NULL or missing */
    const char *known_hosts_path; /* created with mode 0600 at the first contact */
    const char *host_key; /* NULL; "accept": take a changed key; "SHA256:...": take this one only */
    tbk_ssh_program program;
    uint32_t connect_timeout_ms; /* 0 = 10 s */
} tbk_ssh_target;

/* report, which may be NULL, outlives *out: it may cancel any wait of it.
 *
 * Checks the key before anything is contacted: missing, unreadable, readable by others, encrypted
 * and not in the agent, not a private key: TBK_E_CONFIG. Then TBK_E_NETWORK, TBK_E_TIMEOUT,
 * TBK_E_HOST_KEY, or TBK_E_KEY when the VM refuses the key. */
bool tbk_ssh_open(const tbk_ssh_target *target, const tbk_report *report, tbk_remote *out,
                  tbk_error *err) TBK_MUST_CHECK;

#endif
