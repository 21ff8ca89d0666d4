/* SPDX-License-Identifier: MIT */
/* One contract for the tunnels of the three ways to the VM: libssh2, the ssh program, here. */
#include "contract/ways.h"

#include <pthread.h>
#include <stdatomic.h>

#define MUCH ((size_t)24 << 20)

static tbk_error err;

/* --- targets --- */

/* What one connection of a target does. */
typedef struct target {
    int listener;
    uint16_t port;
    void (*talk)(int fd);
    pthread_t thread;
} target;

static void *serve_one(void *self)
{
    target *it = self;
    int fd = accept4(it->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        it->talk(fd);
        (void)close(fd);
    }
    return NULL;
}

static void begin_target(target *it, void (*talk)(int fd))
{
    *it = (target){.talk = talk};
    it->listener = listen_on_loopback(8, &it->port);
    assert_int_equal(pthread_create(&it->thread, NULL, serve_one, it), 0);
}

static void end_target(target *it)
{
    (void)shutdown(it->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(it->thread, NULL), 0);
    (void)close(it->listener);
}

static void write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = send(fd, bytes, length, MSG_NOSIGNAL);
        if (written <= 0)
            return;
        bytes += written;
        length -= (size_t)written;
    }
}

static void echo(int fd)
{
    static char buffer[65536];
    ssize_t length;
    while ((length = recv(fd, buffer, sizeof buffer, 0)) > 0)
        write_all(fd, buffer, (size_t)length);
}

/* As a database server does. */
static void greet(int fd)
{
    write_all(fd, "hello", 5);
    echo(fd);
}

/* Answers only after the end of what it is sent. */
static void count(int fd)
{
    static char buffer[65536];
    size_t total = 0;
    ssize_t length;
    while ((length = recv(fd, buffer, sizeof buffer, 0)) > 0)
        total += (size_t)length;
    const char *text = text_of("%zu bytes", total);
    write_all(fd, text, strlen(text));
}

static void hang_up(int fd)
{
    char byte;
    (void)!recv(fd, &byte, 1, 0);
}

static atomic_bool is_closed; /* the tunnel: what waits for the target instead fails by its time */

static bool tunnel_is_closed(void) { return is_closed; }

static void read_nothing(int fd)
{
    (void)fd;
    (void)waits_for(tunnel_is_closed);
}

/* --- using a tunnel --- */

static bool open_to(uint16_t port, const tbk_report *report, tbk_remote_tunnel *out)
{
    return tbk_remote_tunnel_open(&remote, "127.0.0.1", port, report, out, &err);
}

