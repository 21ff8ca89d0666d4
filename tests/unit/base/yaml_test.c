/* SPDX-License-Identifier: MIT */
/* YAML: the core schema, anchors and merge keys, and limits that hostile documents run into. */
#include "unit/unit.h"

#include "base/json.h"
#include "base/yaml.h"

#include <math.h>
#include <stdio.h>

static bool parse(tbk_arena *arena, const char *text, const tbk_value **out, tbk_error *err)
{
    return tbk_yaml_parse(arena, text, strlen(text), "options.yml", out, err);
}

typedef struct reading {
    const char *yaml;
    const char *json; /* what it means, or the message that refuses it */
} reading;

static void check_means(const reading *cases, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_error err;
        const tbk_value *value = NULL;
        assert_succeeds(parse(arena, cases[index].yaml, &value, &err), err);
        tbk_auto_text written = {0};
        tbk_json_write(&written, value, false);
        assert_string_equal(tbk_text_string(&written), cases[index].json);
    }
}

static void check_refused(const reading *cases, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_error err;
        const tbk_value *value = NULL;
        assert_fails(parse(arena, cases[index].yaml, &value, &err), err, TBK_E_CONFIG,
                     cases[index].json);
        assert_null(value);
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void plain_scalars_follow_the_core_schema(void **state)
{
    (void)state;
    static const reading CASES[] = {
        {"[~, null, Null, NULL, ]", "[null,null,null,null]"},
        {"[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]"},
        {"[yes, no, on, off, y, nUll, tRUE]",
         "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"nUll\",\"tRUE\"]"},
        {"[0, -7, +12, 0123, 0o17, 0xfF]", "[0,-7,12,123,15,255]"},
        {"[9223372036854775807, -9223372036854775808]",
         "[9223372036854775807,-9223372036854775808]"},
        {"[1.5, -.5, 1., 1e3, +1.5E-2, 0.0, 12e+1]", "[1.5,-0.5,1.0,1000.0,0.015,0.0,120.0]"},
        {"[0o, 0o8, 0x, 0xg, -0x1, -, +, ., e3, 1e, 1e+, 1.5.5, 1_000, -.]",
         "[\"0o\",\"0o8\",\"0x\",\"0xg\",\"-0x1\",\"-\",\"+\",\".\",\"e3\",\"1e\",\"1e+\",\"1.5."
         "5\","
         "\"1_000\",\"-.\"]"},
        {"[10:30, 2026-02-16, 7d]", "[\"10:30\",\"2026-02-16\",\"7d\"]"},
        {"[0 3 * * *, a b]", "[\"0 3 * * *\",\"a b\"]"},
    };
    check_means(CASES, COUNT_OF(CASES));
}

static void infinities_and_no_numbers_are_real(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *list = NULL;
    assert_succeeds(parse(arena, "[.inf, -.Inf, +.INF, .nan, .NaN, .NAN]", &list, &err), err);
    static const int SIGNS[] = {1, -1, 1, 0, 0, 0};
    size_t index = 0;
    for (const tbk_member *at = list->first; at != NULL; at = at->next, index++) {
        assert_int_equal(at->value->type, TBK_VALUE_REAL);
        assert_int_equal(isinf(at->value->real) ? (at->value->real > 0 ? 1 : -1) : 0, SIGNS[index]);
        assert_int_equal(isnan(at->value->real) != 0, SIGNS[index] == 0);
    }
}

static void what_is_quoted_or_a_block_is_text(void **state)
{
    (void)state;
    static const reading CASES[] = {
        {"['1', \"true\", '', \"~\", '1.5']", "[\"1\",\"true\",\"\",\"~\",\"1.5\"]"},
        {"|\n  12\n", "\"12\\n\""},
        {">-\n  a\n  b\n", "\"a b\""},
        {"\"\\u00e9\\n\"", "\"é\\n\""},
    };
    check_means(CASES, COUNT_OF(CASES));
}

static void tags_of_the_core_schema_decide(void **state)
{
    (void)state;
    static const reading MEANS[] = {
        {"!!str 12", "\"12\""},          {"! 12", "\"12\""},
        {"!!int \"12\"", "12"},          {"!!float 1", "1.0"},
        {"!!float 1.5", "1.5"},          {"!!bool \"true\"", "true"},
        {"!!null ''", "null"},           {"!!map {a: !!seq [1]}", "{\"a\":[1]}"},
        {"! {a: ! [1]}", "{\"a\":[1]}"}, {"!!str a: 1", "{\"a\":1}"},
    };
    check_means(MEANS, COUNT_OF(MEANS));
    static const reading REFUSED[] = {
        {"!!int abc", "options.yml:1:1: this is not a whole number, as its tag says"},
        {"!!bool 1", "this is not true or false"},
        {"!!float abc", "this is not a number"},
        {"!!int 99999999999999999999", "too large"},
        {"!vault abc", "the tag '!vault' is not supported"},
        {"a: !!binary aGk=", "options.yml:1:4: the tag 'tag:yaml.org,2002:binary'"},
        {"!!set {a: }", "is not supported"},
        {"!!omap [a: 1]", "is not supported"},
        {"!!map [1]", "is not supported"},
    };
    check_refused(REFUSED, COUNT_OF(REFUSED));
}

static void anchors_and_merge_keys_are_resolved(void **state)
{
    (void)state;
    static const reading CASES[] = {
        {"a: &x 1\nb: *x\n", "{\"a\":1,\"b\":1}"},
        {"a: &x [1, {p: 2}]\nb: *x\n", "{\"a\":[1,{\"p\":2}],\"b\":[1,{\"p\":2}]}"},
        {"&k key: 1\nb: *k\n", "{\"key\":1,\"b\":\"key\"}"},
        {"a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}"},
        {"a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n",
         "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1}}"},
        {"a: &x {p: 1}\nb: {p: 3, <<: *x}\n", "{\"a\":{\"p\":1},\"b\":{\"p\":3}}"},
        {"a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y]}\n",
         "{\"a\":{\"p\":1},\"b\":{\"p\":2,\"q\":2},\"c\":{\"p\":1,\"q\":2}}"},
        {"<<: {a: 1}\nb: 2\n", "{\"b\":2,\"a\":1}"},
        {"<<: []\nb: 2\n", "{\"b\":2}"},
        {"\"<<\": 1\n!!str <<x: 2\n", "{\"<<\":1,\"<<x\":2}"},
        {"!!str <<: 2\n", "{\"<<\":2}"},
        {"[<<]", "[\"<<\"]"},
    };
    check_means(CASES, COUNT_OF(CASES));
}

static void wrong_aliases_and_merges_are_refused(void **state)
{
    (void)state;
    static const reading CASES[] = {
        {"a: *x\n", "options.yml:1:4: the alias '*x' has no anchor before it"},
        {"&a [*a]\n", "the alias '*a' has no anchor"},
        {"a: {<<: 1}\n", "'<<' wants a map or a list of maps"},
        {"a: {<<: [{b: 1}, 2, {c: 3}]}\n", "'<<' wants a map or a list of maps"},
        {"a: {<<: [{b: 1}, 2]}\n", "'<<' wants a map or a list of maps"},
        {"{<<: {a: 1}, <<: {b: 1}}\n", "the key '<<' is there twice"},
    };
    check_refused(CASES, COUNT_OF(CASES));
}

static void keys_are_text_and_unique(void **state)
{
    (void)state;
    static const reading CASES[] = {
        {"a: 1\nb: 2\na: 3\n", "options.yml:3:1: the key 'a' is there twice"},
        {"a: 1\n\"a\": 3\n", "options.yml:2:1: the key 'a' is there twice"},
        {"1: x\n", "options.yml:1:1: a key must be text"},
        {"true: x\n", "a key must be text"},
        {"~: x\n", "a key must be text"},
        {"? [a]\n: x\n", "options.yml:1:3: a key must be text"},
        {"? {a: 1}\n: x\n", "a key must be text"},
        {"a: &x b\n*x : c\n", "a key must be text"},
        {"\"a\\0\": 1\n", "text with a NUL character inside"},
    };
    check_refused(CASES, COUNT_OF(CASES));
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *value = NULL;
    assert_fails(parse(arena, "1: x", &value, &err), err, TBK_E_CONFIG, "text");
    assert_string_equal(err.fix, "write the key in quotes");
}

static void malformed_text_is_refused_with_its_place(void **state)
{
    (void)state;
    static const reading CASES[] = {
        {"a: [1\n", "options.yml:2:1: not valid YAML: "},
        {"a: }\n", "options.yml:1:4: not valid YAML: "},
        {"a: 1\n b: 2\n", "options.yml:2:"},
        {"a:\n\t- 1\n", "options.yml:2:1: not valid YAML: found character that cannot start"},
        {"a: \"x\n", "not valid YAML: found unexpected end of stream"},
        {"a: %x\n", "not valid YAML: "},
        {"%YAML 9.1\n---\na\n", "not valid YAML: found incompatible YAML document"},
        {"- a\nb: c\n", "options.yml:2:1: not valid YAML: "},
        {"a: 1\n- b\n", "not valid YAML: "},
        {"{a: 1, b", "not valid YAML: "},
        {"a: \"\\q\"\n", "not valid YAML: found unknown escape"},
        {"a: \xff\n", "options.yml: not valid YAML: invalid leading UTF-8 octet at byte 3"},
        {"a: \xed\xa0\x80\n", "options.yml: not valid YAML: invalid Unicode character"},
        {"a: \x01\n", "options.yml: not valid YAML: control characters are not allowed"},
        {"a\n---\nb\n", "options.yml:2:1: more than one document"},
        {"a\n...\n[\n", "not valid YAML"},
        {"a\n--- [\n", "more than one document"},
        {"--- \"a\n", "not valid YAML"},
        {"|\n  a\n@b\n", "options.yml:3:1: not valid YAML: found character that cannot start"},
        {"[a]\n@b\n", "options.yml:2:1: not valid YAML: found character that cannot start"},
        {"a: 99999999999999999999\n", "options.yml:1:4: a whole number that is too large"},
        {"a: -9223372036854775809\n", "too large"},
        {"a: 0xfffffffffffffffff\n", "too large"},
        {"\"a\\0b\"", "text with a NUL character inside"},
    };
    check_refused(CASES, COUNT_OF(CASES));
}

static void nothing_is_null(void **state)
{
    (void)state;
    static const reading CASES[] = {
        {"", "null"}, {"# only a comment\n", "null"}, {"---\n", "null"}, {"---\n...\n", "null"}};
    check_means(CASES, COUNT_OF(CASES));
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *value = NULL;
    assert_succeeds(parse(arena, "", &value, &err), err);
    assert_string_equal(value->source, "options.yml");
}

static void bytes_with_nul_are_refused(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *value = NULL;
    assert_fails(tbk_yaml_parse(arena, "a: b\0c\n", 7, "s", &value, &err), err, TBK_E_CONFIG, "s");
}

static void values_know_their_line(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    const tbk_value *value = NULL;
    assert_succeeds(parse(arena, "a:\n  b:\n    - 1\n    - c: x\n", &value, &err), err);
    const tbk_value *list = tbk_value_find(value, "a.b");
    assert_int_equal(value->line, 1);
    assert_int_equal(list->last->value->line, 4);
    assert_string_equal(tbk_value_find(list->last->value, "c")->source, "options.yml");
}

static void repeat(tbk_text *text, const char *part, int times)
{
    while (times-- > 0)
        tbk_text_append(text, part);
}

static void check_depth(const char *part, const char *last, int levels, const char *refusal)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text text = {0};
    repeat(&text, part, levels);
    repeat(&text, last, part[0] == '[' || part[0] == '{' ? levels : 1);
    tbk_error err;
    const tbk_value *value = NULL;
    if (refusal == NULL)
        assert_succeeds(parse(arena, text.bytes, &value, &err), err);
    else
        assert_fails(parse(arena, text.bytes, &value, &err), err, TBK_E_CONFIG, refusal);
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    check_depth("[", "]", 64, NULL);
    check_depth("[", "]", 65, "options.yml:1:65: nested more than 64 levels deep");
    check_depth("{a: ", "}", 64, NULL);
    check_depth("{a: ", "}", 65, "nested more than 64 levels deep");
    check_depth("- ", "x", 64, NULL);
    check_depth("- ", "x", 65, "nested more than 64 levels deep");
    check_depth("[", "]", 100000, "nested more than 64 levels deep");
    check_depth("- ", "x", 100000, "nested more than 64 levels deep");
}

