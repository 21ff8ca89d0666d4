/* SPDX-License-Identifier: MIT */
/* The remote port over one connection of libssh2: a channel for each command. */
#include "adapters/remote_libssh2.h"

#include "adapters/command_io.h"
#include "adapters/ssh2_session.h"
#include "adapters/ssh2_tunnel.h"
#include "base/clock.h"

#include <libssh2.h>
#include <signal.h>

#define STANDARD_OUTPUT 0
#define SILENCE_LIMIT_MS 60000 /* four keepalives without an answer */
#define CLOSE_WAIT_MS 1000

typedef struct connection {
    tbk_arena *arena;
    const char *name;
    tbk_ssh_target target;    /* to log in once more, for a tunnel */
    const tbk_report *report; /* may be NULL */
    bool told;                /* that its login shell prints */
    tbk_ssh2_session *ssh2;
    bool user_is_root;
    bool lost;
} connection;

/* One command's channel. libssh2 must finish a packet that the socket took in part before it is
 * asked for anything else: unfinished says which call that is. */
typedef struct conversation {
    connection *over;
    LIBSSH2_CHANNEL *channel;
    tbk_command_io *io;
    enum { NOTHING, READING, WRITING } unfinished;
    bool moved; /* in this round; then there may be more at once */
    bool end_sent;
} conversation;

static bool fail_lost(connection *it, const tbk_remote_command *command, tbk_error *err)
{
    it->lost = true;
    return tbk_fail(err, TBK_E_NETWORK, "repeat the command; it finishes what was begun",
                    "the connection to '%s' was lost while '%s' ran: %s", it->name,
                    command->argv[0], tbk_ssh2_session_why(it->ssh2));
}

