/* SPDX-License-Identifier: MIT */
/* Tokens: of hexadecimal digits, and never the same. */
#include "unit/unit.h"

#include "base/token.h"

static void tokens_are_digits_and_each_is_new(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *one = tbk_token_new(arena), *other = tbk_token_new(arena);
    assert_int_equal(strlen(one), 32);
    assert_int_equal(strspn(one, "0123456789abcdef"), 32);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_are_digits_and_each_is_new)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
