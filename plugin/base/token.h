/* SPDX-License-Identifier: MIT */
/* Secrets of one use: passwords and tokens for what is started for a moment. */
#ifndef TBK_BASE_TOKEN_H
#define TBK_BASE_TOKEN_H

#include "base/arena.h"
#include "base/error.h"

/* 128 random bits, as 32 hexadecimal digits. Fails with TBK_E_FAILED where the kernel has none. */
bool tbk_token_make(tbk_arena *arena, const char **out, tbk_error *err) TBK_MUST_CHECK;

#endif
