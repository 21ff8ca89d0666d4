/* SPDX-License-Identifier: MIT */
#include "windows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WINDOWS_MAX = 8 };

static bench_window windows[WINDOWS_MAX];
static int current = -1;
static volatile sig_atomic_t window_wanted;
volatile sig_atomic_t bench_stopping;
static const char *name;

static void on_signal(int number)
{
    if (number != SIGUSR1)
        bench_stopping = 1;
    else if (window_wanted < WINDOWS_MAX - 1)
        window_wanted = window_wanted + 1;
}

void bench_windows_begin(const char *program)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    name = program;
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

_Noreturn void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", name, what, why);
    exit(1);
}

int64_t bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * BENCH_SECOND_NS + now.tv_nsec;
}

uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

int64_t bench_wait_for_turn(int64_t due_ns, int64_t interval_ns)
{
    int64_t at_ns = bench_now_ns();
    if (due_ns + BENCH_SECOND_NS / 10 < at_ns)
        due_ns = at_ns;
    const struct timespec due = {.tv_sec = due_ns / BENCH_SECOND_NS,
                                 .tv_nsec = due_ns % BENCH_SECOND_NS};
    if (due_ns > at_ns)
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR &&
               !bench_stopping) {
        }
    return due_ns + interval_ns;
}

bench_window *bench_window_at(int64_t at_ns)
{
    while (current < window_wanted) {
        if (current >= 0)
            windows[current].ended_ns = at_ns;
        windows[++current].started_ns = at_ns;
    }
    return &windows[current];
}

void bench_note(bench_window *into, int64_t took_ns, bool ok)
{
    if (into->count == into->capacity) {
        into->capacity = into->capacity == 0 ? 65536 : 2 * into->capacity;
        into->waits_us = realloc(into->waits_us, into->capacity * sizeof *into->waits_us);
        if (into->waits_us == NULL)
            bench_die("waits", "not enough memory");
    }
    into->waits_us[into->count++] = (uint32_t)(took_ns / 1000);
    into->failed += ok ? 0 : 1;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_window(bench_window *self)
{
    if (self->count == 0)
        return;
    qsort(self->waits_us, self->count, sizeof *self->waits_us, by_size);
    printf("{\"seconds\":%.3f,\"transactions\":%zu,\"failed\":%zu,\"p50_us\":%u,\"p99_us\":%u,"
           "\"worst_us\":%u,\"log_bytes\":%" PRId64 "}\n",
           (double)(self->ended_ns - self->started_ns) / 1e9, self->count, self->failed,
           self->waits_us[self->count / 2], self->waits_us[self->count * 99 / 100],
           self->waits_us[self->count - 1], self->log_bytes_max);
}

void bench_windows_print(void)
{
    bench_window_at(bench_now_ns())->ended_ns = bench_now_ns();
    for (bench_window *each = windows; each < windows + WINDOWS_MAX; each++) {
        print_window(each);
        free(each->waits_us);
    }
}
