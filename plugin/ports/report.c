/* SPDX-License-Identifier: MIT */
/* The report port: calls what the reader gave, and nothing where it gave nothing. */
#include "ports/report.h"

#include "base/arena.h"

#include <stdarg.h>

void tbk_report_step_started(const tbk_report *report, uint32_t number, uint32_t total,
                             const char *title)
{
    if (report != NULL && report->step_started != NULL)
        report->step_started(report->self, number, total, title);
}

void tbk_report_step_completed(const tbk_report *report, uint32_t number, uint32_t total,
                               const char *title)
{
    if (report != NULL && report->step_completed != NULL)
        report->step_completed(report->self, number, total, title);
}

void tbk_report_progress(const tbk_report *report, const char *phase, uint64_t done_bytes,
                         uint64_t total_bytes)
{
    if (report != NULL && report->progress != NULL)
        report->progress(report->self, phase, done_bytes, total_bytes);
}

void tbk_report_log(const tbk_report *report, tbk_log_level level, const char *phase,
                    const char *format, ...)
{
    if (report == NULL || report->log == NULL)
        return;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    va_list arguments;
    va_start(arguments, format);
    const char *message = tbk_arena_vformat(arena, format, arguments);
    va_end(arguments);
    report->log(report->self, level, phase, message);
}

bool tbk_report_go_on(const tbk_report *report, tbk_error *err)
{
    if (report == NULL || report->cancelled == NULL || !report->cancelled(report->self))
        return true;
    return tbk_fail(err, TBK_E_INTERRUPTED, "run the command again to finish the work",
                    "interrupted");
}

const char *tbk_log_level_name(tbk_log_level level)
{
    static const char *const NAMES[] = {"error", "warning", "info", "detail", "debug"};
    return (size_t)level < sizeof NAMES / sizeof NAMES[0] ? NAMES[level] : "debug";
}
