/* SPDX-License-Identifier: MIT */
/* The template language: what it makes, and how it refuses what is wrong. */
#include "unit/arena.h"

#include "render/template.h"

#include "base/json.h"
#include "base/yaml.h"

static const char values_json[] =
    "{\"name\": \"demo\", \"empty\": \"\", \"nothing\": null, \"seven\": 7, \"zero\": 0, "
    "\"minus\": -3,"
    " \"half\": 0.5, \"yes\": true, \"no\": false, \"none\": [], \"list\": [\"a\", \"b\", \"c\"],"
    " \"database\": {\"driver\": \"sqlite3\", \"files\": {\"main\": \"t.db\"}},"
    " \"services\": [{\"name\": \"x\", \"ports\": [1, 2]}, {\"name\": \"y\", \"ports\": [3]}],"
    " \"schedule\": \"*/5 1-3 * * 1-5\", \"daily\": \"@daily\", \"greek\": \"\\u03b1\\u03b2\"}";

static const tbk_value *sample_values(void)
{
    const tbk_value *values;
    tbk_error err;
    assert_true(tbk_json_parse(arena, values_json, strlen(values_json), "values", &values, &err));
    return values;
}

static bool render_bytes(const char *source, size_t length, tbk_template_context context,
                         const tbk_value *values, tbk_text *out, tbk_error *err)
{
    /* A copy without anything after it, so that the sanitizer sees a read past the end. */
    char *copy = malloc(length + (length == 0));
    assert_non_null(copy);
    memcpy(copy, source, length);
    bool rendered = tbk_template_render("t.tera", copy, length, context, values, out, err);
    free(copy);
    return rendered;
}

static void assert_renders_in(tbk_template_context context, const char *source,
                              const char *expected)
{
    tbk_auto_text text = {0};
    tbk_error err;
    if (!render_bytes(source, strlen(source), context, sample_values(), &text, &err))
        fail_msg("%s: %s", source, err.message);
    assert_string_equal(tbk_text_string(&text), expected);
}

static void assert_renders(const char *source, const char *expected)
{
    assert_renders_in(TBK_TEMPLATE_PLAIN, source, expected);
}

static void assert_refuses_in(tbk_template_context context, const char *source, const char *message)
{
    tbk_auto_text text = {0};
    tbk_error err;
    tbk_text_append(&text, "before");
    if (render_bytes(source, strlen(source), context, sample_values(), &text, &err))
        fail_msg("%s: gave %s", source, tbk_text_string(&text));
    assert_int_equal(err.code, TBK_E_TEMPLATE);
    assert_string_equal(tbk_text_string(&text), "before");
    if (strcmp(err.message, message) != 0)
        fail_msg("%s:\n  gave     %s\n  expected %s", source, err.message, message);
}

static void assert_refuses(const char *source, const char *message)
{
    assert_refuses_in(TBK_TEMPLATE_PLAIN, source, message);
}

/* --- What it makes --- */

static void text_stays_as_it_is(void **state)
{
    (void)state;
    assert_renders("", "");
    assert_renders("a { b } % c # } {", "a { b } % c # } {");
    assert_renders("\n\t \xCE\xB1 \r\n", "\n\t \xCE\xB1 \r\n");
    assert_renders("}} %} #}", "}} %} #}");
    assert_renders("\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80");
}

static void prints_text_numbers_and_booleans(void **state)
{
    (void)state;
    assert_renders("{{ name }}{{name}}", "demodemo");
    assert_renders("{{ database.files.main }}", "t.db");
    assert_renders("{{ seven }} {{ minus }} {{ yes }} {{ no }}{{ empty }}", "7 -3 true false");
    assert_renders("{{ 12 }} {{ -12 }} {{ true }} {{ False }}", "12 -12 true false");
    assert_renders("{{ 999999999999999999 }}", "999999999999999999");
    assert_renders("{{ \"}} it's\" }}{{ '\"' }}{{ `'\"` }}", "}} it's\"'\"");
    assert_renders("{{ 'a\\n' }}", "a\\n");
    assert_renders("{{\n  name\n}}", "demo");
}

static void appends_to_what_is_there(void **state)
{
    (void)state;
    tbk_auto_text text = {0};
    tbk_error err;
    tbk_text_append(&text, "a");
    assert_true(render_bytes("{{ name }}", 10, TBK_TEMPLATE_PLAIN, sample_values(), &text, &err));
    assert_string_equal(tbk_text_string(&text), "ademo");
}

