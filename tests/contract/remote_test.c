/* SPDX-License-Identifier: MIT */
/* One contract for the three ways to the VM: libssh2, the ssh program, this machine. */
#include "contract/ways.h"

#include <pthread.h>

static char work[64]; /* where put and get play */

static bool run(tbk_remote_command *command, tbk_remote_result *result, tbk_error *err)
{
    return remote.run(remote.self, command, result, err);
}

/* Runs a script and asserts that it could be run. */
static int run_script(const char *script, tbk_remote_result *result)
{
    tbk_error err;
    const char *const argv[] = {"sh", "-c", script, NULL};
    tbk_remote_command command = {.argv = argv, .timeout_ms = 60000};
    assert_ok(run(&command, result, &err));
    return result->exit_status;
}

static int status_of(const char *script)
{
    tbk_auto_remote_result result = {0};
    return run_script(script, &result);
}

static void reports_exit_statuses(void **state)
{
    (void)state;
    assert_int_equal(status_of("exit 0"), 0);
    assert_int_equal(status_of("exit 1"), 1);
    assert_int_equal(status_of("exit 200"), 200);
    assert_int_equal(status_of("exit 255"), 255);
    assert_int_equal(status_of("kill -KILL $$"), 128 + SIGKILL);
    assert_int_equal(status_of("kill -TERM $$"), 128 + SIGTERM);
}

static void reports_127_for_a_program_that_is_not_there(void **state)
{
    (void)state;
    tbk_error err;
    tbk_auto_remote_result result = {0};
    const char *const argv[] = {"no-such-program-at-all", NULL};
    tbk_remote_command command = {.argv = argv};
    assert_ok(run(&command, &result, &err));
    assert_int_equal(result.exit_status, 127);
}

static void keeps_output_and_errors_apart(void **state)
{
    (void)state;
    tbk_auto_remote_result result = {0};
    assert_int_equal(run_script("echo out; echo wrong >&2; printf more; printf end >&2", &result),
                     0);
    assert_string_equal(tbk_text_string(&result.output), "out\nmore");
    assert_string_equal(tbk_text_string(&result.error_output), "wrong\nend");
}

static void gives_a_command_without_input_an_empty_one(void **state)
{
    (void)state;
    tbk_auto_remote_result result = {0};
    assert_int_equal(run_script("wc -c", &result), 0);
    assert_int_equal(atoi(tbk_text_string(&result.output)), 0);
}

/* Every byte value, and no period that a block size would hide. */
static char *make_bytes(size_t length)
{
    char *bytes = malloc(length + 1);
    uint32_t number = 12345;
    for (size_t i = 0; i < length; i++) {
        number = number * 1664525 + 1013904223;
        bytes[i] = (char)(number >> 24);
    }
    return bytes;
}

static void sends_input_unchanged(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 2, 32768, 65537, 5 << 20};
    const char *const argv[] = {"cat", NULL};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        tbk_error err;
        tbk_auto_remote_result result = {0};
        tbk_auto_free char *bytes = make_bytes(lengths[i]);
        tbk_remote_command command = {
            .argv = argv, .input = bytes, .input_size_bytes = lengths[i], .timeout_ms = 60000};
        assert_ok(run(&command, &result, &err));
        assert_int_equal(result.exit_status, 0);
        assert_int_equal(result.output.length, lengths[i]);
        if (lengths[i] > 0)
            assert_memory_equal(result.output.bytes, bytes, lengths[i]);
    }
}

static void sends_a_file_from_its_position(void **state)
{
    (void)state;
    tbk_error err;
    size_t length = (3 << 20) + 77;
    tbk_auto_free char *bytes = make_bytes(length);
    FILE *file = tmpfile();
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fflush(file), 0);
    assert_int_equal(lseek(fileno(file), 10, SEEK_SET), 10);
    const char *const argv[] = {"cat", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .input_fd = fileno(file)};
    assert_ok(run(&command, &result, &err));
    assert_int_equal(result.output.length, length - 10);
    assert_memory_equal(result.output.bytes, bytes + 10, length - 10);
    (void)fclose(file);
}

