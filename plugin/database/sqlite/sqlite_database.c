/* SPDX-License-Identifier: MIT */
/* SQLite, by the engine's interface: copied by one of the capture methods, recovered, stored;
 * restored as a file. */
#include "database/database.h"

#include "base/clock.h"
#include "base/text.h"
#include "database/sqlite/sqlite.h"
#include "database/sqlite/sqlite_forecast.h"
#include "database/sqlite/sqlite_methods.h"
#include "database/sqlite/sqlite_select.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STAGED_NAME "tracker.db"
#define SELECTED_NAME "essential.db"
#define UNPACKED_NAME "proof.db"

#define STAGING_SUFFIX ".restoring"
#define PREVIOUS_SUFFIX ".before-restore-"

typedef struct sqlite_database {
    const char *path;
    const char *kept; /* after a swap */
} sqlite_database;

/* --- as it is now --- */

/* Wrong rules are told before anything is held; whatever else cannot be read now is told by the
 * capture. */
static bool check_rules(const char *path, const tbk_rules *rules, tbk_error *err)
{
    tbk_error why;
    if (rules == NULL || tbk_sqlite_check_rules(path, rules, &why) || why.code != TBK_E_CONFIG)
        return true;
    *err = why;
    return false;
}

static bool inspect(void *self, tbk_arena *arena, const tbk_rules *rules, tbk_database_view *out,
                    tbk_error *err)
{
    const char *path = ((const sqlite_database *)self)->path;
    tbk_sqlite_facts facts;
    if (!tbk_sqlite_inspect(path, &facts, err) || !check_rules(path, rules, err) ||
        !tbk_sqlite_size(path, &out->size_bytes, err))
        return false;
    out->journal_mode = facts.wal ? TBK_JOURNAL_WAL : TBK_JOURNAL_DELETE;
    out->words = tbk_arena_format(arena, "'%s' (%" PRIu64 " bytes, %s)", path, facts.size_bytes,
                                  facts.wal ? "write-ahead log" : "rollback journal");
    return true;
}

static bool forecast(void *self, tbk_arena *arena, const tbk_forecast_request *request,
                     tbk_forecast *out, tbk_error *err)
{
    return tbk_sqlite_forecast(arena, ((const sqlite_database *)self)->path, request, out, err);
}

/* --- capture --- */

typedef struct capturing {
    tbk_arena *arena;
    const tbk_capture_request *request;
    const char *path;
    const char *staged;   /* the copy, below the store's scratch directory */
    const char *selected; /* what is essential of it */
    tbk_capture *out;
} capturing;

static void phase_ended(const capturing *self, const char *name, int64_t started_ms)
{
    self->request->phase_ended(self->request->self, name, started_ms);
}

static bool select_from(capturing *self, const char *source, tbk_error *err)
{
    tbk_selection selection;
    (void)unlink(self->selected);
    if (!tbk_sqlite_select(self->arena, source, self->selected, self->request->rules,
                           self->request->report, &selection, err))
        return false;
    self->out->selection = selection.tables;
    self->out->selection_count = selection.count;
    return true;
}

static bool select_live(void *self, tbk_error *err)
{
    return select_from(self, ((capturing *)self)->path, err);
}

static bool recover(capturing *self, const char *copy, tbk_error *err)
{
    int64_t started_ms = tbk_clock_monotonic_ms();
    if (!tbk_sqlite_recover(copy, self->request->report, &self->out->sqlite, err))
        return false;
    phase_ended(self, "recover", started_ms);
    return true;
}

/* From a copy that holds all: it is recovered first, and deleted afterwards. */
static bool select_staged(capturing *self, tbk_error *err)
{
    if (!recover(self, self->staged, err))
        return false;
    int64_t started_ms = tbk_clock_monotonic_ms();
    bool ok = select_from(self, self->staged, err);
    (void)unlink(self->staged);
    phase_ended(self, "select", started_ms);
    return ok;
}

