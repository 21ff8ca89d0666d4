/* SPDX-License-Identifier: MIT */
/* Whole files: reads them with a limit, publishes them by temporary file, sync and rename. */
#include "base/file.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { READ_BYTES = 16 * 1024, TREE_LEVELS = 64 };

static tbk_error_code code_of_errno(int errno_value)
{
    return errno_value == ENOSPC || errno_value == EDQUOT ? TBK_E_SPACE : TBK_E_IO;
}

/* --- reading --- */

static bool fail_unreadable(const char *path, tbk_error *err)
{
    return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read '%s'", path);
}

static bool fail_not_regular(const char *path, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CONFIG, NULL, "'%s' is not a regular file", path);
}

static bool fail_too_large(const char *path, size_t limit_bytes, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CONFIG, NULL, "'%s' is larger than %zu bytes", path, limit_bytes);
}

ssize_t tbk_file_read_some(int fd, void *buffer, size_t size_bytes)
{
    ssize_t got = 0;
    do
        got = read(fd, buffer, size_bytes);
    while (got < 0 && errno == EINTR);
    return got;
}

static bool read_all(int fd, const char *path, size_t limit_bytes, tbk_text *text, tbk_error *err)
{
    char buffer[READ_BYTES];
    ssize_t got = 0;
    while ((got = tbk_file_read_some(fd, buffer, sizeof buffer)) > 0) {
        if ((size_t)got > limit_bytes - text->length) /* it grows, or is one of /proc's */
            return fail_too_large(path, limit_bytes, err);
        tbk_text_append_bytes(text, buffer, (size_t)got);
    }
    if (got < 0)
        return fail_unreadable(path, err);
    explicit_bzero(buffer, sizeof buffer);
    return true;
}

bool tbk_file_read_open(tbk_arena *arena, int fd, const char *path, size_t limit_bytes,
                        char **out_bytes, size_t *out_length, tbk_error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fail_unreadable(path, err);
    if (!S_ISREG(status.st_mode))
        return fail_not_regular(path, err);
    if ((uint64_t)status.st_size > limit_bytes)
        return fail_too_large(path, limit_bytes, err);

    tbk_auto_text text = {0};
    if (!read_all(fd, path, limit_bytes, &text, err))
        return false;
    *out_bytes = tbk_arena_copy_bytes(arena, text.bytes, text.length);
    *out_length = text.length;
    return true;
}

bool tbk_file_read_at(tbk_arena *arena, int directory, const char *path, size_t limit_bytes,
                      char **out_bytes, size_t *out_length, tbk_error *err)
{
    /* Without O_NONBLOCK a named pipe would be waited for. */
    tbk_auto_fd int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_unreadable(path, err);
    return tbk_file_read_open(arena, fd, path, limit_bytes, out_bytes, out_length, err);
}

bool tbk_file_read(tbk_arena *arena, const char *path, size_t limit_bytes, char **out_bytes,
                   size_t *out_length, tbk_error *err)
{
    return tbk_file_read_at(arena, AT_FDCWD, path, limit_bytes, out_bytes, out_length, err);
}

static bool fail_open(int errno_value, const char *path, tbk_error *err)
{
    if (errno_value == ELOOP)
        return fail_not_regular(path, err);
    return tbk_fail_errno(err, errno_value == ENOENT ? TBK_E_NOT_FOUND : TBK_E_IO, errno_value,
                          NULL, "cannot read '%s'", path);
}

bool tbk_file_open_shown(int directory, const char *path, const char *shown, int *out_fd,
                         tbk_error *err)
{
    tbk_auto_fd int fd =
        openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return fail_open(errno, shown, err);
    if (!S_ISREG(status.st_mode))
        return fail_not_regular(shown, err);
    *out_fd = fd;
    fd = -1;
    return true;
}

bool tbk_file_open_at(int directory, const char *path, int *out_fd, tbk_error *err)
{
    return tbk_file_open_shown(directory, path, path, out_fd, err);
}

bool tbk_file_open(const char *path, int *out_fd, tbk_error *err)
{
    return tbk_file_open_at(AT_FDCWD, path, out_fd, err);
}

/* --- writing --- */

bool tbk_file_write_all(int fd, const void *bytes, size_t length, tbk_error *err)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = write(fd, at, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return tbk_fail_errno(err, code_of_errno(errno), errno, NULL, "cannot write");
        at += written;
        length -= (size_t)written;
    }
    return true;
}

bool tbk_file_cannot_sync_directory(int errno_value)
{
    return errno_value == EINVAL || errno_value == ENOTSUP;
}

