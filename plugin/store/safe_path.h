/* SPDX-License-Identifier: MIT */
/* Opening by a path whose folders others may write in, without being led elsewhere. */
#ifndef TBK_STORE_SAFE_PATH_H
#define TBK_STORE_SAFE_PATH_H

#include "base/error.h"

/*
 * Opens what is at the path, component by component, as open(2) with O_PATH does: enough for fstat,
 * and to open from. A link is followed only where no user but root or this process's own can
 * have put it: in folders that only they may write in, down from the root. Returns the descriptor,
 * which is the caller's to close, or -1 with TBK_E_NOT_FOUND where there is nothing, TBK_E_CONFIG
 * where a link is refused, TBK_E_IO.
 */
int tbk_safe_path_open(const char *path, tbk_error *err) TBK_MUST_CHECK;

#endif