static void aliases_count_for_the_depth(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text text = {0};
    tbk_text_append(&text, "a0: &a0 [x]\n");
    for (int index = 1; index < 64; index++)
        tbk_text_format(&text, "a%d: &a%d [*a%d]\n", index, index, index - 1);
    tbk_error err;
    const tbk_value *value = NULL;
    assert_fails(parse(arena, text.bytes, &value, &err), err, TBK_E_CONFIG, "64 levels deep");
}

static void a_billion_laughs_are_refused_at_once(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text text = {0};
    tbk_text_append(&text, "a0: &a0 [lol]\n");
    for (int index = 1; index < 12; index++)
        tbk_text_format(&text, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", index,
                        index, index - 1, index - 1, index - 1, index - 1, index - 1, index - 1,
                        index - 1, index - 1, index - 1);
    tbk_error err;
    const tbk_value *value = NULL;
    limit_work_s(20);
    assert_fails(parse(arena, text.bytes, &value, &err), err, TBK_E_CONFIG,
                 "more than 100000 values, aliases resolved");
    limit_work_s(0);
}

static void the_number_of_values_has_a_limit(void **state)
{
    (void)state;
    for (int count = 99999; count <= 100000; count++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_auto_text text = {0};
        repeat(&text, "- 1\n", count);
        tbk_error err;
        const tbk_value *value = NULL;
        if (count == 99999)
            assert_succeeds(parse(arena, text.bytes, &value, &err), err);
        else
            assert_fails(parse(arena, text.bytes, &value, &err), err, TBK_E_CONFIG,
                         "options.yml:100000:3: more than 100000 values");
    }
}

