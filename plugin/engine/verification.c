/* SPDX-License-Identifier: MIT */
/* Proof of a set: reads back all that is stored, and at level restored the database as a database.
 */
#include "engine/verification.h"

#include "base/clock.h"
#include "base/file.h"
#include "engine/boot.h"
#include "store/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define SUMS_BYTES_MAX 65536
#define MANIFEST_BYTES_MAX (16u << 20)

typedef struct proving {
    tbk_arena *arena;
    const tbk_set *set;
    const tbk_manifest *manifest;
    const tbk_database *database; /* NULL at level checksums */
    const char *unpacked_path;    /* NULL where no file is wanted */
    const tbk_report *report;
    tbk_proof *proof;
} proving;

/* The set is not right: noted, the first finding counts. Returns true, since proving itself went
 * well. */
static bool TBK_PRINTF(2, 3) refute(proving *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (self->proof->ok)
        self->proof->reason = tbk_arena_vformat(self->arena, format, arguments);
    va_end(arguments);
    self->proof->ok = false;
    return true;
}

/* What speaks about the set refutes it; what speaks about this machine is an error. */
static bool refute_or_fail(proving *self, const char *what, tbk_error *err)
{
    if (err->code == TBK_E_CORRUPT || err->code == TBK_E_NOT_FOUND || err->code == TBK_E_CONFIG)
        return refute(self, "%s: %s", what, err->message);
    return tbk_error_context(err, "proving '%s'", what);
}

/* --- SHA256SUMS --- */

/* The digest that the sums give for name; NULL when they do not. Lines are "<64 hex>  <name>". */
static const char *sum_of(const char *sums, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = sums; line != NULL && *line != '\0';) {
        const char *next = strchr(line, '\n');
        size_t line_length = next != NULL ? (size_t)(next - line) : strlen(line);
        if (line_length == 66 + length && memcmp(line + 64, "  ", 2) == 0 &&
            memcmp(line + 66, name, length) == 0)
            return line;
        line = next != NULL ? next + 1 : NULL;
    }
    return NULL;
}

static void compare_sum(proving *self, const char *sums, const char *name, const tbk_digest *digest)
{
    const char *sum = sum_of(sums, name);
    if (sum == NULL)
        (void)refute(self, TBK_SET_SUMS_FILE " does not name '%s'", name);
    else if (memcmp(sum, digest->hex, 64) != 0)
        (void)refute(self, "'%s' is not what " TBK_SET_SUMS_FILE " says", name);
}

static bool check_sums(proving *self, tbk_error *err)
{
    char *sums, *manifest;
    size_t length;
    tbk_digest digest;
    if (!tbk_set_read_file(self->set, self->arena, TBK_SET_SUMS_FILE, SUMS_BYTES_MAX, &sums,
                           &length, err))
        return refute_or_fail(self, TBK_SET_SUMS_FILE, err);
    for (size_t i = 0; i < self->manifest->file_count; i++)
        compare_sum(self, sums, self->manifest->files[i].name, &self->manifest->files[i].stored);
    if (!tbk_set_read_file(self->set, self->arena, TBK_SET_MANIFEST_FILE, MANIFEST_BYTES_MAX,
                           &manifest, &length, err))
        return refute_or_fail(self, TBK_SET_MANIFEST_FILE, err);
    tbk_digest_of(manifest, length, &digest);
    compare_sum(self, sums, TBK_SET_MANIFEST_FILE, &digest);
    return true;
}

/* --- stored files --- */

static const char *database_file(const proving *self)
{
    return tbk_manifest_database_file(self->manifest->driver);
}

static bool check_file(proving *self, const tbk_set_file *expected, tbk_error *err)
{
    tbk_auto_fd int in = -1;
    tbk_auto_fd int out = -1;
    tbk_set_file found;
    bool restore = self->unpacked_path != NULL && strcmp(expected->name, database_file(self)) == 0;
    if (restore) {
        out = open(self->unpacked_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (out < 0)
            return tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                                  "cannot write '%s'", self->unpacked_path);
    }
    if (!tbk_set_open_file(self->set, expected->name, &in, err) ||
        !tbk_archive_extract(in, expected, out, restore ? "restore" : "check", self->report, &found,
                             err))
        return refute_or_fail(self, expected->name, err);
    if (found.stored_bytes != expected->stored_bytes ||
        !tbk_digest_equal(&found.stored, &expected->stored))
        return refute(self, "'%s' is not what was stored: its SHA-256 differs from the manifest's",
                      expected->name);
    if (found.raw_bytes != expected->raw_bytes || !tbk_digest_equal(&found.raw, &expected->raw))
        return refute(self, "'%s' does not unpack to what was captured", expected->name);
    return true;
}

static bool check_files(proving *self, tbk_error *err)
{
    if (tbk_manifest_file(self->manifest, database_file(self)) == NULL)
        return refute(self, "the manifest names no %s", database_file(self));
    for (size_t i = 0; i < self->manifest->file_count; i++)
        if (!check_file(self, &self->manifest->files[i], err))
            return false;
    return check_sums(self, err);
}

/* --- the database --- */

/* Where the kind of database reads a source, the stored file is read once more: what is loaded into
 * a server has been seen to be right before. */
