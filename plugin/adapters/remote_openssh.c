/* SPDX-License-Identifier: MIT */
/* The remote port over the ssh program: one master connection, every command through it. */
#include "adapters/remote_openssh.h"

#include "adapters/openssh_master.h"
#include "adapters/process.h"
#include "adapters/tunnel.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_TIMEOUT_MS 5000
#define REPEAT "repeat the command; it finishes what was begun"

typedef struct connection {
    tbk_openssh_master master;
    const tbk_report *report; /* may be NULL */
    bool told;                /* that its login shell prints */
    bool user_is_root;
    unsigned tunnels; /* that were opened, for the names of their logs */
} connection;

/* --- commands --- */

/* The exit status of ssh is 255 for its own failures and for a signal on the other side, so the
 * command's own comes with its end mark. Without it the connection was cut, whatever came before.
 * The reason, if known, comes from the master. */
static bool fail_lost(connection *over, const tbk_remote_command *command,
                      const tbk_remote_result *result, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *log = tbk_openssh_master_log(&over->master, arena);
    const char *said = tbk_text_string(&result->error_output);
    return tbk_fail(err, TBK_E_NETWORK, REPEAT,
                    "the connection to '%s' was lost while '%s' ran: %s", over->master.name,
                    command->argv[0], tbk_openssh_last_line(arena, log[0] != '\0' ? log : said));
}

/* The wait for a command looks after the master's log, too. */
typedef struct watch {
    const connection *over;
    const tbk_report *report; /* may be NULL */
} watch;

static bool is_to_end(void *self)
{
    const watch *it = self;
    return tbk_openssh_master_log_is_full(&it->over->master) ||
           (it->report != NULL && it->report->cancelled != NULL &&
            it->report->cancelled(it->report->self));
}

static bool run_over(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                     tbk_error *err)
{
    connection *over = self;
    tbk_auto_text line = {0};
    tbk_auto_command_io io;
    tbk_command_io_begin(&io, command, over->report, result);
    if (!tbk_openssh_master_lives(&over->master))
        return tbk_fail(err, TBK_E_NETWORK, REPEAT, "the connection to '%s' has ended",
                        over->master.name);
    tbk_command_io_line(&io, over->user_is_root, &line);
    /* Without the master's socket ssh would open a connection of its own: that has to fail. */
    const char *const argv[] = {"ssh",
                                "-F",
                                "none",
                                "-T",
                                "-S",
                                over->master.socket_path,
                                "-o",
                                "ProxyCommand=false",
                                "-o",
                                "LogLevel=ERROR",
                                "-o",
                                "BatchMode=yes",
                                "-o",
                                "EscapeChar=none",
                                "--",
                                over->master.host,
                                tbk_text_string(&line),
                                NULL};
    int status;
    bool known;
    watch watched = {.over = over, .report = io.report};
    const tbk_report report = {.self = &watched, .cancelled = is_to_end};
    io.report = &report;
    if (!tbk_process_run(argv, &io, &status, err) || !tbk_command_io_finish(&io, &known, err))
        return tbk_openssh_master_log_is_full(&over->master)
                   ? tbk_openssh_master_fail_flood(&over->master, err)
                   : false;
    io.report = over->report;
    tbk_command_io_tell_dropped(&io, over->master.name, &over->told);
    /* 255 is what ssh ends with for its own failures. */
    if (!known && (status < 0 || status == 255 || !result->unmarked))
        return fail_lost(over, command, result, err);
    if (!known)
        result->exit_status = status;
    return true;
}

/* --- tunnels --- */

/* What is said once the target has accepted the connection. There is no other sign of it. */
#define OPENED "master session id"

/* A client of the master, whose input and output are the connection. */
typedef struct forwarder {
    pid_t process; /* 0 = it has ended */
    const char *log_path;
    size_t log_before_bytes; /* of the master's log */
    tbk_arena *arena;
} forwarder;

static void close_forwarder(const tbk_tunnel_end *end)
{
    forwarder *it = end->self;
    (void)close(end->fd);
    if (it->process > 0)
        tbk_process_stop(it->process);
    (void)unlink(it->log_path);
    tbk_arena_free(it->arena);
}

/* Its own words are "refused by peer"; the master's say what the VM's SSH server answered. */
static bool fail_forward(const connection *over, const forwarder *it, tbk_error *err)
{
    const char *log = tbk_openssh_read_log(it->arena, over->master.log_path, it->log_before_bytes);
    const char *said = log[0] != '\0' ? log : tbk_openssh_read_log(it->arena, it->log_path, 0);
    const char *reason = tbk_openssh_last_line(it->arena, said);
    const char *refused = strstr(reason, "open failed: ");
    return tbk_tunnel_fail_refused(refused != NULL ? refused + strlen("open failed: ") : reason,
                                   err);
}

static bool is_open(const forwarder *it)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    return strstr(tbk_openssh_read_log(arena, it->log_path, 0), OPENED) != NULL;
}

