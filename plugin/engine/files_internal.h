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

/* --- the walk over all paths, only while opening --- */

#define TBK_FILES_ENTRIES_MAX 4096u
#define TBK_FILES_BYTES_MAX (UINT64_C(4) << 30)
#define TBK_FILES_OWN_MAX 5

typedef struct tbk_files_budget {
    uint64_t entries, bytes;
} tbk_files_budget;

typedef struct tbk_files_walk {
    tbk_files *files;
    const tbk_engine_config *config;
    int root;
    tbk_files_budget left;      /* of all */
    tbk_files_budget path_left; /* of the path that is walked */
    size_t descriptors_left;
    bool is_full; /* the path has no entries left, and that was noted */
    const char *path;
    const char **databases; /* config->sqlite_paths, where they really are; NULL at the end */
    struct stat own[TBK_FILES_OWN_MAX]; /* the database with its companions, the store */
    size_t own_count;
    const char **links; /* paths with a link in them, whose targets are still to be visited */
    size_t link_count, link_capacity;
} tbk_files_walk;

/* As many as may be opened; raises the limit of the process where it may. What is left must do for
 * the backup. */
size_t tbk_files_descriptors(void);
/* From here on the walk is of this path, after which there are so many others of all. */
void tbk_files_begin_path(tbk_files_walk *self, const char *path, size_t paths, size_t paths_after);
/* False, and noted, where there is no more. */
bool tbk_files_take_place(tbk_files_walk *self);
bool tbk_files_take_bytes(tbk_files_walk *self, const char *path, const struct stat *status,
                          unsigned times);
bool tbk_files_take_descriptors(tbk_files_walk *self, const char *path, size_t count);

/* --- notes --- */

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
