/* SPDX-License-Identifier: MIT */
/* Names of values: from value to name, from name to value, and as a list in an error. */
#include "base/names.h"

#include <string.h>

const char *tbk_names_of(const tbk_names *names, unsigned value) { return names->list[value]; }

unsigned tbk_names_all(const tbk_names *names)
{
    return ((1u << names->count) - 1) & ~((1u << names->first) - 1);
}

void tbk_names_append(tbk_text *out, const tbk_names *names, unsigned values, const char *quote,
                      const char *last)
{
    const char *separator = "";

    for (unsigned value = 0; values >> value != 0; value++) {
        if ((values >> value & 1u) == 0)
            continue;
        bool is_last = values >> value == 1u;
        tbk_text_format(out, "%s%s%s%s", is_last && separator[0] != '\0' ? last : separator, quote,
                        names->list[value], quote);
        separator = ", ";
    }
}

static bool fail_unknown(const tbk_names *names, const char *name, tbk_error *err)
{
    tbk_error_code code = names->code != TBK_E_OK ? names->code : TBK_E_CONFIG;
    tbk_auto_text fix = {0};
    tbk_auto_text known = {0};

    tbk_text_append(&fix, "write ");
    tbk_names_append(&fix, names, tbk_names_all(names), "", " or ");
    tbk_names_append(&known, names, tbk_names_all(names), "", ", ");
    const char *best_fix = names->fix != NULL ? names->fix : tbk_text_string(&fix);
    if (names->what == NULL)
        return tbk_fail(err, code, best_fix, "'%.100s' is unknown here; known are: %s", name,
                        tbk_text_string(&known));
    return tbk_fail(err, code, best_fix, "the %s '%.100s' is unknown; known are: %s", names->what,
                    name, tbk_text_string(&known));
}

bool tbk_names_parse(const tbk_names *names, const char *name, unsigned *out, tbk_error *err)
{
    for (unsigned value = names->first; value < names->count; value++)
        if (strcmp(names->list[value], name) == 0) {
            *out = value;
            return true;
        }
    return fail_unknown(names, name, err);
}
