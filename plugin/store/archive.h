/* SPDX-License-Identifier: MIT */
/*
 * Stored data: zstd frames of fixed raw size, compressed on all cores in one pass, hashed on both
 * sides, with the seek table of zstd's seekable format as a last, skippable frame.
 *
 * Any zstd reads it (`zstd -dc`). Memory does not depend on the size of the data.
 * Source: contrib/seekable_format/zstd_seekable_compression_format.md of zstd.
 */
#ifndef TBK_STORE_ARCHIVE_H
#define TBK_STORE_ARCHIVE_H

#include "base/digest.h"
#include "domain/manifest.h"
#include "ports/report.h"
#include "ports/source.h"

#define TBK_ARCHIVE_FRAME_BYTES (4u << 20)

typedef struct tbk_archive_writer tbk_archive_writer;

/*
 * out_fd stays the caller's; it is written from its current position.
 * Shape:  compression_level -10 (fastest) to 9; 0 is zstd's own default; workers 0 = one a
 * processor; never more than 4. The same data and level give the same bytes with any number of
 * workers. Errors: TBK_E_CONFIG, the level; TBK_E_FAILED, no memory or no thread. Memory: at most
 * 64 MiB with 4 workers at any level.
 */
bool tbk_archive_writer_open(int out_fd, int compression_level, unsigned workers,
                             tbk_archive_writer **out, tbk_error *err) TBK_MUST_CHECK;
bool tbk_archive_writer_add(tbk_archive_writer *writer, const void *bytes, size_t length,
                            tbk_error *err) TBK_MUST_CHECK;
/* Ends the stream and fills sizes and digests of out (not its name). Does not sync. */
bool tbk_archive_writer_finish(tbk_archive_writer *writer, tbk_set_file *out,
                               tbk_error *err) TBK_MUST_CHECK;
void tbk_archive_writer_free(tbk_archive_writer *writer);
TBK_AUTO_POINTER(tbk_archive_writer, tbk_archive_writer_free);

/* Stores all of the source; phase is for progress. */
bool tbk_archive_store(const tbk_source *source, int out_fd, int compression_level,
                       const char *phase, const tbk_report *report, tbk_set_file *out,
                       tbk_error *err) TBK_MUST_CHECK;

/*
 * Reads a stored stream, hashes both sides into out, and writes the raw side to out_fd (-1: only
 * hashes).
 *
 * Shape:  expected is what the manifest says of the file; only its sizes are used. No more than
 *         those are read or unpacked, and nothing is written where there is less room than that.
 *         Memory: a few MiB and the frame's window, 64 MiB at most.
 * Errors: TBK_E_CORRUPT, anything zstd does not accept, a cut stream, a larger window, more bytes
 *         than expected; TBK_E_SPACE, too little room; TBK_E_FAILED, no memory. A stream of several
 *         frames that ends exactly between two is sound to zstd: compare the raw digest.
 */
bool tbk_archive_extract(int in_fd, const tbk_set_file *expected, int out_fd, const char *phase,
                         const tbk_report *report, tbk_set_file *out,
                         tbk_error *err) TBK_MUST_CHECK;

/*
 * The same as a source: the raw side of a stored stream, read as far as the caller wants it. in_fd
 * stays the caller's. Bounds and errors as tbk_archive_extract.
 */
typedef struct tbk_archive_reader tbk_archive_reader;
bool tbk_archive_reader_open(int in_fd, const tbk_set_file *expected, tbk_archive_reader **out,
                             tbk_error *err) TBK_MUST_CHECK;
void tbk_archive_reader_free(tbk_archive_reader *reader);
TBK_AUTO_POINTER(tbk_archive_reader, tbk_archive_reader_free);
tbk_source tbk_archive_reader_source(tbk_archive_reader *reader);

const char *tbk_archive_zstd_version(void);

#endif
