/* SPDX-License-Identifier: MIT */
/* Reads the log's index from shared memory, and the log's frames with all their checksums. */
#include "database/sqlite/sqlite_wal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define INDEX_REGION_BYTES 32768
#define INDEX_TRIES 100
#define INDEX_WAIT_NS 100000 /* 0.1 ms */
#define INDEX_VERSION 3007000
#define MAGIC_LITTLE_ENDIAN 0x377f0682u /* of the checksums; one more: big endian */
#define READ_BYTES (1u << 20)
#define LOG_GROWTH_BYTES_MIN (1ull << 30)
#define FREE_BYTES_MIN (512ull << 20)
#define LONG_LOG_FRAMES 2000

/* --- the index --- */

/* In the byte order of the machine, since only processes of one machine share it. */
typedef struct shared_header {
    uint32_t version;
    uint32_t unused;
    uint32_t change;
    uint8_t is_initialised;
    uint8_t big_endian_checksums;
    uint16_t page_size; /* 1 means 65536 */
    uint32_t frames;
    uint32_t pages;
    uint32_t checksum[2];
    unsigned char salts[8];
    uint32_t own_checksum[2];
} shared_header;

typedef struct shared_index {
    shared_header headers[2]; /* a commit writes the second one first */
    uint32_t backfilled;
    uint32_t read_marks[5];
    uint8_t locks[8];
    uint32_t backfill_attempted;
} shared_index;

_Static_assert(sizeof(shared_header) == 48 && offsetof(shared_index, backfill_attempted) == 128,
               "this is how SQLite has laid out the index since 3.7.0");

static bool find_index(sqlite3 *db, const volatile shared_index **out, tbk_error *err)
{
    sqlite3_file *file = NULL;
    void volatile *region = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK && (file->pMethods == NULL || file->pMethods->iVersion < 2))
        rc = SQLITE_CANTOPEN;
    if (rc == SQLITE_OK)
        rc = file->pMethods->xShmMap(file, 0, INDEX_REGION_BYTES, 0, &region);
    /* Who may not write to the index can still copy under SQLite's own locks. */
    if (rc == SQLITE_READONLY)
        return tbk_fail(err, TBK_E_UNSUPPORTED, "run as the database's owner",
                        "the index of the write-ahead log may only be read");
    if (rc != SQLITE_OK || region == NULL)
        return tbk_sqlite_fail(NULL, rc != SQLITE_OK ? rc : SQLITE_CANTOPEN, err,
                               "cannot find the index of the write-ahead log");
    *out = region;
    return true;
}

static void copy_header(const volatile shared_header *from, shared_header *to)
{
    const volatile uint32_t *words = (const volatile uint32_t *)from;
    uint32_t copied[sizeof *to / sizeof(uint32_t)];
    for (size_t i = 0; i < sizeof *to / sizeof(uint32_t); i++)
        copied[i] = words[i];
    memcpy(to, copied, sizeof *to);
}

static bool is_steady(const volatile shared_index *shared, shared_header *out)
{
    shared_header second;
    copy_header(&shared->headers[0], out);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    copy_header(&shared->headers[1], &second);
    return memcmp(out, &second, sizeof second) == 0 && out->is_initialised != 0;
}

bool tbk_wal_index_read(sqlite3 *db, tbk_wal_index *out, tbk_error *err)
{
    const volatile shared_index *shared;
    shared_header header;
    if (!find_index(db, &shared, err))
        return false;
    for (int tries = 0; !is_steady(shared, &header); tries++) {
        if (tries == INDEX_TRIES)
            return tbk_fail(err, TBK_E_BUSY, "try again",
                            "the index of the write-ahead log does not come to rest");
        (void)nanosleep(&(struct timespec){.tv_nsec = INDEX_WAIT_NS}, NULL);
    }
    if (header.version != INDEX_VERSION)
        return tbk_fail(err, TBK_E_UNSUPPORTED, "use the method pause",
                        "the index of the write-ahead log has the unknown version %u",
                        header.version);
    *out = (tbk_wal_index){.change = header.change,
                           .page_size_bytes = header.page_size == 1 ? 65536 : header.page_size,
                           .frames = header.frames,
                           .pages = header.pages,
                           .checksum = {header.checksum[0], header.checksum[1]},
                           .backfilled = shared->backfilled,
                           .backfill_attempted = shared->backfill_attempted};
    memcpy(out->salts, header.salts, sizeof out->salts);
    return true;
}

