/* SPDX-License-Identifier: MIT */
/* Numbers as text; real ones with a dot whatever decimal point the host's locale has. */
#ifndef TBK_BASE_NUMBER_H
#define TBK_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#define TBK_NUMBER_TEXT_SIZE 344 /* any precision of %g, as the compiler counts */

/* The number at the start of the text, 0 when there is none. */
double tbk_number_parse(const char *text);
/* The shortest of the forms that read back as the same number; it must be finite. */
void tbk_number_format(double number, char out[TBK_NUMBER_TEXT_SIZE]);

/* The whole decimal number that is all of the text, with or without a sign. False when it is none,
 * or not between least and most; then *out stays as it is. */
bool tbk_number_parse_whole(const char *text, int64_t least, int64_t most, int64_t *out);

#endif
