/* SPDX-License-Identifier: MIT */
/* Accepts, reads one request, answers, closes: by poll, with a limit on everything. */
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

#define BACKLOG 16
#define POLL_MS 1000
#define PATH_BYTES_MAX 128
/* What a client still sends after its answer is read for so long, so that the answer is not lost to
 * a reset. */
#define LINGER_MS 500

typedef struct connection {
    int fd; /* -1 = free */
    int64_t end_ms;
    char request[TBK_HTTP_REQUEST_BYTES_MAX + 1];
    size_t request_length;
    tbk_text answer; /* empty until the request is complete */
    size_t sent;
    bool lingers; /* all is sent */
} connection;

typedef struct server {
    connection connections[TBK_HTTP_CONNECTIONS_MAX];
    tbk_http_respond *respond;
    void *self;
} server;

/* --- one answer --- */

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Error";
    }
}

static void write_answer(connection *it, const tbk_http_answer *answer, bool head_only)
{
    tbk_text_format(&it->answer,
                    "HTTP/1.1 %d %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n"
                    "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                    answer->status, reason_of(answer->status),
                    answer->status == 405 ? "Allow: GET, HEAD\r\n" : "",
                    answer->content_type != NULL ? answer->content_type : "text/plain",
                    answer->body.length);
    if (!head_only)
        tbk_text_append_bytes(&it->answer, tbk_text_string(&answer->body), answer->body.length);
}

static void refuse(connection *it, int status)
{
    tbk_http_answer answer = {.status = status};
    tbk_text_format(&answer.body, "%d %s\n", status, reason_of(status));
    write_answer(it, &answer, false);
    tbk_text_end(&answer.body);
}

/* "GET /path?query HTTP/1.1": the path into out; false when the line is none. */
static bool read_path(const char *target, char out[PATH_BYTES_MAX])
{
    size_t length = strcspn(target, " ?\r\n");
    const char *version = strchr(target, ' ');
    if (target[0] != '/' || length >= PATH_BYTES_MAX || version == NULL ||
        strncmp(version, " HTTP/1.", 8) != 0)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)target[i] <= ' ' || (unsigned char)target[i] > '~')
            return false;
    memcpy(out, target, length);
    out[length] = '\0';
    return true;
}

static void respond(const server *self, connection *it)
{
    char path[PATH_BYTES_MAX];
    bool is_get = strncmp(it->request, "GET ", 4) == 0;
    bool is_head = strncmp(it->request, "HEAD ", 5) == 0;
    char *line_end = strpbrk(it->request, "\r\n");
    if (line_end != NULL)
        *line_end = '\0';
    if (!is_get && !is_head) {
        refuse(it, strchr(it->request, ' ') != NULL ? 405 : 400);
        return;
    }
    if (!read_path(it->request + (is_get ? 4 : 5), path)) {
        refuse(it, 400);
        return;
    }
    tbk_http_answer answer = {.status = 404};
    self->respond(self->self, path, &answer);
    if (answer.status == 404)
        refuse(it, 404);
    else
        write_answer(it, &answer, is_head);
    tbk_text_end(&answer.body);
}

/* --- connections --- */

static void hang_up(connection *it)
{
    if (it->fd >= 0)
        (void)close(it->fd);
    tbk_text_end(&it->answer);
    *it = (connection){.fd = -1};
}

static void take(server *self, int listen_fd)
{
    for (size_t i = 0; i < TBK_HTTP_CONNECTIONS_MAX; i++) {
        connection *it = &self->connections[i];
        if (it->fd >= 0)
            continue;
        it->fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        it->end_ms = tbk_clock_monotonic_ms() + TBK_HTTP_TIMEOUT_MS;
        return;
    }
}

static bool is_complete(const connection *it)
{
    return strstr(it->request, "\r\n\r\n") != NULL || strstr(it->request, "\n\n") != NULL;
}

