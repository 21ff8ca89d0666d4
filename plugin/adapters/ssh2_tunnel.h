/* SPDX-License-Identifier: MIT */
/* A tunnel over an SSH connection of its own: libssh2 serves one thread at a time. */
#ifndef TBK_ADAPTERS_SSH2_TUNNEL_H
#define TBK_ADAPTERS_SSH2_TUNNEL_H

#include "adapters/ssh2_session.h"
#include "ports/remote.h"

/* Takes over the session, even when it fails. As the remote port's tunnel. */
bool tbk_ssh2_tunnel_open(tbk_ssh2_session *ssh2, const char *vm, const char *host, uint16_t port,
                          const tbk_report *report, tbk_remote_tunnel *out,
                          tbk_error *err) TBK_MUST_CHECK;

#endif
