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

/* A port where nothing listens now. */
static inline uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static inline const char *in_sshd(const char *name)
{
    return text_of("%s/%s", sshd_directory, name);
}

static inline int sshd_start(void **state)
{
    (void)state;
    (void)snprintf(sshd_directory, sizeof sshd_directory, "/tmp/tbk-sshd-XXXXXX");
    if (mkdtemp(sshd_directory) == NULL)
        return -1;
    struct passwd *user = getpwuid(geteuid());
    (void)snprintf(sshd_user, sizeof sshd_user, "%s", user != NULL ? user->pw_name : "root");
    sshd_port = free_port();
    /* Neither the machine's own known_hosts nor its agent may play a part. */
    (void)mkdir(in_sshd("home"), 0700);
    (void)mkdir(in_sshd("home/.ssh"), 0700);
    (void)setenv("HOME", in_sshd("home"), 1);
    (void)unsetenv("SSH_AUTH_SOCK");
    return system(text_of("%s/tests/contract/sshd.sh start %s %u", TBK_SOURCE_DIR, sshd_directory,
                          sshd_port)) == 0
               ? 0
               : -1;
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
                            .connect_timeout_ms = 5000};
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
