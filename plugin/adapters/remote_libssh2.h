/* SPDX-License-Identifier: MIT */
/* The remote port over one connection of libssh2. */
#ifndef TBK_ADAPTERS_REMOTE_LIBSSH2_H
#define TBK_ADAPTERS_REMOTE_LIBSSH2_H

#include "adapters/ssh_host_keys.h"
#include "adapters/ssh_key.h"
#include "ports/remote.h"

/* *out_unable tells that the ssh program may do what libssh2 cannot. */
bool tbk_remote_libssh2_open(const tbk_ssh_target *target, const tbk_ssh_key *key,
                             tbk_host_keys *known, const tbk_report *report, tbk_remote *out,
                             bool *out_unable, tbk_error *err) TBK_MUST_CHECK;

#endif
