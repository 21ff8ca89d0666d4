/* SPDX-License-Identifier: MIT */
/*
 * The hot copy: one state of a live database in WAL mode, without a hold.
 *
 * 1. A read transaction pins the state that the log's index shows: frames 1 to M. That it is the
 *    one is known when the index is the same before and after the transaction began.
 * 2. Frames after M cannot come into the database file while the pin stands, and the log cannot be
 *    begun anew. Checkpoints may write pages of frames up to M at any moment, so the file alone is
 *    torn; but each such page is in the log, and the log's copy of it is used instead.
 * 3. When the file has the whole log already (M frames were backfilled), the pin is on the file: no
 *    checkpoint writes to it, and the file alone is the state. One restart of the log is then
 *    legal, a write to the file is not.
 * 4. At the end the index must still fit: same log, nothing backfilled after M; and database, log
 *    and index must be the same files. Otherwise our locks were lost or another process ignores
 *    them, and the copy is discarded.
 *
 * While the pin stands the log only grows, and the store may hang. So a thread watches log and
 * disk, and releases the pin when a limit is reached: then the copy is lost.
 *
 * Closing any descriptor of the database drops this process's locks on it. So the one that the
 * bytes are read from is opened before SQLite's and closed after them, and the index is read
 * through SQLite's own mapping.
 */
#include "base/condition.h"
#include "base/memory.h"
#include "base/page_cache.h"
#include "database/sqlite/sqlite_wal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MS 5000
#define PIN_TRIES 2000
#define PIN_WAIT_NS 500000 /* 0.5 ms */
/* An idle database has no frames to come; a busy one has some within this many tries. A pin on the
 * file keeps all checkpoints from it, so one on the log is better. */
#define IDLE_TRIES 100
#define GUARD_EVERY_MS 1000
#define LOOK_BYTES (8u << 20) /* between two looks at the guard */
#define LOCK_BYTE 0x40000000  /* its page is never used */
#define FILE_ALONE_GROWTH_BYTES (64u << 20)

struct tbk_sqlite_hot {
    sqlite3 *pin;
    sqlite3 *checkpointer;
    int fd;
    int wal;
    bool has_pin;
    bool is_file_alone;      /* the pin is on the file: the log is not needed */
    bool log_stays;          /* when we close: its owner left it */
    struct timespec written; /* when the file last was, as the pin was set */
    tbk_wal_index index;
    tbk_wal_map map;
    tbk_wal_files files;
    tbk_page_cache *cache;
    uint64_t size_bytes;
    uint64_t at_bytes;
    uint64_t looked_bytes;
    tbk_wal_limit limit;

    bool is_guarded; /* the thread runs, and shares the pin */
    pthread_t guard;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ending;
    bool guard_ends;
    tbk_error lost; /* code TBK_E_OK while the pin stands */

    unsigned char header[TBK_SQLITE_HEADER_BYTES];
    tbk_digest schema;
    char path[PATH_MAX];
};

/* --- opening --- */

static bool open_connection(const char *path, const tbk_report *report, sqlite3 **out,
                            tbk_error *err)
{
    if (!tbk_sqlite_open(path, SQLITE_OPEN_READWRITE, out, err))
        return false;
    int64_t objects; /* a first read: before it, SQLite has not opened the log */
    tbk_sqlite_heed(*out, report);
    (void)sqlite3_busy_timeout(*out, BUSY_TIMEOUT_MS);
    bool ok = tbk_sqlite_exec(*out, "PRAGMA wal_autocheckpoint=0; PRAGMA query_only=ON", err) &&
              tbk_sqlite_integer(*out, "SELECT count(*) FROM sqlite_schema", &objects, err);
    tbk_sqlite_watch(*out, 0, NULL, NULL); /* it lives as long as the copy takes */
    return ok;
}

