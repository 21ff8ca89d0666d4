/* SPDX-License-Identifier: MIT */
/* One command's conversation: what is to be sent, what came back, and when to give up. */
#include "adapters/command_io.h"

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

void tbk_command_io_begin(tbk_command_io *io, const tbk_remote_command *command,
                          const tbk_report *report, tbk_remote_result *result)
{
    int64_t now_ms = tbk_clock_monotonic_ms();
    if (command->is_cleanup)
        report = NULL;
    else if (command->report != NULL)
        report = command->report;
    *io = (tbk_command_io){
        .command = command,
        .result = result,
        .report = report,
        .deadline_ms = now_ms + timeout_ms_of(command),
        .moved_ms = now_ms,
        .received = tbk_memory_new(TBK_EXCHANGE_BUFFER_BYTES),
        .input_ended = command->input_fd <= 0,
    };
    if (io->input_ended) {
        io->chunk = command->input;
        io->chunk_length = command->input != NULL ? command->input_size_bytes : 0;
        io->to_send_bytes = io->chunk_length;
        return;
    }
    io->to_send_bytes = size_left(command->input_fd);
    io->buffer = tbk_memory_new(TBK_EXCHANGE_BUFFER_BYTES);
}

void tbk_command_io_end(tbk_command_io *io)
{
    buffer_free(io->buffer);
    buffer_free(io->received);
    io->buffer = NULL;
    io->received = NULL;
    tbk_text_end(&io->output.held);
    tbk_text_end(&io->error_output.held);
}

static bool is_ready(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 0) == 1;
}

