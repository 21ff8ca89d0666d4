/* SPDX-License-Identifier: MIT */
/* Real numbers as text, by the C library under its own "C" locale, for this thread only. */
#include "base/number.h"

#include "base/memory.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t plain_locale(void)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    tbk_memory_must(plain != (locale_t)0);
    return plain;
}

double tbk_number_parse(const char *text)
{
    locale_t plain = plain_locale();
    double number = strtod_l(text, NULL, plain);
    freelocale(plain);
    return number;
}

void tbk_number_format(double number, char out[TBK_NUMBER_TEXT_SIZE])
{
    locale_t plain = plain_locale();
    locale_t before = uselocale(plain);
    int precision = 15; /* 17 digits tell any two numbers apart, so this ends */
    do
        (void)snprintf(out, TBK_NUMBER_TEXT_SIZE, "%.*g", precision++, number);
    while (strtod(out, NULL) != number);
    (void)uselocale(before);
    freelocale(plain);
}
