/* SPDX-License-Identifier: MIT */
/* Writes the result of each command as a person would like to read it. */
#include "entry/cli_output.h"

#include "adapters/console.h"
#include "adapters/forecast_text.h"

#include <inttypes.h>

static const char *string_in(const tbk_value *map, const char *path, const char *otherwise)
{
    const tbk_value *found = tbk_value_find(map, path);

    return found != NULL && found->type == TBK_VALUE_STRING ? found->string : otherwise;
}

static int64_t integer_in(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);

    return found != NULL && found->type == TBK_VALUE_INTEGER ? found->integer : 0;
}

static bool true_in(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);

    return found != NULL && found->type == TBK_VALUE_BOOL && found->boolean;
}

static const tbk_member *items_of(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);

    return found != NULL ? found->first : NULL;
}

static void print_lines(FILE *out, const char *title, const tbk_value *result, const char *path)
{
    const tbk_member *item = items_of(result, path);

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
    (void)fprintf(out, "Schedule:   %s\n", string_in(result, "schedule", ""));
    print_lines(out, "Next runs:", result, "next_runs");
    if (tbk_value_find(result, "full_schedule") != NULL)
        (void)fprintf(out, "Full:       %s, next %s\n", string_in(result, "full_schedule", ""),
                      string_in(result, "next_full_run", ""));
    print_lines(out, "Remarks:", result, "remarks");
}

static void print_render(FILE *out, const tbk_value *result)
{
    (void)fprintf(out, "%s %s:\n",
                  true_in(result, "dry_run") ? "Nothing was written (dry run); would render into"
                                             : "Rendered into",
                  string_in(result, "directory", ""));
    for (const tbk_member *item = items_of(result, "files"); item != NULL; item = item->next)
        (void)fprintf(out, "  %-20s for %s\n", string_in(item->value, "name", ""),
                      string_in(item->value, "target", ""));
}

static void print_configure(FILE *out, const tbk_value *result)
{
    for (const tbk_member *item = items_of(result, "items"); item != NULL; item = item->next)
        (void)fprintf(out, "  %-19s %s\n", string_in(item->value, "state", ""),
                      string_in(item->value, "target", ""));
    const char *outcome = !true_in(result, "complete") ? "NOT finished"
                          : true_in(result, "dry_run") ? "Nothing was changed (dry run)"
                          : true_in(result, "changed") ? "The backup is configured"
                                                       : "Already in place: nothing to change";
    (void)fprintf(out, "%s on %s.\n", outcome, string_in(result, "host", ""));
    print_schedule(out, result);
}

static void print_verify(FILE *out, const tbk_value *result)
{
    (void)fprintf(out, "Verification of '%s' on %s at %s\n\n", string_in(result, "environment", ""),
                  string_in(result, "host", ""), string_in(result, "at", ""));
    for (const tbk_member *item = items_of(result, "checks"); item != NULL; item = item->next)
        (void)fprintf(out, "  %-8s %-22s %s\n", string_in(item->value, "state", ""),
                      string_in(item->value, "name", ""), string_in(item->value, "detail", ""));
    (void)fprintf(out, "\n%s\n",
                  true_in(result, "proved") ? "Everything is proved."
                                            : "NOT everything is proved.");
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
                  string_in(run, "run", "?"), string_in(run, "time", "?"),
                  integer_in(run, "exit_status"));
    if (tbk_value_find(run, "set") != NULL)
        (void)fprintf(out, "Set:        %s\n", string_in(run, "set", "none"));
    if (tbk_value_find(run, "profile") != NULL)
        (void)fprintf(out, "Profile:    %s\n", string_in(run, "profile", ""));
    if (tbk_value_find(run, "method") != NULL)
        (void)fprintf(out, "Method:     %s\n", string_in(run, "method", ""));
    if (string_in(run, "method_reason", "")[0] != '\0')
        (void)fprintf(out, "            not %s\n", string_in(run, "method_reason", ""));
    (void)fprintf(out, "Held:       %" PRId64 " ms of %" PRId64 " ms\n", integer_in(run, "held_ms"),
                  integer_in(run, "duration_ms"));
    if (tbk_value_find(run, "error.message") != NULL)
        (void)fprintf(out, "Error:      %s\n", string_in(run, "error.message", ""));
}

