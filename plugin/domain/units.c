/* SPDX-License-Identifier: MIT */
/* Judges numbers by the units in their names. */
#include "domain/units.h"

#include "base/clock.h"
#include "base/text.h"

#define NO_UNIT (-1)

static int64_t most_of(const char *key)
{
    static const struct {
        const char *ending;
        int64_t most;
    } units[] = {{"_s", TBK_CLOCK_LAST_S},
                 {"_ms", TBK_CLOCK_LAST_S},
                 {"bytes", INT64_MAX},
                 {"exit_status", 255}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (tbk_text_ends_with(key, units[i].ending))
            return units[i].most;
    return NO_UNIT;
}

bool tbk_units_allow(const char *key, int64_t number)
{
    int64_t most = most_of(key);
    return most == NO_UNIT || (number >= 0 && number <= most);
}

static bool check_number(const char *key, const tbk_value *value, tbk_error *err)
{
    if (tbk_units_allow(key, value->integer))
        return true;
    return tbk_value_fail(value, err, NULL, "'%.64s' is %lld; it must be from 0 to %lld", key,
                          (long long)value->integer, (long long)most_of(key));
}

bool tbk_units_check(const tbk_value *document, tbk_error *err)
{
    for (const tbk_member *member = document->first; member != NULL; member = member->next) {
        const tbk_value *value = member->value;
        if (value->type == TBK_VALUE_INTEGER && member->key != NULL &&
            !check_number(member->key, value, err))
            return false;
        if (!tbk_units_check(value, err))
            return false;
    }
    return true;
}
