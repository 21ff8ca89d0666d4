/* SPDX-License-Identifier: MIT */
/* A tunnel over an SSH connection of its own: one channel that the VM's SSH server connects. */
#include "adapters/ssh2_tunnel.h"

#include "adapters/tunnel.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <libssh2.h>
#include <poll.h>

#define CANCEL_CHECK_MS 200
#define SILENCE_LIMIT_MS 60000 /* four keepalives without an answer */
#define ORIGIN "127.0.0.1"     /* the client's address, for the SSH server */

/* libssh2 must finish a packet that the socket took in part before it is asked for anything else:
 * unfinished says which call that is. */
typedef enum call { NOTHING, RECEIVING, SENDING } call;

typedef struct channel {
    tbk_ssh2_session *ssh2;
    LIBSSH2_CHANNEL *channel;
    call unfinished;
    uint64_t seen_bytes; /* of the session, when its socket was last waited for */
} channel;

static bool is_outbound(const channel *it)
{
    return (libssh2_session_block_directions(it->ssh2->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND) !=
           0;
}

static int fail_with(int errno_value)
{
    errno = errno_value;
    return -1;
}

/* What a call of libssh2 gave, as recv(2) and send(2) would. */
static ssize_t outcome(channel *it, ssize_t result, call made)
{
    it->unfinished = NOTHING;
    if (result >= 0)
        return result;
    if (result == LIBSSH2_ERROR_EAGAIN) {
        it->unfinished = is_outbound(it) ? made : NOTHING;
        return fail_with(EAGAIN);
    }
    bool is_closed =
        result == LIBSSH2_ERROR_CHANNEL_CLOSED || result == LIBSSH2_ERROR_CHANNEL_EOF_SENT;
    return fail_with(is_closed ? EPIPE : EPROTO);
}

static ssize_t receive(const tbk_tunnel_end *end, void *buffer, size_t size_bytes)
{
    channel *it = end->self;
    if (it->unfinished == SENDING)
        return fail_with(EAGAIN);
    ssize_t length = outcome(it, libssh2_channel_read(it->channel, buffer, size_bytes), RECEIVING);
    if (length == 0 && libssh2_channel_eof(it->channel) == 0)
        return fail_with(EAGAIN);
    return length;
}

static ssize_t send_bytes(const tbk_tunnel_end *end, const void *bytes, size_t length)
{
    channel *it = end->self;
    if (it->unfinished == RECEIVING)
        return fail_with(EAGAIN);
    ssize_t sent = outcome(it, libssh2_channel_write(it->channel, bytes, length), SENDING);
    return sent != 0 ? sent : fail_with(EAGAIN);
}

static int send_end(const tbk_tunnel_end *end)
{
    channel *it = end->self;
    if (it->unfinished == RECEIVING)
        return fail_with(EAGAIN);
    return (int)outcome(it, libssh2_channel_send_eof(it->channel), SENDING);
}

/* What libssh2 took from the socket in any call may wait in its queue, where poll does not see it:
 * then poll shall return at once. */
static short events(const tbk_tunnel_end *end, bool receives, bool sends)
{
    channel *it = end->self;
    tbk_ssh2_session_turn(it->ssh2);
    int wanted = receives || sends ? POLLIN : 0;
    if (it->unfinished != NOTHING || it->seen_bytes != it->ssh2->received_bytes)
        wanted |= POLLOUT;
    it->seen_bytes = it->ssh2->received_bytes;
    return (short)wanted;
}

static int look_after(const tbk_tunnel_end *end)
{
    channel *it = end->self;
    int next_s = 0;
    if (it->unfinished == NOTHING)
        (void)libssh2_keepalive_send(it->ssh2->session, &next_s);
    return tbk_clock_monotonic_ms() - it->ssh2->received_ms < SILENCE_LIMIT_MS
               ? 0
               : fail_with(ETIMEDOUT);
}

static const char *why(const tbk_tunnel_end *end)
{
    return tbk_ssh2_session_why(((channel *)end->self)->ssh2);
}

static void close_channel(const tbk_tunnel_end *end)
{
    channel *it = end->self;
    tbk_ssh2_session_free(it->ssh2); /* with its channel */
    free(it);
}

/* --- opening --- */

static bool wait_for_answer(const channel *it, const tbk_report *report, tbk_error *err)
{
    struct pollfd wait = {.fd = it->ssh2->socket, .events = tbk_ssh2_session_events(it->ssh2)};
    (void)poll(&wait, 1, CANCEL_CHECK_MS);
    tbk_ssh2_session_turn(it->ssh2);
    return tbk_report_go_on(report, err);
}

static bool open_channel(channel *it, const char *host, uint16_t port, const tbk_report *report,
                         tbk_error *err)
{
    LIBSSH2_SESSION *session = it->ssh2->session;
    int64_t end_ms = tbk_clock_monotonic_ms() + TBK_REMOTE_TUNNEL_LIMIT_MS;
    while ((it->channel = libssh2_channel_direct_tcpip_ex(session, host, port, ORIGIN, 0)) ==
           NULL) {
        if (libssh2_session_last_errno(session) != LIBSSH2_ERROR_EAGAIN)
            return tbk_tunnel_fail_refused(tbk_ssh2_session_why(it->ssh2), err);
        if (tbk_clock_monotonic_ms() >= end_ms)
            return tbk_tunnel_fail_silent(err);
        if (!wait_for_answer(it, report, err))
            return false;
    }
    return true;
}

bool tbk_ssh2_tunnel_open(tbk_ssh2_session *ssh2, const char *vm, const char *host, uint16_t port,
                          const tbk_report *report, tbk_remote_tunnel *out, tbk_error *err)
{
    char target[300];
    channel *it = tbk_memory_new(sizeof *it);
    it->ssh2 = ssh2;
    const tbk_tunnel_end end = {.self = it,
                                .fd = ssh2->socket,
                                .receive = receive,
                                .send = send_bytes,
                                .send_end = send_end,
                                .events = events,
                                .look_after = look_after,
                                .why = why,
                                .close = close_channel};
    (void)snprintf(target, sizeof target, "%s port %u", host, (unsigned)port);
    if (!open_channel(it, host, port, report, err)) {
        close_channel(&end);
        return false;
    }
    return tbk_tunnel_begin(&end, vm, target, out, err);
}
