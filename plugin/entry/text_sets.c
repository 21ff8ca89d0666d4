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

static void print_head(FILE *out)
{
    (void)fprintf(out, "%-17s %-9s %-8s %9s %9s %9s  %s\n", "SET", "PROFILE", "METHOD", "DATABASE",
                  "STORED", "HELD MS", "PROOF");
}

void tbk_sets_print(FILE *out, const tbk_member *sets)
{
    print_head(out);
    for (; sets != NULL; sets = sets->next)
        print_set(out, sets->value);
}

/* --- of several environments --- */

#define ENVIRONMENT_COLUMN "%-20s "

void tbk_sets_print_with_environment(FILE *out, const tbk_member *sets)
{
    (void)fprintf(out, ENVIRONMENT_COLUMN, "ENVIRONMENT");
    print_head(out);
    for (; sets != NULL; sets = sets->next) {
        (void)fprintf(out, ENVIRONMENT_COLUMN, tbk_value_text_at(sets->value, "environment", "-"));
        print_set(out, sets->value);
    }
}

static void print_environment(FILE *out, const tbk_value *environment)
{
    const char *name = tbk_value_text_at(environment, "environment", "-");
    const char *error = tbk_value_text_at(environment, "error.message", NULL);
    const tbk_member *sets = tbk_value_members_at(environment, "sets");
    if (error != NULL)
        (void)fprintf(out, ENVIRONMENT_COLUMN "NOT LISTED: %s\n", name, error);
    else if (sets == NULL)
        (void)fprintf(out, ENVIRONMENT_COLUMN "none\n", name);
    for (; sets != NULL; sets = sets->next) {
        (void)fprintf(out, ENVIRONMENT_COLUMN, name);
        print_set(out, sets->value);
    }
}

void tbk_environments_print(FILE *out, const tbk_member *environments)
{
    if (environments == NULL) {
        (void)fputs("No environment here has a backup.\n", out);
        return;
    }
    (void)fprintf(out, ENVIRONMENT_COLUMN, "ENVIRONMENT");
    print_head(out);
    for (; environments != NULL; environments = environments->next)
        print_environment(out, environments->value);
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
