/* SPDX-License-Identifier: MIT */
/* Variables of a .env file: what `docker compose config` made of each text here (2.26), or none. */
#include "unit/unit.h"

#include "domain/dotenv.h"

static tbk_dotenv file_of(const char *text)
{
    return (tbk_dotenv){.text = text, .length = strlen(text), .source = ".env"};
}

/* The text, and the value of V in it; NULL = not set. */
typedef struct reading {
    const char *text, *value;
} reading;

static void expect_values(const reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_dotenv file = file_of(readings[i].text);
        const char *value = "untouched";
        tbk_error err;
        assert_succeeds(tbk_dotenv_find(arena, &file, "V", &value, &err), err);
        if (readings[i].value == NULL)
            assert_null(value);
        else
            assert_string_equal(value, readings[i].value);
    }
}
#define expect(...)                                                                                \
    expect_values((const reading[]){__VA_ARGS__},                                                  \
                  sizeof((const reading[]){__VA_ARGS__}) / sizeof(reading))

static void value_without_quotes_ends_at_comment_or_line(void **state)
{
    (void)state;
    expect({"V=a b", "a b"}, {"V=  a  \n", "a"}, {"V=a#b", "a#b"}, {"V=a #b", "a"},
           {"V=a\t#b", "a\t#b"}, {"V=  # b", "# b"}, {"V=#b", "#b"}, {"V=", ""}, {"V=\nW=1", ""},
           {"V=a'b'", "a'b'"}, {"V=a\\nb\\", "a\\nb\\"}, {"V==a", "=a"}, {"V=\xC3\xA9", "\xC3\xA9"},
           {"V=a\r\nW=1\r\n", "a"}, {"V=a\rb\n", "a\rb"});
}

static void single_quotes_are_literal(void **state)
{
    (void)state;
    expect({"V='a$b ${c} $$ # \"d\"'", "a$b ${c} $$ # \"d\""}, {"V='a\\'b'", "a'b"},
           {"V='a\\\\b'", "a\\\\b"}, {"V='a\\\\'\nW='x'", "a\\\\"}, {"V='a\\\\\\'b'", "a\\\\'b"},
           {"V='\\n\\$x'", "\\n\\$x"}, {"V='a\nb'\n", "a\nb"}, {"V='a\r\nb'\n", "a\r\nb"},
           {"V=''", ""}, {"V= \t'a' # it's", "a"}, {"V='a'#c\n", "a"});
}

static void double_quotes_have_escapes(void **state)
{
    (void)state;
    expect({"V=\"a\\\"b'\"", "a\"b'"}, {"V=\"\\a\\b\\f\\n\\r\\t\\v\\\\\"", "\a\b\f\n\r\t\v\\"},
           {"V=\"\\x41\\u0041\\ \\'\\c\\1\"", "\\x41\\u0041\\ \\'\\c\\1"}, {"V=\"\\\n\"", "\\\n"},
           {"V=\"\\\\n\"", "\\n"}, {"V=\"a\nb\"\n", "a\nb"}, {"V=\" #b\" #c", " #b"},
           {"V=\"\"", ""});
}

static void dollars_without_a_name_are_dollars(void **state)
{
    (void)state;
    expect({"V=a$$b", "a$b"}, {"V=\"$$$$\"", "$$"}, {"V=a$", "a$"}, {"V=$5$,$(x)", "$5$,$(x)"},
           {"V=\"a\\$b\"", "a$b"}, {"V=\"\\${x}\"", "${x}"}, {"V=$'a'", "$'a'"},
           {"V=$\xC3\xA9", "$\xC3\xA9"}, {"V=\"\\\\\\$x\"", "\\$x"});
}

static void names_are_matched_whole_and_the_last_one_counts(void **state)
{
    (void)state;
    expect({"V=a\nV=b", "b"}, {"V=a\nV=\n", ""}, {"V=$x\nV='b'", "b"}, {"V='a'V=b\n", "b"},
           {"V='a' W=c\n", "a"}, {"VV=a\nW=b\nv=c", NULL}, {"", NULL}, {"\n# V=a\n", NULL},
           {"# V='\nV=a", "a"}, {"# the end", NULL}, {"V\n", NULL}, {"V=a\nV\n", "a"},
           {"V=a\nexport V\n", "a"}, {"V.x=a\n1V=a\nV[0]=a\nA-B=a\n\xC3\xA9=a\nV=b", "b"});
}