static bool store_copy(capturing *self, const char *copy, tbk_error *err)
{
    int64_t started_ms = tbk_clock_monotonic_ms();
    tbk_auto_fd int in = open(copy, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read '%s'", copy);
    const tbk_source source = tbk_source_of_file(&in);
    if (!self->request->store(self->request->self, &source, "compress", self->request->report, err))
        return tbk_error_context(err, "compressing the database");
    (void)unlink(copy); /* its room is needed; the scratch directory goes in any case */
    phase_ended(self, "compress", started_ms);
    return true;
}

static bool copy(capturing *self, tbk_copy_place *out_place, tbk_error *err)
{
    const tbk_methods_request methods = {.capture = self->request,
                                         .database = self->path,
                                         .staged = self->staged,
                                         .self = self,
                                         .select =
                                             self->request->rules != NULL ? select_live : NULL};
    int64_t started_ms = tbk_clock_monotonic_ms();
    bool ok = tbk_methods_try(self->arena, &methods, self->out, out_place, err);
    phase_ended(self, "capture", started_ms);
    return ok || tbk_error_context(err, "capturing the database");
}

/* What was streamed is in the set already. */
static bool store_copied(capturing *self, tbk_copy_place place, tbk_error *err)
{
    if (place == TBK_COPY_STORED)
        return true;
    bool selects = self->request->rules != NULL;
    if (selects && place == TBK_COPY_STAGED && !select_staged(self, err))
        return false;
    const char *source = selects ? self->selected : self->staged;
    return recover(self, source, err) && store_copy(self, source, err);
}

static bool capture(void *self, tbk_arena *arena, const tbk_capture_request *request,
                    tbk_capture *out, tbk_error *err)
{
    tbk_copy_place place = TBK_COPY_STAGED;
    capturing work = {.arena = arena,
                      .request = request,
                      .path = ((const sqlite_database *)self)->path,
                      .staged = tbk_arena_format(arena, "%s/" STAGED_NAME, request->scratch),
                      .selected = tbk_arena_format(arena, "%s/" SELECTED_NAME, request->scratch),
                      .out = out};
    return copy(&work, &place, err) && store_copied(&work, place, err);
}

/* --- proof --- */

static bool can_restore(void *self, tbk_error *why)
{
    (void)self;
    (void)why;
    return true;
}

static bool same_facts(const tbk_sqlite_facts *a, const tbk_sqlite_facts *b)
{
    return a->size_bytes == b->size_bytes && a->page_size_bytes == b->page_size_bytes &&
           a->pages == b->pages && a->change_counter == b->change_counter && a->wal == b->wal;
}

static bool check_restored(void *self, tbk_arena *arena, const tbk_unpacked *unpacked,
                           const tbk_manifest *manifest, const tbk_report *report,
                           tbk_restored_check *out, tbk_error *err)
{
    tbk_sqlite_check check;
    (void)self;
    tbk_report_log(report, TBK_LOG_INFO, "prove",
                   "checking the restored database (integrity_check, rows of every table)");
    if (!tbk_sqlite_prove(arena, unpacked->path, report, &check, err))
        return false;
    *out = (tbk_restored_check){.tables = check.tables, .table_count = check.table_count};
    if (!same_facts(&check.facts, &manifest->sqlite))
        out->wrong = "the restored database's header is not the one that was captured";
    else if (!tbk_digest_equal(&check.facts.schema, &manifest->sqlite.schema))
        out->wrong = "the restored database's schema is not the one that was captured";
    return true;
}

/* --- restore --- */

static const char *staging_path(void *self, tbk_arena *arena)
{
    return tbk_arena_format(arena, "%s" STAGING_SUFFIX, ((const sqlite_database *)self)->path);
}

/* An older set must not undo what was changed for the sake of backups without a hold. */
static bool keep_journal_mode(const sqlite_database *database, const char *restored,
                              const tbk_report *report, tbk_error *err)
{
    tbk_sqlite_facts live, set;
    tbk_error ignored;
    if (!tbk_sqlite_inspect(database->path, &live, &ignored)) /* damaged: a reason to restore */
        return true;
    if (!tbk_sqlite_inspect(restored, &set, err))
        return false;
    if (live.wal == set.wal)
        return true;
    if (!live.wal) {
        tbk_report_log(report, TBK_LOG_INFO, "restore",
                       "the set is in WAL mode, which the database in use is not: it will be");
        return true;
    }
    tbk_report_log(report, TBK_LOG_INFO, "restore",
                   "the database in use is in WAL mode, the set is not: WAL mode stays");
    return tbk_sqlite_mark_wal(restored, err);
}

static bool restore_to_staging(void *self, tbk_arena *arena, const tbk_unpacked *unpacked,
                               const tbk_manifest *manifest, const tbk_report *report,
                               tbk_restored_check *out, tbk_error *err)
{
    if (!check_restored(self, arena, unpacked, manifest, report, out, err))
        return false;
    return out->wrong != NULL || keep_journal_mode(self, unpacked->path, report, err);
}

static bool swap(void *self, tbk_arena *arena, int64_t now_s, const tbk_report *report,
                 const char **out_previous, tbk_error *err)
{
    sqlite_database *database = self;
    char at[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format_compact(now_s, at);
    const char *kept = tbk_arena_format(arena, "%s" PREVIOUS_SUFFIX "%s", database->path, at);
    if (!tbk_sqlite_swap(database->path, staging_path(self, arena), kept, report, err))
        return false;
    database->kept = kept;
    *out_previous = tbk_arena_format(arena, "the file '%s'", kept);
    return true;
}

static bool swap_back(void *self, tbk_arena *arena, const tbk_report *report, tbk_error *err)
{
    sqlite_database *database = self;
    (void)report;
    return tbk_sqlite_swap_back(database->path, staging_path(self, arena), database->kept, err);
}

static void discard(void *self, const tbk_report *report)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *path = staging_path(self, arena);
    if (unlink(path) != 0 && errno != ENOENT)
        tbk_report_log(report, TBK_LOG_WARNING, "restore", "'%s' could not be removed", path);
}

static bool remove_previous(const char *path, tbk_error *err)
{
    return unlink(path) == 0 ||
           tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot remove '%s'", path);
}

/* What swaps have kept of one database. */
typedef struct previous_files {
    const char **paths; /* by name */
    size_t count, capacity;
} previous_files;

static void add_path(tbk_arena *arena, previous_files *to, const char *path)
{
    if (to->count == to->capacity) {
        size_t capacity = to->capacity == 0 ? 16 : 2 * to->capacity;
        const char **grown = tbk_arena_alloc(arena, capacity * sizeof *grown);
        if (to->count > 0)
            memcpy(grown, to->paths, to->count * sizeof *grown);
        to->paths = grown;
        to->capacity = capacity;
    }
    to->paths[to->count++] = path;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool fail_listing(const char *folder, tbk_error *err)
{
    return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look for databases kept in '%s'",
                          folder);
}

/* Names are compared as they are: a database may be called "tracker[1].db". */
static bool find_previous(const sqlite_database *self, tbk_arena *arena, previous_files *out,
                          tbk_error *err)
{
    const char *slash = strrchr(self->path, '/');
    const char *name = slash != NULL ? slash + 1 : self->path;
    const char *folder = tbk_arena_copy_bytes(arena, self->path, (size_t)(name - self->path));
    const char *prefix = tbk_arena_format(arena, "%s" PREVIOUS_SUFFIX, name);
    *out = (previous_files){.count = 0};
    tbk_auto(DIR) *listing = opendir(folder[0] != '\0' ? folder : ".");
    if (listing == NULL)
        return errno == ENOENT || fail_listing(folder, err);
    errno = 0;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL; errno = 0)
        if (tbk_text_starts_with(entry->d_name, prefix))
            add_path(arena, out, tbk_arena_format(arena, "%s%s", folder, entry->d_name));
    if (errno != 0)
        return fail_listing(folder, err);
    if (out->count > 0)
        qsort(out->paths, out->count, sizeof *out->paths, compare_paths);
    return true;
}

