/* SPDX-License-Identifier: MIT */
/* The copy of a database without writers: the file and its journal or log, at disk speed. */
#include "database/sqlite/sqlite_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Measured on ext4, 2 GB, cold: the kernel's own copy in large pieces is as fast as cp and steady;
 * by hand, a buffer that fits the processor's cache beats a large one. Between two chunks the copy
 * can be stopped, so a chunk stays well below a second on a slow disk. */
#define KERNEL_CHUNK_BYTES (16u << 20)
#define BUFFER_BYTES (128u << 10)

static bool write_failed(int errno_value, const char *target, tbk_error *err)
{
    bool space = errno_value == ENOSPC || errno_value == EDQUOT;
    return tbk_fail_errno(err, space ? TBK_E_SPACE : TBK_E_IO, errno_value,
                          space ? "make room in the store" : NULL, "cannot write the copy '%s'",
                          target);
}

static bool between_chunks(tbk_sqlite_copying *copying, tbk_error *err)
{
    tbk_report_progress(copying->report, "capture", copying->done_bytes, copying->total_bytes);
    return tbk_report_go_on(copying->report, err) &&
           (copying->may_go_on == NULL || copying->may_go_on(copying->self, err));
}

static bool copy_by_buffer(int source, int target_fd, const char *target,
                           tbk_sqlite_copying *copying, tbk_error *err)
{
    tbk_auto_free char *buffer = malloc(BUFFER_BYTES);
    if (buffer == NULL)
        return tbk_fail(err, TBK_E_FAILED, "free some memory", "no memory for the copy's buffer");
    for (uint64_t since_check = 0;;) {
        ssize_t got = read(source, buffer, BUFFER_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return tbk_fail_errno(err, TBK_E_IO, errno, "look for disk errors in the system's log",
                                  "cannot read the database");
        if (got == 0)
            return true;
        for (ssize_t written = 0; written < got;) {
            ssize_t n = write(target_fd, buffer + written, (size_t)(got - written));
            if (n < 0 && errno != EINTR)
                return write_failed(errno, target, err);
            written += n > 0 ? n : 0;
        }
        copying->done_bytes += (uint64_t)got;
        since_check += (uint64_t)got;
        if (since_check < KERNEL_CHUNK_BYTES)
            continue;
        since_check = 0;
        if (!between_chunks(copying, err))
            return false;
    }
}

static bool is_not_for_kernel(int errno_value)
{
    return errno_value == EXDEV || errno_value == EINVAL || errno_value == ENOSYS ||
           errno_value == EOPNOTSUPP || errno_value == EPERM || errno_value == EBADF;
}

/* The kernel's copy reports bad media and a full disk alike as EIO or ENOSPC; both end here. */
static bool copy_all(int source, int target_fd, const char *target, tbk_sqlite_copying *copying,
                     tbk_error *err)
{
    for (;;) {
        ssize_t got = copy_file_range(source, NULL, target_fd, NULL, KERNEL_CHUNK_BYTES, 0);
        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && is_not_for_kernel(errno))
            return copy_by_buffer(source, target_fd, target, copying, err);
        if (got < 0)
            return write_failed(errno, target, err);
        copying->done_bytes += (uint64_t)got;
        if (!between_chunks(copying, err))
            return false;
    }
    /* Some file systems answer 0 where they cannot do it: an end is believed only from read(). */
    return copy_by_buffer(source, target_fd, target, copying, err);
}

