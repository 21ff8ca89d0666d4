/* SPDX-License-Identifier: MIT */
/* A set is found on the VM, comes into a folder beside, is compared there, and gets its name. */
#include "commands/fetch.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "commands/outbound_client.h"
#include "commands/set_download.h"
#include "commands/status.h"
#include "engine/verification.h"
#include "store/private_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define PHASE "fetch"
#define RESULT_SCHEMA 1
#define SMALL_FILE_LIMIT_BYTES (4u << 20) /* as the store has it, of its documents */
#define SPARE_BYTES ((uint64_t)64 << 20)

typedef struct fetching {
    tbk_arena *arena;
    const tbk_fetch_input *input;
    int target;           /* the folder that all comes to */
    const char *id;       /* of the set */
    const char *path;     /* where it will be here */
    const char *partial;  /* the name that it has in target before */
    const char *on_vm;    /* its folder there */
    const char *document; /* the manifest, as it came */
    size_t document_length;
    tbk_manifest manifest;
    uint64_t fetched_bytes;
    bool was_there;
} fetching;

/* --- which set --- */

static bool is_latest(const char *set) { return strcmp(set, "latest") == 0; }

/* The latest is what the engine takes for it: whole, not from the future, and of this database. */
static bool is_wanted(const tbk_value *set, const char *wanted)
{
    if (!is_latest(wanted))
        return strcmp(tbk_value_text_at(set, "id", ""), wanted) == 0;
    return tbk_value_find(set, "damage") == NULL && tbk_value_find(set, "other_database") == NULL &&
           !tbk_value_true_at(set, "from_future");
}

static bool fail_missing(const fetching *self, const char *store, tbk_error *err)
{
    const char *set = self->input->set;

    return tbk_fail(err, TBK_E_NOT_FOUND, "'torrust-backup list' shows the sets that there are",
                    is_latest(set) ? "no set in '%s' on '%s' can be the %s"
                                   : "in '%s' on '%s' there is no set '%s'",
                    store, self->input->vm.remote->name, set);
}

/* What the list says is a name, and no path. */
static bool take_listed(fetching *self, const tbk_value *set, tbk_error *err)
{
    const char *store = self->input->vm.workspace->options.store;
    const char *id = tbk_value_text_at(set, "id", "");
    const char *damage = tbk_value_text_at(set, "damage", NULL);
    int64_t time_s = 0;

    if (!tbk_clock_parse_compact(id, &time_s))
        return tbk_fail(err, TBK_E_REMOTE, NULL, "'%s' lists '%.64s', which is no set's name",
                        self->input->vm.remote->name, id);
    if (damage != NULL)
        return tbk_fail(err, TBK_E_CORRUPT, "fetch another set ('torrust-backup list' shows them)",
                        "the set '%s' is damaged: %.300s", id, damage);
    self->id = id;
    self->on_vm = tbk_arena_format(self->arena, "%s/%s", store, id);
    return true;
}

static bool find_in_store(fetching *self, tbk_error *err)
{
    tbk_value *list = NULL;

    if (!tbk_status_sets(self->arena, &self->input->vm, &list, err))
        return false;
    for (const tbk_member *at = tbk_value_members_at(list, "sets"); at != NULL; at = at->next)
        if (is_wanted(at->value, self->input->set))
            return take_listed(self, at->value, err);
    return fail_missing(self, self->input->vm.workspace->options.store, err);
}

static bool find_set(fetching *self, tbk_error *err)
{
    const tbk_fetch_input *input = self->input;

    if (input->from == NULL) {
        if (!find_in_store(self, err))
            return false;
    } else {
        if (!tbk_offsite_bring(self->arena, &input->vm, input->from, input->set, &self->on_vm, err))
            return false;
        self->id = strrchr(self->on_vm, '/') + 1; /* which is known to be one */
    }
    self->path = tbk_arena_format(self->arena, "%s/%s", input->to, self->id);
    self->partial = tbk_arena_format(self->arena, ".%s.partial", self->id);
    return true;
}

/* --- its documents --- */

/* Small ones come anew each time: by them is known what the rest has to be. */
static bool fetch_document(fetching *self, const char *name, char **out, size_t *out_length,
                           tbk_error *err)
{
    const char *path = tbk_arena_format(self->arena, "%s/%s", self->on_vm, name);
    tbk_auto_fd int fd = memfd_create(name, MFD_CLOEXEC);
    tbk_digest ignored;

    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "no memory for '%s'", name);
    if (!tbk_remote_get(self->input->vm.remote, path, fd, SMALL_FILE_LIMIT_BYTES, &ignored,
                        self->input->vm.report, err))
        return false;
    if (lseek(fd, 0, SEEK_SET) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "reading '%s'", name);
    return tbk_file_read_open(self->arena, fd, name, SMALL_FILE_LIMIT_BYTES, out, out_length, err);
}

