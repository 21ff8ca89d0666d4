/* SPDX-License-Identifier: MIT */
/* A repository in a folder, which fails as it is told to. */
#include "fakes/fake_repository.h"

#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES 4096
#define STALE_S 1800
#define TAGS_MOST 8

/* --- files --- */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "fake repository: %s: %s\n", what, strerror(errno));
    abort();
}

static const char *path_of(tbk_arena *arena, const fake_repository *self, const char *rest)
{
    return tbk_arena_format(arena, "%s/%s", self->folder, rest);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    must(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, path);
}

/* In small pieces, of most_bytes at most. */
static uint64_t copy_file(const fake_repository *self, const char *from, const char *to,
                          uint64_t most_bytes)
{
    char piece[PIECE_BYTES];
    uint64_t done = 0;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    must(in >= 0 && out >= 0, to);
    while (done < most_bytes) {
        ssize_t got = read(in, piece, sizeof piece);
        must(got >= 0 && write(out, piece, (size_t)got) == got, to);
        if (got == 0)
            break;
        done += (uint64_t)got;
        (void)usleep(self->piece_us);
    }
    (void)close(in);
    (void)close(out);
    return done;
}

static uint64_t size_of(const char *path)
{
    struct stat status;
    must(stat(path, &status) == 0, path);
    return (uint64_t)status.st_size;
}

static bool is_database(const char *name) { return strncmp(name, "database.", 9) == 0; }

/* Whether it is there, and how much came: half of the database where that is to break. */
static uint64_t copy_folder(const fake_repository *self, const char *from, const char *to,
                            bool half, bool skips_database)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    uint64_t bytes = 0;
    DIR *folder = opendir(from);
    must(folder != NULL && (mkdir(to, 0700) == 0 || errno == EEXIST), to);
    for (const struct dirent *item; (item = readdir(folder)) != NULL;) {
        const char *source = tbk_arena_format(arena, "%s/%s", from, item->d_name);
        bool is_it = is_database(item->d_name);
        if (item->d_name[0] == '.' || (is_it && skips_database))
            continue;
        bytes += copy_file(self, source, tbk_arena_format(arena, "%s/%s", to, item->d_name),
                           is_it && half ? size_of(source) / 2 : UINT64_MAX);
    }
    (void)closedir(folder);
    return bytes;
}

/* One after the other; the folder stays. */
static void clear_folder(const char *path)
{
    tbk_error err;
    DIR *folder = opendir(path);
    must(folder != NULL, path);
    for (const struct dirent *item; (item = readdir(folder)) != NULL;)
        if (item->d_name[0] != '.')
            must(tbk_directory_remove_at(dirfd(folder), item->d_name, &err), path);
    (void)closedir(folder);
}

static size_t count_in(const fake_repository *self, const char *name)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    size_t count = 0;
    DIR *folder = opendir(path_of(arena, self, name));
    must(folder != NULL, name);
    for (const struct dirent *item; (item = readdir(folder)) != NULL;)
        count += item->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}

/* 64 hexadecimal digits that nothing else here has. */
static const char *new_id(tbk_arena *arena)
{
    static unsigned number;
    struct timespec now;
    tbk_digest digest;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const char *text = tbk_arena_format(arena, "%d %u %lld %ld", (int)getpid(), number++,
                                        (long long)now.tv_sec, now.tv_nsec);
    tbk_digest_of(text, strlen(text), &digest);
    return tbk_arena_copy(arena, digest.hex);
}

/* --- every call --- */

static bool begin(fake_repository *self, const char *call, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    size_t length = strlen(self->calls);
    (void)snprintf(self->calls + length, sizeof self->calls - length, "%s ", call);
    if (self->is_unreachable)
        return tbk_fail(err, TBK_E_NETWORK, NULL, "the repository does not answer");
    if (access(path_of(arena, self, "config"), F_OK) != 0)
        return tbk_fail(err, TBK_E_NOT_FOUND, NULL, "there is no repository");
    return !self->refuses_password ||
           tbk_fail(err, TBK_E_KEY, NULL, "the password is not the repository's");
}

