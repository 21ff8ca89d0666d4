/* SPDX-License-Identifier: MIT */
/* Errors: fills them, adds context, and says what a code means. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef tbk_fail
#undef tbk_fail_errno
#undef tbk_error_context

typedef struct code_row {
    const char *name;
    int exit_status;
    tbk_error_kind kind;
    const char *meaning;
} code_row;

static const code_row CODES[] = {
#define TBK_ERROR_CODE(name, exit_status, kind, meaning)                                           \
    {#name, exit_status, TBK_KIND_##kind, meaning},
#include "base/error_codes.def"
#undef TBK_ERROR_CODE
};

enum { CODE_COUNT = sizeof CODES / sizeof CODES[0] };

/* How many bytes the UTF-8 sequence that starts with this byte wants. */
static size_t sequence_length(unsigned char first)
{
    if (first >= 0xF0)
        return 4;
    if (first >= 0xE0)
        return 3;
    return first >= 0xC0 ? 2 : 1;
}

/* Removes a character that the end of a buffer has cut in two. */
static void trim_cut_character(char *text)
{
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && start - 1 + sequence_length((unsigned char)text[start - 1]) > length)
        text[start - 1] = '\0';
}

static void to_one_line(char *text)
{
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = '?';
    trim_cut_character(text);
}

/* Formats by way of a buffer of its own, as an argument may point into *err. */
TBK_PRINTF(2, 0)
static void set_message(tbk_error *err, const char *format, va_list arguments)
{
    char message[sizeof err->message];
    (void)vsnprintf(message, sizeof message, format, arguments);
    to_one_line(message);
    memcpy(err->message, message, sizeof message);
}

TBK_PRINTF(3, 4)
static void append_message(char *message, size_t size, const char *format, ...)
{
    size_t length = strlen(message);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message + length, size - length, format, arguments);
    va_end(arguments);
    to_one_line(message);
}

static void set_code_and_fix(tbk_error *err, tbk_error_code code, const char *fix)
{
    err->code = code;
    char text[sizeof err->fix];
    (void)snprintf(text, sizeof text, "%s", fix != NULL ? fix : "");
    to_one_line(text);
    memcpy(err->fix, text, sizeof text);
}

bool tbk_fail(tbk_error *err, tbk_error_code code, const char *fix, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_message(err, format, arguments);
    va_end(arguments);
    set_code_and_fix(err, code, fix);
    return false;
}

bool tbk_fail_errno(tbk_error *err, tbk_error_code code, int errno_value, const char *fix,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_message(err, format, arguments);
    va_end(arguments);
    /* Not strerror: its text depends on the host's locale, and its buffer on the thread. */
    const char *cause = strerrordesc_np(errno_value);
    if (cause != NULL)
        append_message(err->message, sizeof err->message, ": %s", cause);
    else
        append_message(err->message, sizeof err->message, ": error %d", errno_value);
    set_code_and_fix(err, code, fix);
    return false;
}

bool tbk_error_context(tbk_error *err, const char *format, ...)
{
    char cause[sizeof err->message];
    memcpy(cause, err->message, sizeof cause);
    va_list arguments;
    va_start(arguments, format);
    set_message(err, format, arguments);
    va_end(arguments);
    append_message(err->message, sizeof err->message, ": %s", cause);
    return false;
}

/* A code from elsewhere (a newer plugin's, a damaged struct) counts as plain failure. */
static const code_row *row_of(tbk_error_code code)
{
    return (size_t)code < CODE_COUNT ? &CODES[code] : &CODES[TBK_E_FAILED];
}

int tbk_error_exit_status(tbk_error_code code) { return row_of(code)->exit_status; }

tbk_error_kind tbk_error_kind_of(tbk_error_code code) { return row_of(code)->kind; }

const char *tbk_error_name(tbk_error_code code) { return row_of(code)->name; }

const char *tbk_exit_status_meaning(int exit_status)
{
    for (size_t index = 0; index < CODE_COUNT; index++)
        if (CODES[index].exit_status == exit_status)
            return exit_status == 2 ? "wrong usage or configuration" : CODES[index].meaning;
    return NULL;
}