/* No read of these tests waits longer than a minute. */
static int connect_to(const tbk_remote_tunnel *tunnel)
{
    struct sockaddr_in address = address_of(tunnel->port);
    const struct timeval limit = {.tv_sec = 60};
    assert_string_equal(tunnel->host, "127.0.0.1");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static size_t read_up_to(int fd, char *bytes, size_t length)
{
    size_t total = 0;
    ssize_t got;
    while (total < length && (got = recv(fd, bytes + total, length - total, 0)) > 0)
        total += (size_t)got;
    return total;
}

static void assert_read(int fd, const char *text)
{
    char found[128] = "";
    assert_int_equal(read_up_to(fd, found, strlen(text)), strlen(text));
    assert_string_equal(found, text);
}

/* The end, and not the limit of a wait. */
static void assert_end(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    assert_true(got == 0 || (got < 0 && errno != EAGAIN));
}

static void carries_what_is_said_both_ways(void **state)
{
    (void)state;
    target server;
    tbk_auto_remote_tunnel tunnel = {0};
    begin_target(&server, greet);
    assert_ok(open_to(server.port, NULL, &tunnel));
    int fd = connect_to(&tunnel);
    assert_read(fd, "hello");
    write_all(fd, "how are you", 11);
    assert_read(fd, "how are you");
    assert_ok(tunnel.check(tunnel.self, &err));
    (void)close(fd);
    end_target(&server); /* which saw the end */
    assert_ok(tunnel.check(tunnel.self, &err));
}

static char byte_at(size_t index) { return (char)(index * 2654435761u >> 13); }

static void *send_much(void *fd)
{
    static char bytes[65536];
    for (size_t at = 0; at < MUCH; at += sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = byte_at(at + i);
        write_all(*(int *)fd, bytes, sizeof bytes);
    }
    (void)shutdown(*(int *)fd, SHUT_WR);
    return NULL;
}

static void carries_much_both_ways_at_once(void **state)
{
    (void)state;
    target server;
    pthread_t writer;
    tbk_auto_remote_tunnel tunnel = {0};
    begin_target(&server, echo);
    assert_ok(open_to(server.port, NULL, &tunnel));
    int fd = connect_to(&tunnel);
    assert_int_equal(pthread_create(&writer, NULL, send_much, &fd), 0);
    tbk_auto_free char *bytes = malloc(MUCH + 1);
    size_t got = read_up_to(fd, bytes, MUCH + 1);
    assert_int_equal(pthread_join(writer, NULL), 0);
    (void)close(fd);
    end_target(&server);
    assert_int_equal(got, MUCH);
    for (size_t i = 0; i < MUCH; i++)
        if (bytes[i] != byte_at(i))
            fail_msg("byte %zu is another one", i);
}

static void carries_an_answer_after_the_end_of_the_question(void **state)
{
    (void)state;
    target server;
    tbk_auto_remote_tunnel tunnel = {0};
    begin_target(&server, count);
    assert_ok(open_to(server.port, NULL, &tunnel));
    int fd = connect_to(&tunnel);
    (void)send_much(&fd);
    assert_read(fd, text_of("%zu bytes", MUCH));
    assert_end(fd);
    (void)close(fd);
    end_target(&server);
    assert_ok(tunnel.check(tunnel.self, &err));
}

static void commands_run_beside_it(void **state)
{
    (void)state;
    target server, other;
    tbk_auto_remote_tunnel tunnel = {0};
    tbk_auto_remote_tunnel second = {0};
    begin_target(&server, echo);
    begin_target(&other, greet);
    assert_ok(open_to(server.port, NULL, &tunnel));
    assert_ok(open_to(other.port, NULL, &second));
    int fd = connect_to(&tunnel), second_fd = connect_to(&second);
    const char *const argv[] = {"echo", "beside", NULL};
    const tbk_remote_command command = {.argv = argv};
    tbk_auto_remote_result result = {0};
    assert_ok(remote.run(remote.self, &command, &result, &err));
    assert_string_equal(tbk_text_string(&result.output), "beside\n");
    write_all(fd, "first", 5);
    assert_read(second_fd, "hello");
    assert_read(fd, "first");
    (void)close(fd);
    (void)close(second_fd);
    end_target(&server);
    end_target(&other);
}

/* --- who may use it --- */

/* Another user's process, at its port. Exit status 0: it was turned away. */
static void be_another_user(const tbk_remote_tunnel *tunnel)
{
    char byte;
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
        _exit(2);
    int fd = connect_to(tunnel);
    (void)send(fd, "x", 1, MSG_NOSIGNAL);
    ssize_t got = recv(fd, &byte, 1, 0);
    _exit(got == 0 || (got < 0 && errno == ECONNRESET) ? 0 : 1);
}

static void turns_other_users_away(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_because("needs root, to be another user");
    target server;
    int status = 0;
    tbk_auto_remote_tunnel tunnel = {0};
    begin_target(&server, greet);
    assert_ok(open_to(server.port, NULL, &tunnel));
    pid_t other = fork();
    if (other == 0)
        be_another_user(&tunnel);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
    int fd = connect_to(&tunnel);
    assert_read(fd, "hello");
    (void)close(fd);
    end_target(&server);
}

static void takes_one_connection(void **state)
{
    (void)state;
    target server;
    tbk_auto_remote_tunnel tunnel = {0};
    begin_target(&server, greet);
    assert_ok(open_to(server.port, NULL, &tunnel));
    int fd = connect_to(&tunnel);
    assert_read(fd, "hello");
    assert_int_equal(connect_to(&tunnel), -1);
    (void)close(fd);
    end_target(&server);
}

/* --- how it fails --- */

static bool works_on(void)
{
    const char *const argv[] = {"true", NULL};
    const tbk_remote_command command = {.argv = argv};
    tbk_auto_remote_result result = {0};
    return remote.run(remote.self, &command, &result, &err) && result.exit_status == 0;
}

static void tells_that_nothing_listens(void **state)
{
    (void)state;
    tbk_remote_tunnel tunnel = {0};
    const uint16_t port = refused_port;
    int64_t begin_ms = tbk_clock_monotonic_ms();
    assert_error(open_to(port, NULL, &tunnel), TBK_E_NETWORK);
    assert_soon(begin_ms);
    assert_contains(err.message, text_of("127.0.0.1 port %u", port));
    assert_true(strcasestr(err.message, "refused") != NULL ||
                strstr(err.message, "connect failed") != NULL);
    assert_contains(err.fix, "runs and listens");
    tbk_remote_tunnel_close(&tunnel);
    assert_ok(works_on());
}

/* As an address that nothing answers for: its queue is full, so what comes is not answered. */
static void be_deaf(int fds[4], uint16_t *port)
{
    fds[0] = listen_on_loopback(0, port);
    struct sockaddr_in address = address_of(*port);
    for (int i = 1; i < 4; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&address, sizeof address);
    }
}