static void minus_takes_white_space_away(void **state)
{
    (void)state;
    assert_renders("a \n{{- name -}}\n\t b", "ademob");
    assert_renders("a {{ name -}} b", "a demob");
    assert_renders("a {{- name }} b", "ademo b");
    assert_renders("a {%- if yes -%} b {%- endif -%} c", "abc");
    assert_renders("a {#- note -#} b", "ab");
    assert_renders("a {# note -#} b {#- note #} c", "a b c");
    assert_renders("a {#-#} b", "ab");
    assert_renders("{{-1}}", "1");
    assert_renders("{%- for n in list -%}\n {{n}}\n {%- endfor -%} ", "abc");
    assert_renders("  {%- if no %}\n 1\n {% elif yes -%} 2 {%- endif -%} ", "2");
}

static void comments_vanish(void **state)
{
    (void)state;
    assert_renders("a{# {{ nonsense }} {% if #}b", "ab");
    assert_renders("{##}", "");
}

static void raw_text_is_not_read(void **state)
{
    (void)state;
    assert_renders("{% raw %}{{ x }} {% if %} {# {% endraw %}{{ name }}",
                   "{{ x }} {% if %} {# demo");
    assert_renders("  {% raw -%} {{2}} {% endraw -%} b", "  {{2}} b");
    assert_renders("{%raw%} {{ {%- endraw %}", " {{");
    assert_renders("{% raw %}{%- endrawx %}{% endraw %}", "{%- endrawx %}");
    assert_renders("{% raw %}{% endraw %}", "");
}

static void takes_the_first_true_branch(void **state)
{
    (void)state;
    assert_renders("{% if yes %}1{% elif yes %}2{% else %}3{% endif %}", "1");
    assert_renders("{% if no %}1{% elif yes %}2{% else %}3{% endif %}", "2");
    assert_renders("{% if no %}1{% elif no %}2{% elif no %}2{% else %}3{% endif %}4", "34");
    assert_renders("{% if no %}1{% endif %}", "");
    assert_renders("{% if yes %}{% if no %}1{% else %}2{% endif %}{% endif %}", "2");
}

static void truth_is_as_in_tera(void **state)
{
    (void)state;
    static const char *const true_ones[] = {"yes",  "seven", "minus",    "half",
                                            "name", "list",  "database", "'0'"};
    static const char *const false_ones[] = {"no", "zero", "empty", "none", "nothing", "0", "''"};
    for (size_t i = 0; i < sizeof true_ones / sizeof *true_ones; i++)
        assert_renders(tbk_arena_format(arena, "{%% if %s %%}t{%% endif %%}", true_ones[i]), "t");
    for (size_t i = 0; i < sizeof false_ones / sizeof *false_ones; i++)
        assert_renders(tbk_arena_format(arena, "{%% if not %s %%}f{%% endif %%}", false_ones[i]),
                       "f");
}

static void compares(void **state)
{
    (void)state;
    static const char *const true_ones[] = {
        "name == 'demo'",      "name != 'x'",      "seven == 7",         "seven == 7",
        "yes == true",         "no != true",       "nothing == nothing", "nothing != no",
        "yes != nothing",      "minus == -3",      "'demo' == name",     "not (name == 'x')",
        "not not yes",         "yes and yes",      "no or yes",          "yes or no and no",
        "(yes or no) and yes", "not (yes and no)", "not no and yes",     "name | upper == 'DEMO'",
        "list | length == 3",  "(not no) == yes",  "(seven) == (7)",     "yes == (name == 'demo')"};
    for (size_t i = 0; i < sizeof true_ones / sizeof *true_ones; i++)
        assert_renders(tbk_arena_format(arena, "{%% if %s %%}t{%% else %%}%s{%% endif %%}",
                                        true_ones[i], true_ones[i]),
                       "t");
    assert_renders("{% if (yes or no) and no %}t{% else %}f{% endif %}", "f");
    assert_renders("{% if not (yes or no) %}t{% else %}f{% endif %}", "f");
}

static void loops_over_lists(void **state)
{
    (void)state;
    assert_renders("{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ x }},{% endfor %}",
                   "10a,21b,32c,");
    assert_renders("{% for x in list %}{% if loop.first %}<{% endif %}{{ x }}{% if loop.last %}>{% "
                   "endif %}{% endfor %}",
                   "<abc>");
    assert_renders("{% for x in none %}{{ x }}{% endfor %}", "");
    assert_renders("{% for name in list %}{{ name }}{% endfor %}{{ name }}", "abcdemo");
    assert_renders("{% for s in services %}{{ s.name }}:{% for p in s.ports %}{{ p }}{{ loop.last "
                   "}} {% endfor %}{{ loop.last }};{% endfor %}",
                   "x:1false 2true false;y:3true true;");
    assert_renders(
        "{% for s in services %}{% for p in s.ports %}{{ s.name }}{{ p }} {% endfor %}{% endfor %}",
        "x1 x2 y3 ");
}