static bool identify(void *self, tbk_arena *arena, const char **out_id, tbk_error *err)
{
    const fake_repository *it = self;
    char *bytes = NULL;
    size_t length = 0;
    if (!begin(self, "identify", err))
        return false;
    must(tbk_file_read(arena, path_of(arena, it, "config"), 100, &bytes, &length, err), "config");
    *out_id = bytes;
    return true;
}

static bool init(void *self, tbk_error *err)
{
    tbk_error why;
    if (begin(self, "init", &why))
        return tbk_fail(err, TBK_E_CONFIG, NULL, "there is a repository already");
    if (why.code != TBK_E_NOT_FOUND) {
        *err = why;
        return false;
    }
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    fake_repository_make(self, new_id(arena));
    return true;
}

/* --- snapshots --- */

static const char *const *split_tags(tbk_arena *arena, char *text)
{
    const char **tags = tbk_arena_alloc(arena, (TAGS_MOST + 1) * sizeof *tags);
    char *rest = NULL;
    size_t count = 0;
    for (char *tag = strtok_r(text, ",", &rest); tag != NULL; tag = strtok_r(NULL, ",", &rest))
        tags[count++] = tag;
    return tags;
}

static tbk_snapshot *read_snapshot(tbk_arena *arena, const fake_repository *self, const char *id)
{
    tbk_error err;
    char *bytes = NULL, *rest = NULL;
    size_t length = 0;
    const char *path = tbk_arena_format(arena, "%s/snapshots/%s/meta", self->folder, id);
    must(tbk_file_read(arena, path, 1000, &bytes, &length, &err), path);
    tbk_snapshot *snapshot = tbk_arena_alloc(arena, sizeof *snapshot);
    *snapshot = (tbk_snapshot){.id = tbk_arena_copy(arena, id)};
    snapshot->name = strtok_r(bytes, "\n", &rest);
    snapshot->set = strtok_r(NULL, "\n", &rest);
    snapshot->tags = split_tags(arena, strtok_r(NULL, "\n", &rest));
    must(tbk_clock_parse_compact(snapshot->set, &snapshot->time_s), snapshot->set);
    return snapshot;
}

/* The newest first; by id where the times are equal. */
static void insert(tbk_snapshot **list, tbk_snapshot *snapshot)
{
    while (*list != NULL &&
           ((*list)->time_s > snapshot->time_s ||
            ((*list)->time_s == snapshot->time_s && strcmp((*list)->id, snapshot->id) < 0)))
        list = &(*list)->next;
    snapshot->next = *list;
    *list = snapshot;
}

static bool list(void *self, tbk_arena *arena, tbk_snapshot **out, const char **out_gap,
                 tbk_error *err)
{
    const fake_repository *it = self;
    if (!begin(self, "list", err))
        return false;
    *out = NULL;
    *out_gap = NULL;
    DIR *folder = opendir(path_of(arena, self, "snapshots"));
    must(folder != NULL, "snapshots");
    for (const struct dirent *item; (item = readdir(folder)) != NULL;) {
        if (item->d_name[0] == '.')
            continue;
        tbk_snapshot *snapshot = read_snapshot(arena, self, item->d_name);
        if (it->hidden != NULL && strcmp(snapshot->set, it->hidden) == 0)
            *out_gap = "a snapshot cannot be loaded";
        else
            insert(out, snapshot);
    }
    (void)closedir(folder);
    return true;
}

void fake_repository_path(const fake_repository *self, const tbk_snapshot *snapshot,
                          const char *file, char out[512])
{
    (void)snprintf(out, 512, "%s/snapshots/%s/%s/%s", self->folder, snapshot->id, snapshot->set,
                   file);
}

