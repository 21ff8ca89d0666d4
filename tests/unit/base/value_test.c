/* SPDX-License-Identifier: MIT */
/* Values: built, looked up by path, and refused with the place where they stand. */
#include "unit/unit.h"

#include "base/value.h"
#include "base/yaml.h"

#include <stdio.h>

static const char DOCUMENT[] = "name: demo\n"
                               "core:\n"
                               "  port: 7070\n"
                               "  udp: true\n"
                               "  empty: ~\n"
                               "  list: [1, 2]\n"
                               "  load: 1.5\n"
                               "  deep:\n"
                               "    driver: sqlite3\n";

static const tbk_value *document(tbk_arena *arena)
{
    tbk_error err;
    const tbk_value *value = NULL;
    assert_succeeds(tbk_yaml_parse(arena, DOCUMENT, strlen(DOCUMENT), "options.yml", &value, &err),
                    err);
    return value;
}

static void finds_by_path(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    assert_string_equal(tbk_value_find(map, "core.deep.driver")->string, "sqlite3");
    assert_int_equal(tbk_value_find(map, "core.list")->count, 2);
    assert_null(tbk_value_find(map, "core.missing"));
    assert_null(tbk_value_find(map, "cor"));
    assert_null(tbk_value_find(map, "core.portal"));
    assert_null(tbk_value_find(map, "missing.too"));
    assert_null(tbk_value_find(map, "core.empty"));
    assert_null(tbk_value_find(map, "core.empty.more"));
    assert_null(tbk_value_find(map, "core.port.more"));
    assert_null(tbk_value_find(NULL, "core"));
}

static void needs_give_what_is_there(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    tbk_error err;
    const char *text = NULL;
    int64_t integer = 0;
    bool boolean = false;
    const tbk_value *value = NULL;
    assert_succeeds(tbk_value_require_string(map, "name", &text, &err), err);
    assert_string_equal(text, "demo");
    assert_succeeds(tbk_value_require_integer(map, "core.port", &integer, &err), err);
    assert_int_equal(integer, 7070);
    assert_succeeds(tbk_value_require_bool(map, "core.udp", &boolean, &err), err);
    assert_true(boolean);
    assert_succeeds(tbk_value_require_map(map, "core.deep", &value, &err), err);
    assert_int_equal(value->type, TBK_VALUE_MAP);
    assert_succeeds(tbk_value_require_list(map, "core.list", &value, &err), err);
    assert_int_equal(value->type, TBK_VALUE_LIST);
}

static void needs_say_where_and_what_is_missing(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    tbk_error err;
    const char *text = "kept";
    int64_t integer = 1;
    bool boolean = true;
    const tbk_value *value = NULL;
    assert_fails(tbk_value_require_string(map, "core.deep.name", &text, &err), err, TBK_E_CONFIG,
                 "options.yml:9: 'core.deep.name' is missing; it must be text");
    assert_fails(tbk_value_require_integer(map, "core.empty", &integer, &err), err, TBK_E_CONFIG,
                 "options.yml:5: 'core.empty' is missing; it must be a whole number");
    assert_fails(tbk_value_require_bool(map, "core.port.open", &boolean, &err), err, TBK_E_CONFIG,
                 "options.yml:3: 'core.port' must be a map, but it is a whole number");
    assert_fails(tbk_value_require_map(map, "core.list", &value, &err), err, TBK_E_CONFIG,
                 "options.yml:6: 'core.list' must be a map, but it is a list");
    assert_fails(tbk_value_require_list(map, "core.load", &value, &err), err, TBK_E_CONFIG,
                 "'core.load' must be a list, but it is a number");
    assert_fails(tbk_value_require_string(NULL, "a", &text, &err), err, TBK_E_CONFIG,
                 "'a' is missing");
    assert_string_equal(text, "kept");
    assert_null(value);
}

