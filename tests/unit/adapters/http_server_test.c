/* SPDX-License-Identifier: MIT */
/* The responder over real sockets: a child process serves, this one asks well and badly. */
#include "unit/unit.h"

#include "adapters/http_server.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

typedef struct fixture {
    uint16_t port;
    pid_t server;
} fixture;

static void respond(void *self, const char *path, tbk_http_answer *out)
{
    (void)self;
    if (strcmp(path, "/health") != 0 && strcmp(path, "/bad") != 0 && strcmp(path, "/large") != 0)
        return;
    out->status = strcmp(path, "/bad") == 0 ? 503 : 200;
    out->content_type = "application/json";
    tbk_text_append(&out->body, "{}\n");
    for (int i = 0; strcmp(path, "/large") == 0 && i < 60000; i++)
        tbk_text_append(&out->body, "0123456789");
}

static bool never(void *self)
{
    (void)self;
    return false;
}

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    tbk_error err;
    int fd = -1;
    if (!tbk_http_listen(0, &fd, &self->port, &err))
        return -1;
    self->server = fork();
    if (self->server == 0) {
        tbk_http_serve(fd, respond, never, NULL);
        _exit(0);
    }
    (void)close(fd);
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    (void)kill(self->server, SIGKILL);
    (void)waitpid(self->server, NULL, 0);
    free(self);
    return 0;
}

static int reach(const fixture *self)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(self->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        fail_msg("cannot reach the server");
    return fd;
}

/* Until the server hangs up. */
static void read_all(int fd, tbk_text *out)
{
    char buffer[4096];
    for (ssize_t length; (length = recv(fd, buffer, sizeof buffer, 0)) > 0;)
        tbk_text_append_bytes(out, buffer, (size_t)length);
    (void)close(fd);
}

