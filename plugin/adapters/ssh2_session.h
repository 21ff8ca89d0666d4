/* SPDX-License-Identifier: MIT */
/*
 * One SSH connection by libssh2, never blocking: every wait goes through poll and has a limit.
 *
 * ssh2_*.{h,c} and remote_libssh2.c are the folder of libssh2.h.
 */
#ifndef TBK_ADAPTERS_SSH2_SESSION_H
#define TBK_ADAPTERS_SSH2_SESSION_H

#include "adapters/ssh_host_keys.h"
#include "adapters/ssh_key.h"

typedef struct _LIBSSH2_SESSION LIBSSH2_SESSION;

typedef struct tbk_ssh2_session {
    LIBSSH2_SESSION *session;
    int socket;
    int64_t received_ms; /* when the VM last sent anything, monotonic */
    uint64_t received_bytes;
    int64_t turn_end_ms; /* see tbk_ssh2_session_turn */
    uint64_t turn_end_bytes;
    bool ended;                /* nothing is read any more */
    const tbk_report *opening; /* can cancel the opening; NULL afterwards */
} tbk_ssh2_session;

/*
 * Lets libssh2 read again. Within one call it reads for as long as there is anything, and a VM that
 * sends without end (lines before its banner, packets that mean nothing) would keep it there, past
 * limits and cancelling. So a turn is a fifth of a second and 8 MiB; after it the socket seems
 * empty, libssh2 returns EAGAIN, and the waiting caller begins the next turn.
 */
void tbk_ssh2_session_turn(tbk_ssh2_session *it);

/* Connects, checks the host key, pins it, proves the key. *out_unable tells that libssh2 and the VM
 * know no common algorithm, so that the ssh program may try. */
bool tbk_ssh2_session_open(const tbk_ssh_target *target, const tbk_ssh_key *key,
                           tbk_host_keys *known, const tbk_report *report, tbk_ssh2_session **out,
                           bool *out_unable, tbk_error *err) TBK_MUST_CHECK;
/* Says goodbye if the VM still listens; a second is all it takes. */
void tbk_ssh2_session_free(tbk_ssh2_session *it);
TBK_AUTO_POINTER(tbk_ssh2_session, tbk_ssh2_session_free);

/* The events to wait for on the socket after libssh2 said EAGAIN. */
short tbk_ssh2_session_events(const tbk_ssh2_session *it);
/* What libssh2 says about its last failure, for people. */
const char *tbk_ssh2_session_why(const tbk_ssh2_session *it);

/* Whether the agent at SSH_AUTH_SOCK holds the private half of this key. */
bool tbk_ssh2_agent_holds(const uint8_t *public_blob, size_t length);

#endif