static void an_assignment_has_many_forms(void **state)
{
    (void)state;
    expect({"V = a", "a"}, {"V: a", "a"}, {"V:='a'", "='a'"}, {"  V=a", "a"}, {"V\r=a", "a"},
           {"export V=a", "a"}, {"export\t V='a'", "a"}, {"exportV=a", NULL},
           {"export=1\nV=a", "a"}, {"export\nV=a", "a"}, {"V=a\nexport \n", "a"},
           {"\xEF\xBB\xBFV=a", "a"});
}

static void what_is_refused_is_named_by_its_line_only(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"W=1\nV=$secret", "the variable V: .env:2: the value takes in another variable"},
        {"V=${secret}", ".env:1: the value takes in another variable"},
        {"V=\"secret$x\"", ".env:1: the value takes in another variable"},
        {"V=secret\\$x", ".env:1: the value takes in another variable"},
        {"V=$$$secret", ".env:1: the value takes in another variable"},
        {"V=\"$\\$secret\"", ".env:1: the value takes in another variable"},
        {"V=$_", ".env:1: the value takes in another variable"},
        {"\nV=\"secret\\0101\"", ".env:2: the escape \\0 is not read here"},
        {"V='secret", ".env:1: the quote that opens here is not closed"},
        {"W='1'\nV=\"secret\n\n", ".env:2: the quote that opens here is not closed"},
        {"V='secret\\'", ".env:1: the quote that opens here is not closed"},
        {"V='secret\\", ".env:1: the quote that opens here is not closed"},
        {"V=''secret''", ".env:1: this is not an assignment"},
        {"W=1\n'secret'=1\nV=2", ".env:2: this is not an assignment"},
        {"my secret=1\nV=2", ".env:1: this is not an assignment"},
        {"=secret\nV=2", ".env:1: this is not an assignment"},
        {"export =secret\nV=2", ".env:1: this is not an assignment"},
        {"V='1'\n\xEF\xBB\xBF@W=secret", ".env:2: this is not an assignment"},
        {"W=1\nV='secret\xFF'", "the variable V: .env:2: the value is not valid UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_dotenv file = file_of(cases[i].text);
        const char *value = "untouched";
        tbk_error err;
        assert_fails(tbk_dotenv_find(arena, &file, "V", &value, &err), err, TBK_E_CONFIG,
                     cases[i].message);
        assert_null(strstr(err.message, "secret"));
        assert_true(err.fix[0] != '\0');
        assert_string_equal(value, "untouched");
    }
}

static void other_variables_values_do_not_matter(void **state)
{
    (void)state;
    expect({"W=$x ${y\nV=a", "a"}, {"W=\xFF\nX=\"\\0\"\nV=a", "a"});
}

static void a_binary_or_huge_file_is_refused(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_dotenv binary = {.text = "W=1\n\nV=\0secret", .length = 14, .source = ".env"};
    tbk_dotenv huge = {.text = "", .length = TBK_DOTENV_MAX_BYTES + 1, .source = ".env"};
    const char *value = NULL;
    tbk_error err;
    assert_fails(tbk_dotenv_find(arena, &binary, "V", &value, &err), err, TBK_E_CONFIG,
                 ".env:3: a NUL character");
    assert_fails(tbk_dotenv_find(arena, &huge, "V", &value, &err), err, TBK_E_CONFIG,
                 ".env has 1048577 bytes; at most 1048576 are possible");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_without_quotes_ends_at_comment_or_line),
        cmocka_unit_test(single_quotes_are_literal),
        cmocka_unit_test(double_quotes_have_escapes),
        cmocka_unit_test(dollars_without_a_name_are_dollars),
        cmocka_unit_test(names_are_matched_whole_and_the_last_one_counts),
        cmocka_unit_test(an_assignment_has_many_forms),
        cmocka_unit_test(what_is_refused_is_named_by_its_line_only),
        cmocka_unit_test(other_variables_values_do_not_matter),
        cmocka_unit_test(a_binary_or_huge_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
