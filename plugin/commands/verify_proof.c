/* SPDX-License-Identifier: MIT */
/* The proofs of `verify`: by the engine on the VM, here on what was fetched, and by the live
 * server. */
#include "commands/verify_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "commands/fetch.h"
#include "commands/host_runner.h"
#include "commands/live_database.h"
#include "commands/set_download.h"
#include "domain/proof.h"
#include "engine/verification.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#define PROVE_TIMEOUT_MS (6u * 3600000u)
#define SMALL_FILE_LIMIT_BYTES (64u << 20)
#define SCRATCH_NAME "verify-scratch"

bool tbk_verify_prove_on_vm(tbk_verify_job *self, tbk_error *err)
{
    const char *const arguments[] = {"prove",      "--level",  "restored", "--set",
                                     self->set_id, "--output", "json",     NULL};
    tbk_host_answer answer;
    const char *reason = NULL;

    if (!tbk_host_run_engine(self->arena, self->vm, arguments, PROVE_TIMEOUT_MS, &answer, err))
        return false;
    if (answer.value != NULL &&
        !tbk_value_optional_string(answer.value, "proof.reason", &reason, err))
        return false;
    int exit_status = answer.exit_status;
    const char *ended = tbk_arena_format(self->arena, "the engine ended with %d: %s", exit_status,
                                         reason != NULL ? reason : "it gave no reason");
    if (exit_status == 0)
        tbk_verify_check(self, "proof on the VM", true, "restored, whole, and as captured");
    else if (exit_status == tbk_error_exit_status(TBK_E_UNPROVED))
        tbk_verify_failed(self, "proof on the VM", ended);
    else
        tbk_verify_unknown(self, "proof on the VM", ended);
    if (answer.value == NULL || tbk_value_find(answer.value, "proof") == NULL)
        return true;
    return tbk_value_require_map(answer.value, "proof", &self->report.proof_on_vm, err);
}

/* --- the proof on this machine --- */

static bool fetch_manifest(tbk_verify_job *self, const tbk_set_download *download,
                           const tbk_set *set, tbk_manifest *out, tbk_error *err)
{
    return tbk_set_download_file(self->arena, download, TBK_SET_MANIFEST_FILE,
                                 SMALL_FILE_LIMIT_BYTES, err) &&
           tbk_set_download_file(self->arena, download, TBK_SET_SUMS_FILE, SMALL_FILE_LIMIT_BYTES,
                                 err) &&
           tbk_set_read_manifest(set, self->arena, out, err);
}

static bool fetch_files(tbk_verify_job *self, const tbk_set_download *download,
                        const tbk_manifest *manifest, tbk_error *err)
{
    for (size_t i = 0; i < manifest->file_count; i++)
        if (!tbk_set_download_file(self->arena, download, manifest->files[i].name,
                                   manifest->files[i].stored_bytes, err))
            return false;
    return true;
}

static void note_restored_here(tbk_verify_job *self, const tbk_proof *proof)
{
    int64_t rows = 0;

    for (size_t i = 0; i < proof->table_count; i++)
        rows += proof->tables[i].rows;
    tbk_verify_check(self, "proof on this machine", true,
                     "fetched, restored and checked: %zu tables, %" PRId64 " rows",
                     proof->table_count, rows);
}

static void note_proof_here(tbk_verify_job *self, const tbk_proof *proof)
{
    if (!proof->ok)
        tbk_verify_check(self, "proof on this machine", false, "%s", proof->reason);
    else if (proof->level == TBK_PROOF_RESTORED)
        note_restored_here(self, proof);
    else
        tbk_verify_check(
            self, "proof on this machine", true,
            "fetched, and all checksums are right; there is no server here to restore it into");
    self->report.proof_here = tbk_proof_to_value(self->arena, proof);
}

/* A file can be opened anywhere; a server's dump needs a server. */
static bool prove_files(tbk_verify_job *self, const char *directory, const tbk_set *set,
                        tbk_proof *out, tbk_error *err)
{
    tbk_database sqlite = tbk_database_sqlite(self->arena, NULL);
    bool is_file = self->manifest->driver == TBK_DRIVER_SQLITE;

    const tbk_prove_request request = {.set = set,
                                       .manifest = self->manifest,
                                       .level = is_file ? TBK_PROOF_RESTORED : TBK_PROOF_CHECKSUMS,
                                       .database = is_file ? &sqlite : NULL,
                                       .scratch = directory,
                                       .now_s = tbk_clock_now_s(),
                                       .report = self->vm->report};
    return tbk_prove_set(self->arena, &request, out, err);
}

static void note_config(tbk_verify_job *self, const tbk_manifest *manifest)
{
    tbk_auto_text missing = {0};

    for (const char **path = manifest->config_missing; path != NULL && *path != NULL; path++)
        tbk_text_format(&missing, "%s%s", missing.length > 0 ? "; " : "", *path);
    tbk_verify_note(self, "configuration files",
                    missing.length > 0 ? TBK_CHECK_WARNING : TBK_CHECK_OK,
                    missing.length > 0 ? tbk_arena_format(self->arena, "not in the set: %s",
                                                          tbk_text_string(&missing))
                                       : "all that are configured are in the set");
}

