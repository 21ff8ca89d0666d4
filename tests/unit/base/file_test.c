/* SPDX-License-Identifier: MIT */
/* Whole files: read with a limit, published whole or not at all, and trees removed without links.
 */
#include "unit/unit.h"

#include "base/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

static char scratch[64];
static int scratch_fd = -1;
static tbk_arena *arena;

static int set_up(void **state)
{
    (void)state;
    make_scratch(scratch);
    scratch_fd = open(scratch, O_RDONLY | O_DIRECTORY);
    arena = tbk_arena_new();
    return scratch_fd >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    bool ok = remove_scratch(scratch);
    tbk_arena_free(arena);
    return close(scratch_fd) == 0 && ok ? 0 : -1;
}

static const char *path_of(const char *name)
{
    return tbk_arena_format(arena, "%s/%s", scratch, name);
}

static bool exists(const char *name)
{
    char target[8]; /* not by stat, which some of these tests have refused */
    return readlinkat(scratch_fd, name, target, sizeof target) >= 0 || errno == EINVAL;
}

static void put(const char *name, const char *content)
{
    tbk_error err;
    assert_succeeds(tbk_file_publish(path_of(name), content, strlen(content), 0644, &err), err);
}

static void check_content(const char *name, const char *expected)
{
    char *bytes = NULL;
    size_t length = 0;
    tbk_error err;
    assert_succeeds(tbk_file_read_at(arena, scratch_fd, name, 4096, &bytes, &length, &err), err);
    assert_int_equal(length, strlen(expected));
    assert_string_equal(bytes, expected);
}

/* --- reading --- */

static void reads_up_to_its_limit(void **state)
{
    (void)state;
    put("f", "12345");
    char *bytes = NULL;
    size_t length = 0;
    tbk_error err;
    assert_succeeds(tbk_file_read(arena, path_of("f"), 5, &bytes, &length, &err), err);
    assert_int_equal(length, 5);
    assert_string_equal(bytes, "12345");
    assert_fails(tbk_file_read(arena, path_of("f"), 4, &bytes, &length, &err), err, TBK_E_CONFIG,
                 "/f' is larger than 4 bytes");
    put("empty", "");
    check_content("empty", "");
}

static void reads_files_that_do_not_know_their_size(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t length = 0;
    tbk_error err;
    assert_succeeds(tbk_file_read(arena, "/proc/self/maps", 1 << 20, &bytes, &length, &err), err);
    assert_int_equal(strlen(bytes), length);
    assert_true(length > 500);
    assert_fails(tbk_file_read(arena, "/proc/self/maps", 100, &bytes, &length, &err), err,
                 TBK_E_CONFIG, "'/proc/self/maps' is larger than 100 bytes");
}

static void what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t length = 0;
    tbk_error err;
    assert_fails(tbk_file_read(arena, path_of("none"), 9, &bytes, &length, &err), err, TBK_E_IO,
                 "/none': No such file");
    assert_fails(tbk_file_read(arena, scratch, 9, &bytes, &length, &err), err, TBK_E_CONFIG,
                 "is not a regular file");
    assert_fails(tbk_file_read(arena, "/dev/zero", 9, &bytes, &length, &err), err, TBK_E_CONFIG,
                 "is not a regular file");
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    (void)alarm(120); /* a reader that waits for a writer would hang here */
    assert_fails(tbk_file_read(arena, path_of("pipe"), 9, &bytes, &length, &err), err, TBK_E_CONFIG,
                 "is not a regular file");
    (void)alarm(0);
    assert_int_equal(symlink("loop", path_of("loop")), 0);
    assert_fails(tbk_file_read(arena, path_of("loop"), 9, &bytes, &length, &err), err, TBK_E_IO,
                 "symbolic links");
}

static bool read_says_input_output_error(void)
{
    char *bytes = NULL;
    size_t length = 0;
    tbk_error err = {0};
    return !tbk_file_read(arena, path_of("f"), 9, &bytes, &length, &err) && err.code == TBK_E_IO &&
           strstr(err.message, "/f': Input/output error") != NULL && bytes == NULL;
}

/* fstat() is newfstatat or fstat to the kernel, as the C library likes (Debian 12 and 13 differ).
 */
