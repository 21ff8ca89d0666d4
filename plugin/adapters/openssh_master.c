/* SPDX-License-Identifier: MIT */
/* The ssh program's master connection: its options, its login, its log, and the VM's host key. */
#include "adapters/openssh_master.h"

#include "adapters/base64.h"
#include "adapters/process.h"
#include "base/clock.h"
#include "base/file.h"
#include "ports/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_CONNECT_TIMEOUT_MS 10000
#define LOGIN_TIMEOUT_FACTOR 4 /* connecting, handshake and login together */
#define LOG_LIMIT_BYTES ((size_t)1 << 20)
#define WORDS_MAX 80
/* The master looks host keys up under this name, whatever a configuration makes of the host's. */
#define HOST_ALIAS "torrust-backup-vm"

typedef struct words {
    const char *list[WORDS_MAX];
    size_t count;
} words;

static void add(words *argv, const char *word)
{
    if (argv->count + 1 >= WORDS_MAX)
        abort(); /* more options were written into this file than it has room for */
    argv->list[argv->count++] = word;
    argv->list[argv->count] = NULL;
}

static void add_option(words *argv, const char *option)
{
    add(argv, "-o");
    add(argv, option);
}

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

static void add_identity(words *argv, tbk_arena *arena, const tbk_ssh_target *target)
{
    const char *public_path = target->public_key_path;
    add(argv, "-i");
    add(argv, escape_percent(arena, target->private_key_path));
    if (public_path == NULL || access(public_path, R_OK) != 0)
        return;
    add(argv, "-i"); /* so that the agent's identity is found where the file does not show it */
    add(argv, escape_percent(arena, public_path));
}

static void add_master_options(words *argv, tbk_openssh_master *it, const tbk_ssh_target *target,
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
        add_option(argv, fixed[i]);
    add_option(argv, known->first != NULL ? "StrictHostKeyChecking=yes"
                                          : "StrictHostKeyChecking=accept-new");
    add_option(argv,
               tbk_arena_format(it->arena, "UserKnownHostsFile=%s/known_hosts", it->directory));
    add_option(argv, tbk_arena_format(it->arena, "ControlPath=%s", it->socket_path));
    add_option(argv, tbk_arena_format(it->arena, "ConnectTimeout=%u",
                                      (unsigned)((connect_timeout_ms + 999) / 1000)));
    add(argv, "-l");
    add(argv, target->user);
    add(argv, "-p");
    add(argv, tbk_arena_format(it->arena, "%u", (unsigned)target->port));
    add_identity(argv, it->arena, target);
}

static bool write_known_hosts(tbk_openssh_master *it, const tbk_host_keys *known, tbk_error *err)
{
    tbk_auto_text text = {0};
    for (const tbk_host_key *key = known->revoked; key != NULL; key = key->next)
        tbk_text_format(&text, "@revoked " HOST_ALIAS " %s %s\n", key->type, key->text);
    for (const tbk_host_key *key = known->first; key != NULL; key = key->next)
        tbk_text_format(&text, HOST_ALIAS " %s %s\n", key->type, key->text);
    const char *path = tbk_arena_format(it->arena, "%s/known_hosts", it->directory);
    return tbk_file_publish(path, tbk_text_string(&text), text.length, 0600, err);
}

const char *tbk_openssh_last_line(tbk_arena *arena, const char *text)
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

static bool fail_host_key(tbk_openssh_master *it, const tbk_host_keys *known, const char *log,
                          tbk_error *err)
{
    const char *shown = shown_fingerprint(it->arena, log);
    if (shown == NULL)
        return tbk_fail(err, TBK_E_HOST_KEY, "compare the VM's keys with the pinned ones",
                        "the host key of '%s' was refused: %s", it->name,
                        tbk_openssh_last_line(it->arena, log));
    return tbk_host_keys_fail_changed(it->arena, known, "", shown, err);
}

const char *tbk_openssh_read_log(tbk_arena *arena, const char *path, size_t skip_bytes)
{
    char *text;
    size_t length;
    tbk_error ignored;
    if (!tbk_file_read(arena, path, LOG_LIMIT_BYTES, &text, &length, &ignored))
        return "";
    return text + (length < skip_bytes ? length : skip_bytes);
}

const char *tbk_openssh_master_log(const tbk_openssh_master *it, tbk_arena *arena)
{
    return tbk_openssh_read_log(arena, it->log_path, it->log_skip_bytes);
}

/* What the VM says to the master (banners, its shell's files) is kept there; without end it would
 * fill the disk. */
bool tbk_openssh_master_log_is_full(const tbk_openssh_master *it)
{
    struct stat status;
    return stat(it->log_path, &status) == 0 && (uint64_t)status.st_size >= LOG_LIMIT_BYTES;
}

bool tbk_openssh_master_fail_flood(const tbk_openssh_master *it, tbk_error *err)
{
    return tbk_fail(err, TBK_E_NETWORK, "see what the VM's login shell and SSH server print",
                    "'%s' prints more than %zu MiB of its own", it->name, LOG_LIMIT_BYTES >> 20);
}

