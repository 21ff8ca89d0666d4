/* SPDX-License-Identifier: MIT */
/* Variables of a `.env` file, read as Docker Compose reads them. */
#include "domain/dotenv.h"

#include "base/text.h"

#include <string.h>

#define BLANKS " \t\v\f\r" /* all but the end of a line */
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/* NAME=value, still as it is written. */
typedef struct assignment {
    const char *name;
    size_t name_length;
    char quote;        /* '\0' = none */
    const char *value; /* between the quotes; NULL = a name alone, which sets nothing */
    size_t value_length;
} assignment;

/* Fails about this place of the text, which is not quoted: it may be a part of a secret. */
static bool fail_at(const tbk_dotenv *file, const char *at, const char *fix, const char *what,
                    tbk_error *err)
{
    size_t line = 1;
    for (const char *before = file->text; before < at; before++)
        line += *before == '\n';
    return tbk_fail(err, TBK_E_CONFIG, fix, "%.300s:%zu: %s", file->source, line, what);
}

static bool check_text(const tbk_dotenv *file, tbk_error *err)
{
    if (file->length > TBK_DOTENV_MAX_BYTES)
        return tbk_fail(err, TBK_E_CONFIG, "is this the .env file beside the compose file?",
                        "%.300s has %zu bytes; at most %d are possible", file->source, file->length,
                        TBK_DOTENV_MAX_BYTES);
    const char *end = file->text + strlen(file->text);
    if (end != file->text + file->length)
        return fail_at(file, end, "write the file as plain text", "a NUL character", err);
    return true;
}

/* --- Where things begin and end --- */

static const char *skip_to_assignment(const char *at)
{
    for (;;) {
        at += strspn(at, BLANKS "\n");
        if (*at != '#')
            return at;
        at += strcspn(at, "\n");
    }
}

static const char *skip_export(const char *at)
{
    size_t length = strlen("export");
    size_t blanks = tbk_text_starts_with(at, "export") ? strspn(at + length, BLANKS) : 0;
    return blanks > 0 ? at + length + blanks : at;
}

/* Letters of other scripts are possible in a name too. */
static bool has_name_signs(const char *name, size_t length)
{
    for (size_t index = 0; index < length; index++)
        if ((unsigned char)name[index] < 0x80 &&
            strchr(LETTERS DIGITS "_.-[]", name[index]) == NULL)
            return false;
    return true;
}

/* Moves *at past the sign that follows the name, or to the end of a line that has none. */
static bool read_name(const tbk_dotenv *file, const char **at, assignment *out, tbk_error *err)
{
    out->name = skip_export(*at);
    out->name_length = strcspn(out->name, BLANKS "=:\n");
    const char *end = out->name + out->name_length;
    end += strspn(end, BLANKS);
    bool has_value = *end == '=' || *end == ':';
    if (!has_name_signs(out->name, out->name_length) || strchr("=:\n", *end) == NULL ||
        (has_value && out->name_length == 0))
        return fail_at(file, *at,
                       "write one NAME='value' on each line; quotes of a kind that are "
                       "in the value need \\ before them",
                       "this is not an assignment", err);
    out->value = has_value ? end + 1 : NULL;
    *at = has_value ? end + 1 : end;
    return true;
}

/* The closing quote of what begins after the opening one; NULL when there is none. */
static const char *find_closing(const char *at, char quote)
{
    for (; *at != '\0' && *at != quote; at++)
        if (*at == '\\' && at[1] != '\0')
            at++;
    return *at == quote ? at : NULL;
}

static const char *read_plain_value(const char *at, assignment *out)
{
    size_t line_length = strcspn(at, "\n");
    const char *comment = memmem(at, line_length, " #", 2);
    out->quote = '\0';
    out->value = at;
    out->value_length = comment != NULL ? (size_t)(comment - at) : line_length;
    while (out->value_length > 0 && strchr(BLANKS, at[out->value_length - 1]) != NULL)
        out->value_length--;
    return at + line_length;
}

/* Moves *at past the value. What follows a closing quote in its line is read on as if it began a
 * line, as Compose does. */
static bool read_value(const tbk_dotenv *file, const char **at, assignment *out, tbk_error *err)
{
    const char *start = *at + strspn(*at, BLANKS);
    if (*start != '\'' && *start != '"') {
        *at = read_plain_value(start, out);
        return true;
    }
    const char *closing = find_closing(start + 1, *start);
    if (closing == NULL)
        return fail_at(file, start,
                       "close it; a quote that belongs to the value needs \\ before it",
                       "the quote that opens here is not closed", err);
    out->quote = *start;
    out->value = start + 1;
    out->value_length = (size_t)(closing - out->value);
    *at = closing + 1;
    return true;
}

