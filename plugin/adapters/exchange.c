/* SPDX-License-Identifier: MIT */
/* One command's conversation: what is to be sent, what came back, and when to give up. */
#include "adapters/exchange.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS 120000
#define OUTPUT_LIMIT_BYTES ((size_t)8 << 20)
#define ERROR_OUTPUT_LIMIT_BYTES ((size_t)64 << 10)
#define CANCEL_CHECK_MS 200
#define END_AFTER_MARKS_MS 1000
#define PROGRESS_FROM_BYTES ((uint64_t)1 << 20) /* smaller ones are there before one could look */

static uint32_t timeout_ms_of(const tbk_remote_command *command)
{
    return command->timeout_ms != 0 ? command->timeout_ms : DEFAULT_TIMEOUT_MS;
}

static uint64_t size_left(int fd)
{
    struct stat status;
    off_t position = lseek(fd, 0, SEEK_CUR);
    if (position < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return 0;
    return status.st_size > position ? (uint64_t)(status.st_size - position) : 0;
}

static void buffer_free(char *buffer)
{
    if (buffer != NULL)
        explicit_bzero(buffer, TBK_EXCHANGE_BUFFER_BYTES);
    free(buffer);
}

void tbk_exchange_begin(tbk_exchange *exchange, const tbk_remote_command *command,
                        const tbk_report *report, tbk_remote_result *result)
{
    int64_t now_ms = tbk_clock_monotonic_ms();
    if (command->is_cleanup)
        report = NULL;
    else if (command->report != NULL)
        report = command->report;
    *exchange = (tbk_exchange){
        .command = command,
        .result = result,
        .report = report,
        .deadline_ms = now_ms + timeout_ms_of(command),
        .moved_ms = now_ms,
        .received = tbk_memory_new(TBK_EXCHANGE_BUFFER_BYTES),
        .input_ended = command->input_fd <= 0,
    };
    if (exchange->input_ended) {
        exchange->chunk = command->input;
        exchange->chunk_length = command->input != NULL ? command->input_size_bytes : 0;
        exchange->to_send_bytes = exchange->chunk_length;
        return;
    }
    exchange->to_send_bytes = size_left(command->input_fd);
    exchange->buffer = tbk_memory_new(TBK_EXCHANGE_BUFFER_BYTES);
}

void tbk_exchange_end(tbk_exchange *exchange)
{
    buffer_free(exchange->buffer);
    buffer_free(exchange->received);
    exchange->buffer = NULL;
    exchange->received = NULL;
    tbk_text_end(&exchange->output.held);
    tbk_text_end(&exchange->error_output.held);
}

static bool is_ready(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 0) == 1;
}

