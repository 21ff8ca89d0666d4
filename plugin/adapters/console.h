/* SPDX-License-Identifier: MIT */
/*
 * The report port for a person: steps, log lines, and one progress line with rate and time left.
 *
 * On a terminal the progress line is drawn in place, five times a second; elsewhere there is a
 * sober line every ten seconds, so that a log stays readable.
 */
#ifndef TBK_ADAPTERS_CONSOLE_H
#define TBK_ADAPTERS_CONSOLE_H

#include "ports/report.h"

#include <stdio.h>

typedef struct tbk_console {
    FILE *out; /* borrowed */
    bool terminal;
    bool colour;
    tbk_log_level most; /* lines beyond this level are not shown */
    bool (*cancelled)(void);
    /* private: */
    bool line_open; /* a progress line stands and must be cleared first */
    char phase[32]; /* the one whose progress is shown */
    int64_t phase_start_ms, shown_ms, step_start_ms;
    uint64_t phase_start_bytes, done_bytes; /* when the phase was first heard of, and last */
} tbk_console;

/* Sets terminal and colour from the stream, NO_COLOR and TERM. cancelled may be NULL. */
void tbk_console_init(tbk_console *console, FILE *out, tbk_log_level most, bool no_colour,
                      bool (*cancelled)(void));
tbk_report tbk_console_report(tbk_console *console);
/* Clears a progress line that still stands. */
void tbk_console_end(tbk_console *console);

/* Writes text that others may have made between words of our own, so that a terminal only shows it
 * (tbk_text_append_visible). Errors, titles and log lines of either program go through it, results
 * through tbk_value_visible: what is printed otherwise is this program's own. */
void tbk_console_say(FILE *out, const char *before, const char *text, const char *after);
/* Whether all that was written to standard output by now has arrived; fails with TBK_E_IO. */
bool tbk_console_delivered(tbk_error *err) TBK_MUST_CHECK;

/* "1.5 GB", "300 MB", "12 kB", "7 B" */
#define TBK_SIZE_TEXT 24
void tbk_console_size(uint64_t bytes, char out[TBK_SIZE_TEXT]);

#endif
