/* SPDX-License-Identifier: MIT */
/* One file after the other, each compared on the VM before it gets its name (ports/remote.h). */
#include "commands/set_upload.h"

#include "base/clock.h"
#include "base/number.h"
#include "engine/verification.h"

#include <inttypes.h>
#include <string.h>

#define PHASE "upload"
#define NOT_INSTALLED 66
#define FREE "free " /* how its first line begins */
#define SMALL_FILE_LIMIT_BYTES (16u << 20)
#define SPARE_BYTES ((uint64_t)64 << 20)
#define PREPARE_TIMEOUT_MS (2u * 3600000u) /* what is there is read, which may be large */

typedef struct uploading {
    tbk_arena *arena;
    const tbk_vm *vm;
    const tbk_stored_set *stored;
    tbk_set *set;
    const char *folder;    /* of the set, on the VM */
    const char *has;       /* what the VM says of it */
    uint64_t needed_bytes; /* of files that are not there yet */
} uploading;

/* --- here --- */

static bool prove(const uploading *self, tbk_error *err)
{
    const tbk_prove_request request = {.set = self->set,
                                       .manifest = self->stored->manifest,
                                       .level = TBK_PROOF_CHECKSUMS,
                                       .now_s = tbk_clock_now_s(),
                                       .report = self->vm->report};
    tbk_proof proof;

    if (!tbk_prove_set(self->arena, &request, &proof, err))
        return false;
    return proof.ok ||
           tbk_fail(err, TBK_E_UNPROVED, "take another set, or fetch it again",
                    "the set '%s' is not what was stored: %s", self->stored->path, proof.reason);
}

/* --- the folder on the VM --- */

/* $1 the folder of uploads, $2 the set, $3 the store, whose group reads it. All folders down to it
 * are root's. Says the free space, and the sums of what is there. */
static const char PREPARE_SCRIPT[] =
    "set -eu\n"
    "umask 077\n"
    "[ -d \"$3\" ] || [ -x " TBK_AID_FILE " ] || exit 66\n"
    "[ -d \"$3\" ] || TORRUST_BACKUP_REQUEST=ready " TBK_AID_FILE " >&2\n"
    "mkdir -p -m 0755 \"$1\"\n"
    "cd \"$1\"\n"
    "find . -mindepth 1 -maxdepth 1 ! -name \"$2\" -exec rm -rf {} +\n"
    "mkdir -p -m 0700 \"$2\"\n"
    "cd \"$2\"\n"
    "chown \"0:$(stat -c %g \"$3\")\" .\n"
    "chmod 0750 .\n"
    "rm -f -- ./*~\n"
    "echo \"free $(df -PB1 . | awk 'NR == 2 {print $4}')\"\n"
    "for file in *; do\n"
    "    if [ -f \"$file\" ]; then\n"
    "        echo \"has $(sha256sum <\"$file\" | cut -c 1-64) $file\"\n"
    "    fi\n"
    "done\n";

static bool prepare(uploading *self, tbk_error *err)
{
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", PREPARE_SCRIPT, "upload", TBK_UPLOADED_DIRECTORY,
                                      self->stored->id, self->vm->workspace->options.store, NULL},
        .as_root = true,
        .timeout_ms = PREPARE_TIMEOUT_MS,
        .report = self->vm->report};
    const tbk_remote *remote = self->vm->remote;
    static const char what[] = "making a place for the set";
    tbk_auto_remote_result result = {0};

    if (!remote->run(remote->self, &command, &result, err))
        return tbk_error_context(err, "%s on '%s'", what, remote->name);
    if (result.exit_status == NOT_INSTALLED)
        return tbk_fail(err, TBK_E_CONFIG, "run 'torrust-backup configure' first",
                        "there is no backup installed on '%s'", remote->name);
    if (result.exit_status != 0)
        return tbk_fail(err, TBK_E_REMOTE, NULL, "%s on '%s' failed with exit status %d: %s%s",
                        what, remote->name, result.exit_status,
                        tbk_remote_last_line(self->arena, tbk_text_string(&result.error_output)),
                        tbk_remote_shell_fault(self->arena, &result));
    self->has = tbk_arena_copy(self->arena, tbk_text_string(&result.output));
    return true;
}

/* A line of the answer, whole. */
static bool says(const uploading *self, const char *line)
{
    size_t length = strlen(line);
    const char *at = self->has;

    while ((at = strstr(at, line)) != NULL) {
        if ((at == self->has || at[-1] == '\n') && at[length] == '\n')
            return true;
        at += length;
    }
    return false;
}

static bool is_there(const uploading *self, const char *name, const tbk_digest *digest)
{
    return says(self, tbk_arena_format(self->arena, "has %s %s", digest->hex, name));
}

