/* SPDX-License-Identifier: MIT */
/* Writes what a restore puts back. */
#include "entry/text_restored.h"

#include <inttypes.h>
#include <string.h>

void tbk_texts_print(FILE *out, const char *label, const tbk_member *members)
{
    for (; members != NULL; members = members->next)
        if (members->value->type == TBK_VALUE_STRING)
            (void)fprintf(out, "%-11s %s\n", label, members->value->string);
}

static void print_rows(FILE *out, const char *label, const tbk_member *tables)
{
    for (; tables != NULL; tables = tables->next)
        if (tables->key != NULL && tables->value->type == TBK_VALUE_INTEGER)
            (void)fprintf(out, "%-11s %s: %" PRId64 "\n", label, tables->key,
                          tables->value->integer);
}

void tbk_restored_print(FILE *out, const tbk_value *result)
{
    const char *profile = tbk_value_text_at(result, "profile", "full");
    (void)fprintf(out, "%-11s %s\n", "Set:", tbk_value_text_at(result, "set", "none"));
    (void)fprintf(out, "%-11s %s\n", "Profile:", profile);
    print_rows(out, "Rows:", tbk_value_members_at(result, "rows"));
    if (strcmp(profile, "full") == 0)
        return;
    print_rows(out, "Left out:", tbk_value_members_at(result, "left_out"));
    (void)fprintf(out, "%-11s %s\n",
                  "Full set:", tbk_value_text_at(result, "newest_full_set", "there is none"));
}
