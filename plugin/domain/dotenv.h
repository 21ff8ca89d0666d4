/* SPDX-License-Identifier: MIT */
/*
 * Variables of a `.env` file, read as Docker Compose reads them.
 *
 * The file is Compose's, so what counts is what Compose makes of it (2.26 and later), not what a
 * shell would: 'single quotes' are literal but for \', "double quotes" have escapes, both may span
 * lines; without quotes the value ends at " #" or the line's end. The last assignment counts.
 * A value that would be interpolated ($NAME, ${NAME}) is refused: it may depend on the environment
 * that Compose was started with, which is not known here. $$ is a dollar.
 *
 * Most of what stands in such a file is secret: errors carry its name and a line, never its text.
 */
#ifndef TBK_DOMAIN_DOTENV_H
#define TBK_DOMAIN_DOTENV_H

#include "base/arena.h"
#include "base/error.h"

#include <stddef.h>

#define TBK_DOTENV_MAX_BYTES (1024 * 1024)

/* A file as tbk_file_read gives it. Text is borrowed. */
typedef struct tbk_dotenv {
    const char *text; /* with a NUL after its length bytes */
    size_t length;
    const char *source; /* the file's name, for errors */
} tbk_dotenv;

/*
 * Finds one variable.
 * Shape:  *out is NULL when it is not set; else valid UTF-8, which may be empty.
 * Owns:   *out lives in the arena.
 * Errors: TBK_E_CONFIG with the line: a NUL, too large, no assignment, a quote that is not closed;
 *         in the value itself interpolation, the escape \0, invalid UTF-8.
 */
bool tbk_dotenv_find(tbk_arena *arena, const tbk_dotenv *file, const char *name, const char **out,
                     tbk_error *err) TBK_MUST_CHECK;

/* The names of all variables that are set, each once, NULL at the end; in the arena. Errors: as
 * above, but those of values. */
bool tbk_dotenv_names(tbk_arena *arena, const tbk_dotenv *file, const char *const **out,
                      tbk_error *err) TBK_MUST_CHECK;

#endif
