/* SPDX-License-Identifier: MIT */
/* Writes log lines, progress, results and errors where they belong. */
#include "entry/engine_output.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "entry/text_sets.h"

#include <inttypes.h>
#include <sys/random.h>
#include <unistd.h>

/* Often enough to be watched, seldom enough for the log of a long run. */
#define PROGRESS_EVERY_MS 2000

void engine_output_init(engine_output *output, const engine_args *args, bool (*cancelled)(void))
{
    char now[TBK_CLOCK_TEXT_SIZE];
    uint32_t random = 0;
    *output = (engine_output){.hook = args->hook,
                              .json = args->json,
                              .lines = args->hook || args->lines,
                              .cancelled = cancelled};
    tbk_clock_format_compact(tbk_clock_now_s(), now);
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    (void)snprintf(output->run_id, sizeof output->run_id, "%.16s-%08" PRIx32, now, random);
    tbk_console_init(&output->console, stderr, args->quiet ? TBK_LOG_WARNING : TBK_LOG_INFO, false,
                     cancelled);
}

/* --- JSON lines --- */

static tbk_value *line_begin(tbk_arena *arena, const engine_output *output, const char *phase)
{
    char now[TBK_CLOCK_TEXT_SIZE];
    tbk_value *line = tbk_value_map(arena);
    tbk_clock_format(tbk_clock_now_s(), now);
    tbk_value_set_string(arena, line, "time", now);
    tbk_value_set_string(arena, line, "run", output->run_id);
    tbk_value_set_string(arena, line, "phase", phase);
    return line;
}

/* One write a line: what the hook reads is never mixed with its own protocol. */
static void line_end(const tbk_value *line)
{
    tbk_auto_text text = {0};
    tbk_error ignored; /* a reader that is gone is noticed where an answer is awaited */
    tbk_json_write(&text, line, false);
    if (!tbk_text_ends_with(tbk_text_string(&text), "\n"))
        tbk_text_append_char(&text, '\n');
    (void)!tbk_file_write_all(STDOUT_FILENO, text.bytes, text.length, &ignored);
}

static void json_log(void *self, tbk_log_level level, const char *phase, const char *message)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *line = line_begin(arena, self, phase);
    tbk_value_set_string(arena, line, "level", tbk_log_level_name(level));
    tbk_value_set_string(arena, line, "message", message);
    line_end(line);
}

static void json_progress(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    engine_output *output = self;
    int64_t now_ms = tbk_clock_monotonic_ms();
    if (strcmp(output->phase, phase) != 0) {
        (void)snprintf(output->phase, sizeof output->phase, "%s", phase);
        output->progress_ms = now_ms;
    }
    if (now_ms - output->progress_ms < PROGRESS_EVERY_MS)
        return;
    output->progress_ms = now_ms;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *line = line_begin(arena, output, phase);
    tbk_value_set_string(arena, line, "level", "info");
    tbk_value_set_integer(arena, line, "done_bytes", (int64_t)done_bytes);
    tbk_value_set_integer(arena, line, "total_bytes", (int64_t)total_bytes);
    line_end(line);
}

static bool json_cancelled(void *self) { return ((engine_output *)self)->cancelled(); }

tbk_report engine_output_report(engine_output *output)
{
    if (!output->lines)
        return tbk_console_report(&output->console);
    return (tbk_report){
        .self = output, .progress = json_progress, .log = json_log, .cancelled = json_cancelled};
}

/* --- results and errors --- */

static void print_json(const tbk_value *value)
{
    tbk_auto_text text = {0};
    tbk_json_write(&text, value, true);
    (void)fputs(tbk_text_string(&text), stdout);
}

void engine_output_result(engine_output *output, const tbk_value *result,
                          void (*print)(const tbk_value *result))
{
    if (output->lines)
        return;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_console_end(&output->console);
    if (output->json)
        print_json(result);
    else /* a store may be another's */
        print(tbk_value_visible(arena, result, NULL));
}

static void error_fields(tbk_arena *arena, tbk_value *map, const tbk_error *error)
{
    tbk_value_set_string(arena, map, "name", tbk_error_name(error->code));
    tbk_value_set_string(arena, map, "message", error->message);
    tbk_value_set_string(arena, map, "fix", error->fix);
    tbk_value_set_integer(arena, map, "exit_status", tbk_error_exit_status(error->code));
}

void engine_output_error(engine_output *output, const tbk_error *error)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    if (output->lines) {
        tbk_value *line = line_begin(arena, output, "end");
        tbk_value_set_string(arena, line, "level", "error");
        error_fields(arena, line, error);
        line_end(line);
        return;
    }
    tbk_console_end(&output->console);
    if (output->json) {
        tbk_value *document = tbk_value_map(arena), *fields = tbk_value_map(arena);
        error_fields(arena, fields, error);
        tbk_value_set(arena, document, "error", fields);
        print_json(document);
    }
    tbk_console_say(stderr, "torrust-backup-engine: ", error->message, "\n");
    if (error->fix[0] != '\0')
        tbk_console_say(stderr, "Fix: ", error->fix, "\n");
}

bool engine_output_delivered(const engine_output *output, tbk_error *err)
{
    return output->lines || tbk_console_delivered(err);
}

void engine_output_done(engine_output *output, int exit_status)
{
    tbk_error ignored;
    char line[32];
    if (!output->hook)
        return;
    int length = snprintf(line, sizeof line, "@done %d\n", exit_status);
    (void)!tbk_file_write_all(STDOUT_FILENO, line, (size_t)length, &ignored);
}

/* --- text --- */

void engine_print_backup(const tbk_value *result)
{
    char raw[TBK_SIZE_TEXT], stored[TBK_SIZE_TEXT];
    tbk_console_size(tbk_value_bytes_at(result, "raw_bytes"), raw);
    tbk_console_size(tbk_value_bytes_at(result, "stored_bytes"), stored);
    (void)printf("Set:      %s\n", tbk_value_text_at(result, "path", ""));
    (void)printf("Database: %s, %s, stored in %s\n", tbk_value_text_at(result, "profile", ""), raw,
                 stored);
    (void)printf("Capture:  %s%s%s\n", tbk_value_text_at(result, "method", ""),
                 tbk_value_text_at(result, "method_reason", "")[0] != '\0' ? "; " : "",
                 tbk_value_text_at(result, "method_reason", ""));
    (void)printf("Proof:    %s\n", tbk_value_text_at(result, "proof.level", "none"));
    (void)printf("Took:     %.1f s", (double)tbk_value_integer_at(result, "duration_ms") / 1000.0);
    if (tbk_value_integer_at(result, "pruned") > 0)
        (void)printf("; %" PRId64 " older sets were removed",
                     tbk_value_integer_at(result, "pruned"));
    (void)printf("\n");
}

void engine_print_list(const tbk_value *result)
{
    const tbk_member *item = tbk_value_members_at(result, "sets");
    if (item == NULL) {
        (void)printf("There is no backup set in '%s' yet.\n",
                     tbk_value_text_at(result, "store", ""));
        return;
    }
    tbk_sets_print(stdout, item);
}

void engine_print_checks(const tbk_value *result)
{
    for (const tbk_member *item = tbk_value_members_at(result, "sets"); item != NULL;
         item = item->next)
        (void)printf("%-17s %s\n", tbk_value_text_at(item->value, "id", ""),
                     tbk_value_text_at(item->value, "proof.reason", "ok"));
}
