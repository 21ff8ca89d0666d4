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
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define INCOMING "incoming"
#define PARTIAL ".partial"
#define PHASE "offsite"
#define SPARE_BYTES ((uint64_t)64 << 20)
#define DAY_S 86400

/* --- which --- */

static bool find_set(tbk_arena *arena, const tbk_offsite_request *request, const char *name,
                     const char *set, const tbk_snapshot **out, tbk_error *err)
{
    const tbk_repository *it = request->repository;
    bool is_latest = strcmp(set, "latest") == 0;
    tbk_snapshot *snapshots = NULL;
    const char *id = NULL;
    if (!offsite_reach(it, arena, false, &id, err) || !it->list(it->self, arena, &snapshots, err))
        return false;
    for (const tbk_snapshot *at = snapshots; at != NULL; at = at->next) {
        bool is_it = is_latest ? !tbk_retention_is_future(at->time_s, request->now_s)
                               : strcmp(at->set, set) == 0;
        if (is_it && strcmp(at->name, name) == 0) {
            *out = at;
            return true;
        }
    }
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

bool tbk_offsite_fetch(tbk_arena *arena, const tbk_offsite_request *request, const char *name,
                       const char *set, const char **out_path, tbk_error *err)
{
    const char *parent = tbk_arena_format(arena, "%s/" INCOMING, request->folder);
    const tbk_snapshot *snapshot = NULL;
    const char *reason = NULL;
    tbk_manifest manifest;
    if (!find_set(arena, request, name, set, &snapshot, err) ||
        !offsite_examine(arena, request->repository, snapshot, &manifest, &reason, err))
        return false;
    if (reason != NULL)
        return tbk_fail(err, TBK_E_UNPROVED, "fetch another set", "set %s off-site: %s",
                        snapshot->set, reason);
    const char *path = tbk_arena_format(arena, "%s/%s", parent, snapshot->set);
    const char *partial = tbk_arena_format(arena, "%s" PARTIAL, path);
    tbk_error ignored;
    *out_path = path;
    if (access(path, F_OK) == 0 && prove(arena, request, path, &ignored))
        return true; /* it is there from before */
    if (!tbk_directory_make(parent, 0755, err) || !tbk_directory_make(partial, 0750, err) ||
        !check_space(parent, tbk_manifest_stored_bytes(&manifest), err))
        return false;
    tbk_report_log(request->report, TBK_LOG_INFO, PHASE, "set %s is fetched", snapshot->set);
    return request->repository->restore(request->repository->self, snapshot, partial, err) &&
           seal(partial, err) && prove(arena, request, partial, err) &&
           tbk_directory_remove_at(AT_FDCWD, path, err) && publish(parent, partial, path, err);
}

/* --- afterwards --- */

void offsite_tidy_incoming(const offsite_work *work)
{
    const char *path = tbk_arena_format(work->arena, "%s/" INCOMING, work->request->folder);
    int64_t keep_s = work->request->config->keep_days * DAY_S;
    tbk_auto(DIR) *folder = opendir(path);
    if (folder == NULL)
        return;
    for (const struct dirent *item; (item = readdir(folder)) != NULL;) {
        struct stat status;
        tbk_error ignored;
        if (item->d_name[0] == '.' ||
            fstatat(dirfd(folder), item->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            work->request->now_s - (int64_t)status.st_mtime < keep_s)
            continue;
        (void)!tbk_directory_remove_at(dirfd(folder), item->d_name, &ignored);
    }
}