bool tbk_file_cannot_set_mode(int errno_value)
{
    return errno_value == EPERM || errno_value == ENOTSUP;
}

bool tbk_directory_sync(int directory)
{
    return fsync(directory) == 0 || tbk_file_cannot_sync_directory(errno);
}

bool tbk_file_set_mode(int fd, mode_t mode)
{
    return fchmod(fd, mode) == 0 || tbk_file_cannot_set_mode(errno);
}

static bool fill_and_rename(int directory, const char *temporary, const char *name,
                            const void *bytes, size_t length, mode_t mode, tbk_error *err)
{
    /* First removes what an interrupted run left: O_EXCL then follows no link of another user. */
    (void)unlinkat(directory, temporary, 0);
    tbk_auto_fd int fd =
        openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return tbk_fail_errno(err, code_of_errno(errno), errno, NULL, "cannot create '%s'",
                              temporary);
    if (!tbk_file_write_all(fd, bytes, length, err))
        return false;
    if (!tbk_file_set_mode(fd, mode) || fsync(fd) != 0 ||
        renameat(directory, temporary, directory, name) != 0 || !tbk_directory_sync(directory))
        return tbk_fail_errno(err, code_of_errno(errno), errno, NULL, "cannot put it in place");
    return true;
}

bool tbk_file_publish_at(int directory, const char *name, const void *bytes, size_t length,
                         mode_t mode, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *slash = strrchr(name, '/');
    const char *base = slash != NULL ? slash + 1 : name;
    const char *parent =
        slash == NULL ? "." : tbk_arena_copy_bytes(arena, name, (size_t)(base - name));
    tbk_auto_fd int fd = openat(directory, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot write '%s'", name);
    const char *temporary = tbk_arena_format(arena, "%s~", base);
    if (!fill_and_rename(fd, temporary, base, bytes, length, mode, err)) {
        (void)unlinkat(fd, temporary, 0);
        return tbk_error_context(err, "writing '%s'", name);
    }
    return true;
}

bool tbk_file_publish(const char *path, const void *bytes, size_t length, mode_t mode,
                      tbk_error *err)
{
    return tbk_file_publish_at(AT_FDCWD, path, bytes, length, mode, err);
}

/* --- directories --- */

static bool make_one(const char *path, mode_t mode, tbk_error *err)
{
    if (mkdir(path, mode) == 0) {
        /* The umask may have taken bits away. */
        if (chmod(path, mode) != 0 && !tbk_file_cannot_set_mode(errno))
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot set the mode of '%s'", path);
        return true;
    }
    int cause = errno;
    struct stat status;
    if (cause == EEXIST && stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return true;
        cause = ENOTDIR;
    }
    return tbk_fail_errno(err, code_of_errno(cause), cause, NULL, "cannot make the directory '%s'",
                          path);
}

bool tbk_directory_make(const char *path, mode_t mode, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    char *part = tbk_arena_copy(arena, path);
    for (char *at = part; *at != '\0'; at++) {
        if (*at != '/' || at == part)
            continue;
        *at = '\0';
        if (!make_one(part, mode, err))
            return false;
        *at = '/';
    }
    return make_one(part, mode, err);
}

static bool remove_tree(int directory, const char *name, int levels_left, tbk_error *err);

static bool remove_children(DIR *open_directory, const char *name, int levels_left, tbk_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(open_directory);
        if (entry == NULL && errno != 0)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot list '%s'", name);
        if (entry == NULL)
            return true;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!remove_tree(dirfd(open_directory), entry->d_name, levels_left - 1, err))
            return tbk_error_context(err, "in '%s'", name);
    }
}

static bool remove_tree(int directory, const char *name, int levels_left, tbk_error *err)
{
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot remove '%s'", name);
    if (levels_left == 0)
        return tbk_fail(err, TBK_E_IO, "remove it by hand", "'%s' is nested too deeply", name);

    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    tbk_auto(DIR) *open_directory = fd < 0 ? NULL : fdopendir(fd);
    if (open_directory == NULL) {
        tbk_auto_end_fd(&fd);
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot open '%s'", name);
    }
    if (!remove_children(open_directory, name, levels_left, err))
        return false;
    if (unlinkat(directory, name, AT_REMOVEDIR) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot remove '%s'", name);
    return true;
}

bool tbk_directory_remove_at(int directory, const char *name, tbk_error *err)
{
    return remove_tree(directory, name, TREE_LEVELS, err);
}
