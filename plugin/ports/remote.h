/* SPDX-License-Identifier: MIT */
/*
 * The remote port: commands and files on the VM, and connections to what only the VM can reach.
 *
 * An adapter runs commands; files are put and fetched through them, so that there is one way to the
 * VM, one path through sudo, and one place where a cut connection can show.
 * Adapters: adapters/remote_libssh2.h, adapters/remote_openssh.h, adapters/remote_local.h.
 */
#ifndef TBK_PORTS_REMOTE_H
#define TBK_PORTS_REMOTE_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/text.h"
#include "ports/report.h"

#include <stdint.h>
#include <sys/types.h>

typedef struct tbk_remote_command {
    const char *const *argv; /* words, NULL at the end; the adapter quotes them for the shell */
    bool as_root;            /* through `sudo -n`; no sudo when the user is root already */
    const void *input;       /* sent to its standard input; NULL = see input_fd */
    size_t input_size_bytes;
    int input_fd; /* > 0: read to its end and sent instead of input; 0 = none */
    /* Gets standard output as it comes, instead of result->output; may be NULL. Returning false
     * ends the command; the function has then filled *err. */
    bool (*on_output)(void *self, const char *bytes, size_t length, tbk_error *err);
    void *on_output_self;
    uint32_t timeout_ms;      /* for the whole command; 0 = two minutes */
    uint32_t idle_timeout_ms; /* no byte either way for so long; 0 = no limit but the whole one */
    const tbk_report *report; /* of its progress, and for cancelling; NULL = only for cancelling, by
                               * the one with which the way was opened */
    bool is_cleanup;          /* undoes what was begun: it runs although all else was cancelled */
} tbk_remote_command;

typedef struct tbk_remote_result {
    int exit_status;       /* 0..255; 128 + n when signal n ended it */
    tbk_text output;       /* at most 8 MiB are kept; more is TBK_E_REMOTE */
    tbk_text error_output; /* the first 64 KiB */
    bool unmarked; /* the login shell did not run it as shells do: all that came is in output */
} tbk_remote_result;

void tbk_remote_result_end(tbk_remote_result *result);
#define tbk_auto_remote_result __attribute__((cleanup(tbk_remote_result_end))) tbk_remote_result

/*
 * One TCP connection from this machine to a port that the VM can reach.
 *
 * The target has accepted it when the tunnel is there. The first client of host and port is
 * connected with the target, if it is a process of our user's; other users and a second client are
 * refused. What is sent is moved by a thread of the tunnel's own, and commands go on
 * beside it.
 */
typedef struct tbk_remote_tunnel {
    void *self;
    const char *host; /* of this machine: a loopback address */
    uint16_t port;
    /* Fails with TBK_E_NETWORK and the reason once the way to the target has broken, or the target
     * has ended the connection. For those whose connection ended, before close. */
    bool (*check)(void *self, tbk_error *err);
    void (*close)(void *self); /* ends the connection, whatever goes on in it; takes a second */
} tbk_remote_tunnel;

void tbk_remote_tunnel_close(tbk_remote_tunnel *tunnel); /* NULL and closed ones are fine */
#define tbk_auto_remote_tunnel __attribute__((cleanup(tbk_remote_tunnel_close))) tbk_remote_tunnel

#define TBK_REMOTE_TUNNEL_LIMIT_MS 10000

typedef struct tbk_remote {
    void *self;
    const char *name; /* for messages: "torrust@10.77.1.2:22" or "this machine" */
    /* Runs a command to its end. Succeeds whatever its exit status was; fails with TBK_E_NETWORK,
     * TBK_E_TIMEOUT, TBK_E_INTERRUPTED, or what on_output said. result was zeroed by the caller. */
    bool (*run)(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                tbk_error *err);
    /* As tbk_remote_tunnel_open; NULL where there are none. */
    bool (*tunnel)(void *self, const char *host, uint16_t port, const tbk_report *report,
                   tbk_remote_tunnel *out, tbk_error *err);
    void (*close)(void *self); /* tunnels are closed before */
} tbk_remote;

void tbk_remote_close(tbk_remote *remote); /* NULL and closed ones are fine */
#define tbk_auto_remote __attribute__((cleanup(tbk_remote_close))) tbk_remote

/* The last line that says something, without blanks and line breaks after it; "" = there is none.
 */
const char *tbk_remote_last_line(tbk_arena *arena, const char *text);

/* For the end of a message about a result that is of no use: "" or what is wrong with the user's
 * login shell, and what it said. */
const char *tbk_remote_shell_fault(tbk_arena *arena, const tbk_remote_result *result);

/* Runs the command and fails with TBK_E_REMOTE unless its exit status is 0; the message carries
 * what (for people: "starting the tracker") and the last line of standard error. */
bool tbk_remote_do(const tbk_remote *remote, const char *what, const tbk_remote_command *command,
                   tbk_remote_result *result, tbk_error *err) TBK_MUST_CHECK;

typedef struct tbk_remote_file {
    const char *path; /* absolute, on the VM */
    mode_t mode;
    const void *bytes; /* NULL = see fd */
    size_t size_bytes;
    int fd; /* read from its current position to its end */
} tbk_remote_file;

/*
 * Puts a file in place as root:root. It goes to "<path>~" first (mode 0600; cron, logrotate and
 * run-parts ignore such names), is synced, its SHA-256 is compared there with digest (a cut
 * connection looks like the end of the file to the command that receives it), then mode, owner,
 * rename and a sync of the directory. The directory must exist.
 */
bool tbk_remote_put(const tbk_remote *remote, const tbk_remote_file *file, const tbk_digest *digest,
                    const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;

/* Fetches a file as root into out_fd. Fails with TBK_E_NOT_FOUND when there is none, with
 * TBK_E_SPACE when it is larger than limit_bytes. */
bool tbk_remote_get(const tbk_remote *remote, const char *path, int out_fd, uint64_t limit_bytes,
                    tbk_digest *out_digest, const tbk_report *report,
                    tbk_error *err) TBK_MUST_CHECK;

/* A file of which the beginning came before, when a connection broke. */
typedef struct tbk_remote_rest {
    const char *path;
    uint64_t there_bytes; /* is not sent again; at most limit_bytes */
    uint64_t limit_bytes; /* of the whole file */
} tbk_remote_rest;

/* As tbk_remote_get, but for what is there already. Whether both parts are of one file, the caller
 * finds out by its digest. */
bool tbk_remote_get_rest(const tbk_remote *remote, const tbk_remote_rest *rest, int out_fd,
                         const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;

/* Connects with the port of a host, both as the VM sees them. The caller closes *out, before the
 * remote. Fails with TBK_E_NETWORK when the target or the VM's SSH server refuses, TBK_E_TIMEOUT
 * when the target has not answered within TBK_REMOTE_TUNNEL_LIMIT_MS, TBK_E_INTERRUPTED,
 * TBK_E_UNSUPPORTED where the way to the VM has no tunnels, or as opening a connection does. */
bool tbk_remote_tunnel_open(const tbk_remote *remote, const char *host, uint16_t port,
                            const tbk_report *report, tbk_remote_tunnel *out,
                            tbk_error *err) TBK_MUST_CHECK;

#endif
