/* SPDX-License-Identifier: MIT */
/*
 * The near half of every tunnel: a port on the loopback that only our user gets through, and a
 * thread that moves bytes between its client and the far end, which an adapter gives.
 *
 * A Unix socket in a private folder would keep others out by itself. But the client library takes
 * one for a connection that never leaves the machine, and sends the password in clear where the
 * server, which sees TCP, wants it encrypted with its key (caching_sha2_password without TLS).
 */
#ifndef TBK_ADAPTERS_TUNNEL_H
#define TBK_ADAPTERS_TUNNEL_H

#include "ports/remote.h"

/* The way to the target. Used by one thread at a time; no function waits. */
typedef struct tbk_tunnel_end tbk_tunnel_end;
struct tbk_tunnel_end {
    void *self;
    int fd; /* to be polled */
    /* As recv(2) and send(2): -1 with errno, which is EAGAIN where nothing can be done now. At the
     * end of what the target sends, receive gives 0; send fails with EPIPE where the target takes
     * no more. */
    ssize_t (*receive)(const tbk_tunnel_end *end, void *buffer, size_t size_bytes);
    ssize_t (*send)(const tbk_tunnel_end *end, const void *bytes, size_t length);
    /* Tells that nothing more will be sent: 0, or -1 as send. */
    int (*send_end)(const tbk_tunnel_end *end);
    /* The events of fd to wait for, by what is to be done next. */
    short (*events)(const tbk_tunnel_end *end, bool receives, bool sends);
    /* Called every few seconds in silence: -1 with errno when the far end is gone. May be NULL. */
    int (*look_after)(const tbk_tunnel_end *end);
    /* Says for people why a call failed with EPROTO; may be NULL. */
    const char *(*why)(const tbk_tunnel_end *end);
    void (*close)(const tbk_tunnel_end *end); /* on the thread that closes the tunnel */
};

/* Takes over the far end, even when it fails. vm and target are for messages. */
bool tbk_tunnel_begin(const tbk_tunnel_end *far_end, const char *vm, const char *target,
                      tbk_remote_tunnel *out, tbk_error *err) TBK_MUST_CHECK;

/* A far end that is a connected stream socket, which must not block; close closes it. */
tbk_tunnel_end tbk_tunnel_socket_end(int fd);

/* Why there is no far end: the reason is the SSH server's, or the system's; or no answer in time.
 * The port adds which one it is. */
bool tbk_tunnel_fail_refused(const char *reason, tbk_error *err);
bool tbk_tunnel_fail_silent(tbk_error *err);

#endif
