/* SPDX-License-Identifier: MIT */
/* The near half of every tunnel: waits for one connection of our user's, then moves its bytes. */
#include "adapters/tunnel.h"

#include "adapters/loopback.h"
#include "base/arena.h"
#include "base/memory.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOW_BYTES ((size_t)64 << 10)
#define LOOK_AFTER_MS 5000

/* One direction: what was received and is still to be sent. */
typedef struct direction {
    const tbk_tunnel_end *from, *to;
    char *bytes;
    size_t begin, end;
    bool received_all; /* bytes holds the end of the input */
    bool sent_all;     /* and the other side knows it, or wants no more */
} direction;

/* How a tunnel ended by itself. */
typedef enum ending {
    STANDS,
    DONE,    /* the near side had enough */
    HUNG_UP, /* the target ended the connection first */
    BROKEN
} ending;

typedef struct tunnel {
    tbk_arena *arena;
    const char *vm, *target;
    tbk_tunnel_end near_end; /* fd < 0: no client has connected yet */
    tbk_tunnel_end far_end;
    direction up, down;
    int listener;
    int stop; /* readable once the tunnel is to be closed */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows: the thread writes it, check reads it */
    ending ending;
    char why[256]; /* BROKEN */
} tunnel;

/* --- ends that are sockets --- */

static ssize_t receive_socket(const tbk_tunnel_end *end, void *buffer, size_t size_bytes)
{
    return recv(end->fd, buffer, size_bytes, 0);
}

static ssize_t send_socket(const tbk_tunnel_end *end, const void *bytes, size_t length)
{
    return send(end->fd, bytes, length, MSG_NOSIGNAL);
}

static int end_socket(const tbk_tunnel_end *end) { return shutdown(end->fd, SHUT_WR); }

static short socket_events(const tbk_tunnel_end *end, bool receives, bool sends)
{
    (void)end;
    return (short)((receives ? POLLIN : 0) | (sends ? POLLOUT : 0));
}

static void close_socket(const tbk_tunnel_end *end)
{
    if (end->fd >= 0)
        (void)close(end->fd);
}

tbk_tunnel_end tbk_tunnel_socket_end(int fd)
{
    return (tbk_tunnel_end){.fd = fd,
                            .receive = receive_socket,
                            .send = send_socket,
                            .send_end = end_socket,
                            .events = socket_events,
                            .close = close_socket};
}

/* --- how it ends --- */

static void note_ending(tunnel *it, ending how, const char *why)
{
    (void)pthread_mutex_lock(&it->lock);
    it->ending = how;
    (void)snprintf(it->why, sizeof it->why, "%s", why);
    (void)pthread_mutex_unlock(&it->lock);
}

/* Who ends a connection first has ended it. */
static void note_end(tunnel *it, const tbk_tunnel_end *end)
{
    if (it->ending == STANDS)
        note_ending(it, end == &it->near_end ? DONE : HUNG_UP, "");
}

/* That our own user's process went away is no fault of the tunnel's. Returns false. */
static bool end_by_failure(tunnel *it, const tbk_tunnel_end *end, int errno_value)
{
    char text[128];
    if (end == &it->near_end)
        note_end(it, end);
    else if (errno_value == EPROTO && end->why != NULL)
        note_ending(it, BROKEN, end->why(end));
    else
        note_ending(it, BROKEN, strerror_r(errno_value, text, sizeof text));
    return false;
}

/* --- moving bytes; each returns false when the tunnel is over --- */

static bool is_for_later(int errno_value)
{
    return errno_value == EAGAIN || errno_value == EWOULDBLOCK || errno_value == EINTR;
}

static bool fill(tunnel *it, direction *flow, bool *moved)
{
    if (flow->received_all || flow->begin < flow->end)
        return true;
    ssize_t length = flow->from->receive(flow->from, flow->bytes, FLOW_BYTES);
    if (length < 0)
        return is_for_later(errno) || end_by_failure(it, flow->from, errno);
    flow->begin = 0;
    flow->end = (size_t)length;
    flow->received_all = length == 0;
    if (flow->received_all)
        note_end(it, flow->from);
    *moved = true;
    return true;
}

