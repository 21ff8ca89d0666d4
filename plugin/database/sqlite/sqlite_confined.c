/* SPDX-License-Identifier: MIT */
/*
 * Connections to databases that others wrote: the one place where one is opened.
 *
 * What such a database holds decides what SQLite does: a journal names a further file (the
 * "super-journal" of a transaction over several databases) that SQLite opens and deletes, a schema
 * holds expressions, views and virtual tables. So every connection has a VFS of its own, a thin one
 * over SQLite's, that knows the database, its journal and its log, and refuses all other names;
 * and its limits, its authorizer and its progress handler.
 * Source: sqlite.org/vfs.html, sqlite.org/security.html, sqlite.org/fileformat2.html.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <strings.h>
#include <sys/stat.h>

/* Of SQLite's machine, between two looks at the clock: each can be a slow function. */
#define WATCH_OPERATIONS 500
#define ASK_EVERY_MS 50
#define OPEN_LIMIT_MS 60000
#define MEMORY_MIB_MAX 64

/* A tracker's and Grafana's stay far below. */
static const struct limit {
    int which, most;
} LIMITS[] = {
    {SQLITE_LIMIT_LENGTH, 8 << 20},     {SQLITE_LIMIT_SQL_LENGTH, 1 << 20},
    {SQLITE_LIMIT_COLUMN, 1000},        {SQLITE_LIMIT_EXPR_DEPTH, 500},
    {SQLITE_LIMIT_COMPOUND_SELECT, 50}, {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200},
    {SQLITE_LIMIT_TRIGGER_DEPTH, 1},    {SQLITE_LIMIT_ATTACHED, 0},
    {SQLITE_LIMIT_WORKER_THREADS, 0},
};

typedef struct confined {
    sqlite3_vfs vfs; /* the first member: SQLite has a pointer to it */
    sqlite3_vfs *real;
    bool is_alone;
    char name[40];       /* of the VFS */
    char path[PATH_MAX]; /* of the database, as SQLite resolved it */
    sqlite3_io_methods methods;
    const sqlite3_io_methods *real_methods;

    int64_t memory_before;
    int64_t deadline_ms; /* 0: none */
    int64_t asked_ms;
    tbk_sqlite_may_go_on *may_go_on;
    void *context;
    tbk_error stop; /* why it was ended or refused from here; code TBK_E_OK while it was not */
} confined;

/* --- names --- */

static bool is_companion(const confined *self, const char *name, const char *suffix)
{
    size_t length = strlen(self->path);
    return strncmp(name, self->path, length) == 0 && strcmp(name + length, suffix) == 0;
}

static int refuse(confined *self, const char *name)
{
    (void)tbk_fail(&self->stop, TBK_E_CORRUPT,
                   "see who wrote it; a journal that names another file can be moved away by hand",
                   "what stands beside '%s' names another file ('%s'), which is left alone",
                   self->path, name);
    return SQLITE_PERM;
}

static bool may_open(const confined *self, const char *name, int flags)
{
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0)
        return strcmp(name, self->path) == 0;
    if (self->is_alone)
        return false;
    return ((flags & SQLITE_OPEN_MAIN_JOURNAL) != 0 && is_companion(self, name, "-journal")) ||
           ((flags & SQLITE_OPEN_WAL) != 0 && is_companion(self, name, "-wal"));
}

/* A pipe would be waited for, while others wait for us. */
static bool is_file_or_nothing(confined *self, const char *name)
{
    struct stat status;
    if (lstat(name, &status) != 0 || S_ISREG(status.st_mode))
        return true;
    return tbk_fail(&self->stop, TBK_E_IO, "move it away: SQLite keeps files there",
                    "'%s' is not a regular file", name);
}

static bool are_files(confined *self, const char *name, int flags)
{
    char index[PATH_MAX + 8];
    if (!is_file_or_nothing(self, name))
        return false;
    if ((flags & SQLITE_OPEN_WAL) == 0)
        return true;
    (void)snprintf(index, sizeof index, "%s-shm", self->path);
    return is_file_or_nothing(self, index);
}

/* --- the file of the database --- */

static confined *confined_of_file(sqlite3_file *file)
{
    const char *methods = (const char *)file->pMethods;
    return (confined *)(uintptr_t)(methods - offsetof(confined, methods));
}

