/* SPDX-License-Identifier: MIT */
/*
 * The service `outbound`. This process (in the container number 1, root with three capabilities)
 * only decides when, and reads nothing but the configuration and the time of the store's folder.
 * Each synchronization is a process of its own, which gives up its rights for itself, and takes
 * nothing along when it dies.
 */
#include "base/clock.h"
#include "domain/offsite_policy.h"
#include "entry/engine_commands.h"
#include "entry/engine_offsite.h"
#include "entry/engine_privileges.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_EVERY_S 15 /* at the store */
#define EVERY_S 3600 /* checks and drills are due by the day; this finds them, and what changed */
#define STOP_WAIT_MS 35000
#define TIDY_MS 25000
#define PHASE "outbound"

typedef struct outbound {
    const engine_args *args;
    tbk_report report;
    pid_t run; /* 0 = none */
    int64_t next_s;
    int64_t failures;           /* in a row */
    struct timespec store_time; /* of its folder, when the last run began */
    sigset_t signals;           /* that are waited for */
} outbound;

static struct timespec time_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_mtim : (struct timespec){0};
}

/* A set is published by a rename in the store's folder. */
static bool has_new_set(const outbound *self)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_engine_config config;
    tbk_error ignored; /* the run tells */
    if (!engine_config_load(arena, self->args->config, &config, &ignored))
        return false;
    const struct timespec now = time_of(config.store);
    return now.tv_sec != self->store_time.tv_sec || now.tv_nsec != self->store_time.tv_nsec;
}

static void note_store_time(outbound *self)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_engine_config config;
    tbk_error ignored;
    if (engine_config_load(arena, self->args->config, &config, &ignored))
        self->store_time = time_of(config.store);
}

static void start_run(outbound *self)
{
    const char *const argv[] = {"torrust-backup-engine", "offsite", "sync", "--config",
                                self->args->config,      "--log",   "json", NULL};
    note_store_time(self);
    pid_t child = fork();
    if (child == 0) {
        (void)sigprocmask(SIG_UNBLOCK, &self->signals, NULL);
        (void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (child > 0)
        self->run = child;
    else
        self->next_s = tbk_clock_now_s() + tbk_offsite_retry_s(1);
}

/* It has become another user, and this process has no right to signal others: a child that becomes
 * the same one does it. */
static void as_outbound(void (*work)(pid_t process, int number), pid_t process, int number)
{
    tbk_error ignored;
    pid_t helper = geteuid() == 0 ? fork() : -1;
    if (helper == 0) {
        if (engine_privileges_become_outbound(NULL, &ignored))
            work(process, number);
        _exit(0);
    }
    if (helper > 0)
        (void)waitpid(helper, NULL, 0);
}

static void send_signal(pid_t process, int number) { (void)kill(process, number); }

static void signal_run(const outbound *self, int number)
{
    (void)kill(self->run, number);
    as_outbound(send_signal, self->run, number);
}

/* All that this user has in the container. restic is given its time to tidy up. */
static void end_all(pid_t process, int number)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    int64_t end_ms = tbk_clock_monotonic_ms() + TIDY_MS;
    (void)process;
    (void)kill(-1, number);
    while (kill(-1, 0) == 0 && tbk_clock_monotonic_ms() < end_ms)
        (void)nanosleep(&pause, NULL);
    (void)kill(-1, SIGKILL);
}

static void note_run(outbound *self, int wait_status)
{
    int exit_status =
        WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    self->run = 0;
    /* One that was killed has left restic behind, at work in a repository that the next one would
     * take for free. */
    if (WIFSIGNALED(wait_status))
        as_outbound(end_all, 0, SIGTERM);
    self->failures = exit_status == 0 ? 0 : self->failures + 1;
    self->next_s =
        tbk_clock_now_s() + (exit_status == 0 ? EVERY_S : tbk_offsite_retry_s(self->failures));
    if (exit_status != 0)
        tbk_report_log(&self->report, TBK_LOG_ERROR, PHASE,
                       "it ended with exit status %d, and is tried again in %lld s", exit_status,
                       (long long)tbk_offsite_retry_s(self->failures));
}

static void reap(outbound *self)
{
    int status;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;)
        if (ended == self->run)
            note_run(self, status);
}

/* Returns the number of a signal; 0 when the time was over. */
static int wait_for_signal(const outbound *self, int64_t limit_ms)
{
    const struct timespec limit = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1000000};
    int number = sigtimedwait(&self->signals, NULL, &limit);
    return number > 0 ? number : 0;
}

static void stop(outbound *self)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + STOP_WAIT_MS;
    if (self->run != 0)
        signal_run(self, SIGTERM);
    for (int64_t left_ms; self->run != 0; reap(self)) {
        left_ms = end_ms - tbk_clock_monotonic_ms();
        if (left_ms <= 0)
            break;
        (void)wait_for_signal(self, left_ms);
    }
    if (self->run != 0)
        signal_run(self, SIGKILL);
}

/* A clock that went back far would have it wait for as long. */
static bool is_due(const outbound *self)
{
    int64_t now_s = tbk_clock_now_s();
    return now_s >= self->next_s || self->next_s - now_s > EVERY_S ||
           (self->failures == 0 && has_new_set(self));
}

bool engine_command_outbound(const engine_args *args, engine_output *output, tbk_error *err)
{
    static const int awaited[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    outbound self = {.args = args, .report = engine_output_report(output)};
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_engine_config config;
    if (!engine_config_load(arena, args->config, &config, err))
        return false;
    (void)sigemptyset(&self.signals);
    for (size_t i = 0; i < sizeof awaited / sizeof *awaited; i++)
        (void)sigaddset(&self.signals, awaited[i]);
    (void)sigprocmask(SIG_BLOCK, &self.signals, NULL);
    for (;;) {
        reap(&self);
        if (self.run == 0 && is_due(&self))
            start_run(&self);
        int number = wait_for_signal(&self, LOOK_EVERY_S * 1000);
        if (number == SIGTERM || number == SIGINT)
            break;
    }
    stop(&self);
    return true;
}
