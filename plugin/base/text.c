/* SPDX-License-Identifier: MIT */
/* Growable text: appends, quotes for a shell, and knows valid UTF-8. */
#include "base/text.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tbk_text_end(tbk_text *text)
{
    if (text->bytes != NULL) {
        explicit_bzero(text->bytes, text->capacity);
        free(text->bytes);
    }
    *text = (tbk_text){0};
}

/* Makes room for so many more bytes and the NUL. Not realloc: it would leave an unwiped copy. */
static void reserve(tbk_text *text, size_t more)
{
    tbk_memory_must(more < SIZE_MAX / 4);
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return;
    size_t capacity = text->capacity * 2 > needed ? text->capacity * 2 : needed + 32;
    char *bytes = tbk_memory_new(capacity);
    if (text->length > 0)
        memcpy(bytes, text->bytes, text->length);
    size_t length = text->length;
    tbk_text_end(text);
    *text = (tbk_text){.bytes = bytes, .length = length, .capacity = capacity};
}

const char *tbk_text_string(const tbk_text *text) { return text->bytes != NULL ? text->bytes : ""; }

void tbk_text_clear(tbk_text *text)
{
    if (text->bytes != NULL)
        explicit_bzero(text->bytes, text->length);
    text->length = 0;
}

void tbk_text_append(tbk_text *text, const char *string)
{
    tbk_text_append_bytes(text, string, strlen(string));
}

void tbk_text_append_bytes(tbk_text *text, const char *bytes, size_t length)
{
    reserve(text, length);
    if (length > 0)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void tbk_text_append_char(tbk_text *text, char character)
{
    tbk_text_append_bytes(text, &character, 1);
}

void tbk_text_format(tbk_text *text, const char *format, ...)
{
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    tbk_memory_must(length >= 0);
    reserve(text, (size_t)length);
    (void)vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
    va_end(again);
    text->length += (size_t)length;
}

void tbk_text_append_shell_word(tbk_text *text, const char *word)
{
    tbk_text_append_char(text, '\'');
    for (const char *at = word; *at != '\0'; at++) {
        if (*at == '\'')
            tbk_text_append(text, "'\\''");
        else
            tbk_text_append_char(text, *at);
    }
    tbk_text_append_char(text, '\'');
}

size_t tbk_text_utf8_step(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    /* Table 3-7 of the Unicode standard: only the second byte has narrower limits. */
    unsigned char first = bytes[0];
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    size_t wanted = 0;
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF) {
        wanted = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        wanted = 3;
        low = first == 0xE0 ? 0xA0 : low;
        high = first == 0xED ? 0x9F : high;
    } else if (first >= 0xF0 && first <= 0xF4) {
        wanted = 4;
        low = first == 0xF0 ? 0x90 : low;
        high = first == 0xF4 ? 0x8F : high;
    }
    if (wanted == 0 || wanted > length || bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t index = 2; index < wanted; index++)
        if ((bytes[index] & 0xC0) != 0x80)
            return 0;
    return wanted;
}

bool tbk_text_is_utf8(const char *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        size_t step = tbk_text_utf8_step(at, length);
        if (step == 0)
            return false;
        at += step;
        length -= step;
    }
    return true;
}

static uint32_t decode(const char *text, size_t step)
{
    static const unsigned char first_bits[] = {0x7F, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t character = (unsigned char)text[0] & first_bits[step];
    for (size_t index = 1; index < step; index++)
        character = character << 6 | ((unsigned char)text[index] & 0x3F);
    return character;
}

uint32_t tbk_text_character(const char *text, size_t step, bool *out_hidden)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {{0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},      {0x61C, 0x61C},
                  {0x180E, 0x180E}, {0x200B, 0x200F}, {0x2028, 0x202E},  {0x2060, 0x206F},
                  {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
    uint32_t character = decode(text, step);
    *out_hidden = false;
    for (size_t index = 0; index < sizeof hidden / sizeof *hidden; index++)
        *out_hidden |= character >= hidden[index].first && character <= hidden[index].last;
    return character;
}

static void append_hidden(tbk_text *text, uint32_t character)
{
    if (character == '\n' || character == '\t')
        tbk_text_append(text, character == '\n' ? "\\n" : "\\t");
    else if (character < 0x80)
        tbk_text_format(text, "\\x%02x", (unsigned)character);
    else
        tbk_text_format(text, "\\u%04x", (unsigned)character);
}

void tbk_text_append_visible(tbk_text *text, const char *string, bool with_lines)
{
    size_t left = strlen(string);
    for (const char *at = string; left > 0;) {
        size_t step = tbk_text_utf8_step(at, left);
        bool hidden = false;
        uint32_t character = step != 0 ? tbk_text_character(at, step, &hidden) : 0;
        if (step == 0)
            tbk_text_format(text, "\\x%02x", (unsigned)(unsigned char)*at);
        else if (hidden && !(with_lines && (*at == '\n' || *at == '\t')))
            append_hidden(text, character);
        else
            tbk_text_append_bytes(text, at, step);
        step = step != 0 ? step : 1;
        at += step;
        left -= step;
    }
}

bool tbk_text_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool tbk_text_ends_with(const char *text, const char *suffix)
{
    size_t text_length = strlen(text);
    size_t suffix_length = strlen(suffix);
    return text_length >= suffix_length &&
           memcmp(text + text_length - suffix_length, suffix, suffix_length) == 0;
}