static bool check_space(uploading *self, tbk_error *err)
{
    const tbk_manifest *manifest = self->stored->manifest;
    const char *said = strncmp(self->has, FREE, strlen(FREE)) == 0 ? self->has + strlen(FREE) : "";
    const char *number = tbk_arena_copy_bytes(self->arena, said, strcspn(said, "\n"));
    int64_t free_bytes = 0;

    if (!tbk_number_parse_whole(number, 0, INT64_MAX, &free_bytes))
        return tbk_fail(err, TBK_E_REMOTE, NULL, "'%s' does not say how much room it has",
                        self->vm->remote->name);
    for (size_t i = 0; i < manifest->file_count; i++)
        if (!is_there(self, manifest->files[i].name, &manifest->files[i].stored))
            self->needed_bytes += manifest->files[i].stored_bytes;
    return (uint64_t)free_bytes >= self->needed_bytes + SPARE_BYTES ||
           tbk_fail(err, TBK_E_SPACE, "make room on the VM, in " TBK_UPLOADED_DIRECTORY,
                    "the set needs %" PRIu64 " bytes and some room on '%s', where %" PRId64
                    " are free",
                    self->needed_bytes, self->vm->remote->name, free_bytes);
}

/* --- the files --- */

/* Of the folder's group; in it, for it is closed to all others. */
static bool put(const uploading *self, const char *name, tbk_remote_file *file,
                const tbk_digest *digest, tbk_error *err)
{
    file->path = tbk_arena_format(self->arena, "%s/%s", self->folder, name);
    file->mode = 0644;
    return is_there(self, name, digest) ||
           tbk_remote_put(self->vm->remote, file, digest, self->vm->report, err);
}

static bool put_document(const uploading *self, const char *name, tbk_error *err)
{
    tbk_remote_file file = {.path = NULL};
    tbk_digest digest;
    char *bytes = NULL;

    if (!tbk_set_read_file(self->set, self->arena, name, SMALL_FILE_LIMIT_BYTES, &bytes,
                           &file.size_bytes, err))
        return false;
    file.bytes = bytes;
    tbk_digest_of(bytes, file.size_bytes, &digest);
    return put(self, name, &file, &digest, err);
}

static bool put_file(const uploading *self, const tbk_set_file *stored, tbk_error *err)
{
    tbk_auto_fd int fd = -1;

    if (!tbk_set_open_file(self->set, stored->name, &fd, err))
        return false;
    tbk_remote_file file = {.fd = fd};
    return put(self, stored->name, &file, &stored->stored, err);
}

static bool put_files(const uploading *self, tbk_error *err)
{
    const tbk_manifest *manifest = self->stored->manifest;

    tbk_report_log(self->vm->report, TBK_LOG_INFO, PHASE, "set %s goes to the VM",
                   self->stored->id);
    for (size_t i = 0; i < manifest->file_count; i++)
        if (!tbk_report_go_on(self->vm->report, err) || !put_file(self, &manifest->files[i], err))
            return false;
    return put_document(self, TBK_SET_SUMS_FILE, err) &&
           put_document(self, TBK_SET_MANIFEST_FILE, err);
}

bool tbk_set_upload(tbk_arena *arena, const tbk_vm *vm, const char *from, const char *set,
                    const char **out_folder, tbk_error *err)
{
    const tbk_set_choice choice = {.id = set, .now_s = tbk_clock_now_s()};
    tbk_auto(tbk_store) *store = NULL;
    tbk_auto(tbk_set) *files = NULL;
    tbk_stored_set *stored = NULL;

    if (!tbk_store_open(from, TBK_STORE_READ, &store, err) ||
        !tbk_store_find(store, arena, &choice, &stored, err) ||
        !tbk_store_open_set(store, stored->id, &files, err))
        return false;
    uploading self = {.arena = arena,
                      .vm = vm,
                      .stored = stored,
                      .set = files,
                      .folder = tbk_arena_format(arena, TBK_UPLOADED_DIRECTORY "/%s", stored->id)};
    *out_folder = self.folder;
    return prove(&self, err) && prepare(&self, err) && check_space(&self, err) &&
           put_files(&self, err);
}

void tbk_set_upload_remove(const tbk_vm *vm)
{
    static const char script[] = "rm -rf -- \"$1\"/*";
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", script, "uploaded", TBK_UPLOADED_DIRECTORY, NULL},
        .as_root = true,
        .report = vm->report};
    tbk_auto_remote_result result = {0};
    tbk_error why;

    if (!tbk_remote_do(vm->remote, "removing the uploaded set", &command, &result, &why))
        tbk_report_log(vm->report, TBK_LOG_WARNING, PHASE, "%s", why.message);
}
