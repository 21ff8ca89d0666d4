/* SPDX-License-Identifier: MIT */
/* Whole files: read with a limit, publish so that a reader sees the old or the new one. */
#ifndef TBK_BASE_FILE_H
#define TBK_BASE_FILE_H

#include "base/arena.h"
#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

/* Reads a regular file of at most limit_bytes into the arena, with a NUL after it. Fails with
 * TBK_E_IO (missing, unreadable) or TBK_E_CONFIG (not a regular file, too large). */
bool tbk_file_read(tbk_arena *arena, const char *path, size_t limit_bytes, char **out_bytes,
                   size_t *out_length, tbk_error *err) TBK_MUST_CHECK;
/* As above, the path being relative to an open directory. */
bool tbk_file_read_at(tbk_arena *arena, int directory, const char *path, size_t limit_bytes,
                      char **out_bytes, size_t *out_length, tbk_error *err) TBK_MUST_CHECK;

/*
 * Opens, for reading, a file that others may have put there: a pipe is not waited for, a link is
 * not followed (in the path's last part), and what is no regular file is refused. fstat(2) tells
 * more. Errors: TBK_E_NOT_FOUND, there is none; TBK_E_CONFIG, it is a link, or no regular file;
 * TBK_E_IO, it could not be looked at, which says nothing about it.
 */
bool tbk_file_open_at(int directory, const char *path, int *out_fd, tbk_error *err) TBK_MUST_CHECK;
bool tbk_file_open(const char *path, int *out_fd, tbk_error *err) TBK_MUST_CHECK;
/* As tbk_file_open_at; messages have another name for it. */
bool tbk_file_open_shown(int directory, const char *path, const char *shown, int *out_fd,
                         tbk_error *err) TBK_MUST_CHECK;
/* As tbk_file_read, of what was opened so: the very file that was looked at. path is for messages.
 */
bool tbk_file_read_open(tbk_arena *arena, int fd, const char *path, size_t limit_bytes,
                        char **out_bytes, size_t *out_length, tbk_error *err) TBK_MUST_CHECK;

/* Publishes whole: writes beside the target, syncs, renames, syncs the directory. */
bool tbk_file_publish(const char *path, const void *bytes, size_t length, mode_t mode,
                      tbk_error *err) TBK_MUST_CHECK;
bool tbk_file_publish_at(int directory, const char *name, const void *bytes, size_t length,
                         mode_t mode, tbk_error *err) TBK_MUST_CHECK;

/* Whether a file system that cannot do this goes on without: shares that cannot sync a folder, or
 * have no modes of their own. Nothing is less whole for it. */
bool tbk_file_cannot_sync_directory(int errno_value);
bool tbk_file_cannot_set_mode(int errno_value);
/* As fsync(2) of a directory and fchmod(2) of a file of one's own; what the file system cannot do
 * is success. On failure errno tells. */
bool tbk_directory_sync(int directory);
bool tbk_file_set_mode(int fd, mode_t mode);

/* Makes the directory and its missing parents with this mode; an existing one is left as it is. */
bool tbk_directory_make(const char *path, mode_t mode, tbk_error *err) TBK_MUST_CHECK;
/* Removes a tree below an open directory without following links; a missing one is success. */
bool tbk_directory_remove_at(int directory, const char *name, tbk_error *err) TBK_MUST_CHECK;

/* As read(2), begun again when a signal interrupts it: 0 at the end, -1 with errno on failure. */
ssize_t tbk_file_read_some(int fd, void *buffer, size_t size_bytes);
/* Writes all, however often the kernel writes less. */
bool tbk_file_write_all(int fd, const void *bytes, size_t length, tbk_error *err) TBK_MUST_CHECK;

#endif
