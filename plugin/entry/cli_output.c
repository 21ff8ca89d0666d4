/* SPDX-License-Identifier: MIT */
/* Writes the result of each command as a person would like to read it. */
#include "entry/cli_output.h"

#include "adapters/console.h"
#include "base/clock.h"
#include "entry/text_forecast.h"
#include "entry/text_offsite.h"
#include "entry/text_offsite_plan.h"
#include "entry/text_restored.h"
#include "entry/text_sets.h"

#include <inttypes.h>
#include <string.h>

static void print_lines(FILE *out, const char *title, const tbk_value *result, const char *path)
{
    const tbk_member *item = tbk_value_members_at(result, path);

    if (item == NULL)
        return;
    (void)fprintf(out, "%s\n", title);
    for (; item != NULL; item = item->next)
        if (item->value->type == TBK_VALUE_STRING)
            (void)fprintf(out, "  %s\n", item->value->string);
}

static void print_schedule(FILE *out, const tbk_value *result)
{
    if (tbk_value_find(result, "schedule") == NULL)
        return;
    (void)fprintf(out, "Schedule:   %s\n", tbk_value_text_at(result, "schedule", ""));
    print_lines(out, "Next runs:", result, "next_runs");
    if (tbk_value_find(result, "full_schedule") != NULL)
        (void)fprintf(out, "Full:       %s, next %s\n",
                      tbk_value_text_at(result, "full_schedule", ""),
                      tbk_value_text_at(result, "next_full_run", ""));
    print_lines(out, "Remarks:", result, "remarks");
}

static void print_render(FILE *out, const tbk_value *result)
{
    (void)fprintf(out, "%s %s:\n",
                  tbk_value_true_at(result, "dry_run")
                      ? "Nothing was written (dry run); would render into"
                      : "Rendered into",
                  tbk_value_text_at(result, "directory", ""));
    for (const tbk_member *item = tbk_value_members_at(result, "files"); item != NULL;
         item = item->next)
        (void)fprintf(out, "  %-22s for %s\n", tbk_value_text_at(item->value, "name", ""),
                      tbk_value_text_at(item->value, "target", ""));
}

static void print_configure(FILE *out, const tbk_value *result)
{
    for (const tbk_member *item = tbk_value_members_at(result, "items"); item != NULL;
         item = item->next)
        (void)fprintf(out, "  %-19s %s\n", tbk_value_text_at(item->value, "state", ""),
                      tbk_value_text_at(item->value, "target", ""));
    const char *outcome = !tbk_value_true_at(result, "complete") ? "NOT finished"
                          : tbk_value_true_at(result, "dry_run") ? "Nothing was changed (dry run)"
                          : tbk_value_true_at(result, "changed")
                              ? "The backup is configured"
                              : "Already in place: nothing to change";
    (void)fprintf(out, "%s on %s.\n", outcome, tbk_value_text_at(result, "host", ""));
    print_schedule(out, result);
}

static void print_verify(FILE *out, const tbk_value *result)
{
    (void)fprintf(out, "Verification of '%s' on %s at %s\n\n",
                  tbk_value_text_at(result, "environment", ""),
                  tbk_value_text_at(result, "host", ""), tbk_value_text_at(result, "at", ""));
    for (const tbk_member *item = tbk_value_members_at(result, "checks"); item != NULL;
         item = item->next)
        (void)fprintf(out, "  %-8s %-22s %s\n", tbk_value_text_at(item->value, "state", ""),
                      tbk_value_text_at(item->value, "name", ""),
                      tbk_value_text_at(item->value, "detail", ""));
    (void)fprintf(out, "\n%s\n",
                  tbk_value_true_at(result, "proved") ? "Everything is proved."
                                                      : "NOT everything is proved.");
    if (tbk_value_find(result, "kept") != NULL)
        (void)fprintf(out, "Kept here:  %s\n", tbk_value_text_at(result, "kept", ""));
    print_schedule(out, result);
}

static void print_bytes(FILE *out, const char *label, int64_t bytes)
{
    char text[TBK_SIZE_TEXT];

    if (bytes < 0)
        return;
    tbk_console_size((uint64_t)bytes, text);
    (void)fprintf(out, "%s%s\n", label, text);
}

