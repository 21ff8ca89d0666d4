/* SPDX-License-Identifier: MIT */
/*
 * Writing stored data: compresses frames on several threads and writes them in order.
 *
 * The caller's thread reads, hashes the raw side and fills buffers; each worker compresses a frame,
 * waits for its turn, hashes and writes it. So reading, compressing and writing overlap with one
 * compressed buffer a worker, and memory is bounded by the number of workers.
 */
#include "store/archive_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/page_cache.h"
#include "domain/options.h"
#include "ports/source.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_c_literalCompressionMode; the library is shared */
#include <zstd.h>

enum {
    WORKERS_MAX = 4,
    SLOTS_MAX = WORKERS_MAX + 1, /* one is filled while all workers are busy */
    /* Levels 7 to 9 would take up to 13 MiB a worker; with these it is at most 5. */
    BIG_TABLES_LEVEL = 7,
    TABLE_LOG_MAX = 19,
    COMPRESS_LITERALS = 1 /* ZSTD_lcm_huffman, ZSTD_ps_enable: the name changed in zstd 1.5 */
};

/* The seekable format's constants. */
#define SEEK_TABLE_SKIPPABLE_MAGIC 0x184D2A5Eu
#define SEEK_TABLE_FOOTER_MAGIC 0x8F92EAB1u
enum { SEEK_HEADER_BYTES = 8, SEEK_ENTRY_BYTES = 8, SEEK_FOOTER_BYTES = 9 };

const char *tbk_archive_zstd_version(void) { return ZSTD_versionString(); }

typedef struct slot {
    unsigned char *raw;
    size_t length;
    bool busy; /* from its handing over until it is compressed */
} slot;

typedef struct frame_entry {
    uint32_t stored_bytes;
    uint32_t raw_bytes;
} frame_entry;

typedef struct worker {
    struct tbk_archive_writer *writer;
    pthread_t thread;
    ZSTD_CCtx *context;
    unsigned char *stored;
} worker;

struct tbk_archive_writer {
    int out_fd;
    worker workers[WORKERS_MAX];
    unsigned worker_count;  /* whose memory is there */
    unsigned threads_alive; /* the first of them */
    slot slots[SLOTS_MAX];
    unsigned slot_count;
    size_t stored_capacity;
    tbk_hasher *raw_hasher; /* the caller's thread only */
    uint64_t raw_bytes;

    pthread_mutex_t lock; /* guards what follows, and slot.busy */
    pthread_cond_t changed;
    uint64_t frames_filled;
    uint64_t frames_taken;
    uint64_t frames_written;
    bool ended; /* no frame will follow */
    bool failed;
    tbk_error failure; /* the first one */

    /* Only for the worker whose turn it is; afterwards for the caller. */
    tbk_hasher *stored_hasher;
    uint64_t stored_bytes;
    tbk_write_behind behind;
    frame_entry *entries;
    size_t entry_capacity;
};

static bool write_stored(tbk_archive_writer *writer, const void *bytes, size_t length,
                         tbk_error *err)
{
    tbk_hasher_add(writer->stored_hasher, bytes, length);
    writer->stored_bytes += length;
    if (!tbk_file_write_all(writer->out_fd, bytes, length, err))
        return false;
    int failure = tbk_write_behind_advance(&writer->behind, writer->out_fd, writer->stored_bytes);
    return failure == 0 ||
           tbk_fail_errno(err, failure == EIO ? TBK_E_IO : TBK_E_SPACE, failure,
                          failure == EIO ? "look for disk errors in the system's log"
                                         : "make room in the store",
                          "cannot write what was stored");
}

static void add_entry(tbk_archive_writer *writer, uint64_t frame, size_t stored, size_t raw)
{
    if (frame >= writer->entry_capacity) {
        size_t capacity = writer->entry_capacity == 0 ? 64 : 2 * writer->entry_capacity;
        frame_entry *grown = realloc(writer->entries, capacity * sizeof *grown);
        tbk_memory_must(grown != NULL); /* 8 bytes for every 4 MiB of data */
        writer->entries = grown;
        writer->entry_capacity = capacity;
    }
    writer->entries[frame] =
        (frame_entry){.stored_bytes = (uint32_t)stored, .raw_bytes = (uint32_t)raw};
}

