/* SPDX-License-Identifier: MIT */
/* The reason in restic's words, and that no secret and no control character comes with it. */
#include "unit/unit.h"

#include "adapters/restic_words.h"

static const char *const VARIABLES[] = {"RESTIC_PASSWORD=open sesame", "OTHER=open", "SHORT=abc",
                                        "EMPTY=", NULL};

static tbk_restic_words words;
static char reason[TBK_RESTIC_REASON_SIZE];
static char said[2048];

static void hear(void *self, tbk_log_level level, const char *phase, const char *message)
{
    (void)self;
    (void)level;
    size_t length = strlen(said);
    (void)snprintf(said + length, sizeof said - length, "%s|%s\n", phase, message);
}

static const tbk_report REPORT = {.log = hear};

static tbk_error_code code_of(int exit_status, const char *text)
{
    words = (tbk_restic_words){.variables = VARIABLES, .report = &REPORT, .phase = "upload"};
    said[0] = '\0';
    for (size_t at = 0; text[at] != '\0'; at++)
        tbk_restic_words_add(&words, text + at, 1);
    tbk_restic_words_end(&words);
    (void)tbk_restic_words_reason(&words, reason);
    return tbk_restic_words_code(&words, exit_status);
}

#define EXIT_ERROR(text) "{\"message_type\":\"exit_error\",\"code\":1,\"message\":\"" text "\"}\n"

static void exit_statuses_count_before_words(void **state)
{
    (void)state;
    assert_int_equal(code_of(10, ""), TBK_E_NOT_FOUND);
    assert_int_equal(code_of(11, EXIT_ERROR("no space left on device")), TBK_E_LOCKED);
    assert_int_equal(code_of(12, EXIT_ERROR("Fatal: wrong password or no key found")), TBK_E_KEY);
    assert_string_equal(reason, "wrong password or no key found");
    assert_int_equal(code_of(130, ""), TBK_E_INTERRUPTED);
    assert_int_equal(code_of(143, ""), TBK_E_INTERRUPTED);
    assert_int_equal(code_of(1, ""), TBK_E_FAILED);
    assert_string_equal(reason, "");
    assert_int_equal(code_of(99, "what is this\n"), TBK_E_FAILED);
    assert_string_equal(reason, "what is this");
}

/* Those lines come with an exit status of 0. */
static void what_is_left_out_of_an_answer_is_noted(void **state)
{
    (void)state;
    (void)code_of(0, "not Ignoring \"a\"\n");
    assert_string_equal(words.ignored, "");
    (void)code_of(0, "Ignoring \"aa\": failed to load open sesame\nIgnoring \"bb\": the same\n");
    assert_string_equal(words.ignored, "Ignoring \"aa\": failed to load ***");
}

static void words_tell_apart_what_ends_with_1(void **state)
{
    (void)state;
    assert_int_equal(code_of(1, EXIT_ERROR("write /x: no space left on device")), TBK_E_SPACE);
    assert_int_equal(code_of(1, EXIT_ERROR("unexpected: 401 Unauthorized (401)")), TBK_E_KEY);
    assert_int_equal(code_of(1, EXIT_ERROR("dial tcp: connect: connection refused")),
                     TBK_E_NETWORK);
    assert_int_equal(code_of(1, EXIT_ERROR("failed to load snapshot x: no such file")),
                     TBK_E_NOT_FOUND);
    assert_int_equal(code_of(1, EXIT_ERROR("failed to load snapshot x: connection refused")),
                     TBK_E_NETWORK);
    assert_int_equal(code_of(1, EXIT_ERROR("ciphertext verification failed")), TBK_E_CORRUPT);
    /* A hitch at the beginning is not what it failed of in the end. */
    assert_int_equal(code_of(1, "Save(x) returned error, retrying: connection refused\n" //
                             EXIT_ERROR("no space left on device")),
                     TBK_E_SPACE);
    assert_int_equal(code_of(1, "write: no space left on device\n" EXIT_ERROR("it failed")),
                     TBK_E_SPACE);
}

static void what_ssh_said_is_the_reason(void **state)
{
    (void)state;
    assert_int_equal(code_of(1, "subprocess ssh: Host key verification failed.\n" EXIT_ERROR(
                                    "Fatal: server unexpectedly closed connection\\nIs there a "
                                    "repository at the following location?\\nsftp:x")),
                     TBK_E_FAILED);
    assert_string_equal(
        reason, "server unexpectedly closed connection; ssh: Host key verification failed.");
    assert_int_equal(code_of(1, "subprocess ssh: root@x: Permission denied (publickey).\n" //
                             EXIT_ERROR("server unexpectedly closed connection")),
                     TBK_E_KEY);
    assert_int_equal(code_of(1, EXIT_ERROR("server unexpectedly closed connection")),
                     TBK_E_NETWORK);
}