static void close_all(const int fds[4])
{
    for (int i = 0; i < 4; i++)
        (void)close(fds[i]);
}

static void gives_up_on_a_target_that_does_not_answer(void **state)
{
    (void)state;
    int fds[4];
    uint16_t port = 0;
    tbk_remote_tunnel tunnel = {0};
    be_deaf(fds, &port);
    int64_t begin_ms = tbk_clock_monotonic_ms();
    bool opened = open_to(port, NULL, &tunnel);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    close_all(fds);
    assert_error(opened, TBK_E_TIMEOUT);
    assert_true(took_ms < SOON_MS);
    assert_contains(err.message, "the target has not answered within 10 s");
    assert_ok(works_on());
}

static void can_be_cancelled_while_opening(void **state)
{
    (void)state;
    int fds[4];
    uint16_t port = 0;
    tbk_remote_tunnel tunnel = {0};
    be_deaf(fds, &port);
    int64_t cancel_ms = tbk_clock_monotonic_ms() + 1500;
    const tbk_report impatient = {.self = &cancel_ms, .cancelled = cancelled_soon};
    bool opened = open_to(port, &impatient, &tunnel);
    int64_t late_ms = tbk_clock_monotonic_ms() - cancel_ms;
    close_all(fds);
    assert_error(opened, TBK_E_INTERRUPTED);
    assert_true(late_ms < SOON_MS);
    assert_ok(works_on());
}

static void tells_that_the_target_hung_up(void **state)
{
    (void)state;
    target server;
    tbk_auto_remote_tunnel tunnel = {0};
    begin_target(&server, hang_up);
    assert_ok(open_to(server.port, NULL, &tunnel));
    int fd = connect_to(&tunnel);
    write_all(fd, "x", 1);
    assert_end(fd);
    assert_error(tunnel.check(tunnel.self, &err), TBK_E_NETWORK);
    assert_contains(err.message, "has ended the connection");
    (void)close(fd);
    end_target(&server);
}

/* --- closing --- */

static void closes_without_a_client(void **state)
{
    (void)state;
    target server;
    tbk_remote_tunnel tunnel = {0};
    begin_target(&server, greet);
    assert_ok(open_to(server.port, NULL, &tunnel));
    tbk_remote_tunnel_close(&tunnel);
    tbk_remote_tunnel_close(&tunnel);
    end_target(&server);
}

