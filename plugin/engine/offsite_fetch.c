/* SPDX-License-Identifier: MIT */
/* A set comes back: into a folder beside, looked at, renamed. */
#include "engine/offsite_internal.h"

#include "base/file.h"
#include "engine/verification.h"
#include "store/set.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define INCOMING "incoming"
#define PARTIAL ".partial"
#define PHASE "offsite"
#define SPARE_BYTES ((uint64_t)64 << 20)
#define BLOCK_BYTES 512 /* what stat(2) counts in */
#define DAY_S 86400

/* --- one at a time --- */

/* Of fetching, and of tidying: what is fetched is not removed while it is looked at. */
static int lock_incoming(const char *parent, int64_t limit_ms, const tbk_report *report,
                         tbk_error *err)
{
    tbk_auto_fd int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)tbk_fail_errno(err, TBK_E_IO, errno, NULL, "opening '%s'", parent);
        return -1;
    }
    if (!offsite_lock(fd, limit_ms, report, "another set is being fetched",
                      "wait until it has ended, and try again", err))
        return -1;
    int locked = fd;
    fd = -1;
    return locked;
}

/* --- the folder --- */

static bool check_space(const char *folder, uint64_t needed_bytes, tbk_error *err)
{
    struct statvfs space;
    if (statvfs(folder, &space) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "looking at '%s'", folder);
    uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    return free_bytes >= needed_bytes ||
           tbk_fail(err, TBK_E_SPACE, "make room on the file system of that folder",
                    "%" PRIu64 " more bytes are needed in '%s', where %" PRIu64 " are free",
                    needed_bytes, folder, free_bytes);
}

/* Of a file that came before, when a fetch broke. */
static uint64_t bytes_there(tbk_arena *arena, const char *folder, const char *name)
{
    struct stat status;
    const char *path = tbk_arena_format(arena, "%s/%s", folder, name);
    return lstat(path, &status) == 0 ? (uint64_t)status.st_blocks * BLOCK_BYTES : 0;
}

static uint64_t add(uint64_t sum, uint64_t more)
{
    return more < UINT64_MAX - sum ? sum + more : UINT64_MAX;
}

/* For all that the snapshot has, of which its manifest may tell less. */
bool offsite_check_room(tbk_arena *arena, const tbk_offsite_request *request,
                        const tbk_snapshot *snapshot, const char *folder, uint64_t more_bytes,
                        tbk_error *err)
{
    const tbk_repository *it = request->repository;
    tbk_snapshot_file *files = NULL;
    uint64_t needed_bytes = more_bytes;
    if (!it->files(it->self, arena, snapshot, &files, err))
        return false;
    for (const tbk_snapshot_file *file = files; file != NULL; file = file->next) {
        uint64_t there = bytes_there(arena, folder, file->name);
        needed_bytes = add(needed_bytes, file->size_bytes > there ? file->size_bytes - there : 0);
    }
    return check_space(folder, needed_bytes, err);
}

/* Its age counts from now: a restore gives a folder the time that it had when it was sent. */
static bool make_young(const char *path, int64_t now_s, tbk_error *err)
{
    const struct timespec times[2] = {{.tv_sec = (time_t)now_s}, {.tv_sec = (time_t)now_s}};
    return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0 ||
           tbk_fail_errno(err, TBK_E_IO, errno, NULL, "writing '%s'", path);
}

static bool open_file(int folder, const char *name, int *out_fd, tbk_error *err)
{
    if (tbk_file_open_at(folder, name, out_fd, err))
        return true;
    if (err->code == TBK_E_CONFIG) /* a link, or no file at all */
        err->code = TBK_E_UNPROVED;
    return tbk_error_context(err, "what was fetched is not what was stored");
}

/* The store's group may read it, as it may read a set of the store. */
static bool seal(const char *path, tbk_error *err)
{
    tbk_auto(DIR) *folder = opendir(path);
    if (folder == NULL)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "opening '%s'", path);
    for (const struct dirent *item; (item = readdir(folder)) != NULL;) {
        tbk_auto_fd int fd = -1;
        if (item->d_name[0] == '.')
            continue;
        if (!open_file(dirfd(folder), item->d_name, &fd, err))
            return false;
        if (fchmod(fd, 0640) != 0 || fsync(fd) != 0)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "writing '%s/%s'", path,
                                  item->d_name);
    }
    if (fchmod(dirfd(folder), 0750) != 0 || !tbk_directory_sync(dirfd(folder)))
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "writing '%s'", path);
    return true;
}

/* Against the manifest of the very snapshot: what another one of this id has brought is another
 * set.
 */
static bool prove(tbk_arena *arena, const tbk_offsite_request *request, const char *path,
                  const tbk_manifest *manifest, tbk_error *err)
{
    tbk_auto(tbk_set) *set = NULL;
    tbk_proof proof;
    if (!tbk_set_open(path, &set, err))
        return false;
    const tbk_prove_request prove = {.set = set,
                                     .manifest = manifest,
                                     .level = TBK_PROOF_CHECKSUMS,
                                     .now_s = request->now_s,
                                     .report = request->report};
    return tbk_prove_set(arena, &prove, &proof, err) &&
           (proof.ok || tbk_fail(err, TBK_E_UNPROVED, "fetch another set",
                                 "what was fetched is not what was stored: %s", proof.reason));
}

static bool publish(const char *parent, const char *from, const char *to, tbk_error *err)
{
    tbk_auto_fd int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || rename(from, to) != 0 || !tbk_directory_sync(fd))
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "renaming '%s'", from);
    return true;
}

