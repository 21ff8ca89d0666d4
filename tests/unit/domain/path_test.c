/* SPDX-License-Identifier: MIT */
/* Paths and names: what passes, and each way not to. */
#include "unit/unit.h"

#include "domain/path.h"

typedef struct path_case {
    const char *text;
    const char *message; /* NULL = passes */
} path_case;

#define LONG_50 "12345678901234567890123456789012345678901234567890"
#define LONG_250 LONG_50 LONG_50 LONG_50 LONG_50 LONG_50

static void check_all(const path_case *cases, size_t count,
                      bool (*check)(const char *, tbk_error *))
{
    tbk_error err;
    for (size_t i = 0; i < count; i++)
        if (cases[i].message == NULL)
            assert_succeeds(check(cases[i].text, &err), err);
        else
            assert_fails(check(cases[i].text, &err), err, TBK_E_CONFIG, cases[i].message);
}

#define CHECK_ALL(cases, check) check_all(cases, sizeof(cases) / sizeof *(cases), check)

static void name_stays_in_its_folder(void **state)
{
    (void)state;
    static const path_case cases[] = {
        {"tracker.db", NULL},
        {"...", NULL},
        {".hidden", NULL},
        {"..db", NULL},
        {".x", NULL},
        {"ab", NULL},
        {"-dash", NULL},
        {"'5% \"$H\" #{{\\\xC3\xBC.db", NULL},
        {LONG_250 "12345", NULL},
        {LONG_250 "123456", "256 bytes"},
        {"", "empty"},
        {".", "leads out"},
        {"..", "leads out"},
        {"../tracker.db", "leads out"},
        {"a/b", "leads out"},
        {"/etc/passwd", "leads out"},
        {"a\nb", "control"},
        {"a\x7F", "control"},
    };
    CHECK_ALL(cases, tbk_path_check_name);
}

static void absolute_path_reads_the_same_after_it_is_resolved(void **state)
{
    (void)state;
    static const path_case cases[] = {
        {"/", NULL},
        {"/a", NULL},
        {"/a b/.c/..d", NULL},
        {"/" LONG_250 "/" LONG_250 "/" LONG_250, NULL},
        {"", "not an absolute path"},
        {"a/b", "not an absolute path"},
        {"~/b", "not an absolute path"},
        {"//", "empty part"},
        {"/a/", "empty part"},
        {"/a//b", "empty part"},
        {"/./a", "the part '.'"},
        {"/a/.", "the part '.'"},
        {"/a/../b", "the part '..'"},
        {"/a/..", "the part '..'"},
        {"/a\tb", "control"},
        {"/" LONG_250 "123456", "256 bytes"},
        {"/" LONG_250 "/" LONG_250 "/" LONG_250 "/" LONG_250, "1004 bytes"},
    };
    CHECK_ALL(cases, tbk_path_check_absolute);
}

static void relative_path_stays_below_its_root(void **state)
{
    (void)state;
    static const path_case cases[] = {
        {".env", NULL},       {"storage/tracker/etc", NULL}, {"", "empty part"},
        {"/etc", "absolute"}, {"..", "the part '..'"},       {"a/../../b", "the part '..'"},
        {"a/", "empty part"},
    };
    CHECK_ALL(cases, tbk_path_check_relative);
}

static void within_is_the_folder_and_what_lies_in_it(void **state)
{
    (void)state;
    assert_true(tbk_path_is_within("/a/b", "/a/b"));
    assert_true(tbk_path_is_within("/a/b/c", "/a/b"));
    assert_false(tbk_path_is_within("/a/bc", "/a/b"));
    assert_false(tbk_path_is_within("/a", "/a/b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_stays_in_its_folder),
        cmocka_unit_test(absolute_path_reads_the_same_after_it_is_resolved),
        cmocka_unit_test(relative_path_stays_below_its_root),
        cmocka_unit_test(within_is_the_folder_and_what_lies_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
