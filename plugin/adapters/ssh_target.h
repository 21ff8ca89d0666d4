/* SPDX-License-Identifier: MIT */
/* Where the VM is, and as whom it is reached. */
#ifndef TBK_ADAPTERS_SSH_TARGET_H
#define TBK_ADAPTERS_SSH_TARGET_H

#include "domain/options.h"

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

#endif
