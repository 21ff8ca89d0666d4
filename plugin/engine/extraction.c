/* SPDX-License-Identifier: MIT */
/* Each stored file is unpacked into a folder beside, which gets its name when all are right. */
#include "engine/extraction.h"

#include "base/auto.h"
#include "base/file.h"
#include "store/archive.h"
#include "store/private_folder.h"
#include "store/set.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define RESULT_SCHEMA 1
#define PACKED ".zst"

typedef struct extracting {
    tbk_arena *arena;
    const tbk_extract_request *request;
    const tbk_stored_set *stored;
    int target;          /* the folder that it comes to */
    int folder;          /* in it, without its name yet */
    const char *partial; /* that is called so */
    tbk_value *files;    /* what is there */
} extracting;

/* A name without its last part: what it is, once it is unpacked. */
static const char *plain_name(tbk_arena *arena, const char *name)
{
    size_t length = strlen(name), packed = strlen(PACKED);
    bool is_packed = length > packed && strcmp(name + length - packed, PACKED) == 0;
    return tbk_arena_copy_bytes(arena, name, is_packed ? length - packed : length);
}

/* Whatever cannot be unpacked is not what was stored. */
static bool fail_set(const extracting *self, const char *name, tbk_error *err)
{
    if (err->code == TBK_E_CORRUPT)
        err->code = TBK_E_UNPROVED;
    return tbk_error_context(err, "set '%s', '%s'", self->stored->id, name);
}

static bool unpack(const extracting *self, const tbk_set *set, const tbk_set_file *file, int out,
                   tbk_error *err)
{
    tbk_auto_fd int in = -1;
    tbk_set_file found;
    if (!tbk_set_open_file(set, file->name, &in, err) ||
        !tbk_archive_extract(in, file, out, "extract", self->request->report, &found, err))
        return fail_set(self, file->name, err);
    return (tbk_digest_equal(&found.stored, &file->stored) &&
            tbk_digest_equal(&found.raw, &file->raw)) ||
           tbk_fail(err, TBK_E_UNPROVED, "extract another set ('list' shows them)",
                    "set '%s': '%s' is not what was stored", self->stored->id, file->name);
}

static bool extract_file(const extracting *self, const tbk_set *set, const tbk_set_file *file,
                         tbk_error *err)
{
    const char *name = plain_name(self->arena, file->name);
    tbk_value *item = tbk_value_map(self->arena);
    tbk_auto_fd int out =
        openat(self->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return tbk_private_folder_fail(self->request->to, name, err);
    if (!unpack(self, set, file, out, err))
        return false;
    if (fsync(out) != 0)
        return tbk_private_folder_fail(self->request->to, name, err);
    tbk_value_set_string(self->arena, item, "name", name);
    tbk_value_set_integer(self->arena, item, "bytes", (int64_t)file->raw_bytes);
    tbk_value_set_string(self->arena, item, "sha256", file->raw.hex);
    tbk_value_append(self->arena, self->files, item);
    return true;
}

static bool extract_files(const extracting *self, tbk_error *err)
{
    const tbk_manifest *manifest = self->stored->manifest;
    tbk_auto(tbk_set) *set = NULL;
    if (!tbk_store_open_set(self->request->store, self->stored->id, &set, err))
        return false;
    for (size_t i = 0; i < manifest->file_count; i++)
        if (!extract_file(self, set, &manifest->files[i], err))
            return false;
    return tbk_directory_sync(self->folder) ||
           tbk_private_folder_fail(self->request->to, self->partial, err);
}

/* A new one, so that no journal of another database lies beside: SQLite would apply it. */
static bool begin(extracting *self, tbk_error *err)
{
    const char *to = self->request->to;
    struct stat ignored;
    if (!tbk_private_folder_open(to, &self->target, err))
        return false;
    if (fstatat(self->target, self->stored->id, &ignored, AT_SYMLINK_NOFOLLOW) == 0)
        return tbk_fail(err, TBK_E_CONFIG, "move it away, or name another folder with --to",
                        "'%s/%s' is there already", to, self->stored->id);
    if (!tbk_directory_remove_at(self->target, self->partial, err)) /* of one that was killed */
        return false;
    if (mkdirat(self->target, self->partial, 0700) != 0)
        return tbk_private_folder_fail(to, self->partial, err);
    self->folder =
        openat(self->target, self->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return self->folder >= 0 || tbk_private_folder_fail(to, self->partial, err);
}

static bool extract(extracting *self, tbk_error *err)
{
    tbk_error ignored;
    self->partial = tbk_arena_format(self->arena, ".%s.extract", self->stored->id);
    if (!begin(self, err))
        return false;
    if (extract_files(self, err) &&
        tbk_private_folder_publish(self->target, self->request->to, self->partial, self->stored->id,
                                   err))
        return true;
    (void)!tbk_directory_remove_at(self->target, self->partial, &ignored);
    return false;
}

bool tbk_extract(tbk_arena *arena, const tbk_extract_request *request, tbk_value **out_result,
                 tbk_error *err)
{
    extracting self = {.arena = arena,
                       .request = request,
                       .target = -1,
                       .folder = -1,
                       .files = tbk_value_list(arena)};
    tbk_stored_set *stored = NULL;
    if (!tbk_store_find(request->store, arena, &request->set, &stored, err))
        return false;
    self.stored = stored;
    bool ok = extract(&self, err);
    tbk_auto_end_fd(&self.folder);
    tbk_auto_end_fd(&self.target);
    if (!ok)
        return false;
    tbk_value *result = tbk_value_map(arena);
    tbk_value_set_integer(arena, result, "schema", RESULT_SCHEMA);
    tbk_value_set_string(arena, result, "store", tbk_store_path(request->store));
    tbk_value_set_string(arena, result, "set", stored->id);
    tbk_value_set_string(arena, result, "path",
                         tbk_arena_format(arena, "%s/%s", request->to, stored->id));
    tbk_value_set(arena, result, "files", self.files);
    *out_result = result;
    return true;
}
