/* SPDX-License-Identifier: MIT */
/* A real SSH server on the loopback, for the tests that need one; see sshd.sh. */
#ifndef TBK_TESTS_CONTRACT_SSHD_H
#define TBK_TESTS_CONTRACT_SSHD_H

#include "adapters/ssh.h"
#include "base/clock.h"
#include "base/file.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/unit.h"

static char sshd_directory[32];
static uint16_t sshd_port;
static uint16_t refused_port; /* where nothing listens, and nothing else can begin to */
static char sshd_user[64];

/* Text that stays until the next few calls. */
__attribute__((format(printf, 1, 2))) static const char *text_of(const char *format, ...)
{
    static char texts[8][2048];
    static int next;
    char *text = texts[next++ % 8];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof texts[0], format, arguments);
    va_end(arguments);
    return text;
}

static inline struct sockaddr_in address_of(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket with a port of its own. */
static inline int bind_on_loopback(uint16_t *out_port)
{
    struct sockaddr_in address = address_of(0);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

static inline int listen_on_loopback(int waiting, uint16_t *out_port)
{
    int fd = bind_on_loopback(out_port);
    assert_int_equal(listen(fd, waiting), 0);
    return fd;
}

/* A port that was free a moment ago, for a program that binds it by itself. */
static inline uint16_t free_port(void)
{
    uint16_t port;
    (void)close(bind_on_loopback(&port));
    return port;
}

static inline const char *in_sshd(const char *name)
{
    return text_of("%s/%s", sshd_directory, name);
}

/* Another program may have taken the port meanwhile: then with the next one. */
static inline bool sshd_start_in(const char *directory, uint16_t *out_port, const char *more)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        *out_port = free_port();
        if (system(text_of("%s/tests/contract/sshd.sh start %s %u %s", TBK_SOURCE_DIR, directory,
                           *out_port, more)) == 0)
            return true;
    }
    return false;
}

static inline int sshd_start(void **state)
{
    (void)state;
    (void)snprintf(sshd_directory, sizeof sshd_directory, "/tmp/tbk-sshd-XXXXXX");
    if (mkdtemp(sshd_directory) == NULL)
        return -1;
    struct passwd *user = getpwuid(geteuid());
    (void)snprintf(sshd_user, sizeof sshd_user, "%s", user != NULL ? user->pw_name : "root");
    (void)bind_on_loopback(&refused_port); /* as long as this process lives */
    /* Neither the machine's own known_hosts nor its agent may play a part. */
    (void)mkdir(in_sshd("home"), 0700);
    (void)mkdir(in_sshd("home/.ssh"), 0700);
    (void)setenv("HOME", in_sshd("home"), 1);
    (void)unsetenv("SSH_AUTH_SOCK");
    return sshd_start_in(sshd_directory, &sshd_port, "") ? 0 : -1;
}

/* With one more line in its configuration, and none of an earlier restart; on another port. */
static inline bool sshd_restart(const char *line)
{
    return system(text_of("%s/tests/contract/sshd.sh stop %s", TBK_SOURCE_DIR, sshd_directory)) ==
               0 &&
           sshd_start_in(sshd_directory, &sshd_port, text_of("'%s'", line));
}

static inline int sshd_stop(void **state)
{
    (void)state;
    int status = system(text_of("%s/tests/contract/sshd.sh stop %s; rm -rf %s", TBK_SOURCE_DIR,
                                sshd_directory, sshd_directory));
    return status == 0 ? 0 : -1;
}

static inline tbk_ssh_target target_of(tbk_ssh_program program, const char *key)
{
    static char key_path[128];
    static char known_hosts_path[128];
    (void)snprintf(key_path, sizeof key_path, "%s/%s", sshd_directory, key);
    (void)snprintf(known_hosts_path, sizeof known_hosts_path, "%s/pins", sshd_directory);
    return (tbk_ssh_target){.host = "127.0.0.1",
                            .port = sshd_port,
                            .user = sshd_user,
                            .private_key_path = key_path,
                            .known_hosts_path = known_hosts_path,
                            .program = program,
                            .connect_timeout_ms = 30000};
}

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s: %s (%s)", #call, err.message, tbk_error_name(err.code));                 \
    } while (0)

#define assert_error(call, wanted)                                                                 \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s succeeded", #call);                                                       \
        if (err.code != (wanted))                                                                  \
            fail_msg("%s: %s (%s), not %s", #call, err.message, tbk_error_name(err.code),          \
                     tbk_error_name(wanted));                                                      \
    } while (0)

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, text);
}

static inline int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(directory) != NULL)
        count++;
    (void)closedir(directory);
    return count;
}

static inline bool has_children(void) { return waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD; }

#define assert_soon(begin_ms) assert_true(tbk_clock_monotonic_ms() - (begin_ms) < SOON_MS)

/* For a report: its `self` is the time from which on all is cancelled. */
static inline bool cancelled_soon(void *self)
{
    return tbk_clock_monotonic_ms() >= *(int64_t *)self;
}

/* Ends the server's sides of all connections, as a crash would; the server itself goes on. */
static inline void kill_children_of(pid_t parent, bool only_sshd)
{
    char line[4096] = "";
    FILE *children = fopen(text_of("/proc/%d/task/%d/children", parent, parent), "r");
    if (children == NULL)
        return;
    (void)!fgets(line, sizeof line, children);
    (void)fclose(children);
    char *rest = line;
    for (long child = strtol(rest, &rest, 10); child > 0; child = strtol(rest, &rest, 10)) {
        char name[32] = "";
        FILE *comm = fopen(text_of("/proc/%ld/comm", child), "r");
        if (comm != NULL) {
            (void)!fgets(name, sizeof name, comm);
            (void)fclose(comm);
        }
        if (only_sshd && strncmp(name, "sshd", 4) != 0)
            continue;
        kill_children_of((pid_t)child, true);
        (void)kill((pid_t)child, SIGKILL);
    }
}

static inline void cut_connections(void)
{
    long pid = 0;
    FILE *file = fopen(in_sshd("pid"), "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &pid), 1);
    (void)fclose(file);
    kill_children_of((pid_t)pid, true);
}

#endif
