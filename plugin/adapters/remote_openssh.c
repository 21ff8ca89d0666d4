/* SPDX-License-Identifier: MIT */
/* The remote port over the ssh program: one master connection, every command through it. */
#include "adapters/remote_openssh.h"

#include "adapters/base64.h"
#include "adapters/process.h"
#include "adapters/tunnel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_CONNECT_TIMEOUT_MS 10000
#define LOGIN_TIMEOUT_FACTOR 4 /* connecting, handshake and login together */
#define LOG_LIMIT_BYTES ((size_t)1 << 20)
#define CONFIG_TIMEOUT_MS 5000
#define WORDS_MAX 80
/* The master looks host keys up under this name, whatever a configuration makes of the host's. */
#define HOST_ALIAS "torrust-backup-vm"
#define REPEAT "repeat the command; it finishes what was begun"

typedef struct connection {
    tbk_arena *arena;
    const char *name;
    const char *host;
    const char *directory; /* private: the master's socket, its log, the known host keys */
    const char *socket_path;
    const char *log_path;
    size_t log_skip_bytes;    /* of its log, what was said before the VM accepted the key */
    const tbk_report *report; /* may be NULL */
    bool told;                /* that its login shell prints */
    bool user_is_root;
    pid_t master;     /* 0 = none */
    int master_fd;    /* its input: it ends when this does */
    unsigned tunnels; /* that were opened, for the names of their logs */
} connection;

typedef struct words {
    const char *list[WORDS_MAX];
    size_t count;
} words;

static void add(words *it, const char *word)
{
    if (it->count + 1 >= WORDS_MAX)
        abort(); /* more options were written into this file than it has room for */
    it->list[it->count++] = word;
    it->list[it->count] = NULL;
}

static void add_option(words *it, const char *option)
{
    add(it, "-o");
    add(it, option);
}

/* --- the master --- */

/* -i takes % sequences. */
static const char *escape_percent(tbk_arena *arena, const char *path)
{
    char *escaped = tbk_arena_alloc(arena, 2 * strlen(path) + 1);
    for (char *to = escaped; *path != '\0'; path++) {
        if (*path == '%')
            *to++ = '%';
        *to++ = *path;
    }
    return escaped;
}

static void add_identity(words *it, tbk_arena *arena, const tbk_ssh_target *target)
{
    const char *public_path = target->public_key_path;
    add(it, "-i");
    add(it, escape_percent(arena, target->private_key_path));
    if (public_path == NULL || access(public_path, R_OK) != 0)
        return;
    add(it, "-i"); /* so that the agent's identity is found where the file does not show it */
    add(it, escape_percent(arena, public_path));
}

static void add_master_options(words *it, connection *over, const tbk_ssh_target *target,
                               const tbk_host_keys *known, uint32_t connect_timeout_ms)
{
    static const char *const fixed[] = {
        "BatchMode=yes",         "IdentitiesOnly=yes",      "PreferredAuthentications=publickey",
        "ControlMaster=yes",     "ControlPersist=no",       "ForwardAgent=no",
        "ForwardX11=no",         "ClearAllForwardings=yes", "PermitLocalCommand=no",
        "RemoteCommand=none",    "RequestTTY=no",           "ServerAliveInterval=15",
        "ServerAliveCountMax=4", "UpdateHostKeys=no",       "HashKnownHosts=no",
        "CheckHostIP=no",        "VerifyHostKeyDNS=no",     "GlobalKnownHostsFile=/dev/null",
        "LogLevel=INFO",         "EscapeChar=none",         ("HostKeyAlias=" HOST_ALIAS)};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        add_option(it, fixed[i]);
    add_option(it, known->first != NULL ? "StrictHostKeyChecking=yes"
                                        : "StrictHostKeyChecking=accept-new");
    add_option(it,
               tbk_arena_format(over->arena, "UserKnownHostsFile=%s/known_hosts", over->directory));
    add_option(it, tbk_arena_format(over->arena, "ControlPath=%s", over->socket_path));
    add_option(it, tbk_arena_format(over->arena, "ConnectTimeout=%u",
                                    (unsigned)((connect_timeout_ms + 999) / 1000)));
    add(it, "-l");
    add(it, target->user);
    add(it, "-p");
    add(it, tbk_arena_format(over->arena, "%u", (unsigned)target->port));
    add_identity(it, over->arena, target);
}