bool tbk_wal_index_equal(const tbk_wal_index *a, const tbk_wal_index *b)
{
    return a->change == b->change && a->page_size_bytes == b->page_size_bytes &&
           a->frames == b->frames && a->pages == b->pages && a->checksum[0] == b->checksum[0] &&
           a->checksum[1] == b->checksum[1] && memcmp(a->salts, b->salts, sizeof a->salts) == 0;
}

/* --- which files --- */

/* Source: "Locking byte page" in sqlite.org/fileformat2.html, and os.h of SQLite: in WAL mode every
 * connection keeps a lock in this range. */
#define SHARED_FIRST 0x40000002
#define SHARED_SIZE 510

bool tbk_wal_is_left_behind(const char *path)
{
    char log[PATH_MAX];
    tbk_error ignored;
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SHARED_FIRST, .l_len = SHARED_SIZE};
    if (!tbk_sqlite_companion(path, "-wal", log, &ignored) || access(log, F_OK) != 0)
        return false;
    tbk_auto_fd int fd = -1;
    return tbk_sqlite_open_file(path, "", &fd, &ignored) && fcntl(fd, F_GETLK, &lock) == 0 &&
           lock.l_type == F_UNLCK;
}

bool tbk_wal_files_note(const char *path, tbk_wal_files *out, tbk_error *err)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    *out = (tbk_wal_files){.path = ""};
    (void)snprintf(out->path, sizeof out->path, "%s", path);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[PATH_MAX];
        struct stat status = {.st_ino = 0};
        if (!tbk_sqlite_companion(path, suffixes[i], name, err))
            return false;
        if (stat(name, &status) != 0 && errno != ENOENT)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", name);
        out->files[i].device = status.st_dev;
        out->files[i].inode = status.st_ino;
    }
    return true;
}

bool tbk_wal_files_check(const tbk_wal_files *noted, tbk_error *err)
{
    tbk_wal_files now;
    if (!tbk_wal_files_note(noted->path, &now, err))
        return false;
    for (size_t i = 0; i < sizeof now.files / sizeof *now.files; i++)
        if (now.files[i].inode != noted->files[i].inode ||
            now.files[i].device != noted->files[i].device)
            return tbk_fail(err, TBK_E_BUSY, "try again when nothing replaces the database",
                            "'%s', its log or its index was replaced during the copy", noted->path);
    return true;
}

/* --- what a snapshot costs --- */

static bool free_space(const char *path, uint64_t *out_bytes, tbk_error *err)
{
    struct statvfs room;
    if (statvfs(path, &room) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at the file system of '%s'",
                              path);
    *out_bytes = (uint64_t)room.f_bavail * room.f_frsize;
    return true;
}

static uint64_t less_of(uint64_t a, uint64_t b) { return a < b ? a : b; }

bool tbk_wal_limit_set(const char *path, uint64_t database_bytes, uint64_t growth_bytes,
                       tbk_wal_limit *out, tbk_error *err)
{
    uint64_t log_bytes, free_bytes;
    if (!tbk_sqlite_companion_size(path, "-wal", &log_bytes, err) ||
        !free_space(path, &free_bytes, err))
        return false;
    if (growth_bytes == 0)
        growth_bytes =
            database_bytes / 2 > LOG_GROWTH_BYTES_MIN ? database_bytes / 2 : LOG_GROWTH_BYTES_MIN;
    *out = (tbk_wal_limit){.log_bytes = log_bytes + less_of(growth_bytes, free_bytes / 2),
                           .free_bytes = less_of(FREE_BYTES_MIN, free_bytes / 4)};
    (void)snprintf(out->path, sizeof out->path, "%s", path);
    return true;
}

