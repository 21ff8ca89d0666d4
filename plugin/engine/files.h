/* SPDX-License-Identifier: MIT */
/*
 * The configuration files of a deployment, as a tar stream.
 *
 * Opened while the container still has the right to read everything, read after that right is gone.
 * Live databases among them (Grafana's) are copied through SQLite.
 */
#ifndef TBK_ENGINE_FILES_H
#define TBK_ENGINE_FILES_H

#include "domain/engine_config.h"
#include "engine/archive.h"

typedef struct tbk_files tbk_files;

/*
 * Opens every regular file below the configured paths; symbolic links are stored as links and never
 * followed; what is missing, unreadable, a socket, a pipe or a device is noted, not an error.
 * Shape:  at most 4,096 files, folders and links below the paths.
 * Errors: TBK_E_CONFIG, more than that; TBK_E_IO, no root folder; TBK_E_FAILED, too few
 *         descriptors (the soft limit is raised where the hard one allows).
 */
bool tbk_files_open(const tbk_engine_config *config, tbk_files **out,
                    tbk_error *err) TBK_MUST_CHECK;
void tbk_files_close(tbk_files *files);
TBK_AUTO_POINTER(tbk_files, tbk_files_close);

uint64_t tbk_files_size_bytes(const tbk_files *files);
/* The paths that were configured and not there; and "<path>: <why>" for what was left out or
 * changed while it was read, so ask again after storing. NULL at the end; valid until the next
 * store. */
const char **tbk_files_missing(const tbk_files *files);

/* Writes the tar (ustar with pax headers where needed, owner, mode and time kept) into the writer.
 * Copies of live databases are made in scratch_directory and removed again. */
bool tbk_files_store(tbk_files *files, const char *scratch_directory, tbk_archive_writer *writer,
                     tbk_error *err) TBK_MUST_CHECK;

#endif
