/* SPDX-License-Identifier: MIT */
/* Proof of a set: reads back all that is stored, and at level restored the database as a database.
 */
#include "engine/prove.h"

#include "base/clock.h"
#include "base/file.h"
#include "database/sqlite.h"
#include "engine/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define SUMS_BYTES_MAX 65536
#define MANIFEST_BYTES_MAX (16u << 20)
#define RESTORED_NAME "proof.db"
/* Below this many rows, losing half of them is a tracker's daily life. */
#define DROP_ROWS_MIN 1000

typedef struct proving {
    tbk_arena *arena;
    const char *set_path;
    const tbk_manifest *manifest;
    const char *restored_path; /* NULL at level checksums */
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
    return tbk_while(err, "proving '%s'", what);
}

static bool read_in_set(proving *self, const char *name, size_t limit_bytes, char **out_bytes,
                        size_t *out_length, tbk_error *err)
{
    const char *path = tbk_arena_format(self->arena, "%s/%s", self->set_path, name);
    if (access(path, F_OK) != 0)
        return tbk_fail_errno(err, TBK_E_CORRUPT, errno, NULL, "cannot be read");
    return tbk_file_read(self->arena, path, limit_bytes, out_bytes, out_length, err);
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
    if (!read_in_set(self, TBK_SET_SUMS_FILE, SUMS_BYTES_MAX, &sums, &length, err))
        return refute_or_fail(self, TBK_SET_SUMS_FILE, err);
    for (size_t i = 0; i < self->manifest->file_count; i++)
        compare_sum(self, sums, self->manifest->files[i].name, &self->manifest->files[i].stored);
    if (!read_in_set(self, TBK_SET_MANIFEST_FILE, MANIFEST_BYTES_MAX, &manifest, &length, err))
        return refute_or_fail(self, TBK_SET_MANIFEST_FILE, err);
    tbk_digest_of(manifest, length, &digest);
    compare_sum(self, sums, TBK_SET_MANIFEST_FILE, &digest);
    return true;
}

/* --- stored files --- */

static bool open_stored(proving *self, const char *name, int *out_fd, tbk_error *err)
{
    const char *path = tbk_arena_format(self->arena, "%s/%s", self->set_path, name);
    *out_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*out_fd < 0)
        return tbk_fail_errno(err, TBK_E_CORRUPT, errno, NULL, "cannot be read");
    return true;
}

static bool check_file(proving *self, const tbk_set_file *expected, tbk_error *err)
{
    tbk_auto_fd int in = -1;
    tbk_auto_fd int out = -1;
    tbk_set_file found;
    bool restore =
        self->restored_path != NULL && strcmp(expected->name, TBK_SET_DATABASE_FILE) == 0;
    if (restore) {
        out = open(self->restored_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (out < 0)
            return tbk_fail_errno(err, errno == ENOSPC ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                                  "cannot write '%s'", self->restored_path);
    }
    if (!open_stored(self, expected->name, &in, err) ||
        !tbk_archive_extract(in, out, restore ? "restore" : "check", self->report, &found, err))
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
    if (tbk_manifest_file(self->manifest, TBK_SET_DATABASE_FILE) == NULL)
        return refute(self, "the manifest names no " TBK_SET_DATABASE_FILE);
    for (size_t i = 0; i < self->manifest->file_count; i++)
        if (!check_file(self, &self->manifest->files[i], err))
            return false;
    return check_sums(self, err);
}

/* --- the database --- */

static bool same_facts(const tbk_sqlite_facts *a, const tbk_sqlite_facts *b)
{
    return a->size_bytes == b->size_bytes && a->page_size_bytes == b->page_size_bytes &&
           a->pages == b->pages && a->change_counter == b->change_counter && a->wal == b->wal;
}

static bool check_database(proving *self, tbk_error *err)
{
    tbk_sqlite_check check;
    tbk_report_log(self->report, TBK_LOG_INFO, "prove",
                   "checking the restored database (integrity_check, rows of every table)");
    if (!tbk_sqlite_prove(self->arena, self->restored_path, self->report, &check, err))
        return refute_or_fail(self, "the restored database", err);
    self->proof->tables = check.tables;
    self->proof->table_count = check.table_count;
    if (!same_facts(&check.facts, &self->manifest->sqlite))
        return refute(self, "the restored database's header is not the one that was captured");
    if (!tbk_digest_equal(&check.facts.schema, &self->manifest->sqlite.schema))
        return refute(self, "the restored database's schema is not the one that was captured");
    return true;
}

static bool prove(proving *self, tbk_error *err)
{
    if (!check_files(self, err))
        return false;
    if (self->restored_path == NULL || !self->proof->ok)
        return true;
    return check_database(self, err);
}

bool tbk_prove_set(tbk_arena *arena, const char *set_path, const tbk_manifest *manifest,
                   tbk_proof_level level, const char *scratch_directory, int64_t now_s,
                   const tbk_report *report, tbk_proof *out, tbk_error *err)
{
    char at[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format(now_s, at);
    tbk_proof proof = {.level = level, .at = tbk_arena_copy(arena, at), .ok = true};
    proving self = {.arena = arena,
                    .set_path = set_path,
                    .manifest = manifest,
                    .report = report,
                    .proof = &proof};
    if (level == TBK_PROOF_RESTORED)
        self.restored_path = tbk_arena_format(arena, "%s/" RESTORED_NAME, scratch_directory);
    bool ok = prove(&self, err);
    if (self.restored_path != NULL)
        (void)unlink(self.restored_path);
    if (ok)
        *out = proof;
    return ok;
}

/* --- rows --- */

static const tbk_table_rows *table_in(const tbk_proof *proof, const char *table)
{
    for (size_t i = 0; i < proof->table_count; i++)
        if (strcmp(proof->tables[i].table, table) == 0)
            return &proof->tables[i];
    return NULL;
}

bool tbk_prove_rows_dropped(const tbk_proof *before, const tbk_proof *now, const tbk_report *report)
{
    bool dropped = false;
    for (size_t i = 0; i < before->table_count; i++) {
        const tbk_table_rows *earlier = &before->tables[i];
        const tbk_table_rows *later = table_in(now, earlier->table);
        int64_t rows = later != NULL ? later->rows : 0;
        if (earlier->rows < DROP_ROWS_MIN || rows >= earlier->rows / 2)
            continue;
        dropped = true;
        tbk_report_log(report, TBK_LOG_WARNING, "prove",
                       "table '%s' had %" PRId64 " rows at the last proof and has %" PRId64
                       " now%s",
                       earlier->table, earlier->rows, rows, later == NULL ? ": it is gone" : "");
    }
    return dropped;
}