/* While much is on its way in both directions, and no side reads it. */
static void closes_in_the_middle(void **state)
{
    (void)state;
    target server;
    pthread_t writer;
    tbk_remote_tunnel tunnel = {0};
    is_closed = false;
    begin_target(&server, read_nothing);
    assert_ok(open_to(server.port, NULL, &tunnel));
    int fd = connect_to(&tunnel);
    assert_int_equal(pthread_create(&writer, NULL, send_much, &fd), 0);
    (void)usleep(300000);
    int64_t begin_ms = tbk_clock_monotonic_ms();
    tbk_remote_tunnel_close(&tunnel);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    is_closed = true;
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_end(fd);
    (void)close(fd);
    end_target(&server);
    assert_true(took_ms < SOON_MS);
    assert_ok(works_on());
}

/* --- a cut connection; the last tests of a group, for it does not come back --- */

static void *cut_soon(void *unused)
{
    (void)unused;
    (void)usleep(300000);
    cut_connections();
    return NULL;
}

static void tells_that_the_connection_was_cut(void **state)
{
    (void)state;
    target server;
    pthread_t cutter;
    tbk_auto_remote_tunnel tunnel = {0};
    begin_target(&server, greet);
    assert_ok(open_to(server.port, NULL, &tunnel));
    int fd = connect_to(&tunnel);
    assert_read(fd, "hello");
    assert_int_equal(pthread_create(&cutter, NULL, cut_soon, NULL), 0);
    int64_t begin_ms = tbk_clock_monotonic_ms();
    assert_end(fd);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    assert_int_equal(pthread_join(cutter, NULL), 0);
    assert_true(took_ms < SOON_MS);
    assert_error(tunnel.check(tunnel.self, &err), TBK_E_NETWORK);
    (void)close(fd);
    end_target(&server);
}

/* --- a server that forwards nothing --- */

static int restart_without_forwarding(void **state)
{
    (void)state;
    return sshd_restart("AllowTcpForwarding no") ? 0 : -1;
}

static void check_not_forwarded(tbk_ssh_program program)
{
    tbk_remote_tunnel tunnel = {0};
    assert_int_equal(open_remote(program), 0);
    assert_error(open_to(refused_port, NULL, &tunnel), TBK_E_NETWORK);
    assert_contains(err.message, "forwards no connection");
    assert_contains(err.fix, "AllowTcpForwarding yes");
    assert_ok(works_on());
    assert_int_equal(close_remote(NULL), 0);
}

static void tells_that_the_server_forwards_nothing(void **state)
{
    (void)state;
    check_not_forwarded(TBK_SSH_LIBSSH2);
    check_not_forwarded(TBK_SSH_OPENSSH);
}

/* What each way to the VM must do. */
#define EVERY_WAY                                                                                  \
    cmocka_unit_test(carries_what_is_said_both_ways),                                              \
        cmocka_unit_test(carries_much_both_ways_at_once),                                          \
        cmocka_unit_test(carries_an_answer_after_the_end_of_the_question),                         \
        cmocka_unit_test(commands_run_beside_it), cmocka_unit_test(turns_other_users_away),        \
        cmocka_unit_test(takes_one_connection), cmocka_unit_test(tells_that_nothing_listens),      \
        cmocka_unit_test(gives_up_on_a_target_that_does_not_answer),                               \
        cmocka_unit_test(can_be_cancelled_while_opening),                                          \
        cmocka_unit_test(tells_that_the_target_hung_up),                                           \
        cmocka_unit_test(closes_without_a_client), cmocka_unit_test(closes_in_the_middle)

int main(void)
{
    const struct CMUnitTest over_a_connection[] = {
        EVERY_WAY, cmocka_unit_test(tells_that_the_connection_was_cut)};
    const struct CMUnitTest on_this_machine[] = {EVERY_WAY}; /* no connection to be cut */
    const struct CMUnitTest without_forwarding[] = {
        cmocka_unit_test(tells_that_the_server_forwards_nothing)};
    int failed = sshd_start(NULL) != 0;
    if (!failed) {
        failed |= run_every_way(over_a_connection, on_this_machine);
        failed |= cmocka_run_group_tests_name("no forwarding", without_forwarding,
                                              restart_without_forwarding, NULL);
    }
    failed |= sshd_stop(NULL) != 0;
    return failed ? 1 : 0;
}
