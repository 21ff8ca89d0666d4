/* SPDX-License-Identifier: MIT */
/* The verifier verified: it must see single rows that are not as they should be. */
#ifndef TBK_TESTS_TRIALS_SELF_CHECK_H
#define TBK_TESTS_TRIALS_SELF_CHECK_H

#include "base/error.h"

/* Fails unless each of several small changes to a right database in the folder is seen. */
bool self_check(const char *folder, tbk_error *err) TBK_MUST_CHECK;

#endif