static bool is_outbound(const connection *it)
{
    return (libssh2_session_block_directions(it->ssh2->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND) !=
           0;
}

/* Keeps the connection alive, and notices when the VM is silent although it was asked. */
static bool look_after(conversation *talk, tbk_error *err)
{
    connection *it = talk->over;
    int next_s = 0;
    if (talk->unfinished == NOTHING)
        (void)libssh2_keepalive_send(it->ssh2->session, &next_s);
    if (tbk_clock_monotonic_ms() - it->ssh2->received_ms < SILENCE_LIMIT_MS)
        return true;
    it->lost = true;
    return tbk_fail(err, TBK_E_NETWORK, "see whether the VM and its network are up, and repeat",
                    "'%s' has not answered for %d s while '%s' ran", it->name,
                    SILENCE_LIMIT_MS / 1000, talk->io->command->argv[0]);
}

static bool wait_for_vm(conversation *talk, short events, tbk_error *err)
{
    struct pollfd fds[2] = {{.fd = talk->over->ssh2->socket, .events = events}};
    bool waited = look_after(talk, err) && tbk_command_io_wait(talk->io, fds, 1, 5000, err);
    tbk_ssh2_session_turn(talk->over->ssh2);
    return waited;
}

/* After EAGAIN: waits for what that call needs. */
static bool wait_for_call(conversation *talk, tbk_error *err)
{
    talk->unfinished = WRITING; /* no keepalive in between */
    bool waited = wait_for_vm(talk, tbk_ssh2_session_events(talk->over->ssh2), err);
    talk->unfinished = NOTHING;
    return waited;
}

static bool open_channel(conversation *talk, tbk_error *err)
{
    LIBSSH2_SESSION *session = talk->over->ssh2->session;
    tbk_ssh2_session_turn(talk->over->ssh2);
    while ((talk->channel = libssh2_channel_open_session(session)) == NULL) {
        if (libssh2_session_last_errno(session) != LIBSSH2_ERROR_EAGAIN)
            return fail_lost(talk->over, talk->io->command, err);
        if (!wait_for_call(talk, err)) {
            talk->over->lost = true; /* half open: the connection is good for nothing more */
            return false;
        }
    }
    return true;
}

static bool start_command(conversation *talk, tbk_error *err)
{
    tbk_auto_text line = {0};
    tbk_command_io_line(talk->io, talk->over->user_is_root, &line);
    int status;
    while ((status = libssh2_channel_exec(talk->channel, tbk_text_string(&line))) ==
           LIBSSH2_ERROR_EAGAIN)
        if (!wait_for_call(talk, err))
            return false;
    return status == 0 || fail_lost(talk->over, talk->io->command, err);
}

static bool read_stream(conversation *talk, int stream, tbk_error *err)
{
    ssize_t length = libssh2_channel_read_ex(talk->channel, stream, talk->io->received,
                                             TBK_EXCHANGE_BUFFER_BYTES);
    if (length == LIBSSH2_ERROR_EAGAIN) {
        talk->unfinished = is_outbound(talk->over) ? READING : NOTHING;
        return true;
    }
    if (length < 0)
        return fail_lost(talk->over, talk->io->command, err);
    talk->unfinished = NOTHING;
    talk->moved = talk->moved || length > 0;
    if (length > 0 && stream == SSH_EXTENDED_DATA_STDERR)
        return tbk_command_io_error_output(talk->io, talk->io->received, (size_t)length, err);
    else if (length > 0)
        return tbk_command_io_output(talk->io, talk->io->received, (size_t)length, err);
    return true;
}

static bool read_streams(conversation *talk, tbk_error *err)
{
    if (talk->unfinished == WRITING)
        return true;
    if (!read_stream(talk, SSH_EXTENDED_DATA_STDERR, err))
        return false;
    return talk->unfinished != NOTHING || read_stream(talk, STANDARD_OUTPUT, err);
}

static ssize_t write_or_end(conversation *talk)
{
    tbk_command_io *io = talk->io;
    if (io->chunk_length > 0)
        return libssh2_channel_write(talk->channel, io->chunk, io->chunk_length);
    int status = libssh2_channel_send_eof(talk->channel);
    talk->end_sent = status == 0;
    return status;
}

static bool write_input(conversation *talk, tbk_error *err)
{
    tbk_command_io *io = talk->io;
    if (talk->unfinished == READING || talk->end_sent)
        return true;
    if (!tbk_command_io_fill(io, err))
        return false;
    if (io->chunk_length == 0 && !io->input_ended)
        return true;
    ssize_t length = write_or_end(talk);
    talk->unfinished = NOTHING;
    if (length == LIBSSH2_ERROR_EAGAIN) {
        talk->unfinished = is_outbound(talk->over) ? WRITING : NOTHING;
    } else if (length == LIBSSH2_ERROR_CHANNEL_CLOSED) { /* it needs no more; its status judges */
        tbk_command_io_drop_input(io);
        talk->end_sent = true;
    } else if (length < 0) {
        return fail_lost(talk->over, io->command, err);
    } else if (length > 0) {
        tbk_command_io_sent(io, (size_t)length);
        talk->moved = true;
    }
    return true;
}

/* The command is over when the VM has closed the channel: end of output alone is not enough, its
 * exit status comes between the two. */
static bool is_over(conversation *talk, bool *out_over, tbk_error *err)
{
    *out_over = tbk_command_io_is_over(talk->io);
    if (*out_over || talk->unfinished != NOTHING || libssh2_channel_eof(talk->channel) != 1)
        return true;
    int status = libssh2_channel_wait_closed(talk->channel);
    if (status != 0 && status != LIBSSH2_ERROR_EAGAIN)
        return fail_lost(talk->over, talk->io->command, err);
    *out_over = status == 0;
    return true;
}

static bool converse(conversation *talk, tbk_error *err)
{
    for (;;) {
        bool over;
        uint64_t received_bytes = talk->over->ssh2->received_bytes;
        talk->moved = false;
        if (!read_streams(talk, err) || !write_input(talk, err) || !is_over(talk, &over, err))
            return false;
        if (over)
            return true;
        /* What libssh2 took from the socket in any of these calls may wait in its queue, where poll
         * does not see it. Even in a stream that never pauses the limits are looked at. */
        short events = talk->unfinished != NOTHING ? POLLOUT : POLLIN;
        if (talk->moved || received_bytes != talk->over->ssh2->received_bytes)
            events = POLLIN | POLLOUT;
        if (!wait_for_vm(talk, events, err))
            return false;
    }
}

static int signal_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ILL", SIGILL},
                   {"ABRT", SIGABRT}, {"FPE", SIGFPE},   {"KILL", SIGKILL}, {"USR1", SIGUSR1},
                   {"SEGV", SIGSEGV}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},
                   {"TERM", SIGTERM}};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (strcmp(name, signals[i].name) == 0)
            return signals[i].number;
    return 127; /* one that SSH has no name for: 255 in the end */
}

static int exit_status_of(conversation *talk)
{
    LIBSSH2_SESSION *session = talk->over->ssh2->session;
    char *name = NULL;
    size_t length = 0;
    int status = libssh2_channel_get_exit_status(talk->channel);
    (void)libssh2_channel_get_exit_signal(talk->channel, &name, &length, NULL, NULL, NULL, NULL);
    if (name != NULL) {
        status = 128 + signal_number(name);
        libssh2_free(session, name);
    }
    return status & 255;
}

