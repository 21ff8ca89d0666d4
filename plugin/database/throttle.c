/* SPDX-License-Identifier: MIT */
/* I/O priority by ioprio_set(2); the pace by sleeping whenever a phase is ahead of it. */
#include "database/throttle.h"

#include "base/clock.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Source: ioprio_set(2); linux/ioprio.h is not in every distribution's headers. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_BEST_EFFORT_LAST (2 << 13 | 7)
#define IOPRIO_NONE 0

#define NAP_MS_MAX 200 /* between two looks at whether to stop */

void tbk_throttle_io(bool throttled)
{
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                  throttled ? IOPRIO_BEST_EFFORT_LAST : IOPRIO_NONE);
}

static void begin_phase(tbk_throttle *pace, const char *phase, uint64_t done_bytes)
{
    (void)snprintf(pace->phase, sizeof pace->phase, "%s", phase);
    pace->begun_bytes = done_bytes;
    pace->begun_ms = tbk_clock_monotonic_ms();
}

static int64_t ahead_ms(const tbk_throttle *pace, uint64_t done_bytes)
{
    double due_ms =
        1000.0 * (double)(done_bytes - pace->begun_bytes) / (double)pace->bytes_per_second;
    return (int64_t)due_ms - (tbk_clock_monotonic_ms() - pace->begun_ms);
}

static void keep_pace(tbk_throttle *pace, uint64_t done_bytes)
{
    tbk_error stop;
    for (int64_t ms; (ms = ahead_ms(pace, done_bytes)) > 0 && tbk_report_go_on(pace->outer, &stop);)
        (void)nanosleep(
            &(struct timespec){.tv_nsec = (ms < NAP_MS_MAX ? ms : NAP_MS_MAX) * 1000000}, NULL);
}

static void on_progress(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    tbk_throttle *pace = self;
    tbk_report_progress(pace->outer, phase, done_bytes, total_bytes);
    if (strncmp(pace->phase, phase, sizeof pace->phase - 1) != 0 || done_bytes < pace->done_bytes)
        begin_phase(pace, phase, done_bytes);
    pace->done_bytes = done_bytes;
    if (pace->bytes_per_second > 0)
        keep_pace(pace, done_bytes);
}

static void on_log(void *self, tbk_log_level level, const char *phase, const char *message)
{
    tbk_report_log(((tbk_throttle *)self)->outer, level, phase, "%s", message);
}

static bool on_cancelled(void *self)
{
    tbk_error ignored;
    return !tbk_report_go_on(((tbk_throttle *)self)->outer, &ignored);
}

tbk_report tbk_throttle_report(tbk_throttle *pace)
{
    return (tbk_report){
        .self = pace, .progress = on_progress, .log = on_log, .cancelled = on_cancelled};
}
