/* SPDX-License-Identifier: MIT */
/* JSON: strict in, the same out, and no word of the document in an error about it. */
#include "unit/unit.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>

static bool parse(tbk_arena *arena, const char *text, const tbk_value **out, tbk_error *err)
{
    return tbk_json_parse(arena, text, strlen(text), "state.json", out, err);
}

static void check_round_trip(const char *text, const char *expected)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *value = NULL;
    assert_succeeds(parse(arena, text, &value, &err), err);
    tbk_auto_text written = {0};
    tbk_json_write(&written, value, false);
    assert_string_equal(tbk_text_string(&written), expected);
}

static void gives_back_what_it_read(void **state)
{
    (void)state;
    static const char *const SAME[] = {
        "null",
        "true",
        "false",
        "0",
        "-9223372036854775808",
        "9223372036854775807",
        "\"\"",
        "[]",
        "{}",
        "[1,[2,{\"a\":null}],\"x\"]",
        "{\"z\":1,\"a\":2,\"m\":{\"y\":false,\"b\":[]}}",
        "\"\\\"\\\\/ é€😀 \\n\\u0009\\u001f\"",
        "0.1",
        "-1.5e-300",
        "1.0",
    };
    for (size_t index = 0; index < sizeof SAME / sizeof SAME[0]; index++)
        check_round_trip(SAME[index], SAME[index]);
    check_round_trip(" { \"a\" : [ 1 , 2.50 ] } \n", "{\"a\":[1,2.5]}");
    check_round_trip("\"\\u00e9\\ud83d\\ude00\"", "\"é😀\"");
    check_round_trip("1e22", "1e+22");
    check_round_trip("0.30000000000000004", "0.30000000000000004");
}

static void indents_by_two(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *value = NULL;
    assert_succeeds(parse(arena, "{\"a\":[1,{\"b\":{}}],\"c\":[]}", &value, &err), err);
    tbk_auto_text written = {0};
    tbk_text_append(&written, "x=");
    tbk_json_write(&written, value, true);
    assert_string_equal(written.bytes,
                        "x={\n  \"a\": [\n    1,\n    {\n      \"b\": {}\n    }\n  ],\n"
                        "  \"c\": []\n}\n");
}

static void malformed_text_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } CASES[] = {
        {"", "state.json:1:1: not valid JSON"},
        {" ", "state.json:1:"},
        {"{", "not valid JSON"},
        {"{\n\"a\":1,\n}", "state.json:3:"},
        {"[1 2]", "not valid JSON"},
        {"{} {}", "end of file expected"},
        {"{\"a\":1,\"a\":2}", "duplicate object key"},
        {"\"\\u0000\"", "\\u0000 is not allowed"},
        {"{\"a\\u0000\":1}", "not valid JSON"},
        {"\"\xff\"", "unable to decode byte"},
        {"\"\\ud800\"", "not valid JSON"},
        {"9223372036854775808", "too big integer"},
        {"-9223372036854775809", "too big negative integer"},
        {"[11111111111111111111111111111]", "state.json:1:30: not valid JSON: too big integer"},
        {"1e999", "real number overflow"},
        {"NaN", "not valid JSON"},
        {"'a'", "not valid JSON"},
        {"{a:1}", "not valid JSON"},
        {"01", "not valid JSON"},
        {"// x\n1", "not valid JSON"},
        {"\"a\nb\"", "not valid JSON"},
    };
    for (size_t index = 0; index < sizeof CASES / sizeof CASES[0]; index++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_error err;
        const tbk_value *value = NULL;
        assert_fails(parse(arena, CASES[index].text, &value, &err), err, TBK_E_CONFIG,
                     CASES[index].message);
        assert_null(value);
    }
}

static void bytes_with_nul_are_refused(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *value = NULL;
    assert_fails(tbk_json_parse(arena, "[1]\0", 4, "s", &value, &err), err, TBK_E_CONFIG, "s:1:");
    assert_fails(tbk_json_parse(arena, "\"a\0b\"", 5, "s", &value, &err), err, TBK_E_CONFIG,
                 "s:1:");
}