static bool compress_slot(const tbk_archive_writer *writer, const worker *self, const slot *from,
                          size_t *out_stored, tbk_error *err)
{
    size_t stored = ZSTD_compress2(self->context, self->stored, writer->stored_capacity, from->raw,
                                   from->length);
    if (ZSTD_isError(stored))
        return tbk_fail(err, TBK_E_FAILED, NULL, "zstd cannot compress: %s",
                        ZSTD_getErrorName(stored));
    *out_stored = stored;
    return true;
}

/* Called and returns with the lock held. */
static bool compress_next(tbk_archive_writer *writer, worker *self, tbk_error *err)
{
    uint64_t frame = writer->frames_taken++;
    slot *from = &writer->slots[frame % writer->slot_count];
    size_t raw = from->length;
    size_t stored = 0;

    (void)pthread_mutex_unlock(&writer->lock);
    bool good = compress_slot(writer, self, from, &stored, err);
    (void)pthread_mutex_lock(&writer->lock);
    if (!good)
        return false;
    from->length = 0;
    from->busy = false;
    (void)pthread_cond_broadcast(&writer->changed);

    while (!writer->failed && writer->frames_written != frame)
        (void)pthread_cond_wait(&writer->changed, &writer->lock);
    if (writer->failed)
        return true; /* the first failure is the one that counts */
    (void)pthread_mutex_unlock(&writer->lock);
    good = write_stored(writer, self->stored, stored, err);
    add_entry(writer, frame, stored, raw);
    (void)pthread_mutex_lock(&writer->lock);
    writer->frames_written = frame + 1;
    (void)pthread_cond_broadcast(&writer->changed);
    return good;
}

static void *work(void *argument)
{
    worker *self = argument;
    tbk_archive_writer *writer = self->writer;
    tbk_error err;
    (void)pthread_mutex_lock(&writer->lock);
    while (!writer->failed) {
        if (writer->frames_taken == writer->frames_filled) {
            if (writer->ended)
                break;
            (void)pthread_cond_wait(&writer->changed, &writer->lock);
        } else if (!compress_next(writer, self, &err)) {
            if (!writer->failed)
                writer->failure = err;
            writer->failed = true;
            (void)pthread_cond_broadcast(&writer->changed);
        }
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return NULL;
}

static void end_threads(tbk_archive_writer *writer, bool give_up)
{
    (void)pthread_mutex_lock(&writer->lock);
    writer->ended = true;
    if (give_up && !writer->failed) {
        writer->failed = true;
        (void)tbk_fail(&writer->failure, TBK_E_INTERRUPTED, NULL, "interrupted");
    }
    (void)pthread_cond_broadcast(&writer->changed);
    (void)pthread_mutex_unlock(&writer->lock);
    while (writer->threads_alive > 0)
        (void)pthread_join(writer->workers[--writer->threads_alive].thread, NULL);
}

static unsigned processor_count(void)
{
    cpu_set_t processors; /* those that a container's limits leave */
    if (sched_getaffinity(0, sizeof processors, &processors) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&processors);
}

static ZSTD_CCtx *context_new(int level)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    tbk_memory_must(context != NULL); /* its tables come with the first frame */
    size_t result = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    tbk_memory_must(!ZSTD_isError(result));
    result = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    tbk_memory_must(!ZSTD_isError(result));
    /* Hex text has nothing to be matched, but half of its bits are empty: entropy coding alone gets
     * those, and the negative levels would leave it out. */
    if (level < 0) {
        result = ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode, COMPRESS_LITERALS);
        tbk_memory_must(!ZSTD_isError(result));
    }
    if (level >= BIG_TABLES_LEVEL) {
        result = ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, TABLE_LOG_MAX);
        tbk_memory_must(!ZSTD_isError(result));
        result = ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, TABLE_LOG_MAX);
        tbk_memory_must(!ZSTD_isError(result));
    }
    return context;
}

