/* SPDX-License-Identifier: MIT */
/*
 * A tar stream: ustar headers, with pax extended headers for what does not fit into them.
 *
 * By hand, because it is small, only written, and libarchive would be one more library in the
 * engine's image. Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block".
 */
#ifndef TBK_STORE_TAR_H
#define TBK_STORE_TAR_H

#include "store/archive.h"

#include <sys/stat.h>

/* The header of a regular file (its st_size bytes and tbk_tar_pad must follow), of a directory, or
 * of a symbolic link to link_target. path is relative, without a slash at its end. Owners are
 * numbers: names mean nothing on another machine. */
bool tbk_tar_header(tbk_archive_writer *writer, const char *path, const struct stat *status,
                    const char *link_target, tbk_error *err) TBK_MUST_CHECK;
/* Fills up the last block of a file's content. */
bool tbk_tar_pad(tbk_archive_writer *writer, uint64_t size_bytes, tbk_error *err) TBK_MUST_CHECK;
bool tbk_tar_end(tbk_archive_writer *writer, tbk_error *err) TBK_MUST_CHECK;

#endif