bool tbk_exchange_fill(tbk_exchange *exchange, tbk_error *err)
{
    int fd = exchange->command->input_fd;
    if (exchange->input_ended || exchange->chunk_length > 0 || !is_ready(fd))
        return true;
    ssize_t length = read(fd, exchange->buffer, TBK_EXCHANGE_BUFFER_BYTES);
    if (length < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (length < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read what is to be sent");
    exchange->input_ended = length == 0;
    exchange->chunk = exchange->buffer;
    exchange->chunk_length = (size_t)length;
    return true;
}

void tbk_exchange_sent(tbk_exchange *exchange, size_t length)
{
    exchange->chunk += length;
    exchange->chunk_length -= length;
    exchange->sent_bytes += length;
    exchange->moved_ms = tbk_clock_monotonic_ms();
    if (exchange->to_send_bytes >= PROGRESS_FROM_BYTES)
        tbk_report_progress(exchange->command->report, "upload", exchange->sent_bytes,
                            exchange->to_send_bytes);
}

void tbk_exchange_drop_input(tbk_exchange *exchange)
{
    exchange->input_ended = true;
    exchange->chunk_length = 0;
}

static bool take_output(void *self, const char *bytes, size_t length, tbk_error *err)
{
    tbk_exchange *exchange = self;
    const tbk_remote_command *command = exchange->command;
    if (command->on_output != NULL)
        return command->on_output(command->on_output_self, bytes, length, err);
    if (length > OUTPUT_LIMIT_BYTES - exchange->result->output.length)
        return tbk_fail(err, TBK_E_REMOTE, NULL, "the command printed more than 8 MiB");
    tbk_text_append_bytes(&exchange->result->output, bytes, length);
    return true;
}

static bool take_error_output(void *self, const char *bytes, size_t length, tbk_error *err)
{
    tbk_exchange *exchange = self;
    size_t room = ERROR_OUTPUT_LIMIT_BYTES - exchange->result->error_output.length;
    (void)err;
    tbk_text_append_bytes(&exchange->result->error_output, bytes, length < room ? length : room);
    return true;
}

static void note_marks(tbk_exchange *exchange)
{
    if (exchange->marked_ms == 0 && exchange->output.place == TBK_FRAMED_AFTER &&
        exchange->error_output.place == TBK_FRAMED_AFTER)
        exchange->marked_ms = tbk_clock_monotonic_ms();
}

bool tbk_exchange_output(tbk_exchange *exchange, const char *bytes, size_t length, tbk_error *err)
{
    exchange->moved_ms = tbk_clock_monotonic_ms();
    bool ok = exchange->framed ? tbk_framed_add(&exchange->output, &exchange->framing, bytes,
                                                length, take_output, exchange, err)
                               : take_output(exchange, bytes, length, err);
    note_marks(exchange);
    return ok;
}

bool tbk_exchange_error_output(tbk_exchange *exchange, const char *bytes, size_t length,
                               tbk_error *err)
{
    exchange->moved_ms = tbk_clock_monotonic_ms();
    bool ok = exchange->framed ? tbk_framed_add(&exchange->error_output, &exchange->framing, bytes,
                                                length, take_error_output, exchange, err)
                               : take_error_output(exchange, bytes, length, err);
    note_marks(exchange);
    return ok;
}

bool tbk_exchange_is_over(const tbk_exchange *exchange)
{
    return exchange->marked_ms != 0 &&
           tbk_clock_monotonic_ms() - exchange->marked_ms >= END_AFTER_MARKS_MS;
}

bool tbk_exchange_finish(tbk_exchange *exchange, bool *out_known, tbk_error *err)
{
    const tbk_framed_stream *output = &exchange->output;
    *out_known = output->place == TBK_FRAMED_AFTER;
    exchange->result->unmarked = exchange->framed && output->place <= TBK_FRAMED_LOOSE;
    if (*out_known)
        exchange->result->exit_status = output->exit_status;
    return tbk_framed_finish(&exchange->output, take_output, exchange, err) &&
           tbk_framed_finish(&exchange->error_output, take_error_output, exchange, err);
}

/* The next moment at which a limit is reached. */
static int64_t next_limit_ms(const tbk_exchange *exchange)
{
    uint32_t idle_ms = exchange->command->idle_timeout_ms;
    int64_t idle_end_ms = exchange->moved_ms + idle_ms;
    return idle_ms != 0 && idle_end_ms < exchange->deadline_ms ? idle_end_ms
                                                               : exchange->deadline_ms;
}

static bool check_limits(const tbk_exchange *exchange, int64_t now_ms, tbk_error *err)
{
    const tbk_remote_command *command = exchange->command;
    if (!tbk_report_go_on(exchange->report, err))
        return false;
    if (now_ms >= exchange->deadline_ms)
        return tbk_fail(err, TBK_E_TIMEOUT, NULL, "'%s' did not end within %.1f s",
                        command->argv[0], timeout_ms_of(command) / 1000.0);
    if (now_ms >= next_limit_ms(exchange))
        return tbk_fail(err, TBK_E_TIMEOUT, NULL, "'%s' neither sent nor took a byte for %.1f s",
                        command->argv[0], command->idle_timeout_ms / 1000.0);
    return true;
}

bool tbk_exchange_wait(const tbk_exchange *exchange, struct pollfd *fds, nfds_t count,
                       int longest_ms, tbk_error *err)
{
    int64_t now_ms = tbk_clock_monotonic_ms();
    if (!check_limits(exchange, now_ms, err))
        return false;
    int64_t wait_ms = next_limit_ms(exchange) - now_ms;
    if (longest_ms >= 0 && wait_ms > longest_ms)
        wait_ms = longest_ms;
    const tbk_report *report = exchange->report;
    if (report != NULL && report->cancelled != NULL && wait_ms > CANCEL_CHECK_MS)
        wait_ms = CANCEL_CHECK_MS;
    if (exchange->marked_ms != 0 && wait_ms > END_AFTER_MARKS_MS)
        wait_ms = END_AFTER_MARKS_MS;
    bool wants_input = !exchange->input_ended && exchange->chunk_length == 0;
    fds[count] =
        (struct pollfd){.fd = wants_input ? exchange->command->input_fd : -1, .events = POLLIN};
    if (poll(fds, count + 1, (int)wait_ms) < 0 && errno != EINTR)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot wait for the command");
    return true;
}

void tbk_exchange_tell_dropped(const tbk_exchange *exchange, const char *vm, bool *told)
{
    const char *dropped = exchange->output.dropped[0] != '\0' ? exchange->output.dropped
                                                              : exchange->error_output.dropped;
    if (*told || dropped[0] == '\0')
        return;
    *told = true;
    tbk_report_log(exchange->report, TBK_LOG_INFO, "connect",
                   "the login shell on '%s' prints before each command, which is left out: %.*s",
                   vm, (int)strcspn(dropped, "\r\n"), dropped);
}

void tbk_exchange_line(tbk_exchange *exchange, bool user_is_root, tbk_text *line)
{
    exchange->framed = true;
    tbk_framing_new(&exchange->framing);
    tbk_framing_line(&exchange->framing, exchange->command, user_is_root, line);
}

void tbk_exchange_plain_line(const tbk_exchange *exchange, bool user_is_root, tbk_text *line)
{
    const tbk_remote_command *command = exchange->command;
    if (command->as_root && !user_is_root)
        tbk_text_append(line, "sudo -n -- ");
    for (size_t i = 0; command->argv[i] != NULL; i++) {
        if (i > 0)
            tbk_text_append_char(line, ' ');
        tbk_text_append_shell_word(line, command->argv[i]);
    }
}