static bool await_forward(const connection *over, forwarder *it, const tbk_report *report,
                          tbk_error *err)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + TBK_REMOTE_TUNNEL_LIMIT_MS;
    for (;;) {
        bool has_ended = tbk_process_ended(it->process);
        if (has_ended)
            it->process = 0;
        if (is_open(it))
            return true;
        if (has_ended)
            return fail_forward(over, it, err);
        if (!tbk_report_go_on(report, err))
            return false;
        if (tbk_clock_monotonic_ms() >= end_ms)
            return tbk_tunnel_fail_silent(err);
        const struct timespec pause = {.tv_nsec = 20000000};
        (void)nanosleep(&pause, NULL);
    }
}

static bool start_forward(connection *over, forwarder *it, const char *where, int fd,
                          tbk_error *err)
{
    const char *const argv[] = {"ssh",  "-F",
                                "none", "-v",
                                "-S",   over->master.socket_path,
                                "-o",   "ProxyCommand=false",
                                "-o",   "BatchMode=yes",
                                "-W",   where,
                                "--",   over->master.host,
                                NULL};
    tbk_auto_fd int log =
        open(it->log_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot create '%s'", it->log_path);
    return tbk_process_start_on(argv, fd, log, &it->process, err);
}

static bool make_ends(int *out_ours, int *out_its, tbk_error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make a pair of sockets");
    *out_ours = ends[0];
    *out_its = ends[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot prepare a socket");
    return true;
}

static bool open_tunnel(void *self, const char *host, uint16_t port, const tbk_report *report,
                        tbk_remote_tunnel *out, tbk_error *err)
{
    connection *over = self;
    if (!tbk_openssh_master_lives(&over->master))
        return tbk_fail(err, TBK_E_NETWORK, REPEAT, "the connection to '%s' has ended",
                        over->master.name);
    tbk_arena *arena = tbk_arena_new();
    forwarder *it = TBK_ARENA_NEW(arena, forwarder);
    *it = (forwarder){.arena = arena,
                      .log_path = tbk_arena_format(arena, "%s/tunnel-%u", over->master.directory,
                                                   over->tunnels++)};
    it->log_before_bytes = strlen(tbk_openssh_read_log(arena, over->master.log_path, 0));
    const char *target = tbk_arena_format(arena, "%s port %u", host, (unsigned)port);
    const char *where = tbk_arena_format(arena, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u",
                                         host, (unsigned)port);
    tbk_auto_fd int its = -1;
    tbk_tunnel_end end = tbk_tunnel_socket_end(-1);
    end.self = it;
    end.close = close_forwarder;
    if (make_ends(&end.fd, &its, err) && start_forward(over, it, where, its, err) &&
        await_forward(over, it, report, err))
        return tbk_tunnel_begin(&end, over->master.name, target, out, err);
    close_forwarder(&end);
    return false;
}

/* --- opening and closing --- */

/* The value in ssh -G's "keyword value" lines; NULL when it has none. */
static const char *configured(tbk_arena *arena, const char *text, const char *keyword)
{
    const char *found = strstr(text, tbk_arena_format(arena, "\n%s ", keyword));
    if (found == NULL)
        return NULL;
    found += strlen(keyword) + 2;
    return tbk_arena_copy_bytes(arena, found, strcspn(found, "\n"));
}

static bool is_set(const char *value) { return value != NULL && strcmp(value, "none") != 0; }

bool tbk_remote_openssh_has_route(const tbk_ssh_target *target, const tbk_report *report)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *const argv[] = {"ssh", "-G", "-l", target->user, "--", target->host, NULL};
    const tbk_remote_command command = {
        .argv = argv, .timeout_ms = CONFIG_TIMEOUT_MS, .report = report};
    tbk_auto_remote_result result = {0};
    tbk_auto_command_io io;
    tbk_command_io_begin(&io, &command, report, &result);
    tbk_error ignored;
    int status;
    if (!tbk_process_run(argv, &io, &status, &ignored) || status > 0)
        return false; /* no ssh program, or one that cannot read its configuration */
    const char *text = tbk_text_string(&result.output);
    const char *host = configured(arena, text, "hostname");
    return is_set(configured(arena, text, "proxyjump")) ||
           is_set(configured(arena, text, "proxycommand")) ||
           (host != NULL && strcasecmp(host, target->host) != 0);
}

static void close_connection(void *self)
{
    connection *over = self;
    tbk_openssh_master_close(&over->master);
    tbk_arena_free(over->master.arena);
}

bool tbk_remote_openssh_open(const tbk_ssh_target *target, const tbk_host_keys *known,
                             bool with_config, const tbk_report *report, tbk_remote *out,
                             tbk_error *err)
{
    tbk_arena *arena = tbk_arena_new();
    connection *over = TBK_ARENA_NEW(arena, connection);
    *over = (connection){.master = {.arena = arena, .input_fd = -1},
                         .report = report,
                         .user_is_root = strcmp(target->user, "root") == 0};
    if (tbk_openssh_master_open(&over->master, target, known, with_config, report, err)) {
        *out = (tbk_remote){.self = over,
                            .name = over->master.name,
                            .run = run_over,
                            .tunnel = open_tunnel,
                            .close = close_connection};
        return true;
    }
    close_connection(over);
    return false;
}