static void print_last_run(FILE *out, const tbk_value *run)
{
    if (run == NULL)
        return;
    (void)fprintf(out, "Run:        %s at %s, exit status %" PRId64 "\n",
                  tbk_value_text_at(run, "run", "?"), tbk_value_text_at(run, "time", "?"),
                  tbk_value_integer_at(run, "exit_status"));
    if (tbk_value_find(run, "set") != NULL)
        (void)fprintf(out, "Set:        %s\n", tbk_value_text_at(run, "set", "none"));
    if (tbk_value_find(run, "profile") != NULL)
        (void)fprintf(out, "Profile:    %s\n", tbk_value_text_at(run, "profile", ""));
    if (tbk_value_find(run, "method") != NULL)
        (void)fprintf(out, "Method:     %s\n", tbk_value_text_at(run, "method", ""));
    if (tbk_value_text_at(run, "method_reason", "")[0] != '\0')
        (void)fprintf(out, "            not %s\n", tbk_value_text_at(run, "method_reason", ""));
    (void)fprintf(out, "Held:       %" PRId64 " ms of %" PRId64 " ms\n",
                  tbk_value_integer_at(run, "held_ms"), tbk_value_integer_at(run, "duration_ms"));
    if (tbk_value_find(run, "error.message") != NULL)
        (void)fprintf(out, "Error:      %s\n", tbk_value_text_at(run, "error.message", ""));
}

static void print_run(FILE *out, const tbk_value *result)
{
    print_last_run(out, tbk_value_find(result, "run"));
}

/* What a restore took, in the order of its parts. */
static void print_times(FILE *out, const tbk_value *result)
{
    static const struct {
        const char *key, *words;
    } parts[] = {{"fetch_ms", "to fetch it"},
                 {"prove_ms", "for its sums"},
                 {"load_ms", "beside the real database"},
                 {"held_ms", "with the tracker held"},
                 {"healthy_ms", "until it was healthy"}};
    const char *before = "Took:       ";

    const char *end = "";

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int64_t duration_ms = tbk_value_integer_at(result, parts[i].key);
        if (duration_ms <= 0)
            continue;
        (void)fprintf(out, "%s%.1f s %s", before, (double)duration_ms / 1000, parts[i].words);
        before = ", ";
        end = "\n";
    }
    (void)fputs(end, out);
}

static void print_restore(FILE *out, const tbk_value *result)
{
    const tbk_member *removed = tbk_value_members_at(result, "removed");

    tbk_texts_print(out, "Removed:", removed);
    if (removed == NULL && tbk_value_find(result, "removed") != NULL)
        (void)fprintf(out, "There was nothing to remove.\n");
    if (tbk_value_find(result, "set") == NULL)
        return;
    tbk_restored_print(out, result);
    print_times(out, result);
    if (tbk_value_true_at(result, "dry_run")) {
        (void)fprintf(out,
                      "Dry run: it was restored beside the real database and is right; nothing "
                      "was changed.\n");
        return;
    }
    (void)fprintf(out, "Before:     %s\n", tbk_value_text_at(result, "kept", "nothing is kept"));
    (void)fprintf(out, "Tracker:    %s\n", tbk_value_text_at(result, "tracker", "not waited for"));
}

static void print_fetch(FILE *out, const tbk_value *result)
{
    (void)fprintf(out, "Set:        %s, of %s\n", tbk_value_text_at(result, "set", "-"),
                  tbk_value_text_at(result, "environment", "no environment"));
    (void)fprintf(out, "Profile:    %s\n", tbk_value_text_at(result, "profile", "-"));
    print_bytes(out, "Stored:     ", tbk_value_integer_at(result, "stored_bytes"));
    print_bytes(out, "Fetched:    ", tbk_value_integer_at(result, "fetched_bytes"));
    (void)fprintf(out, "Folder:     %s\n", tbk_value_text_at(result, "path", "-"));
    (void)fprintf(out, "Every byte of it is as its sums say.\n");
}

