/* SPDX-License-Identifier: MIT */
/* TCP on this machine's loopback, for processes of one user only. */
#include "adapters/loopback.h"

#include "base/auto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define WAITING_MAX 8
#define ESTABLISHED 1 /* as /proc has it; in other states it names no owner */

bool tbk_loopback_listen(int *out_fd, uint16_t *out_port, tbk_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    tbk_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, WAITING_MAX) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL,
                              "cannot listen on this machine's own address " TBK_LOOPBACK_HOST);
    *out_port = ntohs(address.sin_port);
    *out_fd = fd;
    fd = -1;
    return true;
}

/* A line of /proc/net/tcp; addresses are written as the kernel keeps them, ports are not. */
typedef struct connection {
    in_addr_t local, remote;
    unsigned local_port, remote_port, state, user;
} connection;

static bool read_connection(const char *line, connection *out)
{
    unsigned local, remote;
    if (sscanf(line, " %*u: %8x:%4x %8x:%4x %2x %*8x:%*8x %*2x:%*8x %*8x %u", &local,
               &out->local_port, &remote, &out->remote_port, &out->state, &out->user) != 6)
        return false;
    out->local = local;
    out->remote = remote;
    return true;
}

/* Looks for the connection as the other end has it: what is local here is remote there. */
static bool is_listed_as_ours(FILE *list, const struct sockaddr_in *here,
                              const struct sockaddr_in *there)
{
    char line[512];
    connection found;
    while (fgets(line, sizeof line, list) != NULL)
        if (read_connection(line, &found) && found.state == ESTABLISHED &&
            found.local == there->sin_addr.s_addr && found.local_port == ntohs(there->sin_port) &&
            found.remote == here->sin_addr.s_addr && found.remote_port == ntohs(here->sin_port))
            return found.user == geteuid();
    return false;
}

bool tbk_loopback_peer_is_ours(int fd)
{
    struct sockaddr_in here = {0}, there = {0};
    socklen_t here_length = sizeof here, there_length = sizeof there;
    if (getsockname(fd, (struct sockaddr *)&here, &here_length) != 0 ||
        getpeername(fd, (struct sockaddr *)&there, &there_length) != 0)
        return false;
    FILE *list = fopen("/proc/thread-self/net/tcp", "re");
    if (list == NULL)
        return false;
    bool is_ours = is_listed_as_ours(list, &here, &there);
    (void)fclose(list);
    return is_ours;
}
