/* SPDX-License-Identifier: MIT */
/*
 * Growable text. `tbk_text text = {0}` is valid and empty; tbk_text_end wipes and frees it.
 * Invariant: bytes is NULL or holds length bytes and a NUL after them.
 */
#ifndef TBK_BASE_TEXT_H
#define TBK_BASE_TEXT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

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

/* The character at the start of the text, whose step is not 0; *out_hidden tells that a terminal
 * does something with it rather than show it: a control character (C0, DEL, C1), or one that turns,
 * joins or breaks lines or has no width (the Unicode format characters that are so used). */
uint32_t tbk_text_character(const char *text, size_t step, bool *out_hidden);
/*
 * Appends text that others wrote so that it is seen and does nothing: hidden characters come as
 * \n, \t, \x1b or \u202e, bytes that are no UTF-8 as \xff, the rest as it is. with_lines keeps line
 * breaks and tabs.
 */
void tbk_text_append_visible(tbk_text *text, const char *string, bool with_lines);

bool tbk_text_starts_with(const char *text, const char *prefix);
bool tbk_text_ends_with(const char *text, const char *suffix);

#endif
