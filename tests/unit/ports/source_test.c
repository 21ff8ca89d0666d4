/* SPDX-License-Identifier: MIT */
/* A file as a source: from where it stands, and only what a regular file knows of its length. */
#include "unit/scratch.h"

#include "ports/source.h"

static void a_file_is_read_from_where_it_stands(void **state)
{
    (void)state;
    char text[16];
    size_t got;
    tbk_error err;
    assert_int_equal(shell("printf 0123456789 >file"), 0);
    tbk_auto_fd int fd = open("file", O_RDONLY | O_CLOEXEC);
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
    const tbk_source source = tbk_source_of_file(&fd);
    assert_int_equal(source.total_bytes, 6);
    assert_true(source.read(source.self, text, sizeof text, &got, &err));
    assert_int_equal(got, 6);
    assert_memory_equal(text, "456789", 6);
    assert_true(source.read(source.self, text, sizeof text, &got, &err));
    assert_int_equal(got, 0);
}

static void only_a_regular_file_knows_what_is_left(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(tbk_source_file_bytes(ends[0]), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    tbk_auto_fd int device = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(tbk_source_file_bytes(device), 0);
    assert_int_equal(shell("printf 0123456789 >file"), 0);
    tbk_auto_fd int fd = open("file", O_RDONLY | O_CLOEXEC);
    assert_int_equal(lseek(fd, 11, SEEK_SET), 11); /* it shrank meanwhile */
    assert_int_equal(tbk_source_file_bytes(fd), 0);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    char text[16];
    size_t got;
    tbk_error err;
    tbk_auto_fd int fd = open(".", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    assert_false(tbk_source_read_file(&fd, text, sizeof text, &got, &err));
    assert_int_equal(err.code, TBK_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_from_where_it_stands),
        cmocka_unit_test(only_a_regular_file_knows_what_is_left),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