static void text_without_quotes_gets_that_fix(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    tbk_error err;
    const char *text = NULL;
    assert_fails(tbk_value_require_string(map, "core.port", &text, &err), err, TBK_E_CONFIG,
                 "must be text, but it is a whole number");
    assert_string_equal(err.fix, "write the text in quotes");
    assert_fails(tbk_value_require_string(map, "core.list", &text, &err), err, TBK_E_CONFIG,
                 "a list");
    assert_string_equal(err.fix, "");
    assert_fails(tbk_value_require_string(map, "core.deep", &text, &err), err, TBK_E_CONFIG,
                 "a map");
    assert_string_equal(err.fix, "");
}

static void reads_keep_the_default(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    tbk_error err;
    const char *text = "default";
    int64_t integer = 42;
    bool boolean = true;
    assert_succeeds(tbk_value_optional_string(map, "core.nothing", &text, &err), err);
    assert_succeeds(tbk_value_optional_integer(map, "core.empty", &integer, &err), err);
    assert_succeeds(tbk_value_optional_bool(map, "no.such.path", &boolean, &err), err);
    assert_string_equal(text, "default");
    assert_int_equal(integer, 42);
    assert_true(boolean);
    assert_succeeds(tbk_value_optional_string(map, "core.deep.driver", &text, &err), err);
    assert_succeeds(tbk_value_optional_integer(map, "core.port", &integer, &err), err);
    boolean = false;
    assert_succeeds(tbk_value_optional_bool(map, "core.udp", &boolean, &err), err);
    assert_string_equal(text, "sqlite3");
    assert_int_equal(integer, 7070);
    assert_true(boolean);
}

static void looks_whether_something_is_there(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    tbk_error err;
    bool is_there = false;
    assert_succeeds(tbk_value_look(map, "core.deep.driver", &is_there, &err), err);
    assert_true(is_there);
    assert_succeeds(tbk_value_look(map, "core.nothing", &is_there, &err), err);
    assert_false(is_there);
    assert_fails(tbk_value_look(map, "name.x", &is_there, &err), err, TBK_E_CONFIG,
                 "'name' must be a map");
}

static void reads_refuse_other_types(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    tbk_error err;
    const char *text = NULL;
    int64_t integer = 0;
    bool boolean = false;
    assert_fails(tbk_value_optional_string(map, "core.udp", &text, &err), err, TBK_E_CONFIG,
                 "options.yml:4: 'core.udp' must be text, but it is true or false");
    assert_fails(tbk_value_optional_integer(map, "name", &integer, &err), err, TBK_E_CONFIG,
                 "'name' must be a whole number, but it is text");
    assert_fails(tbk_value_optional_bool(map, "name.x", &boolean, &err), err, TBK_E_CONFIG,
                 "'name' must be a map");
}

static void a_document_that_is_no_map_is_refused(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *list = tbk_value_list(arena);
    tbk_error err;
    const char *text = NULL;
    assert_fails(tbk_value_require_string(list, "name", &text, &err), err, TBK_E_CONFIG,
                 "the document must be a map, but it is a list");
    list->source = "state.json";
    assert_fails(tbk_value_require_string(list, "name", &text, &err), err, TBK_E_CONFIG,
                 "state.json: the document must be a map");
}

static void unknown_keys_are_named_with_the_known_ones(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    tbk_error err;
    static const char *const ALL[] = {"name", "core", NULL};
    static const char *const SOME[] = {"name", "cores", NULL};
    static const char *const NONE[] = {NULL};
    assert_succeeds(tbk_value_only_keys(map, ALL, &err), err);
    assert_fails(tbk_value_only_keys(map, SOME, &err), err, TBK_E_CONFIG,
                 "options.yml:3: unknown key 'core'; known are: name, cores");
    assert_fails(tbk_value_only_keys(map, NONE, &err), err, TBK_E_CONFIG, "unknown key 'name'");
    assert_fails(tbk_value_only_keys(tbk_value_find(map, "name"), ALL, &err), err, TBK_E_CONFIG,
                 "options.yml:1: must be a map, but it is text");
}