/* Hands each assignment of a value to `take`, in the order in which they are written. */
static bool for_each(const tbk_dotenv *file, void (*take)(void *taker, const assignment *next),
                     void *taker, tbk_error *err)
{
    bool has_mark = tbk_text_starts_with(file->text, BYTE_ORDER_MARK);
    const char *at = file->text + (has_mark ? strlen(BYTE_ORDER_MARK) : 0);
    for (at = skip_to_assignment(at); *at != '\0'; at = skip_to_assignment(at)) {
        assignment next = {0};
        if (!read_name(file, &at, &next, err))
            return false;
        if (next.value == NULL)
            continue;
        if (!read_value(file, &at, &next, err))
            return false;
        take(taker, &next);
    }
    return true;
}

typedef struct search {
    const char *name;
    assignment found;
} search;

static void take_last(void *taker, const assignment *next)
{
    search *it = taker;
    if (next->name_length == strlen(it->name) &&
        memcmp(next->name, it->name, next->name_length) == 0)
        it->found = *next;
}

/* --- What a value means --- */

/* In single quotes: \' is a quote; any other backslash is itself. */
static void unescape_single(const assignment *found, tbk_text *out)
{
    const char *end = found->value + found->value_length;
    for (const char *at = found->value; at < end; at++)
        if (*at != '\\' || at + 1 == end || at[1] != '\'')
            tbk_text_append_char(out, *at);
}

/* In double quotes. A backslash before anything else is itself; \$ is left for resolve_dollars,
 * which makes a dollar of two. False for \0, which begins an octal number. */
static bool unescape_double(const assignment *found, tbk_text *out)
{
    static const char written[] = "abfnrtv\"\\";
    static const char meant[] = "\a\b\f\n\r\t\v\"\\";
    const char *end = found->value + found->value_length;
    for (const char *at = found->value; at < end; at++) {
        const char *escape = *at == '\\' ? strchr(written, at[1]) : NULL;
        if (*at == '\\' && at[1] == '0')
            return false;
        if (*at == '\\' && at[1] == '$')
            tbk_text_append(out, "$$");
        else
            tbk_text_append_char(out, escape != NULL ? meant[escape - written] : *at);
        at += escape != NULL || (*at == '\\' && at[1] == '$');
    }
    return true;
}

/* Two dollars are one. False when a name follows a dollar. */
static bool resolve_dollars(const char *text, tbk_text *out)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '$' && at[1] != '\0' && strchr(LETTERS "_{", at[1]) != NULL)
            return false;
        tbk_text_append_char(out, *at);
        at += *at == '$' && at[1] == '$';
    }
    return true;
}

static bool interpret(const tbk_dotenv *file, const assignment *found, tbk_text *out,
                      tbk_error *err)
{
    tbk_auto_text text = {0};
    if (found->quote == '\'') {
        unescape_single(found, out);
        return true;
    }
    if (found->quote == '\0')
        tbk_text_append_bytes(&text, found->value, found->value_length);
    else if (!unescape_double(found, &text))
        return fail_at(file, found->value, "write the value in single quotes",
                       "the escape \\0 is not read here", err);
    if (!resolve_dollars(tbk_text_string(&text), out))
        return fail_at(file, found->value, "write the value in single quotes, or $$ for a dollar",
                       "the value takes in another variable, which is not read here", err);
    return true;
}

static bool decode(tbk_arena *arena, const tbk_dotenv *file, const assignment *found,
                   const char **out, tbk_error *err)
{
    tbk_auto_text value = {0};
    if (!interpret(file, found, &value, err))
        return false;
    const char *text = tbk_text_string(&value);
    if (!tbk_text_is_utf8(text, value.length))
        return fail_at(file, found->value, "write the value in UTF-8",
                       "the value is not valid UTF-8", err);
    *out = tbk_arena_copy(arena, text);
    return true;
}

bool tbk_dotenv_find(tbk_arena *arena, const tbk_dotenv *file, const char *name, const char **out,
                     tbk_error *err)
{
    search it = {.name = name};
    if (!check_text(file, err) || !for_each(file, take_last, &it, err))
        return false;
    if (it.found.value != NULL)
        return decode(arena, file, &it.found, out, err) ||
               tbk_error_context(err, "the variable %s", name);
    *out = NULL;
    return true;
}

typedef struct names {
    tbk_arena *arena;
    const char **list;
    size_t count, room;
} names;

static void take_name(void *taker, const assignment *next)
{
    names *it = taker;
    const char *name = tbk_arena_copy_bytes(it->arena, next->name, next->name_length);
    for (size_t i = 0; i < it->count; i++)
        if (strcmp(it->list[i], name) == 0)
            return;
    if (it->count + 1 >= it->room) {
        size_t room = it->room * 2;
        const char **list = tbk_arena_alloc(it->arena, room * sizeof *list);
        memcpy(list, it->list, it->count * sizeof *list);
        it->list = list;
        it->room = room;
    }
    it->list[it->count++] = name;
}

bool tbk_dotenv_names(tbk_arena *arena, const tbk_dotenv *file, const char *const **out,
                      tbk_error *err)
{
    names it = {.arena = arena, .room = 8};
    it.list = tbk_arena_alloc(arena, it.room * sizeof *it.list);
    if (!check_text(file, err) || !for_each(file, take_name, &it, err))
        return false;
    it.list[it.count] = NULL;
    *out = it.list;
    return true;
}