static void filters_change_values(void **state)
{
    (void)state;
    assert_renders("{{ name | upper }}{{ 'ABC' | lower }}{{ name|upper|lower }}", "DEMOabcdemo");
    assert_renders("{{ '@AZ[`az{' | upper }}{{ '@AZ[' | lower }}", "@AZ[`AZ{@az[");
    assert_renders(
        "{{ list | length }}{{ database | length }}{{ greek | length }}{{ empty | length }}",
        "3220");
    assert_renders("{{ list | join(sep=', ') }}|{{ list | join }}|{{ list | join() }}",
                   "a, b, c|abc|abc");
    assert_renders("{{ none | join(sep='x') }}", "");
    assert_renders("{{ missing | default(value='d') }}{{ missing.deep | default(value=1) }}", "d1");
    assert_renders("{{ name | default(value='d') }}{{ empty | default(value='d') }}", "demo");
    assert_renders("{% for s in services %}{{ s.other | default(value='-') }}{% endfor %}", "--");
    assert_renders("{{ missing | default(value='d') | upper }}", "D");
}

/* --- What it refuses --- */

static void undefined_names_are_errors_everywhere(void **state)
{
    (void)state;
    assert_refuses("{{ missing }}", "t.tera:1:4: 'missing' is not defined");
    assert_refuses("a\n\xCE\xB1 {{ database.file }}", "t.tera:2:6: 'database.file' is not defined");
    assert_refuses("{{ name.part }}", "t.tera:1:4: 'name.part' is not defined");
    assert_refuses("{{ list.0 }}", "t.tera:1:4: 'list.0' is not defined");
    assert_refuses("{% if missing %}{% endif %}", "t.tera:1:7: 'missing' is not defined");
    assert_refuses("{% if no %}{{ missing }}{% endif %}", "t.tera:1:15: 'missing' is not defined");
    assert_refuses("{% if yes or missing %}{% endif %}", "t.tera:1:14: 'missing' is not defined");
    assert_refuses("{{ missing | upper | default(value=1) }}",
                   "t.tera:1:4: 'missing' is not defined");
    assert_refuses("{% for x in list %}{% endfor %}{{ x }}", "t.tera:1:35: 'x' is not defined");
    assert_refuses("{% for s in services %}\n{{ s.other }}{% endfor %}",
                   "t.tera:2:4: 's.other' is not defined");
    assert_refuses("{% for s in services %}{{ s.other | upper }}{% endfor %}",
                   "t.tera:1:27: 's.other' is not defined");
    assert_refuses("{% for x in none %}{{ loopy }}{% endfor %}",
                   "t.tera:1:23: 'loopy' is not defined");
    assert_refuses("{{ loop.index }}", "t.tera:1:4: 'loop.index' is not defined");
    assert_refuses("{% for x in list %}{{ loop.middle }}{% endfor %}",
                   "t.tera:1:23: 'loop.middle' is not defined");
}

static void values_without_a_printed_form_are_errors(void **state)
{
    (void)state;
    assert_refuses("{{ nothing }}", "t.tera:1:4: this is null, which cannot be printed");
    assert_refuses("{{ list }}", "t.tera:1:4: this is a list, which cannot be printed");
    assert_refuses("{{ database }}", "t.tera:1:4: this is a map, which cannot be printed");
    assert_refuses("{{ half }}", "t.tera:1:4: this is a number, which cannot be printed");
    assert_refuses("{% for x in name %}{% endfor %}",
                   "t.tera:1:13: this is text, which is no list to loop over");
    assert_refuses("{% if list == none %}{% endif %}",
                   "t.tera:1:7: this is a list, which cannot be compared");
    assert_refuses("{% if seven != '7' %}{% endif %}",
                   "t.tera:1:13: a whole number is compared with text");
    assert_refuses("{% if no == 0 %}{% endif %}",
                   "t.tera:1:10: true or false is compared with a whole number");
    assert_refuses("{% if 1 == half %}{% endif %}",
                   "t.tera:1:12: this is a number, which cannot be compared");
}