static void *write_slowly(void *fd)
{
    for (int i = 0; i < 5; i++) {
        (void)!write(*(int *)fd, "tick ", 5);
        (void)usleep(100000);
    }
    (void)close(*(int *)fd);
    return NULL;
}

static void sends_a_pipe_as_it_fills(void **state)
{
    (void)state;
    tbk_error err;
    static int ends[2];
    pthread_t writer;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_slowly, &ends[1]), 0);
    const char *const argv[] = {"cat", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .input_fd = ends[0], .idle_timeout_ms = 30000};
    bool ran = run(&command, &result, &err);
    (void)close(ends[0]);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_ok(ran);
    assert_string_equal(tbk_text_string(&result.output), "tick tick tick tick tick ");
}

static void limits_a_wait_for_its_own_input(void **state)
{
    (void)state;
    tbk_error err;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const char *const argv[] = {"cat", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .input_fd = ends[0], .timeout_ms = 400};
    assert_error(run(&command, &result, &err), TBK_E_TIMEOUT);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void lets_a_command_ignore_its_input(void **state)
{
    (void)state;
    tbk_error err;
    size_t length = 5 << 20;
    tbk_auto_free char *bytes = make_bytes(length);
    const char *const argv[] = {"sh", "-c", "head -c 5 >/dev/null; exit 9", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .input = bytes, .input_size_bytes = length};
    assert_ok(run(&command, &result, &err));
    assert_int_equal(result.exit_status, 9);
}

static void moves_much_both_ways_at_once(void **state)
{
    (void)state;
    tbk_error err;
    size_t length = 4 << 20;
    tbk_auto_free char *bytes = make_bytes(length);
    const char *const argv[] = {"sh", "-c", "head -c 3000000 /dev/zero & tee /dev/stderr; wait",
                                NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .input = bytes, .input_size_bytes = length};
    assert_ok(run(&command, &result, &err));
    assert_int_equal(result.exit_status, 0);
    assert_int_equal(result.output.length, length + 3000000);
    assert_int_equal(result.error_output.length, 65536);
    assert_memory_equal(result.error_output.bytes, bytes, 65536);
}

typedef struct listener {
    size_t bytes;
    size_t stop_at;
    int calls;
} listener;

static bool listen_to(void *self, const char *bytes, size_t length, tbk_error *err)
{
    listener *it = self;
    (void)bytes;
    it->bytes += length;
    it->calls++;
    return it->bytes < it->stop_at || tbk_fail(err, TBK_E_SPACE, NULL, "enough");
}

static void streams_output_as_it_comes(void **state)
{
    (void)state;
    tbk_error err;
    listener ear = {.stop_at = (size_t)-1};
    const char *const argv[] = {"sh", "-c",
                                "echo one; sleep 0.3; echo two; head -c 20000000 "
                                "/dev/zero",
                                NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .on_output = listen_to, .on_output_self = &ear};
    assert_ok(run(&command, &result, &err));
    assert_int_equal(ear.bytes, 20000008);
    assert_true(ear.calls > 2);
    assert_int_equal(result.output.length, 0);
}

static void ends_a_command_when_its_listener_has_enough(void **state)
{
    (void)state;
    tbk_error err;
    listener ear = {.stop_at = 100000};
    const char *const argv[] = {"cat", "/dev/zero", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .on_output = listen_to, .on_output_self = &ear};
    int64_t begin_ms = tbk_clock_monotonic_ms();
    assert_error(run(&command, &result, &err), TBK_E_SPACE);
    assert_soon(begin_ms);
    assert_int_equal(status_of("exit 4"), 4); /* the connection is as good as before */
}

static void refuses_more_than_8_mib_of_output(void **state)
{
    (void)state;
    tbk_error err;
    const char *const whole[] = {"head", "-c", "8388608", "/dev/zero", NULL};
    const char *const more[] = {"head", "-c", "8388609", "/dev/zero", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = whole};
    assert_ok(run(&command, &result, &err));
    assert_int_equal(result.output.length, 8388608);
    tbk_auto_remote_result second = {0};
    command.argv = more;
    assert_error(run(&command, &second, &err), TBK_E_REMOTE);
}

static void passes_words_through_every_shell_unchanged(void **state)
{
    (void)state;
    tbk_error err;
    const char *const argv[] = {
        "printf",        "<%s>", "two words", "it's", "\"quoted\"", "line\nbreak",
        "$HOME `id` \\", "",     "*",         "~",    "größe ✓",    "-n",
        "a;b&c|d>e",     "!x",   "tab\there", "%s",   "#",          NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv};
    assert_ok(run(&command, &result, &err));
    assert_string_equal(tbk_text_string(&result.output),
                        "<two words><it's><\"quoted\"><line\nbreak><$HOME `id` \\><><*><~>"
                        "<größe ✓><-n><a;b&c|d>e><!x><tab\there><%s><#>");
}

static void needs_no_sudo_where_the_user_is_root(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_because("needs root");
    tbk_error err;
    const char *const argv[] = {"sh", "-c", "id -u; echo \"${SUDO_COMMAND-no sudo}\"", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .as_root = true};
    assert_ok(run(&command, &result, &err));
    assert_string_equal(tbk_text_string(&result.output), "0\nno sudo\n");
}

static void ends_a_command_that_takes_too_long(void **state)
{
    (void)state;
    tbk_error err;
    const char *const argv[] = {"sh", "-c", "while sleep 0.05; do echo on; done", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .timeout_ms = 1000, .idle_timeout_ms = 800};
    int64_t begin_ms = tbk_clock_monotonic_ms();
    assert_error(run(&command, &result, &err), TBK_E_TIMEOUT);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    assert_true(took_ms >= 1000 && took_ms < SOON_MS);
    assert_contains(err.message, "did not end within 1.0 s");
    assert_int_equal(status_of("exit 5"), 5);
}

static void ends_a_command_that_falls_silent(void **state)
{
    (void)state;
    tbk_error err;
    const char *const argv[] = {"sh", "-c", "echo begin; sleep 200", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .timeout_ms = 100000, .idle_timeout_ms = 600};
    int64_t begin_ms = tbk_clock_monotonic_ms();
    assert_error(run(&command, &result, &err), TBK_E_TIMEOUT);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    assert_true(took_ms >= 600 && took_ms < SOON_MS);
    assert_contains(err.message, "neither sent nor took a byte for 0.6 s");
    assert_int_equal(status_of("exit 6"), 6);
}

static void remember_progress(void *self, const char *phase, uint64_t done_bytes,
                              uint64_t total_bytes)
{
    assert_string_equal(phase, "upload");
    assert_int_equal(total_bytes, 2 << 20);
    assert_true(done_bytes > *(uint64_t *)self);
    *(uint64_t *)self = done_bytes;
}

static void tells_how_much_of_a_large_input_is_sent(void **state)
{
    (void)state;
    tbk_error err;
    uint64_t done_bytes = 0;
    tbk_auto_free char *bytes = make_bytes(2 << 20);
    tbk_report report = {.self = &done_bytes, .progress = remember_progress};
    const char *const argv[] = {"sh", "-c", "cat >/dev/null", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {
        .argv = argv, .input = bytes, .input_size_bytes = 2 << 20, .report = &report};
    assert_ok(run(&command, &result, &err));
    assert_int_equal(done_bytes, 2 << 20);
}

static void ends_a_command_when_cancelled(void **state)
{
    (void)state;
    tbk_error err;
    int64_t begin_ms = tbk_clock_monotonic_ms();
    int64_t cancel_ms = begin_ms + 300;
    tbk_report report = {.self = &cancel_ms, .cancelled = cancelled_soon};
    const char *const argv[] = {"sleep", "200", NULL};
    tbk_auto_remote_result result = {0};
    tbk_remote_command command = {.argv = argv, .report = &report};
    assert_error(run(&command, &result, &err), TBK_E_INTERRUPTED);
    assert_soon(begin_ms);
    assert_int_equal(status_of("exit 7"), 7);
}

static void runs_one_command_after_another(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        tbk_auto_remote_result result = {0};
        assert_int_equal(run_script(text_of("echo %d; exit %d", i, i), &result), i);
        assert_string_equal(tbk_text_string(&result.output), text_of("%d\n", i));
    }
}

/* --- files --- */

static const char *in_work(const char *name) { return text_of("%s/%s", work, name); }

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void assert_file(const char *path, const void *bytes, size_t length)
{
    tbk_error err;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    char *found;
    size_t found_length;
    assert_ok(tbk_file_read(arena, path, 64 << 20, &found, &found_length, &err));
    assert_int_equal(found_length, length);
    assert_memory_equal(found, bytes, length);
}

static bool may_be_root(void) { return geteuid() == 0 || system("sudo -n true 2>/dev/null") == 0; }

static void puts_a_file_with_its_mode(void **state)
{
    (void)state;
    if (!may_be_root())
        skip_because("needs root, or sudo without a password");
    tbk_error err;
    tbk_digest digest;
    struct stat status;
    size_t length = (2 << 20) + 3;
    tbk_auto_free char *bytes = make_bytes(length);
    tbk_digest_of(bytes, length, &digest);
    write_file(in_work("it's new"), "old");
    char path[128];
    (void)snprintf(path, sizeof path, "%s", in_work("it's new"));
    tbk_remote_file file = {.path = path, .mode = 0755, .bytes = bytes, .size_bytes = length};
    assert_ok(tbk_remote_put(&remote, &file, &digest, NULL, &err));
    assert_file(path, bytes, length);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0755);
    assert_int_equal(status.st_uid, 0);
    assert_int_equal(status.st_gid, 0);
    assert_int_not_equal(access(text_of("%s~", path), F_OK), 0);
}

