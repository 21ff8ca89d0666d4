/* SPDX-License-Identifier: MIT */
/* Copies pieces of a file from all over it, those first that are not in memory. */
#include "database/disk_speed.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define PIECE_BYTES ((uint64_t)16 << 20)
#define PIECES_MAX (TBK_DISK_SPEED_SAMPLE_BYTES / PIECE_BYTES)
#define BUFFER_BYTES (128u << 10)
#define PAGE_BYTES 4096u

typedef struct piece {
    uint64_t offset, length;
} piece;

typedef struct sample {
    piece pieces[PIECES_MAX];
    size_t count;
    bool cold; /* no page of them was in memory */
} sample;

static bool not_measured(tbk_disk_speed *out, const char *format, ...) TBK_PRINTF(2, 3);

/* Returns true: a forecast goes on without it. */
static bool not_measured(tbk_disk_speed *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(out->not_measured, sizeof out->not_measured, format, arguments);
    va_end(arguments);
    return true;
}

/* --- what to copy --- */

/* Where the kernel does not tell (a file of another user) it says that all is in memory. */
static bool is_cold(int fd, const piece *at)
{
    unsigned char resident[PIECE_BYTES / PAGE_BYTES];
    void *mapped = mmap(NULL, at->length, PROT_READ, MAP_SHARED, fd, (off_t)at->offset);
    if (mapped == MAP_FAILED)
        return false;
    size_t pages = (size_t)((at->length + PAGE_BYTES - 1) / PAGE_BYTES);
    bool cold = mincore(mapped, at->length, resident) == 0;
    for (size_t i = 0; i < pages && cold; i++)
        cold = (resident[i] & 1) == 0;
    (void)munmap(mapped, at->length);
    return cold;
}

static piece piece_at(uint64_t index, uint64_t file_bytes)
{
    uint64_t offset = index * PIECE_BYTES;
    uint64_t left = file_bytes - offset;
    return (piece){.offset = offset, .length = left < PIECE_BYTES ? left : PIECE_BYTES};
}

static void swap(piece *a, piece *b)
{
    piece kept = *a;
    *a = *b;
    *b = kept;
}

/* Evenly over the file, each moved on to a cold one if there is one before the next; only the cold
 * ones where there are any. */
static void choose(int fd, uint64_t file_bytes, sample *out)
{
    uint64_t all = (file_bytes + PIECE_BYTES - 1) / PIECE_BYTES;
    out->count = all < PIECES_MAX ? (size_t)all : PIECES_MAX;
    size_t cold = 0;
    for (uint64_t i = 0; i < out->count; i++) {
        uint64_t index = i * all / out->count, end = (i + 1) * all / out->count;
        piece candidate = piece_at(index, file_bytes);
        bool found = is_cold(fd, &candidate);
        while (!found && ++index < end) {
            candidate = piece_at(index, file_bytes);
            found = is_cold(fd, &candidate);
        }
        out->pieces[i] = candidate;
        if (found)
            swap(&out->pieces[i], &out->pieces[cold++]);
    }
    out->cold = cold > 0;
    if (out->cold)
        out->count = cold;
}

/* --- where to --- */

static bool has_space(int folder, uint64_t bytes, tbk_disk_speed *out)
{
    struct statvfs status;
    if (fstatvfs(folder, &status) != 0)
        return !not_measured(out, "the free space is not known: %s", strerror(errno));
    uint64_t free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    if (free_bytes >= 2 * bytes)
        return true;
    return !not_measured(out, "there are %" PRIu64 " MiB free, and it takes %" PRIu64,
                         free_bytes >> 20, (2 * bytes) >> 20);
}

/* Every file system that a tracker's disk has knows files without a name. */
static int open_nameless(const char *folder, uint64_t bytes, tbk_disk_speed *out)
{
    tbk_auto_fd int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        (void)not_measured(out, "'%s' cannot be opened: %s", folder, strerror(errno));
        return -1;
    }
    if (!has_space(directory, bytes, out))
        return -1;
    int fd = openat(directory, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0)
        (void)not_measured(out, "nothing can be written in '%s': %s", folder, strerror(errno));
    return fd;
}