static bool holds_when_fstat_is_refused(bool (*check)(void))
{
    return holds_when_refused(&(refused_call){SYS_newfstatat, -1, 0, EIO}, check) ||
           holds_when_refused(&(refused_call){SYS_fstat, -1, 0, EIO}, check);
}

static void opens_what_others_wrote_only_where_it_is_a_file(void **state)
{
    (void)state;
    tbk_error err;
    int fd = -1;
    put("file", "content");
    assert_succeeds(tbk_file_open(path_of("file"), &fd, &err), err);
    assert_int_equal(close(fd), 0);
    fd = -1;
    assert_fails(tbk_file_open_at(scratch_fd, "missing", &fd, &err), err, TBK_E_NOT_FOUND,
                 "cannot read 'missing'");
    assert_fails(tbk_file_open_at(scratch_fd, "file/below", &fd, &err), err, TBK_E_IO,
                 "cannot read 'file/below'");
    assert_int_equal(symlinkat("file", scratch_fd, "link"), 0);
    assert_fails(tbk_file_open_at(scratch_fd, "link", &fd, &err), err, TBK_E_CONFIG,
                 "is not a regular file");
    assert_int_equal(mkfifoat(scratch_fd, "pipe", 0600), 0); /* without a writer */
    assert_fails(tbk_file_open_at(scratch_fd, "pipe", &fd, &err), err, TBK_E_CONFIG,
                 "is not a regular file");
    assert_fails(tbk_file_open(scratch, &fd, &err), err, TBK_E_CONFIG, "is not a regular file");
    assert_int_equal(fd, -1);
}

static bool open_says_input_output_error(void)
{
    int fd = -1;
    tbk_error err = {0};
    return !tbk_file_open(path_of("f"), &fd, &err) && err.code == TBK_E_IO && fd == -1;
}

static void failing_disks_are_told(void **state)
{
    (void)state;
    /* Only reads of that size are refused: the coverage data of the child is read and written too.
     */
    put("f", "x");
    assert_true(holds_when_fstat_is_refused(read_says_input_output_error));
    assert_true(holds_when_refused(&(refused_call){SYS_read, 2, 16 * 1024, EIO},
                                   read_says_input_output_error));
    assert_true(holds_when_fstat_is_refused(open_says_input_output_error));
}

/* --- publishing --- */

