/* SPDX-License-Identifier: MIT */
/* What the sidecar says of itself: well or not, with the reason; and its metrics. */
#include "unit/unit.h"

#include "engine/serve_status.h"

#define NOW_S 1800000000

static tbk_serve_status well(void)
{
    return (tbk_serve_status){
        .state = TBK_SERVE_WAITING,
        .started_s = NOW_S - 500000,
        .next_due_s = NOW_S + 60,
        .profiles = {{.is_scheduled = true, .known_s = NOW_S - 500000, .overdue_gap_s = 90000}},
        .good = 3,
        .failed = 1,
        .last = {.finished_s = NOW_S - 60,
                 .success_s = NOW_S - 60,
                 .sets = 7,
                 .duration_ms = 1500,
                 .profiles = {{.finished_s = NOW_S - 60, .success_s = NOW_S - 60}}}};
}

static void assert_health(const tbk_serve_status *status, bool ok, const char *part)
{
    tbk_auto_text text = {0};
    bool healthy = tbk_serve_health(&text, status, NOW_S);
    if (healthy != ok || strstr(tbk_text_string(&text), part) == NULL)
        fail_msg("%s", tbk_text_string(&text));
}

static void all_is_well(void **state)
{
    (void)state;
    tbk_serve_status status = well();
    assert_health(&status, true, "\"health\": \"ok\"");
    assert_health(&status, true, "\"problem\": null");
    assert_health(&status, true, "\"next_run\": \"2027-01-15T08:01:00Z\"");
    status.state = TBK_SERVE_RUNNING;
    assert_health(&status, true, "\"state\": \"running\"");
}

static void no_database_yet_is_well(void **state)
{
    (void)state;
    tbk_serve_status status = {.state = TBK_SERVE_NO_DATABASE};
    assert_health(&status, true, "no database yet");
    assert_health(&status, true, "\"last_run\": null");
}

static void a_database_that_is_gone_is_not_well(void **state)
{
    (void)state;
    tbk_serve_status status = well();
    status.state = TBK_SERVE_DATABASE_GONE;
    assert_health(&status, false, "there were backups of the database, and it is gone");
    assert_health(&status, false, "\"state\": \"the database is gone\"");
}

static void a_failed_run_an_overdue_one_and_a_broken_configuration_are_not(void **state)
{
    (void)state;
    tbk_serve_status failed = well(), overdue = well(), never = well(), broken = well();
    tbk_profile_facts *full = &failed.last.profiles[TBK_PROFILE_FULL];
    full->exit_status = 22;
    (void)snprintf(full->message, sizeof full->message, "no space");
    assert_health(&failed, false, "the last run (full) ended with 22: no space");
    full->exit_status = 130;
    assert_health(&failed, true, "\"problem\": null");
    overdue.last.profiles[TBK_PROFILE_FULL].success_s = NOW_S - 90001;
    assert_health(&overdue, false, "no good backup (full) for 25 hours");
    never.last = (tbk_run_facts){0};
    assert_health(&never, false, "no good backup (full) for 138 hours");
    never.profiles[TBK_PROFILE_FULL].known_s = NOW_S - 60;
    assert_health(&never, true, "\"last_success\": null");
    broken.state = TBK_SERVE_NO_CONFIG;
    (void)snprintf(broken.problem, sizeof broken.problem, "engine.yml is gone");
    assert_health(&broken, false, "engine.yml is gone");
}

/* The daily one is good, the weekly one is not; and one that no schedule has, made by hand. */
static void each_profile_is_well_or_not_by_itself(void **state)
{
    (void)state;
    tbk_serve_status status = well();
    tbk_profile_facts *essential = &status.last.profiles[TBK_PROFILE_ESSENTIAL];
    *essential = (tbk_profile_facts){.finished_s = NOW_S - 90, .exit_status = 1};
    assert_health(&status, true, "\"problem\": null"); /* it is not scheduled */
    status.profiles[TBK_PROFILE_ESSENTIAL] =
        (tbk_serve_profile){.is_scheduled = true, .known_s = NOW_S - 90, .overdue_gap_s = 700000};
    assert_health(&status, false, "the last run (essential) ended with 1");
    essential->exit_status = 0;
    essential->success_s = NOW_S - 700001;
    assert_health(&status, false, "no good backup (essential) for 194 hours");
    essential->success_s = NOW_S - 700000;
    assert_health(&status, true, "\"essential\": {");
    status.last.exit_status = 22; /* by hand */
    assert_health(&status, false, "the last run ended with 22");
}

/* The store was gone: nothing could be noted there. */
static void a_failure_without_a_record_is_one(void **state)
{
    (void)state;
    tbk_serve_status status = well();
    status.profiles[TBK_PROFILE_FULL].failed_s = NOW_S - 30;
    status.profiles[TBK_PROFILE_FULL].failed_status = 10;
    assert_health(&status, false, "the last run (full) ended with 10");
    status.last.profiles[TBK_PROFILE_FULL].finished_s = NOW_S - 20;
    assert_health(&status, true, "\"problem\": null");
}

static void a_success_in_the_future_is_none(void **state)
{
    (void)state;
    tbk_serve_status status = well();
    status.last.profiles[TBK_PROFILE_FULL].success_s = NOW_S + 5000;
    assert_health(&status, false, "the clock went back");
}

static void the_brake_is_seen(void **state)
{
    (void)state;
    tbk_auto_text text = {0};
    tbk_serve_status status = well();
    status.last.brakes = 1;
    (void)snprintf(status.last.brake, sizeof status.last.brake, "rows are gone");
    assert_health(&status, false, "no older set is pruned: rows are gone; restore");
    tbk_serve_metrics(&text, &status);
    assert_non_null(strstr(tbk_text_string(&text), "\ntorrust_backup_retention_brake 1\n"));
}

static void every_metric_has_help_and_type(void **state)
{
    (void)state;
    tbk_auto_text text = {0};
    tbk_serve_status status = well();
    size_t helps = 0, types = 0;
    tbk_serve_metrics(&text, &status);
    const char *metrics = tbk_text_string(&text);
    for (const char *at = metrics; (at = strstr(at, "# HELP ")) != NULL; at++)
        helps++;
    for (const char *at = metrics; (at = strstr(at, "# TYPE ")) != NULL; at++)
        types++;
    assert_int_equal(helps, 22);
    assert_int_equal(types, helps);
    assert_non_null(strstr(metrics, "\ntorrust_backup_sets 7\n"));
    assert_non_null(strstr(metrics, "\ntorrust_backup_duration_seconds 1.5\n"));
    assert_non_null(strstr(metrics, "\ntorrust_backup_runs_total{result=\"failed\"} 1\n"));
    assert_non_null(strstr(metrics,
                           "\ntorrust_backup_profile_last_exit_status{profile=\"full\"} 0\n"
                           "torrust_backup_profile_last_exit_status{profile=\"essential\"}"));
    assert_non_null(strstr(metrics, "\ntorrust_backup_retention_brake 0\n"));
    assert_true(tbk_text_ends_with(metrics, "\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_well),
        cmocka_unit_test(no_database_yet_is_well),
        cmocka_unit_test(a_failed_run_an_overdue_one_and_a_broken_configuration_are_not),
        cmocka_unit_test(a_database_that_is_gone_is_not_well),
        cmocka_unit_test(each_profile_is_well_or_not_by_itself),
        cmocka_unit_test(a_failure_without_a_record_is_one),
        cmocka_unit_test(a_success_in_the_future_is_none),
        cmocka_unit_test(the_brake_is_seen),
        cmocka_unit_test(every_metric_has_help_and_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
