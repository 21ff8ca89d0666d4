/* SPDX-License-Identifier: MIT */
/*
 * One command for a login shell that we do not know: how it is written so that every shell runs it,
 * and how its output is told from what the shell's own files print.
 *
 * The line is `sh -c FRAME NAME WORD...`. FRAME prints a mark at the beginning of both streams,
 * runs the command, and prints a mark with its exit status at their end; what stands outside of the
 * marks is dropped. POSIX shells, fish, csh and tcsh read its quoting alike: single quotes, within
 * which no quote, backslash, exclamation mark or line break stands; those are outside of them,
 * after a backslash, and scripts of several lines travel in base64.
 */
#ifndef TBK_ADAPTERS_FRAMING_H
#define TBK_ADAPTERS_FRAMING_H

#include "ports/remote.h"

#define TBK_FRAMING_MARK_SIZE 40

typedef struct tbk_framing {
    char begin[TBK_FRAMING_MARK_SIZE];
    char end[TBK_FRAMING_MARK_SIZE]; /* three digits of the exit status come after it */
} tbk_framing;

/* Where in its marks a stream is. */
typedef enum tbk_framed_place {
    TBK_FRAMED_BEFORE,
    TBK_FRAMED_LOOSE, /* so much without a mark that it is passed on: no shell of ours ran */
    TBK_FRAMED_INSIDE,
    TBK_FRAMED_AFTER
} tbk_framed_place;

typedef struct tbk_framed_stream {
    tbk_framed_place place;
    tbk_text held;    /* what is not judged yet */
    int exit_status;  /* once after the marks */
    char dropped[81]; /* the beginning of what stood before them; "" = nothing */
} tbk_framed_stream;

typedef bool tbk_framed_take(void *self, const char *bytes, size_t length, tbk_error *err);

/* New unpredictable marks. */
void tbk_framing_new(tbk_framing *framing);
/* Appends the line. */
void tbk_framing_line(const tbk_framing *framing, const tbk_remote_command *command,
                      bool user_is_root, tbk_text *line);

/* Takes what came, and gives take what is the command's. Fails as take does, and with TBK_E_REMOTE
 * when a mark comes only after 64 KiB. */
bool tbk_framed_add(tbk_framed_stream *stream, const tbk_framing *framing, const char *bytes,
                    size_t length, tbk_framed_take *take, void *self,
                    tbk_error *err) TBK_MUST_CHECK;
/* At the end of the stream: gives the rest. */
bool tbk_framed_finish(tbk_framed_stream *stream, tbk_framed_take *take, void *self,
                       tbk_error *err) TBK_MUST_CHECK;

#endif