static void puts_an_empty_file(void **state)
{
    (void)state;
    if (!may_be_root())
        skip_because("needs root, or sudo without a password");
    tbk_error err;
    tbk_digest digest;
    char path[128];
    (void)snprintf(path, sizeof path, "%s", in_work("empty"));
    tbk_digest_of("", 0, &digest);
    tbk_remote_file file = {.path = path, .mode = 0600, .bytes = "", .size_bytes = 0};
    assert_ok(tbk_remote_put(&remote, &file, &digest, NULL, &err));
    assert_file(path, "", 0);
}

static void keeps_the_old_file_when_the_digest_differs(void **state)
{
    (void)state;
    if (!may_be_root())
        skip_because("needs root, or sudo without a password");
    tbk_error err;
    tbk_digest digest;
    char path[128];
    (void)snprintf(path, sizeof path, "%s", in_work("kept"));
    write_file(path, "the old one");
    tbk_digest_of("something else", 14, &digest);
    tbk_remote_file file = {.path = path, .mode = 0644, .bytes = "the new one", .size_bytes = 11};
    assert_error(tbk_remote_put(&remote, &file, &digest, NULL, &err), TBK_E_REMOTE);
    assert_file(path, "the old one", 11);
    assert_int_not_equal(access(text_of("%s~", path), F_OK), 0);
}

