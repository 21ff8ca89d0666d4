/* SPDX-License-Identifier: MIT */
/* Forecasts for real databases on this machine's disk, and the speed that they count on. */
#include "unit/databases.h"
#include "unit/scratch.h"

#include "engine/backup_plan.h"

#define ROWS 120000

static tbk_arena *arena;
static tbk_database database;
static tbk_backup_plan plan;
static tbk_error err;

static int setup(void **state)
{
    (void)state;
    if (shell("rm -rf store tracker.db* && mkdir store") != 0)
        return -1;
    make_torrents("tracker.db", ROWS, "1");
    arena = tbk_arena_new();
    database = tbk_database_sqlite(arena, "tracker.db");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tbk_arena_free(arena);
    return 0;
}

static tbk_backup_plan_request request_for(tbk_method method)
{
    return (tbk_backup_plan_request){
        .database = &database, .store = "store", .method = method, .environment = "demo"};
}

static void make_plan(tbk_method method)
{
    const tbk_backup_plan_request request = request_for(method);
    assert_succeeds(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err);
}

static bool is_possible(tbk_capture_method method)
{
    for (size_t i = 0; i < plan.forecast.method_count; i++)
        if (plan.forecast.methods[i].method == method) {
            /* A reason belongs to what is not possible, and to nothing else. */
            assert_true(plan.forecast.methods[i].possible ==
                        (plan.forecast.methods[i].reason[0] == '\0'));
            return plan.forecast.methods[i].possible;
        }
    fail_msg("there is no method '%s'", tbk_capture_method_name(method));
    return false;
}

/* What is said to be better, one a line. */
static const char *advice_for(tbk_method method)
{
    const tbk_backup_plan_request request = request_for(method);
    const tbk_value *value = tbk_backup_plan_to_value(arena, &request, &plan);
    const char *all = "";
    for (const tbk_member *item = tbk_value_find(value, "advice")->first; item != NULL;
         item = item->next)
        all = tbk_arena_format(arena, "%s%s\n", all, item->value->string);
    return all;
}

static void assert_nothing_left(void) { assert_int_equal(shell("test -z \"$(ls -A store)\""), 0); }

static void a_rollback_journal_is_paused_for(void **state)
{
    (void)state;
    make_plan(TBK_METHOD_AUTO);
    if (is_possible(TBK_CAPTURE_REFLINK))
        skip_because("this file system clones");
    assert_false(is_possible(TBK_CAPTURE_HOT));
    assert_true(is_possible(TBK_CAPTURE_PAUSE) && is_possible(TBK_CAPTURE_STOP));
    assert_int_equal(plan.forecast.method, TBK_CAPTURE_PAUSE);
    assert_true(plan.forecast.expected_held_ms >= 350 && plan.forecast.expected_held_ms < 120000);
    assert_true(plan.forecast.speed.bytes_per_second > 0);
    assert_int_equal(plan.forecast.speed.copied_bytes, plan.forecast.copy_bytes);
    assert_true(plan.needed_bytes > 2 * plan.forecast.copy_bytes &&
                plan.needed_bytes < plan.free_bytes);
    assert_non_null(strstr(advice_for(TBK_METHOD_AUTO), "run demo --journal-mode wal"));
    assert_nothing_left();
}

static void wal_is_read_hot(void **state)
{
    (void)state;
    execute("tracker.db", "PRAGMA journal_mode=WAL");
    make_plan(TBK_METHOD_AUTO);
    assert_true(is_possible(TBK_CAPTURE_HOT));
    assert_false(is_possible(TBK_CAPTURE_REFLINK));
    assert_int_equal(plan.forecast.method, TBK_CAPTURE_HOT);
    assert_int_equal(plan.forecast.expected_held_ms, 0);
    assert_int_equal(plan.forecast.speed.copied_bytes,
                     0); /* nothing waits for the disk, so no measuring */
    assert_true(plan.needed_bytes < 2 * plan.forecast.copy_bytes);
    assert_string_equal(advice_for(TBK_METHOD_AUTO), "");
    assert_nothing_left();
}

