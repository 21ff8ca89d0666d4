/* SPDX-License-Identifier: MIT */
/* An arena: blocks that are filled from their start, wiped and freed together. */
#include "base/arena.h"

#include "base/memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK_BYTES = 4096 };

typedef struct block {
    struct block *next;
    size_t size_bytes; /* of data */
    size_t used_bytes;
    alignas(max_align_t) unsigned char data[];
} block;

struct tbk_arena {
    block *blocks; /* the one that is being filled comes first */
};

tbk_arena *tbk_arena_new(void) { return tbk_memory_new(sizeof(tbk_arena)); }

void tbk_arena_free(tbk_arena *arena)
{
    if (arena == NULL)
        return;
    for (block *at = arena->blocks; at != NULL;) {
        block *next = at->next;
        explicit_bzero(at->data, at->used_bytes);
        free(at);
        at = next;
    }
    free(arena);
}

static block *block_new(size_t size_bytes)
{
    block *made = tbk_memory_new(sizeof *made + size_bytes);
    made->size_bytes = size_bytes;
    return made;
}

void *tbk_arena_alloc(tbk_arena *arena, size_t size_bytes)
{
    tbk_memory_must(size_bytes < SIZE_MAX / 2);
    size_t wanted = (size_bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    block *filling = arena->blocks;
    if (filling == NULL || filling->size_bytes - filling->used_bytes < wanted) {
        block *made = block_new(wanted > BLOCK_BYTES ? wanted : BLOCK_BYTES);
        if (filling != NULL && wanted > BLOCK_BYTES) {
            /* A large piece has a block of its own; the half-filled one stays in use. */
            made->next = filling->next;
            filling->next = made;
        } else {
            made->next = filling;
            arena->blocks = made;
        }
        filling = made;
    }
    void *piece = filling->data + filling->used_bytes;
    filling->used_bytes += wanted;
    return piece;
}

char *tbk_arena_copy(tbk_arena *arena, const char *text)
{
    return tbk_arena_copy_bytes(arena, text, strlen(text));
}

char *tbk_arena_copy_bytes(tbk_arena *arena, const char *bytes, size_t length)
{
    tbk_memory_must(length < SIZE_MAX);
    char *copy = tbk_arena_alloc(arena, length + 1);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

char *tbk_arena_format(tbk_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = tbk_arena_vformat(arena, format, arguments);
    va_end(arguments);
    return text;
}

TBK_PRINTF(2, 0)
char *tbk_arena_vformat(tbk_arena *arena, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    tbk_memory_must(length >= 0);
    char *text = tbk_arena_alloc(arena, (size_t)length + 1);
    (void)vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