static void no_secret_is_shown(void **state)
{
    (void)state;
    (void)code_of(1, "the password is open sesame, open abc\n" EXIT_ERROR("it was open sesame!"));
    assert_string_equal(reason, "it was ***!");
    assert_string_equal(said, "upload|restic: the password is ***, *** abc\n");
    (void)code_of(1, "{\"message_type\":\"error\",\"error\":{\"message\":\"no open sesame\"}}\n");
    assert_string_equal(reason, "no ***");
}

/* What is not shown is no way to part a secret in two that stand side by side afterwards. */
static void no_secret_comes_together_in_what_is_shown(void **state)
{
    (void)state;
    (void)code_of(1, "it was open\x1b sesa\xe2\x80\x8bme\n");
    assert_string_equal(reason, "it was ***");
    (void)code_of(1, "it was o\x0c\x0cpen ses\x7f"
                     "ame\n");
    assert_string_equal(reason, "it was ***");
    assert_null(strstr(said, "sesame"));
}

static void no_half_of_a_secret_is_shown_where_a_line_is_cut(void **state)
{
    (void)state;
    static char line[9000];
    for (size_t spaces = 8180; spaces < 8194; spaces++) {
        memset(line, '.', sizeof line);
        memcpy(line + spaces, "open sesame\n", sizeof "open sesame\n");
        words = (tbk_restic_words){.variables = VARIABLES, .report = NULL};
        tbk_restic_words_add(&words, line, strlen(line));
        const size_t kept = words.line.length; /* nothing: the line has ended */
        assert_int_equal(kept, 0);
        tbk_restic_words_end(&words);
        assert_null(strstr(words.last, "open"));
    }
}

static void nothing_reaches_a_terminal(void **state)
{
    (void)state;
    (void)code_of(1, "\x1b[2Ksignal \x1b]0;title\x07 received\t\xff \xe2\x80\xae.\n");
    assert_string_equal(reason, "signal ]0;title received ? .");
    (void)code_of(1, EXIT_ERROR("a\\u001b[31m\\u0000b\\nc\\u202ed"));
    assert_null(strchr(reason, '\x1b'));
    (void)code_of(1, EXIT_ERROR("a\\u001b[31m b\\nc\\u202ed"));
    assert_string_equal(reason, "a[31m b cd");
}

static void a_long_reason_ends_with_a_whole_character(void **state)
{
    (void)state;
    static char line[2048];
    for (size_t lead = 0; lead < 4; lead++) {
        line[0] = '\0';
        for (size_t at = 0; at < lead; at++)
            line[at] = 'x';
        for (size_t at = lead; at < 1200; at += 3)
            memcpy(line + at, "\xe2\x82\xac", 4);
        (void)code_of(1, line);
        assert_true(strlen(reason) > 300);
        assert_true(tbk_text_is_utf8(reason, strlen(reason)));
    }
}

static void a_flood_is_heard_in_part(void **state)
{
    (void)state;
    words = (tbk_restic_words){.variables = VARIABLES, .report = &REPORT, .phase = "x"};
    said[0] = '\0';
    for (int i = 0; i < 100000; i++)
        tbk_restic_words_add(&words, "n\n", 2);
    tbk_restic_words_end(&words);
    assert_int_equal(strlen(said), 50 * strlen("x|restic: n\n"));
    for (int i = 0; i < 1000000; i++)
        tbk_restic_words_add(&words, "no end", 6);
    assert_true(words.line.length <= 8192);
    tbk_restic_words_end(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_statuses_count_before_words),
        cmocka_unit_test(what_is_left_out_of_an_answer_is_noted),
        cmocka_unit_test(words_tell_apart_what_ends_with_1),
        cmocka_unit_test(what_ssh_said_is_the_reason),
        cmocka_unit_test(no_secret_is_shown),
        cmocka_unit_test(no_secret_comes_together_in_what_is_shown),
        cmocka_unit_test(no_half_of_a_secret_is_shown_where_a_line_is_cut),
        cmocka_unit_test(nothing_reaches_a_terminal),
        cmocka_unit_test(a_long_reason_ends_with_a_whole_character),
        cmocka_unit_test(a_flood_is_heard_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
