/* SPDX-License-Identifier: MIT */
/* Tables of fields: each kind is written and read back; what a row does not allow is refused. */
#include "unit/domain/documents.h"

#include "base/digest.h"
#include "domain/document.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef enum colour { RED, GREEN } colour;

typedef struct part {
    const char *name;
    uint32_t weight;
} part;

typedef struct thing {
    const char *text, *note;
    bool yes, wal;
    int64_t bytes, free;
    uint32_t small;
    colour colour;
    tbk_digest digest, other_digest;
    const char **texts;
    const tbk_table_rows *rows;
    size_t row_count;
    const part *parts;
    size_t part_count;
    part few[2];
    size_t few_count;
    const tbk_value *any;
} thing;

static const char *const colours[] = {[RED] = "red", [GREEN] = "green"};
static const tbk_names colour_names = {.what = "colour", TBK_NAMES_LIST(colours)};
static const char *const modes[] = {"rollback", "wal"};
static const tbk_names mode_names = {TBK_NAMES_LIST(modes)};

static bool is_short(const char *text) { return strlen(text) < 5; }

static bool is_new(const void *whole, const void *item, tbk_error *err)
{
    const thing *read = whole;
    for (size_t i = 0; i < read->few_count; i++)
        if (strcmp(read->few[i].name, ((const part *)item)->name) == 0)
            return tbk_field_fail("few", "has one twice", err);
    return true;
}

static const tbk_field part_fields[] = {
    {"name", TBK_FIELD_TEXT, TBK_AT(part, name)},
    {"weight", TBK_FIELD_INTEGER, TBK_AT(part, weight), .most = 9},
    {.kind = TBK_FIELD_END},
};

#define AT(member) TBK_AT(thing, member)
static const tbk_field fields[] = {
    {"version", TBK_FIELD_VERSION, .most = 3},
    {"text", TBK_FIELD_TEXT, AT(text), .accepts = is_short, .refusal = "is too long"},
    {"deep.er.note", TBK_FIELD_TEXT, AT(note), .need = TBK_FIELD_OMITTED},
    {"deep.yes", TBK_FIELD_BOOL, AT(yes)},
    {"deep.er.mode", TBK_FIELD_NAME, AT(wal), .names = &mode_names, .refusal = "is no mode"},
    {"size_bytes", TBK_FIELD_INTEGER, AT(bytes)},
    {"free", TBK_FIELD_INTEGER, AT(free), .least = -5, .most = 100, .need = TBK_FIELD_OMITTED,
     .otherwise = -1},
    {"small", TBK_FIELD_INTEGER, AT(small), .most = UINT32_MAX},
    {"colour", TBK_FIELD_NAME, AT(colour), .names = &colour_names},
    {"digest", TBK_FIELD_DIGEST, AT(digest)},
    {"other_digest", TBK_FIELD_DIGEST, AT(other_digest), .need = TBK_FIELD_OPTIONAL},
    {"texts", TBK_FIELD_TEXTS, AT(texts)},
    {"rows", TBK_FIELD_ROWS, TBK_AT_LIST(thing, rows, row_count), .most = 1000},
    {"parts", TBK_FIELD_LIST, TBK_AT_LIST(thing, parts, part_count), .items = part_fields,
     .refusal = "holds what is no part"},
    {"a.few", TBK_FIELD_ARRAY, TBK_AT_LIST(thing, few, few_count), .items = part_fields, .most = 2,
     .check = is_new},
    {"any", TBK_FIELD_VALUE, TBK_AT_VALUE(thing, any), .need = TBK_FIELD_OPTIONAL},
    {.kind = TBK_FIELD_END},
};
#undef AT

static const char *texts[] = {"a", "b", NULL};
static const tbk_table_rows rows[] = {{"keys", 0}, {"we.ird", 1000}};
static const part parts[] = {{"x", 1}, {"y", 9}};

static thing sample(tbk_arena *arena)
{
    return (thing){.text = "text",
                   .note = "n",
                   .yes = true,
                   .wal = true,
                   .bytes = INT64_MAX,
                   .free = -5,
                   .small = UINT32_MAX,
                   .colour = GREEN,
                   .digest = {SUM},
                   .texts = texts,
                   .rows = rows,
                   .row_count = 2,
                   .parts = parts,
                   .part_count = 2,
                   .few = {{"p", 3}},
                   .few_count = 1,
                   .any = json_of(arena, "[1,{}]")};
}