/* It is read before anything is written: its files have the names that a set's files have, and its
 * sizes are the limits of what is taken. */
static bool read_manifest(fetching *self, tbk_error *err)
{
    const tbk_value *value = NULL;
    char *bytes = NULL;

    if (!fetch_document(self, TBK_SET_MANIFEST_FILE, &bytes, &self->document_length, err))
        return false;
    self->document = bytes;
    if (!tbk_json_parse(self->arena, bytes, self->document_length, TBK_SET_MANIFEST_FILE, &value,
                        err) ||
        !tbk_manifest_read(self->arena, value, &self->manifest, err))
        return tbk_error_context(err, "set '%s' on '%s'", self->id, self->input->vm.remote->name);
    return strcmp(self->manifest.id, self->id) == 0 ||
           tbk_fail(err, TBK_E_UNPROVED, "fetch another set",
                    "what is called '%s' on '%s' is the set '%s'", self->id,
                    self->input->vm.remote->name, self->manifest.id);
}

/* --- the files --- */

static bool fail_writing(const fetching *self, const char *name, tbk_error *err)
{
    return tbk_private_folder_fail(self->input->to, name, err);
}

static bool check_private(const fetching *self, int fd, tbk_error *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return fail_writing(self, self->partial, err);
    return (status.st_uid == geteuid() && (status.st_mode & 077) == 0) ||
           tbk_fail(err, TBK_E_CONFIG, "remove it, or name another folder",
                    "'%s/%s' was not made by this user's fetch, or others can enter it",
                    self->input->to, self->partial);
}

/* What came before is of use where it came with the same manifest. */
static bool is_same_set(const fetching *self, int folder)
{
    char *bytes = NULL;
    size_t length = 0;
    tbk_error ignored;

    return tbk_file_read_at(self->arena, folder, TBK_SET_MANIFEST_FILE, SMALL_FILE_LIMIT_BYTES,
                            &bytes, &length, &ignored) &&
           length == self->document_length && memcmp(bytes, self->document, length) == 0;
}

