/* SPDX-License-Identifier: MIT */
/* A server that wants more of its client than a database's answers: files of its machine. */
#include "database/mysql/mysql_internal.h"
#include "unit/unit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROTOCOL_41 = 0x200, SECURE = 0x8000, LOCAL_FILES = 0x80, PLUGIN_AUTH = 0x80000 };
#define CAPABILITIES (PROTOCOL_41 | SECURE | LOCAL_FILES | PLUGIN_AUTH | 1)

static int listener = -1;
static uint16_t port;

/* --- the server: a process of its own, whose exit status is what the client did --- */

enum { ASKED_IN_VAIN = 0, GOT_A_FILE = 1, CLIENT_OFFERS_FILES = 2, NOTHING_SEEN = 3 };

static void put_packet(int fd, unsigned char number, const void *bytes, size_t length)
{
    unsigned char packet[512] = {(unsigned char)length, (unsigned char)(length >> 8), 0, number};
    memcpy(packet + 4, bytes, length);
    (void)!write(fd, packet, length + 4);
}

/* The bytes after the packet's head; below 0 at the end. */
static ssize_t take_packet(int fd, unsigned char *number, unsigned char *bytes, size_t size)
{
    unsigned char head[4];
    if (recv(fd, head, sizeof head, MSG_WAITALL) != (ssize_t)sizeof head)
        return -1;
    const size_t length = (size_t)head[0] | (size_t)head[1] << 8;
    *number = head[3];
    if (length == 0)
        return 0;
    return length <= size ? recv(fd, bytes, length, MSG_WAITALL) : -1;
}

static void greet(int fd)
{
    unsigned char greeting[128] = {10};
    size_t at = 1;
    memcpy(greeting + at, "8.4.0", 6);
    at += 6 + 4; /* and the session's number */
    memcpy(greeting + at, "abcdefgh", 8);
    at += 8 + 1;
    greeting[at++] = CAPABILITIES & 0xff;
    greeting[at++] = CAPABILITIES >> 8 & 0xff;
    greeting[at++] = 33; /* character set */
    greeting[at++] = 2;  /* status: autocommit */
    greeting[at++] = 0;
    greeting[at++] = CAPABILITIES >> 16 & 0xff;
    greeting[at++] = 0;
    greeting[at++] = 21; /* bytes of the scramble */
    at += 10;
    memcpy(greeting + at, "ijklmnopqrst", 13);
    at += 13;
    memcpy(greeting + at, "mysql_native_password", 22);
    put_packet(fd, 0, greeting, at + 22);
}

static int serve(int fd)
{
    static const unsigned char good[] = {0, 0, 0, 2, 0, 0, 0};
    unsigned char bytes[4096], number = 0;
    greet(fd);
    if (take_packet(fd, &number, bytes, sizeof bytes) < 4)
        return NOTHING_SEEN;
    if ((bytes[0] & LOCAL_FILES) != 0)
        return CLIENT_OFFERS_FILES;
    put_packet(fd, (unsigned char)(number + 1), good, sizeof good);
    if (take_packet(fd, &number, bytes, sizeof bytes) < 1)
        return NOTHING_SEEN;
    put_packet(fd, 1, "\xfb/etc/passwd", strlen("\xfb/etc/passwd"));
    if (take_packet(fd, &number, bytes, sizeof bytes) > 0)
        return GOT_A_FILE;
    put_packet(fd, (unsigned char)(number + 1), good, sizeof good);
    return ASKED_IN_VAIN;
}

static pid_t start_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &length), 0);
    port = ntohs(at.sin_port);
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(20);
        _exit(serve(accept(listener, NULL, NULL)));
    }
    (void)close(listener);
    return child;
}

static void gives_no_file_to_a_server_that_asks(void **state)
{
    (void)state;
    tbk_error err;
    MYSQL *connection = NULL;
    int status = 0;
    pid_t child = start_server();
    const tbk_mysql_server server = {
        .host = "127.0.0.1", .port = port, .user = "u", .password = "p", .answer_limit_s = 10};
    (void)signal(SIGPIPE, SIG_IGN);
    assert_fails(tbk_mysql_connect(&server, &connection, &err), err, TBK_E_FAILED, "forbidden");
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ASKED_IN_VAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gives_no_file_to_a_server_that_asks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
