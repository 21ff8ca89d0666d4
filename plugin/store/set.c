/* SPDX-License-Identifier: MIT */
/* One set, through its open folder. */
#include "store/set.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* What may be in a set of any kind of database. */
static const char *const NAMES[] = {TBK_SET_DATABASE_FILE, TBK_SET_DUMP_FILE,  TBK_SET_CONFIG_FILE,
                                    TBK_SET_MANIFEST_FILE, TBK_SET_PROOF_FILE, TBK_SET_SUMS_FILE};

/* --- opening --- */

tbk_set *tbk_set_new(int fd, const char *path, bool is_new)
{
    size_t length = strlen(path);
    tbk_set *set = tbk_memory_new(sizeof *set + length + 1);
    set->fd = fd;
    set->is_new = is_new;
    memcpy(set->path, path, length + 1);
    return set;
}

bool tbk_set_open_at(int directory, const char *name, const char *path, tbk_set **out,
                     tbk_error *err)
{
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return tbk_fail_errno(err, errno == ENOENT ? TBK_E_NOT_FOUND : TBK_E_IO, errno, NULL,
                              "cannot open the set '%s'", path);
    *out = tbk_set_new(fd, path, false);
    return true;
}

bool tbk_set_open(const char *path, tbk_set **out, tbk_error *err)
{
    return tbk_set_open_at(AT_FDCWD, path, path, out, err);
}

void tbk_set_close(tbk_set *set)
{
    if (set == NULL)
        return;
    (void)close(set->fd);
    free(set);
}

const char *tbk_set_path(const tbk_set *set) { return set->path; }

/* --- names --- */

static bool is_name(const char *name)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(name, NAMES[i]) == 0)
            return true;
    return false;
}

static bool check_name(const tbk_set *set, const char *name, tbk_error *err)
{
    return is_name(name) ||
           tbk_fail(err, TBK_E_FAILED, NULL, "'%s/%s' is no file of a set", set->path, name);
}

static bool check_new(const tbk_set *set, const char *name, tbk_error *err)
{
    return check_name(set, name, err) &&
           (set->is_new ||
            tbk_fail(err, TBK_E_FAILED, NULL, "the set '%s' is published already", set->path));
}

/* --- reading --- */

bool tbk_set_open_file(const tbk_set *set, const char *name, int *out_fd, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    return check_name(set, name, err) &&
           tbk_file_open_shown(set->fd, name, tbk_arena_format(arena, "%s/%s", set->path, name),
                               out_fd, err);
}

bool tbk_set_read_file(const tbk_set *set, tbk_arena *arena, const char *name, size_t limit_bytes,
                       char **out_bytes, size_t *out_length, tbk_error *err)
{
    tbk_auto_fd int fd = -1; /* tells what is missing from what cannot be read */
    const char *path = tbk_arena_format(arena, "%s/%s", set->path, name);
    return tbk_set_open_file(set, name, &fd, err) &&
           tbk_file_read_open(arena, fd, path, limit_bytes, out_bytes, out_length, err);
}

static bool read_document(const tbk_set *set, tbk_arena *arena, const char *name,
                          const tbk_value **out, tbk_error *err)
{
    tbk_auto_fd int fd = -1; /* never through a link, out of the store */
    char *bytes;
    size_t length;
    if (!tbk_file_open_at(set->fd, name, &fd, err)) {
        if (err->code != TBK_E_IO) /* it is missing, or no file */
            err->code = TBK_E_CORRUPT;
        return false;
    }
    return tbk_file_read_open(arena, fd, name, TBK_STORE_JSON_BYTES_MAX, &bytes, &length, err) &&
           tbk_json_parse(arena, bytes, length, name, out, err);
}

bool tbk_set_read_manifest(const tbk_set *set, tbk_arena *arena, tbk_manifest *out, tbk_error *err)
{
    const tbk_value *document;
    return read_document(set, arena, TBK_SET_MANIFEST_FILE, &document, err) &&
           tbk_manifest_read(arena, document, out, err);
}

bool tbk_set_read_proof(const tbk_set *set, tbk_arena *arena, tbk_proof *out, tbk_error *err)
{
    const tbk_value *document;
    return read_document(set, arena, TBK_SET_PROOF_FILE, &document, err) &&
           tbk_proof_read(arena, document, out, err);
}

/* --- looking it over --- */

bool tbk_set_fail_unseen(const char *name, tbk_error *err)
{
    bool is_gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    return tbk_fail_errno(err, is_gone ? TBK_E_CORRUPT : TBK_E_IO, errno, NULL, "cannot read '%s'",
                          name);
}

