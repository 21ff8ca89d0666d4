/* SPDX-License-Identifier: MIT */
/* What a trial is played with: kinds of databases and loads, by turns. */
#include "trials/scene.h"

#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define PAGE_BYTES 4096
#define SMALL_ROWS 60
#define SMALL_CACHE_PAGES 10
#define GROWING 24 /* rows a transaction */
#define READING_MS 150
#define PAUSE_US 1000
/* Without a log, writers that never rest lock each other out: SQLite's locks know no queue. */
#define PAUSE_ROLLBACK_US 8000

typedef struct kind {
    const char *name;
    int page_bytes;
    bool small;   /* a few pages only */
    bool spills;  /* a cache too small for a transaction */
    bool grows;   /* fast */
    bool shrinks; /* with auto_vacuum */
    bool vacuums;
    bool idle;            /* until half of the copy is read */
    bool no_checkpointer; /* but the writers' own */
    bool synchronous;
} kind;

static const kind kinds[] = {
    {.name = "busy"},
    {.name = "spilling", .spills = true},
    {.name = "idle", .idle = true},
    {.name = "pages of 512", .page_bytes = 512},
    {.name = "growing", .grows = true},
    {.name = "pages of 65536", .page_bytes = 65536},
    {.name = "small", .small = true},
    {.name = "shrinking", .shrinks = true},
    {.name = "vacuumed", .vacuums = true},
    {.name = "synchronous", .synchronous = true},
    {.name = "idle with a log", .idle = true, .no_checkpointer = true},
    {.name = "no checkpointer", .no_checkpointer = true},
    {.name = "small and idle", .small = true, .idle = true},
    {.name = "growing and spilling", .grows = true, .spills = true, .synchronous = true},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* --- databases --- */

static int page_bytes_of(const kind *self)
{
    return self->page_bytes != 0 ? self->page_bytes : PAGE_BYTES;
}

static bool fill(const char *path, const kind *self, const history *with, tbk_error *err)
{
    tbk_auto(sqlite3) *db = NULL;
    char settings[128];
    (void)snprintf(settings, sizeof settings,
                   "PRAGMA page_size=%d; PRAGMA auto_vacuum=%s; PRAGMA synchronous=OFF",
                   page_bytes_of(self), self->shrinks ? "FULL" : "NONE");
    return tbk_sqlite_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, err) &&
           tbk_sqlite_exec(db, settings, err) && history_fill(with, db, err);
}

static bool copy_file(const char *from, const char *to, tbk_error *err)
{
    tbk_auto_fd int source = open(from, O_RDONLY | O_CLOEXEC);
    tbk_auto_fd int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t copied = source >= 0 && target >= 0 ? 1 : -1;
    while (copied > 0)
        copied = copy_file_range(source, NULL, target, NULL, 1u << 30, 0);
    return copied == 0 || tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot copy '%s'", from);
}

/* Each shape of a database is filled once, and copied for each trial. */
static bool make_database(const stage *on, const kind *self, const scene *of, tbk_error *err)
{
    char filled[PATH_MAX];
    (void)snprintf(filled, sizeof filled, "%s/filled-%d%s%s.db", on->folder, page_bytes_of(self),
                   self->small ? "-small" : "", self->shrinks ? "-shrinking" : "");
    scene_remove(of->database);
    return (access(filled, F_OK) == 0 || fill(filled, self, &of->history, err)) &&
           copy_file(filled, of->database, err) &&
           tbk_sqlite_set_journal_mode(of->database, of->wal, err);
}

void scene_remove(const char *database)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof path, "%s%s", database, suffixes[i]);
        (void)unlink(path);
    }
}

/* --- scenes --- */

static history history_of(const stage *on, uint64_t number, const kind *self)
{
    return (history){.seed = on->seed,
                     .branch = history_mix(on->seed, number),
                     .base_rows = self->small ? SMALL_ROWS : history_rows_of(on->size_bytes),
                     .growth = self->grows ? GROWING : 1};
}

bool scene_set(const stage *on, uint64_t number, bool plain, bool wal, scene *out, tbk_error *err)
{
    const kind *is = &kinds[plain ? 0 : number % KINDS];
    *out = (scene){.kind = is->name,
                   .history = history_of(on, number, is),
                   .wal = wal,
                   .starts_idle = is->idle,
                   .reading_ms = (int64_t)(history_mix(on->seed, ~number) % (2 * READING_MS))};
    out->load = (load_plan){.database = out->database,
                            .history = &out->history,
                            .seed = out->history.branch,
                            .pause_us = wal ? PAUSE_US : PAUSE_ROLLBACK_US,
                            .cache_pages = is->spills ? SMALL_CACHE_PAGES : 0,
                            .synchronous = is->synchronous,
                            .checkpoints = wal && !is->no_checkpointer,
                            .vacuums = is->vacuums};
    (void)snprintf(out->database, sizeof out->database, "%s/live.db", on->folder);
    (void)snprintf(out->copy, sizeof out->copy, "%s/copy.db", on->folder);
    return make_database(on, is, out, err);
}

bool scene_verify(const scene *self, int64_t committed, tbk_error *err)
{
    int64_t counter;
    if (!history_verify(&self->history, self->database, &counter, err))
        return tbk_error_context(err, "the original");
    return counter == committed ||
           tbk_fail(err, TBK_E_CORRUPT, NULL, "the original is at transaction %lld, not at %lld",
                    (long long)counter, (long long)committed);
}
