/* SPDX-License-Identifier: MIT */
/*
 * Files through the remote port: the scripts run in real shells (dash with coreutils, busybox) on
 * this machine; only the way to them is a fake that can be cut.
 */
#include "unit/unit.h"

#include "base/file.h"
#include "ports/remote.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A way to a shell on this machine. */
typedef struct way {
    const char *tools;        /* what PATH is there */
    size_t cut_after_bytes;   /* of input; the command sees its end then */
    const char *broken;       /* the connection's own failure; NULL = none */
    const char *error_output; /* instead of running: what a command says before it exits 9 */
    bool closed;
    bool as_root; /* of the last command */
} way;

static char scratch[64];
static int scratch_fd = -1;
static tbk_arena *arena;
static const char *tools[2];

static const char *path_of(const char *name)
{
    return tbk_arena_format(arena, "%s/%s", scratch, name);
}

/* Not every user may chown to root: this one writes down what it was asked. */
static void make_tools(const char *folder, const char *shell_lines)
{
    tbk_error err;
    assert_succeeds(tbk_directory_make(folder, 0755, &err), err);
    const char *path = tbk_arena_format(arena, "%s/chown", folder);
    const char *script = tbk_arena_format(
        arena, "#!/bin/sh\nstat -c \"$1 at %%a\" \"$2\" >\"%s/chowned\"\n", scratch);
    assert_succeeds(tbk_file_publish(path, script, strlen(script), 0755, &err), err);
    if (shell_lines == NULL)
        return;
    static const char *const APPLETS[] = {"sh", "cat",   "sha256sum", "sync", "stat",
                                          "rm", "chmod", "mv",        "tail"};
    for (size_t index = 0; index < sizeof APPLETS / sizeof APPLETS[0]; index++)
        assert_int_equal(
            symlink(shell_lines, tbk_arena_format(arena, "%s/%s", folder, APPLETS[index])), 0);
}

static int set_up(void **state)
{
    (void)state;
    make_scratch(scratch);
    scratch_fd = open(scratch, O_RDONLY | O_DIRECTORY);
    arena = tbk_arena_new();
    make_tools(path_of("tools"), NULL);
    make_tools(path_of("busybox"), "/bin/busybox");
    tools[0] = tbk_arena_format(arena, "%s:/usr/bin:/bin", path_of("tools"));
    tools[1] = path_of("busybox");
    assert_int_equal(access("/bin/busybox", X_OK), 0);
    return mkdir(path_of("etc"), 0755);
}

static int tear_down(void **state)
{
    (void)state;
    bool ok = remove_scratch(scratch);
    tbk_arena_free(arena);
    return close(scratch_fd) == 0 && ok ? 0 : -1;
}

static void start(const way *self, const tbk_remote_command *command, int input, int output)
{
    (void)dup2(input, 0);
    (void)dup2(output, 1);
    char **words = calloc(16, sizeof *words);
    for (size_t index = 0; command->argv[index] != NULL && index < 15; index++)
        words[index] = strdup(command->argv[index]);
    (void)setenv("PATH", self->tools, 1);
    execvp(words[0], words);
    _exit(127);
}

