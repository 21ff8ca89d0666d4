/* SPDX-License-Identifier: MIT */
/* Blocks SIGPIPE for a thread. One that was pending before belongs to the host and stays. */
#include "base/broken_pipe.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static void only_broken_pipe(sigset_t *out)
{
    (void)sigemptyset(out);
    (void)sigaddset(out, SIGPIPE);
}

static bool is_pending(void)
{
    sigset_t pending;
    (void)sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

void tbk_broken_pipe_hold_back(tbk_broken_pipe *out)
{
    sigset_t broken_pipe;
    only_broken_pipe(&broken_pipe);
    out->was_pending = is_pending();
    (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, &out->mask);
}

void tbk_broken_pipe_let_go(tbk_broken_pipe *held)
{
    const struct timespec now = {0};
    int why = errno;
    sigset_t broken_pipe;
    only_broken_pipe(&broken_pipe);
    /* At once, so that no other signal can come between. */
    if (!held->was_pending && is_pending())
        (void)sigtimedwait(&broken_pipe, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &held->mask, NULL);
    errno = why;
}