static bool take_memory(tbk_archive_writer *writer, int level, unsigned count, tbk_error *err)
{
    writer->stored_capacity = ZSTD_compressBound(TBK_ARCHIVE_FRAME_BYTES);
    for (; writer->slot_count < count + 1; writer->slot_count++) {
        slot *made = &writer->slots[writer->slot_count];
        made->raw = malloc(TBK_ARCHIVE_FRAME_BYTES);
        if (made->raw == NULL)
            return tbk_archive_fail_memory(err);
    }
    for (; writer->worker_count < count; writer->worker_count++) {
        worker *made = &writer->workers[writer->worker_count];
        made->writer = writer;
        made->stored = malloc(writer->stored_capacity);
        if (made->stored == NULL)
            return tbk_archive_fail_memory(err);
        made->context = context_new(level);
    }
    return true;
}

static bool start_threads(tbk_archive_writer *writer, tbk_error *err)
{
    /* The calling thread handles the signals. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = 0;
    while (writer->threads_alive < writer->worker_count && result == 0) {
        worker *next = &writer->workers[writer->threads_alive];
        result = pthread_create(&next->thread, NULL, work, next);
        if (result == 0)
            writer->threads_alive++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    /* Where the number of threads is limited, fewer do the same work. */
    if (writer->threads_alive == 0)
        return tbk_fail_errno(err, TBK_E_FAILED, result, "raise the limit of processes (pids)",
                              "cannot start a thread to compress with");
    return true;
}

bool tbk_archive_writer_open(int out_fd, int compression_level, unsigned workers,
                             tbk_archive_writer **out, tbk_error *err)
{
    if (compression_level < TBK_COMPRESSION_LEVEL_MIN ||
        compression_level > TBK_COMPRESSION_LEVEL_MAX)
        return tbk_fail(err, TBK_E_CONFIG, "choose a level from -10 to 9",
                        "compression level %d is out of range", compression_level);
    if (workers == 0)
        workers = processor_count();
    if (workers > WORKERS_MAX)
        workers = WORKERS_MAX;

    tbk_auto(tbk_archive_writer) *writer = tbk_memory_new(sizeof *writer);
    writer->out_fd = out_fd;
    (void)pthread_mutex_init(&writer->lock, NULL);
    (void)pthread_cond_init(&writer->changed, NULL);
    writer->raw_hasher = tbk_hasher_new();
    writer->stored_hasher = tbk_hasher_new();
    if (!take_memory(writer, compression_level, workers, err) || !start_threads(writer, err))
        return false;
    *out = writer;
    writer = NULL;
    return true;
}

/* The rest of the slot that is being filled, once a worker has released it. */
static bool wait_for_space(tbk_archive_writer *writer, unsigned char **out_space,
                           size_t *out_length, tbk_error *err)
{
    (void)pthread_mutex_lock(&writer->lock);
    slot *filling = &writer->slots[writer->frames_filled % writer->slot_count];
    while (filling->busy && !writer->failed)
        (void)pthread_cond_wait(&writer->changed, &writer->lock);
    bool failed = writer->failed;
    if (failed)
        *err = writer->failure;
    *out_space = filling->raw + filling->length;
    *out_length = TBK_ARCHIVE_FRAME_BYTES - filling->length;
    (void)pthread_mutex_unlock(&writer->lock);
    return !failed;
}

static void hand_over(tbk_archive_writer *writer)
{
    (void)pthread_mutex_lock(&writer->lock);
    writer->slots[writer->frames_filled % writer->slot_count].busy = true;
    writer->frames_filled++;
    (void)pthread_cond_broadcast(&writer->changed);
    (void)pthread_mutex_unlock(&writer->lock);
}

/* Takes in what now stands at the start of the room. */
static void filled(tbk_archive_writer *writer, size_t length)
{
    slot *filling = &writer->slots[writer->frames_filled % writer->slot_count];
    tbk_hasher_add(writer->raw_hasher, filling->raw + filling->length, length);
    writer->raw_bytes += length;
    filling->length += length;
    if (filling->length == TBK_ARCHIVE_FRAME_BYTES)
        hand_over(writer);
}