static void tags_that_are_not_closed_are_errors(void **state)
{
    (void)state;
    assert_refuses("{{", "t.tera:1:1: this '{{' is never closed by '}}'");
    assert_refuses("a {{ name", "t.tera:1:3: this '{{' is never closed by '}}'");
    assert_refuses("{{ name -", "t.tera:1:9: this character means nothing here");
    assert_refuses("{%", "t.tera:1:1: this '{%' is never closed by '%}'");
    assert_refuses("{% if yes", "t.tera:1:1: this '{%' is never closed by '%}'");
    assert_refuses("\n{#", "t.tera:2:1: this '{#' is never closed by '#}'");
    assert_refuses("{{ 'abc }}", "t.tera:1:4: this text has no closing quote");
    assert_refuses("{% raw %}{{ {% endraw", "t.tera:1:1: this '{% raw %}' has no '{% endraw %}'");
    assert_refuses("{{ name %}", "t.tera:1:9: this character means nothing here");
    assert_refuses("{% if yes }}", "t.tera:1:11: this character means nothing here");
}

static void blocks_that_do_not_match_are_errors(void **state)
{
    (void)state;
    assert_refuses("{% if yes %}", "t.tera:1:1: this '{% if %}' has no '{% endif %}'");
    assert_refuses(" {% if yes %}{% else %}", "t.tera:1:2: this '{% if %}' has no '{% endif %}'");
    assert_refuses("{% for x in list %}", "t.tera:1:1: this '{% for %}' has no '{% endfor %}'");
    assert_refuses("{% for x in list %}{% endif %}",
                   "t.tera:1:23: 'endif' stands where the block's 'endfor' should");
    assert_refuses("{% if yes %}{% endfor %}",
                   "t.tera:1:16: 'endfor' stands where the block's 'endif' should");
    assert_refuses("{% if yes %}{% else %}{% elif no %}{% endif %}",
                   "t.tera:1:26: 'elif' stands where the block's 'endif' should");
    assert_refuses("a{% endif %}", "t.tera:1:2: this 'endif' belongs to no block that is open");
    assert_refuses("{% else %}", "t.tera:1:1: this 'else' belongs to no block that is open");
    assert_refuses("{% endraw %}", "t.tera:1:4: 'endraw' stands where if, elif, else, endif, for, "
                                   "endfor, raw or endraw should");
    assert_refuses(
        "{% set x = 1 %}",
        "t.tera:1:4: 'set' stands where if, elif, else, endif, for, endfor, raw or endraw should");
    assert_refuses("{% %}", "t.tera:1:4: the tag ends where if, elif, else, endif, for, endfor, "
                            "raw or endraw should stand");
}

static void expressions_that_are_wrong_are_errors(void **state)
{
    (void)state;
    assert_refuses("{{ }}", "t.tera:1:4: the tag ends where a value should stand");
    assert_refuses("{{ name name }}", "t.tera:1:9: 'name' stands where '}}' should");
    assert_refuses("{{ (name }}", "t.tera:1:10: the tag ends where ')' should stand");
    assert_refuses("{{ name ) }}", "t.tera:1:9: ')' stands where '}}' should");
    assert_refuses("{% if not %}{% endif %}",
                   "t.tera:1:11: the tag ends where a value should stand");
    assert_refuses("{% if name == %}{% endif %}",
                   "t.tera:1:15: the tag ends where a value should stand");
    assert_refuses("{% if and %}{% endif %}", "t.tera:1:7: 'and' stands where a value should");
    assert_refuses("{% if a in list %}{% endif %}", "t.tera:1:7: 'a' is not defined");
    assert_refuses("{% if name in list %}{% endif %}",
                   "t.tera:1:12: 'in' stands where '%}' should");
    assert_refuses("{% if not name == 'x' %}{% endif %}",
                   "t.tera:1:7: 'not' cannot stand before a comparison; turn == into != instead");
    assert_refuses("{% if not not name != 'x' %}{% endif %}",
                   "t.tera:1:11: 'not' cannot stand before a comparison; turn == into != instead");
    assert_refuses("{{ name + 1 }}", "t.tera:1:9: this character means nothing here");
    assert_refuses("{{ 1.5 }}",
                   "t.tera:1:4: only whole numbers of at most 18 digits can stand here");
    assert_refuses("{{ 1a }}",
                   "t.tera:1:4: only whole numbers of at most 18 digits can stand here");
    assert_refuses("{{ 1000000000000000000 }}",
                   "t.tera:1:4: only whole numbers of at most 18 digits can stand here");
    assert_refuses("{{ name. }}", "t.tera:1:8: this character means nothing here");
    assert_refuses("{% if yes %}{% else x %}{% endif %}",
                   "t.tera:1:21: 'x' stands where '%}' should");
    assert_refuses("{% for 1 in list %}{% endfor %}",
                   "t.tera:1:8: '1' stands where the name of the loop's variable should");
    assert_refuses("{% for loop in list %}{% endfor %}",
                   "t.tera:1:8: 'loop' stands where the name of the loop's variable should");
    assert_refuses("{% for a.b in list %}{% endfor %}",
                   "t.tera:1:8: 'a.b' stands where the name of the loop's variable should");
    assert_refuses("{% for x of list %}{% endfor %}", "t.tera:1:10: 'of' stands where 'in' should");
}

