/* SPDX-License-Identifier: MIT */
/*
 * How long the transactions of a writer waited, in windows of time: what the writers of tests/bench
 * have in common. Every SIGUSR1 begins a new window; SIGTERM and SIGINT end.
 */
#ifndef TBK_BENCH_WINDOWS_H
#define TBK_BENCH_WINDOWS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_SECOND_NS INT64_C(1000000000)

typedef struct bench_window {
    int64_t started_ns, ended_ns;
    uint32_t *waits_us; /* of each transaction that began in it */
    size_t count, capacity;
    size_t failed;
    int64_t log_bytes_max;
} bench_window;

extern volatile sig_atomic_t bench_stopping;

/* Prefix of bench_die's messages. */
void bench_windows_begin(const char *program);
_Noreturn void bench_die(const char *what, const char *why);

int64_t bench_now_ns(void);
uint64_t bench_random(uint64_t *state);
/* Waits until due_ns, and returns when the next one is due. What was missed in a stall is not made
 * up in a rush. */
int64_t bench_wait_for_turn(int64_t due_ns, int64_t interval_ns);

/* Not for several threads at a time. */
bench_window *bench_window_at(int64_t at_ns);
void bench_note(bench_window *into, int64_t took_ns, bool ok);
/* Ends the last one, prints a line of JSON for each, and frees them. */
void bench_windows_print(void);

#endif