/* ssh says why in words only, and always ends with 255. */
static bool fail_master(tbk_openssh_master *it, const tbk_ssh_target *target,
                        const tbk_host_keys *known, tbk_error *err)
{
    const char *log = tbk_openssh_master_log(it, it->arena);
    const char *reason = tbk_openssh_last_line(it->arena, log);
    if (strstr(log, "Host key verification failed") != NULL ||
        strstr(log, "REMOTE HOST IDENTIFICATION HAS CHANGED") != NULL ||
        strstr(log, "REVOKED HOST KEY") != NULL)
        return fail_host_key(it, known, log, err);
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
static bool wait_for_master(tbk_openssh_master *it, const tbk_ssh_target *target,
                            const tbk_host_keys *known, uint32_t limit_ms, const tbk_report *report,
                            tbk_error *err)
{
    int64_t deadline_ms = tbk_clock_monotonic_ms() + limit_ms;
    while (access(it->socket_path, F_OK) != 0) {
        if (tbk_process_ended(it->process)) {
            it->process = 0;
            return fail_master(it, target, known, err);
        }
        if (!tbk_report_go_on(report, err))
            return false;
        if (tbk_openssh_master_log_is_full(it))
            return tbk_openssh_master_fail_flood(it, err);
        if (tbk_clock_monotonic_ms() >= deadline_ms)
            return tbk_fail(err, TBK_E_TIMEOUT, "see whether the VM runs and is not overloaded",
                            "the login on '%s' port %u took longer than %.1f s", target->host,
                            (unsigned)target->port, limit_ms / 1000.0);
        const struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

static bool start_master(tbk_openssh_master *it, const tbk_ssh_target *target,
                         const tbk_host_keys *known, bool with_config, const tbk_report *report,
                         tbk_error *err)
{
    uint32_t connect_timeout_ms =
        target->connect_timeout_ms != 0 ? target->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    words argv = {0};
    add(&argv, "ssh");
    if (!with_config) {
        add(&argv, "-F");
        add(&argv, "none");
    }
    add_master_options(&argv, it, target, known, connect_timeout_ms);
    add(&argv, "--");
    add(&argv, target->host);
    /* Not -N: so the master ends with us even if we are killed. */
    add(&argv, "exec cat >/dev/null");
    tbk_auto_fd int log =
        open(it->log_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot create '%s'", it->log_path);
    return tbk_process_start(argv.list, log, &it->input_fd, &it->process, err) &&
           wait_for_master(it, target, known, connect_timeout_ms * LOGIN_TIMEOUT_FACTOR, report,
                           err);
}

/* At the first contact ssh has written down the key that it was shown; no command has run yet. */
static bool check_and_pin(tbk_openssh_master *it, const tbk_host_keys *known,
                          const tbk_report *report, tbk_error *err)
{
    if (known->first != NULL)
        return tbk_host_keys_pin(it->arena, known, NULL, 0, err);
    char *text;
    size_t length;
    tbk_host_keys shown = {0};
    const char *path = tbk_arena_format(it->arena, "%s/known_hosts", it->directory);
    if (!tbk_file_read(it->arena, path, LOG_LIMIT_BYTES, &text, &length, err))
        return tbk_error_context(err, "reading the host key of '%s'", it->name);
    tbk_host_keys_parse(it->arena, text, HOST_ALIAS, &shown);
    const uint8_t *blob;
    if (shown.first == NULL ||
        !tbk_base64_decode(it->arena, shown.first->text, strlen(shown.first->text), &blob, &length))
        return tbk_fail(err, TBK_E_HOST_KEY, NULL, "ssh did not tell the host key of '%s'",
                        it->name);
    return tbk_host_keys_check(it->arena, known, blob, length, report, err) &&
           tbk_host_keys_pin(it->arena, known, blob, length, err);
}

/* Short, because a socket's path holds 107 characters at most. */
static bool make_directory(tbk_openssh_master *it, tbk_error *err)
{
    char *path = tbk_arena_copy(it->arena, "/tmp/torrust-backup-XXXXXX");
    if (mkdtemp(path) == NULL)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make a directory in /tmp");
    it->directory = path;
    it->socket_path = tbk_arena_format(it->arena, "%s/master", path);
    it->log_path = tbk_arena_format(it->arena, "%s/log", path);
    return true;
}

bool tbk_openssh_master_lives(tbk_openssh_master *it)
{
    if (it->process > 0 && tbk_process_ended(it->process))
        it->process = 0;
    return it->process > 0;
}

bool tbk_openssh_master_open(tbk_openssh_master *it, const tbk_ssh_target *target,
                             const tbk_host_keys *known, bool with_config, const tbk_report *report,
                             tbk_error *err)
{
    it->host = tbk_arena_copy(it->arena, target->host);
    it->name =
        tbk_arena_format(it->arena, "%s@%s:%u", target->user, target->host, (unsigned)target->port);
    if (!make_directory(it, err) || !write_known_hosts(it, known, err) ||
        !start_master(it, target, known, with_config, report, err) ||
        !check_and_pin(it, known, report, err))
        return false;
    it->log_skip_bytes = strlen(tbk_openssh_master_log(it, it->arena));
    return true;
}

void tbk_openssh_master_close(tbk_openssh_master *it)
{
    tbk_error ignored;
    if (it->input_fd >= 0)
        (void)close(it->input_fd);
    if (it->process > 0)
        tbk_process_stop(it->process);
    if (it->directory != NULL && !tbk_directory_remove_at(AT_FDCWD, it->directory, &ignored))
        (void)rmdir(it->directory);
}
