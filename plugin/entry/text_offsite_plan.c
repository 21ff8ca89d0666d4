/* SPDX-License-Identifier: MIT */
/* Writes where sets go, whether it answers, and what it costs; a number with how well it is known.
 */
#include "entry/text_offsite_plan.h"

#include "adapters/console.h"

#include <inttypes.h>
#include <string.h>

#define TEXT_SIZE 64

/* "1.5 GB", "about 1.5 GB (estimated)", "unknown" */
static const char *size_of(const tbk_value *map, const char *key, const char *basis,
                           char out[TEXT_SIZE])
{
    char size[TBK_SIZE_TEXT];
    bool is_estimated = strcmp(basis, "estimated") == 0;
    if (tbk_value_find(map, key) == NULL)
        return "unknown";
    tbk_console_size(tbk_value_bytes_at(map, key), size);
    (void)snprintf(out, TEXT_SIZE, "%s%s%s", is_estimated ? "about " : "", size,
                   is_estimated ? " (estimated)" : "");
    return out;
}

static void print_duration(FILE *out, int64_t duration_s)
{
    if (duration_s < 120)
        (void)fprintf(out, "%" PRId64 " s", duration_s);
    else if (duration_s < 2 * 3600)
        (void)fprintf(out, "%" PRId64 " min", duration_s / 60);
    else
        (void)fprintf(out, "%" PRId64 " h", duration_s / 3600);
}

static void print_answer(FILE *out, const tbk_value *offsite)
{
    const char *why = tbk_value_text_at(offsite, "why", "");
    if (tbk_value_find(offsite, "answers") == NULL)
        (void)fprintf(out, "Answers:    not known: %s\n", why);
    else if (!tbk_value_true_at(offsite, "answers"))
        (void)fprintf(out, "Answers:    NO: %s\n", why);
    else
        (void)fprintf(out, "Answers:    yes; sets of that name there: %" PRId64 "\n",
                      tbk_value_integer_at(offsite, "sets"));
}

static void print_flow(FILE *out, const char *label, const tbk_value *flow)
{
    char size[TEXT_SIZE];
    if (flow == NULL)
        return;
    (void)fprintf(out, "%s%s each", label,
                  size_of(flow, "set_bytes", tbk_value_text_at(flow, "basis", ""), size));
    if (tbk_value_find(flow, "sets_a_year") != NULL)
        (void)fprintf(out, ", %" PRId64 " a year", tbk_value_integer_at(flow, "sets_a_year"));
    (void)fputs("\n", out);
}

/* How long it takes, and how that is known. */
static void print_time(FILE *out, const tbk_value *offsite)
{
    char rate[TBK_SIZE_TEXT];
    bool is_limit = strcmp(tbk_value_text_at(offsite, "rate_basis", ""), "limit") == 0;
    if (tbk_value_find(offsite, "next.duration_s") == NULL) {
        (void)fputs("; time unknown: ", out);
        (void)fputs(tbk_value_find(offsite, "next.upload_bytes") == NULL
                        ? "no set was made yet\n"
                        : "nothing large enough was sent yet\n",
                    out);
        return;
    }
    tbk_console_size(tbk_value_bytes_at(offsite, "bytes_per_second"), rate);
    (void)fputs(is_limit ? ", at least " : ", about ", out);
    print_duration(out, tbk_value_integer_at(offsite, "next.duration_s"));
    (void)fprintf(out, " at %s/s (%s)\n", rate,
                  is_limit ? "limit_upload_kib" : "as the last upload");
}

static void print_next(FILE *out, const tbk_value *offsite)
{
    char size[TEXT_SIZE];
    int64_t waiting = tbk_value_integer_at(offsite, "next.waiting");
    (void)fputs(tbk_value_true_at(offsite, "next.is_first") ? "First:      " : "Next:       ", out);
    if (waiting > 0)
        (void)fprintf(out, "%" PRId64 " %s, ", waiting, waiting == 1 ? "set" : "sets");
    (void)fputs(
        size_of(offsite, "next.upload_bytes", tbk_value_text_at(offsite, "next.basis", ""), size),
        out);
    print_time(out, offsite);
}

/* Both follow from the sizes of sets. */
static const char *basis_of(const tbk_value *offsite)
{
    bool is_estimated = strcmp(tbk_value_text_at(offsite, "full.basis", ""), "estimated") == 0 ||
                        strcmp(tbk_value_text_at(offsite, "essential.basis", ""), "estimated") == 0;
    return is_estimated ? "estimated" : "measured";
}

static void print_costs(FILE *out, const tbk_value *offsite)
{
    char day[TEXT_SIZE], month[TEXT_SIZE], kept[TEXT_SIZE];
    const char *basis = basis_of(offsite);
    int64_t copies = tbk_value_integer_at(offsite, "full.kept") +
                     tbk_value_integer_at(offsite, "essential.kept");
    (void)fprintf(out, "Traffic:    a day %s, a month %s\n",
                  size_of(offsite, "day_bytes", basis, day),
                  size_of(offsite, "month_bytes", basis, month));
    if (tbk_value_true_at(offsite, "append_only"))
        (void)fprintf(out, "Repository: grows by each upload: nothing is removed from here\n");
    else if (tbk_value_find(offsite, "kept_bytes") == NULL)
        (void)fprintf(out, "Repository: its size is unknown\n");
    else
        (void)fprintf(out, "Repository: grows to %s, with %" PRId64 " copies\n",
                      size_of(offsite, "kept_bytes", basis, kept), copies);
}

void tbk_offsite_plan_print(FILE *out, const tbk_value *offsite)
{
    (void)fprintf(out, "Off-site, as '%s': %s\n", tbk_value_text_at(offsite, "name", ""),
                  tbk_value_text_at(offsite, "repository", ""));
    print_answer(out, offsite);
    print_flow(out, "Full:       ", tbk_value_find(offsite, "full"));
    print_flow(out, "Essential:  ", tbk_value_find(offsite, "essential"));
    if (tbk_value_find(offsite, "full") == NULL && tbk_value_find(offsite, "essential") == NULL) {
        (void)fprintf(out, "Nothing goes: no schedule makes sets that are taken (take: %s)\n",
                      tbk_value_text_at(offsite, "take", ""));
        return;
    }
    print_next(out, offsite);
    print_costs(out, offsite);
}
