/* SPDX-License-Identifier: MIT */
/* Writes a forecast: what a run would do, what it costs the tracker, and what would be better. */
#include "entry/text_forecast.h"

#include "adapters/console.h"

#include <inttypes.h>
#include <string.h>

static void print_held(FILE *out, const tbk_value *forecast)
{
    char bytes[TBK_SIZE_TEXT], rate[TBK_SIZE_TEXT];
    int64_t held_ms = tbk_value_integer_at(forecast, "expected_held_ms");
    if (tbk_value_find(forecast, "expected_held_ms") == NULL) {
        (void)fprintf(out, "Held:       for one copy of the database; no forecast: %s\n",
                      tbk_value_text_at(forecast, "measured.not_measured", ""));
        return;
    }
    if (held_ms == 0) {
        (void)fputs("Held:       never\n", out);
        return;
    }
    if (tbk_value_integer_at(forecast, "copy_bytes_per_second") == 0) {
        (void)fprintf(out,
                      "Held:       for an instant, at most %.1f s: clients commit all the time\n",
                      (double)held_ms / 1000);
        return;
    }
    tbk_console_size(tbk_value_bytes_at(forecast, "copy_bytes"), bytes);
    tbk_console_size(tbk_value_bytes_at(forecast, "copy_bytes_per_second"), rate);
    (void)fprintf(out, "Held:       about %.1f s in each backup: %s at %s/s\n",
                  (double)held_ms / 1000, bytes, rate);
    tbk_console_size(tbk_value_bytes_at(forecast, "measured.bytes"), bytes);
    (void)fprintf(out, "            measured with %s: %s, %s\n", bytes,
                  tbk_value_true_at(forecast, "measured.from_disk") ? "read from the disk"
                                                                    : "some of it was in memory",
                  tbk_value_true_at(forecast, "measured.to_disk") ? "written through"
                                                                  : "not synced");
}

static void print_space(FILE *out, const tbk_value *forecast)
{
    char needed[TBK_SIZE_TEXT], available[TBK_SIZE_TEXT];
    tbk_console_size(tbk_value_bytes_at(forecast, "needed_bytes"), needed);
    tbk_console_size(tbk_value_bytes_at(forecast, "free_bytes"), available);
    (void)fprintf(out, "Space:      about %s needed, %s free\n", needed, available);
}

static void print_methods(FILE *out, const tbk_value *forecast)
{
    const char *title = "Methods:";
    for (const tbk_member *item = tbk_value_members_at(forecast, "rungs"); item != NULL;
         item = item->next) {
        bool possible = tbk_value_true_at(item->value, "possible");
        (void)fprintf(out, "%-11s %-8s %s%s%s\n", title,
                      tbk_value_text_at(item->value, "method", ""), possible ? "possible" : "no",
                      possible ? "" : ": ", tbk_value_text_at(item->value, "reason", ""));
        title = "";
    }
}

static void print_advice(FILE *out, const tbk_value *forecast)
{
    const char *title = "Better:";
    for (const tbk_member *item = tbk_value_members_at(forecast, "advice"); item != NULL;
         item = item->next) {
        if (item->value->type == TBK_VALUE_STRING)
            (void)fprintf(out, "%-11s %s\n", title, item->value->string);
        title = "";
    }
}

static void print_database(FILE *out, const tbk_value *forecast)
{
    char bytes[TBK_SIZE_TEXT];
    tbk_console_size(tbk_value_bytes_at(forecast, "database.bytes"), bytes);
    if (tbk_value_find(forecast, "database.server") != NULL)
        (void)fprintf(out, "Database:   %s, %s %s, %" PRId64 " tables\n", bytes,
                      tbk_value_text_at(forecast, "database.server", ""),
                      tbk_value_text_at(forecast, "database.version", ""),
                      tbk_value_integer_at(forecast, "database.tables"));
    else
        (void)fprintf(out, "Database:   %s, %s\n", bytes,
                      strcmp(tbk_value_text_at(forecast, "database.journal_mode", ""), "wal") == 0
                          ? "write-ahead log"
                          : "rollback journal");
}

void tbk_forecast_print(FILE *out, const tbk_value *forecast)
{
    print_database(out, forecast);
    (void)fprintf(out, "Method:     %s (configured: %s)\n",
                  tbk_value_text_at(forecast, "method", ""),
                  tbk_value_text_at(forecast, "configured_method", ""));
    print_held(out, forecast);
    print_space(out, forecast);
    print_methods(out, forecast);
    print_advice(out, forecast);
}