/* That a file is there and has its size is quickly seen; what is in it is for a proof. */
static bool check_size(const tbk_set *set, const tbk_set_file *file, tbk_error *err)
{
    struct stat status;
    if (fstatat(set->fd, file->name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return tbk_set_fail_unseen(file->name, err);
    if (!S_ISREG(status.st_mode))
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "'%s' is not a regular file", file->name);
    return (uint64_t)status.st_size == file->stored_bytes ||
           tbk_fail(err, TBK_E_CORRUPT, NULL,
                    "'%s' has %" PRIu64 " bytes, the manifest says %" PRIu64, file->name,
                    (uint64_t)status.st_size, file->stored_bytes);
}

bool tbk_set_check_sizes(const tbk_set *set, const tbk_manifest *manifest, tbk_error *err)
{
    const char *database = tbk_manifest_database_file(manifest->driver);
    if (tbk_manifest_file(manifest, database) == NULL)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "the manifest names no %s", database);
    for (size_t i = 0; i < manifest->file_count; i++)
        if (!check_size(set, &manifest->files[i], err))
            return false;
    return true;
}

/* What a proof that was killed leaves beside its file is ours too. */
static bool is_of_set(const tbk_manifest *manifest, const char *name)
{
    static const char *const names[] = {TBK_SET_MANIFEST_FILE, TBK_SET_PROOF_FILE,
                                        TBK_SET_PROOF_FILE "~", TBK_SET_SUMS_FILE};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return tbk_manifest_file(manifest, name) != NULL;
}

/* A folder that cannot be listed may hold anything. */
const char *tbk_set_find_stranger(const tbk_set *set, tbk_arena *arena,
                                  const tbk_manifest *manifest)
{
    tbk_auto(DIR) *listing = tbk_listing_open(set->fd, ".");
    bool good = listing != NULL;
    for (const struct dirent *entry; good && (entry = tbk_listing_next(listing, &good)) != NULL;)
        if (!is_of_set(manifest, entry->d_name))
            return tbk_arena_copy(arena, entry->d_name);
    return good ? NULL : "?";
}

/* --- writing --- */

bool tbk_set_create_file(const tbk_set *set, const char *name, int *out_fd, tbk_error *err)
{
    if (!check_new(set, name, err))
        return false;
    *out_fd = openat(set->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                     TBK_STORE_FILE_MODE);
    return *out_fd >= 0 || tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno,
                                          NULL, "cannot make '%s/%s'", set->path, name);
}

bool tbk_set_remove_file(const tbk_set *set, const char *name, tbk_error *err)
{
    return check_new(set, name, err) &&
           (unlinkat(set->fd, name, 0) == 0 || errno == ENOENT ||
            tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot remove '%s/%s'", set->path, name));
}

static bool write_file(const tbk_set *set, const char *name, const tbk_text *text, tbk_error *err)
{
    return tbk_file_publish_at(set->fd, name, text->bytes, text->length, TBK_STORE_FILE_MODE,
                               err) ||
           tbk_error_context(err, "in '%s'", set->path);
}

/* Lines are "<64 hex>  <name>", as sha256sum(1) has them. */
static void compose_sums(const tbk_manifest *manifest, const tbk_text *as_written, tbk_text *out)
{
    tbk_digest digest;
    tbk_digest_of(as_written->bytes, as_written->length, &digest);
    for (size_t i = 0; i < manifest->file_count; i++)
        tbk_text_format(out, "%s  %s\n", manifest->files[i].stored.hex, manifest->files[i].name);
    tbk_text_format(out, "%s  %s\n", digest.hex, TBK_SET_MANIFEST_FILE);
}

bool tbk_set_write_manifest(const tbk_set *set, tbk_arena *arena, const tbk_manifest *manifest,
                            tbk_error *err)
{
    tbk_auto_text text = {0}, sums = {0};
    if (!check_new(set, TBK_SET_MANIFEST_FILE, err))
        return false;
    tbk_json_write(&text, tbk_manifest_to_value(arena, manifest), true);
    compose_sums(manifest, &text, &sums);
    return write_file(set, TBK_SET_MANIFEST_FILE, &text, err) &&
           write_file(set, TBK_SET_SUMS_FILE, &sums, err);
}

bool tbk_set_write_proof(const tbk_set *set, tbk_arena *arena, const tbk_proof *proof,
                         tbk_error *err)
{
    tbk_auto_text text = {0};
    tbk_json_write(&text, tbk_proof_to_value(arena, proof), true);
    return write_file(set, TBK_SET_PROOF_FILE, &text, err);
}