static void print_rescue(FILE *out, const tbk_value *result)
{
    for (const tbk_member *item = tbk_value_members_at(result, "steps"); item != NULL;
         item = item->next)
        (void)fprintf(out, "Step:       %s, %.1f s%s\n", tbk_value_text_at(item->value, "name", ""),
                      (double)tbk_value_integer_at(item->value, "duration_ms") / 1000,
                      tbk_value_true_at(item->value, "ok") ? "" : ", FAILED");
    if (tbk_value_find(result, "restore") != NULL)
        print_restore(out, tbk_value_find(result, "restore"));
    if (tbk_value_true_at(result, "complete") && !tbk_value_true_at(result, "rehearsal"))
        (void)fprintf(out,
                      "The tracker serves the restored database. Next: torrust-backup verify\n");
}

static void print_list(FILE *out, const tbk_value *result)
{
    const tbk_member *item = tbk_value_members_at(result, "sets");

    if (tbk_value_find(result, "environments") != NULL)
        tbk_environments_print(out, tbk_value_members_at(result, "environments"));
    else if (tbk_value_find(result, "repository") != NULL)
        tbk_offsite_print(out, result);
    else if (item == NULL)
        (void)fprintf(out, "There is no backup set yet.\n");
    else if (tbk_value_find(result, "from") != NULL)
        tbk_sets_print_with_environment(out, item);
    else
        tbk_sets_print(out, item);
}

static void print_acknowledged(FILE *out, const tbk_value *result)
{
    const tbk_member *item = tbk_value_members_at(result, "acknowledged");

    (void)fprintf(out, "%s\n",
                  item != NULL ? "From the next run on, older sets are pruned again."
                               : "There was nothing to acknowledge.");
    for (; item != NULL; item = item->next)
        (void)fprintf(out, "  %s\n", tbk_value_text_at(item->value, "reason", ""));
}

static void print_status(FILE *out, const tbk_value *result)
{
    (void)fprintf(out, "Health:     %s\n", tbk_value_text_at(result, "health", ""));
    tbk_texts_print(out, "  problem:", tbk_value_members_at(result, "problems"));
    const char *state = tbk_value_text_at(result, "tracker.state", "");
    const char *health = tbk_value_text_at(result, "tracker.health", "");
    (void)fprintf(out, "Tracker:    %s%s%s%s\n", state[0] != '\0' ? state : "not found",
                  health[0] != '\0' ? ", " : "", health,
                  tbk_value_true_at(result, "held") ? " (held by a backup)" : "");
    if (tbk_value_find(result, "sidecar") != NULL)
        (void)fprintf(out, "Sidecar:    %s%s%s\n",
                      tbk_value_text_at(result, "sidecar.state", "not found"),
                      tbk_value_text_at(result, "sidecar.health", "")[0] != '\0' ? ", " : "",
                      tbk_value_text_at(result, "sidecar.health", ""));
    if (tbk_value_true_at(result, "backup_runs"))
        (void)fprintf(out, "Now:        a backup is under way\n");
    print_last_run(out, tbk_value_find(result, "last_run"));
    if (tbk_value_integer_at(result, "last_run.exit_status") != 0)
        (void)fprintf(out, "Last good:  %s\n",
                      tbk_value_text_at(result, "last_run.last_success_set", "none"));
    tbk_offsite_status_print(out, tbk_value_find(result, "offsite"));
    if (tbk_value_find(result, "store_free_bytes") != NULL)
        print_bytes(out, "Store free: ", tbk_value_integer_at(result, "store_free_bytes"));
    print_schedule(out, result);
}

static bool is_in_place(const tbk_value *item)
{
    return strcmp(tbk_value_text_at(item, "state", ""), "in place") == 0;
}

/* A new file is all new, and 'render' shows it: of those no difference is printed. */
static void print_differences(FILE *out, const tbk_value *result)
{
    for (const tbk_member *item = tbk_value_members_at(result, "items"); item != NULL;
         item = item->next)
        if (strcmp(tbk_value_text_at(item->value, "state", ""), "change") == 0 &&
            tbk_value_find(item->value, "diff") != NULL)
            (void)fprintf(out, "\n%s", tbk_value_text_at(item->value, "diff", ""));
}

