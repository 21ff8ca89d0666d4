/* SPDX-License-Identifier: MIT */
/* The remote port: files travel through commands, each proved where it arrives. */
#include "ports/remote.h"

#include "base/arena.h"
#include "base/file.h"

#include <string.h>

enum { EXIT_DAMAGED = 65, EXIT_MISSING = 66 };

static const uint32_t TRANSFER_TIMEOUT_MS = 6U * 60 * 60 * 1000;
static const uint32_t TRANSFER_IDLE_TIMEOUT_MS = 2U * 60 * 1000;

void tbk_remote_result_end(tbk_remote_result *result)
{
    tbk_text_end(&result->output);
    tbk_text_end(&result->error_output);
}

void tbk_remote_close(tbk_remote *remote)
{
    if (remote == NULL || remote->close == NULL)
        return;
    remote->close(remote->self);
    *remote = (tbk_remote){0};
}

void tbk_remote_tunnel_close(tbk_remote_tunnel *tunnel)
{
    if (tunnel == NULL || tunnel->close == NULL)
        return;
    tunnel->close(tunnel->self);
    *tunnel = (tbk_remote_tunnel){0};
}

bool tbk_remote_tunnel_open(const tbk_remote *remote, const char *host, uint16_t port,
                            const tbk_report *report, tbk_remote_tunnel *out, tbk_error *err)
{
    if (remote->tunnel == NULL)
        return tbk_fail(err, TBK_E_UNSUPPORTED, NULL, "there are no tunnels through '%s'",
                        remote->name);
    if (!remote->tunnel(remote->self, host, port, report, out, err))
        return tbk_error_context(err, "opening a tunnel through '%s' to %s port %u", remote->name,
                                 host, (unsigned)port);
    return true;
}

const char *tbk_remote_last_line(tbk_arena *arena, const char *text)
{
    const char *end = text + strlen(text);
    while (end > text && strchr(" \t\r\n", end[-1]) != NULL)
        end--;
    const char *start = end;
    while (start > text && start[-1] != '\n')
        start--;
    return tbk_arena_copy_bytes(arena, start, (size_t)(end - start));
}

const char *tbk_remote_shell_fault(tbk_arena *arena, const tbk_remote_result *result)
{
    if (!result->unmarked)
        return "";
    const char *said = tbk_remote_last_line(arena, tbk_text_string(&result->output));
    return tbk_arena_format(arena,
                            " (the user's login shell there does not run commands; give the user "
                            "sh, bash, zsh, fish or csh%s%s)",
                            *said != '\0' ? "; it said: " : "", said);
}

static bool fail_exit(const tbk_remote *remote, const char *what, const tbk_remote_result *result,
                      tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *line = tbk_remote_last_line(arena, tbk_text_string(&result->error_output));
    return tbk_fail(err, TBK_E_REMOTE, NULL, "%s on '%s' failed with exit status %d%s%s%s", what,
                    remote->name, result->exit_status, *line != '\0' ? ": " : "", line,
                    tbk_remote_shell_fault(arena, result));
}

bool tbk_remote_do(const tbk_remote *remote, const char *what, const tbk_remote_command *command,
                   tbk_remote_result *result, tbk_error *err)
{
    if (!remote->run(remote->self, command, result, err))
        return tbk_error_context(err, "%s on '%s'", what, remote->name);
    if (result->exit_status != 0)
        return fail_exit(remote, what, result, err);
    return true;
}

/* --- put --- */

/* $1 path, $2 digest, $3 mode. One command, so that a cut connection leaves the old file or the
 * new one, and at worst a temporary file that the next put replaces. */
static const char PUT_SCRIPT[] =
    "set -eu\n"
    "umask 077\n"
    "new=$1~\n"
    "folder=${1%/*}\n"
    "if [ -d \"$1\" ]; then echo 'there is a directory of that name' >&2; exit 1; fi\n"
    "rm -f -- \"$new\"\n"
    "set -C\n" /* noclobber: follows no link of another user */
    "cat >\"$new\"\n"
    "set +C\n"
    "sum=$(sha256sum <\"$new\")\n"
    "if [ \"${sum%% *}\" != \"$2\" ]; then rm -f -- \"$new\"; exit 65; fi\n"
    "chown 0:0 \"$new\"\n"
    "chmod \"$3\" \"$new\"\n"
    "sync \"$new\"\n"
    "mv -f -- \"$new\" \"$1\"\n"
    "sync \"${folder:-/}\"\n";

