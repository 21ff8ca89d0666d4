/* SPDX-License-Identifier: MIT */
/* The page cache: what was in memory before a file was read is there afterwards, and nothing else.
 */
#include "unit/unit.h"

#include "base/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>

#define PAGES 5000u /* several windows would take a larger file than a test should have */
#define PAGE 4096u

typedef struct fixture {
    char folder[64], path[96];
    int fd;
} fixture;

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    static char page[PAGE] = "x";
    make_scratch(self->folder);
    (void)snprintf(self->path, sizeof self->path, "%s/file", self->folder);
    self->fd = open(self->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    for (unsigned i = 0; i < PAGES; i++)
        if (write(self->fd, page, PAGE) != (ssize_t)PAGE)
            return -1;
    (void)fsync(self->fd);
    (void)posix_fadvise(self->fd, 0, 0, POSIX_FADV_DONTNEED);
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    (void)close(self->fd);
    (void)unlink(self->path);
    (void)rmdir(self->folder);
    free(self);
    return 0;
}

static unsigned in_memory(const fixture *self, unsigned from, unsigned to)
{
    static unsigned char pages[PAGES];
    unsigned count = 0;
    void *at = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
    assert_true(at != MAP_FAILED);
    assert_int_equal(mincore(at, (size_t)PAGES * PAGE, pages), 0);
    (void)munmap(at, (size_t)PAGES * PAGE);
    for (unsigned i = from; i < to; i++)
        count += pages[i] & 1;
    return count;
}

/* Without what the kernel reads ahead. */
static void touch(const fixture *self, unsigned from, unsigned to)
{
    char page[PAGE];
    (void)posix_fadvise(self->fd, 0, 0, POSIX_FADV_RANDOM);
    for (unsigned i = from; i < to; i++)
        assert_int_equal(pread(self->fd, page, PAGE, (off_t)i * PAGE), PAGE);
}

static void skip_where_everything_stays(const fixture *self)
{
    if (in_memory(self, 0, PAGES) == PAGES)
        skip_because("this file system keeps its pages (a tmpfs); set TMPDIR");
}

/* The kernel may always take a page back, or hold on to one for a moment. */
static void assert_nearly(unsigned pages, unsigned expected)
{
    unsigned difference = pages > expected ? pages - expected : expected - pages;
    if (difference > 32)
        fail_msg("%u pages are in memory, not about %u", pages, expected);
}

static void gives_back_what_came_and_keeps_what_was_there(void **state)
{
    fixture *self = *state;
    skip_where_everything_stays(self);
    touch(self, 100, 200);
    tbk_page_cache *note = tbk_page_cache_snapshot(self->fd, (uint64_t)PAGES * PAGE);
    touch(self, 0, PAGES);
    assert_nearly(in_memory(self, 0, PAGES), PAGES);
    tbk_page_cache_drop(note, self->fd, 1000u * PAGE);
    assert_nearly(in_memory(self, 0, 100), 0);
    assert_nearly(in_memory(self, 100, 200), 100);
    assert_nearly(in_memory(self, 200, 1000), 0);
    assert_nearly(in_memory(self, 1000, PAGES), PAGES - 1000);
    tbk_page_cache_drop(note, self->fd, UINT64_MAX / 2);
    assert_nearly(in_memory(self, 0, PAGES), 100);
    tbk_page_cache_free(note);
}

static void nothing_is_given_back_where_the_kernel_does_not_tell(void **state)
{
    fixture *self = *state;
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    tbk_page_cache *note = tbk_page_cache_snapshot(pipe_ends[0], (uint64_t)PAGES * PAGE);
    touch(self, 0, 10);
    tbk_page_cache_drop(note, self->fd, (uint64_t)PAGES * PAGE);
    assert_true(in_memory(self, 0, 10) > 0);
    tbk_page_cache_free(note);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
}

static void what_is_written_stays_in_memory_for_a_little_only(void **state)
{
    fixture *self = *state;
    char *piece = calloc(1, 1u << 20);
    tbk_write_behind behind = {0};
    skip_where_everything_stays(self);
    assert_int_equal(ftruncate(self->fd, 0), 0);
    assert_int_equal(lseek(self->fd, 0, SEEK_SET), 0);
    for (uint64_t written = 0; written < (uint64_t)96 << 20;) {
        assert_int_equal(write(self->fd, piece, 1u << 20), 1u << 20);
        written += 1u << 20;
        assert_int_equal(tbk_write_behind_advance(&behind, self->fd, written), 0);
    }
    free(piece);
    assert_true(behind.given_bytes >= (uint64_t)48 << 20);
    assert_nearly(in_memory(self, 0, PAGES), 0); /* the first 20 MiB */
}

static void a_file_of_several_windows(void **state)
{
    fixture *self = *state;
    const uint64_t bytes = (uint64_t)40000 * PAGE; /* sparse */
    assert_int_equal(ftruncate(self->fd, (off_t)bytes), 0);
    tbk_auto(tbk_page_cache) *note = tbk_page_cache_snapshot(self->fd, bytes);
    tbk_page_cache_drop(note, self->fd, bytes - 1);
    tbk_page_cache_drop(note, self->fd, bytes);
    tbk_auto(tbk_page_cache) *none = NULL;
    tbk_page_cache_free(none);
}

static void what_cannot_be_told_to_write_early_is_no_failure(void **state)
{
    (void)state;
    int pipe_ends[2];
    tbk_write_behind behind = {0};
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(tbk_write_behind_advance(&behind, pipe_ends[1], (uint64_t)64 << 20), 0);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(gives_back_what_came_and_keeps_what_was_there),
        CASE(nothing_is_given_back_where_the_kernel_does_not_tell),
        CASE(what_is_written_stays_in_memory_for_a_little_only),
        CASE(a_file_of_several_windows),
        CASE(what_cannot_be_told_to_write_early_is_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
