/* SPDX-License-Identifier: MIT */
/* Commands through login shells that print, that are not POSIX, and that run nothing. */
#include "contract/sshd.h"

static tbk_remote remote;
static const char *shell_now; /* which one the connection runs */

/* The server hands the line to the shell as it would to a login shell: SHELL -c LINE. */
static bool start_with(const char *force_command)
{
    return sshd_restart(text_of("ForceCommand %s", force_command));
}

static bool open_by(tbk_ssh_program program)
{
    tbk_error err;
    const tbk_ssh_target target = target_of(program, "ed25519");
    if (!tbk_ssh_open(&target, NULL, &remote, &err))
        fail_msg("%s: %s", shell_now, err.message);
    return true;
}

static void check_run(const char *const *argv, const char *output, int exit_status)
{
    tbk_error err;
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .timeout_ms = 60000};
    if (!remote.run(remote.self, &command, &result, &err))
        fail_msg("%s: %s", shell_now, err.message);
    if (result.unmarked || result.exit_status != exit_status ||
        strcmp(tbk_text_string(&result.output), output) != 0)
        fail_msg("%s: exit status %d, '%s', '%s'", shell_now, result.exit_status,
                 tbk_text_string(&result.output), tbk_text_string(&result.error_output));
}

static void check_words(void)
{
    check_run(
        (const char *const[]){
            "printf",   "<%s>",     "two words", "it's",     "\"quoted\"", "$HOME `id` \\ \\n",
            "",         "*",        "~",         "größe ✓",  "-n",         "a;b&c|d>e",
            "!x !! !$", "\\\\'\\'", "tab\there", "%s %self", "#",          "{a,b}",
            "(id)",     "[x]",      "^",         "=ls",      NULL},
        "<two words><it's><\"quoted\"><$HOME `id` \\ \\n><><*><~><größe ✓><-n><a;b&c|d>e>"
        "<!x !! !$><\\\\'\\'><tab\there><%s %self><#><{a,b}><(id)><[x]><^><=ls>",
        0);
}

static void check_scripts(void)
{
    check_run((const char *const[]){"sh", "-c",
                                    "# it's a script\nset -eu\nfor word; do\n"
                                    "    printf '%s!\\n' \"$word\"\ndone\necho \"$0\"\nexit 7\n",
                                    "name", "a b", "c'\\", NULL},
              "a b!\nc'\\!\nname\n", 7);
    check_run((const char *const[]){"sh", "-c", "exit 0", NULL}, "", 0);
    check_run((const char *const[]){"sh", "-c", "exit 255", NULL}, "", 255);
    check_run((const char *const[]){"sh", "-c", "kill -KILL $$", NULL}, "", 128 + SIGKILL);
    check_run((const char *const[]){"no-such-program-at-all", NULL}, "", 127);
}

/* Longer than the longest of ours; csh takes no word beyond 8 KiB. */
static void check_long_script(void)
{
    tbk_auto_text script = {0};
    for (int i = 0; i < 300; i++)
        tbk_text_format(&script, "true 'line %d'\n", i);
    tbk_text_append(&script, "echo \"end of $0\"");
    check_run((const char *const[]){"sh", "-c", tbk_text_string(&script), "it", NULL},
              "end of it\n", 0);
}

static void check_errors_apart(void)
{
    tbk_error err;
    tbk_auto_remote_result result = {0};
    const char *const argv[] = {"sh", "-c", "echo wrong >&2; printf end >&2; echo out; exit 3",
                                NULL};
    tbk_remote_command command = {.argv = argv, .timeout_ms = 60000};
    assert_ok(remote.run(remote.self, &command, &result, &err));
    assert_string_equal(tbk_text_string(&result.error_output), "wrong\nend");
    assert_string_equal(tbk_text_string(&result.output), "out\n");
    assert_int_equal(result.exit_status, 3);
}

/* Every byte value, in and out again, in pieces that cut the marks everywhere. */
static void check_bytes(void)
{
    static const size_t lengths[] = {0, 1, 37, 65536, 3000001};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        tbk_error err;
        tbk_auto_free char *bytes = malloc(lengths[i] + 1);
        for (size_t at = 0; at < lengths[i]; at++)
            bytes[at] = (char)(at * 2654435761U >> 13);
        tbk_auto_remote_result result = {0};
        tbk_remote_command command = {.argv = (const char *const[]){"cat", NULL},
                                      .input = bytes,
                                      .input_size_bytes = lengths[i],
                                      .timeout_ms = 60000};
        assert_ok(remote.run(remote.self, &command, &result, &err));
        assert_int_equal(result.exit_status, 0);
        assert_int_equal(result.output.length, lengths[i]);
        if (lengths[i] > 0)
            assert_memory_equal(result.output.bytes, bytes, lengths[i]);
    }
}

static void check_all(const char *name, const char *force_command)
{
    static const tbk_ssh_program programs[] = {TBK_SSH_LIBSSH2, TBK_SSH_OPENSSH};
    shell_now = name;
    assert_true(start_with(force_command));
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        (void)open_by(programs[i]);
        check_words();
        check_scripts();
        check_long_script();
        check_errors_apart();
        check_bytes();
        tbk_remote_close(&remote);
    }
}