static void print_run(FILE *out, const tbk_value *result)
{
    print_last_run(out, tbk_value_find(result, "run"));
}

static void print_restore(FILE *out, const tbk_value *result)
{
    const tbk_value *removed = tbk_value_find(result, "removed");
    const tbk_value *rows = tbk_value_find(result, "rows");

    for (const tbk_member *name = items_of(result, "removed"); name != NULL; name = name->next)
        (void)fprintf(out, "Removed:    %s\n", name->value->string);
    if (removed != NULL && removed->first == NULL)
        (void)fprintf(out, "There was nothing to remove.\n");
    if (tbk_value_find(result, "set") == NULL)
        return;
    (void)fprintf(out, "Set:        %s\n", string_in(result, "set", "none"));
    for (const tbk_member *table = rows != NULL ? rows->first : NULL; table != NULL;
         table = table->next)
        (void)fprintf(out, "Rows:       %s: %" PRId64 "\n", table->key, table->value->integer);
    if (tbk_value_find(result, "dry_run")->boolean) {
        (void)fprintf(out,
                      "Dry run: it was restored beside the real database and is right; nothing "
                      "was changed.\n");
        return;
    }
    (void)fprintf(out, "Held:       %" PRId64 " ms\n", integer_in(result, "held_ms"));
    (void)fprintf(out, "Before:     %s\n", string_in(result, "kept", "nothing is kept"));
    (void)fprintf(out, "Tracker:    %s\n", string_in(result, "tracker", "not waited for"));
}

/* What keeps a set from being the latest stands where its proof would. */
static const char *state_of(const tbk_value *set)
{
    const char *damage = string_in(set, "damage", NULL);

    if (damage != NULL)
        return damage;
    return true_in(set, "from_future") ? "from the future: the clock went back"
                                       : string_in(set, "proof", "none");
}

static void print_list(FILE *out, const tbk_value *result)
{
    const tbk_member *item = items_of(result, "sets");

    if (item == NULL) {
        (void)fprintf(out, "There is no backup set yet.\n");
        return;
    }
    (void)fprintf(out, "%-17s %-9s %-8s %9s %9s %9s  %s\n", "SET", "PROFILE", "METHOD", "DATABASE",
                  "STORED", "HELD MS", "PROOF");
    for (; item != NULL; item = item->next) {
        char raw[TBK_SIZE_TEXT];
        char stored[TBK_SIZE_TEXT];
        tbk_console_size((uint64_t)integer_in(item->value, "raw_bytes"), raw);
        tbk_console_size((uint64_t)integer_in(item->value, "stored_bytes"), stored);
        (void)fprintf(out, "%-17s %-9s %-8s %9s %9s %9" PRId64 "  %s\n",
                      string_in(item->value, "id", ""), string_in(item->value, "profile", "-"),
                      string_in(item->value, "method", "-"), raw, stored,
                      integer_in(item->value, "held_ms"), state_of(item->value));
    }
}

static void print_acknowledged(FILE *out, const tbk_value *result)
{
    const tbk_member *item = items_of(result, "acknowledged");

    (void)fprintf(out, "%s\n",
                  item != NULL ? "From the next run on, older sets are pruned again."
                               : "There was nothing to acknowledge.");
    for (; item != NULL; item = item->next)
        (void)fprintf(out, "  %s\n", string_in(item->value, "reason", ""));
}