/* Input by a temporary file, so that no pipe can fill up. */
static int input_file(const way *self, const tbk_remote_command *command)
{
    int fd = open(scratch, O_TMPFILE | O_RDWR, 0600);
    tbk_auto_text input = {0};
    char byte = 0;
    tbk_error err;
    if (command->input != NULL)
        tbk_text_append_bytes(&input, command->input, command->input_size_bytes);
    while (command->input_fd > 0 && tbk_file_read_some(command->input_fd, &byte, 1) == 1)
        tbk_text_append_char(&input, byte);
    size_t length = input.length < self->cut_after_bytes ? input.length : self->cut_after_bytes;
    assert_succeeds(tbk_file_write_all(fd, tbk_text_string(&input), length, &err), err);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static bool run(void *data, const tbk_remote_command *command, tbk_remote_result *result,
                tbk_error *err)
{
    way *self = data;
    self->as_root = command->as_root;
    if (self->broken != NULL)
        return tbk_fail(err, TBK_E_NETWORK, NULL, "%s", self->broken);
    if (self->error_output != NULL) {
        tbk_text_append(&result->error_output, self->error_output);
        result->exit_status = 9;
        return true;
    }
    tbk_auto_fd int input = input_file(self, command);
    int output[2];
    assert_int_equal(pipe(output), 0);
    pid_t child = fork();
    if (child == 0)
        start(self, command, input, output[1]);
    (void)close(output[1]);
    char buffer[700];
    ssize_t got = 0;
    bool ok = true;
    while (ok && (got = tbk_file_read_some(output[0], buffer, sizeof buffer)) > 0)
        ok = command->on_output == NULL ||
             command->on_output(command->on_output_self, buffer, (size_t)got, err);
    (void)close(output[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    result->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ok;
}

static void close_way(void *data) { ((way *)data)->closed = true; }

static tbk_remote remote_by(way *self)
{
    return (tbk_remote){.self = self, .name = "vm", .run = run, .close = close_way};
}

static way whole_way(const char *path) { return (way){.tools = path, .cut_after_bytes = SIZE_MAX}; }

static void check_file(const char *name, const char *expected, mode_t mode)
{
    char *bytes = NULL;
    size_t length = 0;
    tbk_error err;
    assert_succeeds(tbk_file_read(arena, path_of(name), 1 << 20, &bytes, &length, &err), err);
    assert_string_equal(bytes, expected);
    struct stat status;
    assert_int_equal(stat(path_of(name), &status), 0);
    assert_int_equal(status.st_mode & 07777, mode);
}

static bool put(way *self, const char *path, const char *text, mode_t mode, tbk_error *err)
{
    tbk_remote remote = remote_by(self);
    tbk_digest digest;
    tbk_digest_of(text, strlen(text), &digest);
    const tbk_remote_file file = {
        .path = path, .mode = mode, .bytes = text, .size_bytes = strlen(text)};
    return tbk_remote_put(&remote, &file, &digest, NULL, err);
}

/* --- put --- */

static void puts_files_in_place_in_both_shells(void **state)
{
    (void)state;
    for (size_t index = 0; index < 2; index++) {
        way self = whole_way(tools[index]);
        tbk_error err;
        const char *path = path_of("etc/it's a $(file) \"x\"");
        assert_succeeds(put(&self, path, "first\n", 0644, &err), err);
        assert_succeeds(put(&self, path, "second\n", 0750, &err), err);
        assert_true(self.as_root);
        check_file("etc/it's a $(file) \"x\"", "second\n", 0750);
        check_file("chowned", "0:0 at 600\n", 0600); /* never readable by others before its mode */
        assert_int_equal(access(path_of("etc/it's a $(file) \"x\"~"), F_OK), -1);
        assert_succeeds(put(&self, path_of("etc/empty"), "", 0600, &err), err);
        check_file("etc/empty", "", 0600);
    }
}

static void puts_what_a_descriptor_has_left(void **state)
{
    (void)state;
    tbk_auto_fd int fd = open(scratch, O_TMPFILE | O_RDWR, 0600);
    assert_int_equal(write(fd, "skipped taken", 13), 13);
    assert_int_equal(lseek(fd, 8, SEEK_SET), 8);
    way self = whole_way(tools[0]);
    tbk_remote remote = remote_by(&self);
    tbk_digest digest;
    tbk_digest_of("taken", 5, &digest);
    const tbk_remote_file file = {.path = path_of("etc/f"), .mode = 0600, .fd = fd};
    tbk_error err;
    assert_succeeds(tbk_remote_put(&remote, &file, &digest, NULL, &err), err);
    check_file("etc/f", "taken", 0600);
}

static void a_cut_connection_leaves_the_old_file(void **state)
{
    (void)state;
    for (size_t index = 0; index < 2; index++) {
        way self = whole_way(tools[index]);
        tbk_error err;
        assert_succeeds(put(&self, path_of("etc/f"), "old", 0644, &err), err);
        for (self.cut_after_bytes = 0; self.cut_after_bytes < 3; self.cut_after_bytes++) {
            assert_fails(put(&self, path_of("etc/f"), "new", 0644, &err), err, TBK_E_REMOTE,
                         "/etc/f' in place on 'vm': it arrived incomplete or changed");
            assert_string_equal(err.fix, "run the command again");
            check_file("etc/f", "old", 0644);
            assert_int_equal(access(path_of("etc/f~"), F_OK), -1);
        }
    }
}

static void a_left_temporary_file_is_replaced_and_not_followed(void **state)
{
    (void)state;
    for (size_t index = 0; index < 2; index++) {
        way self = whole_way(tools[index]);
        tbk_error err;
        assert_succeeds(put(&self, path_of("etc/victim"), "untouched", 0644, &err), err);
        assert_int_equal(symlink(path_of("etc/victim"), path_of("etc/f~")), 0);
        assert_succeeds(put(&self, path_of("etc/f"), "new", 0644, &err), err);
        check_file("etc/victim", "untouched", 0644);
        check_file("etc/f", "new", 0644);
    }
}

static void a_directory_of_that_name_is_not_filled(void **state)
{
    (void)state;
    way self = whole_way(tools[0]);
    tbk_error err;
    assert_fails(put(&self, path_of("etc"), "x", 0644, &err), err, TBK_E_REMOTE,
                 "/etc' in place on 'vm' failed with exit status 1");
    assert_int_equal(access(path_of("etc/etc~"), F_OK), -1);
}

static void a_missing_directory_is_an_error(void **state)
{
    (void)state;
    way self = whole_way(tools[0]);
    tbk_error err;
    assert_fails(put(&self, path_of("none/f"), "x", 0644, &err), err, TBK_E_REMOTE,
                 "failed with exit status 2");
}

static void a_put_tells_of_a_broken_connection(void **state)
{
    (void)state;
    way self = {.broken = "no route"};
    tbk_error err;
    assert_fails(put(&self, "/etc/f", "x", 0644, &err), err, TBK_E_NETWORK,
                 "putting '/etc/f' in place on 'vm': no route");
}

/* --- get --- */

static bool get(way *self, const char *path, int fd, uint64_t limit_bytes, tbk_digest *digest,
                tbk_error *err)
{
    tbk_remote remote = remote_by(self);
    return tbk_remote_get(&remote, path, fd, limit_bytes, digest, NULL, err);
}

static void gets_files_with_their_digest(void **state)
{
    (void)state;
    tbk_auto_text large = {0};
    for (int index = 0; index < 20000; index++)
        tbk_text_format(&large, "%d\n", index);
    tbk_digest expected;
    tbk_digest_of(large.bytes, large.length, &expected);
    for (size_t index = 0; index < 2; index++) {
        way self = whole_way(tools[index]);
        tbk_error err;
        assert_succeeds(put(&self, path_of("etc/-f"), large.bytes, 0600, &err), err);
        tbk_auto_fd int fd = open(path_of("got"), O_RDWR | O_CREAT | O_TRUNC, 0600);
        tbk_digest digest = {.hex = ""};
        assert_succeeds(get(&self, path_of("etc/-f"), fd, large.length, &digest, &err), err);
        assert_true(tbk_digest_equal(&digest, &expected));
        check_file("got", large.bytes, 0600);
        assert_true(self.as_root);
        assert_fails(get(&self, path_of("etc/-f"), fd, large.length - 1, &digest, &err), err,
                     TBK_E_SPACE, "it is larger than");
    }
}

static void gets_say_what_went_wrong(void **state)
{
    (void)state;
    way self = whole_way(tools[0]);
    way broken = {.broken = "reset by peer"};
    tbk_auto_fd int fd = open("/dev/full", O_WRONLY);
    tbk_digest digest;
    tbk_error err;
    assert_fails(get(&self, path_of("none"), fd, 9, &digest, &err), err, TBK_E_NOT_FOUND,
                 "/none' on 'vm'");
    assert_fails(get(&self, path_of("etc"), fd, 9, &digest, &err), err, TBK_E_REMOTE,
                 "/etc' on 'vm' failed with exit status 1");
    assert_fails(get(&broken, "/f", fd, 9, &digest, &err), err, TBK_E_NETWORK,
                 "fetching '/f' from 'vm': reset by peer");
    assert_succeeds(put(&self, path_of("etc/f"), "x", 0600, &err), err);
    assert_fails(get(&self, path_of("etc/f"), fd, 9, &digest, &err), err, TBK_E_SPACE,
                 "No space left");
}

static void gets_what_is_not_there_yet_of_a_file(void **state)
{
    (void)state;
    const char *path = path_of("etc/-f");
    for (size_t index = 0; index < 2; index++) {
        way self = whole_way(tools[index]);
        tbk_remote remote = remote_by(&self);
        tbk_error err;
        assert_succeeds(put(&self, path, "beginning and end", 0600, &err), err);
        for (uint64_t there = 0; there <= 17; there++) {
            tbk_auto_fd int fd = open(path_of("got"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
            const tbk_remote_rest rest = {.path = path, .there_bytes = there, .limit_bytes = 17};
            assert_succeeds(tbk_remote_get_rest(&remote, &rest, fd, NULL, &err), err);
            check_file("got", &"beginning and end"[there], 0600);
        }
        tbk_auto_fd int fd = open(path_of("got"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        const tbk_remote_rest longer = {.path = path, .there_bytes = 5, .limit_bytes = 16};
        assert_fails(tbk_remote_get_rest(&remote, &longer, fd, NULL, &err), err, TBK_E_SPACE,
                     "it is larger than 16 bytes");
        const tbk_remote_rest missing = {
            .path = path_of("none"), .there_bytes = 5, .limit_bytes = 16};
        assert_fails(tbk_remote_get_rest(&remote, &missing, fd, NULL, &err), err, TBK_E_NOT_FOUND,
                     "/none' on 'vm'");
    }
}

/* --- do, close --- */

static void do_wants_exit_status_0_and_tells_the_last_line(void **state)
{
    (void)state;
    static const char *const TRUE_COMMAND[] = {"true", NULL};
    const tbk_remote_command command = {.argv = TRUE_COMMAND};
    static const struct {
        const char *said;
        const char *told;
    } CASES[] = {
        {"first\nlast words\n", "starting on 'vm' failed with exit status 9: last words"},
        {"only", "with exit status 9: only"},
        {"what\n \t\r\n\n", "with exit status 9: what"},
        {"", "failed with exit status 9"},
        {"\n", "failed with exit status 9"},
    };
    tbk_error err;
    for (size_t index = 0; index < sizeof CASES / sizeof CASES[0]; index++) {
        way self = {.error_output = CASES[index].said};
        tbk_remote remote = remote_by(&self);
        tbk_auto_remote_result result = {0};
        assert_fails(tbk_remote_do(&remote, "starting", &command, &result, &err), err, TBK_E_REMOTE,
                     CASES[index].told);
        assert_true(err.message[strlen(err.message) - 1] != ' ');
    }
    way good = whole_way(tools[0]);
    way broken = {.broken = "gone"};
    tbk_remote by_good = remote_by(&good);
    tbk_remote by_broken = remote_by(&broken);
    tbk_auto_remote_result result = {0};
    assert_succeeds(tbk_remote_do(&by_good, "starting", &command, &result, &err), err);
    assert_fails(tbk_remote_do(&by_broken, "starting", &command, &result, &err), err, TBK_E_NETWORK,
                 "starting on 'vm': gone");
}

static void closes_once(void **state)
{
    (void)state;
    way self = {0};
    tbk_remote remote = remote_by(&self);
    tbk_remote_close(NULL);
    tbk_remote_close(&remote);
    assert_true(self.closed);
    self.closed = false;
    tbk_remote_close(&remote);
    assert_false(self.closed);
}

/* --- tunnels --- */

static bool open_way(void *data, const char *host, uint16_t port, const tbk_report *report,
                     tbk_remote_tunnel *out, tbk_error *err)
{
    way *self = data;
    (void)report;
    assert_string_equal(host, "172.18.0.3");
    if (self->broken != NULL)
        return tbk_fail(err, TBK_E_NETWORK, NULL, "%s", self->broken);
    *out = (tbk_remote_tunnel){
        .self = self, .host = "127.0.0.1", .port = (uint16_t)(port + 1), .close = close_way};
    return true;
}

static void a_tunnel_is_the_adapters_and_closes_once(void **state)
{
    (void)state;
    way self = {0};
    tbk_error err;
    tbk_remote remote = remote_by(&self);
    tbk_remote_tunnel tunnel = {0};
    remote.tunnel = open_way;
    assert_succeeds(tbk_remote_tunnel_open(&remote, "172.18.0.3", 3306, NULL, &tunnel, &err), err);
    assert_int_equal(tunnel.port, 3307);
    tbk_remote_tunnel_close(NULL);
    tbk_remote_tunnel_close(&tunnel);
    assert_true(self.closed);
    self.closed = false;
    tbk_remote_tunnel_close(&tunnel);
    assert_false(self.closed);
}

static void a_tunnel_that_cannot_be_opened_says_where_to(void **state)
{
    (void)state;
    way self = {.broken = "no route"};
    tbk_error err;
    tbk_remote remote = remote_by(&self);
    tbk_remote_tunnel tunnel = {0};
    assert_fails(tbk_remote_tunnel_open(&remote, "172.18.0.3", 3306, NULL, &tunnel, &err), err,
                 TBK_E_UNSUPPORTED, "no tunnels through 'vm'");
    remote.tunnel = open_way;
    assert_fails(tbk_remote_tunnel_open(&remote, "172.18.0.3", 3306, NULL, &tunnel, &err), err,
                 TBK_E_NETWORK, "opening a tunnel through 'vm' to 172.18.0.3 port 3306: no route");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void a_login_shell_that_runs_nothing_is_named(void **state)
{
    (void)state;
    tbk_remote_result result = {0};
    assert_string_equal(tbk_remote_shell_fault(arena, &result), "");
    result.unmarked = true;
    assert_non_null(strstr(tbk_remote_shell_fault(arena, &result), "does not run commands"));
    assert_null(strstr(tbk_remote_shell_fault(arena, &result), "it said"));
    tbk_text_append(&result.output, "Welcome\nThis account is not available.\n");
    assert_non_null(
        strstr(tbk_remote_shell_fault(arena, &result), "it said: This account is not available.)"));
    tbk_remote_result_end(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(puts_files_in_place_in_both_shells),
        TEST(puts_what_a_descriptor_has_left),
        TEST(a_cut_connection_leaves_the_old_file),
        TEST(a_left_temporary_file_is_replaced_and_not_followed),
        TEST(a_directory_of_that_name_is_not_filled),
        TEST(a_missing_directory_is_an_error),
        TEST(a_put_tells_of_a_broken_connection),
        TEST(gets_files_with_their_digest),
        TEST(gets_say_what_went_wrong),
        TEST(gets_what_is_not_there_yet_of_a_file),
        TEST(do_wants_exit_status_0_and_tells_the_last_line),
        TEST(closes_once),
        TEST(a_tunnel_is_the_adapters_and_closes_once),
        TEST(a_tunnel_that_cannot_be_opened_says_where_to),
        TEST(a_login_shell_that_runs_nothing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
