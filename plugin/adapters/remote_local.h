/* SPDX-License-Identifier: MIT */
/* The remote port where this machine is the VM. */
#ifndef TBK_ADAPTERS_REMOTE_LOCAL_H
#define TBK_ADAPTERS_REMOTE_LOCAL_H

#include "ports/remote.h"

void tbk_remote_local_open(tbk_remote *out);

#endif
