/* SPDX-License-Identifier: MIT */
/* The database against what the tracker has open, with a port that the test fills. */
#include "unit/scratch.h"

#include "engine/in_use.h"

typedef struct fixture {
    tbk_arena *arena;
    tbk_file_id list[TBK_OPEN_FILES_LISTED_MAX];
    size_t count;
    unsigned asked, opened_at; /* the database is open from that question on; 0: never */
    bool fails, cancelled;
    char warnings[2048];
} fixture;

static tbk_file_id id_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return (tbk_file_id){.device = status.st_dev, .inode = status.st_ino};
}

static bool list(void *self, tbk_arena *arena, tbk_open_files *out, tbk_error *err)
{
    (void)arena;
    fixture *fake = self;
    if (fake->fails)
        return tbk_fail(err, TBK_E_FAILED, NULL, "the hook is an old one");
    if (++fake->asked == fake->opened_at)
        fake->list[fake->count++] = id_of("t.db");
    *out = (tbk_open_files){.list = fake->list, .count = fake->count};
    return true;
}

static void log_line(void *self, tbk_log_level level, const char *phase, const char *message)
{
    (void)phase;
    fixture *fake = self;
    if (level == TBK_LOG_WARNING)
        (void)strncat(fake->warnings, message, sizeof fake->warnings - strlen(fake->warnings) - 1);
}

static bool is_cancelled(void *self) { return ((fixture *)self)->cancelled; }

static bool check(fixture *fake, const char *path, uint32_t wait_ms, tbk_error *err)
{
    const tbk_tracker_files port = {.self = fake, .list = list};
    const tbk_report report = {.self = fake, .log = log_line, .cancelled = is_cancelled};
    return tbk_in_use_check(fake->arena, &port, path, wait_ms, &report, err);
}

static int set_up(void **state)
{
    fixture *fake = calloc(1, sizeof *fake);
    fake->arena = tbk_arena_new();
    *state = fake;
    return shell("rm -rf ./* && echo 1 >t.db && echo 2 >other.db");
}

static int tear_down(void **state)
{
    fixture *fake = *state;
    tbk_arena_free(fake->arena);
    free(fake);
    return 0;
}

static void the_file_that_is_open_is_well(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    fake->list[0] = id_of("other.db");
    fake->list[1] = id_of("t.db");
    fake->count = 2;
    assert_succeeds(check(fake, "t.db", 0, &err), err);
    assert_string_equal(fake->warnings, "");
}

static void a_file_that_was_replaced_under_the_tracker_is_told(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    fake->list[0] = id_of("t.db");
    fake->count = 1;
    assert_int_equal(shell("cp t.db new.db && mv new.db t.db"), 0);
    assert_false(check(fake, "t.db", 0, &err));
    assert_int_equal(err.code, TBK_E_CONFIG);
    assert_non_null(strstr(err.message, "not on the database 't.db'"));
    assert_non_null(strstr(err.fix, "restart it"));
}

static void a_file_that_is_gone_while_the_tracker_runs_is_told(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    fake->list[0] = id_of("t.db");
    fake->count = 1;
    assert_int_equal(unlink("t.db"), 0);
    assert_false(check(fake, "t.db", 0, &err));
    assert_int_equal(err.code, TBK_E_CONFIG);
    assert_non_null(strstr(err.message, "is not there"));
}

static void a_tracker_that_starts_is_waited_for(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    fake->list[0] = id_of("other.db");
    fake->count = 1;
    fake->opened_at = 3;
    assert_succeeds(check(fake, "t.db", 60000, &err), err);
    assert_int_equal(fake->asked, 3);
}

static void a_tracker_that_does_not_run_is_well(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    assert_succeeds(check(fake, "t.db", 0, &err), err);
    assert_string_equal(fake->warnings, "");
}

static void a_look_that_failed_is_a_warning(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    fake->fails = true;
    assert_succeeds(check(fake, "t.db", 0, &err), err);
    assert_non_null(strstr(fake->warnings, "could not look"));
    assert_non_null(strstr(fake->warnings, "the hook is an old one"));
}

static void a_path_that_cannot_be_looked_at_is_a_warning(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    fake->list[0] = id_of("t.db");
    fake->count = 1;
    assert_succeeds(check(fake, "other.db/t.db", 0, &err), err);
    assert_non_null(strstr(fake->warnings, "could not look"));
}

static void the_same_number_on_a_device_of_no_disk_is_a_warning(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    fake->list[0] = (tbk_file_id){.device = 1, .inode = id_of("t.db").inode};
    fake->count = 1;
    assert_succeeds(check(fake, "t.db", 0, &err), err);
    assert_non_null(strstr(fake->warnings, "could not look"));
}

static void a_tracker_without_any_file_works_elsewhere(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    fake->count = 1; /* 0:0 */
    assert_false(check(fake, "t.db", 0, &err));
    assert_int_equal(err.code, TBK_E_CONFIG);
    assert_non_null(strstr(err.message, "it has 0 other files open"));
}

static void a_list_that_may_have_been_cut_is_a_warning(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    for (fake->count = 0; fake->count < TBK_OPEN_FILES_LISTED_MAX; fake->count++)
        fake->list[fake->count] = id_of("other.db");
    assert_succeeds(check(fake, "t.db", 0, &err), err);
    assert_non_null(strstr(fake->warnings, "more files open than the hook lists"));
}

static void a_signal_ends_the_wait(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    fake->list[0] = id_of("other.db");
    fake->count = 1;
    fake->cancelled = true;
    assert_false(check(fake, "t.db", 600000, &err));
    assert_int_equal(err.code, TBK_E_INTERRUPTED);
    fake->fails = true;
    assert_false(check(fake, "t.db", 600000, &err));
    assert_int_equal(err.code, TBK_E_INTERRUPTED);
}

static void without_a_hook_or_a_file_nothing_is_asked(void **state)
{
    fixture *fake = *state;
    tbk_error err;
    assert_succeeds(tbk_in_use_check(fake->arena, NULL, "t.db", 0, NULL, &err), err);
    assert_succeeds(check(fake, NULL, 0, &err), err);
    assert_int_equal(fake->asked, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_file_that_is_open_is_well),
        TEST(a_file_that_was_replaced_under_the_tracker_is_told),
        TEST(a_file_that_is_gone_while_the_tracker_runs_is_told),
        TEST(a_tracker_that_starts_is_waited_for),
        TEST(a_tracker_that_does_not_run_is_well),
        TEST(a_look_that_failed_is_a_warning),
        TEST(a_path_that_cannot_be_looked_at_is_a_warning),
        TEST(the_same_number_on_a_device_of_no_disk_is_a_warning),
        TEST(a_tracker_without_any_file_works_elsewhere),
        TEST(a_list_that_may_have_been_cut_is_a_warning),
        TEST(a_signal_ends_the_wait),
        TEST(without_a_hook_or_a_file_nothing_is_asked),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