static bool is_companion(const char *path)
{
    return tbk_text_ends_with(path, "-journal") || tbk_text_ends_with(path, "-wal") ||
           tbk_text_ends_with(path, "-shm");
}

/* A companion's bytes count for the database before it, as names are sorted. */
static void add_previous(const char *path, tbk_previous_database *list, size_t *count)
{
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    if (!is_companion(path))
        list[(*count)++] = (tbk_previous_database){.name = path};
    if (*count > 0)
        list[*count - 1].size_bytes += (uint64_t)status.st_size;
}

static bool list_previous(void *self, tbk_arena *arena, const tbk_previous_database **out,
                          size_t *out_count, tbk_error *err)
{
    previous_files found;
    if (!find_previous(self, arena, &found, err))
        return false;
    tbk_previous_database *list = tbk_arena_alloc(arena, (found.count + 1) * sizeof *list);
    *out = list;
    *out_count = 0;
    for (size_t i = 0; i < found.count; i++)
        add_previous(found.paths[i], list, out_count);
    return true;
}

static bool purge_previous(void *self, tbk_arena *arena, const char *const **out, tbk_error *err)
{
    previous_files found;
    if (!find_previous(self, arena, &found, err))
        return false;
    for (size_t i = 0; i < found.count; i++)
        if (!remove_previous(found.paths[i], err))
            return false;
    add_path(arena, &found, NULL);
    *out = found.paths;
    return true;
}

tbk_database tbk_database_sqlite(tbk_arena *arena, const char *path)
{
    sqlite_database *self = TBK_ARENA_NEW(arena, sqlite_database);
    self->path = path;
    return (tbk_database){.self = self,
                          .driver = TBK_DRIVER_SQLITE,
                          .unpacked_name = UNPACKED_NAME,
                          .inspect = inspect,
                          .forecast = forecast,
                          .capture = capture,
                          .can_restore = can_restore,
                          .check_restored = check_restored,
                          .staging_path = staging_path,
                          .restore_to_staging = restore_to_staging,
                          .swap = swap,
                          .swap_back = swap_back,
                          .discard = discard,
                          .list_previous = list_previous,
                          .purge_previous = purge_previous};
}