static const char *const whole =
    "{\"version\":3,\"text\":\"text\",\"deep\":{\"er\":{\"note\":\"n\",\"mode\":\"wal\"},"
    "\"yes\":true},\"size_bytes\":9223372036854775807,\"free\":-5,\"small\":4294967295,"
    "\"colour\":\"green\",\"digest\":\"" SUM "\",\"other_digest\":null,\"texts\":[\"a\","
    "\"b\"],\"rows\":{\"keys\":0,\"we.ird\":1000},\"parts\":[{\"name\":\"x\",\"weight\":"
    "1},{\"name\":\"y\",\"weight\":9}],\"a\":{\"few\":[{\"name\":\"p\",\"weight\":3}]},"
    "\"any\":[1,{}]}";

static const char *const bare =
    "{\"version\":3,\"text\":null,\"deep\":{\"yes\":false,\"er\":{\"mode\":"
    "\"rollback\"}},"
    "\"size_bytes\":0,\"small\":0,\"colour\":\"red\",\"digest\":null,\"other_digest\":"
    "null,\"texts\":[],\"rows\":{},\"parts\":[],\"a\":{\"few\":[]},\"any\":null}";

static void assert_written(tbk_arena *arena, const thing *from, const char *expected)
{
    tbk_auto_text text = {0};
    tbk_json_write(&text, tbk_fields_to_value(arena, fields, from), false);
    assert_string_equal(tbk_text_string(&text), expected);
}

static void each_kind_is_written_and_read(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    thing written = sample(arena), read = {0};
    tbk_error err;
    assert_written(arena, &written, whole);
    assert_succeeds(tbk_fields_read(arena, json_of(arena, whole), fields, &read, &err), err);
    assert_written(arena, &read, whole);
    assert_string_equal(read.text, "text");
    assert_true(read.yes);
    assert_true(read.wal);
    assert_int_equal(read.small, UINT32_MAX);
    assert_int_equal(read.colour, GREEN);
    assert_null(read.texts[2]);
    assert_int_equal(read.rows[1].rows, 1000);
    assert_int_equal(read.parts[1].weight, 9);
    assert_string_equal(read.few[0].name, "p");
}

static void what_is_unset_is_null_or_omitted(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    thing nothing = {.free = -1}, read = {0};
    tbk_error err;
    assert_written(arena, &nothing, bare);
    tbk_value *document = json_of(arena, bare);
    put(arena, document, "text", "\"t\"");
    put(arena, document, "digest", "\"" SUM "\"");
    put(arena, document, "later", "5"); /* of a later version: left alone */
    assert_succeeds(tbk_fields_read(arena, document, fields, &read, &err), err);
    assert_null(read.note);
    assert_int_equal(read.free, -1);
    assert_string_equal(read.other_digest.hex, "");
    assert_null(read.any);
}

static void what_a_row_does_not_allow_is_refused(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"version", "null", "'version' is missing"},
        {"version", "2", "'version' is not a version"},
        {"text", "5", "'text' must be text"},
        {"text", "\"longer\"", "'text' is too long"},
        {"deep.er.note", "5", "'deep.er.note' must be text"},
        {"deep.yes", "1", "'deep.yes' must be true or false"},
        {"deep.er.mode", "5", "'deep.er.mode' must be text"},
        {"deep.er.mode", "\"off\"", "'deep.er.mode' is no mode"},
        {"size_bytes", "null", "'size_bytes' is missing"},
        {"size_bytes", "-1", "'size_bytes' is out of range"},
        {"free", "-6", "'free' is out of range"},
        {"free", "101", "'free' is out of range"},
        {"small", "-1", "'small' is out of range"},
        {"small", "4294967296", "'small' is out of range"},
        {"colour", "\"blue\"", "the colour 'blue' is unknown; known are: red, green"},
        {"digest", "5", "'digest' must be text"},
        {"digest", "\"abc\"", "'digest' is not a SHA-256 in lower-case hexadecimal"},
        {"other_digest", "\"ABCDEF6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"",
         "'other_digest' is not a SHA-256"},
        {"texts", "{}", "'texts' must be a list"},
        {"texts", "[\"a\",5]", "'texts' holds something that is no text"},
        {"rows", "[]", "'rows' must be a map"},
        {"rows", "{\"a\":\"1\"}", "'rows' holds something that is no count"},
        {"rows", "{\"a\":1001}", "'rows' holds something that is no count"},
        {"parts", "{}", "'parts' must be a list"},
        {"parts", "[5]", "'parts' holds what is no part"},
        {"parts", "[{\"name\":\"x\",\"weight\":10}]", "'weight' is out of range"},
        {"a.few", "{}", "'a.few' must be a list"},
        {"a.few", "[5]", "'a.few' holds something that is no map"},
        {"a.few", "[{},{},{}]", "'a.few' has too many few"},
        {"a.few", "[{\"name\":\"x\",\"weight\":1},{\"name\":\"x\",\"weight\":1}]",
         "'few' has one twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        thing written = sample(arena), read = {0};
        tbk_value *document = tbk_fields_to_value(arena, fields, &written);
        tbk_error err;
        put(arena, document, cases[i].path, cases[i].json);
        if (tbk_fields_read(arena, document, fields, &read, &err))
            fail_msg("%s = %s was read", cases[i].path, cases[i].json);
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s = %s: %s", cases[i].path, cases[i].json, err.message);
    }
}