static void publishes_with_its_mode_and_replaces(void **state)
{
    (void)state;
    mode_t before = umask(077);
    put("f", "old");
    put("f", "new");
    (void)umask(before);
    check_content("f", "new");
    assert_false(exists("f~"));
    struct stat status;
    assert_int_equal(stat(path_of("f"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
}

static void publishes_below_an_open_directory(void **state)
{
    (void)state;
    tbk_error err;
    assert_succeeds(tbk_directory_make(path_of("a/b"), 0755, &err), err);
    assert_succeeds(tbk_file_publish_at(scratch_fd, "a/b/f", "x", 1, 0600, &err), err);
    check_content("a/b/f", "x");
    assert_succeeds(tbk_file_publish_at(scratch_fd, "g", "", 0, 0600, &err), err);
    check_content("g", "");
}

static void a_left_temporary_file_is_no_obstacle_and_no_trap(void **state)
{
    (void)state;
    put("elsewhere", "untouched");
    assert_int_equal(symlink(path_of("elsewhere"), path_of("f~")), 0);
    put("f", "new");
    check_content("f", "new");
    check_content("elsewhere", "untouched");
}

static void a_failed_publish_leaves_the_old_file_alone(void **state)
{
    (void)state;
    tbk_error err;
    assert_fails(tbk_file_publish(path_of("none/f"), "x", 1, 0600, &err), err, TBK_E_IO,
                 "cannot write '");
    assert_succeeds(tbk_directory_make(path_of("d/sub"), 0755, &err), err);
    assert_fails(tbk_file_publish(path_of("d"), "x", 1, 0600, &err), err, TBK_E_IO,
                 "/d': cannot put it in place: Is a directory");
    assert_false(exists("d~"));
    assert_succeeds(tbk_directory_make(path_of("e~"), 0755, &err), err);
    assert_fails(tbk_file_publish(path_of("e"), "x", 1, 0600, &err), err, TBK_E_IO,
                 "cannot create 'e~': File exists");
}

static bool publish_fails_cleanly(void)
{
    tbk_error err = {0};
    return !tbk_file_publish(path_of("f"), "new", 3, 0600, &err) &&
           strstr(err.message, "/f': cannot put it in place") != NULL && !exists("f~");
}

static bool publish_succeeds(void)
{
    tbk_error err;
    return tbk_file_publish(path_of("f"), "new", 3, 0600, &err);
}

static bool publish_says_no_space(void)
{
    tbk_error err = {0};
    return !tbk_file_publish(path_of("f"), "new", 3, 0600, &err) && err.code == TBK_E_SPACE &&
           !exists("f~");
}

static void every_step_of_a_publish_can_fail(void **state)
{
    (void)state;
    put("f", "old");
    assert_true(holds_when_refused(&(refused_call){SYS_fchmod, -1, 0, EIO}, publish_fails_cleanly));
    assert_true(holds_when_refused(&(refused_call){SYS_fsync, -1, 0, EIO}, publish_fails_cleanly));
    assert_true(
        holds_when_refused(&(refused_call){SYS_fsync, -1, 0, ENOSPC}, publish_says_no_space));
    assert_true(
        holds_when_refused(&(refused_call){SYS_fsync, -1, 0, EDQUOT}, publish_says_no_space));
    check_content("f", "old");
}

static void a_folder_that_cannot_be_synced_is_an_error(void **state)
{
    (void)state;
    put("f", "old");
    int next = dup(scratch_fd); /* the number that publishing will get for the folder */
    assert_int_equal(close(next), 0);
    assert_true(holds_when_refused(&(refused_call){SYS_fsync, 0, (uint32_t)next, EIO},
                                   publish_fails_cleanly));
}

static bool publish_stops_at_the_size_limit(void)
{
    struct rlimit old;
    (void)getrlimit(RLIMIT_FSIZE, &old);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit small = {.rlim_cur = 2, .rlim_max = old.rlim_max};
    (void)setrlimit(RLIMIT_FSIZE, &small);
    tbk_error err = {0};
    bool failed = !tbk_file_publish(path_of("f"), "new", 3, 0600, &err);
    (void)setrlimit(RLIMIT_FSIZE, &old);
    return failed && strstr(err.message, "/f': cannot write: File too large") != NULL &&
           !exists("f~");
}

/* Shares: without modes of their own, or without a way to sync a folder. What is published there is
 * as whole as it can be. */
static void what_a_file_system_does_not_have_is_done_without(void **state)
{
    (void)state;
    put("f", "old");
    int next = dup(scratch_fd);
    assert_int_equal(close(next), 0);
    static const int MODES[] = {EPERM, ENOTSUP}, SYNCS[] = {EINVAL, ENOTSUP};
    for (size_t i = 0; i < 2; i++) {
        assert_true(
            holds_when_refused(&(refused_call){SYS_fchmod, -1, 0, MODES[i]}, publish_succeeds));
        assert_true(holds_when_refused(&(refused_call){SYS_fsync, 0, (uint32_t)next, SYNCS[i]},
                                       publish_succeeds));
    }
    check_content("f", "new");
    /* A file that cannot be synced is another thing. */
    assert_true(
        holds_when_refused(&(refused_call){SYS_fsync, -1, 0, EINVAL}, publish_fails_cleanly));
}

static void half_written_files_are_not_published(void **state)
{
    (void)state;
    put("f", "old");
    assert_true(publish_stops_at_the_size_limit());
    check_content("f", "old");
}

/* --- writing --- */

static void a_full_disk_is_its_own_error(void **state)
{
    (void)state;
    tbk_auto_fd int fd = open("/dev/full", O_WRONLY);
    tbk_error err;
    assert_fails(tbk_file_write_all(fd, "x", 1, &err), err, TBK_E_SPACE, "No space left");
    assert_succeeds(tbk_file_write_all(fd, "", 0, &err), err);
    assert_fails(tbk_file_write_all(-1, "x", 1, &err), err, TBK_E_IO, "Bad file descriptor");
}

static void on_alarm(int signal_number) { (void)signal_number; }

static void signals_do_not_end_a_write(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[1]);
        static char buffer[SIZE];
        size_t total = 0;
        ssize_t got = 0;
        (void)usleep(50000);
        while ((got = tbk_file_read_some(ends[0], buffer, sizeof buffer)) > 0) {
            total += (size_t)got;
            (void)usleep(2000);
        }
        _exit(total == SIZE ? 0 : 1);
    }
    (void)close(ends[0]);
    struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART */
    (void)sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
    (void)setitimer(ITIMER_REAL, &often, NULL);
    tbk_auto_free char *bytes = calloc(1, SIZE);
    tbk_error err;
    bool ok = tbk_file_write_all(ends[1], bytes, SIZE, &err);
    (void)setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    (void)close(ends[1]);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(ok);
    assert_int_equal(status, 0);
}

static void signals_do_not_end_a_read(void **state)
{
    (void)state;
    int ends[2];
    char bytes[4];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)usleep(60000);
        _exit(write(ends[1], "abc", 3) == 3 ? 0 : 1);
    }
    (void)close(ends[1]);
    struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART */
    (void)sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
    (void)setitimer(ITIMER_REAL, &often, NULL);
    ssize_t got = tbk_file_read_some(ends[0], bytes, sizeof bytes);
    (void)setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    assert_int_equal(got, 3);
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* --- directories --- */