static bool check_unpacked(proving *self, tbk_restored_check *out, tbk_error *err)
{
    tbk_unpacked unpacked = {.path = self->unpacked_path};
    if (self->unpacked_path != NULL)
        return self->database->check_restored(self->database->self, self->arena, &unpacked,
                                              self->manifest, self->report, out, err);
    tbk_auto_fd int in = -1;
    tbk_auto(tbk_archive_reader) *reader = NULL;
    const tbk_set_file *file = tbk_manifest_file(self->manifest, database_file(self));
    if (!tbk_set_open_file(self->set, database_file(self), &in, err) ||
        !tbk_archive_reader_open(in, file, &reader, err))
        return false;
    const tbk_source source = tbk_archive_reader_source(reader);
    unpacked.source = &source;
    return self->database->check_restored(self->database->self, self->arena, &unpacked,
                                          self->manifest, self->report, out, err);
}

/* It could not be looked at: that the stored files are right is all that is known. */
static bool fail_here(tbk_error *err)
{
    if (err->code == TBK_E_UNSUPPORTED) /* what is restored to refuses it */
        err->code = TBK_E_PARTIAL;
    return tbk_error_context(err, "the restored database cannot be proved here");
}

static bool check_database(proving *self, tbk_error *err)
{
    tbk_restored_check check = {0};
    if (!check_unpacked(self, &check, err))
        return err->code == TBK_E_CORRUPT ? refute_or_fail(self, "the restored database", err)
                                          : fail_here(err);
    self->proof->tables = check.tables;
    self->proof->table_count = check.table_count;
    return check.wrong == NULL || refute(self, "%s", check.wrong);
}

static int64_t rows_of(const tbk_proof *proof, const char *table)
{
    for (size_t i = 0; i < proof->table_count; i++)
        if (strcmp(proof->tables[i].table, table) == 0)
            return proof->tables[i].rows;
    return -1;
}

/* The last thing that is done with the database: the tracker writes in it. */
static bool boot(proving *self, const tbk_prove_request *request, tbk_error *err)
{
    const tbk_boot_request wanted = {.tracker = request->tracker,
                                     .database = self->unpacked_path,
                                     .torrents = rows_of(self->proof, "torrents"),
                                     .now_s = request->now_s,
                                     .report = request->report};
    if (request->tracker == NULL || self->unpacked_path == NULL || !self->proof->ok)
        return true;
    return tbk_boot_prove(self->arena, &wanted, &self->proof->booted, err);
}

static bool prove(proving *self, const tbk_prove_request *request, tbk_error *err)
{
    if (!check_files(self, err))
        return false;
    return self->database == NULL || !self->proof->ok ||
           (check_database(self, err) && boot(self, request, err));
}

/* A set of another kind of database, or a server that cannot be used, says nothing about the set.
 */
static bool need_database(const proving *self, tbk_error *err)
{
    const tbk_database *database = self->database;
    if (database == NULL || database->driver != self->manifest->driver)
        return tbk_fail(err, TBK_E_CONFIG, "prove it where its own kind of database is configured",
                        "a set of %s cannot be restored here",
                        tbk_driver_name(self->manifest->driver));
    return database->can_restore(database->self, err);
}

/* A folder of its own, since what stands beside a database has a meaning for SQLite. */
static bool make_private(proving *self, const char *parent, char **out_folder, tbk_error *err)
{
    char *folder = tbk_arena_format(self->arena, "%s/restored-XXXXXX", parent);
    if (mkdtemp(folder) == NULL)
        return tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                              "cannot make a folder in '%s'", parent);
    *out_folder = folder;
    self->unpacked_path =
        tbk_arena_format(self->arena, "%s/%s", folder, self->database->unpacked_name);
    return true;
}

/* With what SQLite and a tracker left beside the database. */
static void remove_private(const char *parent, const char *folder)
{
    tbk_error ignored; /* what is left goes with the scratch folder */
    tbk_auto_fd int directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)!tbk_directory_remove_at(directory, strrchr(folder, '/') + 1, &ignored);
}

static bool prepare(proving *self, const tbk_prove_request *request, char **out_folder,
                    tbk_error *err)
{
    self->database = request->database;
    return need_database(self, err) && (self->database->unpacked_name == NULL ||
                                        make_private(self, request->scratch, out_folder, err));
}

bool tbk_prove_set(tbk_arena *arena, const tbk_prove_request *request, tbk_proof *out,
                   tbk_error *err)
{
    char at[TBK_CLOCK_TEXT_SIZE];
    char *folder = NULL;
    tbk_clock_format(request->now_s, at);
    tbk_proof proof = {.level = request->level, .at = tbk_arena_copy(arena, at), .ok = true};
    proving self = {.arena = arena,
                    .set = request->set,
                    .manifest = request->manifest,
                    .report = request->report,
                    .proof = &proof};
    bool ok = (request->level != TBK_PROOF_RESTORED || prepare(&self, request, &folder, err)) &&
              prove(&self, request, err);
    if (folder != NULL)
        remove_private(request->scratch, folder);
    if (ok)
        *out = proof;
    return ok;
}