static void unknown_key_without_a_place_takes_that_of_its_map(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *map = tbk_value_map(arena);
    map->source = "answer";
    tbk_value_set_bool(arena, map, "x", true);
    static const char *const KNOWN[] = {"y", NULL};
    tbk_error err;
    assert_fails(tbk_value_only_keys(map, KNOWN, &err), err, TBK_E_CONFIG,
                 "answer: unknown key 'x'; known are: y");
}

static void set_replaces_in_place(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *map = tbk_value_map(arena);
    tbk_value_set_string(arena, map, "a", "1");
    tbk_value_set_integer(arena, map, "b", 2);
    tbk_value_set_string(arena, map, "a", NULL);
    assert_int_equal(map->count, 2);
    assert_string_equal(map->first->key, "a");
    assert_int_equal(map->first->value->type, TBK_VALUE_NULL);
    assert_int_equal(map->last->value->integer, 2);
}

static void own_message_carries_the_place(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *port = tbk_value_find(document(arena), "core.port");
    tbk_error err = {0};
    assert_false(tbk_value_fail(port, &err, "choose another", "port %d is taken", 7070));
    assert_string_equal(err.message, "options.yml:3: port 7070 is taken");
    assert_string_equal(err.fix, "choose another");
}

static void every_type_has_a_name(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"null", "true or false", "a whole number", "a number",
                                        "text", "a list",        "a map"};
    for (int type = TBK_VALUE_NULL; type <= TBK_VALUE_MAP; type++)
        assert_string_equal(tbk_value_type_name((tbk_value_type)type), NAMES[type]);
    assert_string_equal(tbk_value_type_name((tbk_value_type)77), "of an unknown type");
}

static void numbers_have_limits(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    tbk_error err;
    int64_t integer = 5;
    assert_succeeds(tbk_value_optional_integer_within(map, "core.port", 7070, 7070, &integer, &err),
                    err);
    assert_int_equal(integer, 7070);
    assert_succeeds(tbk_value_optional_integer_within(map, "core.missing", 0, 1, &integer, &err),
                    err);
    assert_int_equal(integer, 7070);
    assert_fails(tbk_value_optional_integer_within(map, "core.port", 0, 7069, &integer, &err), err,
                 TBK_E_CONFIG, "'core.port' is 7070; it must be from 0 to 7069");
    assert_fails(tbk_value_optional_integer_within(map, "core.port", 7071, 9000, &integer, &err),
                 err, TBK_E_CONFIG, "must be from 7071 to 9000");
    assert_fails(tbk_value_optional_integer_within(map, "name", 0, 1, &integer, &err), err,
                 TBK_E_CONFIG, "'name' must be a whole number");
}

static void for_printing_what_is_missing_or_another_type_has_a_stand_in(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *map = tbk_value_map(arena);
    tbk_value *list = tbk_value_list(arena);
    tbk_value_set_string(arena, map, "text", "a");
    tbk_value_set_integer(arena, map, "number", 5);
    tbk_value_set_integer(arena, map, "negative", -5);
    tbk_value_set_bool(arena, map, "yes", true);
    tbk_value_set_bool(arena, map, "no", false);
    tbk_value_set(arena, map, "list", list);
    tbk_value_append(arena, list, tbk_value_null(arena));
    assert_string_equal(tbk_value_text_at(map, "text", "-"), "a");
    assert_string_equal(tbk_value_text_at(map, "number", "-"), "-");
    assert_string_equal(tbk_value_text_at(map, "missing", "-"), "-");
    assert_int_equal(tbk_value_integer_at(map, "number"), 5);
    assert_int_equal(tbk_value_integer_at(map, "text"), 0);
    assert_int_equal(tbk_value_integer_at(map, "missing"), 0);
    assert_true(tbk_value_true_at(map, "yes"));
    assert_false(tbk_value_true_at(map, "no"));
    assert_false(tbk_value_true_at(map, "text"));
    assert_false(tbk_value_true_at(map, "missing"));
    assert_non_null(tbk_value_members_at(map, "list"));
    assert_null(tbk_value_members_at(map, "text"));
    assert_null(tbk_value_members_at(map, "missing"));
    assert_int_equal(tbk_value_bytes_at(map, "number"), 5);
    assert_int_equal(tbk_value_bytes_at(map, "negative"), 0);
}

