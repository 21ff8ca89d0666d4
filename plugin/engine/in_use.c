/* SPDX-License-Identifier: MIT */
/* Compares device and inode: names lie where a file was replaced, or is mounted elsewhere. */
#include "engine/in_use.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#define PHASE "begin"
#define POLL_NS 500000000L

#define OTHER_FIX                                                                                  \
    "'torrust-backup status' says what it has open. Where the file was moved or replaced under "   \
    "the running tracker, save what it has open now, then restart it; where it uses another "      \
    "path, mount or driver, correct the environment and run 'torrust-backup configure'"

static void warn(const tbk_report *report, const char *path, const char *why)
{
    tbk_report_log(report, TBK_LOG_WARNING, PHASE,
                   "could not look whether '%s' is the database that the tracker uses: %s", path,
                   why);
}

/* A file that is not there is none of those that are open. */
static tbk_file_match look(const tbk_open_files *files, const char *path, tbk_file_id *out_id,
                           int *out_errno)
{
    struct stat status;
    *out_errno = stat(path, &status) == 0 ? 0 : errno;
    if (*out_errno != 0)
        return *out_errno == ENOENT ? TBK_FILE_NOT_AMONG : TBK_FILE_PERHAPS;
    *out_id = (tbk_file_id){.device = status.st_dev, .inode = status.st_ino};
    return tbk_file_id_find(files->list, files->count, out_id);
}

static size_t count_of(const tbk_open_files *files)
{
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++)
        count += files->list[i].inode != 0 ? 1 : 0;
    return count;
}

static bool fail_other(const tbk_open_files *files, const char *path, const tbk_file_id *id,
                       int errno_value, tbk_error *err)
{
    if (errno_value != 0)
        return tbk_fail(err, TBK_E_CONFIG, OTHER_FIX,
                        "the tracker runs, but the database '%s' is not there; it has %zu other "
                        "files open",
                        path, count_of(files));
    return tbk_fail(err, TBK_E_CONFIG, OTHER_FIX,
                    "the tracker runs, but not on the database '%s' (device %" PRIu64
                    ", inode %" PRIu64 "): it has %zu other files open",
                    path, id->device, id->inode, count_of(files));
}

static void note_match(const tbk_open_files *files, tbk_file_match match, const char *path,
                       int errno_value, const tbk_report *report)
{
    if (files->count == 0)
        tbk_report_log(report, TBK_LOG_DETAIL, PHASE, "the tracker does not run");
    else if (match == TBK_FILE_AMONG)
        tbk_report_log(report, TBK_LOG_DETAIL, PHASE, "the tracker has '%s' open", path);
    else if (match == TBK_FILE_NOT_AMONG)
        warn(report, path, "it has more files open than the hook lists");
    else
        warn(report, path,
             errno_value != 0 ? strerrordesc_np(errno_value)
                              : "it has a file of the same number open, on a device that may be "
                                "the same one under another number");
}

typedef struct looking {
    tbk_arena *arena;
    const tbk_tracker_files *tracker;
    const char *path;
    const tbk_report *report;
} looking;

/* *out_settled: there is nothing to wait for. Fails when the answer is "another file". */
static bool look_once(const looking *self, bool *out_settled, tbk_error *err)
{
    tbk_open_files files;
    tbk_file_id id;
    int errno_value;
    *out_settled = true;
    if (!self->tracker->list(self->tracker->self, self->arena, &files, err)) {
        warn(self->report, self->path, err->message);
        return tbk_report_go_on(self->report, err);
    }
    tbk_file_match match = look(&files, self->path, &id, &errno_value);
    bool is_cut = count_of(&files) >= TBK_OPEN_FILES_LISTED_MAX;
    *out_settled = files.count == 0 || is_cut || match != TBK_FILE_NOT_AMONG;
    if (!*out_settled)
        return fail_other(&files, self->path, &id, errno_value, err);
    note_match(&files, match, self->path, errno_value, self->report);
    return true;
}

bool tbk_in_use_check(tbk_arena *arena, const tbk_tracker_files *tracker, const char *database_path,
                      uint32_t wait_ms, const tbk_report *report, tbk_error *err)
{
    if (tracker == NULL || database_path == NULL)
        return true;
    const looking self = {
        .arena = arena, .tracker = tracker, .path = database_path, .report = report};
    int64_t end_ms = tbk_clock_monotonic_ms() + wait_ms;
    for (;;) {
        bool settled, ok = look_once(&self, &settled, err);
        if (settled || tbk_clock_monotonic_ms() >= end_ms)
            return ok;
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
        if (!tbk_report_go_on(report, err))
            return false;
    }
}