static void gets_a_file(void **state)
{
    (void)state;
    if (!may_be_root())
        skip_because("needs root, or sudo without a password");
    tbk_error err;
    tbk_digest digest;
    tbk_digest wanted;
    size_t length = (1 << 20) + 1;
    tbk_auto_free char *bytes = make_bytes(length);
    tbk_digest_of(bytes, length, &wanted);
    char path[128];
    (void)snprintf(path, sizeof path, "%s", in_work("to fetch"));
    FILE *source = fopen(path, "w");
    assert_int_equal(fwrite(bytes, 1, length, source), length);
    assert_int_equal(fclose(source), 0);
    char copy[128];
    (void)snprintf(copy, sizeof copy, "%s", in_work("copy"));
    int fd = open(copy, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_ok(tbk_remote_get(&remote, path, fd, length, &digest, NULL, &err));
    assert_string_equal(digest.hex, wanted.hex);
    assert_file(copy, bytes, length);
    assert_error(tbk_remote_get(&remote, path, fd, length - 1, &digest, NULL, &err), TBK_E_SPACE);
    (void)close(fd);
}

static void tells_that_a_file_to_get_is_missing(void **state)
{
    (void)state;
    if (!may_be_root())
        skip_because("needs root, or sudo without a password");
    tbk_error err;
    tbk_digest digest;
    assert_error(tbk_remote_get(&remote, "/no/such/file", STDOUT_FILENO, 100, &digest, NULL, &err),
                 TBK_E_NOT_FOUND);
}

static void fails_when_a_command_that_must_succeed_does_not(void **state)
{
    (void)state;
    tbk_error err;
    tbk_auto_remote_result result = {0};
    const char *const argv[] = {"sh", "-c", "echo first >&2; echo the reason >&2; exit 3", NULL};
    tbk_remote_command command = {.argv = argv};
    assert_error(tbk_remote_do(&remote, "trying", &command, &result, &err), TBK_E_REMOTE);
    assert_contains(err.message, "the reason");
}

/* --- the host's process --- */

static void leaves_the_hosts_signals_alone(void **state)
{
    (void)state;
    struct sigaction action;
    sigset_t mask;
    static const int watched[] = {SIGPIPE, SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGALRM};
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        assert_int_equal(sigaction(watched[i], NULL, &action), 0);
        assert_true(action.sa_handler == SIG_DFL);
    }
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGPIPE), 0);
}

