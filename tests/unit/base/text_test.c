/* SPDX-License-Identifier: MIT */
/* Text: grows, is quoted for a shell that then gives it back, and is or is not UTF-8. */
#include "unit/unit.h"

#include "base/text.h"

#include <stdio.h>

static void empty_text_is_a_string(void **state)
{
    (void)state;
    tbk_auto_text text = {0};
    assert_string_equal(tbk_text_string(&text), "");
    tbk_text_clear(&text);
    tbk_text_append_bytes(&text, NULL, 0);
    assert_string_equal(tbk_text_string(&text), "");
}

static void grows_and_keeps_what_it_had(void **state)
{
    (void)state;
    tbk_auto_text text = {0};
    for (int index = 0; index < 1000; index++)
        tbk_text_format(&text, "%03d", index);
    tbk_text_append(&text, "end");
    assert_int_equal(text.length, 3003);
    assert_memory_equal(text.bytes, "000001002", 9);
    assert_string_equal(text.bytes + 2997, "999end");
}

static void cleared_text_is_wiped_and_empty(void **state)
{
    (void)state;
    tbk_auto_text text = {0};
    tbk_text_append(&text, "secret");
    tbk_text_clear(&text);
    assert_int_equal(text.length, 0);
    assert_memory_equal(text.bytes, "\0\0\0\0\0\0", 6);
    tbk_text_append(&text, "x");
    assert_string_equal(text.bytes, "x");
}

static void bytes_may_contain_nul(void **state)
{
    (void)state;
    tbk_auto_text text = {0};
    tbk_text_append_bytes(&text, "a\0b", 3);
    assert_int_equal(text.length, 3);
    assert_memory_equal(text.bytes, "a\0b\0", 4);
}

static void append_more_than_there_is(void)
{
    tbk_text text = {0};
    volatile size_t size = SIZE_MAX / 2;
    tbk_text_append_bytes(&text, "", size);
}

static void too_much_ends_the_process(void **state)
{
    (void)state;
    assert_true(ends_process(append_more_than_there_is));
}

static void shell_words_come_back_from_a_shell(void **state)
{
    (void)state;
    static const char *const WORDS[] = {"",     "a",  "it's", "''", "$HOME `id` \"x\" \\ ; & |",
                                        "a\nb", "-n", "é€😀"};
    for (size_t index = 0; index < sizeof WORDS / sizeof WORDS[0]; index++) {
        tbk_auto_text word = {0};
        tbk_text_append_shell_word(&word, WORDS[index]);
        tbk_auto_text script = {0};
        tbk_text_format(&script, "test \"$0\" = x%s", word.bytes);
        pid_t child = fork();
        if (child == 0) {
            tbk_auto_text expected = {0};
            tbk_text_format(&expected, "x%s", WORDS[index]);
            execl("/bin/sh", "sh", "-c", script.bytes, expected.bytes, (char *)NULL);
            _exit(127);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

static void knows_utf8(void **state)
{
    (void)state;
    static const char *const VALID[] = {"",
                                        "a",
                                        "\x7F",
                                        "\xC2\x80",
                                        "\xDF\xBF",
                                        "\xE0\xA0\x80",
                                        "\xED\x9F\xBF",
                                        "\xEE\x80\x80",
                                        "\xEF\xBF\xBF",
                                        "\xF0\x90\x80\x80",
                                        "\xF1\x80\x80\x80",
                                        "\xF4\x8F\xBF\xBF",
                                        "aé€😀z"};
    static const char *const INVALID[] = {
        "\x80",             /* continuation alone */
        "\xC0\x80",         /* overlong */
        "\xC1\xBF",         /* overlong */
        "\xC2",             /* cut */
        "\xC2\x41",         /* not a continuation */
        "\xC2\xC0",         /* the same, above the range */
        "\xE0\x9F\xBF",     /* overlong */
        "\xED\xA0\x80",     /* surrogate */
        "\xE2\x82",         /* cut */
        "\xE2\x82\x41",     /* third is none */
        "\xF0\x8F\xBF\xBF", /* overlong */
        "\xF4\x90\x80\x80", /* above U+10FFFF */
        "\xF1\x80\x80\x41", /* fourth is none */
        "\xF5\x80\x80\x80", /* no such first byte */
        "\xFF",
        "ok\xE2\x28\xA1",
    };
    for (size_t index = 0; index < sizeof VALID / sizeof VALID[0]; index++)
        assert_true(tbk_text_is_utf8(VALID[index], strlen(VALID[index])));
    for (size_t index = 0; index < sizeof INVALID / sizeof INVALID[0]; index++)
        assert_false(tbk_text_is_utf8(INVALID[index], strlen(INVALID[index])));
    assert_true(tbk_text_is_utf8("a\0b", 3));
}

static void check_visible(const char *string, bool with_lines, const char *expected)
{
    tbk_auto_text text = {0};
    tbk_text_append_visible(&text, string, with_lines);
    assert_string_equal(tbk_text_string(&text), expected);
}

static void text_of_others_is_seen_and_does_nothing(void **state)
{
    (void)state;
    check_visible("", false, "");
    check_visible("plain, é€😀 \\ text", false, "plain, é€😀 \\ text");
    check_visible("a\n\tb", true, "a\n\tb");
    check_visible("a\n\tb\r", false, "a\\n\\tb\\x0d");
    check_visible("\033]0;x\007\033[2J\r\x7f", true, "\\x1b]0;x\\x07\\x1b[2J\\x0d\\x7f");
    check_visible("\xC2\x9B"
                  "31m\xC2\x80\xC2\x9F\xC2\xA0",
                  false, "\\u009b31m\\u0080\\u009f\xC2\xA0");
    check_visible("\x9b"
                  "31m\xC2",
                  false, "\\x9b31m\\xc2");
    check_visible("a\u202Eb\u2066c\u200Fd\u061Ce\u2028f\uFEFF", true,
                  "a\\u202eb\\u2066c\\u200fd\\u061ce\\u2028f\\ufeff");
    check_visible("\U000E0041", false, "\\ue0041");
}

static void knows_beginnings_and_ends(void **state)
{
    (void)state;
    assert_true(tbk_text_starts_with("@hold stop", "@hold"));
    assert_true(tbk_text_starts_with("x", ""));
    assert_false(tbk_text_starts_with("@ho", "@hold"));
    assert_true(tbk_text_ends_with("a.tera", ".tera"));
    assert_true(tbk_text_ends_with("", ""));
    assert_false(tbk_text_ends_with("tera", ".tera"));
    assert_false(tbk_text_ends_with("a.yaml", ".tera"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_text_is_a_string),
        cmocka_unit_test(grows_and_keeps_what_it_had),
        cmocka_unit_test(cleared_text_is_wiped_and_empty),
        cmocka_unit_test(bytes_may_contain_nul),
        cmocka_unit_test(too_much_ends_the_process),
        cmocka_unit_test(shell_words_come_back_from_a_shell),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(text_of_others_is_seen_and_does_nothing),
        cmocka_unit_test(knows_beginnings_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