/*
 * A copy that is not synced costs only the reading for as long as memory takes it. The kernel makes
 * writers wait from about 15 % of what is available on (vm.dirty_ratio and the background's, of 20
 * and 10): from a tenth on, count on the disk.
 */
static bool fits_in_memory(uint64_t bytes)
{
    char text[4096];
    tbk_auto_fd int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : tbk_file_read_some(fd, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    const char *line = strstr(text, "MemAvailable:");
    if (line == NULL)
        return true;
    return bytes <= strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024 / 10;
}

/* --- the copy --- */

static ssize_t copy_by_buffer(int source, off_t *from, int target, size_t length)
{
    char buffer[BUFFER_BYTES];
    ssize_t got = pread(source, buffer, length < sizeof buffer ? length : sizeof buffer, *from);
    if (got <= 0)
        return got;
    *from += got;
    return write(target, buffer, (size_t)got);
}

static ssize_t copy_some(int source, off_t *from, int target, size_t length)
{
    ssize_t got = copy_file_range(source, from, target, NULL, length, 0);
    return got > 0 ? got : copy_by_buffer(source, from, target, length);
}

static bool copy_piece(int source, const piece *at, int target, uint64_t *copied)
{
    off_t from = (off_t)at->offset;
    for (uint64_t left = at->length; left > 0;) {
        ssize_t got = copy_some(source, &from, target, (size_t)left);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0) /* it became shorter */
            break;
        *copied += (uint64_t)got;
        left -= (uint64_t)got;
    }
    return true;
}

/* Reading the next piece and writing this one go on together, as in a long copy. */
static void write_through(int target, uint64_t before, uint64_t now)
{
    (void)sync_file_range(target, (off_t)before, (off_t)(now - before), SYNC_FILE_RANGE_WRITE);
    if (before > 0)
        (void)sync_file_range(target, 0, (off_t)before,
                              SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                  SYNC_FILE_RANGE_WAIT_AFTER);
}

static bool copy(int source, int target, const sample *pieces, const tbk_report *report,
                 tbk_disk_speed *out, tbk_error *err)
{
    int64_t started_ms = tbk_clock_monotonic_ms(), took_ms = 0;
    for (size_t i = 0; i < pieces->count && took_ms < TBK_DISK_SPEED_LIMIT_MS; i++) {
        uint64_t before = out->copied_bytes;
        if (!tbk_report_go_on(report, err))
            return false;
        if (!copy_piece(source, &pieces->pieces[i], target, &out->copied_bytes))
            return not_measured(out, "the copy failed: %s", strerror(errno));
        if (out->to_disk)
            write_through(target, before, out->copied_bytes);
        took_ms = tbk_clock_monotonic_ms() - started_ms;
    }
    out->bytes_per_second = out->copied_bytes * 1000 / (uint64_t)(took_ms > 0 ? took_ms : 1);
    return true;
}

/* What the measuring brought into memory; others had nothing there. */
static void give_back(int source, const sample *pieces)
{
    for (size_t i = 0; i < pieces->count && pieces->cold; i++)
        (void)posix_fadvise(source, (off_t)pieces->pieces[i].offset,
                            (off_t)pieces->pieces[i].length, POSIX_FADV_DONTNEED);
}

static uint64_t bytes_of(const sample *pieces)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < pieces->count; i++)
        bytes += pieces->pieces[i].length;
    return bytes;
}

bool tbk_disk_speed_measure(const char *path, const char *folder, uint64_t total_bytes,
                            const tbk_report *report, tbk_disk_speed *out, tbk_error *err)
{
    sample pieces = {.count = 0};
    struct stat status;
    *out = (tbk_disk_speed){.to_disk = !fits_in_memory(total_bytes)};
    tbk_auto_fd int source = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (source < 0 || fstat(source, &status) != 0)
        return not_measured(out, "'%s' cannot be read: %s", path, strerror(errno));
    choose(source, (uint64_t)status.st_size, &pieces);
    out->from_disk = pieces.cold;
    tbk_auto_fd int target = open_nameless(folder, bytes_of(&pieces), out);
    if (target < 0)
        return true;
    bool ok = copy(source, target, &pieces, report, out, err);
    give_back(source, &pieces);
    return ok;
}
