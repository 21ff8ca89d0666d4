/* SPDX-License-Identifier: MIT */
/* How many configuration files there may be, and how large: of all, and of each path. */
#include "engine/files_internal.h"

#include <inttypes.h>
#include <sys/resource.h>

#define DESCRIPTORS_SPARE 64u /* for what else the process has open, now and later */
#define FILE_BYTES_MAX (UINT64_C(1) << 30)

/* Descriptors may be limited below what there are files. What is left must do for the backup. */
size_t tbk_files_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t wanted = TBK_FILES_ENTRIES_MAX + 4 * DESCRIPTORS_SPARE;
    if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur > DESCRIPTORS_SPARE ? (size_t)limit.rlim_cur - DESCRIPTORS_SPARE : 0;
}

static uint64_t share_of(uint64_t left, uint64_t all, size_t paths, size_t paths_after)
{
    uint64_t reserved = all / 2 / paths * paths_after;
    return left > reserved ? left - reserved : 0;
}

void tbk_files_begin_path(tbk_files_walk *self, const char *path, size_t paths, size_t paths_after)
{
    self->path = path;
    self->is_full = false;
    self->path_left.entries =
        share_of(self->left.entries, TBK_FILES_ENTRIES_MAX, paths, paths_after);
    self->path_left.bytes = share_of(self->left.bytes, TBK_FILES_BYTES_MAX, paths, paths_after);
}

/* Once it says no it says so for the rest of the path. */
bool tbk_files_take_place(tbk_files_walk *self)
{
    if (self->path_left.entries > 0) {
        self->path_left.entries--;
        self->left.entries--;
        return true;
    }
    if (!self->is_full)
        tbk_files_note_lost(self->files, self->path,
                            "not all of it is saved, there are more than %u files in all",
                            TBK_FILES_ENTRIES_MAX);
    self->is_full = true;
    return false;
}

bool tbk_files_take_bytes(tbk_files_walk *self, const char *path, const struct stat *status,
                          unsigned times)
{
    uint64_t size = (uint64_t)status->st_size;
    if (size > FILE_BYTES_MAX) {
        tbk_files_note_lost(self->files, path,
                            "not saved, it has %" PRIu64 " MiB, more than %" PRIu64, size >> 20,
                            FILE_BYTES_MAX >> 20);
        return false;
    }
    if (size * times > self->path_left.bytes) {
        tbk_files_note_lost(self->files, path,
                            "not saved, the files have more than %" PRIu64 " MiB in all",
                            TBK_FILES_BYTES_MAX >> 20);
        return false;
    }
    self->path_left.bytes -= size * times;
    self->left.bytes -= size * times;
    self->files->size_bytes += size * times;
    return true;
}

bool tbk_files_take_descriptors(tbk_files_walk *self, const char *path, size_t count)
{
    if (self->descriptors_left >= count) {
        self->descriptors_left -= count;
        return true;
    }
    tbk_files_note_lost(self->files, path,
                        "not saved, the limit of open files is too low (ulimit -n)");
    return false;
}
