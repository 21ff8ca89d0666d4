/* SPDX-License-Identifier: MIT */
/* Writing to a pipe or socket without a reader raises SIGPIPE, which would end the host, whose
 * signal dispositions are not ours: it is blocked for this thread, and consumed at the end. */
#ifndef TBK_BASE_BROKEN_PIPE_H
#define TBK_BASE_BROKEN_PIPE_H

#include <signal.h>
#include <stdbool.h>

typedef struct tbk_broken_pipe {
    sigset_t mask; /* the thread's, of before */
    bool was_pending;
} tbk_broken_pipe;

/* Neither changes errno. */
void tbk_broken_pipe_hold_back(tbk_broken_pipe *out);
void tbk_broken_pipe_let_go(tbk_broken_pipe *held);
/* For a scope: tbk_broken_pipe_hold_back at once. */
#define tbk_auto_broken_pipe __attribute__((cleanup(tbk_broken_pipe_let_go))) tbk_broken_pipe

#endif
