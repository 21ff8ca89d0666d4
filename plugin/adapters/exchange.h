/* SPDX-License-Identifier: MIT */
/*
 * One command's conversation: what is still to be sent to it, what came back, and when to give up.
 * The three remote adapters move the bytes; the rules of ports/remote.h are kept here, once.
 */
#ifndef TBK_ADAPTERS_EXCHANGE_H
#define TBK_ADAPTERS_EXCHANGE_H

#include "adapters/framing.h"

#include <poll.h>

#define TBK_EXCHANGE_BUFFER_BYTES ((size_t)64 << 10)

typedef struct tbk_exchange {
    const tbk_remote_command *command;
    tbk_remote_result *result;
    const tbk_report *report; /* who may cancel; may be NULL */
    bool framed;              /* the line was one with marks */
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
    uint64_t sent_bytes;
    uint64_t to_send_bytes; /* 0 = not known */
} tbk_exchange;

/* report is that of the way to the VM, for commands that have none. */
void tbk_exchange_begin(tbk_exchange *exchange, const tbk_remote_command *command,
                        const tbk_report *report, tbk_remote_result *result);
void tbk_exchange_end(tbk_exchange *exchange);
#define tbk_auto_exchange __attribute__((cleanup(tbk_exchange_end))) tbk_exchange

/* Has the next bytes to send in chunk, if there are any now; reads from input_fd without waiting.
 */
bool tbk_exchange_fill(tbk_exchange *exchange, tbk_error *err) TBK_MUST_CHECK;
static inline bool tbk_exchange_all_sent(const tbk_exchange *exchange)
{
    return exchange->input_ended && exchange->chunk_length == 0;
}
void tbk_exchange_sent(tbk_exchange *exchange, size_t length);
/* Drops the rest of the input: nobody reads it any more. */
void tbk_exchange_drop_input(tbk_exchange *exchange);

/* What came from the command. */
bool tbk_exchange_output(tbk_exchange *exchange, const char *bytes, size_t length,
                         tbk_error *err) TBK_MUST_CHECK;
bool tbk_exchange_error_output(tbk_exchange *exchange, const char *bytes, size_t length,
                               tbk_error *err) TBK_MUST_CHECK;
/* Whether the command has ended though something that its shell has started keeps the streams open:
 * so a second after the marks. */
bool tbk_exchange_is_over(const tbk_exchange *exchange);
/* At the end of both streams. *out_known tells that the command's exit status came with the marks;
 * then it is in the result. */
bool tbk_exchange_finish(tbk_exchange *exchange, bool *out_known, tbk_error *err) TBK_MUST_CHECK;

/* Waits until one of the descriptors is ready, input_fd when chunk is empty, a limit comes near, or
 * a fifth of a second has passed for one who may cancel. Negative descriptors are ignored; fds has
 * room for one more than count. Fails with TBK_E_TIMEOUT, TBK_E_INTERRUPTED. */
bool tbk_exchange_wait(const tbk_exchange *exchange, struct pollfd *fds, nfds_t count,
                       int longest_ms, tbk_error *err) TBK_MUST_CHECK;

/* Says once that the login shell prints of its own, and what. */
void tbk_exchange_tell_dropped(const tbk_exchange *exchange, const char *vm, bool *told);

/* The command as one line for any login shell, and from here on its output is looked for between
 * marks; or as one for a POSIX shell of ours, whose output is the command's. */
void tbk_exchange_line(tbk_exchange *exchange, bool user_is_root, tbk_text *line);
void tbk_exchange_plain_line(const tbk_exchange *exchange, bool user_is_root, tbk_text *line);

#endif