bool tbk_archive_writer_add(tbk_archive_writer *writer, const void *bytes, size_t length,
                            tbk_error *err)
{
    const unsigned char *from = bytes;
    while (length > 0) {
        unsigned char *room;
        size_t room_length;
        if (!wait_for_space(writer, &room, &room_length, err))
            return false;
        size_t taken = length < room_length ? length : room_length;
        memcpy(room, from, taken);
        filled(writer, taken);
        from += taken;
        length -= taken;
    }
    return true;
}

static void put_u32(unsigned char *to, uint32_t number)
{
    for (unsigned index = 0; index < 4; index++)
        to[index] = (unsigned char)(number >> (8 * index));
}

static bool write_seek_table(tbk_archive_writer *writer, tbk_error *err)
{
    size_t count = (size_t)writer->frames_written;
    size_t content = count * SEEK_ENTRY_BYTES + SEEK_FOOTER_BYTES;
    tbk_auto_free unsigned char *table = tbk_memory_new(SEEK_HEADER_BYTES + content);
    put_u32(table, SEEK_TABLE_SKIPPABLE_MAGIC);
    put_u32(table + 4, (uint32_t)content);
    unsigned char *at = table + SEEK_HEADER_BYTES;
    for (size_t index = 0; index < count; index++, at += SEEK_ENTRY_BYTES) {
        put_u32(at, writer->entries[index].stored_bytes);
        put_u32(at + 4, writer->entries[index].raw_bytes);
    }
    put_u32(at, (uint32_t)count);
    at[4] = 0; /* descriptor: no checksums of its own, the frames have theirs */
    put_u32(at + 5, SEEK_TABLE_FOOTER_MAGIC);
    return write_stored(writer, table, SEEK_HEADER_BYTES + content, err);
}

bool tbk_archive_writer_finish(tbk_archive_writer *writer, tbk_set_file *out, tbk_error *err)
{
    unsigned char *room;
    size_t room_length;
    if (!wait_for_space(writer, &room, &room_length, err))
        return false;
    /* Nothing at all becomes one empty frame: a stream without any frame is not zstd. */
    if (room_length < TBK_ARCHIVE_FRAME_BYTES || writer->frames_filled == 0)
        hand_over(writer);
    end_threads(writer, false);
    if (writer->failed) {
        *err = writer->failure;
        return false;
    }
    if (!write_seek_table(writer, err))
        return false;
    out->raw_bytes = writer->raw_bytes;
    out->stored_bytes = writer->stored_bytes;
    tbk_hasher_finish(writer->raw_hasher, &out->raw);
    tbk_hasher_finish(writer->stored_hasher, &out->stored);
    return true;
}

void tbk_archive_writer_free(tbk_archive_writer *writer)
{
    if (writer == NULL)
        return;
    end_threads(writer, true);
    for (unsigned index = 0; index < WORKERS_MAX; index++) {
        (void)ZSTD_freeCCtx(writer->workers[index].context);
        free(writer->workers[index].stored);
    }
    for (unsigned index = 0; index < SLOTS_MAX; index++)
        free(writer->slots[index].raw);
    tbk_hasher_free(writer->raw_hasher);
    tbk_hasher_free(writer->stored_hasher);
    free(writer->entries);
    (void)pthread_cond_destroy(&writer->changed);
    (void)pthread_mutex_destroy(&writer->lock);
    free(writer);
}

bool tbk_archive_store(const tbk_source *source, int out_fd, int compression_level,
                       const char *phase, const tbk_report *report, tbk_set_file *out,
                       tbk_error *err)
{
    tbk_auto(tbk_archive_writer) *writer = NULL;
    if (!tbk_archive_writer_open(out_fd, compression_level, 0, &writer, err))
        return false;
    size_t got;
    do {
        unsigned char *room;
        size_t room_length;
        if (!tbk_report_go_on(report, err) || !wait_for_space(writer, &room, &room_length, err) ||
            !source->read(source->self, room,
                          room_length < TBK_ARCHIVE_READ_BYTES ? room_length
                                                               : TBK_ARCHIVE_READ_BYTES,
                          &got, err))
            return false;
        filled(writer, got);
        tbk_report_progress(report, phase, writer->raw_bytes, source->total_bytes);
    } while (got > 0);
    return tbk_archive_writer_finish(writer, out, err);
}
