/* SPDX-License-Identifier: MIT */
/*
 * Cleanup for locals: `tbk_auto(FILE) *file = NULL;` closes the file when the scope ends.
 *
 * TBK_AUTO_POINTER names, once per type, the function that ends it; that function must accept NULL.
 */
#ifndef TBK_BASE_AUTO_H
#define TBK_BASE_AUTO_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TBK_AUTO_POINTER(type, end)                                                                \
    static inline void tbk_auto_end_##type(type **pointer)                                         \
    {                                                                                              \
        if (*pointer != NULL)                                                                      \
            end(*pointer);                                                                         \
        *pointer = NULL;                                                                           \
    }                                                                                              \
    struct tbk_auto_semicolon_##type

#define tbk_auto(type) __attribute__((cleanup(tbk_auto_end_##type))) type

TBK_AUTO_POINTER(FILE, (void)fclose);
TBK_AUTO_POINTER(DIR, (void)closedir);

/* A descriptor: `tbk_auto_fd int fd = -1;` */
static inline void tbk_auto_end_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}
#define tbk_auto_fd __attribute__((cleanup(tbk_auto_end_fd)))

/* Memory from malloc: `tbk_auto_free char *line = NULL;` */
static inline void tbk_auto_end_memory(void *pointer) { free(*(void **)pointer); }
#define tbk_auto_free __attribute__((cleanup(tbk_auto_end_memory)))

#endif
