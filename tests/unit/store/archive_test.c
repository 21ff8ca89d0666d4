/* SPDX-License-Identifier: MIT */
/* Stored data: what zstd itself says of it, what is refused, and that nothing is left over. */
#include "unit/scratch.h"

#include "store/archive.h"

#include <limits.h>
#include <malloc.h>
#include <sys/resource.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif
/* A sanitizer's own memory would be measured and limited: those tests are in other builds only. */
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)
#define MEMORY_IS_OURS
#endif

#ifdef MEMORY_IS_OURS
static char self_path[PATH_MAX];
#endif

static bool store_fd(int in_fd, int out_fd, int level, const char *phase, const tbk_report *report,
                     tbk_set_file *out, tbk_error *err)
{
    const tbk_source source = tbk_source_of_file(&in_fd);
    return tbk_archive_store(&source, out_fd, level, phase, report, out, err);
}

static int open_new(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static int open_old(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void put_file(const char *name, const void *bytes, size_t length)
{
    int fd = open_new(name);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    (void)close(fd);
}

/* Lines of hexadecimal text, as the tracker's hashes are; the same for the same size. */
static void put_hex_file(const char *name, size_t size_bytes)
{
    unsigned char *bytes = malloc(size_bytes + 1);
    assert_non_null(bytes);
    uint64_t random = 88172645463325252u;
    for (size_t index = 0; index < size_bytes; index++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        bytes[index] = index % 41 == 40 ? '\n' : (unsigned char)"0123456789abcdef"[random & 15];
    }
    put_file(name, bytes, size_bytes);
    free(bytes);
}

static void put_random_file(const char *name, size_t size_bytes)
{
    char command[128];
    (void)snprintf(command, sizeof command, "head -c %zu /dev/urandom >%s", size_bytes, name);
    assert_int_equal(shell(command), 0);
}

static tbk_set_file store_file(const char *from, const char *to, int level)
{
    tbk_set_file stored = {0};
    tbk_error err;
    int in = open_old(from);
    int out = open_new(to);
    if (!store_fd(in, out, level, "compress", NULL, &stored, &err))
        fail_msg("%s", err.message);
    (void)close(in);
    (void)close(out);
    return stored;
}

static uint64_t size_of(const char *name)
{
    struct stat status;
    assert_int_equal(stat(name, &status), 0);
    return (uint64_t)status.st_size;
}

/* What a manifest would say that it unpacks to, for streams that are to be read to their end. */
#define ANY_RAW_BYTES (256u << 20)

static tbk_set_file expectation_of(const char *from)
{
    return (tbk_set_file){.raw_bytes = ANY_RAW_BYTES, .stored_bytes = size_of(from)};
}

static bool extract_expected(const char *from, const tbk_set_file *expected, const char *to,
                             tbk_set_file *out, tbk_error *err)
{
    int in = open_old(from);
    int fd = to != NULL ? open_new(to) : -1;
    bool extracted = tbk_archive_extract(in, expected, fd, "restore", NULL, out, err);
    (void)close(in);
    if (fd >= 0)
        (void)close(fd);
    return extracted;
}

static bool extract_file(const char *from, const char *to, tbk_set_file *out, tbk_error *err)
{
    const tbk_set_file expected = expectation_of(from);
    return extract_expected(from, &expected, to, out, err);
}

static void assert_digest_is_sha256sum(const tbk_digest *digest, const char *name)
{
    char command[200];
    (void)snprintf(command, sizeof command, "echo '%s  %s' | sha256sum -c --status", digest->hex,
                   name);
    assert_int_equal(shell(command), 0);
}

/* --- what is written --- */

static void assert_zstd_agrees(const char *raw, const char *packed, const tbk_set_file *stored)
{
    char command[300];
    (void)snprintf(command, sizeof command,
                   "zstd -tq %s && zstd -l %s >list && zstd -dcq %s | cmp - %s", packed, packed,
                   packed, raw);
    assert_int_equal(shell(command), 0);
    assert_digest_is_sha256sum(&stored->raw, raw);
    assert_digest_is_sha256sum(&stored->stored, packed);
    assert_int_equal(stored->raw_bytes, size_of(raw));
    assert_int_equal(stored->stored_bytes, size_of(packed));

    tbk_set_file back = {0};
    tbk_error err;
    if (!extract_file(packed, "back", &back, &err))
        fail_msg("%s", err.message);
    (void)snprintf(command, sizeof command, "cmp %s back", raw);
    assert_int_equal(shell(command), 0);
    assert_true(tbk_digest_equal(&back.raw, &stored->raw));
    assert_true(tbk_digest_equal(&back.stored, &stored->stored));
    assert_int_equal(back.raw_bytes, stored->raw_bytes);
    assert_int_equal(back.stored_bytes, stored->stored_bytes);
}

static void zstd_reads_what_was_stored_at_any_size(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0,
                                   1,
                                   4096,
                                   TBK_ARCHIVE_FRAME_BYTES - 1,
                                   TBK_ARCHIVE_FRAME_BYTES,
                                   TBK_ARCHIVE_FRAME_BYTES + 1,
                                   6 * TBK_ARCHIVE_FRAME_BYTES + 12345};
    for (size_t index = 0; index < sizeof SIZES / sizeof SIZES[0]; index++) {
        put_hex_file("raw", SIZES[index]);
        tbk_set_file stored = store_file("raw", "packed.zst", 1);
        assert_zstd_agrees("raw", "packed.zst", &stored);
    }
}

static void every_level_gives_a_sound_stream(void **state)
{
    (void)state;
    put_hex_file("raw", TBK_ARCHIVE_FRAME_BYTES + 77);
    for (int level = 1; level <= 9; level += 2) {
        tbk_set_file stored = store_file("raw", "packed.zst", level);
        assert_zstd_agrees("raw", "packed.zst", &stored);
        assert_true(stored.stored_bytes < stored.raw_bytes * 6 / 10);
    }
}

static void data_that_cannot_be_compressed_is_stored_too(void **state)
{
    (void)state;
    put_random_file("raw", 3 * TBK_ARCHIVE_FRAME_BYTES);
    tbk_set_file stored = store_file("raw", "packed.zst", 3);
    assert_zstd_agrees("raw", "packed.zst", &stored);
}

static void the_same_data_gives_the_same_bytes_with_any_number_of_workers(void **state)
{
    (void)state;
    put_hex_file("raw", 6 * TBK_ARCHIVE_FRAME_BYTES + 3);
    size_t size_bytes = (size_t)size_of("raw");
    char *bytes = malloc(size_bytes);
    assert_non_null(bytes);
    int in = open_old("raw");
    assert_int_equal(read(in, bytes, size_bytes), (ssize_t)size_bytes);
    (void)close(in);

    tbk_set_file expected = store_file("raw", "packed.zst", 1);
    for (unsigned workers = 1; workers <= 6;
         workers += workers == 1 ? 1 : 2) { /* more than 4 are 4 */
        tbk_archive_writer *writer;
        tbk_set_file stored = {0};
        tbk_error err;
        int out = open_new("again.zst");
        assert_true(threads_are_gone());
        assert_true(tbk_archive_writer_open(out, 1, workers, &writer, &err));
        assert_int_equal(threads_now() - threads_noted, workers < 4 ? workers : 4);
        /* In pieces of odd sizes, as a tar stream comes. */
        for (size_t at = 0, piece = 1; at < size_bytes; at += piece, piece = piece * 3 + 1) {
            if (piece > size_bytes - at)
                piece = size_bytes - at;
            assert_true(tbk_archive_writer_add(writer, bytes + at, piece, &err));
        }
        assert_true(tbk_archive_writer_finish(writer, &stored, &err));
        tbk_archive_writer_free(writer);
        (void)close(out);
        assert_true(tbk_digest_equal(&stored.stored, &expected.stored));
        assert_true(tbk_digest_equal(&stored.raw, &expected.raw));
    }
    free(bytes);
}

static uint32_t u32_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* A reader of the seekable format, from its specification: copies one frame's bytes into a file. */
static void cut_frame(const char *packed, uint32_t wanted, const char *to, uint64_t *out_raw_start,
                      uint32_t *out_raw_bytes)
{
    int fd = open_old(packed);
    off_t size_bytes = lseek(fd, 0, SEEK_END);
    unsigned char footer[9];
    assert_int_equal(pread(fd, footer, sizeof footer, size_bytes - 9), sizeof footer);
    assert_int_equal(u32_at(footer + 5), 0x8F92EAB1u);
    assert_int_equal(footer[4], 0);
    uint32_t count = u32_at(footer);
    assert_in_range(wanted, 0, count - 1);

    off_t table_bytes = 8 + (off_t)count * 8 + 9;
    unsigned char *table = malloc((size_t)table_bytes);
    assert_non_null(table);
    assert_int_equal(pread(fd, table, (size_t)table_bytes, size_bytes - table_bytes), table_bytes);
    assert_int_equal(u32_at(table), 0x184D2A5Eu);
    assert_int_equal(u32_at(table + 4), table_bytes - 8);

    uint64_t stored_start = 0;
    uint64_t all_stored = 0;
    *out_raw_start = 0;
    for (uint32_t frame = 0; frame < count; frame++) {
        uint32_t stored = u32_at(table + 8 + 8 * (size_t)frame);
        uint32_t raw = u32_at(table + 12 + 8 * (size_t)frame);
        all_stored += stored;
        if (frame < wanted) {
            stored_start += stored;
            *out_raw_start += raw;
        }
        if (frame == wanted) {
            unsigned char *bytes = malloc(stored);
            assert_non_null(bytes);
            assert_int_equal(pread(fd, bytes, stored, (off_t)stored_start), stored);
            put_file(to, bytes, stored);
            free(bytes);
            *out_raw_bytes = raw;
        }
    }
    assert_int_equal(all_stored + (uint64_t)table_bytes, size_bytes);
    free(table);
    (void)close(fd);
}

static void the_seek_table_finds_every_frame(void **state)
{
    (void)state;
    put_hex_file("raw", 3 * TBK_ARCHIVE_FRAME_BYTES + 1000);
    (void)store_file("raw", "packed.zst", 1);
    for (uint32_t frame = 0; frame < 4; frame++) {
        uint64_t raw_start;
        uint32_t raw_bytes = 0;
        cut_frame("packed.zst", frame, "frame.zst", &raw_start, &raw_bytes);
        assert_int_equal(raw_start, (uint64_t)frame * TBK_ARCHIVE_FRAME_BYTES);
        assert_int_equal(raw_bytes, frame < 3 ? TBK_ARCHIVE_FRAME_BYTES : 1000);
        char command[200];
        (void)snprintf(command, sizeof command,
                       "zstd -dcq frame.zst >frame && tail -c +%llu raw | head -c %u | cmp - frame",
                       (unsigned long long)raw_start + 1, raw_bytes);
        assert_int_equal(shell(command), 0);
    }
}

static void zstd_lists_frames_content_size_and_checksum(void **state)
{
    (void)state;
    put_hex_file("raw", 2 * TBK_ARCHIVE_FRAME_BYTES + 5);
    (void)store_file("raw", "packed.zst", 1);
    /* Columns of `zstd -l`: frames, skippable ones, sizes, ratio, check. */
    assert_int_equal(shell("zstd -lv packed.zst 2>&1 >list; "
                           "grep -q 'Zstandard Frames: 3$' list && "
                           "grep -q 'Skippable Frames: 1$' list && "
                           "grep -q '(8388613 B)' list && grep -q 'Check: XXH64' list"),
                     0);
}

static void data_can_come_from_a_pipe(void **state)
{
    (void)state;
    put_hex_file("raw", 5 * TBK_ARCHIVE_FRAME_BYTES / 2);
    FILE *pipe = popen("cat raw", "re");
    assert_non_null(pipe);
    tbk_set_file stored = {0};
    tbk_error err;
    int out = open_new("packed.zst");
    assert_true(store_fd(fileno(pipe), out, 1, "compress", NULL, &stored, &err));
    (void)pclose(pipe);
    (void)close(out);
    assert_zstd_agrees("raw", "packed.zst", &stored);
}

/* --- what is read --- */

static void streams_of_the_zstd_program_are_read(void **state)
{
    (void)state;
    put_hex_file("raw", 5 * TBK_ARCHIVE_FRAME_BYTES / 2);
    static const char *const WAYS[] = {
        "zstd -q -3 <raw >packed.zst",                               /* size not known */
        "zstd -q -3 --zstd=wlog=26 --no-check -f raw -o packed.zst", /* a large window, no checksum
                                                                      */
        "head -c 3000000 raw | zstd -q >packed.zst && tail -c +3000001 raw | zstd -q >>packed.zst",
        "{ printf '\\120\\052\\115\\030\\003\\000\\000\\000abc'; zstd -qc raw; } >packed.zst"};
    for (size_t index = 0; index < sizeof WAYS / sizeof WAYS[0]; index++) {
        assert_int_equal(shell(WAYS[index]), 0);
        tbk_set_file back = {0};
        tbk_error err;
        if (!extract_file("packed.zst", "back", &back, &err))
            fail_msg("%s: %s", WAYS[index], err.message);
        assert_int_equal(shell("cmp raw back"), 0);
        assert_digest_is_sha256sum(&back.raw, "raw");
        assert_digest_is_sha256sum(&back.stored, "packed.zst");
    }
}

static void hashes_only_without_an_output(void **state)
{
    (void)state;
    put_hex_file("raw", TBK_ARCHIVE_FRAME_BYTES + 9);
    tbk_set_file stored = store_file("raw", "packed.zst", 1);
    tbk_set_file back = {0};
    tbk_error err;
    assert_true(extract_file("packed.zst", NULL, &back, &err));
    assert_true(tbk_digest_equal(&back.raw, &stored.raw));
}

static void assert_corrupt(const char *name, const char *why)
{
    tbk_set_file back = {.raw_bytes = 4711};
    tbk_error err;
    assert_false(extract_file(name, NULL, &back, &err));
    assert_int_equal(err.code, TBK_E_CORRUPT);
    assert_int_equal(back.raw_bytes, 4711);
    if (strstr(err.message, why) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, why);
}

static void assert_cut_is_refused(const unsigned char *bytes, uint64_t length)
{
    put_file("cut.zst", bytes, (size_t)length);
    assert_corrupt("cut.zst", "it is cut");
}

static void refuses_a_cut_stream_wherever_it_is_cut(void **state)
{
    (void)state;
    put_hex_file("raw", 20000);
    tbk_set_file stored = store_file("raw", "packed.zst", 1);
    unsigned char bytes[20000];
    assert_in_range(stored.stored_bytes, 1000, sizeof bytes);
    int in = open_old("packed.zst");
    assert_int_equal(read(in, bytes, sizeof bytes), (ssize_t)stored.stored_bytes);
    (void)close(in);
    uint64_t table_start = stored.stored_bytes - (8 + 8 + 9);
    for (uint64_t length = 1; length < table_start; length += length < 30 ? 1 : 97)
        assert_cut_is_refused(bytes, length);
    /* Into the seek table, which zstd skips without a look. */
    for (uint64_t length = table_start + 1; length < stored.stored_bytes; length++)
        assert_cut_is_refused(bytes, length);
}

static void refuses_what_is_not_sound(void **state)
{
    (void)state;
    put_file("empty.zst", "", 0);
    assert_corrupt("empty.zst", "it is empty");
    put_file("text.zst", "hello, world", 12);
    assert_corrupt("text.zst", "Unknown frame descriptor");

    put_hex_file("raw", 2 * TBK_ARCHIVE_FRAME_BYTES);
    (void)store_file("raw", "packed.zst", 1);
    assert_int_equal(shell("{ cat packed.zst; echo trailing garbage; } >long.zst"), 0);
    assert_corrupt("long.zst", "Unknown frame descriptor");
    assert_int_equal(shell("{ cat packed.zst; printf abc; } >long.zst"), 0);
    assert_corrupt("long.zst", ""); /* cut, or no frame: by the version of zstd */

    /* One byte of the second frame, in the middle of its data. */
    int fd = open("packed.zst", O_RDWR | O_CLOEXEC);
    off_t middle = lseek(fd, 0, SEEK_END) * 3 / 4;
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, middle), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, middle), 1);
    (void)close(fd);
    assert_corrupt("packed.zst", "");
}

