/* SPDX-License-Identifier: MIT */
/* Inside of files*.c: what was opened, and what is said of it. */
#ifndef TBK_ENGINE_FILES_INTERNAL_H
#define TBK_ENGINE_FILES_INTERNAL_H

#include "database/sqlite/sqlite.h"
#include "engine/files.h"

#include <sys/stat.h>

typedef struct tbk_files_entry {
    const char *path; /* below the root, without a slash at either end */
    struct stat status;
    int fd;             /* of a regular file; else -1 */
    const char *target; /* of a link */
    tbk_sqlite_reader *reader;
    bool is_whole; /* of a folder: what is in it was visited too */
    bool is_excluded;
} tbk_files_entry;

struct tbk_files {
    tbk_arena *arena;
    tbk_files_entry *entries; /* by path */
    size_t count, capacity;
    uint64_t size_bytes;
    const char **notes; /* NULL at the end */
    size_t note_count, lost_count;
    const char *first_lost;
    size_t unlisted_count; /* notes for which there was no place */
};

/* "<path>: <why>", once, whatever bytes the path is made of. */
void tbk_files_note(tbk_files *files, const char *path, const char *format, ...) TBK_PRINTF(3, 4);
/* The same of content that should have been saved. */
void tbk_files_note_lost(tbk_files *files, const char *path, const char *format, ...)
    TBK_PRINTF(3, 4);
/* A configured path that is not there. */
void tbk_files_note_missing(tbk_files *files, const char *path);

/* Closes what it has open. */
void tbk_files_entry_close(tbk_files_entry *entry);

#endif
