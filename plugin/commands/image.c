/* SPDX-License-Identifier: MIT */
/* Reads the description that the image's build left next to the tarball. */
#include "commands/image.h"

#include "base/file.h"
#include "base/json.h"

#include <sys/stat.h>

#define DESCRIPTION_LIMIT_BYTES 65536
#define BROKEN_INSTALLATION "install Torrust Backup again; one of its images is not complete"

static bool read_description(tbk_arena *arena, const char *path, tbk_image *out, tbk_error *err)
{
    const tbk_value *description = NULL;
    const char *digest = NULL;
    const char *architecture = NULL;
    char *bytes = NULL;
    size_t length = 0;
    int64_t size_bytes = 0;

    if (!tbk_file_read(arena, path, DESCRIPTION_LIMIT_BYTES, &bytes, &length, err) ||
        !tbk_json_parse(arena, bytes, length, path, &description, err) ||
        !tbk_value_require_string(description, "id", &out->id, err) ||
        !tbk_value_require_string(description, "tag", &out->tag, err) ||
        !tbk_value_require_string(description, "sha256", &digest, err) ||
        !tbk_value_require_string(description, "architecture", &architecture, err) ||
        !tbk_architecture_parse(architecture, &out->architecture, err) ||
        !tbk_value_require_integer(description, "size_bytes", &size_bytes, err))
        return false;
    (void)snprintf(out->digest.hex, sizeof out->digest.hex, "%s", digest);
    out->size_bytes = (uint64_t)size_bytes;
    return true;
}

bool tbk_image_read(tbk_arena *arena, const char *data_path, const char *name, tbk_image *out,
                    tbk_error *err)
{
    const char *path = tbk_arena_format(arena, "%s/%s", data_path, name);
    struct stat status;

    if (!read_description(arena, tbk_arena_format(arena, "%s.json", path), out, err)) {
        err->code = TBK_E_CONFIG;
        (void)snprintf(err->fix, sizeof err->fix, "%s", BROKEN_INSTALLATION);
        return tbk_error_context(err, "looking for the image '%s'", name);
    }
    out->tarball_path = tbk_arena_format(arena, "%s.tar.gz", path);
    if (stat(out->tarball_path, &status) != 0 || (uint64_t)status.st_size != out->size_bytes)
        return tbk_fail(err, TBK_E_CONFIG, BROKEN_INSTALLATION,
                        "'%s' is missing or not the image that is described beside it",
                        out->tarball_path);
    return true;
}