static bool files(void *self, tbk_arena *arena, const tbk_snapshot *snapshot,
                  tbk_snapshot_file **out, tbk_error *err)
{
    char path[512];
    if (!begin(self, "files", err))
        return false;
    *out = NULL;
    fake_repository_path(self, snapshot, ".", path);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND, NULL, "there is no such snapshot");
    for (const struct dirent *item; (item = readdir(folder)) != NULL;) {
        if (item->d_name[0] == '.')
            continue;
        tbk_snapshot_file *file = tbk_arena_alloc(arena, sizeof *file);
        fake_repository_path(self, snapshot, item->d_name, path);
        *file = (tbk_snapshot_file){
            .name = tbk_arena_copy(arena, item->d_name), .size_bytes = size_of(path), .next = *out};
        *out = file;
    }
    (void)closedir(folder);
    return true;
}

static bool read_file(void *self, const tbk_snapshot *snapshot, const char *file,
                      bool (*take)(void *taker, const char *bytes, size_t length, tbk_error *err),
                      void *taker, tbk_error *err)
{
    char path[512], piece[PIECE_BYTES];
    ssize_t got;
    if (!begin(self, "read", err))
        return false;
    fake_repository_path(self, snapshot, file, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tbk_fail(err, TBK_E_NOT_FOUND, NULL, "there is no '%s' in it", file);
    while ((got = read(fd, piece, sizeof piece)) > 0) {
        (void)usleep(((fake_repository *)self)->piece_us);
        if (!take(taker, piece, (size_t)got, err))
            break;
    }
    (void)close(fd);
    return got == 0;
}

/* --- locks --- */

void fake_repository_lock(const fake_repository *self, const char *host, int64_t time_s,
                          bool is_exclusive)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *id = new_id(arena);
    const char *hidden = tbk_arena_format(arena, "%s/locks/.%s", self->folder, id);
    write_text(hidden, tbk_arena_format(arena, "%s %" PRId64 " %d", host, time_s, is_exclusive));
    must(rename(hidden, tbk_arena_format(arena, "%s/locks/%s", self->folder, id)) == 0, hidden);
}

static bool locks(void *self, tbk_arena *arena, tbk_repository_lock **out, tbk_error *err)
{
    if (!begin(self, "locks", err))
        return false;
    *out = NULL;
    DIR *folder = opendir(path_of(arena, self, "locks"));
    must(folder != NULL, "locks");
    for (const struct dirent *item; (item = readdir(folder)) != NULL;) {
        tbk_repository_lock *lock = tbk_arena_alloc(arena, sizeof *lock);
        char host[101];
        int exclusive = 0;
        if (item->d_name[0] == '.')
            continue;
        FILE *file = fopen(
            tbk_arena_format(arena, "%s/locks/%s", ((fake_repository *)self)->folder, item->d_name),
            "re");
        *lock = (tbk_repository_lock){.id = tbk_arena_copy(arena, item->d_name), .next = *out};
        must(file != NULL &&
                 fscanf(file, "%100s %" SCNd64 " %d", host, &lock->time_s, &exclusive) == 3,
             "a lock");
        (void)fclose(file);
        lock->host = tbk_arena_copy(arena, host);
        lock->is_exclusive = exclusive != 0;
        *out = lock;
    }
    (void)closedir(folder);
    return true;
}

static void remove_locks(const fake_repository *self, int64_t before_s)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_repository_lock *all = NULL;
    tbk_error err;
    fake_repository quiet = *self;
    quiet.is_unreachable = quiet.refuses_password = false;
    must(locks(&quiet, arena, &all, &err), "locks");
    for (const tbk_repository_lock *lock = all; lock != NULL; lock = lock->next)
        if (lock->time_s < before_s)
            (void)unlink(tbk_arena_format(arena, "%s/locks/%s", self->folder, lock->id));
}

void fake_repository_remove_locks(const fake_repository *self) { remove_locks(self, INT64_MAX); }

