/* SPDX-License-Identifier: MIT */
/*
 * Growable text. `tbk_text text = {0}` is valid and empty; tbk_text_end wipes and frees it.
 * Invariant: bytes is NULL or holds length bytes and a NUL behind them.
 */
#ifndef TBK_BASE_TEXT_H
#define TBK_BASE_TEXT_H

#include "base/error.h"

#include <stddef.h>

typedef struct tbk_text {
    char *bytes;
    size_t length;
    size_t capacity;
} tbk_text;

void tbk_text_end(tbk_text *text);
#define tbk_auto_text __attribute__((cleanup(tbk_text_end))) tbk_text

/* The text as a C string, "" when it is empty; valid until the next change. */
const char *tbk_text_string(const tbk_text *text);
void tbk_text_clear(tbk_text *text);
void tbk_text_append(tbk_text *text, const char *string);
void tbk_text_append_bytes(tbk_text *text, const char *bytes, size_t length);
void tbk_text_append_char(tbk_text *text, char character);
void tbk_text_format(tbk_text *text, const char *format, ...) TBK_PRINTF(2, 3); /* appends */

/* Appends the string in single quotes, as one word for a POSIX shell. */
void tbk_text_append_shell_word(tbk_text *text, const char *word);

/* The length of the UTF-8 character at the start of at least one byte; 0 when it is not valid. */
size_t tbk_text_utf8_step(const char *text, size_t length);
/* Whether the bytes are valid UTF-8 (no overlong forms, no surrogates). */
bool tbk_text_is_utf8(const char *bytes, size_t length);

bool tbk_text_starts_with(const char *text, const char *prefix);
bool tbk_text_ends_with(const char *text, const char *suffix);

#endif
