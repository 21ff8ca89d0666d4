/* SPDX-License-Identifier: MIT */
/* Identities of files: as they are read, and what equal and unequal numbers mean. */
#include "unit/unit.h"

#include "domain/file_id.h"

#include <sys/sysmacros.h>

static bool parses(const char *text, tbk_file_id *out)
{
    return tbk_file_id_parse(text, strlen(text), out);
}

static void two_decimal_numbers_are_read(void **state)
{
    (void)state;
    tbk_file_id id;
    assert_true(parses("2049:131072", &id));
    assert_int_equal(id.device, 2049);
    assert_int_equal(id.inode, 131072);
    assert_true(parses("18446744073709551615:0", &id));
    assert_int_equal(id.device, UINT64_MAX);
    assert_int_equal(id.inode, 0);
    assert_true(tbk_file_id_parse("1:23 4:5", 4, &id));
    assert_int_equal(id.inode, 23);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"",
                                        ":",
                                        "1",
                                        "1:",
                                        ":1",
                                        "1:2:3",
                                        "1 2",
                                        "-1:2",
                                        "1:2 ",
                                        "0x1:2",
                                        "1:a",
                                        "1:/",
                                        "/:1",
                                        "18446744073709551616:1",
                                        "18446744073709551615:18446744073709551616",
                                        "1:18446744073709551620"};
    tbk_file_id id = {.device = 7, .inode = 7};
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        if (parses(TEXTS[i], &id))
            fail_msg("'%s' was read", TEXTS[i]);
    assert_int_equal(id.device, 7);
    assert_int_equal(id.inode, 7);
}

static tbk_file_match find(uint64_t device, uint64_t inode)
{
    const tbk_file_id list[] = {
        {makedev(8, 1), 100}, {makedev(8, 2), 200}, {makedev(0, 40), 300}, {makedev(0, 40), 301}};
    const tbk_file_id wanted = {.device = device, .inode = inode};
    return tbk_file_id_find(list, sizeof list / sizeof list[0], &wanted);
}

static void the_same_device_and_inode_is_the_same_file(void **state)
{
    (void)state;
    assert_int_equal(find(makedev(8, 2), 200), TBK_FILE_AMONG);
    assert_int_equal(find(makedev(0, 40), 301), TBK_FILE_AMONG);
}

static void an_inode_of_another_disk_is_another_file(void **state)
{
    (void)state;
    assert_int_equal(find(makedev(8, 1), 200), TBK_FILE_NOT_AMONG);
    assert_int_equal(find(makedev(8, 1), 101), TBK_FILE_NOT_AMONG);
    assert_int_equal(find(makedev(0, 40), 302), TBK_FILE_NOT_AMONG);
}

static void an_inode_of_a_device_without_a_major_number_decides_nothing(void **state)
{
    (void)state;
    assert_int_equal(find(makedev(0, 41), 300), TBK_FILE_PERHAPS);
    assert_int_equal(find(makedev(0, 41), 100), TBK_FILE_PERHAPS);
    assert_int_equal(find(makedev(8, 1), 300), TBK_FILE_PERHAPS);
}

static void nothing_is_among_no_files(void **state)
{
    (void)state;
    const tbk_file_id wanted = {.device = 1, .inode = 1};
    assert_int_equal(tbk_file_id_find(NULL, 0, &wanted), TBK_FILE_NOT_AMONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_decimal_numbers_are_read),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(the_same_device_and_inode_is_the_same_file),
        cmocka_unit_test(an_inode_of_another_disk_is_another_file),
        cmocka_unit_test(an_inode_of_a_device_without_a_major_number_decides_nothing),
        cmocka_unit_test(nothing_is_among_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