static void an_optional_row_does_not_hide_what_is_no_map(void **state)
{
    (void)state;
    static const tbk_field notes[] = {
        {"deep.note", TBK_FIELD_TEXT, TBK_AT(thing, note), .need = TBK_FIELD_OPTIONAL},
        {.kind = TBK_FIELD_END},
    };
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *map = tbk_value_map(arena);
    thing read = {0};
    tbk_error err;
    assert_succeeds(tbk_fields_read(arena, map, notes, &read, &err), err);
    assert_fails(tbk_fields_read(arena, tbk_value_list(arena), notes, &read, &err), err,
                 TBK_E_CONFIG, "must be a map, but it is a list");
    tbk_value_set_integer(arena, map, "deep", 5);
    assert_fails(tbk_fields_read(arena, map, notes, &read, &err), err, TBK_E_CONFIG,
                 "'deep' must be a map");
}

static void an_array_may_be_named_without_a_path(void **state)
{
    (void)state;
    static const tbk_field alone[] = {{"few", TBK_FIELD_ARRAY, TBK_AT_LIST(thing, few, few_count),
                                       .items = part_fields, .most = 2},
                                      {.kind = TBK_FIELD_END}};
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    thing read = {0};
    tbk_error err;
    assert_fails(tbk_fields_read(arena, json_of(arena, "{\"few\":[{},{},{}]}"), alone, &read, &err),
                 err, TBK_E_CORRUPT, "'few' has too many few");
}

static void a_newer_version_stays_one_and_all_else_is_damage(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    thing read = {0};
    tbk_error err;
    assert_fails(tbk_fields_read(arena, json_of(arena, "{\"version\":4}"), fields, &read, &err) ||
                     tbk_document_damaged("the thing", &err),
                 err, TBK_E_UNSUPPORTED,
                 "the thing: it has schema version 4; this version reads 3");
    assert_fails(tbk_fields_read(arena, json_of(arena, "[]"), fields, &read, &err) ||
                     tbk_document_damaged("the thing", &err),
                 err, TBK_E_CORRUPT, "the thing: file.json");
}

static void what_cannot_be_read_is_as_if_it_were_missing(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    thing read = {0};
    tbk_value *document = json_of(arena, whole);
    put(arena, document, "text", "5");
    put(arena, document, "size_bytes", "-1");
    put(arena, document, "rows", "[]");
    put(arena, document, "version", "null");
    tbk_fields_read_known(arena, document, fields, &read);
    assert_null(read.text);
    assert_int_equal(read.bytes, 0);
    assert_int_equal(read.row_count, 0);
    assert_int_equal(read.part_count, 2);
    assert_string_equal(read.note, "n");
    assert_non_null(read.any);
    tbk_fields_read_known(arena, json_of(arena, "[]"), fields, &read);
    assert_string_equal(read.note, "n"); /* stays as it is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_written_and_read),
        cmocka_unit_test(what_is_unset_is_null_or_omitted),
        cmocka_unit_test(what_a_row_does_not_allow_is_refused),
        cmocka_unit_test(an_optional_row_does_not_hide_what_is_no_map),
        cmocka_unit_test(an_array_may_be_named_without_a_path),
        cmocka_unit_test(a_newer_version_stays_one_and_all_else_is_damage),
        cmocka_unit_test(what_cannot_be_read_is_as_if_it_were_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
