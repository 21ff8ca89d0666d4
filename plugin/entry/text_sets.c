/* SPDX-License-Identifier: MIT */
/* Writes the list of sets as a table, and what a set was unpacked to. */
#include "entry/text_sets.h"

#include "adapters/console.h"

#include <inttypes.h>

/* What keeps a set from being the latest stands where its proof would. */
static const char *state_of(const tbk_value *set)
{
    const char *proof = tbk_value_true_at(set, "from_future")
                            ? "from the future: the clock went back"
                            : tbk_value_text_at(set, "proof", "none");
    return tbk_value_text_at(set, "damage", tbk_value_text_at(set, "other_database", proof));
}

static void print_set(FILE *out, const tbk_value *set)
{
    char raw[TBK_SIZE_TEXT], stored[TBK_SIZE_TEXT];
    tbk_console_size(tbk_value_bytes_at(set, "raw_bytes"), raw);
    tbk_console_size(tbk_value_bytes_at(set, "stored_bytes"), stored);
    const char *offsite = tbk_value_text_at(set, "offsite", NULL);
    (void)fprintf(out, "%-17s %-9s %-8s %9s %9s %9" PRId64 "  %s%s%s\n",
                  tbk_value_text_at(set, "id", ""), tbk_value_text_at(set, "profile", "-"),
                  tbk_value_text_at(set, "method", "-"), raw, stored,
                  tbk_value_integer_at(set, "held_ms"), state_of(set), offsite != NULL ? ", " : "",
                  offsite != NULL ? offsite : "");
}

void tbk_sets_print(FILE *out, const tbk_member *sets)
{
    (void)fprintf(out, "%-17s %-9s %-8s %9s %9s %9s  %s\n", "SET", "PROFILE", "METHOD", "DATABASE",
                  "STORED", "HELD MS", "PROOF");
    for (; sets != NULL; sets = sets->next)
        print_set(out, sets->value);
}

void tbk_extracted_print(FILE *out, const tbk_value *result)
{
    char size[TBK_SIZE_TEXT];
    (void)fprintf(out, "Set:        %s\n", tbk_value_text_at(result, "set", "-"));
    (void)fprintf(out, "Folder:     %s\n", tbk_value_text_at(result, "path", "-"));
    for (const tbk_member *file = tbk_value_members_at(result, "files"); file != NULL;
         file = file->next) {
        tbk_console_size(tbk_value_bytes_at(file->value, "bytes"), size);
        (void)fprintf(out, "  %-20s %9s\n", tbk_value_text_at(file->value, "name", "-"), size);
    }
}
