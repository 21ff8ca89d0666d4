/* SPDX-License-Identifier: MIT */
/*
 * Child processes of a plugin that lives in a host process: none of the host's descriptors is
 * inherited, no signal disposition is changed, every wait has a limit, no child outlives its call.
 */
#ifndef TBK_ADAPTERS_PROCESS_H
#define TBK_ADAPTERS_PROCESS_H

#include "adapters/command_io.h"

/* Runs a program (found through PATH) to its end, moving the exchange's bytes. *out_exit_status is
 * 0..255, 128 + n when signal n ended it, or -1 when something else in this process took it (a host
 * that ignores SIGCHLD), or it was stopped because the exchange was over before it. When it fails,
 * the program and its process group were killed and waited for. */
bool tbk_process_run(const char *const *argv, tbk_command_io *io, int *out_exit_status,
                     tbk_error *err) TBK_MUST_CHECK;

/* How a program is run that wants more than ours has. */
typedef struct tbk_process_setting {
    const char *const *environment; /* NAME=VALUE, NULL at the end; NULL = ours */
    const char *folder;             /* to work in; NULL = ours */
    uint32_t tidy_ms; /* TERM goes to it alone, and KILL to its process group only when it has ended
                       * or so long has passed; 0 = TERM to all, after two seconds KILL */
    /* Asked each second at least while it runs; false ends it, and err says why. NULL = never */
    bool (*look)(void *self, pid_t process, tbk_error *err);
    void *look_self;
} tbk_process_setting;

/* As tbk_process_run. The program is looked for in our own PATH. While it is being stopped, what it
 * prints is taken and dropped: a pipe that is closed would end it before it has tidied up. */
bool tbk_process_run_with(const char *const *argv, const tbk_process_setting *setting,
                          tbk_command_io *io, int *out_exit_status, tbk_error *err) TBK_MUST_CHECK;

/* Starts a program with a pipe for its input, its output going nowhere and its errors to error_fd.
 * *out_input_fd is the caller's; the program sees its end when we die, too. */
bool tbk_process_start(const char *const *argv, int error_fd, int *out_input_fd, pid_t *out_process,
                       tbk_error *err) TBK_MUST_CHECK;
/* Starts a program whose input and output are the one descriptor, and whose errors go to another.
 * The caller keeps both. */
bool tbk_process_start_on(const char *const *argv, int fd, int error_fd, pid_t *out_process,
                          tbk_error *err) TBK_MUST_CHECK;
/* Whether it has ended by now; then it is waited for and must not be stopped any more. */
bool tbk_process_ended(pid_t process);
/* Ends it and its process group: TERM, after two seconds KILL. */
void tbk_process_stop(pid_t process);

#endif
