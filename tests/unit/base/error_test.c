/* SPDX-License-Identifier: MIT */
/* Errors: one line, whole characters, context in front, every code with its row. */
#include "unit/unit.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>

static void fail_sets_code_message_and_fix(void **state)
{
    (void)state;
    tbk_error err = {0};
    assert_false(tbk_fail(&err, TBK_E_SPACE, "free some", "'%s' has %d bytes", "/store", 7));
    assert_int_equal(err.code, TBK_E_SPACE);
    assert_string_equal(err.message, "'/store' has 7 bytes");
    assert_string_equal(err.fix, "free some");
}

static void fail_without_fix_clears_an_older_one(void **state)
{
    (void)state;
    tbk_error err = {.fix = "old"};
    (void)tbk_fail(&err, TBK_E_IO, NULL, "x");
    assert_string_equal(err.fix, "");
}

static void control_characters_become_question_marks(void **state)
{
    (void)state;
    tbk_error err = {0};
    (void)tbk_fail(&err, TBK_E_IO, "do\nthis",
                   "a\nb\rc\033[31md\x7F"
                   "é");
    assert_string_equal(err.message, "a?b?c?[31md?é");
    assert_string_equal(err.fix, "do?this");
}

static void arguments_may_come_from_the_error_itself(void **state)
{
    (void)state;
    tbk_error err = {0};
    (void)tbk_fail(&err, TBK_E_IO, "the fix", "cause");
    (void)tbk_fail(&err, TBK_E_REMOTE, err.fix, "again: %s", err.message);
    assert_string_equal(err.message, "again: cause");
    assert_string_equal(err.fix, "the fix");
}

/* Long text with one character of the given length at each place around the end of the buffer. */
static void check_cut(const char *character)
{
    tbk_error err = {0};
    for (size_t before = sizeof err.message - 8; before < sizeof err.message + 2; before++) {
        tbk_auto_text text = {0};
        for (size_t index = 0; index < before; index++)
            tbk_text_append_char(&text, 'x');
        tbk_text_append(&text, character);
        tbk_text_append(&text, character);
        (void)tbk_fail(&err, TBK_E_IO, NULL, "%s", text.bytes);
        size_t length = strlen(err.message);
        assert_true(tbk_text_is_utf8(err.message, length));
        assert_true(length >= sizeof err.message - 4 || length == text.length);
        assert_memory_equal(err.message, text.bytes, length);
    }
}

static void long_messages_end_with_a_whole_character(void **state)
{
    (void)state;
    check_cut("a");
    check_cut("é");
    check_cut("€");
    check_cut("😀");
}

static void bytes_that_are_no_text_do_no_harm(void **state)
{
    (void)state;
    tbk_error err = {0};
    (void)tbk_fail(&err, TBK_E_IO, NULL, "%s", "\x80\x80\x80\x80\x80");
    assert_int_equal(strlen(err.message), 5);
    (void)tbk_fail(&err, TBK_E_IO, NULL, "%s", "\x80");
    (void)tbk_fail(&err, TBK_E_IO, NULL, "%s", "");
    assert_string_equal(err.message, "");
}

static void errno_is_told_in_english(void **state)
{
    (void)state;
    tbk_error err = {0};
    assert_false(tbk_fail_errno(&err, TBK_E_IO, ENOENT, "fix", "cannot read '%s'", "f"));
    assert_string_equal(err.message, "cannot read 'f': No such file or directory");
    assert_string_equal(err.fix, "fix");
    (void)tbk_fail_errno(&err, TBK_E_IO, 99999, NULL, "cannot read");
    assert_string_equal(err.message, "cannot read: error 99999");
}

static void context_goes_in_front_and_keeps_code_and_fix(void **state)
{
    (void)state;
    tbk_error err = {0};
    (void)tbk_fail(&err, TBK_E_LOCKED, "wait", "locked");
    assert_false(tbk_error_context(&err, "opening '%s'", "db"));
    (void)tbk_error_context(&err, "backing up");
    assert_string_equal(err.message, "backing up: opening 'db': locked");
    assert_int_equal(err.code, TBK_E_LOCKED);
    assert_string_equal(err.fix, "wait");
}

static void context_that_fills_the_message_is_cut(void **state)
{
    (void)state;
    tbk_error err = {0};
    char long_text[2000];
    memset(long_text, 'y', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    (void)tbk_fail(&err, TBK_E_IO, long_text, "cause");
    assert_int_equal(strlen(err.fix), sizeof err.fix - 1);
    (void)tbk_error_context(&err, "%s", long_text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void every_code_has_its_exit_status_and_kind(void **state)
{
    (void)state;
    assert_int_equal(tbk_error_exit_status(TBK_E_OK), 0);
    assert_int_equal(tbk_error_exit_status(TBK_E_NETWORK), 1);
    assert_int_equal(tbk_error_exit_status(TBK_E_CONFIG), 2);
    assert_int_equal(tbk_error_exit_status(TBK_E_TRACKER_DOWN), 20);
    assert_int_equal(tbk_error_exit_status(TBK_E_INTERRUPTED), 130);
    assert_int_equal(tbk_error_kind_of(TBK_E_NETWORK), TBK_KIND_NETWORK_CONNECTIVITY);
    assert_int_equal(tbk_error_kind_of(TBK_E_TEMPLATE), TBK_KIND_TEMPLATE_RENDERING);
    assert_string_equal(tbk_error_name(TBK_E_SPACE), "SPACE");
}

static void unknown_code_counts_as_failure(void **state)
{
    (void)state;
    assert_int_equal(tbk_error_exit_status((tbk_error_code)4711), 1);
    assert_string_equal(tbk_error_name((tbk_error_code)4711), "FAILED");
}

static void exit_statuses_have_meanings(void **state)
{
    (void)state;
    assert_string_equal(tbk_exit_status_meaning(0), "success");
    assert_string_equal(tbk_exit_status_meaning(1), "failed, the tracker is running");
    assert_string_equal(tbk_exit_status_meaning(2), "wrong usage or configuration");
    assert_string_equal(tbk_exit_status_meaning(21), "verification failed");
    assert_null(tbk_exit_status_meaning(99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_sets_code_message_and_fix),
        cmocka_unit_test(fail_without_fix_clears_an_older_one),
        cmocka_unit_test(control_characters_become_question_marks),
        cmocka_unit_test(arguments_may_come_from_the_error_itself),
        cmocka_unit_test(long_messages_end_with_a_whole_character),
        cmocka_unit_test(bytes_that_are_no_text_do_no_harm),
        cmocka_unit_test(errno_is_told_in_english),
        cmocka_unit_test(context_goes_in_front_and_keeps_code_and_fix),
        cmocka_unit_test(context_that_fills_the_message_is_cut),
        cmocka_unit_test(every_code_has_its_exit_status_and_kind),
        cmocka_unit_test(unknown_code_counts_as_failure),
        cmocka_unit_test(exit_statuses_have_meanings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
