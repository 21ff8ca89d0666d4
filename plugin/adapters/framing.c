/* SPDX-License-Identifier: MIT */
/* Marks around a command's output, and a quoting that all login shells share. */
#include "adapters/framing.h"

#include "adapters/base64.h"
#include "base/arena.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define STATUS_DIGITS 3
#define BEFORE_LIMIT_BYTES ((size_t)64 << 10)

void tbk_framing_new(tbk_framing *framing)
{
    uint64_t number = (uint64_t)tbk_clock_monotonic_ms();
    (void)!getrandom(&number, sizeof number, GRND_NONBLOCK);
    (void)snprintf(framing->begin, sizeof framing->begin, "@begin-%016llx@",
                   (unsigned long long)number);
    (void)snprintf(framing->end, sizeof framing->end, "@end-%016llx@", (unsigned long long)number);
}

/* --- the line --- */

/* After a backslash outside of quotes, all shells take these literally. */
static void append_word(tbk_text *line, const char *word)
{
    tbk_text_append_char(line, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'' || *word == '\\' || *word == '!')
            tbk_text_format(line, "'\\%c'", *word);
        else
            tbk_text_append_char(line, *word);
    }
    tbk_text_append_char(line, '\'');
}

/* The mark is put together there: a command that shows its own line shows none. */
static void append_mark(tbk_text *frame, const char *mark, const char *more)
{
    tbk_text_format(frame, "printf %s \"%.6s\" \"%s\" %s;", more[0] != '\0' ? "%s%s%03d" : "%s%s",
                    mark, mark + 6, more);
    tbk_text_format(frame, "printf %s \"%.6s\" \"%s\" %s >&2;",
                    more[0] != '\0' ? "%s%s%03d" : "%s%s", mark, mark + 6, more);
}

static bool is_script(const char *const *argv)
{
    return strcmp(argv[0], "sh") == 0 && argv[1] != NULL && strcmp(argv[1], "-c") == 0 &&
           argv[2] != NULL;
}

/* The frame runs "$@" after it has put `sh -c SCRIPT NAME` before the script's own words. */
static void append_script(tbk_text *frame, const char *script)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_text_format(frame,
                    "x=$(echo %s|base64 -d)||{ echo \"base64 is missing there\" >&2;exit 127;};"
                    "set -- sh -c \"$x\" \"$0\" \"$@\";",
                    tbk_base64_encode(arena, (const uint8_t *)script, strlen(script)));
}

static void append_frame(const tbk_framing *framing, const tbk_remote_command *command,
                         bool user_is_root, tbk_text *frame)
{
    append_mark(frame, framing->begin, "");
    if (is_script(command->argv))
        append_script(frame, command->argv[2]);
    tbk_text_format(frame, "%s\"$@\";s=$?;",
                    command->as_root && !user_is_root ? "sudo -n -- " : "");
    append_mark(frame, framing->end, "$s");
    tbk_text_append(frame, "exit $s");
}

void tbk_framing_line(const tbk_framing *framing, const tbk_remote_command *command,
                      bool user_is_root, tbk_text *line)
{
    tbk_auto_text frame = {0};
    const char *const *argv = command->argv;
    append_frame(framing, command, user_is_root, &frame);
    tbk_text_append(line, "sh -c ");
    append_word(line, tbk_text_string(&frame));
    if (is_script(argv))
        argv += 3;
    else
        tbk_text_append(line, " other");
    if (is_script(command->argv) && argv[0] == NULL)
        tbk_text_append(line, " sh");
    for (; *argv != NULL; argv++) {
        tbk_text_append_char(line, ' ');
        append_word(line, *argv);
    }
}

/* --- the streams --- */

static void drop_front(tbk_text *text, size_t length)
{
    if (length == 0)
        return;
    memmove(text->bytes, text->bytes + length, text->length - length);
    text->length -= length;
    text->bytes[text->length] = '\0';
}

/* Gives all but the last bytes, which may be the beginning of a mark. */
static bool give(tbk_framed_stream *stream, size_t keep_bytes, tbk_framed_take *take, void *self,
                 tbk_error *err)
{
    if (stream->held.length <= keep_bytes)
        return true;
    size_t length = stream->held.length - keep_bytes;
    bool ok = take(self, stream->held.bytes, length, err);
    drop_front(&stream->held, length);
    return ok;
}

static char *find(const tbk_framed_stream *stream, const char *mark)
{
    return stream->held.length == 0
               ? NULL
               : memmem(stream->held.bytes, stream->held.length, mark, strlen(mark));
}

static bool look_for_begin(tbk_framed_stream *stream, const tbk_framing *framing,
                           tbk_framed_take *take, void *self, tbk_error *err)
{
    const char *found = find(stream, framing->begin);
    if (found == NULL && stream->place == TBK_FRAMED_BEFORE &&
        stream->held.length <= BEFORE_LIMIT_BYTES)
        return true;
    if (found == NULL) {
        stream->place = TBK_FRAMED_LOOSE;
        return give(stream, strlen(framing->begin), take, self, err);
    }
    if (stream->place == TBK_FRAMED_LOOSE)
        return tbk_fail(err, TBK_E_REMOTE, "let the user's login shell print less",
                        "the login shell there prints more than %zu KiB before each command",
                        BEFORE_LIMIT_BYTES >> 10);
    size_t length = (size_t)(found - stream->held.bytes);
    stream->place = TBK_FRAMED_INSIDE;
    (void)snprintf(stream->dropped, sizeof stream->dropped, "%.*s",
                   (int)(length < 80 ? length : 80), stream->held.bytes);
    drop_front(&stream->held, length + strlen(framing->begin));
    return true;
}

static int status_at(const char *digits)
{
    int status = 0;
    for (int i = 0; i < STATUS_DIGITS; i++)
        status = 10 * status + (digits[i] >= '0' && digits[i] <= '9' ? digits[i] - '0' : 0);
    return status & 255;
}

static bool look_for_end(tbk_framed_stream *stream, const tbk_framing *framing,
                         tbk_framed_take *take, void *self, tbk_error *err)
{
    size_t mark_length = strlen(framing->end) + STATUS_DIGITS;
    const char *found = find(stream, framing->end);
    if (found == NULL)
        return give(stream, mark_length, take, self, err);
    size_t rest = stream->held.length - (size_t)(found - stream->held.bytes);
    if (rest < mark_length)
        return give(stream, rest, take, self, err);
    stream->exit_status = status_at(found + strlen(framing->end));
    stream->place = TBK_FRAMED_AFTER;
    bool ok = give(stream, rest, take, self, err);
    tbk_text_clear(&stream->held);
    return ok;
}

bool tbk_framed_add(tbk_framed_stream *stream, const tbk_framing *framing, const char *bytes,
                    size_t length, tbk_framed_take *take, void *self, tbk_error *err)
{
    if (stream->place == TBK_FRAMED_AFTER)
        return true;
    tbk_text_append_bytes(&stream->held, bytes, length);
    if (stream->place != TBK_FRAMED_INSIDE && !look_for_begin(stream, framing, take, self, err))
        return false;
    return stream->place != TBK_FRAMED_INSIDE || look_for_end(stream, framing, take, self, err);
}

bool tbk_framed_finish(tbk_framed_stream *stream, tbk_framed_take *take, void *self, tbk_error *err)
{
    return stream->place == TBK_FRAMED_AFTER || give(stream, 0, take, self, err);
}
