/* SPDX-License-Identifier: MIT */
/* Child processes of a plugin that lives in a host process. */
#include "adapters/process.h"

#include "base/broken_pipe.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_WAIT_MS 2000
#define LOOK_MS 1000

extern char **environ;

static const tbk_process_setting AS_OURS;

/* Our ends of a child's three pipes. */
typedef struct child {
    pid_t process;
    int input_fd;
    int output_fd;
    int error_fd;
} child;

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Above 2, so that dup2 onto the standard streams never meets itself, even in a host that closed
 * its own. */
static bool move_up(int *fd)
{
    if (*fd > STDERR_FILENO)
        return true;
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (moved < 0)
        return false;
    (void)close(*fd);
    *fd = moved;
    return true;
}

static bool make_pipe(int *out_read_fd, int *out_write_fd, tbk_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make a pipe");
    bool moved = move_up(&ends[0]) && move_up(&ends[1]);
    *out_read_fd = ends[0];
    *out_write_fd = ends[1];
    if (!moved)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make a pipe");
    return true;
}

static bool never_block(int fd, tbk_error *err)
{
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot prepare a pipe");
    return true;
}

/* Signals as a new login would have them, whatever the host ignores or blocks; a session of its
 * own, so that nothing can be asked on the host's terminal and its Ctrl-C reaches only the host. */
static int spawn_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID;
    int status = posix_spawnattr_setsigmask(attributes, &none);
    if (status == 0)
        status = posix_spawnattr_setsigdefault(attributes, &all);
    return status != 0 ? status : posix_spawnattr_setflags(attributes, flags);
}

static int spawn_actions(posix_spawn_file_actions_t *actions, const char *folder, int in, int out,
                         int error)
{
    int status = posix_spawn_file_actions_adddup2(actions, in, STDIN_FILENO);
    if (status == 0)
        status = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
    if (status == 0)
        status = posix_spawn_file_actions_adddup2(actions, error, STDERR_FILENO);
    if (status == 0 && folder != NULL)
        status = posix_spawn_file_actions_addchdir_np(actions, folder);
    return status != 0 ? status
                       : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

/* What posix_spawn takes is not const for history's sake; it changes nothing. */
static char *const *words_of(const char *const *words) { return (char *const *)(uintptr_t)words; }

static bool spawn(const char *const *argv, const tbk_process_setting *setting, const int fds[3],
                  pid_t *out_process, tbk_error *err)
{
    const char *const *variables = setting->environment;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    tbk_memory_must(posix_spawnattr_init(&attributes) == 0);
    tbk_memory_must(posix_spawn_file_actions_init(&actions) == 0);
    int status = spawn_attributes(&attributes);
    if (status == 0)
        status = spawn_actions(&actions, setting->folder, fds[0], fds[1], fds[2]);
    if (status == 0)
        status = posix_spawnp(out_process, argv[0], &actions, &attributes, words_of(argv),
                              variables != NULL ? words_of(variables) : environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    if (status == ENOENT && setting->folder != NULL && access(setting->folder, X_OK) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot enter '%s'", setting->folder);
    if (status == ENOENT)
        return tbk_fail(err, TBK_E_CONFIG, "install it, or correct PATH",
                        "the program '%s' is not on this machine", argv[0]);
    if (status != 0)
        return tbk_fail_errno(err, TBK_E_IO, status, NULL, "cannot start '%s'", argv[0]);
    return true;
}

static void child_close(child *it)
{
    close_fd(&it->input_fd);
    close_fd(&it->output_fd);
    close_fd(&it->error_fd);
}

static bool child_start(const char *const *argv, const tbk_process_setting *setting, child *it,
                        tbk_error *err)
{
    tbk_auto_fd int in = -1;
    tbk_auto_fd int out = -1;
    tbk_auto_fd int error = -1;
    bool started = make_pipe(&in, &it->input_fd, err) && make_pipe(&it->output_fd, &out, err) &&
                   make_pipe(&it->error_fd, &error, err) && never_block(it->input_fd, err) &&
                   never_block(it->output_fd, err) && never_block(it->error_fd, err) &&
                   spawn(argv, setting, (const int[]){in, out, error}, &it->process, err);
    if (!started)
        child_close(it);
    return started;
}

static ssize_t write_quietly(int fd, const char *bytes, size_t length)
{
    tbk_auto_broken_pipe held;
    tbk_broken_pipe_hold_back(&held);
    return write(fd, bytes, length);
}

static bool feed(child *it, tbk_command_io *io, tbk_error *err)
{
    if (it->input_fd < 0)
        return true;
    if (!tbk_command_io_fill(io, err))
        return false;
    if (io->chunk_length > 0) {
        ssize_t written = write_quietly(it->input_fd, io->chunk, io->chunk_length);
        if (written > 0)
            tbk_command_io_sent(io, (size_t)written);
        else if (written < 0 && errno == EPIPE) /* it needs no more; its exit status judges */
            tbk_command_io_drop_input(io);
        else if (written < 0 && errno != EAGAIN && errno != EINTR)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot write to the command");
    }
    if (tbk_command_io_all_sent(io))
        close_fd(&it->input_fd);
    return true;
}

/* Takes what there is; closes at the end. */
static bool drain(int *fd, bool is_error, tbk_command_io *io, tbk_error *err)
{
    if (*fd < 0)
        return true;
    ssize_t length = read(*fd, io->received, TBK_EXCHANGE_BUFFER_BYTES);
    if (length < 0)
        return errno == EAGAIN || errno == EINTR ||
               tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read from the command");
    if (length == 0)
        close_fd(fd);
    else if (is_error)
        return tbk_command_io_error_output(io, io->received, (size_t)length, err);
    else
        return tbk_command_io_output(io, io->received, (size_t)length, err);
    return true;
}

static bool may_go_on(const child *it, const tbk_process_setting *setting, tbk_error *err)
{
    return setting->look == NULL || setting->look(setting->look_self, it->process, err);
}

static bool child_converse(child *it, const tbk_process_setting *setting, tbk_command_io *io,
                           tbk_error *err)
{
    const int longest_ms = setting->look != NULL ? LOOK_MS : -1;
    while ((it->output_fd >= 0 || it->error_fd >= 0) && !tbk_command_io_is_over(io)) {
        if (!feed(it, io, err))
            return false;
        struct pollfd fds[4] = {
            {.fd = io->chunk_length > 0 ? it->input_fd : -1, .events = POLLOUT},
            {.fd = it->output_fd, .events = POLLIN},
            {.fd = it->error_fd, .events = POLLIN},
        };
        if (!may_go_on(it, setting, err) || !tbk_command_io_wait(io, fds, 3, longest_ms, err))
            return false;
        if (!drain(&it->error_fd, true, io, err) || !drain(&it->output_fd, false, io, err))
            return false;
    }
    return true;
}

static void pause_briefly(void)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    (void)nanosleep(&pause, NULL);
}

bool tbk_process_ended(pid_t process)
{
    pid_t ended = waitpid(process, NULL, WNOHANG);
    return ended == process || (ended < 0 && errno == ECHILD);
}

static bool ended_within(pid_t process, int64_t limit_ms)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + limit_ms;
    while (!tbk_process_ended(process)) {
        if (tbk_clock_monotonic_ms() >= end_ms)
            return false;
        pause_briefly();
    }
    return true;
}

/* Drops what there is, but never all of what has no end. */
static void discard(int fd, char *buffer)
{
    int times = 16;
    while (fd >= 0 && times > 0 && read(fd, buffer, TBK_EXCHANGE_BUFFER_BYTES) > 0)
        times--;
}

/* One that tidies up needs its own children for that (restic its ssh): they go after it. */
static void child_stop(child *it, uint32_t tidy_ms, char *buffer)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + (tidy_ms != 0 ? tidy_ms : STOP_WAIT_MS);
    bool ended = false;
    close_fd(&it->input_fd);
    (void)kill(tidy_ms != 0 ? it->process : -it->process, SIGTERM);
    while (!(ended = tbk_process_ended(it->process)) && tbk_clock_monotonic_ms() < end_ms) {
        discard(it->output_fd, buffer);
        discard(it->error_fd, buffer);
        pause_briefly();
    }
    if (!ended || tidy_ms != 0)
        (void)kill(-it->process, SIGKILL);
    if (!ended)
        (void)ended_within(it->process, STOP_WAIT_MS);
    child_close(it);
}

