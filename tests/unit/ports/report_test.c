/* SPDX-License-Identifier: MIT */
/* The report port: passes everything on, and is quiet without a listener. */
#include "unit/unit.h"

#include "base/text.h"
#include "ports/report.h"

static void started(void *self, uint32_t number, uint32_t total, const char *title)
{
    tbk_text_format(self, "start %u/%u %s;", number, total, title);
}

static void completed(void *self, uint32_t number, uint32_t total, const char *title)
{
    tbk_text_format(self, "done %u/%u %s;", number, total, title);
}

static void progressed(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    tbk_text_format(self, "%s %llu of %llu;", phase, (unsigned long long)done_bytes,
                    (unsigned long long)total_bytes);
}

static void logged(void *self, tbk_log_level level, const char *phase, const char *message)
{
    tbk_text_format(self, "%s %s %s;", tbk_log_level_name(level), phase, message);
}

static bool always(void *self)
{
    (void)self;
    return true;
}

static bool never(void *self)
{
    (void)self;
    return false;
}

static void tell_all(const tbk_report *report)
{
    tbk_report_step_started(report, 1, 3, "render");
    tbk_report_progress(report, "capture", 5, 10);
    tbk_report_log(report, TBK_LOG_WARNING, "install", "%d of %s", 2, "x");
    tbk_report_step_completed(report, 1, 3, "render");
}

static void tells_its_reader_everything(void **state)
{
    (void)state;
    tbk_auto_text seen = {0};
    const tbk_report report = {.self = &seen,
                               .step_started = started,
                               .step_completed = completed,
                               .progress = progressed,
                               .log = logged};
    tell_all(&report);
    assert_string_equal(seen.bytes,
                        "start 1/3 render;capture 5 of 10;warning install 2 of x;done 1/3 render;");
}

static void without_a_reader_nothing_happens(void **state)
{
    (void)state;
    const tbk_report deaf = {0};
    tbk_error err;
    tell_all(NULL);
    tell_all(&deaf);
    assert_succeeds(tbk_report_go_on(NULL, &err), err);
    assert_succeeds(tbk_report_go_on(&deaf, &err), err);
}

static void a_reader_can_stop_the_work(void **state)
{
    (void)state;
    tbk_error err;
    const tbk_report patient = {.cancelled = never};
    const tbk_report impatient = {.cancelled = always};
    assert_succeeds(tbk_report_go_on(&patient, &err), err);
    assert_fails(tbk_report_go_on(&impatient, &err), err, TBK_E_INTERRUPTED, "interrupted");
}

static void levels_have_names(void **state)
{
    (void)state;
    assert_string_equal(tbk_log_level_name(TBK_LOG_ERROR), "error");
    assert_string_equal(tbk_log_level_name(TBK_LOG_INFO), "info");
    assert_string_equal(tbk_log_level_name(TBK_LOG_DETAIL), "detail");
    assert_string_equal(tbk_log_level_name(TBK_LOG_DEBUG), "debug");
    assert_string_equal(tbk_log_level_name((tbk_log_level)99), "debug");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_its_reader_everything),
        cmocka_unit_test(without_a_reader_nothing_happens),
        cmocka_unit_test(a_reader_can_stop_the_work),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
