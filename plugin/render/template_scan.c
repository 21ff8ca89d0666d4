/* SPDX-License-Identifier: MIT */
/* Reads a template's characters: text up to the next tag, and the tokens in a tag. */
#include "render/template_scan.h"

#include <stdarg.h>
#include <string.h>

enum { NUMBER_DIGITS_MAX = 18 };

bool tbk_template_fail(const tbk_template_source *source, size_t offset, tbk_error *err,
                       const char *fix, const char *format, ...)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < offset && i < source->length; i++) {
        if (source->bytes[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)source->bytes[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    char what[768];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return tbk_fail(err, TBK_E_TEMPLATE, fix, "%s:%zu:%zu: %s", source->name, line, column, what);
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool continues_name(char c) { return starts_name(c) || is_digit(c); }

/* The byte at this distance from the scanner; NUL after the end (the source holds none). */
static char peek(const tbk_scanner *s, size_t distance)
{
    if (distance >= s->source->length - s->offset)
        return '\0';
    return s->source->bytes[s->offset + distance];
}

bool tbk_scanner_fail_at(const tbk_scanner *s, size_t offset, const char *what)
{
    return tbk_template_fail(s->source, offset, s->err, NULL, "%s", what);
}

static bool fail_unclosed(const tbk_scanner *s)
{
    return tbk_template_fail(s->source, s->tag_offset, s->err, NULL,
                             "this '%.2s' is never closed by '%s'",
                             s->source->bytes + s->tag_offset, s->closer == '}' ? "}}" : "%}");
}

static void take(tbk_scanner *s, tbk_token_kind kind, size_t length)
{
    s->token.kind = kind;
    s->token.text = s->source->bytes + s->offset;
    s->token.length = length;
    s->offset += length;
}

static bool take_string(tbk_scanner *s)
{
    const char *start = s->source->bytes + s->offset + 1;
    size_t left = s->source->length - s->offset - 1;
    const char *end = memchr(start, (unsigned char)peek(s, 0), left);
    if (end == NULL)
        return tbk_scanner_fail_at(s, s->offset, "this text has no closing quote");
    s->token.kind = TBK_TOKEN_STRING;
    s->token.text = start;
    s->token.length = (size_t)(end - start);
    s->offset += s->token.length + 2;
    return true;
}

static void take_name(tbk_scanner *s)
{
    size_t length = 1;
    while (continues_name(peek(s, length)) ||
           (peek(s, length) == '.' && continues_name(peek(s, length + 1))))
        length++;
    take(s, TBK_TOKEN_NAME, length);
}

static bool take_integer(tbk_scanner *s)
{
    size_t length = 1;
    while (is_digit(peek(s, length)))
        length++;
    size_t digits = peek(s, 0) == '-' ? length - 1 : length;
    if (digits > NUMBER_DIGITS_MAX || peek(s, length) == '.' || continues_name(peek(s, length)))
        return tbk_scanner_fail_at(s, s->offset,
                                   "only whole numbers of at most 18 digits can stand here");
    take(s, TBK_TOKEN_INTEGER, length);
    return true;
}

static bool closes_tag(const tbk_scanner *s, size_t distance)
{
    return peek(s, distance) == s->closer && peek(s, distance + 1) == '}';
}

bool tbk_scanner_advance(tbk_scanner *s)
{
    while (is_space(peek(s, 0)))
        s->offset++;
    s->token.offset = s->offset;
    char c = peek(s, 0);
    if (c == '\0')
        return fail_unclosed(s);
    if (closes_tag(s, 0) || (c == '-' && closes_tag(s, 1))) {
        s->trims_next = c == '-';
        take(s, TBK_TOKEN_CLOSE, s->trims_next ? 3 : 2);
    } else if (starts_name(c)) {
        take_name(s);
    } else if (c == '"' || c == '\'' || c == '`') {
        return take_string(s);
    } else if (is_digit(c) || (c == '-' && is_digit(peek(s, 1)))) {
        return take_integer(s);
    } else if ((c == '=' || c == '!') && peek(s, 1) == '=') {
        take(s, TBK_TOKEN_SIGN, 2);
    } else if (strchr("|(),=", c) != NULL) {
        take(s, TBK_TOKEN_SIGN, 1);
    } else {
        return tbk_scanner_fail_at(s, s->offset, "this character means nothing here");
    }
    return true;
}

static bool token_is(const tbk_scanner *s, tbk_token_kind kind, const char *text)
{
    return s->token.kind == kind && strlen(text) == s->token.length &&
           memcmp(s->token.text, text, s->token.length) == 0;
}

bool tbk_scanner_is_sign(const tbk_scanner *s, const char *text)
{
    return token_is(s, TBK_TOKEN_SIGN, text);
}

bool tbk_scanner_is_word(const tbk_scanner *s, const char *text)
{
    return token_is(s, TBK_TOKEN_NAME, text);
}

bool tbk_scanner_fail_expected(const tbk_scanner *s, const char *expected)
{
    if (s->token.kind == TBK_TOKEN_CLOSE)
        return tbk_template_fail(s->source, s->token.offset, s->err, NULL,
                                 "the tag ends where %s should stand", expected);
    return tbk_template_fail(
        s->source, s->token.offset, s->err, NULL, "'%.*s' stands where %s should",
        (int)(s->token.length < 40 ? s->token.length : 40), s->token.text, expected);
}

bool tbk_scanner_need_close(const tbk_scanner *s)
{
    if (s->token.kind != TBK_TOKEN_CLOSE)
        return tbk_scanner_fail_expected(s, s->closer == '}' ? "'}}'" : "'%}'");
    return true;
}

/* --- Text --- */

static void trim_start(const char **text, size_t *length)
{
    while (*length > 0 && is_space(**text)) {
        (*text)++;
        (*length)--;
    }
}

static void trim_end(const char *text, size_t *length)
{
    while (*length > 0 && is_space(text[*length - 1]))
        (*length)--;
}

static size_t skip_spaces(const tbk_scanner *s, size_t at)
{
    while (at < s->source->length && is_space(s->source->bytes[at]))
        at++;
    return at;
}

static bool has_word_at(const tbk_scanner *s, size_t at, const char *word)
{
    size_t length = strlen(word);
    return length <= s->source->length - at && memcmp(s->source->bytes + at, word, length) == 0;
}

/* Whether `{% endraw %}` stands at this offset; the scanner is then moved past it. */
static bool take_endraw(tbk_scanner *s, size_t at, bool *out_trims_end)
{
    if (!has_word_at(s, at, "{%"))
        return false;
    *out_trims_end = has_word_at(s, at, "{%-");
    at = skip_spaces(s, at + (*out_trims_end ? 3 : 2));
    if (!has_word_at(s, at, "endraw"))
        return false;
    at = skip_spaces(s, at + strlen("endraw"));
    bool trims_next = has_word_at(s, at, "-%}");
    if (!trims_next && !has_word_at(s, at, "%}"))
        return false;
    s->offset = at + (trims_next ? 3 : 2);
    s->trims_next = trims_next;
    return true;
}

void tbk_scanner_take_text(tbk_scanner *s, const char **out_text, size_t *out_length)
{
    const char *text = s->source->bytes + s->offset;
    size_t left = s->source->length - s->offset, length = 0;
    while (length < left && !(text[length] == '{' && length + 1 < left &&
                              text[length + 1] != '\0' && strchr("{%#", text[length + 1]) != NULL))
        length++;
    s->at_end = length == left;
    s->tag_offset = s->offset + length;
    s->offset += length;
    bool trims_end = false;
    if (!s->at_end) {
        s->closer = peek(s, 1) == '{' ? '}' : '%';
        trims_end = peek(s, 2) == '-';
    }
    if (s->trims_next)
        trim_start(&text, &length);
    if (trims_end)
        trim_end(text, &length);
    *out_text = text;
    *out_length = length;
}

static bool skip_comment(tbk_scanner *s)
{
    const char *start = s->source->bytes + s->offset;
    const char *end = memmem(start, s->source->length - s->offset, "#}", 2);
    if (end == NULL)
        return tbk_scanner_fail_at(s, s->tag_offset, "this '{#' is never closed by '#}'");
    s->trims_next = end[-1] == '-'; /* at the least the '#' that opened it stands there */
    s->offset += (size_t)(end - start) + 2;
    return true;
}

bool tbk_scanner_open_tag(tbk_scanner *s, bool *out_comment)
{
    *out_comment = peek(s, 1) == '#';
    s->offset += 2;
    if (*out_comment)
        return skip_comment(s);
    if (peek(s, 0) == '-')
        s->offset++;
    return tbk_scanner_advance(s);
}

bool tbk_scanner_take_raw(tbk_scanner *s, const char **out_text, size_t *out_length)
{
    size_t tag_offset = s->tag_offset;
    if (!tbk_scanner_advance(s) || !tbk_scanner_need_close(s))
        return false;
    const char *text = s->source->bytes + s->offset;
    bool trims_start = s->trims_next, trims_end = false;
    for (size_t at = s->offset; at < s->source->length; at++) {
        size_t length = at - s->offset;
        if (s->source->bytes[at] != '{' || !take_endraw(s, at, &trims_end))
            continue;
        if (trims_start)
            trim_start(&text, &length);
        if (trims_end)
            trim_end(text, &length);
        *out_text = text;
        *out_length = length;
        return true;
    }
    return tbk_scanner_fail_at(s, tag_offset, "this '{% raw %}' has no '{% endraw %}'");
}
