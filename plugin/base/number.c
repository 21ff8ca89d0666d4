/* SPDX-License-Identifier: MIT */
/* Real numbers as text, by the C library under its own "C" locale, for this thread only. */
#include "base/number.h"

#include "base/memory.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool tbk_number_parse_whole(const char *text, int64_t least, int64_t most, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || digits[count] != '\0')
        return false;
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno == ERANGE || number < least || number > most)
        return false;
    *out = number;
    return true;
}
