/* SPDX-License-Identifier: MIT */
/* Numbers whose names tell units. */
#include "unit/domain/documents.h"

#include "domain/units.h"

static void what_a_name_can_mean_passes(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    assert_succeeds(
        tbk_units_check(json_of(arena, "{\"last_success_s\":253402300799,\"held_ms\":0,"
                                       "\"raw_bytes\":9223372036854775807,\"exit_status\":255,"
                                       "\"rows\":{\"torrents\":-5},\"list\":[-1,{\"a_s\":1}],"
                                       "\"text_s\":\"x\",\"none_s\":null}"),
                        &err),
        err);
    assert_succeeds(tbk_units_check(json_of(arena, "5"), &err), err);
}

static void what_no_clock_or_disk_gives_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"last_success_s\":-1}", "'last_success_s' is -1; it must be from 0 to 253402300799"},
        {"{\"last_success_s\":-9223372036854775808}", "'last_success_s' is -9223372036854775808"},
        {"{\"a\":{\"b\":[{\"first_run_s\":253402300800}]}}", "'first_run_s' is 253402300800"},
        {"{\"held_ms\":9223372036854775807}", "'held_ms'"},
        {"{\"raw_bytes\":-1}", "'raw_bytes' is -1"},
        {"{\"error\":{\"exit_status\":256}}", "'exit_status' is 256; it must be from 0 to 255"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_error err;
        assert_fails(tbk_units_check(json_of(arena, cases[i][0]), &err), err, TBK_E_CONFIG,
                     cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_name_can_mean_passes),
        cmocka_unit_test(what_no_clock_or_disk_gives_is_refused_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
