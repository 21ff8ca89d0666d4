/* SPDX-License-Identifier: MIT */
/* Asks mincore(2) window by window, and drops runs of pages by posix_fadvise(2). */
#include "base/page_cache.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#define WINDOW_PAGES 16384u
#define WRITE_STEP_BYTES (8u << 20)
#define WRITE_LAG_BYTES (32u << 20) /* what may wait for the disk, so that bursts do not stall */

struct tbk_page_cache {
    uint64_t page_bytes;
    uint64_t pages;
    uint64_t next_page;  /* those before it were dropped */
    unsigned char *bits; /* set: was in memory before; NULL: unknown */
};

static bool was_there(const tbk_page_cache *note, uint64_t page)
{
    return (note->bits[page / 8] >> (page % 8) & 1) != 0;
}

/* The mapping is never touched, only asked about. */
static bool note_window(tbk_page_cache *note, int fd, uint64_t first, size_t count)
{
    unsigned char in_memory[WINDOW_PAGES];
    size_t bytes = count * note->page_bytes;
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)(first * note->page_bytes));
    if (at == MAP_FAILED)
        return false;
    bool known = mincore(at, bytes, in_memory) == 0;
    (void)munmap(at, bytes);
    for (size_t i = 0; known && i < count; i++) /* GCOVR_EXCL_BR_LINE: mincore of a mapping works */
        if ((in_memory[i] & 1) != 0)
            note->bits[(first + i) / 8] |= (unsigned char)(1u << ((first + i) % 8));
    return known;
}

tbk_page_cache *tbk_page_cache_snapshot(int fd, uint64_t file_bytes)
{
    tbk_page_cache *note = tbk_memory_new(sizeof *note);
    note->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    note->pages = (file_bytes + note->page_bytes - 1) / note->page_bytes;
    note->bits = calloc(1, note->pages / 8 + 1);
    for (uint64_t page = 0; note->bits != NULL && page < note->pages; page += WINDOW_PAGES) {
        uint64_t left = note->pages - page;
        if (!note_window(note, fd, page, left < WINDOW_PAGES ? (size_t)left : WINDOW_PAGES)) {
            free(note->bits);
            note->bits = NULL;
        }
    }
    return note;
}

void tbk_page_cache_drop(tbk_page_cache *note, int fd, uint64_t end_bytes)
{
    uint64_t end = end_bytes / note->page_bytes;
    if (end > note->pages || end_bytes >= note->pages * note->page_bytes)
        end = note->pages;
    while (note->bits != NULL && note->next_page < end) {
        uint64_t first = note->next_page;
        bool stays = was_there(note, first);
        while (note->next_page < end && was_there(note, note->next_page) == stays)
            note->next_page++;
        if (!stays)
            (void)posix_fadvise(fd, (off_t)(first * note->page_bytes),
                                (off_t)((note->next_page - first) * note->page_bytes),
                                POSIX_FADV_DONTNEED);
    }
}

void tbk_page_cache_free(tbk_page_cache *note)
{
    if (note == NULL)
        return;
    free(note->bits);
    free(note);
}

/* Where the file cannot do it (a pipe), nothing is lost by not doing it. */
static int write_out(int fd, uint64_t begin_bytes, uint64_t end_bytes, unsigned flags)
{
    if (sync_file_range(fd, (off_t)begin_bytes, (off_t)(end_bytes - begin_bytes), flags) == 0)
        return 0;
    bool is_lost =
        errno == EIO || errno == ENOSPC || errno == EDQUOT; /* GCOVR_EXCL_BR_LINE: disks */
    return is_lost ? errno : 0; /* GCOVR_EXCL_BR_LINE: as the line before */
}

int tbk_write_behind_advance(tbk_write_behind *behind, int fd, uint64_t written_bytes)
{
    if (written_bytes < behind->begun_bytes + WRITE_STEP_BYTES)
        return 0;
    int failure = write_out(fd, behind->begun_bytes, written_bytes, SYNC_FILE_RANGE_WRITE);
    behind->begun_bytes = written_bytes;
    if (failure != 0)   /* GCOVR_EXCL_BR_LINE: as in write_out */
        return failure; /* GCOVR_EXCL_LINE */
    if (written_bytes < behind->given_bytes + WRITE_LAG_BYTES + WRITE_STEP_BYTES)
        return 0;
    uint64_t end_bytes = written_bytes - WRITE_LAG_BYTES;
    failure =
        write_out(fd, behind->given_bytes, end_bytes,
                  SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    (void)posix_fadvise(fd, (off_t)behind->given_bytes, (off_t)(end_bytes - behind->given_bytes),
                        POSIX_FADV_DONTNEED);
    behind->given_bytes = end_bytes;
    return failure;
}
