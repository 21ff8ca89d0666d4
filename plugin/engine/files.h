/* SPDX-License-Identifier: MIT */
/*
 * The configuration files of a deployment, as a tar stream.
 *
 * Opened while the container can still read everything, read after that privilege is dropped.
 * Live databases among them (Grafana's) are copied through SQLite.
 */
#ifndef TBK_ENGINE_FILES_H
#define TBK_ENGINE_FILES_H

#include "domain/engine_config.h"
#include "ports/report.h"
#include "store/archive.h"

typedef struct tbk_files tbk_files;

#define TBK_FILES_NOTES_MAX 64

/*
 * Opens every regular file below the configured paths, without following anything on the way. A
 * symbolic link is stored as a link, and what it leads to is stored in its own place when that is
 * below the root too. The database and the store are left out: they are saved, or made, elsewhere.
 * Nothing of what is found costs more than itself: what is missing, unreadable, of another kind,
 * too large, too deep or too much is noted, not an error.
 * Shape:  at most 4,096 files, folders and links, 1 GiB in a file and 4 GiB in all. Half of that is
 *         divided among the paths evenly, so that none takes what another one needs.
 * Errors: TBK_E_IO, no root folder.
 */
bool tbk_files_open(const tbk_engine_config *config, tbk_files **out,
                    tbk_error *err) TBK_MUST_CHECK;
void tbk_files_close(tbk_files *files);
TBK_AUTO_POINTER(tbk_files, tbk_files_close);

/* Leaves out the largest ones until the rest takes no more than this, and notes them. */
void tbk_files_limit(tbk_files *files, uint64_t size_bytes);
/* The paths that were configured and not there; and "<path>: <why>" for what was left out or
 * changed while it was read, so ask again after storing. NULL at the end; at most
 * TBK_FILES_NOTES_MAX, the last one then counts those that are not listed; printable UTF-8; valid
 * until the next store. */
const char **tbk_files_missing(const tbk_files *files);
/* Of those, how many tell of content that should have been saved, and was there. */
size_t tbk_files_lost(const tbk_files *files);
/* The first of them; NULL: there is none. */
const char *tbk_files_first_lost(const tbk_files *files);

/*
 * Writes the tar (ustar with pax headers where needed, owner, mode and time kept) into the writer.
 * Copies of live databases are made in scratch_directory and removed again. What cannot be read, or
 * not within 15 minutes, is noted.
 * Errors: the writer's; TBK_E_SPACE, TBK_E_INTERRUPTED.
 */
bool tbk_files_store(tbk_files *files, const char *scratch_directory, tbk_archive_writer *writer,
                     const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;

#endif