static void filters_that_are_wrong_are_errors(void **state)
{
    (void)state;
    assert_refuses("{{ name | shout }}", "t.tera:1:11: there is no filter 'shout'");
    assert_refuses("{{ name | }}",
                   "t.tera:1:11: the tag ends where the name of a filter should stand");
    assert_refuses("{{ name | default }}", "t.tera:1:11: the filter 'default' needs '(value=...)'");
    assert_refuses("{{ name | upper(x=1) }}", "t.tera:1:16: the filter 'upper' takes no argument");
    assert_refuses("{{ list | join(x=1) }}", "t.tera:1:16: the argument of 'join' is 'sep=...'");
    assert_refuses("{{ list | join(sep 1) }}", "t.tera:1:20: '1' stands where '=' should");
    assert_refuses("{{ list | join(sep=name) }}",
                   "t.tera:1:20: 'name' stands where a text, a whole number, true or false should");
    assert_refuses("{{ list | join(sep=1 }}", "t.tera:1:22: the tag ends where ')' should stand");
    assert_refuses("{{ seven | upper }}",
                   "t.tera:1:12: the filter 'upper' takes text, but here it gets a whole number");
    assert_refuses("{{ name | join }}",
                   "t.tera:1:11: the filter 'join' takes a list, but here it gets text");
    assert_refuses("{{ services | join }}", "t.tera:1:15: the filter 'join' takes a list of texts, "
                                            "whole numbers or booleans, but here it gets a list");
    assert_refuses("{{ seven | length }}", "t.tera:1:12: the filter 'length' takes text, a list or "
                                           "a map, but here it gets a whole number");
    assert_refuses("{{ list | yaml }}", "t.tera:1:11: the filter 'yaml' takes text, a whole "
                                        "number, true or false, but here it gets a list");
    assert_refuses(
        "{{ name | cron }}",
        "t.tera:1:11: the filter 'cron' takes a schedule such as 0 3 * * *, but here it gets text");
}

/* --- Hostile templates --- */

static void refuses_bytes(const char *source, size_t length, const char *message)
{
    tbk_auto_text text = {0};
    tbk_error err;
    assert_false(render_bytes(source, length, TBK_TEMPLATE_PLAIN, sample_values(), &text, &err));
    assert_int_equal(err.code, TBK_E_TEMPLATE);
    assert_string_equal(err.message, message);
}

static void bytes_that_are_no_text_are_errors(void **state)
{
    (void)state;
    refuses_bytes("a\nb\0c", 5, "t.tera:2:2: there is a NUL byte here");
    refuses_bytes("a\xCE\xB1\xFF", 4, "t.tera:1:3: this is not UTF-8");
    refuses_bytes("\xC0\x80", 2, "t.tera:1:1: this is not UTF-8");
    refuses_bytes("ab\xE2\x82", 4, "t.tera:1:3: this is not UTF-8");
    refuses_bytes("\xED\xA0\x80", 3, "t.tera:1:1: this is not UTF-8");
}

static char *repeat(const char *before, const char *text, size_t count, const char *after,
                    size_t *out_length)
{
    tbk_auto_text all = {0};
    tbk_text_append(&all, before);
    for (size_t i = 0; i < count; i++)
        tbk_text_append(&all, text);
    tbk_text_append(&all, after);
    *out_length = all.length;
    return tbk_arena_copy_bytes(arena, tbk_text_string(&all), all.length);
}

static void depth_and_size_have_limits(void **state)
{
    (void)state;
    size_t length;
    const char *source = repeat("", "{% if yes %}", 33, "", &length);
    refuses_bytes(source, length, "t.tera:1:385: blocks are nested too deeply here");
    source = repeat("", "{% for x in list %}", 33, "", &length);
    refuses_bytes(source, length, "t.tera:1:609: blocks are nested too deeply here");
    source = repeat("{{ ", "(", 100000, "", &length);
    refuses_bytes(source, length, "t.tera:1:260: this expression is too long");
    source = repeat("{% if ", "not ", 100000, "yes %}{% endif %}", &length);
    refuses_bytes(source, length, "t.tera:1:1031: this expression is too long");
    source = repeat("{{ name", "|upper", 100000, "}}", &length);
    refuses_bytes(source, length, "t.tera:1:1539: this expression is too long");
    source = repeat("{{ yes", " or yes", 100000, "}}", &length);
    refuses_bytes(source, length, "t.tera:1:897: this expression is too long");
    source = repeat("", "x", TBK_TEMPLATE_SIZE_MAX + 1, "", &length);
    refuses_bytes(source, length, "t.tera: the template is larger than 1 MiB");
}