static void say(int fd, const char *bytes, size_t length)
{
    if (send(fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail_msg("cannot send");
}

static void assert_answer(const fixture *self, const char *request, const char *begins)
{
    tbk_auto_text answer = {0};
    int fd = reach(self);
    say(fd, request, strlen(request));
    read_all(fd, &answer);
    if (!tbk_text_starts_with(tbk_text_string(&answer), begins))
        fail_msg("'%s' was answered by '%s'", request, tbk_text_string(&answer));
}

static void paths_are_answered_with_status_and_body(void **state)
{
    const fixture *self = *state;
    static const struct {
        const char *path;
        int status;
    } cases[] = {{"/health", 200}, {"/bad", 503}, {"/health?x=1", 200}, {"/none", 404}, {"/", 404}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto_text body = {0};
        tbk_error err;
        int status = 0;
        assert_succeeds(tbk_http_get(self->port, cases[i].path, SOON_MS, &status, &body, &err),
                        err);
        assert_int_equal(status, cases[i].status);
        if (status != 404)
            assert_string_equal(tbk_text_string(&body), "{}\n");
    }
}

static void a_large_answer_arrives_whole(void **state)
{
    const fixture *self = *state;
    tbk_auto_text body = {0};
    tbk_error err;
    int status = 0;
    assert_succeeds(tbk_http_get(self->port, "/large", 4000, &status, &body, &err), err);
    assert_int_equal(body.length, 600003);
}

static void head_has_no_body(void **state)
{
    const fixture *self = *state;
    tbk_auto_text answer = {0};
    static const char request[] = "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = reach(self);
    say(fd, request, strlen(request));
    read_all(fd, &answer);
    assert_non_null(strstr(tbk_text_string(&answer), "Content-Length: 3\r\n"));
    assert_true(tbk_text_ends_with(tbk_text_string(&answer), "\r\n\r\n"));
}

static void what_is_no_request_is_refused(void **state)
{
    const fixture *self = *state;
    static const char *const cases[][2] = {
        {"POST /health HTTP/1.1\r\n\r\n", "HTTP/1.1 405"},
        {"DELETE / HTTP/1.1\r\n\r\n", "HTTP/1.1 405"},
        {"nonsense\r\n\r\n", "HTTP/1.1 400"},
        {"GET /health\r\n\r\n", "HTTP/1.1 400"},
        {"GET health HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
        {"GET http://x/health HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
        {"GET /he\x01lth HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
        {"GET /health SPDY/3\r\n\r\n", "HTTP/1.1 400"},
        {"\r\n\r\n", "HTTP/1.1 400"},
        {"GET /../../etc/passwd HTTP/1.0\n\n", "HTTP/1.1 404"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_answer(self, cases[i][0], cases[i][1]);
}

static void a_request_has_a_limit_and_no_nul(void **state)
{
    const fixture *self = *state;
    char large[TBK_HTTP_REQUEST_BYTES_MAX];
    tbk_auto_text answer = {0}, nul = {0};
    static const char begin[] = {'G', 'E', 'T', ' ', '/'};
    memset(large, 'a', sizeof large);
    memcpy(large, begin, sizeof begin);
    int fd = reach(self);
    say(fd, large, sizeof large);
    read_all(fd, &answer);
    assert_true(tbk_text_starts_with(tbk_text_string(&answer), "HTTP/1.1 413"));
    fd = reach(self);
    say(fd, "GET /health\0 HTTP/1.1\r\n\r\n", 25);
    read_all(fd, &nul);
    assert_true(tbk_text_starts_with(tbk_text_string(&nul), "HTTP/1.1 400"));
}

static void a_request_may_come_byte_by_byte(void **state)
{
    const fixture *self = *state;
    tbk_auto_text answer = {0};
    static const char request[] = "GET /health HTTP/1.1\r\n\r\n";
    int fd = reach(self);
    for (size_t i = 0; i < strlen(request); i++)
        say(fd, request + i, 1);
    read_all(fd, &answer);
    assert_true(tbk_text_starts_with(tbk_text_string(&answer), "HTTP/1.1 200"));
}

/* As many silent clients as there are places, and one more that asks: it is served when the first
 * ones have had their time. */
static void silent_clients_are_hung_up_on_and_others_wait_for_them(void **state)
{
    const fixture *self = *state;
    int silent[TBK_HTTP_CONNECTIONS_MAX];
    tbk_auto_text body = {0};
    tbk_error err;
    int status = 0;
    int64_t started_ms = tbk_clock_monotonic_ms();
    for (size_t i = 0; i < TBK_HTTP_CONNECTIONS_MAX; i++)
        silent[i] = reach(self);
    assert_succeeds(tbk_http_get(self->port, "/health", SOON_MS, &status, &body, &err), err);
    assert_in_range(tbk_clock_monotonic_ms() - started_ms, 1000, SOON_MS);
    for (size_t i = 0; i < TBK_HTTP_CONNECTIONS_MAX; i++) {
        char byte;
        assert_int_equal(recv(silent[i], &byte, 1, 0), 0);
        (void)close(silent[i]);
    }
}

static void who_does_not_read_is_hung_up_on(void **state)
{
    const fixture *self = *state;
    static const char request[] = "GET /large HTTP/1.1\r\n\r\n";
    int small = 4096, fd = reach(self);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(fd, request, strlen(request));
    (void)poll(NULL, 0, TBK_HTTP_TIMEOUT_MS + 1500);
    tbk_auto_text answer = {0};
    read_all(fd, &answer);
    tbk_auto_text body = {0};
    tbk_error err;
    int status = 0;
    assert_succeeds(tbk_http_get(self->port, "/health", SOON_MS, &status, &body, &err), err);
}

static void a_client_says_when_no_server_answers_and_when_it_takes_too_long(void **state)
{
    const fixture *self = *state;
    tbk_auto_text body = {0};
    tbk_error err;
    int status = 0, fd = -1;
    uint16_t port = 0;
    assert_succeeds(tbk_http_listen(0, &fd, &port, &err), err);
    assert_fails(tbk_http_get(port, "/health", 300, &status, &body, &err), err, TBK_E_TIMEOUT,
                 "no answer in time");
    (void)close(fd);
    assert_fails(tbk_http_get(port, "/health", 300, &status, &body, &err), err, TBK_E_NETWORK,
                 "no server answers on port");
    assert_fails(tbk_http_listen(self->port, &fd, &port, &err), err, TBK_E_CONFIG,
                 "cannot listen on port");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_are_answered_with_status_and_body),
        TEST(a_large_answer_arrives_whole),
        TEST(head_has_no_body),
        TEST(what_is_no_request_is_refused),
        TEST(a_request_has_a_limit_and_no_nul),
        TEST(a_request_may_come_byte_by_byte),
        TEST(silent_clients_are_hung_up_on_and_others_wait_for_them),
        TEST(who_does_not_read_is_hung_up_on),
        TEST(a_client_says_when_no_server_answers_and_when_it_takes_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