static void shells_that_are_not_posix_run_commands_unchanged(void **state)
{
    static const char *const shells[] = {"/usr/bin/fish", "/bin/tcsh", "/bin/bsd-csh", "/bin/zsh",
                                         "/bin/dash",     "/bin/bash", "/bin/busybox"};
    int found = 0;
    (void)state;
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (access(shells[i], X_OK) != 0)
            continue;
        found++;
        const char *arguments = strstr(shells[i], "busybox") != NULL ? " sh" : "";
        check_all(shells[i],
                  text_of("exec %s%s -c \"$SSH_ORIGINAL_COMMAND\"", shells[i], arguments));
    }
    assert_true(found >= 3);
}

static void what_a_login_shell_prints_is_not_the_commands(void **state)
{
    (void)state;
    check_all("talkative", "echo Welcome; echo tracker_state exited; echo oops >&2; "
                           "sh -c \"$SSH_ORIGINAL_COMMAND\"; status=$?; echo bye; echo bye >&2; "
                           "exit $status");
}

/* An agent that was started in it, for example. */
static void what_a_login_shell_leaves_running_is_not_waited_for(void **state)
{
    (void)state;
    int64_t begin_ms = tbk_clock_monotonic_ms();
    shell_now = "leaves something";
    assert_true(start_with("sleep 250 & exec sh -c \"$SSH_ORIGINAL_COMMAND\""));
    for (tbk_ssh_program program = TBK_SSH_LIBSSH2; program <= TBK_SSH_OPENSSH; program++) {
        (void)open_by(program);
        check_run((const char *const[]){"sh", "-c", "echo done; exit 5", NULL}, "done\n", 5);
        check_run((const char *const[]){"sh", "-c", "echo done; exit 6", NULL}, "done\n", 6);
        tbk_remote_close(&remote);
    }
    assert_true(tbk_clock_monotonic_ms() - begin_ms < 200000);
}

static void check_useless(const char *force_command, const char *said)
{
    tbk_error err;
    tbk_auto_remote_result result = {0};
    const char *const argv[] = {"sh", "-c", "echo never", NULL};
    tbk_remote_command command = {.argv = argv, .timeout_ms = 60000};
    shell_now = force_command;
    assert_true(start_with(force_command));
    (void)open_by(TBK_SSH_LIBSSH2);
    assert_error(tbk_remote_do(&remote, "looking", &command, &result, &err), TBK_E_REMOTE);
    assert_contains(err.message, "the user's login shell there does not run commands");
    assert_contains(err.message, said);
    tbk_remote_close(&remote);
}

static void a_shell_that_runs_nothing_is_named(void **state)
{
    (void)state;
    check_useless("echo This account is not available.; exit 1",
                  "it said: This account is not available.");
    check_useless("exit 3", "exit status 3");
}

static void a_shell_that_prints_without_end_fills_no_disk(void **state)
{
    (void)state;
    shell_now = "endless";
    assert_true(start_with("yes >&2 & exec sh -c \"$SSH_ORIGINAL_COMMAND\""));
    for (tbk_ssh_program program = TBK_SSH_LIBSSH2; program <= TBK_SSH_OPENSSH; program++) {
        tbk_error err;
        tbk_auto_remote_result result = {0};
        const char *const argv[] = {"sleep", "5", NULL};
        tbk_remote_command command = {.argv = argv, .timeout_ms = 60000};
        const tbk_ssh_target target = target_of(program, "ed25519");
        int64_t begin_ms = tbk_clock_monotonic_ms();
        if (tbk_ssh_open(&target, NULL, &remote, &err)) {
            bool ran = remote.run(remote.self, &command, &result, &err);
            tbk_remote_close(&remote);
            assert_true(ran || err.code == TBK_E_NETWORK || err.code == TBK_E_REMOTE);
        } else if (err.code != TBK_E_NETWORK) {
            fail_msg("%s", err.message);
        }
        assert_true(tbk_clock_monotonic_ms() - begin_ms < 120000);
    }
}

static void much_before_a_command_is_refused(void **state)
{
    tbk_error err;
    tbk_auto_remote_result result = {0};
    const char *const argv[] = {"echo", "on", NULL};
    tbk_remote_command command = {.argv = argv, .timeout_ms = 60000};
    (void)state;
    assert_true(start_with("head -c 200000 /dev/zero; exec sh -c \"$SSH_ORIGINAL_COMMAND\""));
    (void)open_by(TBK_SSH_LIBSSH2);
    assert_error(remote.run(remote.self, &command, &result, &err), TBK_E_REMOTE);
    assert_contains(err.message, "prints more than 64 KiB before each command");
    tbk_remote_close(&remote);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shells_that_are_not_posix_run_commands_unchanged),
        cmocka_unit_test(what_a_login_shell_prints_is_not_the_commands),
        cmocka_unit_test(what_a_login_shell_leaves_running_is_not_waited_for),
        cmocka_unit_test(a_shell_that_runs_nothing_is_named),
        cmocka_unit_test(a_shell_that_prints_without_end_fills_no_disk),
        cmocka_unit_test(much_before_a_command_is_refused),
    };
    return cmocka_run_group_tests(tests, sshd_start, sshd_stop);
}
