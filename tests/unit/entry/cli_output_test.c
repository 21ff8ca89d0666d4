/* SPDX-License-Identifier: MIT */
/* Hostile results, printed for each command: nothing crashes, and nothing but
 * text and line breaks comes out. */
#include "unit/unit.h"

#include "base/json.h"
#include "entry/cli_output.h"

#include <stdio.h>

/* One honest result for each command, with everything that is looked at. */
static const char *const honest[][2] = {
    {"render", "{\"directory\":\"build/x\",\"dry_run\":true,"
               "\"files\":[{\"name\":\"compose.yml\",\"target\":\"/opt/c\"}]}"},
    {"plan",
     "{\"environment\":\"x\",\"host\":\"h\",\"changes\":2,\"remarks\":[\"r\"],\"items\":["
     "{\"state\":\"change\",\"target\":\"/t\",\"detail\":\"d\",\"diff\":\"-a\\n+b\\n\"},"
     "{\"state\":\"in place\",\"target\":\"/u\"}],\"forecast\":{\"method\":\"hot\","
     "\"configured_method\":\"auto\",\"expected_held_ms\":5,\"copy_bytes\":7,"
     "\"copy_bytes_per_second\":9,\"needed_bytes\":1,\"free_bytes\":2,\"measured\":{\"bytes\":3,"
     "\"from_disk\":true,\"to_disk\":true},\"database\":{\"bytes\":4,\"journal_mode\":\"wal\","
     "\"server\":\"s\",\"version\":\"v\",\"tables\":3},\"advice\":[\"a\"],"
     "\"rungs\":[{\"method\":\"hot\",\"possible\":false,\"reason\":\"r\"}]},"
     "\"offsite\":{\"repository\":\"r\",\"name\":\"n\",\"take\":\"all\",\"answers\":false,"
     "\"why\":\"w\",\"sets\":1,\"append_only\":false,\"full\":{\"set_bytes\":1,"
     "\"basis\":\"estimated\",\"sets_a_year\":365,\"kept\":20},\"next\":{\"waiting\":1,"
     "\"upload_bytes\":1,\"basis\":\"measured\",\"duration_s\":500,\"is_first\":true},"
     "\"bytes_per_second\":5,\"rate_basis\":\"limit\",\"day_bytes\":1,\"month_bytes\":2,"
     "\"kept_bytes\":3}}"},
    {"configure",
     "{\"host\":\"h\",\"complete\":true,\"changed\":true,\"dry_run\":false,"
     "\"items\":[{\"state\":\"installed\",\"target\":\"/t\"}],\"schedule\":\"* * * * *\","
     "\"next_runs\":[\"n\"],\"full_schedule\":\"f\",\"next_full_run\":\"n\","
     "\"remarks\":[\"r\"]}"},
    {"verify", "{\"environment\":\"x\",\"host\":\"h\",\"at\":\"t\",\"proved\":true,"
               "\"checks\":[{\"state\":\"ok\",\"name\":\"n\",\"detail\":\"d\"}]}"},
    {"run",
     "{\"exit_status\":0,\"run\":{\"run\":\"r\",\"time\":\"t\",\"exit_status\":0,\"set\":\"s\","
     "\"profile\":\"p\",\"method\":\"m\",\"method_reason\":\"why\",\"held_ms\":1,"
     "\"duration_ms\":2,\"error\":{\"message\":\"e\"}}}"},
    {"list", "{\"sets\":[{\"id\":\"i\",\"profile\":\"p\",\"method\":\"m\",\"raw_bytes\":1,"
             "\"stored_bytes\":2,\"held_ms\":3,\"damage\":\"d\",\"proof\":\"p\"}]}"},
    {"restore", "{\"set\":\"s\",\"profile\":\"essential\",\"rows\":{\"torrents\":5},"
                "\"left_out\":{\"torrents\":7},\"newest_full_set\":\"f\",\"dry_run\":false,"
                "\"fetch_ms\":1,\"prove_ms\":1,\"load_ms\":1,\"held_ms\":1,"
                "\"healthy_ms\":1,\"kept\":\"k\",\"tracker\":\"running\"}"},
    {"restore", "{\"removed\":[\"a\",\"b\"]}"},
    {"status",
     "{\"health\":\"ok\",\"problems\":[\"p\"],\"tracker\":{\"state\":\"s\",\"health\":\"h\"},"
     "\"held\":true,\"sidecar\":{\"state\":\"s\",\"health\":\"h\"},\"backup_runs\":true,"
     "\"last_run\":{\"run\":\"r\",\"exit_status\":1,\"last_success_set\":\"s\"},"
     "\"store_free_bytes\":5,\"schedule\":\"s\",\"next_runs\":[\"n\"],\"offsite\":{"
     "\"newest\":\"i\",\"newest_level\":\"l\",\"newest_level_s\":1,\"checked_s\":2,"
     "\"read_back_s\":3,\"restored_s\":4,\"waiting\":5}}"},
    {"offsite", "{\"repository\":\"r\",\"sets\":[{\"id\":\"i\",\"profile\":\"p\",\"name\":\"n\","
                "\"level\":\"l\",\"level_s\":1},{\"id\":\"j\",\"damage\":\"d\"}]}"},
    {"offsite", "{\"action\":\"drill\",\"set\":\"i\",\"level\":\"l\",\"level_s\":1,"
                "\"shortfall\":\"s\"}"},
    {"version", "{\"version\":\"v\",\"abi_version\":1}"},
};

