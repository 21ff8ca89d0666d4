/* SPDX-License-Identifier: MIT */
/* A set comes back: into a folder beside, looked at, renamed. */
#include "engine/offsite_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "engine/verification.h"
#include "store/set.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define INCOMING "incoming"
#define PARTIAL ".partial"
#define PHASE "offsite"
#define SPARE_BYTES ((uint64_t)64 << 20)
#define DAY_S 86400
#define LOCK_WAIT_MS 30000

/* --- one at a time --- */

/* Of fetching, and of tidying: what is fetched is not removed while it is looked at. */
static int lock_incoming(const char *parent, bool waits, tbk_error *err)
{
    const struct timespec pause = {.tv_nsec = 200000000};
    int64_t end_ms = tbk_clock_monotonic_ms() + (waits ? LOCK_WAIT_MS : 0);
    tbk_auto_fd int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)tbk_fail_errno(err, TBK_E_IO, errno, NULL, "opening '%s'", parent);
        return -1;
    }
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (tbk_clock_monotonic_ms() >= end_ms) {
            (void)tbk_fail(err, TBK_E_LOCKED, "wait until it has ended, and try again",
                           "another set is being fetched");
            return -1;
        }
        (void)nanosleep(&pause, NULL);
    }
    int locked = fd;
    fd = -1;
    return locked;
}

/* --- which --- */

static bool is_wanted(const tbk_snapshot *at, const char *name, const char *set, int64_t now_s)
{
    bool is_latest = strcmp(set, "latest") == 0;
    return strcmp(at->name, name) == 0 &&
           (is_latest ? !tbk_retention_is_future(at->time_s, now_s) : strcmp(at->set, set) == 0);
}

/* The first that is whole: of one set there may be several, and the latest may have been cut off.
 */
static bool find_set(tbk_arena *arena, const tbk_offsite_request *request, const char *name,
                     const char *set, const tbk_snapshot **out, tbk_manifest *out_manifest,
                     tbk_error *err)
{
    const tbk_repository *it = request->repository;
    tbk_snapshot *snapshots = NULL;
    const char *id = NULL, *reason = NULL, *damaged = NULL;
    if (!offsite_reach(it, arena, false, &id, err) || !it->list(it->self, arena, &snapshots, err))
        return false;
    for (const tbk_snapshot *at = snapshots; at != NULL; at = at->next) {
        if (!is_wanted(at, name, set, request->now_s))
            continue;
        if (!offsite_examine(arena, it, at, out_manifest, &reason, err))
            return false;
        *out = at;
        if (reason == NULL)
            return true;
        damaged = damaged != NULL ? damaged
                                  : tbk_arena_format(arena, "set %s off-site: %s", at->set, reason);
    }
    if (damaged != NULL)
        return tbk_fail(err, TBK_E_UNPROVED, "fetch another set", "%s", damaged);
    return tbk_fail(err, TBK_E_NOT_FOUND, "'torrust-backup offsite list' shows what is there",
                    "there is no set '%s' of '%s' in '%s'", set, name,
                    request->config->offsite.repository);
}

/* --- the folder --- */

static bool check_space(const char *folder, uint64_t needed_bytes, tbk_error *err)
{
    struct statvfs space;
    if (statvfs(folder, &space) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "looking at '%s'", folder);
    uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    return free_bytes >= needed_bytes + SPARE_BYTES ||
           tbk_fail(err, TBK_E_SPACE, "make room on the file system of '" INCOMING "'",
                    "the set needs %" PRIu64 " bytes in '%s', where %" PRIu64 " are free",
                    needed_bytes, folder, free_bytes);
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
        if (!tbk_file_open_at(dirfd(folder), item->d_name, &fd, err))
            return false;
        if (fchmod(fd, 0640) != 0 || fsync(fd) != 0)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "writing '%s/%s'", path,
                                  item->d_name);
    }
    if (fchmod(dirfd(folder), 0750) != 0 || !tbk_directory_sync(dirfd(folder)))
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "writing '%s'", path);
    return true;
}

static bool prove(tbk_arena *arena, const tbk_offsite_request *request, const char *path,
                  tbk_error *err)
{
    tbk_auto(tbk_set) *set = NULL;
    tbk_manifest manifest;
    tbk_proof proof;
    if (!tbk_set_open(path, &set, err) || !tbk_set_read_manifest(set, arena, &manifest, err))
        return false;
    const tbk_prove_request prove = {.set = set,
                                     .manifest = &manifest,
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

static bool fetch(tbk_arena *arena, const tbk_offsite_request *request,
                  const tbk_snapshot *snapshot, const tbk_manifest *manifest, const char *path,
                  tbk_error *err)
{
    const char *parent = tbk_arena_format(arena, "%s/" INCOMING, request->folder);
    const char *partial = tbk_arena_format(arena, "%s" PARTIAL, path);
    if (!tbk_directory_make(partial, 0750, err) ||
        !check_space(parent, tbk_manifest_stored_bytes(manifest), err))
        return false;
    tbk_report_log(request->report, TBK_LOG_INFO, PHASE, "set %s is fetched", snapshot->set);
    return request->repository->restore(request->repository->self, snapshot, partial, err) &&
           seal(partial, err) && prove(arena, request, partial, err) &&
           tbk_directory_remove_at(AT_FDCWD, path, err) && publish(parent, partial, path, err);
}

bool tbk_offsite_fetch(tbk_arena *arena, const tbk_offsite_request *request, const char *name,
                       const char *set, const char **out_path, tbk_error *err)
{
    const char *parent = tbk_arena_format(arena, "%s/" INCOMING, request->folder);
    const tbk_snapshot *snapshot = NULL;
    tbk_manifest manifest;
    tbk_error ignored;
    if (!find_set(arena, request, name, set, &snapshot, &manifest, err) ||
        !tbk_directory_make(parent, 0755, err))
        return false;
    tbk_auto_fd int lock = lock_incoming(parent, true, err);
    if (lock < 0)
        return false;
    *out_path = tbk_arena_format(arena, "%s/%s", parent, snapshot->set);
    if (access(*out_path, F_OK) == 0 && prove(arena, request, *out_path, &ignored)) {
        (void)utimensat(AT_FDCWD, *out_path, NULL, 0); /* its days begin anew */
        return true;
    }
    return fetch(arena, request, snapshot, &manifest, *out_path, err);
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
    tbk_auto_fd int lock = lock_incoming(path, false, &busy);
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