/* One side may close its ear and still speak. */
static bool fail_to_send(tunnel *it, direction *flow)
{
    if (is_for_later(errno))
        return true;
    if (errno != EPIPE)
        return end_by_failure(it, flow->to, errno);
    flow->begin = flow->end;
    flow->received_all = flow->sent_all = true;
    return true;
}

static bool drain(tunnel *it, direction *flow, bool *moved)
{
    if (flow->sent_all || (flow->begin == flow->end && !flow->received_all))
        return true;
    bool is_end = flow->begin == flow->end;
    ssize_t length =
        is_end ? flow->to->send_end(flow->to)
               : flow->to->send(flow->to, flow->bytes + flow->begin, flow->end - flow->begin);
    if (length < 0)
        return fail_to_send(it, flow);
    flow->begin += (size_t)length;
    flow->sent_all = is_end;
    *moved = true;
    return true;
}

static bool has_bytes(const direction *flow) { return flow->begin < flow->end; }
static bool wants_bytes(const direction *flow) { return !flow->received_all && !has_bytes(flow); }
static bool has_news(const direction *flow)
{
    return !flow->sent_all && (has_bytes(flow) || flow->received_all);
}

static bool is_stopped(const tunnel *it)
{
    struct pollfd stop = {.fd = it->stop, .events = POLLIN};
    return poll(&stop, 1, 0) != 0;
}

static bool look_after(tunnel *it)
{
    const tbk_tunnel_end *far_end = &it->far_end;
    return far_end->look_after == NULL || far_end->look_after(far_end) == 0 ||
           end_by_failure(it, far_end, errno);
}

/* False once the tunnel is to be closed, or its far end is gone. */
static bool wait_for_more(tunnel *it)
{
    struct pollfd fds[] = {
        {.fd = it->stop, .events = POLLIN},
        {.fd = it->near_end.fd,
         .events = socket_events(&it->near_end, wants_bytes(&it->up), has_news(&it->down))},
        {.fd = it->far_end.fd,
         .events = it->far_end.events(&it->far_end, wants_bytes(&it->down), has_news(&it->up))}};
    /* One that is not waited for would tell of its hanging up again and again. */
    for (size_t i = 1; i < sizeof fds / sizeof *fds; i++)
        if (fds[i].events == 0)
            fds[i].fd = -1;
    int ready = poll(fds, sizeof fds / sizeof *fds, LOOK_AFTER_MS);
    return fds[0].revents == 0 && (ready != 0 || look_after(it));
}

static void move_bytes(tunnel *it)
{
    while (!is_stopped(it)) {
        bool moved = false;
        if (!fill(it, &it->down, &moved) || !drain(it, &it->down, &moved) ||
            !fill(it, &it->up, &moved) || !drain(it, &it->up, &moved))
            return;
        if (it->up.sent_all && it->down.sent_all)
            return;
        if (!moved && !wait_for_more(it))
            return;
    }
}

/* --- the client --- */

/* Any other client is refused before a byte has moved. */
static bool accept_ours(tunnel *it)
{
    int on = 1;
    int fd = accept4(it->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    if (!tbk_loopback_peer_is_ours(fd)) {
        (void)close(fd);
        return false;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    it->near_end.fd = fd;
    return true;
}

static bool await_connection(tunnel *it)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = it->stop, .events = POLLIN},
                               {.fd = it->listener, .events = POLLIN}};
        int ready = poll(fds, sizeof fds / sizeof *fds, LOOK_AFTER_MS);
        if (fds[0].revents != 0 || (ready == 0 && !look_after(it)))
            return false;
        if (fds[1].revents != 0 && accept_ours(it))
            return true;
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Closes the listener and the near end, so that no client waits on an ended tunnel. */
static void *serve(void *self)
{
    tunnel *it = self;
    bool connected = await_connection(it);
    close_fd(&it->listener);
    if (connected)
        move_bytes(it);
    close_fd(&it->near_end.fd);
    return NULL;
}

/* --- beginning and closing --- */

