/* SPDX-License-Identifier: MIT */
/* Asks a port of this machine once, with one limit for all of it. */
#include "adapters/http_server.h"
#include "base/auto.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (1u << 20)

static bool await(int fd, short events, int64_t end_ms, tbk_error *err)
{
    for (;;) {
        struct pollfd one = {.fd = fd, .events = events};
        int64_t left_ms = end_ms - tbk_clock_monotonic_ms();
        int ready = left_ms > 0 ? poll(&one, 1, (int)left_ms) : 0;
        if (ready > 0)
            return true;
        if (ready == 0)
            return tbk_fail(err, TBK_E_TIMEOUT, NULL, "no answer in time");
        if (errno != EINTR)
            return tbk_fail_errno(err, TBK_E_NETWORK, errno, NULL, "cannot wait for an answer");
    }
}

static bool reach(uint16_t port, int64_t end_ms, int *out_fd, tbk_error *err)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int problem = 0;
    socklen_t length = sizeof problem;
    tbk_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_NETWORK, errno, NULL, "cannot make a socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)
        return tbk_fail_errno(err, TBK_E_NETWORK, errno, NULL, "no server answers on port %u",
                              (unsigned)port);
    if (!await(fd, POLLOUT, end_ms, err))
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length) != 0 || problem != 0)
        return tbk_fail_errno(err, TBK_E_NETWORK, problem, NULL, "no server answers on port %u",
                              (unsigned)port);
    *out_fd = fd;
    fd = -1;
    return true;
}

static bool receive(int fd, int64_t end_ms, tbk_text *out, tbk_error *err)
{
    char buffer[4096];
    for (;;) {
        if (!await(fd, POLLIN, end_ms, err))
            return false;
        ssize_t length = recv(fd, buffer, sizeof buffer, 0);
        if (length == 0)
            return true;
        if (length < 0 && errno != EAGAIN && errno != EINTR)
            return tbk_fail_errno(err, TBK_E_NETWORK, errno, NULL, "the answer was cut off");
        if (length > 0)
            tbk_text_append_bytes(out, buffer, (size_t)length);
        if (out->length > ANSWER_BYTES_MAX)
            return tbk_fail(err, TBK_E_NETWORK, NULL, "the answer does not end");
    }
}

bool tbk_http_get(uint16_t port, const char *path, int timeout_ms, int *out_status,
                  tbk_text *out_body, tbk_error *err)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + timeout_ms;
    tbk_auto_fd int fd = -1;
    tbk_auto_text request = {0}, answer = {0};
    tbk_text_format(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                    path);
    if (!reach(port, end_ms, &fd, err))
        return false;
    /* Less than any socket's buffer: it is sent at once. */
    if (send(fd, request.bytes, request.length, MSG_NOSIGNAL) != (ssize_t)request.length)
        return tbk_fail_errno(err, TBK_E_NETWORK, errno, NULL, "the request was not taken");
    if (!receive(fd, end_ms, &answer, err))
        return false;
    const char *text = tbk_text_string(&answer), *body = strstr(text, "\r\n\r\n");
    if (body == NULL || sscanf(text, "HTTP/1.%*1d %3d", out_status) != 1)
        return tbk_fail(err, TBK_E_NETWORK, NULL, "the answer is not HTTP");
    tbk_text_append(out_body, body + 4);
    return true;
}