static uint32_t seed = 20261129;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static tbk_value *any_value(tbk_arena *arena, int depth)
{
    static const char *const texts[] = {
        "",         "\x1b]0;x\x07",    "\xC2\x9B;31m", "a\nHealth: ok\r",
        "\xff\xfe", "\u202Egnp\u2066", "%s%n%999999d", "change",
        "in place", "essential"};
    static const int64_t numbers[] = {0, 1, -1, INT64_MAX, INT64_MIN, 1000000};
    tbk_value *value;
    switch (any(depth > 2 ? 5 : 7)) {
    case 0:
        return tbk_value_null(arena);
    case 1:
        return tbk_value_bool(arena, any(2) == 1);
    case 2:
        return tbk_value_integer(arena, numbers[any(6)]);
    case 3:
        return tbk_value_real(arena, 1e300);
    case 4:
        return tbk_value_string(arena, texts[any(sizeof texts / sizeof *texts)]);
    case 5:
        value = tbk_value_list(arena);
        for (uint32_t count = any(3); count > 0; count--)
            tbk_value_append(arena, value, any_value(arena, depth + 1));
        return value;
    default:
        value = tbk_value_map(arena);
        for (uint32_t count = any(3); count > 0; count--)
            tbk_value_set(arena, value, texts[1 + any(8)], any_value(arena, depth + 1));
        return value;
    }
}

/* Puts something else, or nothing, in the place of some values. */
static void spoil(tbk_arena *arena, tbk_value *value, uint32_t one_in)
{
    for (tbk_member *member = value->first; member != NULL; member = member->next) {
        if (any(one_in) == 0)
            member->value = any_value(arena, 0);
        else
            spoil(arena, member->value, one_in);
        while (member->next != NULL && any(2 * one_in) == 0)
            member->next = member->next->next;
    }
}

static void check_printed(const char *command, const tbk_value *result)
{
    char *bytes = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&bytes, &length);
    cli_print_result(out, command, result);
    assert_int_equal(fclose(out), 0);
    assert_true(tbk_text_is_utf8(bytes, length));
    for (size_t at = 0; at < length;) {
        bool hidden;
        size_t step = tbk_text_utf8_step(bytes + at, length - at);
        uint32_t character = tbk_text_character(bytes + at, step, &hidden);
        if (hidden && character != '\n')
            fail_msg("%s printed U+%04X: %s", command, (unsigned)character, bytes);
        at += step;
    }
    free(bytes);
}

static void honest_results_are_printed_with_all_that_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof honest / sizeof *honest; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        const tbk_value *result = NULL;
        tbk_error err;
        assert_succeeds(
            tbk_json_parse(arena, honest[i][1], strlen(honest[i][1]), honest[i][0], &result, &err),
            err);
        check_printed(honest[i][0], result);
    }
}

static void no_result_breaks_what_prints_it(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 20000; round++) {
        const char *const *pair = honest[round % (sizeof honest / sizeof *honest)];
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        const tbk_value *result = NULL;
        tbk_error err;
        assert_succeeds(tbk_json_parse(arena, pair[1], strlen(pair[1]), pair[0], &result, &err),
                        err);
        if (any(20) == 0)
            result = any_value(arena, 0);
        else
            spoil(arena, (tbk_value *)(uintptr_t)result, 2 + any(8));
        check_printed(pair[0], result);
    }
}

static void a_restore_says_what_a_set_lacks(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *result = NULL;
    tbk_error err;
    char *bytes = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&bytes, &length);
    assert_succeeds(
        tbk_json_parse(arena, honest[6][1], strlen(honest[6][1]), "restore", &result, &err), err);
    cli_print_result(out, "restore", result);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(bytes, "Profile:    essential\n"));
    assert_non_null(strstr(bytes, "Rows:       torrents: 5\n"));
    assert_non_null(strstr(bytes, "Left out:   torrents: 7\n"));
    assert_non_null(strstr(bytes, "Full set:   f\n"));
    free(bytes);
}

static void an_error_of_a_plugin_cannot_reach_the_terminal_either(void **state)
{
    (void)state;
    tbk_error_v1 error = {.struct_size = sizeof error,
                          .message = "\x1b[2J\nFix: x",
                          .tip = "\xC2\x9B",
                          .step = "\x07",
                          .help = "1. a\n2. \x1b[0m\n"};
    char *bytes = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&bytes, &length);
    cli_print_error(out, &error);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(bytes, "Error: \\x1b[2J\\nFix: x\nWhile: \\x07\nFix:   \\u009b\n"
                               "\nFor detailed troubleshooting:\n1. a\n2. \\x1b[0m\n");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_results_are_printed_with_all_that_they_say),
        cmocka_unit_test(no_result_breaks_what_prints_it),
        cmocka_unit_test(a_restore_says_what_a_set_lacks),
        cmocka_unit_test(an_error_of_a_plugin_cannot_reach_the_terminal_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
