/* SPDX-License-Identifier: MIT */
/* Marks around a command's output, however the stream is cut. */
#include "unit/unit.h"

#include "adapters/framing.h"

#include <stdio.h>

static bool keep(void *self, const char *bytes, size_t length, tbk_error *err)
{
    (void)err;
    tbk_text_append_bytes(self, bytes, length);
    return true;
}

static bool refuse(void *self, const char *bytes, size_t length, tbk_error *err)
{
    (void)self;
    (void)bytes;
    (void)length;
    return tbk_fail(err, TBK_E_SPACE, NULL, "enough");
}

static void feed(tbk_framed_stream *stream, const tbk_framing *framing, const char *bytes,
                 size_t length, size_t piece, tbk_text *out)
{
    tbk_error err;
    for (size_t at = 0; at < length; at += piece) {
        size_t size = length - at < piece ? length - at : piece;
        assert_succeeds(tbk_framed_add(stream, framing, bytes + at, size, keep, out, &err), err);
    }
    assert_succeeds(tbk_framed_finish(stream, keep, out, &err), err);
}

static void what_stands_between_the_marks_comes_through_unchanged(void **state)
{
    (void)state;
    tbk_framing framing;
    tbk_framing_new(&framing);
    for (size_t piece = 1; piece < 120; piece++) {
        tbk_framed_stream stream = {0};
        tbk_auto_text all = {0};
        tbk_auto_text out = {0};
        tbk_text_format(&all, "Welcome\n@begin-0\n%s@end-@\n%.8s%s042bye\n%s", framing.begin,
                        framing.end, framing.end, framing.begin);
        feed(&stream, &framing, all.bytes, all.length, piece, &out);
        tbk_text_end(&stream.held);
        char expected[64];
        (void)snprintf(expected, sizeof expected, "@end-@\n%.8s", framing.end);
        assert_string_equal(tbk_text_string(&out), expected);
        assert_int_equal(stream.place, TBK_FRAMED_AFTER);
        assert_int_equal(stream.exit_status, 42);
    }
}

static void what_was_cut_before_its_end_is_seen(void **state)
{
    (void)state;
    tbk_framing framing;
    tbk_framed_stream stream = {0};
    tbk_auto_text all = {0};
    tbk_auto_text out = {0};
    tbk_framing_new(&framing);
    tbk_text_format(&all, "%spart%s1", framing.begin, framing.end);
    feed(&stream, &framing, all.bytes, all.length, 7, &out);
    tbk_text_end(&stream.held);
    assert_int_equal(stream.place, TBK_FRAMED_INSIDE);
}

static void without_marks_all_is_given_at_the_end(void **state)
{
    (void)state;
    tbk_framing framing;
    tbk_framed_stream stream = {0};
    tbk_auto_text out = {0};
    tbk_framing_new(&framing);
    feed(&stream, &framing, "{\"a\":1}\n", 8, 3, &out);
    tbk_text_end(&stream.held);
    assert_string_equal(tbk_text_string(&out), "{\"a\":1}\n");
    assert_int_equal(stream.place, TBK_FRAMED_BEFORE);
}

static void a_mark_after_too_much_is_an_error(void **state)
{
    (void)state;
    static char much[70000];
    tbk_framing framing;
    tbk_framed_stream stream = {0};
    tbk_auto_text out = {0};
    tbk_error err;
    tbk_framing_new(&framing);
    feed(&stream, &framing, much, sizeof much, sizeof much, &out);
    assert_int_equal(out.length, sizeof much);
    assert_fails(
        tbk_framed_add(&stream, &framing, framing.begin, strlen(framing.begin), keep, &out, &err),
        err, TBK_E_REMOTE, "more than 64 KiB");
    tbk_text_end(&stream.held);
}

static void a_listener_may_have_enough(void **state)
{
    (void)state;
    tbk_framing framing;
    tbk_framed_stream stream = {0};
    tbk_auto_text all = {0};
    tbk_error err;
    tbk_framing_new(&framing);
    tbk_text_format(&all, "%sbytes%s000", framing.begin, framing.end);
    assert_fails(tbk_framed_add(&stream, &framing, all.bytes, all.length, refuse, NULL, &err), err,
                 TBK_E_SPACE, "enough");
    tbk_text_end(&stream.held);
}

static void a_line_shows_no_mark_of_its_own(void **state)
{
    (void)state;
    tbk_framing framing;
    tbk_auto_text line = {0};
    const tbk_remote_command command = {.argv = (const char *const[]){"id", "-u", NULL},
                                        .as_root = true};
    tbk_framing_new(&framing);
    tbk_framing_line(&framing, &command, false, &line);
    assert_null(strstr(tbk_text_string(&line), framing.begin));
    assert_null(strstr(tbk_text_string(&line), framing.end));
    assert_non_null(strstr(tbk_text_string(&line), "sudo -n -- \"$@\""));
    assert_null(strchr(tbk_text_string(&line), '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_between_the_marks_comes_through_unchanged),
        cmocka_unit_test(what_was_cut_before_its_end_is_seen),
        cmocka_unit_test(without_marks_all_is_given_at_the_end),
        cmocka_unit_test(a_mark_after_too_much_is_an_error),
        cmocka_unit_test(a_listener_may_have_enough),
        cmocka_unit_test(a_line_shows_no_mark_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