static void a_proof_that_restores_needs_room(void **state)
{
    (void)state;
    execute("tracker.db", "PRAGMA journal_mode=WAL");
    tbk_backup_plan_request request = request_for(TBK_METHOD_AUTO);
    request.restores = true;
    assert_succeeds(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err);
    assert_true(plan.needed_bytes > 2 * plan.forecast.copy_bytes);
}

static void a_sidecar_holds_nothing_or_is_not_to_be_had(void **state)
{
    (void)state;
    tbk_backup_plan_request request = request_for(TBK_METHOD_AUTO);
    request.holds_nothing = true;
    assert_succeeds(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err);
    assert_int_equal(plan.forecast.method_count, 2);
    assert_int_equal(plan.forecast.expected_held_ms, 0);
    if (is_possible(TBK_CAPTURE_REFLINK))
        skip_because("this file system clones");
    const tbk_value *value = tbk_backup_plan_to_value(arena, &request, &plan);
    const char *advice = tbk_value_find(value, "advice")->first->value->string;
    assert_non_null(strstr(advice, "no backup of this database is possible without a hold"));
    assert_non_null(strstr(advice, "run demo --journal-mode wal"));
}

static void rules_that_do_not_fit_are_told_with_what_there_is(void **state)
{
    (void)state;
    tbk_rules rules = {.count = 1, .list = {{.table = "torrents", .kind = TBK_RULE_NONE}}};
    tbk_backup_plan_request request = request_for(TBK_METHOD_AUTO);
    request.rules = &rules;
    assert_succeeds(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err);
    rules.list[0].table = "peers";
    assert_fails(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err, TBK_E_CONFIG,
                 "peers");
    assert_non_null(strstr(err.message, "the tables are: torrents"));
    assert_nothing_left();
}

static void a_forced_method_is_what_it_is(void **state)
{
    (void)state;
    make_plan(TBK_METHOD_HOT);
    assert_int_equal(plan.forecast.method, TBK_CAPTURE_HOT);
    assert_non_null(strstr(advice_for(TBK_METHOD_HOT), "would fail: the database is not in WAL"));
    make_plan(TBK_METHOD_STOP);
    assert_int_equal(plan.forecast.method, TBK_CAPTURE_STOP);
    assert_true(plan.forecast.expected_held_ms >= 950);
    if (!is_possible(TBK_CAPTURE_REFLINK))
        assert_non_null(strstr(advice_for(TBK_METHOD_STOP), "keeps its memory"));
    execute("tracker.db", "PRAGMA journal_mode=WAL");
    make_plan(TBK_METHOD_STOP);
    assert_int_equal(plan.forecast.method, TBK_CAPTURE_STOP);
    assert_non_null(strstr(advice_for(TBK_METHOD_STOP), "would take 'hot', which holds nothing"));
}

static void by_hand_nothing_is_held(void **state)
{
    (void)state;
    tbk_backup_plan_request request = request_for(TBK_METHOD_AUTO);
    request.environment = NULL;
    assert_succeeds(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err);
    assert_true(is_possible(TBK_CAPTURE_LOCKED));
    assert_int_equal(plan.forecast.method_count, 3);
    assert_int_equal(plan.forecast.expected_held_ms, 0);
}

static void before_the_first_run_there_is_no_store(void **state)
{
    (void)state;
    tbk_backup_plan_request request = request_for(TBK_METHOD_PAUSE);
    request.store = "not/made/yet";
    assert_succeeds(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err);
    assert_true(plan.forecast.expected_held_ms > 0 && plan.free_bytes > 0);
    assert_int_equal(shell("test ! -e not"), 0);
    assert_int_equal(shell("test \"$(ls -A | tr '\\n' ' ')\" = 'store tracker.db '"), 0);
}

static void what_is_no_database_is_said(void **state)
{
    (void)state;
    tbk_backup_plan_request request = request_for(TBK_METHOD_AUTO);
    assert_int_equal(shell(": >tracker.db"), 0);
    assert_fails(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err, TBK_E_CORRUPT,
                 "0 bytes");
    assert_int_equal(shell("printf '%200s' x >tracker.db"), 0);
    assert_fails(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err, TBK_E_CORRUPT,
                 "not a SQLite 3 database");
    assert_int_equal(shell("rm tracker.db"), 0);
    assert_fails(tbk_backup_plan_make(arena, &request, NULL, &plan, &err), err, TBK_E_NOT_FOUND,
                 "there is no database");
}