/* integrity_check takes a page that cannot be read for a damaged one, and goes on. */
static int file_read(sqlite3_file *file, void *buffer, int amount, sqlite3_int64 offset)
{
    confined *self = confined_of_file(file);
    int number = 0, rc = self->real_methods->xRead(file, buffer, amount, offset);
    if (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ || self->stop.code != TBK_E_OK)
        return rc;
    (void)self->real_methods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
    (void)tbk_fail_errno(&self->stop, TBK_E_IO, number != 0 ? number : EIO,
                         "look for disk errors in the system's log", "cannot read '%s'",
                         self->path);
    return rc;
}

/* SQLite then looks for neither journal nor log, and writes nothing. */
static int file_characteristics(sqlite3_file *file)
{
    const confined *self = confined_of_file(file);
    int others = self->real_methods->xDeviceCharacteristics(file);
    return self->is_alone ? others | SQLITE_IOCAP_IMMUTABLE : others;
}

static void take_over(confined *self, sqlite3_file *file)
{
    self->real_methods = file->pMethods;
    self->methods = *file->pMethods;
    self->methods.xRead = file_read;
    self->methods.xDeviceCharacteristics = file_characteristics;
    file->pMethods = &self->methods;
}

/* --- the VFS --- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *out_flags)
{
    confined *self = (confined *)vfs;
    bool is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    file->pMethods = NULL;
    if (name == NULL) /* a temporary file without a name */
        return self->real->xOpen(self->real, name, file, flags, out_flags);
    if (is_database && self->path[0] == '\0')
        (void)snprintf(self->path, sizeof self->path, "%s", name);
    if (!may_open(self, name, flags))
        return refuse(self, name);
    if (!are_files(self, name, flags))
        return SQLITE_CANTOPEN;
    int rc = self->real->xOpen(self->real, name, file, flags, out_flags);
    if (rc == SQLITE_OK && is_database)
        take_over(self, file);
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    confined *self = (confined *)vfs;
    if (self->is_alone ||
        !(is_companion(self, name, "-journal") || is_companion(self, name, "-wal")))
        return refuse(self, name);
    return self->real->xDelete(self->real, name, sync_folder);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    confined *self = (confined *)vfs;
    if (strcmp(name, self->path) != 0 && !is_companion(self, name, "-journal") &&
        !is_companion(self, name, "-wal"))
        return refuse(self, name);
    return self->real->xAccess(self->real, name, flags, out);
}

static void *vfs_load(sqlite3_vfs *vfs, const char *name)
{
    (void)vfs;
    (void)name;
    return NULL;
}

static confined *confined_new(bool is_alone)
{
    sqlite3_vfs *real = sqlite3_vfs_find("unix");
    if (real == NULL)
        return NULL;
    confined *self = tbk_memory_new(sizeof *self);
    *self = (confined){.vfs = *real, .real = real, .is_alone = is_alone};
    (void)snprintf(self->name, sizeof self->name, "torrust-backup-%p", (void *)self);
    self->vfs.pNext = NULL;
    self->vfs.zName = self->name;
    self->vfs.xOpen = vfs_open;
    self->vfs.xDelete = vfs_delete;
    self->vfs.xAccess = vfs_access;
    self->vfs.xDlOpen = vfs_load;
    return self;
}

/* NULL for a connection that was not opened here. */
static confined *confined_of(sqlite3 *db)
{
    sqlite3_vfs *vfs = NULL;
    if (db == NULL || sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs) != SQLITE_OK)
        return NULL;
    return vfs != NULL && vfs->xOpen == vfs_open ? (confined *)vfs : NULL;
}

/* --- what statements may do --- */

static int authorize(void *self, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    (void)self;
    (void)first;
    (void)database;
    (void)trigger;
    if (action == SQLITE_ATTACH || action == SQLITE_DETACH || action == SQLITE_CREATE_VTABLE ||
        action == SQLITE_DROP_VTABLE)
        return SQLITE_DENY;
    return action == SQLITE_FUNCTION && strcasecmp(second, "load_extension") == 0 ? SQLITE_DENY
                                                                                  : SQLITE_OK;
}

void tbk_sqlite_authorize(sqlite3 *db, tbk_sqlite_authorizer *asked, void *context)
{
    (void)sqlite3_set_authorizer(db, asked != NULL ? asked : authorize, context);
}

static bool has_memory(confined *self)
{
    return sqlite3_memory_used() - self->memory_before <= (int64_t)MEMORY_MIB_MAX << 20 ||
           tbk_fail(&self->stop, TBK_E_FAILED, "look at it with 'sqlite3' on another machine",
                    "'%s' needs more than %d MiB of memory to be read", self->path, MEMORY_MIB_MAX);
}