bool tbk_wal_limit_check(const tbk_wal_limit *limit, tbk_error *err)
{
    static const char *const fix =
        "make room on the database's file system, or back up when less is written";
    uint64_t log_bytes, free_bytes;
    if (!tbk_sqlite_companion_size(limit->path, "-wal", &log_bytes, err) ||
        !free_space(limit->path, &free_bytes, err))
        return false;
    if (log_bytes > limit->log_bytes)
        return tbk_fail(err, TBK_E_TIMEOUT, fix,
                        "the write-ahead log grew to %" PRIu64 " MiB during the copy",
                        log_bytes >> 20);
    if (free_bytes < limit->free_bytes)
        return tbk_fail(err, TBK_E_TIMEOUT, fix,
                        "only %" PRIu64 " MiB are free on the database's file system",
                        free_bytes >> 20);
    return true;
}

void tbk_wal_passive_checkpoint(sqlite3 *reader, sqlite3 *writer)
{
    tbk_wal_index now;
    tbk_error ignored;
    int64_t objects;
    if (tbk_sqlite_exec(reader, "BEGIN", &ignored) &&
        tbk_sqlite_integer(reader, "SELECT count(*) FROM sqlite_schema", &objects, &ignored) &&
        tbk_wal_index_read(reader, &now, &ignored) && now.frames - now.backfilled > LONG_LOG_FRAMES)
        (void)sqlite3_wal_checkpoint_v2(writer, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    (void)sqlite3_exec(reader, "ROLLBACK", NULL, NULL, NULL);
}

/* --- the log --- */

typedef struct log_reader {
    int wal;
    const tbk_wal_index *index;
    const tbk_report *report;
    bool is_big_endian; /* how its checksums take the words in */
    uint32_t sum[2];    /* of all frames so far */
} log_reader;

static uint32_t word_at(const unsigned char *bytes, bool is_big_endian)
{
    uint32_t word;
    if (is_big_endian)
        return tbk_sqlite_u32(bytes);
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static void add_to_sum(log_reader *log, const unsigned char *bytes, size_t length)
{
    uint32_t first = log->sum[0];
    uint32_t second = log->sum[1];
    for (size_t at = 0; at < length; at += 8) {
        first += word_at(bytes + at, log->is_big_endian) + second;
        second += word_at(bytes + at + 4, log->is_big_endian) + first;
    }
    log->sum[0] = first;
    log->sum[1] = second;
}

static bool is_sum(const log_reader *log, const unsigned char *stored)
{
    return tbk_sqlite_u32(stored) == log->sum[0] && tbk_sqlite_u32(stored + 4) == log->sum[1];
}

static bool fail_changed(tbk_error *err, uint32_t frame)
{
    return tbk_fail(err, TBK_E_BUSY, "try again",
                    "the write-ahead log is not the one of the snapshot (frame %u)", frame);
}

static bool read_at(const log_reader *log, void *buffer, size_t size, uint64_t offset,
                    uint32_t frame, tbk_error *err)
{
    ssize_t got;
    do
        got = pread(log->wal, buffer, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, "look for disk errors in the system's log",
                              "cannot read the write-ahead log");
    return (size_t)got == size || fail_changed(err, frame);
}

static bool read_header(log_reader *log, tbk_error *err)
{
    unsigned char header[TBK_WAL_HEADER_BYTES];
    if (!read_at(log, header, sizeof header, 0, 0, err))
        return false;
    uint32_t magic = tbk_sqlite_u32(header);
    log->is_big_endian = magic == MAGIC_LITTLE_ENDIAN + 1;
    add_to_sum(log, header, 24);
    if ((magic & ~1u) != MAGIC_LITTLE_ENDIAN || tbk_sqlite_u32(header + 4) != INDEX_VERSION ||
        tbk_sqlite_u32(header + 8) != log->index->page_size_bytes ||
        memcmp(header + 16, log->index->salts, 8) != 0 || !is_sum(log, header + 24))
        return fail_changed(err, 0);
    return true;
}

static bool take_frame(log_reader *log, const unsigned char *bytes, uint32_t frame,
                       tbk_wal_map *map, tbk_error *err)
{
    uint32_t page = tbk_sqlite_u32(bytes);
    add_to_sum(log, bytes, 8);
    add_to_sum(log, bytes + TBK_WAL_FRAME_HEADER_BYTES, log->index->page_size_bytes);
    if (page == 0 || memcmp(bytes + 8, log->index->salts, 8) != 0 || !is_sum(log, bytes + 16))
        return fail_changed(err, frame);
    /* Pages after the end were there before the database shrank. */
    if (page <= map->pages)
        map->frame_of[page - 1] = frame;
    return true;
}

static bool read_frames(log_reader *log, tbk_wal_map *map, tbk_error *err)
{
    size_t frame_bytes = TBK_WAL_FRAME_HEADER_BYTES + (size_t)log->index->page_size_bytes;
    uint32_t at_once = (uint32_t)(READ_BYTES / frame_bytes);
    tbk_auto_free unsigned char *buffer = malloc(at_once * frame_bytes);
    if (buffer == NULL)
        return tbk_fail(err, TBK_E_FAILED, "free some memory", "no memory to read the log with");
    for (uint32_t frame = 1; frame <= log->index->frames;) {
        uint32_t left = log->index->frames - frame + 1;
        uint32_t count = left < at_once ? left : at_once;
        uint64_t offset = TBK_WAL_HEADER_BYTES + (uint64_t)(frame - 1) * frame_bytes;
        if (!tbk_report_go_on(log->report, err) ||
            !read_at(log, buffer, count * frame_bytes, offset, frame, err))
            return false;
        for (uint32_t i = 0; i < count; i++, frame++)
            if (!take_frame(log, buffer + i * frame_bytes, frame, map, err))
                return false;
    }
    return (log->sum[0] == log->index->checksum[0] && log->sum[1] == log->index->checksum[1]) ||
           fail_changed(err, log->index->frames);
}

/* --- the map --- */

/* Its room is taken beforehand: a full disk must be an error here, not a signal later. */
static bool map_make(const char *scratch, uint32_t pages, tbk_wal_map *out, tbk_error *err)
{
    char name[PATH_MAX];
    size_t bytes = (size_t)pages * sizeof(uint32_t);
    (void)snprintf(name, sizeof name, "%s/pages-XXXXXX", scratch);
    tbk_auto_fd int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make a file in '%s'", scratch);
    (void)unlink(name);
    int result = posix_fallocate(fd, 0, (off_t)bytes);
    if (result != 0)
        return tbk_fail_errno(err, result == ENOSPC ? TBK_E_SPACE : TBK_E_IO, result,
                              "make room in the store", "cannot take %zu bytes in '%s'", bytes,
                              scratch);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot map a file in '%s'", scratch);
    *out = (tbk_wal_map){.frame_of = at, .pages = pages};
    return true;
}

bool tbk_wal_map_read(int wal, const tbk_wal_index *index, const char *scratch,
                      const tbk_report *report, tbk_wal_map *out, tbk_error *err)
{
    log_reader log = {.wal = wal, .index = index, .report = report};
    tbk_wal_map map;
    if (!map_make(scratch, index->pages, &map, err))
        return false;
    if (!read_header(&log, err) || !read_frames(&log, &map, err)) {
        tbk_wal_map_end(&map);
        return false;
    }
    *out = map;
    return true;
}

void tbk_wal_map_end(tbk_wal_map *map)
{
    if (map->frame_of != NULL)
        (void)munmap(map->frame_of, (size_t)map->pages * sizeof(uint32_t));
    *map = (tbk_wal_map){.frame_of = NULL};
}
