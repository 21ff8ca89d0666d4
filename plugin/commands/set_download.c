/* SPDX-License-Identifier: MIT */
/* Files of a set, by the remote port, which knows no sizes. */
#include "commands/set_download.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* The port knows no size beforehand; the manifest does, so a person sees the time left. */
typedef struct watched {
    const tbk_report *report;
    const char *phase;
    uint64_t size_bytes;
} watched;

static void tell_progress(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    const watched *file = self;

    (void)phase;
    (void)total_bytes;
    tbk_report_progress(file->report, file->phase, done_bytes, file->size_bytes);
}

static bool is_cancelled(void *self)
{
    const watched *file = self;

    return file->report != NULL && file->report->cancelled != NULL &&
           file->report->cancelled(file->report->self);
}

uint64_t tbk_set_download_there(const tbk_set_download *download, const char *name,
                                uint64_t limit_bytes)
{
    struct stat status;
    bool is_there = fstatat(download->folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISREG(status.st_mode) && (uint64_t)status.st_size <= limit_bytes;

    return is_there ? (uint64_t)status.st_size : 0;
}

/* At the end of what is there. */
static bool open_file(const tbk_set_download *download, const char *name, uint64_t there_bytes,
                      int *out_fd, tbk_error *err)
{
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
                (there_bytes == 0 ? O_TRUNC : 0);

    *out_fd = openat(download->folder, name, flags, 0600);
    return (*out_fd >= 0 && tbk_file_set_mode(*out_fd, 0600)) ||
           tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                          "cannot write '%s'", name);
}

bool tbk_set_download_file(tbk_arena *arena, const tbk_set_download *download, const char *name,
                           uint64_t limit_bytes, tbk_error *err)
{
    const tbk_remote_rest rest = {.path = tbk_arena_format(arena, "%s/%s", download->from, name),
                                  .there_bytes =
                                      tbk_set_download_there(download, name, limit_bytes),
                                  .limit_bytes = limit_bytes};
    watched file = {.report = download->vm->report,
                    .phase = tbk_arena_format(arena, "fetch %s", name),
                    .size_bytes = limit_bytes};
    const tbk_report report = {.self = &file, .progress = tell_progress, .cancelled = is_cancelled};
    tbk_auto_fd int fd = -1;

    if (!open_file(download, name, rest.there_bytes, &fd, err))
        return false;
    bool ok = (rest.there_bytes > 0 && rest.there_bytes == limit_bytes) ||
              tbk_remote_get_rest(download->vm->remote, &rest, fd, &report, err);
    /* Also of a part, from which the next one goes on. */
    return (fsync(fd) == 0 || !ok ||
            tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                           "cannot write '%s'", name)) &&
           ok;
}