bool tbk_remote_put(const tbk_remote *remote, const tbk_remote_file *file, const tbk_digest *digest,
                    const tbk_report *report, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *mode = tbk_arena_format(arena, "%04o", (unsigned)file->mode);
    const char *what = tbk_arena_format(arena, "putting '%s' in place", file->path);
    const char *const argv[] = {"sh",       "-c",        PUT_SCRIPT, "torrust-backup-put",
                                file->path, digest->hex, mode,       NULL};
    tbk_remote_command command = {.argv = argv,
                                  .as_root = true,
                                  .input = file->bytes,
                                  .input_size_bytes = file->size_bytes,
                                  .input_fd = file->bytes == NULL ? file->fd : 0,
                                  .timeout_ms = TRANSFER_TIMEOUT_MS,
                                  .idle_timeout_ms = TRANSFER_IDLE_TIMEOUT_MS,
                                  .report = report};
    tbk_auto_remote_result result = {0};
    if (!remote->run(remote->self, &command, &result, err))
        return tbk_error_context(err, "%s on '%s'", what, remote->name);
    if (result.exit_status == EXIT_DAMAGED)
        return tbk_fail(err, TBK_E_REMOTE, "run the command again",
                        "%s on '%s': it arrived incomplete or changed; the old one is untouched",
                        what, remote->name);
    if (result.exit_status != 0)
        return fail_exit(remote, what, &result, err);
    return true;
}

/* --- get --- */

/* $1 path, $2 the first byte that is wanted, from 1. */
static const char GET_SCRIPT[] = "[ -e \"$1\" ] || exit 66\n"
                                 "[ \"$2\" = 1 ] || exec tail -c \"+$2\" -- \"$1\"\n"
                                 "exec cat -- \"$1\"\n";

typedef struct receiver {
    int out_fd;
    uint64_t size_bytes; /* with what came before */
    uint64_t limit_bytes;
    tbk_hasher *hasher; /* NULL where no digest is wanted */
    const tbk_report *report;
} receiver;

static bool receive(void *self, const char *bytes, size_t length, tbk_error *err)
{
    receiver *to = self;
    if (length > to->limit_bytes - to->size_bytes)
        return tbk_fail(err, TBK_E_SPACE, NULL, "it is larger than %llu bytes",
                        (unsigned long long)to->limit_bytes);
    if (!tbk_file_write_all(to->out_fd, bytes, length, err))
        return false;
    if (to->hasher != NULL)
        tbk_hasher_add(to->hasher, bytes, length);
    to->size_bytes += length;
    tbk_report_progress(to->report, "fetch", to->size_bytes, 0);
    return true;
}

static bool fetch(const tbk_remote *remote, const char *path, receiver *to, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *what = tbk_arena_format(arena, "fetching '%s'", path);
    const char *first = tbk_arena_format(arena, "%llu", (unsigned long long)to->size_bytes + 1);
    const char *const argv[] = {"sh", "-c", GET_SCRIPT, "torrust-backup-get", path, first, NULL};
    tbk_remote_command command = {.argv = argv,
                                  .as_root = true,
                                  .on_output = receive,
                                  .on_output_self = to,
                                  .timeout_ms = TRANSFER_TIMEOUT_MS,
                                  .idle_timeout_ms = TRANSFER_IDLE_TIMEOUT_MS,
                                  .report = to->report};
    tbk_auto_remote_result result = {0};
    if (!remote->run(remote->self, &command, &result, err))
        return tbk_error_context(err, "%s from '%s'", what, remote->name);
    if (result.exit_status == EXIT_MISSING)
        return tbk_fail(err, TBK_E_NOT_FOUND, NULL, "there is no '%s' on '%s'", path, remote->name);
    if (result.exit_status != 0)
        return fail_exit(remote, what, &result, err);
    return true;
}

bool tbk_remote_get(const tbk_remote *remote, const char *path, int out_fd, uint64_t limit_bytes,
                    tbk_digest *out_digest, const tbk_report *report, tbk_error *err)
{
    tbk_auto(tbk_hasher) *hasher = tbk_hasher_new();
    receiver to = {
        .out_fd = out_fd, .limit_bytes = limit_bytes, .hasher = hasher, .report = report};
    if (!fetch(remote, path, &to, err))
        return false;
    tbk_hasher_finish(hasher, out_digest);
    return true;
}

bool tbk_remote_get_rest(const tbk_remote *remote, const tbk_remote_rest *rest, int out_fd,
                         const tbk_report *report, tbk_error *err)
{
    receiver to = {.out_fd = out_fd,
                   .size_bytes = rest->there_bytes,
                   .limit_bytes = rest->limit_bytes,
                   .report = report};
    return fetch(remote, rest->path, &to, err);
}
