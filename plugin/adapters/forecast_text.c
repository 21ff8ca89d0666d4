/* SPDX-License-Identifier: MIT */
/* Writes a forecast: what a run would do, what it costs the tracker, and what would be better. */
#include "adapters/forecast_text.h"

#include "adapters/console.h"

#include <inttypes.h>
#include <string.h>

static const char *text_in(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);
    return found != NULL && found->type == TBK_VALUE_STRING ? found->string : "";
}

static int64_t number_in(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);
    return found != NULL && found->type == TBK_VALUE_INTEGER ? found->integer : 0;
}

static bool is_true(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);
    return found != NULL && found->type == TBK_VALUE_BOOL && found->boolean;
}

static const tbk_member *items_of(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);
    return found != NULL ? found->first : NULL;
}

static void print_held(FILE *out, const tbk_value *forecast)
{
    char bytes[TBK_SIZE_TEXT], rate[TBK_SIZE_TEXT];
    const tbk_value *held = tbk_value_find(forecast, "expected_held_ms");
    if (held == NULL) {
        (void)fprintf(out, "Held:       for one copy of the database; not foretold: %s\n",
                      text_in(forecast, "measured.not_measured"));
        return;
    }
    if (held->integer == 0) {
        (void)fputs("Held:       never\n", out);
        return;
    }
    if (number_in(forecast, "copy_bytes_per_second") == 0) {
        (void)fprintf(out,
                      "Held:       for an instant, at most %.1f s: somebody commits all the time\n",
                      (double)held->integer / 1000);
        return;
    }
    tbk_console_size((uint64_t)number_in(forecast, "copy_bytes"), bytes);
    tbk_console_size((uint64_t)number_in(forecast, "copy_bytes_per_second"), rate);
    (void)fprintf(out, "Held:       about %.1f s in each backup: %s at %s/s\n",
                  (double)held->integer / 1000, bytes, rate);
    tbk_console_size((uint64_t)number_in(forecast, "measured.bytes"), bytes);
    (void)fprintf(out, "            measured with %s: %s, %s\n", bytes,
                  is_true(forecast, "measured.from_disk") ? "read from the disk"
                                                          : "some of it was in memory",
                  is_true(forecast, "measured.to_disk") ? "written through" : "not synced");
}

static void print_room(FILE *out, const tbk_value *forecast)
{
    char needed[TBK_SIZE_TEXT], available[TBK_SIZE_TEXT];
    tbk_console_size((uint64_t)number_in(forecast, "needed_bytes"), needed);
    tbk_console_size((uint64_t)number_in(forecast, "free_bytes"), available);
    (void)fprintf(out, "Room:       about %s needed, %s free\n", needed, available);
}

static void print_rungs(FILE *out, const tbk_value *forecast)
{
    const char *title = "Methods:";
    for (const tbk_member *item = items_of(forecast, "rungs"); item != NULL; item = item->next) {
        bool possible = is_true(item->value, "possible");
        (void)fprintf(out, "%-11s %-8s %s%s%s\n", title, text_in(item->value, "method"),
                      possible ? "possible" : "no", possible ? "" : ": ",
                      text_in(item->value, "reason"));
        title = "";
    }
}

static void print_advice(FILE *out, const tbk_value *forecast)
{
    const char *title = "Better:";
    for (const tbk_member *item = items_of(forecast, "advice"); item != NULL; item = item->next) {
        (void)fprintf(out, "%-11s %s\n", title, item->value->string);
        title = "";
    }
}

static void print_database(FILE *out, const tbk_value *forecast)
{
    char bytes[TBK_SIZE_TEXT];
    tbk_console_size((uint64_t)number_in(forecast, "database.bytes"), bytes);
    if (tbk_value_find(forecast, "database.server") != NULL)
        (void)fprintf(out, "Database:   %s, %s %s, %" PRId64 " tables\n", bytes,
                      text_in(forecast, "database.server"), text_in(forecast, "database.version"),
                      number_in(forecast, "database.tables"));
    else
        (void)fprintf(out, "Database:   %s, %s\n", bytes,
                      strcmp(text_in(forecast, "database.journal_mode"), "wal") == 0
                          ? "write-ahead log"
                          : "rollback journal");
}

void tbk_forecast_print(FILE *out, const tbk_value *forecast)
{
    print_database(out, forecast);
    (void)fprintf(out, "Method:     %s (configured: %s)\n", text_in(forecast, "method"),
                  text_in(forecast, "configured_method"));
    print_held(out, forecast);
    print_room(out, forecast);
    print_rungs(out, forecast);
    print_advice(out, forecast);
}
