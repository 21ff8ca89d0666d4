/* SPDX-License-Identifier: MIT */
/*
 * One way of copying a database, timed: the engine's own code, with nothing around it.
 *
 * Prints JSON: ms is when the copy was there, synced_ms when it was on the disk too, processor_ms
 * what all threads computed.
 */
#include "base/digest.h"
#include "base/file.h"
#include "database/sqlite/sqlite.h"
#include "database/throttle.h"
#include "store/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_BYTES = 256 << 10, PIECES = 4 };

static const char usage_text[] =
    "Usage: bench-way hot FILE TARGET           raw, with its SHA-256\n"
    "       bench-way stored FILE TARGET LEVEL  hot and compressed, as into a set\n"
    "       bench-way held FILE TARGET          as inside a hold; no writer allowed\n"
    "       bench-way reflink FILE TARGET       a clone under SQLite's SHARED lock\n";

typedef struct outcome {
    double locked_ms; /* that writers could have waited for */
} outcome;

static double now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double processor_ms(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static bool open_target(const char *path, int *out, tbk_error *err)
{
    *out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return *out >= 0 || tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot make '%s'", path);
}

static bool open_hot(const char *path, const char *target, tbk_sqlite_hot **out, tbk_error *err)
{
    char scratch[PATH_MAX];
    (void)snprintf(scratch, sizeof scratch, "%s", target);
    return tbk_sqlite_hot_open(path, dirname(scratch), NULL, out, err);
}

/* --- hot and raw: hashed on another thread, so that it costs no time --- */

typedef struct hashing {
    tbk_hasher *hasher;
    unsigned char *pieces[PIECES];
    size_t lengths[PIECES];
    uint64_t filled, hashed;
    bool ended;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} hashing;

static void *hash_pieces(void *argument)
{
    hashing *self = argument;
    (void)pthread_mutex_lock(&self->lock);
    for (;;) {
        while (self->hashed == self->filled && !self->ended)
            (void)pthread_cond_wait(&self->changed, &self->lock);
        if (self->hashed == self->filled)
            break;
        size_t at = self->hashed % PIECES;
        (void)pthread_mutex_unlock(&self->lock);
        tbk_hasher_add(self->hasher, self->pieces[at], self->lengths[at]);
        (void)pthread_mutex_lock(&self->lock);
        self->hashed++;
        (void)pthread_cond_signal(&self->changed);
    }
    (void)pthread_mutex_unlock(&self->lock);
    return NULL;
}

static unsigned char *free_piece(hashing *self)
{
    (void)pthread_mutex_lock(&self->lock);
    while (self->filled - self->hashed == PIECES)
        (void)pthread_cond_wait(&self->changed, &self->lock);
    (void)pthread_mutex_unlock(&self->lock);
    return self->pieces[self->filled % PIECES];
}

static void pass_on(hashing *self, size_t length, bool ended)
{
    (void)pthread_mutex_lock(&self->lock);
    self->lengths[self->filled % PIECES] = length;
    self->filled += ended ? 0 : 1;
    self->ended = ended;
    (void)pthread_cond_signal(&self->changed);
    (void)pthread_mutex_unlock(&self->lock);
}

static bool write_hot(tbk_sqlite_hot *hot, int target_fd, hashing *self, tbk_error *err)
{
    size_t got;
    do {
        unsigned char *piece = free_piece(self);
        if (!tbk_sqlite_hot_read(hot, piece, PIECE_BYTES, &got, err) ||
            !tbk_file_write_all(target_fd, piece, got, err))
            return false;
        pass_on(self, got, got == 0);
    } while (got > 0);
    return true;
}

static bool copy_hashed(tbk_sqlite_hot *hot, int target_fd, tbk_error *err)
{
    hashing self = {.hasher = tbk_hasher_new(),
                    .lock = PTHREAD_MUTEX_INITIALIZER,
                    .changed = PTHREAD_COND_INITIALIZER};
    tbk_auto_free unsigned char *memory = malloc((size_t)PIECES * PIECE_BYTES);
    pthread_t thread;
    tbk_digest digest;
    for (size_t i = 0; memory != NULL && i < PIECES; i++)
        self.pieces[i] = memory + i * PIECE_BYTES;
    if (memory == NULL || pthread_create(&thread, NULL, hash_pieces, &self) != 0)
        return tbk_fail(err, TBK_E_FAILED, NULL, "no memory or no thread to hash with");
    bool ok = write_hot(hot, target_fd, &self, err);
    pass_on(&self, 0, true);
    (void)pthread_join(thread, NULL);
    tbk_hasher_finish(self.hasher, &digest);
    tbk_hasher_free(self.hasher);
    return ok;
}

static bool copy_hot(const char *path, const char *target, int level, outcome *out, tbk_error *err)
{
    tbk_auto(tbk_sqlite_hot) *hot = NULL;
    tbk_auto_fd int target_fd = -1;
    tbk_sqlite_facts facts;
    (void)level, (void)out;
    return open_hot(path, target, &hot, err) && open_target(target, &target_fd, err) &&
           copy_hashed(hot, target_fd, err) && tbk_sqlite_hot_finish(hot, &facts, err);
}

/* --- the others --- */

static bool copy_stored(const char *path, const char *target, int level, outcome *out,
                        tbk_error *err)
{
    tbk_auto(tbk_sqlite_hot) *hot = NULL;
    tbk_auto_fd int target_fd = -1;
    tbk_sqlite_facts facts;
    tbk_set_file file;
    (void)out;
    tbk_throttle_io(true);
    if (!open_hot(path, target, &hot, err) || !open_target(target, &target_fd, err))
        return false;
    const tbk_source source = {
        .self = hot, .total_bytes = tbk_sqlite_hot_size_bytes(hot), .read = tbk_sqlite_hot_read};
    return tbk_archive_store(&source, target_fd, level, "capture", NULL, &file, err) &&
           tbk_sqlite_hot_finish(hot, &facts, err);
}

static bool copy_held(const char *path, const char *target, int level, outcome *out, tbk_error *err)
{
    (void)level, (void)out;
    return tbk_sqlite_copy_held(path, target, NULL, err);
}

static bool copy_reflink(const char *path, const char *target, int level, outcome *out,
                         tbk_error *err)
{
    int64_t locked_ms = 0;
    (void)level;
    bool ok = tbk_sqlite_copy_reflink(path, target, NULL, &locked_ms, err);
    out->locked_ms = (double)locked_ms;
    return ok;
}

static const struct way {
    const char *name;
    bool (*copy)(const char *path, const char *target, int level, outcome *out, tbk_error *err);
} WAYS[] = {
    {"hot", copy_hot}, {"stored", copy_stored}, {"held", copy_held}, {"reflink", copy_reflink}};

static bool sync_target(const char *target, uint64_t *out_bytes, tbk_error *err)
{
    struct stat status;
    tbk_auto_fd int fd = open(target, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0 || fstat(fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot sync '%s'", target);
    *out_bytes = (uint64_t)status.st_size;
    return true;
}

static bool run(const struct way *way, char **arguments, int level, tbk_error *err)
{
    outcome done = {0};
    uint64_t bytes;
    double started_ms = now_ms();
    if (!way->copy(arguments[2], arguments[3], level, &done, err))
        return false;
    double copied_ms = now_ms() - started_ms;
    if (!sync_target(arguments[3], &bytes, err))
        return false;
    printf("{\"ms\":%.1f,\"synced_ms\":%.1f,\"processor_ms\":%.1f,\"locked_ms\":%.1f,"
           "\"stored_bytes\":%" PRIu64 "}\n",
           copied_ms, now_ms() - started_ms, processor_ms(), done.locked_ms, bytes);
    return true;
}

int main(int count, char **arguments)
{
    tbk_error err;
    for (const struct way *way = WAYS; count >= 4 && way < WAYS + sizeof WAYS / sizeof *WAYS; way++)
        if (strcmp(arguments[1], way->name) == 0) {
            int level = count > 4 ? (int)strtol(arguments[4], NULL, 10) : 1;
            if (run(way, arguments, level, &err))
                return 0;
            fprintf(stderr, "bench-way: %s: %s\n", way->name, err.message);
            return tbk_error_exit_status(err.code);
        }
    fputs(usage_text, stderr);
    return 2;
}
