/* SPDX-License-Identifier: MIT */
/*
 * The report port: how long work tells what it does, and learns that it should stop.
 *
 * One stream of events for all readers: the command line draws a progress line from it, the engine
 * writes JSON lines, a host shows it with its own listener. Calls come on the thread that called.
 */
#ifndef TBK_PORTS_REPORT_H
#define TBK_PORTS_REPORT_H

#include "base/error.h"

#include <stdint.h>

typedef enum tbk_log_level {
    TBK_LOG_ERROR,
    TBK_LOG_WARNING,
    TBK_LOG_INFO,
    TBK_LOG_DETAIL,
    TBK_LOG_DEBUG
} tbk_log_level;

/* Every function may be NULL. phase is a short lower-case word: "capture", "compress", "install".
 */
typedef struct tbk_report {
    void *self;
    void (*step_started)(void *self, uint32_t number, uint32_t total, const char *title);
    void (*step_completed)(void *self, uint32_t number, uint32_t total, const char *title);
    /* total_bytes is 0 when it is not known. Called as often as the work likes; readers thin out.
     */
    void (*progress)(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes);
    void (*log)(void *self, tbk_log_level level, const char *phase, const char *message);
    bool (*cancelled)(void *self);
} tbk_report;

/* Each accepts a NULL report. */
void tbk_report_step_started(const tbk_report *report, uint32_t number, uint32_t total,
                             const char *title);
void tbk_report_step_completed(const tbk_report *report, uint32_t number, uint32_t total,
                               const char *title);
void tbk_report_progress(const tbk_report *report, const char *phase, uint64_t done_bytes,
                         uint64_t total_bytes);
void tbk_report_log(const tbk_report *report, tbk_log_level level, const char *phase,
                    const char *format, ...) TBK_PRINTF(4, 5);
/* Fails with TBK_E_INTERRUPTED once the reader wants the work to stop. */
bool tbk_report_go_on(const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;

/* "error", "warning", "info", "detail", "debug" */
const char *tbk_log_level_name(tbk_log_level level);

#endif
