/* SPDX-License-Identifier: MIT */
/* Paths are opened as they are; links only where no other user can have put them. */
#include "unit/scratch.h"

#include "store/safe_path.h"

#include "base/auto.h"

#include <limits.h>
#include <sys/stat.h>

#define OTHER_USER 64999

static int set_up(void **state)
{
    (void)state;
    return shell("rm -rf ./* && mkdir -p real/sets && chmod 0755 . real real/sets");
}

static const char *absolute(const char *path)
{
    static char text[PATH_MAX];
    char here[PATH_MAX - 256];
    assert_non_null(getcwd(here, sizeof here));
    (void)snprintf(text, sizeof text, "%s/%s", here, path);
    return text;
}

static bool opens(const char *path, const char *as)
{
    struct stat found, wanted;
    tbk_error err;
    tbk_auto_fd int fd = tbk_safe_path_open(path, &err);
    if (fd < 0)
        fail_msg("%s", err.message);
    return fstat(fd, &found) == 0 && stat(as, &wanted) == 0 && found.st_ino == wanted.st_ino &&
           found.st_dev == wanted.st_dev;
}

static tbk_error_code refusal(const char *path)
{
    tbk_error err = {0};
    assert_int_equal(tbk_safe_path_open(path, &err), -1);
    return err.code;
}

static void a_path_without_links_is_opened_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(shell("echo text >real/file"), 0);
    assert_true(opens("real/sets", "real/sets"));
    assert_true(opens(absolute("real//./sets/"), "real/sets"));
    assert_true(opens("real/file", "real/file"));
    assert_true(opens("/", "/"));
    assert_int_equal(refusal("real/none"), TBK_E_NOT_FOUND);
    assert_int_equal(refusal("none/none"), TBK_E_NOT_FOUND);
    assert_int_equal(refusal("real/file/none"), TBK_E_NOT_FOUND);
}

static void a_link_that_only_root_or_the_user_can_have_put_there_is_followed(void **state)
{
    (void)state;
    assert_int_equal(shell("ln -s real link && ln -s link again && ln -s \"$PWD/real/sets\" whole"),
                     0);
    assert_true(opens("link/sets", "real/sets"));
    assert_true(opens("again/sets", "real/sets"));
    assert_true(opens("whole", "real/sets"));
    assert_true(opens(absolute("link/sets"), "real/sets"));
    assert_int_equal(shell("ln -s round round"), 0);
    assert_int_equal(refusal("round"), TBK_E_IO);
}

static void a_link_that_others_may_have_put_there_is_refused(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir open below open/inner && chmod 0777 open && "
                           "ln -s ../real open/link && ln -s ../../real open/inner/link"),
                     0);
    assert_int_equal(refusal("open/link/sets"), TBK_E_CONFIG);
    /* Below such a folder, too: the whole folder may have been put there. */
    assert_int_equal(refusal("open/inner/link/sets"), TBK_E_CONFIG);
    assert_int_equal(refusal("open/link"), TBK_E_CONFIG);
    assert_int_equal(shell("chmod 0775 open"), 0);
    assert_int_equal(refusal("open/link/sets"), TBK_E_CONFIG);
    /* In a sticky folder the link of another is refused, and one's own cannot be replaced. */
    assert_int_equal(shell("chmod 1777 open"), 0);
    assert_true(opens("open/link/sets", "real/sets"));
}

static void a_link_in_a_folder_of_another_user_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_because("only root can make what belongs to another user");
    assert_int_equal(shell("mkdir theirs && ln -s ../real theirs/link && mkdir sticky && "
                           "chmod 1777 sticky && ln -s ../real sticky/link"),
                     0);
    assert_int_equal(chown("theirs", OTHER_USER, OTHER_USER), 0);
    assert_int_equal(lchown("sticky/link", OTHER_USER, OTHER_USER), 0);
    assert_int_equal(refusal("theirs/link/sets"), TBK_E_CONFIG);
    assert_int_equal(refusal("sticky/link/sets"), TBK_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_path_without_links_is_opened_as_it_is, set_up),
        cmocka_unit_test_setup(a_link_that_only_root_or_the_user_can_have_put_there_is_followed,
                               set_up),
        cmocka_unit_test_setup(a_link_that_others_may_have_put_there_is_refused, set_up),
        cmocka_unit_test_setup(a_link_in_a_folder_of_another_user_is_refused, set_up),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