static void print_status(FILE *out, const tbk_value *result)
{
    (void)fprintf(out, "Health:     %s\n", string_in(result, "health", ""));
    for (const tbk_member *item = items_of(result, "problems"); item != NULL; item = item->next)
        (void)fprintf(out, "  problem:  %s\n", item->value->string);
    const char *state = string_in(result, "tracker.state", "");
    const char *health = string_in(result, "tracker.health", "");
    (void)fprintf(out, "Tracker:    %s%s%s%s\n", state[0] != '\0' ? state : "not found",
                  health[0] != '\0' ? ", " : "", health,
                  true_in(result, "held") ? " (held by a backup)" : "");
    if (tbk_value_find(result, "sidecar") != NULL)
        (void)fprintf(out, "Sidecar:    %s%s%s\n", string_in(result, "sidecar.state", "not found"),
                      string_in(result, "sidecar.health", "")[0] != '\0' ? ", " : "",
                      string_in(result, "sidecar.health", ""));
    if (true_in(result, "backup_runs"))
        (void)fprintf(out, "Now:        a backup is under way\n");
    print_last_run(out, tbk_value_find(result, "last_run"));
    if (integer_in(result, "last_run.exit_status") != 0)
        (void)fprintf(out, "Last good:  %s\n",
                      string_in(result, "last_run.last_success_set", "none"));
    if (tbk_value_find(result, "store_free_bytes") != NULL)
        print_bytes(out, "Store free: ", integer_in(result, "store_free_bytes"));
    print_schedule(out, result);
}

static bool is_in_place(const tbk_value *item)
{
    return strcmp(string_in(item, "state", ""), "in place") == 0;
}

/* A new file is all new, and 'render' shows it: of those no difference is printed. */
static void print_differences(FILE *out, const tbk_value *result)
{
    for (const tbk_member *item = items_of(result, "items"); item != NULL; item = item->next)
        if (strcmp(string_in(item->value, "state", ""), "change") == 0 &&
            tbk_value_find(item->value, "diff") != NULL)
            (void)fprintf(out, "\n%s", string_in(item->value, "diff", ""));
}

static void print_changes(FILE *out, const tbk_value *result)
{
    int in_place = 0;

    for (const tbk_member *item = items_of(result, "items"); item != NULL; item = item->next) {
        const char *detail = string_in(item->value, "detail", "");
        if (is_in_place(item->value))
            in_place++;
        else
            (void)fprintf(out, "  %-6s  %-*s%s\n", string_in(item->value, "state", ""),
                          detail[0] != '\0' ? 36 : 0, string_in(item->value, "target", ""), detail);
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
                      string_in(result, "no_forecast", "not known"));
        return;
    }
    (void)fprintf(out, "Forecast of a backup%s:\n",
                  integer_in(result, "changes") > 0 ? ", from what is installed now" : "");
    tbk_forecast_print(out, forecast);
}

static void print_plan(FILE *out, const tbk_value *result)
{
    int64_t changes = integer_in(result, "changes");

    (void)fprintf(out, "Plan for '%s' on %s:\n\n", string_in(result, "environment", ""),
                  string_in(result, "host", ""));
    print_changes(out, result);
    if (changes == 0)
        (void)fprintf(out, "\nNothing to change.\n");
    else
        (void)fprintf(out, "\n%" PRId64 " to change: torrust-backup configure %s\n", changes,
                      string_in(result, "environment", ""));
    print_lines(out, "Remarks:", result, "remarks");
    (void)fputc('\n', out);
    print_forecast(out, result);
}

static void print_version(FILE *out, const tbk_value *result)
{
    (void)fprintf(out, "torrust-backup %s (plugin interface %" PRId64 ")\n",
                  string_in(result, "version", "?"), integer_in(result, "abi_version"));
}

void cli_print_result(FILE *out, const char *command, const tbk_value *result)
{
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
                    {"status", print_status},
                    {"version", print_version},
                    {"acknowledge", print_acknowledged}};

    for (size_t i = 0; i < sizeof printers / sizeof printers[0]; i++)
        if (strcmp(printers[i].command, command) == 0)
            printers[i].print(out, result);
}

void cli_print_error(FILE *out, const tbk_error_v1 *error)
{
    (void)fprintf(out, "Error: %s\n", error->message);
    if (error->step[0] != '\0')
        (void)fprintf(out, "While: %s\n", error->step);
    if (error->tip[0] != '\0')
        (void)fprintf(out, "Fix:   %s\n", error->tip);
    if (error->help[0] != '\0')
        (void)fprintf(out, "\nFor detailed troubleshooting:\n%s\n", error->help);
}