/* With what came before, whatever that was: all of it is compared afterwards. */
static bool download(tbk_arena *arena, const tbk_offsite_request *request,
                     const tbk_snapshot *snapshot, const char *folder, tbk_error *err)
{
    const tbk_repository *it = request->repository;
    if (!tbk_directory_make(folder, 0750, err) || !make_young(folder, request->now_s, err) ||
        !offsite_check_room(arena, request, snapshot, folder, SPARE_BYTES, err))
        return false;
    tbk_report_log(request->report, TBK_LOG_INFO, PHASE, "set %s is fetched", snapshot->set);
    return it->restore(it->self, snapshot, folder, err) && make_young(folder, request->now_s, err);
}

static bool bring(tbk_arena *arena, const tbk_offsite_request *request,
                  const tbk_snapshot *snapshot, const tbk_manifest *manifest, const char **out_path,
                  tbk_error *err)
{
    const char *parent = tbk_arena_format(arena, "%s/" INCOMING, request->folder);
    const char *path = tbk_arena_format(arena, "%s/%s", parent, snapshot->set);
    const char *partial = tbk_arena_format(arena, "%s" PARTIAL, path);
    tbk_error ignored;
    *out_path = path;
    if (!tbk_directory_make(parent, 0755, err))
        return false;
    tbk_auto_fd int lock = lock_incoming(parent, OFFSITE_LOCK_WAIT_MS, request->report, err);
    if (lock < 0)
        return false;
    if (access(path, F_OK) == 0 && prove(arena, request, path, manifest, &ignored))
        return make_young(path, request->now_s, err); /* it is there from before */
    if (!download(arena, request, snapshot, partial, err))
        return false;
    if (seal(partial, err) && prove(arena, request, partial, manifest, err))
        return tbk_directory_remove_at(AT_FDCWD, path, err) && publish(parent, partial, path, err);
    if (err->code != TBK_E_INTERRUPTED) /* what is wrong there must not stay for the next one */
        (void)!tbk_directory_remove_at(AT_FDCWD, partial, &ignored);
    return false;
}

/* --- which --- */

/* set: NULL is the latest. */
static bool is_wanted(const tbk_snapshot *snapshot, const char *name, const char *set,
                      int64_t now_s)
{
    return strcmp(snapshot->name, name) == 0 &&
           (set == NULL ? !tbk_retention_is_future(snapshot->time_s, now_s)
                        : strcmp(snapshot->set, set) == 0);
}

/* *out_set is its set from when it is known to be whole: of any other one nothing is fetched. */
static bool try_copy(tbk_arena *arena, const tbk_offsite_request *request,
                     const tbk_snapshot *snapshot, const char **out_set, const char **out_path,
                     tbk_error *err)
{
    const char *reason = NULL;
    tbk_manifest manifest;
    if (!offsite_examine(arena, request->repository, snapshot, &manifest, &reason, err))
        return false;
    if (reason != NULL)
        return tbk_fail(err, TBK_E_UNPROVED, "fetch another set", "set %s off-site: %s",
                        snapshot->set, reason);
    *out_set = snapshot->set;
    return bring(arena, request, snapshot, &manifest, out_path, err);
}

/* A set may be there several times: it was sent anew because one copy is not whole. */
bool tbk_offsite_fetch(tbk_arena *arena, const tbk_offsite_request *request, const char *name,
                       const char *set, const char **out_path, tbk_error *err)
{
    const tbk_repository *it = request->repository;
    const char *wanted = strcmp(set, "latest") == 0 ? NULL : set;
    tbk_snapshot *snapshots = NULL;
    const char *id = NULL, *gap = NULL;
    bool was_tried = false;
    tbk_error why;
    if (!offsite_reach(it, arena, false, &id, err) ||
        !it->list(it->self, arena, &snapshots, &gap, err))
        return false;
    if (gap != NULL)
        tbk_report_log(request->report, TBK_LOG_WARNING, PHASE,
                       "not all copies can be looked at: %s", gap);
    for (const tbk_snapshot *at = snapshots; at != NULL; at = at->next) {
        if (!is_wanted(at, name, wanted, request->now_s))
            continue;
        if (try_copy(arena, request, at, &wanted, out_path, &why))
            return true;
        if (!was_tried || why.code != TBK_E_UNPROVED)
            *err = why;
        if (why.code != TBK_E_UNPROVED)
            return false;
        was_tried = true;
        tbk_report_log(request->report, TBK_LOG_WARNING, PHASE, "%s", why.message);
    }
    /* What could not be looked at may be the one. */
    return was_tried || !offsite_judge_gap(gap, err)
               ? false
               : tbk_fail(err, TBK_E_NOT_FOUND, "'torrust-backup offsite list' shows what is there",
                          "there is no set '%s' of '%s' in '%s'", set, name,
                          request->config->offsite.repository);
}

/* --- afterwards --- */

void offsite_tidy_incoming(const offsite_work *work)
{
    const char *path = tbk_arena_format(work->arena, "%s/" INCOMING, work->request->folder);
    int64_t keep_s = work->request->config->keep_days * DAY_S;
    tbk_auto(DIR) *folder = opendir(path);
    tbk_error busy;
    if (folder == NULL)
        return;
    tbk_auto_fd int lock = lock_incoming(path, 0, NULL, &busy);
    for (const struct dirent *item; lock >= 0 && (item = readdir(folder)) != NULL;) {
        struct stat status;
        tbk_error ignored;
        if (item->d_name[0] == '.' ||
            fstatat(dirfd(folder), item->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            work->request->now_s - (int64_t)status.st_mtime < keep_s)
            continue;
        (void)!tbk_directory_remove_at(dirfd(folder), item->d_name, &ignored);
    }
}