static bool open_partial(const fetching *self, int *out_fd, tbk_error *err)
{
    if (mkdirat(self->target, self->partial, 0700) != 0 && errno != EEXIST)
        return fail_writing(self, self->partial, err);
    *out_fd = openat(self->target, self->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *out_fd >= 0 ? check_private(self, *out_fd, err)
                        : fail_writing(self, self->partial, err);
}

static bool begin_partial(const fetching *self, int *out_fd, tbk_error *err)
{
    if (!open_partial(self, out_fd, err))
        return false;
    if (is_same_set(self, *out_fd))
        return true;
    tbk_auto_end_fd(out_fd);
    return tbk_directory_remove_at(self->target, self->partial, err) &&
           open_partial(self, out_fd, err) &&
           tbk_file_publish_at(*out_fd, TBK_SET_MANIFEST_FILE, self->document,
                               self->document_length, 0600, err);
}

static bool check_space(fetching *self, const tbk_set_download *download, tbk_error *err)
{
    struct statvfs space;

    if (fstatvfs(self->target, &space) != 0)
        return fail_writing(self, "", err);
    self->fetched_bytes = 0;
    for (size_t i = 0; i < self->manifest.file_count; i++) {
        const tbk_set_file *file = &self->manifest.files[i];
        self->fetched_bytes +=
            file->stored_bytes - tbk_set_download_there(download, file->name, file->stored_bytes);
    }
    uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    return (free_bytes >= SPARE_BYTES && free_bytes - SPARE_BYTES >= self->fetched_bytes) ||
           tbk_fail(err, TBK_E_SPACE, "make room there, or name another folder",
                    "the set needs %" PRIu64 " more bytes and some room in '%s', where %" PRIu64
                    " are free",
                    self->fetched_bytes, self->input->to, free_bytes);
}

static bool is_database(const fetching *self, const tbk_set_file *file)
{
    return strcmp(file->name, tbk_manifest_database_file(self->manifest.driver)) == 0;
}

static bool fetch_files(fetching *self, const tbk_set_download *download, bool databases,
                        tbk_error *err)
{
    for (size_t i = 0; i < self->manifest.file_count; i++) {
        const tbk_set_file *file = &self->manifest.files[i];
        if (is_database(self, file) == databases &&
            !tbk_set_download_file(self->arena, download, file->name, file->stored_bytes, err))
            return false;
    }
    return true;
}

/* The database, which takes long, is the last: it is open then, and comes whole although retention
 * may remove the set meanwhile. So the set is not locked, which could keep a backup waiting. */
static bool fetch_all(fetching *self, int folder, tbk_error *err)
{
    const tbk_set_download download = {
        .vm = &self->input->vm, .from = self->on_vm, .folder = folder};
    char *sums = NULL;
    size_t length = 0;

    if (!check_space(self, &download, err))
        return false;
    tbk_report_log(self->input->vm.report, TBK_LOG_INFO, PHASE, "set %s comes to '%s'", self->id,
                   self->path);
    return fetch_document(self, TBK_SET_SUMS_FILE, &sums, &length, err) &&
           tbk_file_publish_at(folder, TBK_SET_SUMS_FILE, sums, length, 0600, err) &&
           fetch_files(self, &download, false, err) && fetch_files(self, &download, true, err) &&
           (tbk_directory_sync(folder) || fail_writing(self, self->partial, err));
}

/* --- whether it is the set --- */

static bool prove(const fetching *self, const char *path, tbk_proof *out, tbk_error *err)
{
    tbk_auto(tbk_set) *set = NULL;

    if (!tbk_set_open(path, &set, err))
        return false;
    const tbk_prove_request request = {.set = set,
                                       .manifest = &self->manifest,
                                       .level = TBK_PROOF_CHECKSUMS,
                                       .now_s = tbk_clock_now_s(),
                                       .report = self->input->vm.report};
    return tbk_prove_set(self->arena, &request, out, err);
}

/* Of what is wrong nothing is kept: the next fetch begins anew. */
static bool prove_partial(const fetching *self, tbk_error *err)
{
    const char *path = tbk_arena_format(self->arena, "%s/%s", self->input->to, self->partial);
    tbk_proof proof;

    if (!prove(self, path, &proof, err))
        return false;
    return proof.ok || (tbk_directory_remove_at(self->target, self->partial, err) &&
                        tbk_fail(err, TBK_E_UNPROVED,
                                 "run it again, which begins anew; if it stays so, the set is "
                                 "damaged there: fetch another one",
                                 "what came is not what was stored: %s", proof.reason));
}

static bool bring(fetching *self, tbk_error *err)
{
    tbk_auto_fd int folder = -1;

    return begin_partial(self, &folder, err) && fetch_all(self, folder, err) &&
           prove_partial(self, err) &&
           tbk_private_folder_publish(self->target, self->input->to, self->partial, self->id, err);
}

/* What is there is never replaced: it may be the only one. */
static bool check_earlier(fetching *self, tbk_error *err)
{
    tbk_proof proof;

    self->was_there = true;
    if (!prove(self, self->path, &proof, err))
        return false;
    return proof.ok ||
           tbk_fail(err, TBK_E_UNPROVED, "move it away, or name another folder, and fetch again",
                    "'%s' is there, and is not that set: %s", self->path, proof.reason);
}

/* --- all --- */

static tbk_value *files_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_value *list = tbk_value_list(arena);

    for (size_t i = 0; i < manifest->file_count; i++) {
        tbk_value *item = tbk_value_map(arena);
        tbk_value_set_string(arena, item, "name", manifest->files[i].name);
        tbk_value_set_integer(arena, item, "bytes", (int64_t)manifest->files[i].stored_bytes);
        tbk_value_set_string(arena, item, "sha256", manifest->files[i].stored.hex);
        tbk_value_append(arena, list, item);
    }
    return list;
}

static tbk_value *describe(const fetching *self)
{
    tbk_arena *arena = self->arena;
    const tbk_manifest *manifest = &self->manifest;
    tbk_value *map = tbk_value_map(arena);

    tbk_value_set_integer(arena, map, "schema", RESULT_SCHEMA);
    tbk_value_set_string(arena, map, "set", self->id);
    tbk_value_set_string(arena, map, "path", self->path);
    tbk_value_set_string(arena, map, "from",
                         self->input->from != NULL ? self->input->from : "store");
    tbk_value_set_string(arena, map, "environment", manifest->environment);
    tbk_value_set_string(arena, map, "profile", tbk_profile_name(manifest->profile));
    tbk_value_set_integer(arena, map, "stored_bytes", (int64_t)tbk_manifest_stored_bytes(manifest));
    tbk_value_set_integer(arena, map, "fetched_bytes", (int64_t)self->fetched_bytes);
    tbk_value_set_bool(arena, map, "was_there", self->was_there);
    tbk_value_set(arena, map, "files", files_value(arena, manifest));
    return map;
}

static bool fetch(fetching *self, tbk_error *err)
{
    struct stat ignored;

    if (!tbk_private_folder_open(self->input->to, &self->target, err) || !find_set(self, err) ||
        !read_manifest(self, err))
        return false;
    return fstatat(self->target, self->id, &ignored, AT_SYMLINK_NOFOLLOW) == 0
               ? check_earlier(self, err)
               : bring(self, err);
}

bool tbk_fetch(tbk_arena *arena, const tbk_fetch_input *input, tbk_value **out_result,
               tbk_error *err)
{
    fetching self = {.arena = arena, .input = input, .target = -1};
    bool ok = fetch(&self, err);

    tbk_auto_end_fd(&self.target);
    if (ok)
        *out_result = describe(&self);
    return ok;
}
