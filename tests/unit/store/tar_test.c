/* SPDX-License-Identifier: MIT */
/* The tar's headers: numbers that do not fit into ustar, as GNU tar and Python read them. */
#include "unit/scratch.h"

#include "store/tar.h"

/* t.tar with one empty file, but for its header's numbers. */
static void put_tar(const char *path, const struct stat *status)
{
    tbk_archive_writer *writer;
    tbk_set_file stored;
    tbk_error err;
    int out = open("t.tar.zst", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(tbk_archive_writer_open(out, 1, 1, &writer, &err));
    assert_true(tbk_tar_header(writer, path, status, NULL, &err));
    assert_true(tbk_tar_end(writer, &err));
    assert_true(tbk_archive_writer_finish(writer, &stored, &err));
    tbk_archive_writer_free(writer);
    (void)close(out);
    assert_int_equal(shell("zstd -dqf t.tar.zst -o t.tar"), 0);
}

/* What Python and GNU tar say of the one member: name, mode, owner, group, size, time. */
static void assert_read_as(const char *expected)
{
    char command[600];
    (void)snprintf(command, sizeof command,
                   "python3 -c \"import tarfile; m = tarfile.open('t.tar').next(); print(m.name, "
                   "oct(m.mode)[2:], m.uid, m.gid, m.size, int(m.mtime))\" >is && echo '%s' | "
                   "diff - is",
                   expected);
    assert_int_equal(shell(command), 0);
}

static void numbers_at_the_edge_of_ustar_need_no_pax_header(void **state)
{
    (void)state;
    struct stat status = {.st_mode = S_IFREG | 06755,
                          .st_uid = 07777777,
                          .st_gid = 07777777,
                          .st_size = 077777777777,
                          .st_mtime = 077777777777};
    put_tar("file", &status);
    assert_read_as("file 6755 2097151 2097151 8589934591 8589934591");
    assert_int_equal(shell("test \"$(wc -c <t.tar)\" = 1536"), 0);
    assert_int_equal(shell("tar --numeric-owner -tvf t.tar 2>/dev/null | "
                           "grep -q '^-rwsr-sr-x 2097151/2097151 8589934591 '"),
                     0);
}

static void numbers_beyond_ustar_stand_in_a_pax_header(void **state)
{
    (void)state;
    struct stat status = {.st_mode = S_IFREG | 0600,
                          .st_uid = 4294967294,
                          .st_gid = 2097152,
                          .st_size = INT64_C(1) << 40,
                          .st_mtime = -86400};
    put_tar("file", &status);
    assert_read_as("file 600 4294967294 2097152 1099511627776 -86400");
    assert_int_equal(shell("TZ=UTC tar --numeric-owner -tvf t.tar 2>/dev/null | grep -q "
                           "'^-rw------- 4294967294/2097152 1099511627776 1969-12-31 '"),
                     0);
}

/* The length of a pax record counts its own digits: where one is added (names of 2, 91 and 990
 * bytes) is a trap. */
static void records_of_any_length_are_read(void **state)
{
    (void)state;
    static const size_t LENGTHS[] = {2, 3, 89, 90, 91, 92, 93, 988, 989, 990, 991, 992, 2000};
    const struct stat status = {.st_mode = S_IFREG | 0644};
    for (size_t index = 0; index < sizeof LENGTHS / sizeof LENGTHS[0]; index++) {
        char path[2001] = "\303\251"; /* not ASCII, so that also short ones need a record */
        memset(path + 2, 'x', LENGTHS[index] - 2);
        put_tar(path, &status);
        char command[2200];
        (void)snprintf(command, sizeof command,
                       "test \"$(LC_ALL=C.UTF-8 tar --quoting-style=literal -tf t.tar)\" = %s",
                       path);
        assert_int_equal(shell(command), 0);
        assert_int_equal(shell("grep -aq ' path=' t.tar"), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_at_the_edge_of_ustar_need_no_pax_header),
        cmocka_unit_test(numbers_beyond_ustar_stand_in_a_pax_header),
        cmocka_unit_test(records_of_any_length_are_read),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