static void errors_do_not_quote_the_document(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *value = NULL;
    assert_fails(parse(arena, "{\"password\":\"hunter2\" hunter3}", &value, &err), err,
                 TBK_E_CONFIG, "state.json:1:");
    assert_null(strstr(err.message, "hunter"));
    assert_fails(parse(arena, "{\"hunter2\":1,\"hunter2\":1}", &value, &err), err, TBK_E_CONFIG,
                 "duplicate");
    assert_null(strstr(err.message, "hunter"));
}

static void repeat(tbk_text *text, const char *part, int times)
{
    while (times-- > 0)
        tbk_text_append(text, part);
}

static void check_depth(const char *open, const char *close, int levels, bool expected)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text text = {0};
    repeat(&text, open, levels);
    tbk_text_append(&text, open[0] == '{' ? "1" : "");
    repeat(&text, close, levels);
    tbk_error err;
    const tbk_value *value = NULL;
    if (expected)
        assert_succeeds(parse(arena, text.bytes, &value, &err), err);
    else
        assert_fails(parse(arena, text.bytes, &value, &err), err, TBK_E_CONFIG, "state.json");
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    check_depth("[", "]", 64, true);
    check_depth("[", "]", 65, false);
    check_depth("{\"a\":", "}", 64, true);
    check_depth("{\"a\":", "}", 65, false);
    check_depth("[", "]", 100000, false);
    check_depth("{\"a\":", "}", 1000000, false);
}

static void what_is_no_text_or_number_is_written_as_json_all_the_same(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *list = tbk_value_list(arena);
    tbk_value_append(arena, list, tbk_value_real(arena, (double)INFINITY));
    tbk_value_append(arena, list, tbk_value_real(arena, (double)NAN));
    tbk_value_append(arena, list, tbk_value_string(arena, "a\xff\xe2\x82z\x7f"));
    tbk_auto_text written = {0};
    tbk_json_write(&written, list, false);
    assert_string_equal(written.bytes,
                        "[null,null,\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\\u007f\"]");
    tbk_error err;
    const tbk_value *value = NULL;
    assert_succeeds(parse(arena, written.bytes, &value, &err), err);
}

static void values_know_their_source(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *value = NULL;
    assert_succeeds(parse(arena, "{\"a\":{\"b\":\"x\"}}", &value, &err), err);
    int64_t number = 0;
    assert_fails(tbk_value_require_integer(value, "a.b", &number, &err), err, TBK_E_CONFIG,
                 "state.json: 'a.b' must be a whole number, but it is text");
}

static void many_keys_are_read_quickly(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text text = {0};
    tbk_text_append(&text, "{");
    for (int index = 0; index < 200000; index++)
        tbk_text_format(&text, "%s\"k%d\":%d", index == 0 ? "" : ",", index, index);
    tbk_text_append(&text, "}");
    tbk_error err;
    const tbk_value *value = NULL;
    limit_work_s(30); /* quadratic work would take minutes */
    assert_succeeds(parse(arena, text.bytes, &value, &err), err);
    limit_work_s(0);
    assert_int_equal(value->count, 200000);
    assert_string_equal(value->first->key, "k0");
    assert_string_equal(value->last->key, "k199999");
}

static void a_printed_document_does_nothing_to_a_terminal_and_loses_nothing(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text text = {0};
    static const char hostile[] = "\x1b[2J\x7f\xC2\x9B\u202E\u2028\U000E0041é";
    const tbk_value *again = NULL;
    tbk_error err;
    tbk_json_write(&text, tbk_value_string(arena, hostile), false);
    assert_string_equal(tbk_text_string(&text),
                        "\"\\u001b[2J\\u007f\\u009b\\u202e\\u2028\\udb40\\udc41é\"");
    assert_succeeds(tbk_json_parse(arena, text.bytes, text.length, "x", &again, &err), err);
    assert_string_equal(again->string, hostile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_it_read),
        cmocka_unit_test(indents_by_two),
        cmocka_unit_test(malformed_text_is_refused_with_its_place),
        cmocka_unit_test(bytes_with_nul_are_refused),
        cmocka_unit_test(errors_do_not_quote_the_document),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(what_is_no_text_or_number_is_written_as_json_all_the_same),
        cmocka_unit_test(values_know_their_source),
        cmocka_unit_test(many_keys_are_read_quickly),
        cmocka_unit_test(a_printed_document_does_nothing_to_a_terminal_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
