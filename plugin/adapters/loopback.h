/* SPDX-License-Identifier: MIT */
/* TCP on this machine's loopback, for processes of one user only. */
#ifndef TBK_ADAPTERS_LOOPBACK_H
#define TBK_ADAPTERS_LOOPBACK_H

#include "base/error.h"

#include <stdint.h>

#define TBK_LOOPBACK_HOST "127.0.0.1"

/* Listens on a free port. The caller closes *out_fd, which never blocks. */
bool tbk_loopback_listen(int *out_fd, uint16_t *out_port, tbk_error *err) TBK_MUST_CHECK;

/* Whether the other end of an accepted connection belongs to a process of our effective user. The
 * kernel knows; where it does not tell, the answer is no. */
bool tbk_loopback_peer_is_ours(int fd);

#endif
