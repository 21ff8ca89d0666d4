/* SPDX-License-Identifier: MIT */
/* The configuration files that were opened, as a tar. */
#include "base/clock.h"
#include "base/memory.h"
#include "engine/files_internal.h"
#include "store/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define BLOCK_BYTES (256u * 1024)
/* What a file may have grown by since it was looked at and counted. */
#define GROWTH_BYTES_MAX (UINT64_C(1) << 20)
#define TIME_MAX_MS (15 * 60000)

typedef struct storing {
    tbk_files *files;
    const char *scratch_directory;
    tbk_archive_writer *writer;
    const tbk_report *report;
    int64_t end_ms;
} storing;

static bool is_late(const storing *self) { return tbk_clock_monotonic_ms() >= self->end_ms; }

/* Up to wanted bytes from the offset; fewer at the end of the file, or where *out_errno says why.
 */
static size_t read_at(int fd, unsigned char *block, size_t wanted, uint64_t offset, int *out_errno)
{
    size_t got = 0;
    while (got < wanted) {
        ssize_t length = pread(fd, block + got, wanted - got, (off_t)(offset + got));
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            *out_errno = errno;
        if (length <= 0)
            break;
        got += (size_t)length;
    }
    return got;
}

/* What became of a file's content on its way. */
typedef struct content {
    uint64_t size_bytes; /* as its header says */
    bool is_short;       /* from some point on it is zeros */
    bool is_late;
    int errno_value;
} content;

static bool store_block(storing *self, int fd, unsigned char *block, uint64_t at, content *is,
                        tbk_error *err)
{
    uint64_t left = is->size_bytes - at;
    size_t wanted = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
    is->is_late = is->is_late || is_late(self);
    bool reads = is->errno_value == 0 && !is->is_late;
    size_t got = reads ? read_at(fd, block, wanted, at, &is->errno_value) : 0;
    memset(block + got, 0, wanted - got);
    is->is_short = is->is_short || got < wanted;
    return tbk_report_go_on(self->report, err) &&
           tbk_archive_writer_add(self->writer, block, wanted, err);
}

static void note_content(storing *self, const char *path, int fd, const content *is)
{
    struct stat now;
    if (is->errno_value != 0)
        tbk_files_note_lost(self->files, path, "cannot be read to its end, which is zeros: %s",
                            strerrordesc_np(is->errno_value));
    else if (is->is_late)
        tbk_files_note_lost(self->files, path, "was not read in time, its end is zeros");
    else if (is->is_short)
        tbk_files_note_lost(self->files, path, "shrank while it was read, its end is zeros");
    if (fstat(fd, &now) == 0 && (uint64_t)now.st_size > is->size_bytes)
        tbk_files_note(self->files, path,
                       "grew while it was read, saved are its first %" PRIu64 " bytes",
                       is->size_bytes);
}

/* Exactly as many bytes as its header has promised, whatever happens to the file meanwhile. */
static bool store_content(storing *self, const char *path, int fd, uint64_t size_bytes,
                          tbk_error *err)
{
    tbk_auto_free unsigned char *block = tbk_memory_new(BLOCK_BYTES);
    content is = {.size_bytes = size_bytes};
    bool ok = true;
    for (uint64_t at = 0; ok && at < size_bytes; at += BLOCK_BYTES)
        ok = store_block(self, fd, block, at, &is, err);
    explicit_bzero(block, BLOCK_BYTES); /* keys, passwords */
    if (!ok)
        return false;
    note_content(self, path, fd, &is);
    return tbk_tar_pad(self->writer, size_bytes, err);
}

/* Its size may be another by now. */
static off_t size_to_store(const struct stat *counted, const struct stat *now)
{
    off_t most = counted->st_size + (off_t)GROWTH_BYTES_MAX;
    return now->st_size < most ? now->st_size : most;
}

static bool store_regular(storing *self, const tbk_files_entry *from, int fd, tbk_error *err)
{
    struct stat now;
    if (fstat(fd, &now) != 0) {
        tbk_files_note_lost(self->files, from->path, "not saved, it cannot be looked at: %s",
                            strerrordesc_np(errno));
        return true;
    }
    struct stat header = from->status;
    header.st_size = size_to_store(&from->status, &now);
    return tbk_tar_header(self->writer, from->path, &header, NULL, err) &&
           store_content(self, from->path, fd, (uint64_t)header.st_size, err);
}

static bool store_database(storing *self, const tbk_files_entry *from, tbk_error *err)
{
    const char *copy =
        tbk_arena_format(self->files->arena, "%s/config-%zu.db", self->scratch_directory,
                         (size_t)(from - self->files->entries));
    tbk_error why;
    if (!tbk_sqlite_reader_copy(from->reader, copy, &why)) {
        (void)unlink(copy);
        if (why.code == TBK_E_SPACE || why.code == TBK_E_INTERRUPTED) {
            *err = why;
            return false;
        }
        /* A database of others must not cost the tracker its backup. */
        tbk_files_note_lost(self->files, from->path, "not saved: %s", why.message);
        return true;
    }
    tbk_auto_fd int fd = open(copy, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    (void)unlink(copy);
    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot open its copy '%s'", copy);
    return store_regular(self, from, fd, err);
}

static bool store_entry(storing *self, const tbk_files_entry *from, tbk_error *err)
{
    bool has_content = from->reader != NULL || from->fd >= 0;
    if (from->is_excluded)
        return true;
    if (has_content && is_late(self)) {
        tbk_files_note_lost(self->files, from->path, "not saved, there was no time left for it");
        return true;
    }
    if (from->reader != NULL)
        return store_database(self, from, err);
    if (from->fd >= 0)
        return store_regular(self, from, from->fd, err);
    return tbk_tar_header(self->writer, from->path, &from->status, from->target, err);
}

bool tbk_files_store(tbk_files *files, const char *scratch_directory, tbk_archive_writer *writer,
                     const tbk_report *report, tbk_error *err)
{
    storing self = {.files = files,
                    .scratch_directory = scratch_directory,
                    .writer = writer,
                    .report = report,
                    .end_ms = tbk_clock_monotonic_ms() + TIME_MAX_MS};
    for (size_t index = 0; index < files->count; index++)
        if (!tbk_report_go_on(report, err) || !store_entry(&self, &files->entries[index], err))
            return tbk_error_context(err, "saving the configuration file '%s'",
                                     files->entries[index].path);
    return tbk_tar_end(writer, err);
}
