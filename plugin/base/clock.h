/* SPDX-License-Identifier: MIT */
/* Time: the wall clock for people, the monotonic one for durations. */
#ifndef TBK_BASE_CLOCK_H
#define TBK_BASE_CLOCK_H

#include "base/error.h"

#include <stdint.h>
#include <time.h>

/* 9999-12-31T23:59:59Z, the last time that has four digits for its year: what others call a time
 * lies between 0 and this. */
#define TBK_CLOCK_LAST_S INT64_C(253402300799)

/* Wall clock, seconds since 1970 UTC. */
int64_t tbk_clock_now_s(void);
/* Monotonic, for differences only. */
int64_t tbk_clock_monotonic_ms(void);

#define TBK_CLOCK_TEXT_SIZE 32
/* "2026-02-16T17:56:43Z" */
void tbk_clock_format(int64_t time_s, char out[TBK_CLOCK_TEXT_SIZE]);
/* "20260216T175643Z": the name of a backup set. */
void tbk_clock_format_compact(int64_t time_s, char out[TBK_CLOCK_TEXT_SIZE]);
bool tbk_clock_parse_compact(const char *text, int64_t *out_time_s);

#endif