static bool unlock(void *self, bool all, tbk_error *err)
{
    fake_repository *it = self;
    if (!begin(self, all ? "unlock-all" : "unlock", err))
        return false;
    remove_locks(it, all ? INT64_MAX : it->now_s - STALE_S);
    return true;
}

/* Takes one, unless that of another stands in its way. */
static bool lock_it(fake_repository *self, bool is_exclusive, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_repository_lock *all = NULL;
    fake_repository quiet = *self;
    must(locks(&quiet, arena, &all, err), "locks");
    for (const tbk_repository_lock *lock = all; lock != NULL; lock = lock->next)
        if (is_exclusive || lock->is_exclusive)
            return tbk_fail(err, TBK_E_LOCKED, NULL, "'%s' has locked the repository", lock->host);
    fake_repository_lock(self, self->host, self->now_s, is_exclusive);
    return true;
}

static void unlock_it(const fake_repository *self)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_repository_lock *all = NULL;
    tbk_error err;
    fake_repository quiet = *self;
    must(locks(&quiet, arena, &all, &err), "locks");
    for (const tbk_repository_lock *lock = all; lock != NULL; lock = lock->next)
        if (strcmp(lock->host, self->host) == 0)
            (void)unlink(tbk_arena_format(arena, "%s/locks/%s", self->folder, lock->id));
}

/* --- what changes it --- */

/* Makes a snapshot of what lies in packs/. */
static void publish(tbk_arena *arena, const fake_repository *self, const tbk_repository_set *set,
                    const char *id)
{
    const char *pack = tbk_arena_format(arena, "%s/packs/%s", self->folder, id);
    const char *tags = "";
    for (const char *const *tag = set->tags; *tag != NULL; tag++)
        tags = tbk_arena_format(arena, "%s%s,", tags, *tag);
    write_text(tbk_arena_format(arena, "%s/meta", pack),
               tbk_arena_format(arena, "%s\n%s\n%s\n", set->name, set->id, tags));
    must(rename(pack, tbk_arena_format(arena, "%s/snapshots/%s", self->folder, id)) == 0, pack);
}

static bool send_set(void *self, tbk_arena *arena, const tbk_repository_set *set,
                     tbk_repository_sent *out, tbk_error *err)
{
    fake_repository *it = self;
    const char *id = new_id(arena);
    const char *pack = tbk_arena_format(arena, "%s/packs/%s", it->folder, id);
    if (!begin(self, "send", err) || !lock_it(it, false, err))
        return false;
    if (it->unreadable != NULL && strcmp(set->id, it->unreadable) == 0) {
        unlock_it(it);
        return tbk_fail(err, TBK_E_IO, "look at it", "not all of the set could be read");
    }
    must(mkdir(pack, 0700) == 0, pack);
    uint64_t bytes = copy_folder(it, tbk_arena_format(arena, "%s/%s", set->store, set->id),
                                 tbk_arena_format(arena, "%s/%s", pack, set->id),
                                 it->breaks_upload || it->is_full, it->cuts_upload);
    if (it->breaks_upload)
        return tbk_fail(err, TBK_E_NETWORK, NULL, "the connection broke");
    unlock_it(it);
    if (it->is_full)
        return tbk_fail(err, TBK_E_SPACE, NULL, "no space left on device");
    publish(arena, it, set, id);
    *out = (tbk_repository_sent){.snapshot = id, .added_bytes = bytes};
    return true;
}

static bool restore(void *self, const tbk_snapshot *snapshot, const char *folder, tbk_error *err)
{
    fake_repository *it = self;
    char path[512];
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const struct timespec old[2] = {{.tv_sec = snapshot->time_s}, {.tv_sec = snapshot->time_s}};
    if (!begin(self, "restore", err))
        return false;
    fake_repository_path(it, snapshot, ".", path);
    (void)copy_folder(it, path, folder, it->breaks_download, false);
    if (it->breaks_download)
        return tbk_fail(err, TBK_E_NETWORK, NULL, "the connection broke");
    if (it->finds_damage_in_restore)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "ciphertext verification failed");
    if (it->extra != NULL)
        must(system(tbk_arena_format(arena, "cd '%s' && %s", folder, it->extra)) == 0, it->extra);
    must(utimensat(AT_FDCWD, folder, old, 0) == 0, folder); /* as it was, like restic */
    return true;
}

