/* SPDX-License-Identifier: MIT */
/* What every unit test needs: cmocka with its own includes, and checks that show the error. */
#ifndef TBK_TESTS_UNIT_H
#define TBK_TESTS_UNIT_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Leaves the test out, loudly. CI has all that the tests need, and leaves none out. */
static inline void skip_test(const char *test, const char *why)
{
    const char *ci = getenv("CI");
    if (ci != NULL && strcmp(ci, "true") == 0)
        fail_msg("%s may not be skipped with CI=true: %s", test, why);
    (void)fprintf(stderr, "*** SKIPPED: %s: %s\n", test, why);
    skip();
}
#define skip_because(why) skip_test(__func__, (why))

/* The call fails with this code, and its message and fix contain these texts. */
#define assert_fails(call, err, expected_code, part_of_message)                                    \
    do {                                                                                           \
        (err) = (tbk_error){0};                                                                    \
        if (call)                                                                                  \
            fail_msg("%s succeeded", #call);                                                       \
        if ((err).code != (expected_code) || strstr((err).message, (part_of_message)) == NULL)     \
            fail_msg("%s failed with %s: \"%s\"", #call, tbk_error_name((err).code),               \
                     (err).message);                                                               \
    } while (0)

#define assert_succeeds(call, err)                                                                 \
    do {                                                                                           \
        (err) = (tbk_error){0};                                                                    \
        if (!(call))                                                                               \
            fail_msg("%s failed with %s: \"%s\"", #call, tbk_error_name((err).code),               \
                     (err).message);                                                               \
    } while (0)

/* How long what comes soon may take on a machine that does much else. */
#define SOON_MS 45000

/* Whether it becomes true before the time is up. */
static inline bool waits_for(bool (*is_true)(void))
{
    for (int64_t end_ms = tbk_clock_monotonic_ms() + SOON_MS; !is_true();) {
        if (tbk_clock_monotonic_ms() > end_ms)
            return false;
        (void)usleep(5000);
    }
    return true;
}

/* Ends the process when it has computed for so long, however busy the machine is; 0: no more. */
static inline void limit_work_s(unsigned seconds)
{
    const struct itimerval limit = {.it_value.tv_sec = (time_t)seconds};
    (void)setitimer(ITIMER_PROF, &limit, NULL);
}

static inline size_t threads_now(void)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(tasks);
    return count;
}

/* One that was joined stays in the kernel's list for a moment. */
static size_t threads_noted;
static inline void note_threads(void) { threads_noted = threads_now(); }
static inline bool threads_are_as_noted(void) { return threads_now() == threads_noted; }
static inline bool threads_are_gone(void) { return waits_for(threads_are_as_noted); }

/* Whether the function ends its process, which a child tries out. */
static inline bool ends_process(void (*function)(void))
{
    pid_t child = fork();
    if (child == 0) {
        (void)close(STDERR_FILENO); /* a sanitizer's report of the end that is wanted */
        (void)signal(SIGABRT, SIG_DFL);
        function();
        _exit(0);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A system call that the kernel shall refuse; argument < 0: whatever its arguments are. */
typedef struct refused_call {
    long number;
    int argument;
    uint32_t value; /* of that argument */
    int errno_value;
} refused_call;

static inline bool refuse_call(const refused_call *call)
{
    uint32_t offset = (uint32_t)offsetof(struct seccomp_data, args) +
                      8 * (uint32_t)(call->argument < 0 ? 0 : call->argument);
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->value, 0, call->argument < 0 ? 0 : 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)call->errno_value),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Runs the check in a child in which the kernel refuses the call; true when the check was. */
static inline bool holds_when_refused(const refused_call *call, bool (*check)(void))
{
    pid_t child = fork();
    if (child == 0)
        exit(refuse_call(call) && check() ? 0 : 1); /* not _exit: the coverage is written there */
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A folder of this test's own: "<TMPDIR or /tmp>/tbk-XXXXXX". */
static inline void make_scratch(char out[64])
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || strlen(parent) > 40)
        parent = "/tmp";
    (void)snprintf(out, 64, "%s/tbk-XXXXXX", parent);
    if (mkdtemp(out) == NULL)
        fail_msg("cannot make a folder in '%s'", parent);
}

static inline bool remove_scratch(const char *folder)
{
    tbk_error err;
    return tbk_directory_remove_at(AT_FDCWD, folder, &err);
}

/* For a report that cancels the work when it first looks. */
static inline bool at_once(void *self)
{
    (void)self;
    return true;
}

#endif
