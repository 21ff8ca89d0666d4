/* SPDX-License-Identifier: MIT */
/* Draws steps, log lines and progress on a stream. */
#include "adapters/console.h"

#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define TERMINAL_EVERY_MS 200
#define LOG_EVERY_MS 10000

void tbk_console_size(uint64_t bytes, char out[TBK_SIZE_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double size = (double)bytes;
    size_t unit = 0;

    while (size >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        size /= 1000;
        unit++;
    }
    (void)snprintf(out, TBK_SIZE_TEXT, size < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", size,
                   units[unit]);
}

void tbk_console_say(FILE *out, const char *before, const char *text, const char *after)
{
    tbk_auto_text visible = {0};

    tbk_text_append_visible(&visible, text, false);
    (void)fprintf(out, "%s%s%s", before, tbk_text_string(&visible), after);
}

bool tbk_console_delivered(tbk_error *err)
{
    static const char fix[] = "the work is done; see that there is room and a reader for what is "
                              "printed, and ask again";
    static const char what[] = "the result could not be written to standard output";
    bool failed_before = ferror(stdout) != 0; /* its errno is lost */

    if (fflush(stdout) != 0)
        return tbk_fail_errno(err, TBK_E_FAILED, errno, fix, "%s", what);
    return !failed_before || tbk_fail(err, TBK_E_FAILED, fix, "%s", what);
}

static void clear_line(tbk_console *console)
{
    if (console->line_open)
        (void)fputs("\r\033[K", console->out);
    console->line_open = false;
}

static void step_started(void *self, uint32_t number, uint32_t total, const char *title)
{
    tbk_console *console = self;

    clear_line(console);
    console->step_start_ms = tbk_clock_monotonic_ms();
    (void)fprintf(console->out, "[%" PRIu32 "/%" PRIu32 "] ", number, total);
    tbk_console_say(console->out, "", title, "...\n");
}

static void step_completed(void *self, uint32_t number, uint32_t total, const char *title)
{
    tbk_console *console = self;

    (void)number;
    (void)total;
    clear_line(console);
    console->phase[0] = '\0';
    if (console->most < TBK_LOG_DETAIL)
        return;
    tbk_console_say(console->out, "      ", title, "");
    (void)fprintf(console->out, " took %.1f s\n",
                  (double)(tbk_clock_monotonic_ms() - console->step_start_ms) / 1000);
}

static void print_time_left(FILE *out, double seconds)
{
    if (seconds < 120)
        (void)fprintf(out, ", %.0f s left", seconds);
    else if (seconds < 7200)
        (void)fprintf(out, ", %.0f min left", seconds / 60);
    else
        (void)fprintf(out, ", %.1f h left", seconds / 3600);
}

static void draw_progress(tbk_console *console, const char *phase, uint64_t done_bytes,
                          uint64_t total_bytes, int64_t elapsed_ms)
{
    char done[TBK_SIZE_TEXT];
    char total[TBK_SIZE_TEXT];
    char rate[TBK_SIZE_TEXT];
    uint64_t moved_bytes = done_bytes - console->phase_start_bytes;
    double bytes_per_second = elapsed_ms > 0 ? (double)moved_bytes * 1000 / (double)elapsed_ms : 0;

    tbk_console_size(done_bytes, done);
    tbk_console_size(total_bytes, total);
    tbk_console_size((uint64_t)bytes_per_second, rate);
    if (console->terminal)
        (void)fputs("\r\033[K", console->out);
    tbk_console_say(console->out, "      ", phase, ": ");
    (void)fputs(done, console->out);
    if (total_bytes > 0)
        (void)fprintf(console->out, " of %s (%.0f %%)", total,
                      100.0 * (double)done_bytes / (double)total_bytes);
    (void)fprintf(console->out, ", %s/s", rate);
    if (total_bytes > done_bytes && bytes_per_second > 1)
        print_time_left(console->out, (double)(total_bytes - done_bytes) / bytes_per_second);
    if (!console->terminal)
        (void)fputc('\n', console->out);
    console->line_open = console->terminal;
    (void)fflush(console->out);
}

static void progress(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    tbk_console *console = self;
    int64_t now_ms = tbk_clock_monotonic_ms();
    int64_t every_ms = console->terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS;

    /* Another phase, or the same one on another file. What was done before it was first heard of
     * took a time that is not known, so it does not count for the rate. */
    if (strcmp(console->phase, phase) != 0 || done_bytes < console->done_bytes) {
        (void)snprintf(console->phase, sizeof console->phase, "%s", phase);
        console->phase_start_ms = now_ms;
        console->phase_start_bytes = done_bytes;
        console->shown_ms = now_ms;
    }
    console->done_bytes = done_bytes;
    if (now_ms - console->shown_ms < every_ms)
        return;
    console->shown_ms = now_ms;
    draw_progress(console, phase, done_bytes, total_bytes, now_ms - console->phase_start_ms);
}

static void log_line(void *self, tbk_log_level level, const char *phase, const char *message)
{
    tbk_console *console = self;
    const char *colour = level == TBK_LOG_ERROR     ? "\033[31m"
                         : level == TBK_LOG_WARNING ? "\033[33m"
                                                    : "";

    if (level > console->most)
        return;
    clear_line(console);
    (void)fprintf(console->out, "      %s", console->colour ? colour : "");
    tbk_console_say(console->out, "", level <= TBK_LOG_WARNING ? tbk_log_level_name(level) : phase,
                    ": ");
    tbk_console_say(console->out, "", message,
                    console->colour && colour[0] != '\0' ? "\033[0m\n" : "\n");
    (void)fflush(console->out);
}

static bool cancelled(void *self)
{
    const tbk_console *console = self;

    return console->cancelled != NULL && console->cancelled();
}

void tbk_console_init(tbk_console *console, FILE *out, tbk_log_level most, bool no_colour,
                      bool (*is_cancelled)(void))
{
    const char *term = getenv("TERM");
    bool terminal = isatty(fileno(out)) == 1 && (term == NULL || strcmp(term, "dumb") != 0);

    *console = (tbk_console){.out = out,
                             .terminal = terminal,
                             .colour = terminal && !no_colour && getenv("NO_COLOR") == NULL,
                             .most = most,
                             .cancelled = is_cancelled};
}

tbk_report tbk_console_report(tbk_console *console)
{
    return (tbk_report){.self = console,
                        .step_started = step_started,
                        .step_completed = step_completed,
                        .progress = progress,
                        .log = log_line,
                        .cancelled = cancelled};
}

void tbk_console_end(tbk_console *console)
{
    clear_line(console);
    (void)fflush(console->out);
}
