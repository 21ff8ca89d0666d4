/* SPDX-License-Identifier: MIT */
/* Conditions whose waits end by the monotonic clock. */
#include "base/condition.h"

#include "base/clock.h"

void tbk_condition_init(pthread_cond_t *out)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(out, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

struct timespec tbk_condition_end(int64_t wait_ms)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + wait_ms;
    return (struct timespec){.tv_sec = (time_t)(end_ms / 1000),
                             .tv_nsec = (long)(end_ms % 1000) * 1000000};
}