static void read_request(const server *self, connection *it)
{
    ssize_t length = recv(it->fd, it->request + it->request_length,
                          TBK_HTTP_REQUEST_BYTES_MAX - it->request_length, 0);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) {
        hang_up(it);
        return;
    }
    if (length < 0)
        return;
    it->request_length += (size_t)length;
    it->request[it->request_length] = '\0';
    if (strlen(it->request) < it->request_length)
        refuse(it, 400); /* a NUL in it */
    else if (is_complete(it))
        respond(self, it);
    else if (it->request_length == TBK_HTTP_REQUEST_BYTES_MAX)
        refuse(it, 413);
}

static void linger(connection *it)
{
    ssize_t length = recv(it->fd, it->request, TBK_HTTP_REQUEST_BYTES_MAX, 0);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        hang_up(it);
}

static void send_answer(connection *it)
{
    ssize_t length =
        send(it->fd, it->answer.bytes + it->sent, it->answer.length - it->sent, MSG_NOSIGNAL);
    if (length < 0 && errno != EAGAIN && errno != EINTR) {
        hang_up(it);
        return;
    }
    if (length > 0)
        it->sent += (size_t)length;
    if (it->sent < it->answer.length)
        return;
    int64_t linger_end_ms = tbk_clock_monotonic_ms() + LINGER_MS;
    it->lingers = true;
    it->end_ms = it->end_ms < linger_end_ms ? it->end_ms : linger_end_ms;
    (void)shutdown(it->fd, SHUT_WR);
}

static bool is_answered(const connection *it) { return it->answer.length > 0; }

static void attend(const server *self, connection *it, short events)
{
    if (events != 0 && it->lingers)
        linger(it);
    else if (events != 0 && is_answered(it))
        send_answer(it);
    else if (events != 0)
        read_request(self, it);
    if (it->fd >= 0 && tbk_clock_monotonic_ms() >= it->end_ms)
        hang_up(it);
}

/* Fills fds, the listening socket last; it is left out while there is no room. */
static void expect(const server *self, int listen_fd, struct pollfd *fds)
{
    bool has_space = false;
    for (size_t i = 0; i < TBK_HTTP_CONNECTIONS_MAX; i++) {
        const connection *it = &self->connections[i];
        bool writes = is_answered(it) && !it->lingers;
        fds[i] = (struct pollfd){.fd = it->fd, .events = writes ? POLLOUT : POLLIN};
        has_space = has_space || it->fd < 0;
    }
    fds[TBK_HTTP_CONNECTIONS_MAX] =
        (struct pollfd){.fd = has_space ? listen_fd : -1, .events = POLLIN};
}

static void serve_once(server *self, int listen_fd)
{
    struct pollfd fds[TBK_HTTP_CONNECTIONS_MAX + 1];
    expect(self, listen_fd, fds);
    if (poll(fds, TBK_HTTP_CONNECTIONS_MAX + 1, POLL_MS) < 0)
        memset(fds, 0, sizeof fds);
    for (size_t i = 0; i < TBK_HTTP_CONNECTIONS_MAX; i++)
        if (self->connections[i].fd >= 0)
            attend(self, &self->connections[i], fds[i].revents);
    if (fds[TBK_HTTP_CONNECTIONS_MAX].revents != 0)
        take(self, listen_fd);
}

void tbk_http_serve(int listen_fd, tbk_http_respond *respond_to, bool (*cancelled)(void *self),
                    void *self)
{
    server it = {.respond = respond_to, .self = self};
    for (size_t i = 0; i < TBK_HTTP_CONNECTIONS_MAX; i++)
        it.connections[i].fd = -1;
    while (!cancelled(self))
        serve_once(&it, listen_fd);
    for (size_t i = 0; i < TBK_HTTP_CONNECTIONS_MAX; i++)
        hang_up(&it.connections[i]);
}

bool tbk_http_listen(uint16_t port, int *out_fd, uint16_t *out_port, tbk_error *err)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t length = sizeof address;
    int yes = 1;
    tbk_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return tbk_fail_errno(err, TBK_E_CONFIG, errno, "name another port with --port",
                              "cannot listen on port %u", (unsigned)port);
    *out_port = ntohs(address.sin_port);
    *out_fd = fd;
    fd = -1;
    return true;
}