/* As the Rust hosts have it; a command must not inherit that, or `yes | head` would never end. */
static void gives_commands_the_usual_signals(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    tbk_auto_remote_result result = {0};
    int status = run_script("(sh -c 'kill -PIPE $$'; echo $?)", &result);
    (void)signal(SIGPIPE, SIG_DFL);
    assert_int_equal(status, 0);
    assert_string_equal(tbk_text_string(&result.output), "141\n");
}

static void gives_commands_none_of_the_hosts_descriptors(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY); /* a host may forget O_CLOEXEC */
    tbk_auto_remote_result result = {0};
    int status = run_script("ls /proc/self/fd | wc -l", &result);
    (void)close(fd);
    assert_int_equal(status, 0);
    assert_int_equal(atoi(tbk_text_string(&result.output)), 4); /* 0, 1, 2 and ls's own */
}

/* --- a cut connection; the last tests of a group, for it does not come back --- */

static char new_file[128]; /* what the new one's bytes are first written to */

static bool new_file_is_begun(void) { return access(new_file, F_OK) == 0; }

static void *cut_when_begun(void *unused)
{
    (void)unused;
    (void)waits_for(new_file_is_begun);
    cut_connections();
    return NULL;
}

static void leaves_the_old_file_when_the_connection_is_cut(void **state)
{
    (void)state;
    if (!may_be_root())
        skip_because("needs root, or sudo without a password");
    tbk_error err;
    tbk_digest digest;
    pthread_t cutter;
    int ends[2];
    char path[128];
    (void)snprintf(path, sizeof path, "%s", in_work("cut"));
    (void)snprintf(new_file, sizeof new_file, "%s", in_work("cut~"));
    (void)unlink(new_file); /* of the way before */
    write_file(path, "the old one");
    tbk_digest_of("half of the new one", 19, &digest);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "half of", 7), 7);
    tbk_remote_file file = {.path = path, .mode = 0644, .fd = ends[0]};
    assert_int_equal(pthread_create(&cutter, NULL, cut_when_begun, NULL), 0);
    int64_t begin_ms = tbk_clock_monotonic_ms();
    bool was_put = tbk_remote_put(&remote, &file, &digest, NULL, &err);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(pthread_join(cutter, NULL), 0);
    assert_error(was_put, TBK_E_NETWORK);
    assert_true(took_ms < SOON_MS);
    assert_contains(err.message, "lost");
    (void)usleep(300000); /* what is left of it on the other side ends by itself */
    assert_file(path, "the old one", 11);
}

