/* SPDX-License-Identifier: MIT */
/* Secrets of one use: passwords and tokens for what is started for a moment. */
#ifndef TBK_BASE_TOKEN_H
#define TBK_BASE_TOKEN_H

#include "base/arena.h"

/* 128 random bits of the kernel's, as 32 hexadecimal digits. */
const char *tbk_token_new(tbk_arena *arena);

#endif
