/* SPDX-License-Identifier: MIT */
/* The remote port where this machine is the VM. */
#include "adapters/remote_local.h"

#include "adapters/process.h"
#include "adapters/tunnel.h"
#include "base/auto.h"
#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CANCEL_CHECK_MS 200
#define HERE "this machine"

/* Through the shell as on a VM, so that one quoting and one set of exit statuses (127: no such
 * program) holds for all adapters. */
static bool run_here(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                     tbk_error *err)
{
    tbk_auto_text line = {0};
    tbk_auto_command_io io;
    tbk_command_io_begin(&io, command, self, result);
    tbk_command_io_plain_line(&io, geteuid() == 0, &line);
    const char *const argv[] = {"sh", "-c", tbk_text_string(&line), NULL};
    if (!tbk_process_run(argv, &io, &result->exit_status, err))
        return false;
    if (result->exit_status < 0)
        return tbk_fail(err, TBK_E_IO, "do not ignore SIGCHLD in the host, nor wait for any child",
                        "other code in this process took the exit status of '%s'",
                        command->argv[0]);
    return true;
}

/* --- tunnels: a connection, with the same limits and the same words --- */

static bool await_connected(int fd, int64_t end_ms, const tbk_report *report, tbk_error *err)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int why = 0;
    socklen_t length = sizeof why;
    while (poll(&wait, 1, CANCEL_CHECK_MS) <= 0) {
        if (!tbk_report_go_on(report, err))
            return false;
        if (tbk_clock_monotonic_ms() >= end_ms)
            return tbk_tunnel_fail_silent(err);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &length) != 0)
        why = errno;
    return why == 0 || tbk_tunnel_fail_refused(strerror(why), err);
}

static bool connect_target(const struct addrinfo *address, const tbk_report *report, int *out_fd,
                           tbk_error *err)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + TBK_REMOTE_TUNNEL_LIMIT_MS;
    tbk_auto_fd int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS))
        return tbk_tunnel_fail_refused(strerror(errno), err);
    if (!await_connected(fd, end_ms, report, err))
        return false;
    *out_fd = fd;
    fd = -1;
    return true;
}

static bool open_tunnel(void *self, const char *host, uint16_t port, const tbk_report *report,
                        tbk_remote_tunnel *out, tbk_error *err)
{
    char service[8], target[300];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    int fd = -1;
    (void)self;
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    (void)snprintf(target, sizeof target, "%s port %s", host, service);
    int status = getaddrinfo(host, service, &hints, &addresses);
    if (status != 0)
        return tbk_tunnel_fail_refused(gai_strerror(status), err);
    bool connected = connect_target(addresses, report, &fd, err);
    freeaddrinfo(addresses);
    if (!connected)
        return false;
    const tbk_tunnel_end end = tbk_tunnel_socket_end(fd);
    return tbk_tunnel_begin(&end, HERE, target, out, err);
}

static void close_here(void *self) { (void)self; }

void tbk_remote_local_open(const tbk_report *report, tbk_remote *out)
{
    *out = (tbk_remote){.self = (void *)(uintptr_t)report, /* only ever read */
                        .name = HERE,
                        .run = run_here,
                        .tunnel = open_tunnel,
                        .close = close_here};
}
