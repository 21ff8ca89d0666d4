/* SPDX-License-Identifier: MIT */
/* Writes the copies off-site as a table, what a drill has proved, and the line of `status`. */
#include "entry/text_offsite.h"

#include "base/clock.h"

#include <inttypes.h>

static void print_time(FILE *out, const char *before, int64_t time_s)
{
    char text[TBK_CLOCK_TEXT_SIZE];
    if (time_s > 0 && time_s <= TBK_CLOCK_LAST_S) {
        tbk_clock_format(time_s, text);
        (void)fprintf(out, "%s%s", before, text);
    }
}

/* --- the result of an action --- */

static void print_copies(FILE *out, const tbk_value *result)
{
    const tbk_member *item = tbk_value_members_at(result, "sets");
    (void)fprintf(out, "Repository: %s\n", tbk_value_text_at(result, "repository", "-"));
    if (item == NULL)
        (void)fprintf(out, "There is no set off-site yet.\n");
    for (; item != NULL; item = item->next) {
        const char *damage = tbk_value_text_at(item->value, "damage", NULL);
        (void)fprintf(out, "  %-17s %-10s %-12s %s", tbk_value_text_at(item->value, "id", "-"),
                      tbk_value_text_at(item->value, "profile", "-"),
                      tbk_value_text_at(item->value, "name", "-"),
                      damage != NULL ? damage : tbk_value_text_at(item->value, "level", "-"));
        print_time(out, " since ", tbk_value_integer_at(item->value, "level_s"));
        (void)fputs("\n", out);
    }
}

void tbk_offsite_print(FILE *out, const tbk_value *result)
{
    const char *action = tbk_value_text_at(result, "action", NULL);
    const char *path = tbk_value_text_at(result, "path", NULL);
    const char *shortfall = tbk_value_text_at(result, "shortfall", NULL);
    if (action != NULL)
        (void)fprintf(out, "Done:       %s%s%s\n", action, path != NULL ? ": " : "",
                      path != NULL ? path : "");
    if (tbk_value_find(result, "sets") != NULL)
        print_copies(out, result);
    if (tbk_value_find(result, "level") != NULL)
        (void)fprintf(out, "Proved:     %s, %s\n", tbk_value_text_at(result, "set", "-"),
                      tbk_value_text_at(result, "level", "-"));
    if (shortfall != NULL)
        (void)fprintf(out, "            not restored: %s\n", shortfall);
}

/* --- status --- */

void tbk_offsite_status_print(FILE *out, const tbk_value *offsite)
{
    int64_t waiting = tbk_value_integer_at(offsite, "waiting");
    const char *level = tbk_value_text_at(offsite, "newest_level", NULL);
    if (offsite == NULL)
        return;
    (void)fprintf(out, "Off-site:   %s", tbk_value_text_at(offsite, "newest", "no set yet"));
    if (level != NULL) {
        (void)fprintf(out, " (%s", level);
        print_time(out, " since ", tbk_value_integer_at(offsite, "newest_level_s"));
        (void)fputs(")", out);
    }
    print_time(out, ", checked ", tbk_value_integer_at(offsite, "checked_s"));
    print_time(out, ", read back ", tbk_value_integer_at(offsite, "read_back_s"));
    print_time(out, ", restored ", tbk_value_integer_at(offsite, "restored_s"));
    if (waiting > 0)
        (void)fprintf(out, ", %" PRId64 " to be sent", waiting);
    (void)fputs("\n", out);
}