static bool write_known_hosts(connection *over, const tbk_host_keys *known, tbk_error *err)
{
    tbk_auto_text text = {0};
    for (const tbk_host_key *key = known->revoked; key != NULL; key = key->next)
        tbk_text_format(&text, "@revoked " HOST_ALIAS " %s %s\n", key->type, key->text);
    for (const tbk_host_key *key = known->first; key != NULL; key = key->next)
        tbk_text_format(&text, HOST_ALIAS " %s %s\n", key->type, key->text);
    const char *path = tbk_arena_format(over->arena, "%s/known_hosts", over->directory);
    return tbk_file_publish(path, tbk_text_string(&text), text.length, 0600, err);
}

static const char *last_line(tbk_arena *arena, const char *text)
{
    const char *line = tbk_remote_last_line(arena, text);
    return line[0] != '\0' ? line : "no reason given";
}

/* The key that the VM showed, from ssh's own words. */
static const char *shown_fingerprint(tbk_arena *arena, const char *log)
{
    const char *found = strstr(log, "SHA256:");
    return found == NULL ? NULL : tbk_arena_copy_bytes(arena, found, strcspn(found, " .\r\n"));
}

static bool fail_host_key(connection *over, const tbk_host_keys *known, const char *log,
                          tbk_error *err)
{
    const char *shown = shown_fingerprint(over->arena, log);
    if (shown == NULL)
        return tbk_fail(err, TBK_E_HOST_KEY, "compare the VM's keys with the pinned ones",
                        "the host key of '%s' was refused: %s", over->name,
                        last_line(over->arena, log));
    return tbk_host_keys_fail_changed(over->arena, known, "", shown, err);
}

static const char *read_text(tbk_arena *arena, const char *path, size_t skip_bytes)
{
    char *text;
    size_t length;
    tbk_error ignored;
    if (!tbk_file_read(arena, path, LOG_LIMIT_BYTES, &text, &length, &ignored))
        return "";
    return text + (length < skip_bytes ? length : skip_bytes);
}

static const char *read_log(const connection *over, tbk_arena *arena)
{
    return read_text(arena, over->log_path, over->log_skip_bytes);
}

/* What the VM says to the master (banners, its shell's files) is kept there; without end it would
 * fill the disk. */
static bool log_is_full(const connection *over)
{
    struct stat status;
    return stat(over->log_path, &status) == 0 && (uint64_t)status.st_size >= LOG_LIMIT_BYTES;
}

static bool fail_flood(const connection *over, tbk_error *err)
{
    return tbk_fail(err, TBK_E_NETWORK, "see what the VM's login shell and SSH server print",
                    "'%s' prints more than %zu MiB of its own", over->name, LOG_LIMIT_BYTES >> 20);
}

/* ssh says why in words only, and always ends with 255. */
static bool fail_master(connection *over, const tbk_ssh_target *target, const tbk_host_keys *known,
                        tbk_error *err)
{
    const char *log = read_log(over, over->arena);
    const char *reason = last_line(over->arena, log);
    if (strstr(log, "Host key verification failed") != NULL ||
        strstr(log, "REMOTE HOST IDENTIFICATION HAS CHANGED") != NULL ||
        strstr(log, "REVOKED HOST KEY") != NULL)
        return fail_host_key(over, known, log, err);
    if (strstr(log, "Permission denied") != NULL ||
        strstr(log, "Too many authentication failures") != NULL)
        return tbk_fail(err, TBK_E_KEY,
                        "add its public key to the user's ~/.ssh/authorized_keys on the VM, or "
                        "give another user or key with --ssh-user and --ssh-key",
                        "'%s' refuses the key '%s' for user '%s'", target->host,
                        target->private_key_path, target->user);
    if (strstr(log, "timed out") != NULL || strstr(log, "Timeout") != NULL)
        return tbk_fail(err, TBK_E_TIMEOUT,
                        "see whether the VM runs, its address is right and its firewall lets SSH "
                        "through",
                        "cannot reach '%s' on port %u: %s", target->host, (unsigned)target->port,
                        reason);
    return tbk_fail(err, TBK_E_NETWORK,
                    "see whether the VM runs, and give address and port with --ssh-host and "
                    "--ssh-port if they are others",
                    "cannot reach '%s' on port %u: %s", target->host, (unsigned)target->port,
                    reason);
}

