/* SPDX-License-Identifier: MIT */
/*
 * The copy of a database that others may be using, under SQLite's own locks.
 *
 * Closing any descriptor of a database drops all locks that the process has on it. So the
 * descriptor that the bytes are read from is opened before SQLite's and closed after it, and
 * nothing else here opens the file.
 */
#include "base/memory.h"
#include "database/sqlite/sqlite_copy.h"
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Source: "Locking byte page" in sqlite.org/fileformat2.html, and os.h of SQLite. */
#define PENDING_BYTE 0x40000000
#define RESERVED_BYTE (PENDING_BYTE + 1)
#define BUSY_TIMEOUT_MS 5000
#define WAL_STEP_PAGES 1024
#define READER_TRIES 5
#define READER_WAIT_NS 200000000 /* 200 ms */

struct tbk_sqlite_reader {
    sqlite3 *db;
    int fd;        /* the database */
    int directory; /* its folder: listed even without permission to open files in it */
    char path[PATH_MAX];
};

void tbk_sqlite_reader_close(tbk_sqlite_reader *reader)
{
    if (reader == NULL)
        return;
    tbk_sqlite_close(reader->db);
    if (reader->fd >= 0)
        (void)close(reader->fd);
    if (reader->directory >= 0)
        (void)close(reader->directory);
    free(reader);
}