bool tbk_sqlite_copy_file(int source, const char *target, tbk_sqlite_copying *copying,
                          tbk_error *err)
{
    tbk_auto_fd int target_fd =
        open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (target_fd < 0)
        return write_failed(errno, target, err);
    if (lseek(source, 0, SEEK_SET) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read the database");
    (void)posix_fadvise(source, 0, 0, POSIX_FADV_SEQUENTIAL);
    return copy_all(source, target_fd, target, copying, err) && between_chunks(copying, err);
}

/* The inode that stands under the path must be the one that was copied: an upgrade or a restore may
 * have put another file there meanwhile. */
static bool is_still(int fd, const char *path, tbk_error *err)
{
    struct stat copied, named;
    if (fstat(fd, &copied) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", path);
    if (stat(path, &named) != 0 || copied.st_ino != named.st_ino || copied.st_dev != named.st_dev)
        return tbk_fail(err, TBK_E_BUSY, "try again when nothing replaces the database",
                        "another file was put in the place of '%s' during the copy", path);
    return true;
}

/*
 * A journal of a transaction over several databases ends with the name of their common journal,
 * which SQLite opens and deletes, whatever the journal begins with. And beside the copy the real
 * one would lead nowhere: SQLite would take the journal for a finished one, and half a
 * transaction would stay in the copy.
 * Source: sqlite.org/fileformat2.html#the_rollback_journal, sqlite.org/atomiccommit.html §5.
 */
static bool names_another(int journal, uint64_t journal_bytes)
{
    static const unsigned char magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    unsigned char last[8];
    return journal_bytes >= 16 && pread(journal, last, 8, (off_t)journal_bytes - 8) == 8 &&
           memcmp(last, magic, 8) == 0;
}

static bool copy_companion(const char *path, const char *target, const char *suffix,
                           tbk_sqlite_copying *copying, tbk_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (!tbk_sqlite_companion(path, suffix, from, err) ||
        !tbk_sqlite_companion(target, suffix, to, err))
        return false;
    /* One that an earlier run left would be taken for this copy's. */
    if (unlink(to) != 0 && errno != ENOENT)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot remove '%s'", to);
    tbk_auto_fd int fd = -1;
    tbk_error why;
    struct stat status;
    if (!tbk_sqlite_open_file(path, suffix, &fd, &why)) {
        if (why.code != TBK_E_NOT_FOUND)
            *err = why;
        return why.code == TBK_E_NOT_FOUND;
    }
    if (fstat(fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", from);
    if (names_another(fd, (uint64_t)status.st_size))
        return tbk_fail(err, TBK_E_BUSY, "try again: such a transaction lasts an instant",
                        "'%s' belongs to a transaction over several databases", from);
    return tbk_sqlite_copy_file(fd, to, copying, err) && is_still(fd, from, err);
}

/*
 * What every write changes. A tracker that is started or resumed during the copy (by an operator,
 * the deployer's 'up', a program that restarts the unhealthy), or a second writer outside of the
 * hold, would leave a torn copy that nothing but its content tells from a good one. The kernel's
 * times have steps of up to 10 ms: to hold a container takes longer, so the last write before the
 * hold and the first after it never share one.
 */
#define SIGHTED_FILES 3

typedef struct sighting {
    struct stat files[SIGHTED_FILES]; /* all zero where there is none */
} sighting;

static bool look(const char *path, sighting *out, tbk_error *err)
{
    static const char *const suffixes[SIGHTED_FILES] = {"", "-journal", "-wal"};
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < SIGHTED_FILES; i++) {
        char name[PATH_MAX];
        if (!tbk_sqlite_companion(path, suffixes[i], name, err))
            return false;
        if (stat(name, &out->files[i]) != 0 && errno != ENOENT)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", name);
    }
    return true;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool nobody_wrote(const char *path, const sighting *before, tbk_error *err)
{
    sighting now;
    if (!look(path, &now, err))
        return false;
    for (size_t i = 0; i < SIGHTED_FILES; i++)
        if (!is_same(&before->files[i], &now.files[i]))
            return tbk_fail(
                err, TBK_E_BUSY,
                "see what started the tracker, or else wrote to its database, meanwhile",
                "'%s' was written during the copy, which is discarded", path);
    return true;
}

bool tbk_sqlite_copy_held(const char *path, const char *target, const tbk_report *report,
                          tbk_error *err)
{
    tbk_sqlite_copying copying = {.report = report};
    sighting before;
    if (!tbk_sqlite_size(path, &copying.total_bytes, err) || !look(path, &before, err))
        return false;
    tbk_auto_fd int fd = -1;
    return tbk_sqlite_open_file(path, "", &fd, err) &&
           copy_companion(path, target, "-journal", &copying, err) &&
           copy_companion(path, target, "-wal", &copying, err) &&
           tbk_sqlite_copy_file(fd, target, &copying, err) && is_still(fd, path, err) &&
           nobody_wrote(path, &before, err);
}