static void many_branches_are_no_depth(void **state)
{
    (void)state;
    size_t length;
    const char *source =
        repeat("{% if no %}", "{% elif no %}", 50000, "{% else %}end{% endif %}", &length);
    tbk_auto_text text = {0};
    tbk_error err;
    assert_true(render_bytes(source, length, TBK_TEMPLATE_PLAIN, sample_values(), &text, &err));
    assert_string_equal(tbk_text_string(&text), "end");
}

static void many_blocks_in_a_row_are_no_depth(void **state)
{
    (void)state;
    size_t length;
    const char *source =
        repeat("", "{% if yes %}{% endif %}{% for x in list %}{% endfor %}", 40, "", &length);
    tbk_auto_text text = {0};
    tbk_error err;
    assert_true(render_bytes(source, length, TBK_TEMPLATE_PLAIN, sample_values(), &text, &err));
}

static void loops_in_loops_have_a_limit(void **state)
{
    (void)state;
    tbk_auto_text source = {0};
    for (int i = 0; i < 30; i++)
        tbk_text_append(&source, "{% for x in list %}");
    tbk_text_append(&source, "{{ x }}");
    for (int i = 0; i < 30; i++)
        tbk_text_append(&source, "{% endfor %}");
    refuses_bytes(tbk_text_string(&source), source.length,
                  "t.tera: the template makes too much text");

    size_t length;
    const char *wide =
        repeat("{% for x in list %}{% for x in list %}{% for x in list %}", "0123456789abcdef",
               60000, "{% endfor %}{% endfor %}{% endfor %}", &length);
    refuses_bytes(wide, length, "t.tera: the template makes too much text");
}

static void unfinished_raw_does_not_take_forever(void **state)
{
    (void)state;
    size_t length;
    const char *source = repeat("{% raw %}", "{%  endraw ", 90000, "", &length);
    refuses_bytes(source, length, "t.tera:1:1: this '{% raw %}' has no '{% endraw %}'");
}

/* Every beginning of a valid template is refused or rendered, never read beyond. */
static void every_beginning_is_safe(void **state)
{
    (void)state;
    static const char source[] =
        "a {#- c -#} {{- list | join(sep='x') | upper -}} {% raw -%} {{ {%- endraw %}"
        "{% for s in services %}{% if not (s.name == \"x\" and loop.last) or -1 != 2 %}{{ s.name | "
        "sh }}"
        "{% elif missing | default(value=true) %}\xCE\xB1{% else %}b{% endif %}{% endfor %}";
    for (size_t length = 0; length < sizeof source; length++) {
        tbk_auto_text text = {0};
        tbk_error err = {0};
        bool rendered =
            render_bytes(source, length, TBK_TEMPLATE_PLAIN, sample_values(), &text, &err);
        assert_true(rendered || strstr(err.message, "t.tera") == err.message);
        if (length == sizeof source - 1)
            assert_true(rendered);
    }
}

/* --- Quoting --- */

static void contexts_demand_their_filter(void **state)
{
    (void)state;
    assert_refuses_in(TBK_TEMPLATE_YAML, "a: {{ name }}",
                      "t.tera:1:4: a value printed here must end with the filter yaml");
    assert_refuses_in(TBK_TEMPLATE_YAML, "{% if no %}{{ name }}{% endif %}",
                      "t.tera:1:12: a value printed here must end with the filter yaml");
    assert_refuses_in(TBK_TEMPLATE_YAML, "{{ name | sh }}",
                      "t.tera:1:1: a value printed here must end with the filter yaml");
    assert_refuses_in(TBK_TEMPLATE_YAML, "{{ name | yaml | upper }}",
                      "t.tera:1:1: a value printed here must end with the filter yaml");
    assert_refuses_in(TBK_TEMPLATE_YAML, "{{ 'x' }}",
                      "t.tera:1:1: a value printed here must end with the filter yaml");
    assert_refuses_in(TBK_TEMPLATE_YAML, "{{ name == 'x' | yaml }}",
                      "t.tera:1:1: a value printed here must end with the filter yaml");
    assert_refuses_in(TBK_TEMPLATE_COMPOSE, "{{ name | yaml }}",
                      "t.tera:1:1: a value printed here must end with the filter compose");
    assert_refuses_in(TBK_TEMPLATE_SHELL, "{{ seven }}",
                      "t.tera:1:1: a value printed here must end with the filter sh");
    assert_refuses_in(TBK_TEMPLATE_SHELL, "{{ schedule | cron }}",
                      "t.tera:1:1: a value printed here must end with the filter sh");
    assert_refuses_in(TBK_TEMPLATE_CRON, "{{ schedule }}",
                      "t.tera:1:1: a value printed here must end with the filter cron or sh");
    assert_renders_in(TBK_TEMPLATE_YAML, "{{ name | yaml }} {{ seven | yaml }} {{ yes | yaml }}",
                      "\"demo\" 7 true");
    assert_renders_in(TBK_TEMPLATE_COMPOSE, "{{ 'a$b' | compose }}", "\"a$$b\"");
    assert_renders_in(TBK_TEMPLATE_SHELL, "{{ name | sh }} {{ seven | sh }}", "'demo' 7");
    assert_renders_in(TBK_TEMPLATE_CRON, "{{ schedule | cron }} {{ daily | cron }} {{ '%' | sh }}",
                      "*/5 1-3 * * 1-5 @daily ''\\%''");
}

