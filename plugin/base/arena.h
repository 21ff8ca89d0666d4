/* SPDX-License-Identifier: MIT */
/*
 * An arena: text and small structs that live and die together.
 *
 * Everything is wiped before it is freed, because state files of the deployer carry secrets.
 * When the machine has no memory left for such small things the process is ended by abort(), as
 * the Rust hosts do; buffers whose size depends on data are never taken from an arena.
 */
#ifndef TBK_BASE_ARENA_H
#define TBK_BASE_ARENA_H

#include "base/auto.h"
#include "base/error.h"

#include <stdarg.h>
#include <stddef.h>

typedef struct tbk_arena tbk_arena;

tbk_arena *tbk_arena_new(void);
void tbk_arena_free(tbk_arena *arena);
TBK_AUTO_POINTER(tbk_arena, tbk_arena_free);

/* Zeroed, aligned for any type. */
void *tbk_arena_alloc(tbk_arena *arena, size_t size_bytes);
#define TBK_ARENA_NEW(arena, type) ((type *)tbk_arena_alloc((arena), sizeof(type)))

char *tbk_arena_copy(tbk_arena *arena, const char *text);
/* Copies length bytes and ends them with a NUL. */
char *tbk_arena_copy_bytes(tbk_arena *arena, const char *bytes, size_t length);
char *tbk_arena_format(tbk_arena *arena, const char *format, ...) TBK_PRINTF(2, 3);
char *tbk_arena_vformat(tbk_arena *arena, const char *format, va_list arguments);

#endif
