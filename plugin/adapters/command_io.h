/* SPDX-License-Identifier: MIT */
/*
 * One command's conversation: what is still to be sent to it, what came back, and when to give up.
 * The three remote adapters move the bytes; the rules of ports/remote.h are kept here, once.
 */
#ifndef TBK_ADAPTERS_COMMAND_IO_H
#define TBK_ADAPTERS_COMMAND_IO_H

#include "adapters/framing.h"

#include <poll.h>

#define TBK_EXCHANGE_BUFFER_BYTES ((size_t)64 << 10)

typedef struct tbk_command_io {
    const tbk_remote_command *command;
    tbk_remote_result *result;
    const tbk_report *report; /* can cancel; may be NULL */
    /* Gets standard error as it comes, beside the result; NULL: nothing does. Set it after begin.
     */
    void (*on_error_output)(void *self, const char *bytes, size_t length);
    void *on_error_output_self;
    bool framed; /* the line was one with marks */
    tbk_framing framing;
    tbk_framed_stream output, error_output;
    int64_t marked_ms;   /* when both streams had ended; 0 = they have not */
    int64_t deadline_ms; /* monotonic */
    int64_t moved_ms;    /* when the last byte went either way */
    const char *chunk;   /* to be sent next */
    size_t chunk_length;
    char *buffer;     /* what was read from input_fd; NULL without one */
    char *received;   /* for the adapter to read into; as large */
    bool input_ended; /* nothing comes behind chunk */
    uint64_t sent_bytes, received_bytes;
    uint64_t to_send_bytes; /* 0 = not known */
} tbk_command_io;

/* report is that of the way to the VM, for commands that have none. */
void tbk_command_io_begin(tbk_command_io *io, const tbk_remote_command *command,
                          const tbk_report *report, tbk_remote_result *result);
void tbk_command_io_end(tbk_command_io *io);
#define tbk_auto_command_io __attribute__((cleanup(tbk_command_io_end))) tbk_command_io

/* Has the next bytes to send in chunk, if there are any now; reads from input_fd without waiting.
 */
bool tbk_command_io_fill(tbk_command_io *io, tbk_error *err) TBK_MUST_CHECK;
static inline bool tbk_command_io_all_sent(const tbk_command_io *io)
{
    return io->input_ended && io->chunk_length == 0;
}
void tbk_command_io_sent(tbk_command_io *io, size_t length);
/* Drops the rest of the input: nobody reads it any more. */
void tbk_command_io_drop_input(tbk_command_io *io);

/* What came from the command. */
bool tbk_command_io_output(tbk_command_io *io, const char *bytes, size_t length,
                           tbk_error *err) TBK_MUST_CHECK;
bool tbk_command_io_error_output(tbk_command_io *io, const char *bytes, size_t length,
                                 tbk_error *err) TBK_MUST_CHECK;
/* Whether the command has ended though something that its shell has started keeps the streams open:
 * so a second after the marks. */
bool tbk_command_io_is_over(const tbk_command_io *io);
/* At the end of both streams. *out_known tells that the command's exit status came with the marks;
 * then it is in the result. */
bool tbk_command_io_finish(tbk_command_io *io, bool *out_known, tbk_error *err) TBK_MUST_CHECK;

/* Waits until one of the descriptors is ready, input_fd when chunk is empty, a limit comes near, or
 * a fifth of a second has passed for one who may cancel. Negative descriptors are ignored; fds has
 * room for one more than count. Fails with TBK_E_TIMEOUT, TBK_E_INTERRUPTED. */
bool tbk_command_io_wait(const tbk_command_io *io, struct pollfd *fds, nfds_t count, int longest_ms,
                         tbk_error *err) TBK_MUST_CHECK;

/* Says once that the login shell prints of its own, and what. */
void tbk_command_io_tell_dropped(const tbk_command_io *io, const char *vm, bool *told);

/* The command as one line for any login shell, and from here on its output is looked for between
 * marks; or as one for a POSIX shell of ours, whose output is the command's. */
void tbk_command_io_line(tbk_command_io *io, bool user_is_root, tbk_text *line);
void tbk_command_io_plain_line(const tbk_command_io *io, bool user_is_root, tbk_text *line);

#endif