static void append_keys(tbk_text *text, const char *prefix, int count)
{
    for (int index = 0; index < count; index++)
        tbk_text_format(text, "%s%d: 1\n", prefix, index);
}

static void the_number_of_keys_has_a_limit(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text text = {0};
    append_keys(&text, "k", 4096);
    tbk_error err;
    const tbk_value *value = NULL;
    assert_succeeds(parse(arena, text.bytes, &value, &err), err);
    tbk_text_append(&text, "one: more\n");
    assert_fails(parse(arena, text.bytes, &value, &err), err, TBK_E_CONFIG,
                 "options.yml:4097:1: more than 4096 keys in one map");
}

static void merged_keys_count_for_that_limit(void **state)
{
    (void)state;
    for (int listed = 0; listed <= 1; listed++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_auto_text text = {0};
        tbk_text_append(&text, listed ? "<<: [{a: 1, b: 1}]\n" : "<<: {a: 1, b: 1}\n");
        append_keys(&text, "k", 4095);
        tbk_error err;
        const tbk_value *value = NULL;
        assert_fails(parse(arena, text.bytes, &value, &err), err, TBK_E_CONFIG,
                     "more than 4096 keys in one map");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_follow_the_core_schema),
        cmocka_unit_test(infinities_and_no_numbers_are_real),
        cmocka_unit_test(what_is_quoted_or_a_block_is_text),
        cmocka_unit_test(tags_of_the_core_schema_decide),
        cmocka_unit_test(anchors_and_merge_keys_are_resolved),
        cmocka_unit_test(wrong_aliases_and_merges_are_refused),
        cmocka_unit_test(keys_are_text_and_unique),
        cmocka_unit_test(malformed_text_is_refused_with_its_place),
        cmocka_unit_test(nothing_is_null),
        cmocka_unit_test(bytes_with_nul_are_refused),
        cmocka_unit_test(values_know_their_line),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(aliases_count_for_the_depth),
        cmocka_unit_test(a_billion_laughs_are_refused_at_once),
        cmocka_unit_test(the_number_of_values_has_a_limit),
        cmocka_unit_test(the_number_of_keys_has_a_limit),
        cmocka_unit_test(merged_keys_count_for_that_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
