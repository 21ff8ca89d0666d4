/* SPDX-License-Identifier: MIT */
/* A wait without a signal lasts to its limit, whatever the wall clock does meanwhile. */
#include "unit/moved_clock.h"

#include "base/clock.h"
#include "base/condition.h"

static int wait_for_ms(int64_t wait_ms)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never;
    int result = 0;
    tbk_condition_init(&never);
    const struct timespec until = tbk_condition_end(wait_ms);
    assert_int_equal(pthread_mutex_lock(&lock), 0);
    while (result == 0) /* it may also wake up for nothing */
        result = pthread_cond_timedwait(&never, &lock, &until);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_cond_destroy(&never);
    return result;
}

static void a_wait_ends_when_its_time_is_over(void **state)
{
    (void)state;
    int64_t began_ms = tbk_clock_monotonic_ms();
    assert_int_equal(wait_for_ms(1100), ETIMEDOUT);
    int64_t took_ms = tbk_clock_monotonic_ms() - began_ms;
    assert_true(took_ms >= 1100 && took_ms < SOON_MS);
}

static void the_wall_clock_has_no_part_in_it(void **state)
{
    (void)state;
    int64_t began_ms = tbk_clock_monotonic_ms();
    wall_clock_is_ahead = true;
    assert_int_equal(wait_for_ms(50), ETIMEDOUT);
    wall_clock_is_ahead = false;
    int64_t took_ms = tbk_clock_monotonic_ms() - began_ms;
    assert_true(took_ms >= 50 && took_ms < SOON_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_when_its_time_is_over),
        cmocka_unit_test(the_wall_clock_has_no_part_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
