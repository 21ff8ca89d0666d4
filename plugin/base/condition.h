/* SPDX-License-Identifier: MIT */
/* Conditions whose timed waits end by the monotonic clock: the wall clock can be set, and a wait by
 * it would end at once, or hours later. */
#ifndef TBK_BASE_CONDITION_H
#define TBK_BASE_CONDITION_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

void tbk_condition_init(pthread_cond_t *out);
/* When a wait of so many milliseconds ends; for pthread_cond_timedwait(3). */
struct timespec tbk_condition_end(int64_t wait_ms);

#endif