static void makes_missing_parents_with_their_mode(void **state)
{
    (void)state;
    tbk_error err;
    mode_t before = umask(077);
    bool ok = tbk_directory_make(path_of("a/b//c/"), 0751, &err);
    (void)umask(before);
    assert_true(ok);
    struct stat status;
    assert_int_equal(stat(path_of("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0751);
    assert_int_equal(stat(path_of("a"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0751);
    assert_succeeds(tbk_directory_make(path_of("a"), 0700, &err), err);
    assert_int_equal(stat(path_of("a"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0751);
}

static void what_stands_in_the_way_of_a_directory_is_named(void **state)
{
    (void)state;
    tbk_error err;
    put("f", "x");
    assert_fails(tbk_directory_make(path_of("f"), 0755, &err), err, TBK_E_IO,
                 "/f': Not a directory");
    assert_fails(tbk_directory_make(path_of("f/sub"), 0755, &err), err, TBK_E_IO,
                 "/f': Not a directory");
    assert_int_equal(symlink("nowhere", path_of("dangling")), 0);
    assert_fails(tbk_directory_make(path_of("dangling"), 0755, &err), err, TBK_E_IO,
                 "/dangling': File exists");
    assert_fails(tbk_directory_make("", 0755, &err), err, TBK_E_IO, "No such file");
}

static bool make_says_mode(void)
{
    tbk_error err = {0};
    return !tbk_directory_make(path_of("new"), 0755, &err) &&
           strstr(err.message, "cannot set the mode of '") != NULL;
}

static bool make_succeeds(void)
{
    tbk_error err;
    return tbk_directory_make(path_of("another"), 0755, &err);
}

static void a_mode_that_cannot_be_set_is_an_error(void **state)
{
    (void)state;
#ifdef SYS_chmod
    long number = SYS_chmod;
#else
    long number = SYS_fchmodat;
#endif
    assert_true(holds_when_refused(&(refused_call){number, -1, 0, EIO}, make_says_mode));
    assert_true(holds_when_refused(&(refused_call){number, -1, 0, EPERM}, make_succeeds));
}

static void removes_a_tree_but_not_what_links_point_to(void **state)
{
    (void)state;
    tbk_error err;
    assert_succeeds(tbk_directory_make(path_of("keep"), 0755, &err), err);
    put("keep/f", "kept");
    assert_succeeds(tbk_directory_make(path_of("t/a/b"), 0755, &err), err);
    put("t/f", "x");
    put("t/a/b/g", "x");
    assert_int_equal(symlink(path_of("keep"), path_of("t/link")), 0);
    assert_int_equal(symlink(path_of("keep"), path_of("top")), 0);
    assert_succeeds(tbk_directory_remove_at(scratch_fd, "t", &err), err);
    assert_succeeds(tbk_directory_remove_at(scratch_fd, "top", &err), err);
    assert_succeeds(tbk_directory_remove_at(scratch_fd, "missing", &err), err);
    assert_false(exists("t"));
    assert_false(exists("top"));
    check_content("keep/f", "kept");
}

static void trees_that_are_too_deep_are_left(void **state)
{
    (void)state;
    tbk_error err;
    char *path = tbk_arena_format(arena, "%s", path_of("t"));
    for (int level = 0; level < 70; level++)
        path = tbk_arena_format(arena, "%s/d", path);
    assert_succeeds(tbk_directory_make(path, 0755, &err), err);
    assert_fails(tbk_directory_remove_at(scratch_fd, "t", &err), err, TBK_E_IO,
                 "'d' is nested too deeply");
    for (int level = 70; level > 0; level--) { /* so that the end of this test can remove it */
        assert_int_equal(rmdir(path), 0);
        path[strlen(path) - 2] = '\0';
    }
}

static bool remove_fails(void)
{
    tbk_error err = {0};
    return !tbk_directory_remove_at(scratch_fd, "t", &err) && err.code == TBK_E_IO && exists("t");
}

static void every_step_of_a_removal_can_fail(void **state)
{
    (void)state;
    tbk_error err;
    assert_succeeds(tbk_directory_make(path_of("t/sub"), 0755, &err), err);
    put("t/sub/f", "x");
    static const refused_call CALLS[] = {
        {SYS_unlinkat, -1, 0, EACCES},
        {SYS_unlinkat, 2, AT_REMOVEDIR, EBUSY},
        {SYS_openat, 2, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, EACCES},
        {SYS_getdents64, -1, 0, EIO},
    };
    for (size_t index = 0; index < sizeof CALLS / sizeof CALLS[0]; index++) {
        if (index != 1)
            put("t/sub/f", "x");
        if (!holds_when_refused(&CALLS[index], remove_fails))
            fail_msg("removal %zu did not fail as it should", index);
        assert_succeeds(tbk_directory_make(path_of("t/sub"), 0755, &err), err);
    }
    /* fdopendir looks first. Where fstat is the other of its two calls, the first try removes all.
     */
    put("t/sub/f", "x");
    if (!holds_when_refused(&(refused_call){SYS_newfstatat, -1, 0, EIO}, remove_fails)) {
        assert_succeeds(tbk_directory_make(path_of("t/sub"), 0755, &err), err);
        put("t/sub/f", "x");
        assert_true(holds_when_refused(&(refused_call){SYS_fstat, -1, 0, EIO}, remove_fails));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* The descriptor of a stream that is closed when its scope ends. */
static int descriptor_of(const char *path)
{
    tbk_auto(FILE) *file = fopen(path, "re");
    return file != NULL ? fileno(file) : -1;
}

static void streams_are_closed_when_their_scope_ends(void **state)
{
    (void)state;
    int fd = descriptor_of("/dev/null");
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(descriptor_of("/dev/null/nothing"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(streams_are_closed_when_their_scope_ends),
        TEST(reads_up_to_its_limit),
        TEST(reads_files_that_do_not_know_their_size),
        TEST(what_is_no_regular_file_is_refused),
        TEST(opens_what_others_wrote_only_where_it_is_a_file),
        TEST(failing_disks_are_told),
        TEST(publishes_with_its_mode_and_replaces),
        TEST(publishes_below_an_open_directory),
        TEST(a_left_temporary_file_is_no_obstacle_and_no_trap),
        TEST(a_failed_publish_leaves_the_old_file_alone),
        TEST(every_step_of_a_publish_can_fail),
        TEST(a_folder_that_cannot_be_synced_is_an_error),
        TEST(what_a_file_system_does_not_have_is_done_without),
        TEST(half_written_files_are_not_published),
        TEST(a_full_disk_is_its_own_error),
        TEST(signals_do_not_end_a_write),
        TEST(signals_do_not_end_a_read),
        TEST(makes_missing_parents_with_their_mode),
        TEST(what_stands_in_the_way_of_a_directory_is_named),
        TEST(a_mode_that_cannot_be_set_is_an_error),
        TEST(removes_a_tree_but_not_what_links_point_to),
        TEST(trees_that_are_too_deep_are_left),
        TEST(every_step_of_a_removal_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