static void free_tunnel(tunnel *it)
{
    close_fd(&it->listener);
    close_fd(&it->stop);
    it->far_end.close(&it->far_end);
    (void)pthread_mutex_destroy(&it->lock);
    explicit_bzero(it->up.bytes, FLOW_BYTES);
    explicit_bzero(it->down.bytes, FLOW_BYTES);
    free(it->up.bytes);
    free(it->down.bytes);
    tbk_arena_free(it->arena);
}

static void close_tunnel(void *self)
{
    tunnel *it = self;
    (void)eventfd_write(it->stop, 1);
    (void)pthread_join(it->thread, NULL);
    free_tunnel(it);
}

static bool check_tunnel(void *self, tbk_error *err)
{
    tunnel *it = self;
    char why[sizeof it->why];
    (void)pthread_mutex_lock(&it->lock);
    ending how = it->ending;
    memcpy(why, it->why, sizeof why);
    (void)pthread_mutex_unlock(&it->lock);
    if (how == HUNG_UP)
        return tbk_fail(err, TBK_E_NETWORK, "see whether it was restarted, and repeat",
                        "%s, as '%s' sees it, has ended the connection", it->target, it->vm);
    if (how == BROKEN)
        return tbk_fail(err, TBK_E_NETWORK, "see whether the VM and its network are up, and repeat",
                        "the tunnel through '%s' to %s broke: %s", it->vm, it->target, why);
    return true;
}

/* The host's signals are for the host's threads. */
static int start_thread(tunnel *it)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&it->thread, NULL, serve, it);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

static bool start(tunnel *it, uint16_t *out_port, tbk_error *err)
{
    if (!tbk_loopback_listen(&it->listener, out_port, err))
        return false;
    it->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = it->stop < 0 ? errno : start_thread(it);
    if (status != 0)
        return tbk_fail_errno(err, TBK_E_IO, status, NULL, "cannot serve a tunnel");
    return true;
}

bool tbk_tunnel_fail_refused(const char *reason, tbk_error *err)
{
    if (strstr(reason, "prohibited") != NULL)
        return tbk_fail(err, TBK_E_NETWORK,
                        "let the VM's SSH server forward connections: in /etc/ssh/sshd_config "
                        "'AllowTcpForwarding yes', then 'systemctl reload ssh'",
                        "the SSH server forwards no connection: %s", reason);
    return tbk_fail(err, TBK_E_NETWORK, "see whether the container runs and listens there",
                    "the target does not accept the connection: %s", reason);
}

bool tbk_tunnel_fail_silent(tbk_error *err)
{
    return tbk_fail(err, TBK_E_TIMEOUT, "see whether the address is right and no firewall drops it",
                    "the target has not answered within %d s", TBK_REMOTE_TUNNEL_LIMIT_MS / 1000);
}

bool tbk_tunnel_begin(const tbk_tunnel_end *far_end, const char *vm, const char *target,
                      tbk_remote_tunnel *out, tbk_error *err)
{
    uint16_t port = 0;
    tbk_arena *arena = tbk_arena_new();
    tunnel *it = TBK_ARENA_NEW(arena, tunnel);
    *it = (tunnel){.arena = arena,
                   .vm = tbk_arena_copy(arena, vm),
                   .target = tbk_arena_copy(arena, target),
                   .near_end = tbk_tunnel_socket_end(-1),
                   .far_end = *far_end,
                   .listener = -1,
                   .stop = -1};
    it->up =
        (direction){.from = &it->near_end, .to = &it->far_end, .bytes = tbk_memory_new(FLOW_BYTES)};
    it->down =
        (direction){.from = &it->far_end, .to = &it->near_end, .bytes = tbk_memory_new(FLOW_BYTES)};
    tbk_memory_must(pthread_mutex_init(&it->lock, NULL) == 0);
    if (!start(it, &port, err)) {
        free_tunnel(it);
        return false;
    }
    *out = (tbk_remote_tunnel){.self = it,
                               .host = TBK_LOOPBACK_HOST,
                               .port = port,
                               .check = check_tunnel,
                               .close = close_tunnel};
    return true;
}