static void it_can_be_interrupted(void **state)
{
    (void)state;
    const tbk_report report = {.cancelled = at_once};
    const tbk_backup_plan_request request = request_for(TBK_METHOD_PAUSE);
    assert_fails(tbk_backup_plan_make(arena, &request, &report, &plan, &err), err,
                 TBK_E_INTERRUPTED, "");
    assert_nothing_left();
}

static void a_full_disk_is_not_measured(void **state)
{
    (void)state;
    if (getuid() != 0 || shell("mount -t tmpfs -o size=1m tmpfs store") != 0)
        skip_because("needs root, to mount a tmpfs");
    make_plan(TBK_METHOD_PAUSE);
    assert_nothing_left();
    assert_int_equal(shell("umount store"), 0);
    assert_int_equal(plan.forecast.expected_held_ms, TBK_FORECAST_HELD_UNKNOWN);
    assert_non_null(strstr(plan.forecast.speed.not_measured, "MiB free"));
    assert_non_null(strstr(advice_for(TBK_METHOD_PAUSE), "make room"));
}

/* A file with a hole of 2 GB is larger than the sample; most of it is not in memory. */
static void a_large_file_is_measured_with_a_part_of_it(void **state)
{
    (void)state;
    tbk_disk_speed speed;
    assert_int_equal(shell("truncate -s 2G large && echo x >>large"), 0);
    assert_succeeds(tbk_disk_speed_measure("large", "store", 2u << 30, NULL, &speed, &err), err);
    assert_int_equal(shell("rm large"), 0);
    assert_string_equal(speed.not_measured, "");
    assert_true(speed.bytes_per_second > 0);
    assert_true(speed.from_disk);
    assert_true(speed.copied_bytes > 0 && speed.copied_bytes <= TBK_DISK_SPEED_SAMPLE_BYTES);
    assert_nothing_left();
}

static void what_memory_does_not_take_is_written_through(void **state)
{
    (void)state;
    tbk_disk_speed speed;
    assert_succeeds(
        tbk_disk_speed_measure("tracker.db", "store", UINT64_MAX / 4, NULL, &speed, &err), err);
    assert_true(speed.to_disk && speed.bytes_per_second > 0);
    assert_succeeds(tbk_disk_speed_measure("tracker.db", "store", 4096, NULL, &speed, &err), err);
    assert_false(speed.to_disk);
}

static void why_it_was_not_measured_is_said(void **state)
{
    (void)state;
    tbk_disk_speed speed;
    assert_succeeds(tbk_disk_speed_measure("none", "store", 1, NULL, &speed, &err), err);
    assert_non_null(strstr(speed.not_measured, "'none' cannot be read: No such file"));
    assert_succeeds(tbk_disk_speed_measure("tracker.db", "nowhere", 1, NULL, &speed, &err), err);
    assert_non_null(strstr(speed.not_measured, "'nowhere' cannot be opened"));
    assert_succeeds(tbk_disk_speed_measure("tracker.db", "/proc", 1, NULL, &speed, &err), err);
    assert_true(speed.not_measured[0] != '\0' && speed.bytes_per_second == 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_rollback_journal_is_paused_for),
        TEST(wal_is_read_hot),
        TEST(a_proof_that_restores_needs_room),
        TEST(a_sidecar_holds_nothing_or_is_not_to_be_had),
        TEST(rules_that_do_not_fit_are_told_with_what_there_is),
        TEST(a_forced_method_is_what_it_is),
        TEST(by_hand_nothing_is_held),
        TEST(before_the_first_run_there_is_no_store),
        TEST(what_is_no_database_is_said),
        TEST(it_can_be_interrupted),
        TEST(a_full_disk_is_not_measured),
        TEST(a_large_file_is_measured_with_a_part_of_it),
        TEST(what_memory_does_not_take_is_written_through),
        TEST(why_it_was_not_measured_is_said),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