/* The socket is there once the VM has accepted the key. */
static bool wait_for_master(connection *over, const tbk_ssh_target *target,
                            const tbk_host_keys *known, uint32_t limit_ms, const tbk_report *report,
                            tbk_error *err)
{
    int64_t deadline_ms = tbk_clock_monotonic_ms() + limit_ms;
    while (access(over->socket_path, F_OK) != 0) {
        if (tbk_process_ended(over->master)) {
            over->master = 0;
            return fail_master(over, target, known, err);
        }
        if (!tbk_report_go_on(report, err))
            return false;
        if (log_is_full(over))
            return fail_flood(over, err);
        if (tbk_clock_monotonic_ms() >= deadline_ms)
            return tbk_fail(err, TBK_E_TIMEOUT, "see whether the VM runs and is not overloaded",
                            "the login on '%s' port %u took longer than %.1f s", target->host,
                            (unsigned)target->port, limit_ms / 1000.0);
        const struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

static bool start_master(connection *over, const tbk_ssh_target *target, const tbk_host_keys *known,
                         bool with_config, const tbk_report *report, tbk_error *err)
{
    uint32_t connect_timeout_ms =
        target->connect_timeout_ms != 0 ? target->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    words argv = {0};
    add(&argv, "ssh");
    if (!with_config) {
        add(&argv, "-F");
        add(&argv, "none");
    }
    add_master_options(&argv, over, target, known, connect_timeout_ms);
    add(&argv, "--");
    add(&argv, target->host);
    /* Not -N: so the master ends with us even if we are killed. */
    add(&argv, "exec cat >/dev/null");
    tbk_auto_fd int log =
        open(over->log_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot create '%s'", over->log_path);
    return tbk_process_start(argv.list, log, &over->master_fd, &over->master, err) &&
           wait_for_master(over, target, known, connect_timeout_ms * LOGIN_TIMEOUT_FACTOR, report,
                           err);
}

/* At the first contact ssh has written down the key that it was shown; no command has run yet. */
static bool check_and_pin(connection *over, const tbk_host_keys *known, const tbk_report *report,
                          tbk_error *err)
{
    if (known->first != NULL)
        return tbk_host_keys_pin(over->arena, known, NULL, 0, err);
    char *text;
    size_t length;
    tbk_host_keys shown = {0};
    const char *path = tbk_arena_format(over->arena, "%s/known_hosts", over->directory);
    if (!tbk_file_read(over->arena, path, LOG_LIMIT_BYTES, &text, &length, err))
        return tbk_error_context(err, "reading the host key of '%s'", over->name);
    tbk_host_keys_parse(over->arena, text, HOST_ALIAS, &shown);
    const uint8_t *blob;
    if (shown.first == NULL || !tbk_base64_decode(over->arena, shown.first->text,
                                                  strlen(shown.first->text), &blob, &length))
        return tbk_fail(err, TBK_E_HOST_KEY, NULL, "ssh did not tell the host key of '%s'",
                        over->name);
    return tbk_host_keys_check(over->arena, known, blob, length, report, err) &&
           tbk_host_keys_pin(over->arena, known, blob, length, err);
}

/* --- commands --- */

static bool master_lives(connection *over)
{
    if (over->master > 0 && tbk_process_ended(over->master))
        over->master = 0;
    return over->master > 0;
}

/* The exit status of ssh is 255 for its own failures and for a signal on the other side, so the
 * command's own comes with its end mark. Without it the connection was cut, whatever came before.
 * The master knows why, if anybody does. */
static bool fail_lost(connection *over, const tbk_remote_command *command,
                      const tbk_remote_result *result, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *log = read_log(over, arena);
    const char *said = tbk_text_string(&result->error_output);
    return tbk_fail(err, TBK_E_NETWORK, REPEAT,
                    "the connection to '%s' was lost while '%s' ran: %s", over->name,
                    command->argv[0], last_line(arena, log[0] != '\0' ? log : said));
}

/* The wait for a command looks after the master's log, too. */
typedef struct watch {
    const connection *over;
    const tbk_report *report; /* may be NULL */
} watch;

static bool is_to_end(void *self)
{
    const watch *it = self;
    return log_is_full(it->over) || (it->report != NULL && it->report->cancelled != NULL &&
                                     it->report->cancelled(it->report->self));
}

static bool run_over(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                     tbk_error *err)
{
    connection *over = self;
    tbk_auto_text line = {0};
    tbk_auto_command_io io;
    tbk_command_io_begin(&io, command, over->report, result);
    if (!master_lives(over))
        return tbk_fail(err, TBK_E_NETWORK, REPEAT, "the connection to '%s' has ended", over->name);
    tbk_command_io_line(&io, over->user_is_root, &line);
    /* Without the master's socket ssh would open a connection of its own: that has to fail. */
    const char *const argv[] = {"ssh",
                                "-F",
                                "none",
                                "-T",
                                "-S",
                                over->socket_path,
                                "-o",
                                "ProxyCommand=false",
                                "-o",
                                "LogLevel=ERROR",
                                "-o",
                                "BatchMode=yes",
                                "-o",
                                "EscapeChar=none",
                                "--",
                                over->host,
                                tbk_text_string(&line),
                                NULL};
    int status;
    bool known;
    watch watched = {.over = over, .report = io.report};
    const tbk_report report = {.self = &watched, .cancelled = is_to_end};
    io.report = &report;
    if (!tbk_process_run(argv, &io, &status, err) || !tbk_command_io_finish(&io, &known, err))
        return log_is_full(over) ? fail_flood(over, err) : false;
    io.report = over->report;
    tbk_command_io_tell_dropped(&io, over->name, &over->told);
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
    const char *log = read_text(it->arena, over->log_path, it->log_before_bytes);
    const char *said = log[0] != '\0' ? log : read_text(it->arena, it->log_path, 0);
    const char *reason = last_line(it->arena, said);
    const char *refused = strstr(reason, "open failed: ");
    return tbk_tunnel_fail_refused(refused != NULL ? refused + strlen("open failed: ") : reason,
                                   err);
}

static bool is_open(const forwarder *it)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    return strstr(read_text(arena, it->log_path, 0), OPENED) != NULL;
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
                                "-S",   over->socket_path,
                                "-o",   "ProxyCommand=false",
                                "-o",   "BatchMode=yes",
                                "-W",   where,
                                "--",   over->host,
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
    if (!master_lives(over))
        return tbk_fail(err, TBK_E_NETWORK, REPEAT, "the connection to '%s' has ended", over->name);
    tbk_arena *arena = tbk_arena_new();
    forwarder *it = TBK_ARENA_NEW(arena, forwarder);
    *it = (forwarder){
        .arena = arena,
        .log_path = tbk_arena_format(arena, "%s/tunnel-%u", over->directory, over->tunnels++)};
    it->log_before_bytes = strlen(read_text(arena, over->log_path, 0));
    const char *target = tbk_arena_format(arena, "%s port %u", host, (unsigned)port);
    const char *where = tbk_arena_format(arena, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u",
                                         host, (unsigned)port);
    tbk_auto_fd int its = -1;
    tbk_tunnel_end end = tbk_tunnel_socket_end(-1);
    end.self = it;
    end.close = close_forwarder;
    if (make_ends(&end.fd, &its, err) && start_forward(over, it, where, its, err) &&
        await_forward(over, it, report, err))
        return tbk_tunnel_begin(&end, over->name, target, out, err);
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
    tbk_error ignored;
    if (over->master_fd >= 0)
        (void)close(over->master_fd);
    if (over->master > 0)
        tbk_process_stop(over->master);
    if (over->directory != NULL && !tbk_directory_remove_at(AT_FDCWD, over->directory, &ignored))
        (void)rmdir(over->directory);
    tbk_arena_free(over->arena);
}

/* Short, because a socket's path holds 107 characters at most. */
static bool make_directory(connection *over, tbk_error *err)
{
    char *path = tbk_arena_copy(over->arena, "/tmp/torrust-backup-XXXXXX");
    if (mkdtemp(path) == NULL)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make a directory in /tmp");
    over->directory = path;
    over->socket_path = tbk_arena_format(over->arena, "%s/master", path);
    over->log_path = tbk_arena_format(over->arena, "%s/log", path);
    return true;
}

bool tbk_remote_openssh_open(const tbk_ssh_target *target, const tbk_host_keys *known,
                             bool with_config, const tbk_report *report, tbk_remote *out,
                             tbk_error *err)
{
    tbk_arena *arena = tbk_arena_new();
    connection *over = TBK_ARENA_NEW(arena, connection);
    *over = (connection){.arena = arena, .master_fd = -1, .report = report};
    over->user_is_root = strcmp(target->user, "root") == 0;
    over->host = tbk_arena_copy(arena, target->host);
    over->name =
        tbk_arena_format(arena, "%s@%s:%u", target->user, target->host, (unsigned)target->port);
    if (make_directory(over, err) && write_known_hosts(over, known, err) &&
        start_master(over, target, known, with_config, report, err) &&
        check_and_pin(over, known, report, err)) {
        over->log_skip_bytes = strlen(read_log(over, arena));
        *out = (tbk_remote){.self = over,
                            .name = over->name,
                            .run = run_over,
                            .tunnel = open_tunnel,
                            .close = close_connection};
        return true;
    }
    close_connection(over);
    return false;
}