/* A program may close its outputs and run on. */
static bool child_wait(child *it, tbk_command_io *io, int *out_exit_status, tbk_error *err)
{
    for (int pause_ms = 1;; pause_ms = pause_ms < 50 ? 2 * pause_ms : 50) {
        int status;
        pid_t ended = waitpid(it->process, &status, WNOHANG);
        if (ended == it->process) {
            *out_exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            return true;
        }
        if (ended < 0 && errno == ECHILD) {
            *out_exit_status = -1;
            return true;
        }
        if (tbk_command_io_is_over(io)) {
            tbk_process_stop(it->process);
            *out_exit_status = -1;
            return true;
        }
        struct pollfd fds[1];
        if (!feed(it, io, err) || !tbk_command_io_wait(io, fds, 0, pause_ms, err))
            return false;
    }
}

bool tbk_process_run_with(const char *const *argv, const tbk_process_setting *setting,
                          tbk_command_io *io, int *out_exit_status, tbk_error *err)
{
    child it = {.input_fd = -1, .output_fd = -1, .error_fd = -1};
    if (!child_start(argv, setting, &it, err))
        return false;
    bool ended = child_converse(&it, setting, io, err) && child_wait(&it, io, out_exit_status, err);
    if (!ended)
        child_stop(&it, setting->tidy_ms, io->received);
    child_close(&it);
    return ended;
}

bool tbk_process_run(const char *const *argv, tbk_command_io *io, int *out_exit_status,
                     tbk_error *err)
{
    return tbk_process_run_with(argv, &AS_OURS, io, out_exit_status, err);
}

bool tbk_process_start(const char *const *argv, int error_fd, int *out_input_fd, pid_t *out_process,
                       tbk_error *err)
{
    tbk_auto_fd int in = -1;
    tbk_auto_fd int input = -1;
    tbk_auto_fd int output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    tbk_auto_fd int error = fcntl(error_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (output < 0 || !move_up(&output) || error < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot prepare '%s'", argv[0]);
    if (!make_pipe(&in, &input, err) ||
        !spawn(argv, &AS_OURS, (const int[]){in, output, error}, out_process, err))
        return false;
    *out_input_fd = input;
    input = -1;
    return true;
}

bool tbk_process_start_on(const char *const *argv, int fd, int error_fd, pid_t *out_process,
                          tbk_error *err)
{
    tbk_auto_fd int both = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    tbk_auto_fd int error = fcntl(error_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (both < 0 || error < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot prepare '%s'", argv[0]);
    return spawn(argv, &AS_OURS, (const int[]){both, both, error}, out_process, err);
}

void tbk_process_stop(pid_t process)
{
    (void)kill(-process, SIGTERM);
    if (ended_within(process, STOP_WAIT_MS))
        return;
    (void)kill(-process, SIGKILL);
    /* A process of root's that sudo started cannot be killed by us. */
    (void)ended_within(process, STOP_WAIT_MS);
}