static void assert_yaml_reads_back(const char *string)
{
    tbk_value *values = tbk_value_map(arena);
    tbk_value_set_string(arena, values, "v", string);
    static const char source[] = "# {{ v | yaml }}\n- {{ v | yaml }}\n- {a: {{ v | yaml }}}\n";
    tbk_auto_text text = {0};
    tbk_error err;
    assert_true(render_bytes(source, strlen(source), TBK_TEMPLATE_YAML, values, &text, &err));
    const tbk_value *document;
    if (!tbk_yaml_parse(arena, tbk_text_string(&text), text.length, "made", &document, &err))
        fail_msg("%s: %s", tbk_text_string(&text), err.message);
    assert_int_equal(document->count, 2);
    assert_int_equal(document->first->value->type, TBK_VALUE_STRING);
    assert_string_equal(document->first->value->string, string);
    assert_string_equal(document->last->value->first->value->string, string);
}

static void append_point(tbk_text *text, uint32_t point)
{
    if (point < 0x80) {
        tbk_text_append_char(text, (char)point);
        return;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const unsigned leads[] = {0, 0xC0, 0xE0, 0xF0};
    tbk_text_append_char(text, (char)(leads[more] | point >> (6 * more)));
    while (more-- > 0)
        tbk_text_append_char(text, (char)(0x80 | ((point >> (6 * more)) & 0x3F)));
}

static void yaml_reads_every_character_back(void **state)
{
    (void)state;
    for (uint32_t first = 1; first <= 0x10FFFF; first += 4096) {
        tbk_auto_text text = {0};
        for (uint32_t point = first; point < first + 4096 && point <= 0x10FFFF; point++)
            if (point < 0xD800 || point > 0xDFFF)
                append_point(&text, point);
        if (text.length > 0)
            assert_yaml_reads_back(tbk_text_string(&text));
    }
}

static void yaml_keeps_text_that_looks_like_something_else(void **state)
{
    (void)state;
    static const char *const strings[] = {
        "",   "null",    "true", "7",   "- a",     "a: b",         "#",         "{}", "&a",
        "*a", "!!int 7", "---",  "...", "a\nb: c", "\xEF\xBB\xBF", "%YAML 1.2", "\t", " a ",
        "'",  "\"",      "\\"};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        assert_yaml_reads_back(strings[i]);
}

/* What the command prints in this shell, by running it. */
static char *output_of(const char *shell, const char *command)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        if (strcmp(shell, "busybox") == 0)
            execlp("busybox", "busybox", "sh", "-c", command, (char *)NULL);
        else
            execlp(shell, shell, "-c", command, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    char bytes[4096];
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], bytes + length, sizeof bytes - length)) > 0)
        length += (size_t)got;
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return tbk_arena_copy_bytes(arena, bytes, length);
}

/* What cron gives to the shell: the text up to a bare %, in the manner of those versions that
 * remove the backslash before a % or a backslash (Debian, ISC), and of those that leave it. */
static char *command_through_cron(const char *command, bool removes_backslash)
{
    tbk_auto_text text = {0};
    for (; *command != '\0' && *command != '%'; command++) {
        bool escapes = *command == '\\' && command[1] != '\0';
        bool removes = escapes && removes_backslash && (command[1] == '%' || command[1] == '\\');
        if (!removes)
            tbk_text_append_char(&text, *command);
        if (escapes)
            tbk_text_append_char(&text, *++command);
    }
    return tbk_arena_copy(arena, tbk_text_string(&text));
}