static bool forget(void *self, const char *const *snapshots, tbk_error *err)
{
    fake_repository *it = self;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    if (!begin(self, "forget", err) || !lock_it(it, true, err))
        return false;
    for (; *snapshots != NULL && !it->keeps_all; snapshots++) {
        const char *path = tbk_arena_format(arena, "%s/snapshots/%s", it->folder, *snapshots);
        const char *pack = tbk_arena_format(arena, "%s/packs/%s", it->folder, *snapshots);
        must(rename(path, pack) == 0, path);
    }
    unlock_it(it);
    return true;
}

static bool prune(void *self, tbk_error *err)
{
    fake_repository *it = self;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    if (!begin(self, "prune", err) || !lock_it(it, true, err))
        return false;
    clear_folder(path_of(arena, it, "packs"));
    it->is_full = false;
    unlock_it(it);
    return true;
}

static bool check(void *self, int64_t part, int64_t parts, tbk_error *err)
{
    const fake_repository *it = self;
    char call[64];
    (void)snprintf(call, sizeof call, "check-%" PRId64 "/%" PRId64, part, parts);
    return begin(self, call, err) &&
           (!it->check_finds_damage ||
            tbk_fail(err, TBK_E_CORRUPT, NULL, "a pack is not what its name says"));
}

static bool repair_index(void *self, tbk_error *err) { return begin(self, "repair", err); }

/* --- for tests --- */

void fake_repository_make(const fake_repository *self, const char *id)
{
    static const char *const names[] = {"snapshots", "packs", "locks"};
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    must(mkdir(self->folder, 0700) == 0 || errno == EEXIST, self->folder);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        must(mkdir(path_of(arena, self, names[i]), 0700) == 0, names[i]);
    write_text(path_of(arena, self, "config"), id);
}

tbk_repository fake_repository_port(fake_repository *self)
{
    return (tbk_repository){.self = self,
                            .identify = identify,
                            .init = init,
                            .list = list,
                            .files = files,
                            .send = send_set,
                            .read = read_file,
                            .restore = restore,
                            .forget = forget,
                            .prune = prune,
                            .check = check,
                            .repair_index = repair_index,
                            .locks = locks,
                            .unlock = unlock};
}

size_t fake_repository_count_locks(const fake_repository *self) { return count_in(self, "locks"); }

size_t fake_repository_count_packs(const fake_repository *self) { return count_in(self, "packs"); }

size_t fake_repository_count(const fake_repository *self, const char *name)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_snapshot *all = NULL;
    tbk_error err;
    fake_repository quiet = *self;
    const char *gap = NULL;
    size_t count = 0;
    quiet.is_unreachable = quiet.refuses_password = false;
    quiet.hidden = NULL;
    must(list(&quiet, arena, &all, &gap, &err), "list");
    for (const tbk_snapshot *at = all; at != NULL; at = at->next)
        count += name == NULL || strcmp(at->name, name) == 0;
    return count;
}

void fake_repository_put(const fake_repository *self, const char *store, const char *set,
                         const char *name, const char *as_set)
{
    static const char *const tags[] = {"torrust-backup", "full", NULL};
    const tbk_repository_set it = {.id = as_set, .name = name, .tags = tags};
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *id = new_id(arena);
    const char *pack = tbk_arena_format(arena, "%s/packs/%s", self->folder, id);
    must(mkdir(pack, 0700) == 0, pack);
    (void)copy_folder(self, tbk_arena_format(arena, "%s/%s", store, set),
                      tbk_arena_format(arena, "%s/%s", pack, as_set), false, false);
    publish(arena, self, &it, id);
}