/* The whole of it, where it stays. */
static bool keep_set(tbk_verify_job *self, const char **out_folder, tbk_error *err)
{
    const tbk_fetch_input input = {.vm = *self->vm, .set = self->set_id, .to = self->keep};
    tbk_value *result = NULL;

    if (!tbk_fetch(self->arena, &input, &result, err))
        return false;
    *out_folder = tbk_value_text_at(result, "path", NULL);
    self->report.kept = *out_folder;
    return true;
}

static bool is_too_large(const tbk_verify_job *self, const tbk_manifest *manifest)
{
    uint64_t limit_bytes = (uint64_t)self->vm->workspace->options.verify_fetch_limit_mib << 20;

    return !self->fetch_all && self->keep == NULL &&
           tbk_manifest_stored_bytes(manifest) > limit_bytes;
}

static void note_too_large(tbk_verify_job *self, const tbk_manifest *manifest)
{
    tbk_verify_note(self, "proof on this machine", TBK_CHECK_SKIPPED,
                    tbk_arena_format(self->arena,
                                     "the set has %" PRIu64 " MiB, the limit is %" PRId64
                                     " MiB (verify.fetch_limit_mib, or --fetch-all)",
                                     tbk_manifest_stored_bytes(manifest) >> 20,
                                     self->vm->workspace->options.verify_fetch_limit_mib));
}

/* A proof that fails is no error, but a check that failed. */
static bool prove_and_note(tbk_verify_job *self, const char *scratch, const tbk_set *set,
                           tbk_error *err)
{
    tbk_proof proof = {0};

    if (prove_files(self, scratch, set, &proof, err))
        note_proof_here(self, &proof);
    else if (err->code == TBK_E_INTERRUPTED)
        return false;
    else
        tbk_verify_unknown(self, "proof on this machine", err->message);
    return true;
}

/* In the scratch folder, which goes with all in it; or where it is kept, whole by then. */
static bool prove_fetched(tbk_verify_job *self, const char *scratch, tbk_error *err)
{
    tbk_manifest *manifest = TBK_ARENA_NEW(self->arena, tbk_manifest);
    const char *directory = scratch;
    tbk_auto(tbk_set) *set = NULL;

    if (self->keep != NULL && !keep_set(self, &directory, err))
        return false;
    tbk_auto_fd int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const tbk_set_download download = {.vm = self->vm,
                                       .from = tbk_arena_format(self->arena, "%s/%s",
                                                                self->vm->workspace->options.store,
                                                                self->set_id),
                                       .folder = folder};
    if (folder < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "opening '%s'", directory);
    if (!tbk_set_open(directory, &set, err) ||
        !(self->keep != NULL ? tbk_set_read_manifest(set, self->arena, manifest, err)
                             : fetch_manifest(self, &download, set, manifest, err)))
        return false;
    self->manifest = manifest;
    note_config(self, manifest);
    self->report.manifest = tbk_manifest_to_value(self->arena, manifest);
    if (is_too_large(self, manifest)) {
        note_too_large(self, manifest);
        return true;
    }
    return (self->keep != NULL || fetch_files(self, &download, manifest, err)) &&
           prove_and_note(self, scratch, set, err);
}

bool tbk_verify_prove_here(tbk_verify_job *self, tbk_error *err)
{
    const char *parent = self->vm->workspace->output_path;
    const char *directory = tbk_arena_format(self->arena, "%s/" SCRATCH_NAME, parent);
    tbk_error ignored;

    if (!tbk_directory_make(parent, 0700, err))
        return false;
    tbk_auto_fd int parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "opening '%s'", parent);
    /* What an interrupted verification left goes first, what this one made goes last. */
    if (!tbk_directory_remove_at(parent_fd, SCRATCH_NAME, err) ||
        !tbk_directory_make(directory, 0700, err))
        return false;
    bool ok = prove_fetched(self, directory, err);
    if (!tbk_directory_remove_at(parent_fd, SCRATCH_NAME, ok ? err : &ignored))
        return false;
    return ok;
}

/* --- the live server --- */

static void note_live(tbk_verify_job *self, const char *name, const tbk_live_check *found)
{
    if (found->state == TBK_CHECK_FAILED)
        tbk_verify_failed(self, name, found->detail);
    else
        tbk_verify_note(self, name, found->state, found->detail);
}

bool tbk_verify_compare_live(tbk_verify_job *self, tbk_error *err)
{
    const tbk_live_database_input input = {.remote = self->vm->remote,
                                           .report = self->vm->report,
                                           .manifest = self->manifest,
                                           .needs_tls = self->vm->workspace->options.database_tls ==
                                                        TBK_TLS_REQUIRED};
    tbk_live_database found;

    if (!tbk_live_database_check(self->arena, &input, &found, err))
        return tbk_error_context(err, "comparing with the live database");
    note_live(self, "credentials", &found.credentials);
    note_live(self, "live database", &found.database);
    self->report.live_tables = found.tables;
    return true;
}