static void fails_after_the_connection_was_cut(void **state)
{
    (void)state;
    tbk_error err;
    tbk_auto_remote_result result = {0};
    cut_connections(); /* if the test before was skipped */
    const char *const argv[] = {"true", NULL};
    tbk_remote_command command = {.argv = argv};
    int64_t begin_ms = tbk_clock_monotonic_ms();
    assert_error(run(&command, &result, &err), TBK_E_NETWORK);
    assert_soon(begin_ms);
}

/* What each way to the VM must do. */
#define EVERY_WAY                                                                                  \
    cmocka_unit_test(reports_exit_statuses),                                                       \
        cmocka_unit_test(reports_127_for_a_program_that_is_not_there),                             \
        cmocka_unit_test(keeps_output_and_errors_apart),                                           \
        cmocka_unit_test(gives_a_command_without_input_an_empty_one),                              \
        cmocka_unit_test(sends_input_unchanged), cmocka_unit_test(sends_a_file_from_its_position), \
        cmocka_unit_test(sends_a_pipe_as_it_fills),                                                \
        cmocka_unit_test(limits_a_wait_for_its_own_input),                                         \
        cmocka_unit_test(lets_a_command_ignore_its_input),                                         \
        cmocka_unit_test(moves_much_both_ways_at_once),                                            \
        cmocka_unit_test(streams_output_as_it_comes),                                              \
        cmocka_unit_test(ends_a_command_when_its_listener_has_enough),                             \
        cmocka_unit_test(refuses_more_than_8_mib_of_output),                                       \
        cmocka_unit_test(passes_words_through_every_shell_unchanged),                              \
        cmocka_unit_test(needs_no_sudo_where_the_user_is_root),                                    \
        cmocka_unit_test(ends_a_command_that_takes_too_long),                                      \
        cmocka_unit_test(ends_a_command_that_falls_silent),                                        \
        cmocka_unit_test(tells_how_much_of_a_large_input_is_sent),                                 \
        cmocka_unit_test(ends_a_command_when_cancelled),                                           \
        cmocka_unit_test(runs_one_command_after_another),                                          \
        cmocka_unit_test(puts_a_file_with_its_mode), cmocka_unit_test(puts_an_empty_file),         \
        cmocka_unit_test(keeps_the_old_file_when_the_digest_differs),                              \
        cmocka_unit_test(gets_a_file), cmocka_unit_test(tells_that_a_file_to_get_is_missing),      \
        cmocka_unit_test(fails_when_a_command_that_must_succeed_does_not),                         \
        cmocka_unit_test(leaves_the_hosts_signals_alone),                                          \
        cmocka_unit_test(gives_commands_the_usual_signals),                                        \
        cmocka_unit_test(gives_commands_none_of_the_hosts_descriptors)

int main(void)
{
    const struct CMUnitTest over_a_connection[] = {
        EVERY_WAY,
        cmocka_unit_test(leaves_the_old_file_when_the_connection_is_cut),
        cmocka_unit_test(fails_after_the_connection_was_cut),
    };
    const struct CMUnitTest on_this_machine[] = {EVERY_WAY}; /* no connection to be cut */
    int failed = sshd_start(NULL) != 0;
    if (!failed) {
        (void)snprintf(work, sizeof work, "%s/work", sshd_directory);
        (void)mkdir(work, 0755);
        failed |= run_every_way(over_a_connection, on_this_machine);
    }
    failed |= sshd_stop(NULL) != 0;
    return failed ? 1 : 0;
}