static bool open_directory(tbk_sqlite_reader *reader, tbk_error *err)
{
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s", reader->path);
    char *slash = strrchr(folder, '/');
    slash[slash == folder ? 1 : 0] = '\0';
    reader->directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (reader->directory < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot open the folder '%s'", folder);
    return true;
}

/* Where the permission to look is gone, what was opened counts: it is whole, whatever stands there
 * now.
 */
static bool same_file(const tbk_sqlite_reader *reader)
{
    struct stat ours, named;
    if (stat(reader->path, &named) != 0)
        return errno == EACCES;
    return fstat(reader->fd, &ours) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

bool tbk_sqlite_reader_is(const tbk_sqlite_reader *reader, const struct stat *file)
{
    struct stat ours;
    return fstat(reader->fd, &ours) == 0 && ours.st_ino == file->st_ino &&
           ours.st_dev == file->st_dev;
}

/* A first read makes SQLite open the log and its index, if there are any, while permitted.
 */
static bool begin(tbk_sqlite_reader *reader, tbk_error *err)
{
    int64_t objects;
    if (!tbk_sqlite_exec(reader->db, "BEGIN", err))
        return false;
    if (tbk_sqlite_integer(reader->db, "SELECT count(*) FROM sqlite_schema", &objects, err))
        return true;
    (void)sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

static void end(tbk_sqlite_reader *reader)
{
    (void)sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
}

static bool open_files(tbk_sqlite_reader *reader, const tbk_report *report, tbk_error *err)
{
    if (!tbk_sqlite_open_file(reader->path, "", &reader->fd, err) || !open_directory(reader, err) ||
        !tbk_sqlite_open(reader->path, SQLITE_OPEN_READONLY, &reader->db, err))
        return false;
    /* The original is only read: closing must not write its log back into it. */
    (void)sqlite3_db_config(reader->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_busy_timeout(reader->db, BUSY_TIMEOUT_MS);
    tbk_sqlite_heed(reader->db, report);
    if (!begin(reader, err))
        return tbk_error_context(err, "reading '%s'", reader->path);
    bool same = same_file(reader);
    end(reader);
    tbk_sqlite_watch(reader->db, 0, NULL, NULL); /* it is read much later */
    if (!same)
        return tbk_fail(err, TBK_E_BUSY, "try again when nothing replaces the database",
                        "'%s' was replaced while it was opened", reader->path);
    return true;
}

static bool open_reader(const char *path, const tbk_report *report, tbk_sqlite_reader **out,
                        tbk_error *err)
{
    tbk_sqlite_facts facts;
    if (!tbk_sqlite_inspect(path, &facts, err))
        return false;
    tbk_auto(tbk_sqlite_reader) *reader = tbk_memory_new(sizeof *reader);
    reader->fd = reader->directory = -1;
    if (!tbk_sqlite_companion(path, "", reader->path, err))
        return false;
    if (reader->path[0] != '/')
        return tbk_fail(err, TBK_E_IO, NULL, "cannot resolve the path '%s'", path);
    if (!open_files(reader, report, err))
        return false;
    *out = reader;
    reader = NULL;
    return true;
}

bool tbk_sqlite_reader_open(const char *path, tbk_sqlite_reader **out, tbk_error *err)
{
    return open_reader(path, NULL, out, err);
}

static bool is_locked_by_another(int fd, off_t byte)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* A writer that waits for us holds PENDING: all later readers would wait as well. */
static bool gives_way(void *self, tbk_error *err)
{
    const tbk_sqlite_reader *reader = self;
    if (!is_locked_by_another(reader->fd, PENDING_BYTE))
        return true;
    return tbk_fail(err, TBK_E_BUSY,
                    "back up when no process writes, or let the hook hold the tracker",
                    "gave way to a program that writes to '%s'", reader->path);
}

static bool has_journal(const tbk_sqlite_reader *reader, bool *out, tbk_error *err)
{
    int fd = openat(reader->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fd = dup(reader->directory);
    tbk_auto(DIR) *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (directory == NULL)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot list the folder of '%s'",
                              reader->path);
    rewinddir(directory);
    const char *name = strrchr(reader->path, '/') + 1;
    size_t length = strlen(name);
    *out = false;
    for (struct dirent *entry; !*out && (entry = readdir(directory)) != NULL;)
        *out = strncmp(entry->d_name, name, length) == 0 &&
               strcmp(entry->d_name + length, "-journal") == 0;
    return true;
}

/*
 * SQLite looks for the journal of a crashed writer by its path, and takes "not allowed to look" for
 * "none". So where the folder can no longer be entered, its listing is asked: a journal that is
 * there while no process holds RESERVED is left over.
 */
static bool has_no_crashed_writer(const tbk_sqlite_reader *reader, tbk_error *err)
{
    bool journal;
    if (faccessat(reader->directory, ".", X_OK, AT_EACCESS) == 0)
        return true;
    if (!has_journal(reader, &journal, err))
        return false;
    if (!journal || is_locked_by_another(reader->fd, RESERVED_BYTE))
        return true;
    return tbk_fail(err, TBK_E_BUSY, "start the program that owns it, so that it is rolled back",
                    "'%s' has a journal that no writer is using", reader->path);
}

static bool copy_shared(tbk_sqlite_reader *reader, const char *target, const tbk_report *report,
                        tbk_error *err)
{
    struct stat status;
    if (!has_no_crashed_writer(reader, err))
        return false;
    if (fstat(reader->fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", reader->path);
    tbk_sqlite_copying copying = {.report = report,
                                  .may_go_on = gives_way,
                                  .self = reader,
                                  .total_bytes = (uint64_t)status.st_size};
    return tbk_sqlite_copy_file(reader->fd, target, &copying, err);
}

static bool steps(tbk_sqlite_reader *reader, sqlite3 *to, const tbk_report *report, tbk_error *err)
{
    int64_t page_size;
    if (!tbk_sqlite_integer(reader->db, "PRAGMA page_size", &page_size, err))
        return false;
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", reader->db, "main");
    if (backup == NULL)
        return tbk_sqlite_fail(to, sqlite3_errcode(to), err, "cannot copy '%s'", reader->path);
    bool ok = true;
    int rc = SQLITE_OK;
    while (ok && rc == SQLITE_OK) {
        rc = sqlite3_backup_step(backup, WAL_STEP_PAGES);
        int64_t pages = sqlite3_backup_pagecount(backup);
        tbk_report_progress(report, "capture",
                            (uint64_t)((pages - sqlite3_backup_remaining(backup)) * page_size),
                            (uint64_t)(pages * page_size));
        ok = tbk_report_go_on(report, err);
    }
    (void)sqlite3_backup_finish(backup);
    if (ok && rc != SQLITE_DONE)
        return tbk_sqlite_fail(NULL, rc, err, "cannot copy '%s'", reader->path);
    return ok;
}

/* Our read transaction pins one state of the log, so that writers need not wait, and do not make
 * the copy begin again. */
static bool copy_wal(tbk_sqlite_reader *reader, const char *target, const tbk_report *report,
                     tbk_error *err)
{
    tbk_auto(sqlite3) *to = NULL;
    int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                              "cannot write the copy '%s'", target);
    (void)close(fd);
    return tbk_sqlite_open(target, SQLITE_OPEN_READWRITE, &to, err) &&
           tbk_sqlite_exec(to, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF;", err) &&
           steps(reader, to, report, err);
}

static bool copy(tbk_sqlite_reader *reader, const char *target, const tbk_report *report,
                 tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *mode = NULL;
    if (!begin(reader, err))
        return false;
    bool ok = same_file(reader) ||
              tbk_fail(err, TBK_E_BUSY, "try again", "'%s' was replaced meanwhile", reader->path);
    int rc = sqlite3_prepare_v2(reader->db, "PRAGMA journal_mode", -1, &mode, NULL);
    if (ok && (rc != SQLITE_OK || (rc = sqlite3_step(mode)) != SQLITE_ROW))
        ok = tbk_sqlite_fail(reader->db, rc, err, "cannot read '%s'", reader->path);
    if (ok && strcmp((const char *)sqlite3_column_text(mode, 0), "wal") == 0)
        ok = copy_wal(reader, target, report, err);
    else if (ok)
        ok = copy_shared(reader, target, report, err);
    ok = ok && (same_file(reader) || tbk_fail(err, TBK_E_BUSY, "try again",
                                              "'%s' was replaced meanwhile", reader->path));
    (void)sqlite3_reset(mode);
    end(reader);
    return ok;
}

bool tbk_sqlite_reader_copy(tbk_sqlite_reader *reader, const char *target, tbk_error *err)
{
    for (int attempt = 1;; attempt++) {
        tbk_error why;
        if (copy(reader, target, NULL, &why))
            return true;
        (void)unlink(target);
        if (why.code != TBK_E_BUSY || attempt == READER_TRIES) {
            *err = why;
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = READER_WAIT_NS}, NULL);
    }
}

bool tbk_sqlite_copy_locked(const char *path, const char *target, const tbk_report *report,
                            tbk_error *err)
{
    tbk_auto(tbk_sqlite_reader) *reader = NULL;
    return open_reader(path, report, &reader, err) && copy(reader, target, report, err);
}