static const char *const hostile_words[] = {
    "",    "plain", "two words", "it's", "\"quoted\"", "$HOME", "$(id)", "`id`", "a;b", "a&b",
    "a|b", "a>b",   "*",         "~",    "50%",        "%%",    "\\",    "\\\\", "\\%", "%\\",
    "\\'", "'\\",   "\\\\%",     "'%'",  "\xCE\xB1",   "-n",    "#",     "!"};

/* A command that prints every hostile word, each quoted by `sh`. */
static char *command_with_words(tbk_template_context context)
{
    static const char source[] = "{% for word in words %} {{ word | sh }}{% endfor %}";
    tbk_value *words = tbk_value_list(arena), *values = tbk_value_map(arena);
    for (size_t i = 0; i < sizeof hostile_words / sizeof *hostile_words; i++)
        tbk_value_append(arena, words, tbk_value_string(arena, hostile_words[i]));
    tbk_value_set(arena, values, "words", words);
    tbk_auto_text text = {0};
    tbk_error err;
    tbk_text_append(&text, context == TBK_TEMPLATE_CRON ? "printf '['\\%'s]'" : "printf '[%s]'");
    assert_true(render_bytes(source, strlen(source), context, values, &text, &err));
    return tbk_arena_copy(arena, tbk_text_string(&text));
}

static void shells_read_every_word_back(void **state)
{
    (void)state;
    tbk_auto_text expected = {0};
    for (size_t i = 0; i < sizeof hostile_words / sizeof *hostile_words; i++)
        tbk_text_format(&expected, "[%s]", hostile_words[i]);
    static const char *const shells[] = {"sh", "dash", "busybox"};
    const char *in_shell = command_with_words(TBK_TEMPLATE_SHELL);
    const char *in_cron = command_with_words(TBK_TEMPLATE_CRON);
    for (size_t s = 0; s < sizeof shells / sizeof *shells; s++) {
        assert_string_equal(output_of(shells[s], in_shell), tbk_text_string(&expected));
        for (int removes = 0; removes < 2; removes++)
            assert_string_equal(output_of(shells[s], command_through_cron(in_cron, removes != 0)),
                                tbk_text_string(&expected));
    }
}

static void control_characters_cannot_leave_their_line(void **state)
{
    (void)state;
    static const char *const contexts[] = {"sh", "cron"};
    static const char *const texts[] = {"0 3 * * *\n* * * * * root id", "a\nb", "a\rb", "\x1B[2J",
                                        "a\x7F"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tbk_value *values = tbk_value_map(arena);
        tbk_value_set_string(arena, values, "v", texts[i]);
        for (size_t c = 0; c < 2; c++) {
            tbk_auto_text text = {0};
            tbk_error err;
            const char *source = tbk_arena_format(arena, "{{ v | %s }}", contexts[c]);
            assert_false(
                render_bytes(source, strlen(source), TBK_TEMPLATE_CRON, values, &text, &err));
            assert_int_equal(err.code, TBK_E_TEMPLATE);
        }
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin_arena, end_arena)
    const struct CMUnitTest tests[] = {
        TEST(text_stays_as_it_is),
        TEST(prints_text_numbers_and_booleans),
        TEST(appends_to_what_is_there),
        TEST(minus_takes_white_space_away),
        TEST(comments_vanish),
        TEST(raw_text_is_not_read),
        TEST(takes_the_first_true_branch),
        TEST(truth_is_as_in_tera),
        TEST(compares),
        TEST(loops_over_lists),
        TEST(filters_change_values),
        TEST(undefined_names_are_errors_everywhere),
        TEST(values_without_a_printed_form_are_errors),
        TEST(tags_that_are_not_closed_are_errors),
        TEST(blocks_that_do_not_match_are_errors),
        TEST(expressions_that_are_wrong_are_errors),
        TEST(filters_that_are_wrong_are_errors),
        TEST(bytes_that_are_no_text_are_errors),
        TEST(depth_and_size_have_limits),
        TEST(many_branches_are_no_depth),
        TEST(many_blocks_in_a_row_are_no_depth),
        TEST(loops_in_loops_have_a_limit),
        TEST(unfinished_raw_does_not_take_forever),
        TEST(every_beginning_is_safe),
        TEST(contexts_demand_their_filter),
        TEST(yaml_reads_every_character_back),
        TEST(yaml_keeps_text_that_looks_like_something_else),
        TEST(shells_read_every_word_back),
        TEST(control_characters_cannot_leave_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