bool tbk_command_io_fill(tbk_command_io *io, tbk_error *err)
{
    int fd = io->command->input_fd;
    if (io->input_ended || io->chunk_length > 0 || !is_ready(fd))
        return true;
    ssize_t length = read(fd, io->buffer, TBK_EXCHANGE_BUFFER_BYTES);
    if (length < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (length < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read what is to be sent");
    io->input_ended = length == 0;
    io->chunk = io->buffer;
    io->chunk_length = (size_t)length;
    return true;
}

void tbk_command_io_sent(tbk_command_io *io, size_t length)
{
    io->chunk += length;
    io->chunk_length -= length;
    io->sent_bytes += length;
    io->moved_ms = tbk_clock_monotonic_ms();
    if (io->to_send_bytes >= PROGRESS_FROM_BYTES)
        tbk_report_progress(io->command->report, "upload", io->sent_bytes, io->to_send_bytes);
}

void tbk_command_io_drop_input(tbk_command_io *io)
{
    io->input_ended = true;
    io->chunk_length = 0;
}

static bool take_output(void *self, const char *bytes, size_t length, tbk_error *err)
{
    tbk_command_io *io = self;
    const tbk_remote_command *command = io->command;
    if (command->on_output != NULL)
        return command->on_output(command->on_output_self, bytes, length, err);
    if (length > OUTPUT_LIMIT_BYTES - io->result->output.length)
        return tbk_fail(err, TBK_E_REMOTE, NULL, "the command printed more than 8 MiB");
    tbk_text_append_bytes(&io->result->output, bytes, length);
    return true;
}

static bool take_error_output(void *self, const char *bytes, size_t length, tbk_error *err)
{
    tbk_command_io *io = self;
    size_t room = ERROR_OUTPUT_LIMIT_BYTES - io->result->error_output.length;
    (void)err;
    if (io->on_error_output != NULL)
        io->on_error_output(io->on_error_output_self, bytes, length);
    tbk_text_append_bytes(&io->result->error_output, bytes, length < room ? length : room);
    return true;
}

static void note_marks(tbk_command_io *io)
{
    if (io->marked_ms == 0 && io->output.place == TBK_FRAMED_AFTER &&
        io->error_output.place == TBK_FRAMED_AFTER)
        io->marked_ms = tbk_clock_monotonic_ms();
}

bool tbk_command_io_output(tbk_command_io *io, const char *bytes, size_t length, tbk_error *err)
{
    io->moved_ms = tbk_clock_monotonic_ms();
    io->received_bytes += length;
    bool ok = io->framed
                  ? tbk_framed_add(&io->output, &io->framing, bytes, length, take_output, io, err)
                  : take_output(io, bytes, length, err);
    note_marks(io);
    return ok;
}

bool tbk_command_io_error_output(tbk_command_io *io, const char *bytes, size_t length,
                                 tbk_error *err)
{
    io->moved_ms = tbk_clock_monotonic_ms();
    io->received_bytes += length;
    bool ok = io->framed ? tbk_framed_add(&io->error_output, &io->framing, bytes, length,
                                          take_error_output, io, err)
                         : take_error_output(io, bytes, length, err);
    note_marks(io);
    return ok;
}

bool tbk_command_io_is_over(const tbk_command_io *io)
{
    return io->marked_ms != 0 && tbk_clock_monotonic_ms() - io->marked_ms >= END_AFTER_MARKS_MS;
}

bool tbk_command_io_finish(tbk_command_io *io, bool *out_known, tbk_error *err)
{
    const tbk_framed_stream *output = &io->output;
    *out_known = output->place == TBK_FRAMED_AFTER;
    io->result->unmarked = io->framed && output->place <= TBK_FRAMED_LOOSE;
    if (*out_known)
        io->result->exit_status = output->exit_status;
    return tbk_framed_finish(&io->output, take_output, io, err) &&
           tbk_framed_finish(&io->error_output, take_error_output, io, err);
}

/* The next moment at which a limit is reached. */
static int64_t next_limit_ms(const tbk_command_io *io)
{
    uint32_t idle_ms = io->command->idle_timeout_ms;
    int64_t idle_end_ms = io->moved_ms + idle_ms;
    return idle_ms != 0 && idle_end_ms < io->deadline_ms ? idle_end_ms : io->deadline_ms;
}

static bool check_limits(const tbk_command_io *io, int64_t now_ms, tbk_error *err)
{
    const tbk_remote_command *command = io->command;
    if (!tbk_report_go_on(io->report, err))
        return false;
    if (now_ms >= io->deadline_ms)
        return tbk_fail(err, TBK_E_TIMEOUT, NULL, "'%s' did not end within %.1f s",
                        command->argv[0], timeout_ms_of(command) / 1000.0);
    if (now_ms >= next_limit_ms(io))
        return tbk_fail(err, TBK_E_TIMEOUT, NULL, "'%s' neither sent nor took a byte for %.1f s",
                        command->argv[0], command->idle_timeout_ms / 1000.0);
    return true;
}

bool tbk_command_io_wait(const tbk_command_io *io, struct pollfd *fds, nfds_t count, int longest_ms,
                         tbk_error *err)
{
    int64_t now_ms = tbk_clock_monotonic_ms();
    if (!check_limits(io, now_ms, err))
        return false;
    int64_t wait_ms = next_limit_ms(io) - now_ms;
    if (longest_ms >= 0 && wait_ms > longest_ms)
        wait_ms = longest_ms;
    const tbk_report *report = io->report;
    if (report != NULL && report->cancelled != NULL && wait_ms > CANCEL_CHECK_MS)
        wait_ms = CANCEL_CHECK_MS;
    if (io->marked_ms != 0 && wait_ms > END_AFTER_MARKS_MS)
        wait_ms = END_AFTER_MARKS_MS;
    bool wants_input = !io->input_ended && io->chunk_length == 0;
    fds[count] = (struct pollfd){.fd = wants_input ? io->command->input_fd : -1, .events = POLLIN};
    if (poll(fds, count + 1, (int)wait_ms) < 0 && errno != EINTR)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot wait for the command");
    return true;
}

void tbk_command_io_tell_dropped(const tbk_command_io *io, const char *vm, bool *told)
{
    const char *dropped =
        io->output.dropped[0] != '\0' ? io->output.dropped : io->error_output.dropped;
    if (*told || dropped[0] == '\0')
        return;
    *told = true;
    tbk_report_log(io->report, TBK_LOG_INFO, "connect",
                   "the login shell on '%s' prints before each command, which is left out: %.*s",
                   vm, (int)strcspn(dropped, "\r\n"), dropped);
}

void tbk_command_io_line(tbk_command_io *io, bool user_is_root, tbk_text *line)
{
    io->framed = true;
    tbk_framing_new(&io->framing);
    tbk_framing_line(&io->framing, io->command, user_is_root, line);
}

void tbk_command_io_plain_line(const tbk_command_io *io, bool user_is_root, tbk_text *line)
{
    const tbk_remote_command *command = io->command;
    if (command->as_root && !user_is_root)
        tbk_text_append(line, "sudo -n -- ");
    for (size_t i = 0; command->argv[i] != NULL; i++) {
        if (i > 0)
            tbk_text_append_char(line, ' ');
        tbk_text_append_shell_word(line, command->argv[i]);
    }
}
