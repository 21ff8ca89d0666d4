/* SPDX-License-Identifier: MIT */
/* What is said of configuration files: bounded, and fit for JSON and terminals. */
#include "base/memory.h"
#include "base/text.h"
#include "engine/files_internal.h"

#include <stdarg.h>
#include <string.h>

#define PATH_SHOWN_BYTES 300

/* A name may be made of any bytes: what is no text, or could move a terminal's cursor, is spelled.
 */
static const char *to_printable(tbk_arena *arena, const char *text)
{
    tbk_auto_text visible = {0};
    tbk_text_append_visible(&visible, text, false);
    return tbk_arena_copy(arena, tbk_text_string(&visible));
}

/* The end of a long path says more than its begin. */
static const char *shown(tbk_arena *arena, const char *path)
{
    size_t length = strlen(path);
    return length <= PATH_SHOWN_BYTES
               ? path
               : tbk_arena_format(arena, "...%s", path + length - PATH_SHOWN_BYTES);
}

static bool is_listed(const tbk_files *files, const char *text)
{
    for (size_t i = 0; i < files->note_count; i++)
        if (strcmp(files->notes[i], text) == 0)
            return true;
    return false;
}

/* The last place is for the number of those that have none. */
static void add(tbk_files *files, const char *text)
{
    if (is_listed(files, text))
        return;
    if (files->note_count < TBK_FILES_NOTES_MAX - 1)
        files->notes[files->note_count++] = text;
    else
        files->notes[TBK_FILES_NOTES_MAX - 1] =
            tbk_arena_format(files->arena, "and %zu more", ++files->unlisted_count);
}

static const char *compose(tbk_files *files, const char *path, const char *format,
                           va_list arguments)
{
    tbk_arena *arena = files->arena;
    const char *why = tbk_arena_vformat(arena, format, arguments);
    return to_printable(arena, tbk_arena_format(arena, "%s: %s", shown(arena, path), why));
}

void tbk_files_note(tbk_files *files, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(files, compose(files, path, format, arguments));
    va_end(arguments);
}

void tbk_files_note_lost(tbk_files *files, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = compose(files, path, format, arguments);
    va_end(arguments);
    add(files, text);
    if (files->lost_count++ == 0)
        files->first_lost = text;
}

void tbk_files_note_missing(tbk_files *files, const char *path)
{
    add(files, to_printable(files->arena, shown(files->arena, path)));
}

const char **tbk_files_missing(const tbk_files *files) { return files->notes; }

size_t tbk_files_lost(const tbk_files *files) { return files->lost_count; }

const char *tbk_files_first_lost(const tbk_files *files) { return files->first_lost; }