static bool has_time(confined *self, int64_t now_ms)
{
    return self->deadline_ms == 0 || now_ms < self->deadline_ms ||
           tbk_fail(&self->stop, TBK_E_TIMEOUT, "look at it with 'sqlite3' on another machine",
                    "'%s' takes too long to be read", self->path);
}

/* SQLite asks while it works; not 0 ends the statement. */
static int look_around(void *pointer)
{
    confined *self = pointer;
    int64_t now_ms = tbk_clock_monotonic_ms();
    if (!has_memory(self) || !has_time(self, now_ms))
        return 1;
    if (self->may_go_on == NULL || now_ms - self->asked_ms < ASK_EVERY_MS)
        return 0;
    self->asked_ms = now_ms;
    return self->may_go_on(self->context, &self->stop) ? 0 : 1;
}

void tbk_sqlite_watch(sqlite3 *db, int64_t limit_ms, tbk_sqlite_may_go_on *may_go_on, void *context)
{
    confined *self = confined_of(db);
    if (self == NULL)
        return;
    self->deadline_ms = limit_ms > 0 ? tbk_clock_monotonic_ms() + limit_ms : 0;
    self->asked_ms = 0;
    self->may_go_on = may_go_on;
    self->context = context;
}

static bool go_on(void *report, tbk_error *err) { return tbk_report_go_on(report, err); }

void tbk_sqlite_heed(sqlite3 *db, const tbk_report *report)
{
    tbk_sqlite_watch(db, OPEN_LIMIT_MS, report != NULL ? go_on : NULL, (void *)(uintptr_t)report);
}

bool tbk_sqlite_was_stopped(sqlite3 *db, tbk_error *err)
{
    confined *self = confined_of(db);
    if (self == NULL || self->stop.code == TBK_E_OK)
        return false;
    *err = self->stop;
    self->stop = (tbk_error){.code = TBK_E_OK};
    return true;
}

static void confine(sqlite3 *db, confined *self)
{
    static const struct setting {
        int which, value;
    } SETTINGS[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
    };
    for (size_t i = 0; i < sizeof SETTINGS / sizeof *SETTINGS; i++)
        (void)sqlite3_db_config(db, SETTINGS[i].which, SETTINGS[i].value, NULL);
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++)
        (void)sqlite3_limit(db, LIMITS[i].which, LIMITS[i].most);
    /* No virtual table is ever connected, whatever the schema says; what one stores is in ordinary
     * tables. */
    (void)sqlite3_drop_modules(db, NULL);
    tbk_sqlite_authorize(db, NULL, NULL);
    self->memory_before = sqlite3_memory_used();
    sqlite3_progress_handler(db, WATCH_OPERATIONS, look_around, self);
    tbk_sqlite_watch(db, OPEN_LIMIT_MS, NULL, NULL);
}

/* --- open and close --- */

static bool open_confined(confined *self, const char *path, int flags, sqlite3 **out,
                          tbk_error *err)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_vfs_register(&self->vfs, 0);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_EXRESCODE, self->name);
    /* The connection keeps its pointer; no other one finds it by its name. */
    (void)sqlite3_vfs_unregister(&self->vfs);
    if (rc == SQLITE_OK) {
        confine(db, self);
        *out = db;
        return true;
    }
    if (self->stop.code != TBK_E_OK)
        *err = self->stop;
    else
        (void)tbk_sqlite_fail(db, rc, err, "cannot open the database '%s'", path);
    (void)sqlite3_close(db);
    return false;
}

static bool open_with(const char *path, int flags, bool is_alone, sqlite3 **out, tbk_error *err)
{
    confined *self = confined_new(is_alone);
    if (self == NULL)
        return tbk_fail(err, TBK_E_UNSUPPORTED, NULL, "this SQLite has no VFS 'unix'");
    if (open_confined(self, path, flags, out, err))
        return true;
    free(self);
    return false;
}

bool tbk_sqlite_open(const char *path, int flags, sqlite3 **out, tbk_error *err)
{
    return open_with(path, flags, false, out, err);
}

bool tbk_sqlite_open_alone(const char *path, sqlite3 **out, tbk_error *err)
{
    return open_with(path, SQLITE_OPEN_READONLY, true, out, err);
}

void tbk_sqlite_close(sqlite3 *db)
{
    confined *self = confined_of(db);
    if (sqlite3_close(db) == SQLITE_OK)
        free(self);
}