static void refuses_a_wrong_checksum(void **state)
{
    (void)state;
    put_random_file("raw", 100000); /* stored as it is: only the checksum can tell */
    (void)store_file("raw", "packed.zst", 1);
    int fd = open("packed.zst", O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\0\0\0\0", 4, 50000), 4);
    (void)close(fd);
    assert_corrupt("packed.zst", "checksum");
}

/* --- bounds: what the manifest says, the room there is, the memory of a window --- */

static void unpacks_no_more_than_the_manifest_says(void **state)
{
    (void)state;
    assert_int_equal(shell("head -c 100000000 /dev/zero | zstd -q >bomb.zst"), 0);
    static const uint64_t SAID[] = {0, 1, 4711, 5 << 20, 99999999};
    for (size_t index = 0; index < sizeof SAID / sizeof *SAID; index++) {
        tbk_set_file back;
        tbk_error err;
        const tbk_set_file expected = {.raw_bytes = SAID[index],
                                       .stored_bytes = size_of("bomb.zst")};
        assert_fails(extract_expected("bomb.zst", &expected, "back", &back, &err), err,
                     TBK_E_CORRUPT, "unpacks to more than");
        assert_in_range(size_of("back"), 0, SAID[index]);
    }
    const tbk_set_file all = {.raw_bytes = 100000000, .stored_bytes = size_of("bomb.zst")};
    tbk_set_file back;
    tbk_error err;
    assert_succeeds(extract_expected("bomb.zst", &all, NULL, &back, &err), err);
    assert_int_equal(back.raw_bytes, 100000000);
}

static void a_source_has_the_same_bound(void **state)
{
    (void)state;
    assert_int_equal(shell("head -c 3000000 /dev/zero | zstd -q >bomb.zst"), 0);
    static char buffer[1 << 20];
    tbk_archive_reader *reader = NULL;
    tbk_error err;
    size_t got = 0;
    int in = open_old("bomb.zst");
    const tbk_set_file expected = {.raw_bytes = sizeof buffer, .stored_bytes = size_of("bomb.zst")};
    assert_succeeds(tbk_archive_reader_open(in, &expected, &reader, &err), err);
    const tbk_source source = tbk_archive_reader_source(reader);
    assert_int_equal(source.total_bytes, sizeof buffer);
    uint64_t read_bytes = 0;
    while (source.read(source.self, buffer, sizeof buffer, &got, &err))
        read_bytes += got;
    assert_int_equal(err.code, TBK_E_CORRUPT);
    assert_in_range(read_bytes, 0, sizeof buffer);
    tbk_archive_reader_free(reader);
    (void)close(in);
}

/* Empty frames without end unpack to nothing, so that only their own length can stop them. */
static void reads_no_more_than_was_stored(void **state)
{
    (void)state;
    assert_int_equal(
        shell(": | zstd -q >frame; for _ in $(seq 1000); do cat frame; done >long.zst"), 0);
    const tbk_set_file expected = {.stored_bytes = size_of("frame")};
    tbk_set_file back;
    tbk_error err;
    assert_fails(extract_expected("long.zst", &expected, NULL, &back, &err), err, TBK_E_CORRUPT,
                 "it has more than");
    assert_succeeds(extract_expected("frame", &expected, NULL, &back, &err), err);
}

static void writes_nothing_where_it_does_not_fit(void **state)
{
    (void)state;
    put_hex_file("raw", 20000);
    tbk_set_file stored = store_file("raw", "packed.zst", 1);
    tbk_set_file back;
    tbk_error err;
    stored.raw_bytes = UINT64_C(1) << 60;
    assert_fails(extract_expected("packed.zst", &stored, "back", &back, &err), err, TBK_E_SPACE,
                 "the file system has");
    assert_int_equal(size_of("back"), 0);
    assert_succeeds(extract_expected("packed.zst", &stored, NULL, &back, &err), err);
}

static void a_window_that_takes_too_much_memory_is_refused(void **state)
{
    (void)state;
    assert_int_equal(shell("head -c 1000 /dev/zero | zstd -q --zstd=wlog=26 >good.zst && "
                           "head -c 1000 /dev/zero | zstd -q --zstd=wlog=27 >large.zst && "
                           "head -c 1000 /dev/zero | zstd -q --long=31 >larger.zst"),
                     0);
    tbk_set_file back;
    tbk_error err;
    assert_succeeds(extract_file("good.zst", NULL, &back, &err), err);
    assert_corrupt("large.zst", "memory");
    assert_corrupt("larger.zst", "memory");
}

/* --- what goes wrong --- */

static void a_full_disk_is_said_to_be_full(void **state)
{
    (void)state;
    put_random_file("raw", 8 * TBK_ARCHIVE_FRAME_BYTES);
    int in = open_old("raw");
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    tbk_set_file stored = {0};
    tbk_error err;
    assert_false(store_fd(in, full, 1, "compress", NULL, &stored, &err));
    assert_int_equal(err.code, TBK_E_SPACE);
    assert_true(threads_are_gone());
    (void)close(in);

    put_hex_file("small", 10);
    in = open_old("small"); /* found out at the end only */
    assert_false(store_fd(in, full, 1, "compress", NULL, &stored, &err));
    assert_int_equal(err.code, TBK_E_SPACE);
    (void)close(in);

    tbk_set_file packed = store_file("raw", "packed.zst", 1);
    assert_true(packed.stored_bytes > 0);
    in = open_old("packed.zst");
    assert_false(tbk_archive_extract(in, &packed, full, "restore", NULL, &stored, &err));
    assert_int_equal(err.code, TBK_E_SPACE);
    (void)close(in);
    (void)close(full);
}

static void adding_after_a_failure_gives_the_first_failure_again(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    tbk_archive_writer *writer;
    tbk_set_file stored = {0};
    tbk_error err;
    assert_true(tbk_archive_writer_open(full, 1, 2, &writer, &err));
    static char block[1 << 20];
    bool added = true;
    for (int index = 0; index < 200 && added; index++)
        added = tbk_archive_writer_add(writer, block, sizeof block, &err);
    assert_false(added);
    assert_int_equal(err.code, TBK_E_SPACE);
    assert_false(tbk_archive_writer_add(writer, block, 1, &err));
    assert_int_equal(err.code, TBK_E_SPACE);
    assert_false(tbk_archive_writer_finish(writer, &stored, &err));
    assert_int_equal(err.code, TBK_E_SPACE);
    tbk_archive_writer_free(writer);
    (void)close(full);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    int directory = open(".", O_RDONLY | O_CLOEXEC);
    int out = open_new("packed.zst");
    tbk_set_file stored = {0};
    tbk_error err;
    assert_false(store_fd(directory, out, 1, "compress", NULL, &stored, &err));
    assert_int_equal(err.code, TBK_E_IO);
    assert_true(threads_are_gone());
    assert_false(tbk_archive_extract(directory, &stored, -1, "restore", NULL, &stored, &err));
    assert_int_equal(err.code, TBK_E_IO);
    (void)close(directory);
    (void)close(out);
}

static void a_level_out_of_range_is_refused(void **state)
{
    (void)state;
    tbk_archive_writer *writer = NULL;
    tbk_error err;
    static const int LEVELS[] = {-131072, -11, 10, 22};
    for (size_t index = 0; index < 4; index++) {
        assert_false(tbk_archive_writer_open(1, LEVELS[index], 1, &writer, &err));
        assert_int_equal(err.code, TBK_E_CONFIG);
        assert_null(writer);
    }
}

static void a_writer_that_was_given_up_leaves_no_thread(void **state)
{
    (void)state;
    static char block[1 << 20];
    for (int adds = 0; adds < 24; adds += 5) {
        int out = open_new("packed.zst");
        tbk_archive_writer *writer;
        tbk_error err;
        assert_true(tbk_archive_writer_open(out, 1, 4, &writer, &err));
        for (int index = 0; index < adds; index++)
            assert_true(tbk_archive_writer_add(writer, block, sizeof block, &err));
        tbk_archive_writer_free(writer);
        (void)close(out);
        assert_true(threads_are_gone());
    }
}

typedef struct observer {
    uint64_t last;
    uint64_t total;
    uint64_t cancel_at;
} observer;

static void observe(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    observer *seen = self;
    assert_string_equal(phase, "compress");
    assert_true(done_bytes >= seen->last);
    seen->last = done_bytes;
    seen->total = total_bytes;
}

static bool wants_to_stop(void *self)
{
    const observer *seen = self;
    return seen->last >= seen->cancel_at;
}

static void progress_is_told_and_work_stops_when_asked(void **state)
{
    (void)state;
    put_hex_file("raw", 6 * TBK_ARCHIVE_FRAME_BYTES);
    observer seen = {.cancel_at = UINT64_MAX};
    tbk_report report = {.self = &seen, .progress = observe, .cancelled = wants_to_stop};
    tbk_set_file stored = {0};
    tbk_error err;
    int in = open_old("raw");
    int out = open_new("packed.zst");
    assert_true(store_fd(in, out, 1, "compress", &report, &stored, &err));
    assert_int_equal(seen.last, size_of("raw"));
    assert_int_equal(seen.total, size_of("raw"));

    seen = (observer){.cancel_at = 9 << 20};
    (void)lseek(in, 0, SEEK_SET);
    assert_false(store_fd(in, out, 1, "compress", &report, &stored, &err));
    assert_int_equal(err.code, TBK_E_INTERRUPTED);
    assert_in_range(seen.last, 9 << 20, 10 << 20);
    assert_true(threads_are_gone());
    (void)close(in);

    seen = (observer){.cancel_at = 3 << 20};
    const tbk_set_file expected = expectation_of("packed.zst");
    in = open_old("packed.zst");
    assert_false(tbk_archive_extract(in, &expected, -1, "compress", &report, &stored, &err));
    assert_int_equal(err.code, TBK_E_INTERRUPTED);
    (void)close(in);
    (void)close(out);
}

#ifdef MEMORY_IS_OURS
/* Anonymous memory in KiB: what a container's limit counts and cannot be taken back. */
static long anonymous_kib(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    assert_non_null(status);
    char line[256];
    long kib = -1;
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    (void)fclose(status);
    return kib;
}

/* The most that a writer with 4 workers took, in KiB; negative when it failed. Data: half of it
 * text, so that the tables fill, half of it not to be compressed, so that the buffers do. */
static long most_memory_kib(int level)
{
    enum { BLOCK = 8 << 20, ROUNDS = 8 };
    unsigned char *block = malloc(BLOCK);
    int in = open_old("random");
    if (block == NULL || read(in, block, BLOCK) != BLOCK)
        return -1;
    (void)close(in);
    for (size_t at = 0; at < BLOCK; at++)
        if (at % (2 << 20) < (1 << 20))
            block[at] = (unsigned char)"0123456789abcdef"[block[at] & 15];

    tbk_archive_writer *writer;
    tbk_set_file stored;
    tbk_error err;
    long before = anonymous_kib();
    long most = 0;
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (!tbk_archive_writer_open(out, level, 4, &writer, &err))
        return -1;
    for (size_t at = 0; at < (size_t)BLOCK * ROUNDS; at += 1 << 20) {
        if (!tbk_archive_writer_add(writer, block + at % BLOCK, 1 << 20, &err))
            return -1;
        long now = anonymous_kib() - before;
        most = now > most ? now : most;
    }
    if (!tbk_archive_writer_finish(writer, &stored, &err))
        return -1;
    tbk_archive_writer_free(writer);
    return most;
}

static void memory_stays_below_64_mib_at_every_level(void **state)
{
    (void)state;
    enum { LIMIT_KIB = 64 * 1024, BUFFERS_KIB = 5 * 4 * 1024 };
    put_random_file("random", 8 << 20);
    for (int level = 1; level <= 9; level += level == 1 ? 4 : 1) {
        int answer[2];
        long most = -1;
        assert_int_equal(pipe(answer), 0);
        pid_t child = fork(); /* so that levels do not see each other's memory */
        if (child == 0) {
            most = most_memory_kib(level);
            (void)!write(answer[1], &most, sizeof most);
            _exit(0);
        }
        assert_int_equal(read(answer[0], &most, sizeof most), sizeof most);
        assert_int_equal(waitpid(child, NULL, 0), child);
        (void)close(answer[0]);
        (void)close(answer[1]);
        print_message("level %d: %ld KiB\n", level, most);
        assert_in_range(most, BUFFERS_KIB, LIMIT_KIB);
    }
}

#endif

static void no_thread_at_all_is_said(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        /* Root is not limited: another user is. */
        struct rlimit one = {.rlim_cur = 1, .rlim_max = 1};
        tbk_archive_writer *writer = NULL;
        tbk_error err;
        if (setrlimit(RLIMIT_NPROC, &one) != 0 || (geteuid() == 0 && setuid(64999) != 0))
            _exit(1);
        bool opened = tbk_archive_writer_open(1, 1, 2, &writer, &err);
        _exit(!opened && err.code == TBK_E_FAILED && strstr(err.message, "thread") != NULL ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#ifdef MEMORY_IS_OURS
/* In a fresh process: what others have freed would be used instead of what is limited. */
static int open_with_little_memory(rlim_t more_bytes)
{
    tbk_archive_writer *writer = NULL;
    const tbk_set_file expected = expectation_of("packed.zst");
    tbk_set_file stored;
    tbk_error err;
    unsigned long pages = 0;
    int in = open("packed.zst", O_RDONLY | O_CLOEXEC);
    FILE *status = fopen("/proc/self/statm", "re");
    if (in < 0 || status == NULL || fscanf(status, "%lu", &pages) != 1)
        return 1;
    rlim_t now = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more_bytes;
    if (setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = now, .rlim_max = now}) != 0)
        return 1;
    if (tbk_archive_writer_open(1, 1, 4, &writer, &err) || err.code != TBK_E_FAILED ||
        strstr(err.message, "memory") == NULL)
        return 2;
    if (!tbk_archive_extract(in, &expected, -1, "restore", NULL, &stored, &err) &&
        (err.code != TBK_E_FAILED || strstr(err.message, "memory") == NULL))
        return 3;
    return 0;
}

static void too_little_memory_is_said(void **state)
{
    (void)state;
    put_hex_file("raw", 100);
    (void)store_file("raw", "packed.zst", 1);
    /* Some of the buffers, up to almost all of them: each place where it can fail does. */
    for (unsigned more_mib = 1; more_mib < 34; more_mib += 4) {
        char command[PATH_MAX + 50];
        (void)snprintf(command, sizeof command, "'%s' little-memory %u", self_path, more_mib);
        assert_int_equal(shell(command), 0);
    }
}

#endif

int main(int argc, char **argv)
{
#ifdef MEMORY_IS_OURS
    if (argc > 2 && strcmp(argv[1], "little-memory") == 0)
        return open_with_little_memory((rlim_t)strtoul(argv[2], NULL, 10) << 20);
    if (realpath(argv[0], self_path) == NULL)
        return 1;
#endif
    (void)argc;
    (void)argv;
    /* Buffers that are freed are gone at once: memory can be measured, and limited. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 19);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zstd_reads_what_was_stored_at_any_size),
        cmocka_unit_test(every_level_gives_a_sound_stream),
        cmocka_unit_test(data_that_cannot_be_compressed_is_stored_too),
        cmocka_unit_test(the_same_data_gives_the_same_bytes_with_any_number_of_workers),
        cmocka_unit_test(the_seek_table_finds_every_frame),
        cmocka_unit_test(zstd_lists_frames_content_size_and_checksum),
        cmocka_unit_test(data_can_come_from_a_pipe),
        cmocka_unit_test(streams_of_the_zstd_program_are_read),
        cmocka_unit_test(hashes_only_without_an_output),
        cmocka_unit_test(refuses_a_cut_stream_wherever_it_is_cut),
        cmocka_unit_test(refuses_what_is_not_sound),
        cmocka_unit_test(refuses_a_wrong_checksum),
        cmocka_unit_test(unpacks_no_more_than_the_manifest_says),
        cmocka_unit_test(a_source_has_the_same_bound),
        cmocka_unit_test(reads_no_more_than_was_stored),
        cmocka_unit_test(writes_nothing_where_it_does_not_fit),
        cmocka_unit_test(a_window_that_takes_too_much_memory_is_refused),
        cmocka_unit_test(a_full_disk_is_said_to_be_full),
        cmocka_unit_test(adding_after_a_failure_gives_the_first_failure_again),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
        cmocka_unit_test(a_level_out_of_range_is_refused),
        cmocka_unit_test(a_writer_that_was_given_up_leaves_no_thread),
        cmocka_unit_test(progress_is_told_and_work_stops_when_asked),
        cmocka_unit_test(no_thread_at_all_is_said),
#ifdef MEMORY_IS_OURS
        cmocka_unit_test(memory_stays_below_64_mib_at_every_level),
        cmocka_unit_test(too_little_memory_is_said),
#endif
    };
    note_threads(); /* none yet */
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