static void a_visible_copy_keeps_all_but_what_a_terminal_would_do(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *map = tbk_value_map(arena);
    tbk_value *list = tbk_value_list(arena);
    tbk_value_set(arena, map, "list\033", list);
    tbk_value_append(arena, list, tbk_value_string(arena, "\033[2J\n"));
    tbk_value_append(arena, list, tbk_value_integer(arena, 7));
    tbk_value_set_string(arena, map, "diff", "-a\n+\033b\n");
    const tbk_value *copy = tbk_value_visible(arena, map, "diff");
    assert_int_equal(copy->count, 2);
    const tbk_value *items = tbk_value_find(copy, "list\\x1b");
    assert_int_equal(items->type, TBK_VALUE_LIST);
    assert_int_equal(items->count, 2);
    assert_string_equal(items->first->value->string, "\\x1b[2J\\n");
    assert_int_equal(items->last->value->integer, 7);
    assert_string_equal(tbk_value_text_at(copy, "diff", ""), "-a\n+\\x1bb\n");
    assert_string_equal(tbk_value_text_at(tbk_value_visible(arena, map, NULL), "diff", ""),
                        "-a\\n+\\x1bb\\n");
    assert_string_equal(list->first->value->string, "\033[2J\n");
}

static void a_shared_value_has_the_same_members(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *map = document(arena);
    const tbk_value *shared = tbk_value_share(arena, map);
    assert_ptr_not_equal(shared, map);
    assert_ptr_equal(tbk_value_find(shared, "core"), tbk_value_find(map, "core"));
    assert_int_equal(tbk_value_share(arena, NULL)->type, TBK_VALUE_NULL);
}

static void set_at_makes_the_maps_on_the_way(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *map = tbk_value_map(arena);
    tbk_value_set_at(arena, map, "a.b.c", tbk_value_integer(arena, 1));
    tbk_value_set_at(arena, map, "d", tbk_value_integer(arena, 2));
    tbk_value_set_at(arena, map, "a.b.e", tbk_value_integer(arena, 3));
    tbk_value_set_at(arena, map, "a.b.c", tbk_value_integer(arena, 4));
    assert_int_equal(map->count, 2);
    assert_int_equal(tbk_value_find(map, "a.b")->count, 2);
    assert_int_equal(tbk_value_integer_at(map, "a.b.c"), 4);
    assert_int_equal(tbk_value_integer_at(map, "a.b.e"), 3);
    assert_int_equal(tbk_value_integer_at(map, "d"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_path),
        cmocka_unit_test(needs_give_what_is_there),
        cmocka_unit_test(needs_say_where_and_what_is_missing),
        cmocka_unit_test(text_without_quotes_gets_that_fix),
        cmocka_unit_test(reads_keep_the_default),
        cmocka_unit_test(looks_whether_something_is_there),
        cmocka_unit_test(reads_refuse_other_types),
        cmocka_unit_test(a_document_that_is_no_map_is_refused),
        cmocka_unit_test(unknown_keys_are_named_with_the_known_ones),
        cmocka_unit_test(unknown_key_without_a_place_takes_that_of_its_map),
        cmocka_unit_test(set_replaces_in_place),
        cmocka_unit_test(set_at_makes_the_maps_on_the_way),
        cmocka_unit_test(own_message_carries_the_place),
        cmocka_unit_test(every_type_has_a_name),
        cmocka_unit_test(numbers_have_limits),
        cmocka_unit_test(for_printing_what_is_missing_or_another_type_has_a_stand_in),
        cmocka_unit_test(a_visible_copy_keeps_all_but_what_a_terminal_would_do),
        cmocka_unit_test(a_shared_value_has_the_same_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
