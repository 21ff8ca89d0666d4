/* SPDX-License-Identifier: MIT */
/*
 * The ssh program's master connection: one login, which every command and tunnel goes through.
 *
 * What it, the VM's banners and its shell print is kept in a log, and read for the reason when
 * something fails.
 */
#ifndef TBK_ADAPTERS_OPENSSH_MASTER_H
#define TBK_ADAPTERS_OPENSSH_MASTER_H

#include "adapters/ssh_host_keys.h"

#include <sys/types.h>

typedef struct tbk_openssh_master {
    tbk_arena *arena; /* the caller's; what follows is in it */
    const char *name;
    const char *host;
    const char *directory; /* private: the socket, the log, the known host keys */
    const char *socket_path;
    const char *log_path;
    size_t log_skip_bytes; /* of its log, what was said before the VM accepted the key */
    pid_t process;         /* 0 = none */
    int input_fd;          /* it ends when this does; -1 = none */
} tbk_openssh_master;

/* Logs in, checks the host key and pins it. it has an arena and no input_fd. It is to be closed
 * after a failure, too. with_config: as tbk_remote_openssh_open. */
bool tbk_openssh_master_open(tbk_openssh_master *it, const tbk_ssh_target *target,
                             const tbk_host_keys *known, bool with_config, const tbk_report *report,
                             tbk_error *err) TBK_MUST_CHECK;
void tbk_openssh_master_close(tbk_openssh_master *it);
bool tbk_openssh_master_lives(tbk_openssh_master *it);

/* What it has logged since the VM accepted the key. */
const char *tbk_openssh_master_log(const tbk_openssh_master *it, tbk_arena *arena);
/* Endless output of the VM would fill the disk; waiting callers check this and give up. */
bool tbk_openssh_master_log_is_full(const tbk_openssh_master *it);
bool tbk_openssh_master_fail_flood(const tbk_openssh_master *it, tbk_error *err);

/* A log from that byte on; "" when it cannot be read. */
const char *tbk_openssh_read_log(tbk_arena *arena, const char *path, size_t skip_bytes);
/* ssh gives its reason there. */
const char *tbk_openssh_last_line(tbk_arena *arena, const char *text);

#endif
