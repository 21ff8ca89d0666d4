/* SPDX-License-Identifier: MIT */
/* The remote port where this machine is the VM. */
#ifndef TBK_ADAPTERS_REMOTE_LOCAL_H
#define TBK_ADAPTERS_REMOTE_LOCAL_H

#include "ports/remote.h"

/* report, which may be NULL, outlives it: commands without one of their own are cancelled by it. */
void tbk_remote_local_open(const tbk_report *report, tbk_remote *out);

#endif