/* Files that we make beside the database belong to us: they must be its owner's. */
static bool may_make_files(const char *path, tbk_error *err)
{
    struct stat status;
    char index[PATH_MAX];
    if (!tbk_sqlite_companion(path, "-shm", index, err))
        return false;
    if (stat(path, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", path);
    return geteuid() == 0 || status.st_uid == geteuid() || access(index, F_OK) == 0 ||
           tbk_fail(err, TBK_E_UNSUPPORTED, "run as the database's owner",
                    "'%s' belongs to another user, and is not in use", path);
}

static bool open_files(tbk_sqlite_hot *hot, const char *path, const tbk_report *report,
                       tbk_error *err)
{
    char log[PATH_MAX];
    if (!tbk_sqlite_companion(path, "", hot->path, err) ||
        !tbk_sqlite_companion(path, "-wal", log, err))
        return false;
    hot->log_stays = tbk_wal_is_left_behind(hot->path);
    if (!tbk_sqlite_open_file(hot->path, "", &hot->fd, err) ||
        !open_connection(hot->path, report, &hot->pin, err) ||
        !open_connection(hot->path, report, &hot->checkpointer, err) ||
        !tbk_sqlite_check_wal(hot->pin, err))
        return false;
    return tbk_sqlite_open_file(hot->path, "-wal", &hot->wal, err) &&
           tbk_wal_files_note(hot->path, &hot->files, err) &&
           ((tbk_sqlite_is_named(hot->fd, hot->path) && tbk_sqlite_is_named(hot->wal, log)) ||
            tbk_fail(err, TBK_E_BUSY, "try again when nothing replaces the database",
                     "'%s' was replaced while it was opened", path));
}

/* --- the pin --- */

static bool begin(tbk_sqlite_hot *hot, tbk_error *err)
{
    int64_t objects;
    hot->has_pin = tbk_sqlite_exec(hot->pin, "BEGIN", err);
    return hot->has_pin &&
           tbk_sqlite_integer(hot->pin, "SELECT count(*) FROM sqlite_schema", &objects, err);
}

static void let_go(tbk_sqlite_hot *hot)
{
    if (hot->has_pin)
        (void)sqlite3_exec(hot->pin, "ROLLBACK", NULL, NULL, NULL);
    hot->has_pin = false;
}

/* Whether the pin is on a state that we know, and on which side of the log it is. */
static bool is_known(const tbk_wal_index *before, const tbk_wal_index *after, bool *out_file_alone)
{
    *out_file_alone = before->backfilled == before->frames;
    return tbk_wal_index_equal(before, after) &&
           (*out_file_alone ? after->backfilled == after->frames
                            : after->backfilled < after->frames);
}

static bool pin(tbk_sqlite_hot *hot, tbk_error *err)
{
    for (int tries = 0; tries < PIN_TRIES; tries++) {
        tbk_wal_index before;
        if (!tbk_wal_index_read(hot->pin, &before, err) || !begin(hot, err) ||
            !tbk_wal_index_read(hot->pin, &hot->index, err))
            return false;
        if (is_known(&before, &hot->index, &hot->is_file_alone) &&
            (!hot->is_file_alone || tries >= IDLE_TRIES))
            return true;
        let_go(hot);
        (void)nanosleep(&(struct timespec){.tv_nsec = PIN_WAIT_NS}, NULL);
    }
    return tbk_fail(err, TBK_E_BUSY, "try again",
                    "writers did not leave a moment to begin a snapshot in");
}

/* --- the guard --- */

static void *guard(void *pointer)
{
    tbk_sqlite_hot *hot = pointer;
    (void)pthread_mutex_lock(&hot->lock);
    while (!hot->guard_ends && hot->lost.code == TBK_E_OK) {
        const struct timespec until = tbk_condition_end(GUARD_EVERY_MS);
        (void)pthread_cond_timedwait(&hot->ending, &hot->lock, &until);
        if (!hot->guard_ends && !tbk_wal_limit_check(&hot->limit, &hot->lost))
            let_go(hot);
    }
    (void)pthread_mutex_unlock(&hot->lock);
    return NULL;
}

static bool start_guard(tbk_sqlite_hot *hot, tbk_error *err)
{
    sigset_t all, before; /* the calling thread handles the signals */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&hot->guard, NULL, guard, hot);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    hot->is_guarded = result == 0;
    return result == 0 || tbk_fail_errno(err, TBK_E_FAILED, result, "raise the limit of processes",
                                         "cannot start a thread to watch the log");
}

static void end_guard(tbk_sqlite_hot *hot)
{
    if (!hot->is_guarded)
        return;
    (void)pthread_mutex_lock(&hot->lock);
    hot->guard_ends = true;
    (void)pthread_cond_signal(&hot->ending);
    (void)pthread_mutex_unlock(&hot->lock);
    (void)pthread_join(hot->guard, NULL);
    hot->is_guarded = false;
}

/* A pin on the file keeps all checkpoints away; a log that begins to grow is better pinned itself,
 * by another try. */
static bool is_not_lost(tbk_sqlite_hot *hot, tbk_error *err)
{
    (void)pthread_mutex_lock(&hot->lock);
    if (hot->lost.code == TBK_E_OK && !tbk_wal_limit_check(&hot->limit, &hot->lost))
        let_go(hot);
    tbk_error lost = hot->lost;
    (void)pthread_mutex_unlock(&hot->lock);
    if (lost.code == TBK_E_OK)
        return true;
    *err = lost;
    if (hot->is_file_alone)
        err->code = TBK_E_BUSY;
    return false;
}

/* --- what is pinned --- */

static bool time_written(const tbk_sqlite_hot *hot, struct timespec *out, tbk_error *err)
{
    struct stat status;
    if (fstat(hot->fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", hot->path);
    *out = status.st_mtim;
    return true;
}

static bool measure(tbk_sqlite_hot *hot, tbk_error *err)
{
    int64_t pages, page_size;
    if (!tbk_sqlite_integer(hot->pin, "PRAGMA page_count", &pages, err) ||
        !tbk_sqlite_integer(hot->pin, "PRAGMA page_size", &page_size, err) ||
        !tbk_sqlite_schema_digest(hot->pin, &hot->schema, err))
        return false;
    if (!time_written(hot, &hot->written, err))
        return false;
    hot->size_bytes = (uint64_t)pages * (uint64_t)page_size;
    hot->index.page_size_bytes = (uint32_t)page_size; /* a new log does not say it yet */
    if (!hot->is_file_alone && (uint64_t)pages != hot->index.pages)
        return tbk_fail(err, TBK_E_BUSY, "try again",
                        "the snapshot has %" PRId64 " pages, the write-ahead log's index says %u",
                        pages, hot->index.pages);
    return true;
}

static bool open_hot(tbk_sqlite_hot *hot, const char *path, const char *scratch,
                     const tbk_report *report, tbk_error *err)
{
    struct stat status;
    if (!open_files(hot, path, report, err))
        return false;
    if (fstat(hot->fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", path);
    hot->cache = tbk_page_cache_snapshot(hot->fd, (uint64_t)status.st_size);
    (void)posix_fadvise(hot->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (!pin(hot, err) || !measure(hot, err) ||
        !tbk_wal_limit_set(hot->path, hot->size_bytes,
                           hot->is_file_alone ? FILE_ALONE_GROWTH_BYTES : 0, &hot->limit, err) ||
        !start_guard(hot, err))
        return tbk_error_context(err, "beginning a snapshot of '%s'", path);
    return hot->is_file_alone ||
           tbk_wal_map_read(hot->wal, &hot->index, scratch, report, &hot->map, err);
}

bool tbk_sqlite_hot_open(const char *path, const char *scratch, const tbk_report *report,
                         tbk_sqlite_hot **out, tbk_error *err)
{
    /* Before any lock is held: it closes a descriptor of the database. And before SQLite opens it,
     * which would roll back what a crashed writer left: the original is only read. */
    if (!tbk_sqlite_need_wal(path, err) || !may_make_files(path, err))
        return false;
    tbk_auto(tbk_sqlite_hot) *hot = tbk_memory_new(sizeof *hot);
    hot->fd = hot->wal = -1;
    (void)pthread_mutex_init(&hot->lock, NULL);
    tbk_condition_init(&hot->ending);
    if (!open_hot(hot, path, scratch, report, err))
        return false;
    *out = hot;
    hot = NULL;
    return true;
}

static void close_connection(sqlite3 *db, bool log_stays)
{
    if (db != NULL && log_stays)
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    tbk_sqlite_close(db);
}

/* However the copy ended: a log that became long meanwhile is taken in beside the writers. */
static void let_go_for_good(tbk_sqlite_hot *hot)
{
    end_guard(hot);
    bool was_pinned = hot->has_pin || hot->lost.code != TBK_E_OK;
    let_go(hot);
    if (was_pinned && !hot->log_stays)
        tbk_wal_passive_checkpoint(hot->pin, hot->checkpointer);
}

void tbk_sqlite_hot_close(tbk_sqlite_hot *hot)
{
    if (hot == NULL)
        return;
    let_go_for_good(hot);
    close_connection(hot->pin, hot->log_stays);
    close_connection(hot->checkpointer, hot->log_stays);
    if (hot->cache != NULL && hot->fd >= 0)
        tbk_page_cache_drop(hot->cache, hot->fd, hot->at_bytes);
    tbk_page_cache_free(hot->cache);
    tbk_wal_map_end(&hot->map);
    if (hot->wal >= 0)
        (void)close(hot->wal);
    if (hot->fd >= 0)
        (void)close(hot->fd);
    (void)pthread_cond_destroy(&hot->ending);
    (void)pthread_mutex_destroy(&hot->lock);
    free(hot);
}

/* --- reading --- */

uint64_t tbk_sqlite_hot_size_bytes(const tbk_sqlite_hot *hot) { return hot->size_bytes; }

/* What the file does not have (any more, or yet) becomes zeros; *out_got says how much it had. */
static bool read_file(const tbk_sqlite_hot *hot, unsigned char *buffer, size_t size,
                      size_t *out_got, tbk_error *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(hot->fd, buffer + done, size - done, (off_t)(hot->at_bytes + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return tbk_fail_errno(err, TBK_E_IO, errno, "look for disk errors in the system's log",
                                  "cannot read the database '%s'", hot->path);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    memset(buffer + done, 0, size - done);
    *out_got = done;
    return true;
}

/* length bytes of a page, from the frame of the log that has it. */
static bool read_frame(const tbk_sqlite_hot *hot, uint32_t frame, uint64_t in_page,
                       unsigned char *buffer, size_t length, tbk_error *err)
{
    uint64_t offset =
        TBK_WAL_HEADER_BYTES + TBK_WAL_FRAME_HEADER_BYTES + in_page +
        (uint64_t)(frame - 1) * (TBK_WAL_FRAME_HEADER_BYTES + (uint64_t)hot->index.page_size_bytes);
    ssize_t got = pread(hot->wal, buffer, length, (off_t)offset);
    if (got < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, "look for disk errors in the system's log",
                              "cannot read the write-ahead log of '%s'", hot->path);
    return (size_t)got == length ||
           tbk_fail(err, TBK_E_BUSY, "try again", "the write-ahead log of '%s' became shorter",
                    hot->path);
}

/* Replaces what the log has, and sees that the rest was in the file. The page of the lock byte is
 * never written: after the end of a file that has not grown over it yet, it is zeros. */
static bool overlay(const tbk_sqlite_hot *hot, unsigned char *buffer, size_t size, size_t from_file,
                    tbk_error *err)
{
    uint32_t page_size = hot->index.page_size_bytes;
    for (size_t done = 0; done < size;) {
        uint64_t at = hot->at_bytes + done;
        uint64_t in_page = at % page_size;
        size_t length = (size_t)(page_size - in_page);
        if (length > size - done)
            length = size - done;
        uint32_t frame = hot->map.frame_of != NULL ? hot->map.frame_of[at / page_size] : 0;
        if (frame != 0 && !read_frame(hot, frame, in_page, buffer + done, length, err))
            return false;
        if (frame == 0 && done + length > from_file && at / page_size != LOCK_BYTE / page_size)
            return tbk_fail(err, TBK_E_BUSY, "try again",
                            "'%s' ends before its page %" PRIu64 ", which the log has not either",
                            hot->path, at / page_size + 1);
        done += length;
    }
    return true;
}

static bool look_around(tbk_sqlite_hot *hot, tbk_error *err)
{
    if (hot->at_bytes - hot->looked_bytes < LOOK_BYTES)
        return true;
    hot->looked_bytes = hot->at_bytes;
    tbk_page_cache_drop(hot->cache, hot->fd, hot->at_bytes);
    return is_not_lost(hot, err);
}

bool tbk_sqlite_hot_read(void *self, void *buffer, size_t size_bytes, size_t *out_got,
                         tbk_error *err)
{
    tbk_sqlite_hot *hot = self;
    uint64_t left = hot->size_bytes - hot->at_bytes;
    size_t size = left < size_bytes ? (size_t)left : size_bytes;
    size_t from_file;
    if (!look_around(hot, err) || !read_file(hot, buffer, size, &from_file, err) ||
        !overlay(hot, buffer, size, from_file, err))
        return false;
    if (hot->at_bytes < sizeof hot->header) {
        size_t room = sizeof hot->header - (size_t)hot->at_bytes;
        memcpy(hot->header + hot->at_bytes, buffer, size < room ? size : room);
    }
    hot->at_bytes += size;
    *out_got = size;
    return true;
}

/* --- the end --- */

static bool is_same_log(const tbk_wal_index *pinned, const tbk_wal_index *now)
{
    return memcmp(pinned->salts, now->salts, sizeof now->salts) == 0;
}

/* Nothing may have come into the file. Since the file has all of the log, it may be begun anew,
 * under salts that tell nothing (a connection's first ones are random). */
static bool file_was_left_alone(const tbk_wal_index *pinned, const tbk_wal_index *now)
{
    uint32_t allowed = is_same_log(pinned, now) ? pinned->frames : 0;
    return now->backfilled == allowed && now->backfill_attempted <= allowed;
}

static bool log_was_left_alone(const tbk_wal_index *pinned, const tbk_wal_index *now)
{
    return is_same_log(pinned, now) && now->backfilled <= pinned->frames &&
           now->backfill_attempted <= pinned->frames;
}

static bool check_pin(const tbk_sqlite_hot *hot, tbk_error *err)
{
    tbk_wal_index now;
    struct timespec written;
    int64_t pages;
    if (!tbk_wal_index_read(hot->pin, &now, err) || !time_written(hot, &written, err) ||
        !tbk_sqlite_integer(hot->pin, "PRAGMA page_count", &pages, err))
        return false;
    bool stood = hot->is_file_alone ? file_was_left_alone(&hot->index, &now) &&
                                          written.tv_sec == hot->written.tv_sec &&
                                          written.tv_nsec == hot->written.tv_nsec
                                    : log_was_left_alone(&hot->index, &now);
    if (!stood || sqlite3_get_autocommit(hot->pin) != 0 ||
        (uint64_t)pages * hot->index.page_size_bytes != hot->size_bytes)
        return tbk_fail(err, TBK_E_BUSY,
                        "see which program uses the database without SQLite's locks",
                        "the snapshot did not hold: the log went on from %u to %u frames in the "
                        "file, which had %u",
                        hot->index.frames, now.backfilled, hot->index.backfilled);
    return tbk_wal_files_check(&hot->files, err);
}

bool tbk_sqlite_hot_finish(tbk_sqlite_hot *hot, tbk_sqlite_facts *out, tbk_error *err)
{
    tbk_sqlite_facts facts;
    if (hot->at_bytes != hot->size_bytes)
        return tbk_fail(err, TBK_E_FAILED, NULL,
                        "only %" PRIu64 " of %" PRIu64 " bytes of the snapshot were read",
                        hot->at_bytes, hot->size_bytes);
    end_guard(hot);
    if (!is_not_lost(hot, err) || !check_pin(hot, err) ||
        !tbk_sqlite_header_facts(hot->header, hot->size_bytes, hot->path, &facts, err))
        return false;
    let_go_for_good(hot);
    facts.schema = hot->schema;
    *out = facts;
    return true;
}
