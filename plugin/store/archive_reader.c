/* SPDX-License-Identifier: MIT */
/* Reading stored data: any zstd stream, within the bounds that its manifest gives. */
#include "store/archive_internal.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <zstd.h>
#include <zstd_errors.h>

/* What it may have to hold of a frame: 64 MiB. Our own frames need 4. */
enum { WINDOW_LOG_MAX = 26 };

struct tbk_archive_reader {
    ZSTD_DCtx *context;
    int in_fd;
    unsigned char *stored;
    ZSTD_inBuffer in; /* what of stored is not decompressed yet */
    bool holds_more;  /* zstd filled all that it was given, and may have more inside */
    tbk_hasher *stored_hasher;
    tbk_hasher *raw_hasher;
    uint64_t stored_bytes, stored_bytes_max;
    uint64_t raw_bytes, raw_bytes_max;
    size_t pending; /* what zstd said last: 0 = a frame has just ended */
};

void tbk_archive_reader_free(tbk_archive_reader *reader)
{
    if (reader == NULL)
        return;
    (void)ZSTD_freeDCtx(reader->context);
    free(reader->stored);
    tbk_hasher_free(reader->stored_hasher);
    tbk_hasher_free(reader->raw_hasher);
    free(reader);
}

bool tbk_archive_reader_open(int in_fd, const tbk_set_file *expected, tbk_archive_reader **out,
                             tbk_error *err)
{
    tbk_auto(tbk_archive_reader) *reader = tbk_memory_new(sizeof *reader);
    *reader = (tbk_archive_reader){.in_fd = in_fd,
                                   .context = ZSTD_createDCtx(),
                                   .stored = malloc(TBK_ARCHIVE_READ_BYTES),
                                   .stored_bytes_max = expected->stored_bytes,
                                   .raw_bytes_max = expected->raw_bytes,
                                   .stored_hasher = tbk_hasher_new(),
                                   .raw_hasher = tbk_hasher_new()};
    if (reader->stored == NULL || reader->context == NULL)
        return tbk_archive_fail_memory(err);
    size_t result = ZSTD_DCtx_setParameter(reader->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    tbk_memory_must(!ZSTD_isError(result));
    *out = reader;
    reader = NULL;
    return true;
}

static bool fail_corrupt(tbk_error *err, const tbk_archive_reader *self, const char *why)
{
    return tbk_fail(err, TBK_E_CORRUPT, "use another backup set",
                    "not a sound zstd stream near byte %llu: %s",
                    (unsigned long long)self->stored_bytes, why);
}

static bool fail_longer(tbk_error *err, const char *what, uint64_t bytes_max)
{
    return tbk_fail(err, TBK_E_CORRUPT, "use another backup set",
                    "%s more than the %llu bytes that the manifest says", what,
                    (unsigned long long)bytes_max);
}

static bool fail_zstd(tbk_error *err, const tbk_archive_reader *self, size_t result)
{
    if (ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation)
        return tbk_archive_fail_memory(
            err); /* of this machine, which says nothing about the stream */
    return fail_corrupt(err, self, ZSTD_getErrorName(result));
}

static bool take_in(tbk_archive_reader *self, bool *out_ended, tbk_error *err)
{
    size_t got;
    if (!tbk_source_read_file(&self->in_fd, self->stored, TBK_ARCHIVE_READ_BYTES, &got, err))
        return false;
    self->in = (ZSTD_inBuffer){.src = self->stored, .size = got};
    self->stored_bytes += got;
    /* Read once only: what was read need not stay in memory. */
    (void)posix_fadvise(self->in_fd, 0, 0, POSIX_FADV_DONTNEED);
    tbk_hasher_add(self->stored_hasher, self->stored, got);
    *out_ended = got == 0;
    if (self->stored_bytes > self->stored_bytes_max)
        return fail_longer(err, "it has", self->stored_bytes_max);
    if (got == 0 && self->stored_bytes == 0)
        return fail_corrupt(err, self, "it is empty");
    if (got == 0 && self->pending != 0)
        return fail_corrupt(err, self, "it is cut");
    return true;
}

static bool decompress(tbk_archive_reader *self, void *buffer, size_t size_bytes, size_t *out_got,
                       tbk_error *err)
{
    ZSTD_outBuffer out = {.dst = buffer, .size = size_bytes};
    size_t before = self->in.pos;
    size_t pending = ZSTD_decompressStream(self->context, &out, &self->in);
    if (ZSTD_getErrorCode(pending) == ZSTD_error_memory_allocation)
        return tbk_archive_fail_memory(err);
    if (ZSTD_isError(pending))
        return fail_zstd(err, self, pending);
    /* At the end of a frame, with nothing to read, zstd speaks of the next one. */
    if (self->in.pos > before || out.pos > 0)
        self->pending = pending;
    /* A full buffer may hide more: again until zstd leaves room in it. */
    self->holds_more = out.pos == out.size;
    tbk_hasher_add(self->raw_hasher, buffer, out.pos);
    self->raw_bytes += out.pos;
    if (self->raw_bytes > self->raw_bytes_max)
        return fail_longer(err, "it unpacks to", self->raw_bytes_max);
    *out_got = out.pos;
    return true;
}

/* Some raw bytes; none only at the end. */
static bool read_raw(void *self, void *buffer, size_t size_bytes, size_t *out_got, tbk_error *err)
{
    tbk_archive_reader *reader = self;
    bool ended = false;
    *out_got = 0;
    while (*out_got == 0 && !ended) {
        bool needs_more = reader->in.pos == reader->in.size && !reader->holds_more;
        if (needs_more && !take_in(reader, &ended, err))
            return false;
        if (!ended && !decompress(reader, buffer, size_bytes, out_got, err))
            return false;
    }
    return true;
}

tbk_source tbk_archive_reader_source(tbk_archive_reader *reader)
{
    return (tbk_source){.self = reader, .total_bytes = reader->raw_bytes_max, .read = read_raw};
}

/* Before the first byte is written: a disk that is filled harms others too. */
static bool check_space(int out_fd, uint64_t needed_bytes, tbk_error *err)
{
    struct statvfs status;
    if (fstatvfs(out_fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot ask for free space");
    uint64_t free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return needed_bytes <= free_bytes ||
           tbk_fail(err, TBK_E_SPACE, "make room there, then do it again",
                    "it unpacks to %llu bytes, and the file system has %llu free",
                    (unsigned long long)needed_bytes, (unsigned long long)free_bytes);
}

static bool extract(tbk_archive_reader *reader, int out_fd, const char *phase,
                    const tbk_report *report, tbk_error *err)
{
    tbk_auto_free unsigned char *raw = malloc(TBK_ARCHIVE_READ_BYTES);
    uint64_t total_bytes = tbk_source_file_bytes(reader->in_fd);
    size_t got;
    if (raw == NULL)
        return tbk_archive_fail_memory(err);
    do {
        if (!tbk_report_go_on(report, err) ||
            !read_raw(reader, raw, TBK_ARCHIVE_READ_BYTES, &got, err) ||
            (out_fd >= 0 && !tbk_file_write_all(out_fd, raw, got, err)))
            return false;
        tbk_report_progress(report, phase, reader->stored_bytes, total_bytes);
    } while (got > 0);
    return true;
}

bool tbk_archive_extract(int in_fd, const tbk_set_file *expected, int out_fd, const char *phase,
                         const tbk_report *report, tbk_set_file *out, tbk_error *err)
{
    tbk_auto(tbk_archive_reader) *reader = NULL;
    if ((out_fd >= 0 && !check_space(out_fd, expected->raw_bytes, err)) ||
        !tbk_archive_reader_open(in_fd, expected, &reader, err) ||
        !extract(reader, out_fd, phase, report, err))
        return false;
    out->stored_bytes = reader->stored_bytes;
    out->raw_bytes = reader->raw_bytes;
    tbk_hasher_finish(reader->stored_hasher, &out->stored);
    tbk_hasher_finish(reader->raw_hasher, &out->raw);
    return true;
}
