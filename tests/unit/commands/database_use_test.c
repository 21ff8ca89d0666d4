/* SPDX-License-Identifier: MIT */
/* What the look at the tracker's files says, and what is made of it. */
#include "unit/unit.h"

#include "commands/database_use.h"

#define DATABASE "/opt/torrust/storage/tracker/lib/database/tracker.db"
#define RUNS(lines) "state running\n" lines "state running\n"

static tbk_database_use judge(tbk_arena *arena, const char *output)
{
    tbk_database_use use;
    tbk_database_use_judge(arena, DATABASE, output, &use);
    return use;
}

static void the_database_that_is_open_is_well(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_database_use use = judge(arena, RUNS("database 2049:7\nopen 2049:6 /log\nopen 2049:7 /d\n"
                                             "process 12\n"));
    assert_true(use.is_open);
    assert_null(use.problem);
    assert_null(use.unknown);
}

static void a_database_that_was_replaced_is_told_with_what_is_open(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_database_use use =
        judge(arena, RUNS("database 2049:9\nopen 2049:7 /var/lib/t.db (deleted)\nprocess 12\n"));
    assert_false(use.is_open);
    assert_non_null(use.problem);
    assert_non_null(strstr(use.problem, "'" DATABASE "'"));
    assert_non_null(strstr(use.problem, "it has '/var/lib/t.db (deleted)' open"));
}

static void a_database_that_is_gone_is_told(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_database_use use = judge(arena, RUNS("database \nopen 1:2 /d (deleted)\nprocess 12\n"));
    assert_non_null(strstr(use.problem, "is not there"));
}

static void a_tracker_with_no_file_at_all_works_elsewhere(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_database_use use = judge(arena, RUNS("database 2049:9\nprocess 12\n"));
    assert_non_null(strstr(use.problem, "it has no file open"));
}

static void of_many_files_some_are_named(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text output = {0};
    tbk_text_append(&output, "state running\ndatabase 2049:1000\nprocess 12\n");
    for (int i = 1; i <= 90; i++)
        tbk_text_format(&output, "open 2049:%d /file%d\n", i, i);
    tbk_database_use use = judge(arena, tbk_text_string(&output));
    assert_non_null(strstr(use.problem, "'/file1', '/file2', '/file3' and 87 more open"));
    tbk_text_append(&output, "open 2049:1000 /late\n");
    assert_true(judge(arena, tbk_text_string(&output)).is_open);
}

static void a_tracker_that_does_not_run_is_no_problem(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    static const char *const OUTPUTS[] = {
        "state \n", "state exited\n", "",
        "state running\ndatabase 1:2\nopen 1:3 /x\nprocess 1\nstate exited\n"};
    for (size_t i = 0; i < sizeof OUTPUTS / sizeof OUTPUTS[0]; i++) {
        tbk_database_use use = judge(arena, OUTPUTS[i]);
        assert_null(use.problem);
        assert_null(use.unknown);
        assert_false(use.is_open);
    }
}

static void where_it_cannot_be_looked_nothing_is_claimed(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    static const char *const OUTPUTS[] = {
        RUNS("database 2049:9\n"), /* its processes were not found */
        RUNS("database 2049:9\nprocess 12\nunknown the files of process 12 cannot be listed\n"),
        RUNS("database 41:9\nopen 42:9 /d\nprocess 12\n"),
        RUNS("database 2049:9\nopen 2049:x /d\n")};
    for (size_t i = 0; i < sizeof OUTPUTS / sizeof OUTPUTS[0]; i++) {
        tbk_database_use use = judge(arena, OUTPUTS[i]);
        assert_null(use.problem);
        assert_non_null(use.unknown);
        assert_false(use.is_open);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_database_that_is_open_is_well),
        cmocka_unit_test(a_database_that_was_replaced_is_told_with_what_is_open),
        cmocka_unit_test(a_database_that_is_gone_is_told),
        cmocka_unit_test(a_tracker_with_no_file_at_all_works_elsewhere),
        cmocka_unit_test(of_many_files_some_are_named),
        cmocka_unit_test(a_tracker_that_does_not_run_is_no_problem),
        cmocka_unit_test(where_it_cannot_be_looked_nothing_is_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
