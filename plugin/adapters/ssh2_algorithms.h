/* SPDX-License-Identifier: MIT */
/* What libssh2 can do with keys, and which host key it asks for. */
#ifndef TBK_ADAPTERS_SSH2_ALGORITHMS_H
#define TBK_ADAPTERS_SSH2_ALGORITHMS_H

#include "adapters/ssh_host_keys.h"

typedef struct _LIBSSH2_SESSION LIBSSH2_SESSION;

/* Whether it signs with an RSA key as today's servers want it (SHA-2, libssh2 1.11). */
bool tbk_ssh2_knows_rsa_sha2(void);

/* The types already known come first, so that a VM with several keys shows the known one; false
 * when libssh2 can check none of them, which would look like a changed key. The others stand in the
 * order of the ssh program, so that both adapters are shown the same one. */
bool tbk_ssh2_prefer_known_types(LIBSSH2_SESSION *session, const tbk_host_keys *known);

#endif