/* Gives the channel back; a command that still runs loses its input and output. Its server may say
 * goodbye only when it ends, so only our own is waited for: the session frees the rest. */
static void close_channel(conversation *talk)
{
    connection *it = talk->over;
    int64_t end_ms = tbk_clock_monotonic_ms() + CLOSE_WAIT_MS;
    if (talk->unfinished != NOTHING)
        it->lost = true; /* half a packet is out: no other can follow it */
    if (it->lost)
        return;
    int status;
    while ((status = libssh2_channel_free(talk->channel)) == LIBSSH2_ERROR_EAGAIN &&
           is_outbound(it) && tbk_clock_monotonic_ms() < end_ms) {
        struct pollfd wait = {.fd = it->ssh2->socket, .events = POLLOUT};
        (void)poll(&wait, 1, 50);
    }
    it->lost = status != 0 && (status != LIBSSH2_ERROR_EAGAIN || is_outbound(it));
}

static bool run_over(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                     tbk_error *err)
{
    connection *it = self;
    if (it->lost)
        return tbk_fail(err, TBK_E_NETWORK, "repeat the command; it finishes what was begun",
                        "the connection to '%s' has ended", it->name);
    tbk_auto_command_io io;
    tbk_command_io_begin(&io, command, it->report, result);
    conversation talk = {.over = it, .io = &io};
    if (!open_channel(&talk, err))
        return false;
    bool known = false;
    bool ended = start_command(&talk, err) && converse(&talk, err) &&
                 tbk_command_io_finish(&io, &known, err);
    tbk_command_io_tell_dropped(&io, it->name, &it->told);
    if (ended && !known)
        result->exit_status = exit_status_of(&talk);
    /* What began and did not end was cut, whatever the server makes of it. */
    if (ended && !known && !result->unmarked && result->exit_status == 0)
        ended = fail_lost(it, command, err);
    close_channel(&talk);
    return ended;
}

/* The key is read again rather than kept. */
static bool open_tunnel(void *self, const char *host, uint16_t port, const tbk_report *report,
                        tbk_remote_tunnel *out, tbk_error *err)
{
    const connection *it = self;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_ssh_key key;
    tbk_host_keys known;
    tbk_ssh2_session *ssh2 = NULL;
    bool unable = false;
    return tbk_ssh_key_read(arena, it->target.private_key_path, it->target.public_key_path, &key,
                            err) &&
           tbk_host_keys_load(arena, &it->target, &known, err) &&
           tbk_ssh2_session_open(&it->target, &key, &known, report, &ssh2, &unable, err) &&
           tbk_ssh2_tunnel_open(ssh2, it->name, host, port, report, out, err);
}

static const char *copy(tbk_arena *arena, const char *text)
{
    return text != NULL ? tbk_arena_copy(arena, text) : NULL;
}

/* What the VM showed at the first contact is pinned by now: no other key is accepted. */
static tbk_ssh_target keep_target(tbk_arena *arena, const tbk_ssh_target *target)
{
    tbk_ssh_target kept = *target;
    kept.host = copy(arena, target->host);
    kept.user = copy(arena, target->user);
    kept.private_key_path = copy(arena, target->private_key_path);
    kept.public_key_path = copy(arena, target->public_key_path);
    kept.known_hosts_path = copy(arena, target->known_hosts_path);
    kept.host_key = NULL;
    return kept;
}

static void close_connection(void *self)
{
    connection *it = self;
    tbk_ssh2_session_free(it->ssh2);
    tbk_arena_free(it->arena);
}

bool tbk_remote_libssh2_open(const tbk_ssh_target *target, const tbk_ssh_key *key,
                             tbk_host_keys *known, const tbk_report *report, tbk_remote *out,
                             bool *out_unable, tbk_error *err)
{
    tbk_ssh2_session *ssh2;
    if (!tbk_ssh2_session_open(target, key, known, report, &ssh2, out_unable, err))
        return false;
    tbk_arena *arena = tbk_arena_new();
    connection *it = TBK_ARENA_NEW(arena, connection);
    *it = (connection){
        .arena = arena, .target = keep_target(arena, target), .report = report, .ssh2 = ssh2};
    it->user_is_root = strcmp(target->user, "root") == 0;
    it->name =
        tbk_arena_format(arena, "%s@%s:%u", target->user, target->host, (unsigned)target->port);
    *out = (tbk_remote){.self = it,
                        .name = it->name,
                        .run = run_over,
                        .tunnel = open_tunnel,
                        .close = close_connection};
    return true;
}
