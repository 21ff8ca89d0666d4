/* SPDX-License-Identifier: MIT */
/* A wall clock that is set ahead by an hour while the program runs: what waits by it waits that
 * long. Only one file of a program may include this. */
#ifndef TBK_TESTS_UNIT_MOVED_CLOCK_H
#define TBK_TESTS_UNIT_MOVED_CLOCK_H

#include "unit/unit.h"

#include <time.h>

static bool wall_clock_is_ahead;

/* In place of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    if (result == 0 && clock == CLOCK_REALTIME && wall_clock_is_ahead)
        out->tv_sec += 3600;
    return result;
}

#endif
