/* SPDX-License-Identifier: MIT */
/* A broken pipe is an error of write() and nothing else. */
#include "unit/unit.h"

#include "base/broken_pipe.h"

#include <pthread.h>

static void write_without_a_reader(int *out_errno)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    (void)close(ends[0]);
    *out_errno = write(ends[1], "x", 1) < 0 ? errno : 0;
    (void)close(ends[1]);
    errno = *out_errno;
}

static bool is_blocked(void)
{
    sigset_t mask;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, SIGPIPE) == 1;
}

static void the_process_lives_on(void **state)
{
    int why;
    (void)state;
    (void)signal(SIGPIPE, SIG_DFL);
    {
        tbk_auto_broken_pipe held;
        tbk_broken_pipe_hold_back(&held);
        assert_true(is_blocked());
        write_without_a_reader(&why);
    }
    assert_int_equal(why, EPIPE);
    assert_int_equal(errno, EPIPE);
    assert_false(is_blocked());
}

static void nothing_happens_where_nothing_breaks(void **state)
{
    tbk_broken_pipe held;
    (void)state;
    tbk_broken_pipe_hold_back(&held);
    tbk_broken_pipe_let_go(&held);
    assert_false(is_blocked());
}

/* The caller holds one back already: it is the caller's, and stays. */
static void one_that_was_pending_stays(void **state)
{
    int why;
    sigset_t pending, broken_pipe, before;
    const struct timespec now = {0};
    (void)state;
    (void)sigemptyset(&broken_pipe);
    (void)sigaddset(&broken_pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    write_without_a_reader(&why);
    {
        tbk_auto_broken_pipe held;
        tbk_broken_pipe_hold_back(&held);
        write_without_a_reader(&why);
    }
    (void)sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGPIPE), 1);
    assert_int_equal(sigtimedwait(&broken_pipe, NULL, &now), SIGPIPE);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_lives_on),
        cmocka_unit_test(nothing_happens_where_nothing_breaks),
        cmocka_unit_test(one_that_was_pending_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