static void print_changes(FILE *out, const tbk_value *result)
{
    int in_place = 0;

    for (const tbk_member *item = tbk_value_members_at(result, "items"); item != NULL;
         item = item->next) {
        const char *detail = tbk_value_text_at(item->value, "detail", "");
        if (is_in_place(item->value))
            in_place++;
        else
            (void)fprintf(out, "  %-6s  %-*s%s\n", tbk_value_text_at(item->value, "state", ""),
                          detail[0] != '\0' ? 38 : 0, tbk_value_text_at(item->value, "target", ""),
                          detail);
    }
    if (in_place > 0)
        (void)fprintf(out, "  %d in place\n", in_place);
    print_differences(out, result);
}

static void print_forecast(FILE *out, const tbk_value *result)
{
    const tbk_value *forecast = tbk_value_find(result, "forecast");

    if (forecast == NULL) {
        (void)fprintf(out, "No forecast of a backup: %s.\n",
                      tbk_value_text_at(result, "no_forecast", "not known"));
        return;
    }
    (void)fprintf(out, "Forecast of a backup%s:\n",
                  tbk_value_integer_at(result, "changes") > 0 ? ", from what is installed now"
                                                              : "");
    tbk_forecast_print(out, forecast);
}

static void print_plan(FILE *out, const tbk_value *result)
{
    int64_t changes = tbk_value_integer_at(result, "changes");

    (void)fprintf(out, "Plan for '%s' on %s:\n\n", tbk_value_text_at(result, "environment", ""),
                  tbk_value_text_at(result, "host", ""));
    print_changes(out, result);
    if (changes == 0)
        (void)fprintf(out, "\nNothing to change.\n");
    else
        (void)fprintf(out, "\n%" PRId64 " to change: torrust-backup configure %s\n", changes,
                      tbk_value_text_at(result, "environment", ""));
    print_lines(out, "Remarks:", result, "remarks");
    (void)fputc('\n', out);
    print_forecast(out, result);
    if (tbk_value_find(result, "offsite") != NULL) {
        (void)fputc('\n', out);
        tbk_offsite_plan_print(out, tbk_value_find(result, "offsite"));
    }
}

static void print_version(FILE *out, const tbk_value *result)
{
    (void)fprintf(out, "torrust-backup %s (plugin interface %" PRId64 ")\n",
                  tbk_value_text_at(result, "version", "?"),
                  tbk_value_integer_at(result, "abi_version"));
}

/* Of a value only the differences of 'plan' have lines of their own. */
void cli_print_result(FILE *out, const char *command, const tbk_value *result)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *visible = tbk_value_visible(arena, result, "diff");
    static const struct {
        const char *command;
        void (*print)(FILE *out, const tbk_value *result);
    } printers[] = {{"render", print_render},
                    {"plan", print_plan},
                    {"configure", print_configure},
                    {"verify", print_verify},
                    {"run", print_run},
                    {"list", print_list},
                    {"restore", print_restore},
                    {"offsite", tbk_offsite_print},
                    {"fetch", print_fetch},
                    {"extract", tbk_extracted_print},
                    {"rescue", print_rescue},
                    {"status", print_status},
                    {"version", print_version},
                    {"acknowledge", print_acknowledged}};

    for (size_t i = 0; i < sizeof printers / sizeof printers[0]; i++)
        if (strcmp(printers[i].command, command) == 0)
            printers[i].print(out, visible);
}

static void print_help_lines(FILE *out, const char *help)
{
    while (help[0] != '\0') {
        char line[sizeof((tbk_error_v1 *)NULL)->help];
        size_t length = strcspn(help, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)length, help);
        tbk_console_say(out, "", line, "\n");
        help += length + (help[length] == '\n' ? 1 : 0);
    }
}

void cli_print_error(FILE *out, const tbk_error_v1 *error)
{
    tbk_console_say(out, "Error: ", error->message, "\n");
    if (error->step[0] != '\0')
        tbk_console_say(out, "While: ", error->step, "\n");
    if (error->tip[0] != '\0')
        tbk_console_say(out, "Fix:   ", error->tip, "\n");
    if (error->help[0] != '\0') {
        (void)fputs("\nFor detailed troubleshooting:\n", out);
        print_help_lines(out, error->help);
    }
}
