/* SPDX-License-Identifier: MIT */
/* Small shell scripts on the VM, and files of this machine that go there. */
#include "commands/outbound.h"

#include "base/file.h"
#include "commands/mode_switch.h"
#include "domain/offsite_secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SECRET_BYTES_MAX 65536
#define START_TIMEOUT_MS 180000
#define NETWORK "torrust-backup_outbound" /* as Compose calls it */
#define SERVICE_FILTERS                                                                            \
    "--filter label=com.docker.compose.project=torrust-backup "                                    \
    "--filter label=com.docker.compose.service=outbound"

/* --- secrets --- */

/* What others can read is no secret. */
static bool check_mode(const char *path, int fd, tbk_error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_CONFIG, errno, NULL, "looking at '%s'", path);
    return (status.st_mode & 077) == 0 ||
           tbk_fail(err, TBK_E_CONFIG, "chmod 600 it, and change what stands in it",
                    "others can read '%s' (mode %o)", path, (unsigned)status.st_mode & 07777);
}

static bool read_file(tbk_arena *arena, const char *path, bool is_secret, char **out_bytes,
                      size_t *out_length, tbk_error *err)
{
    tbk_auto_fd int fd = -1;
    bool ok = tbk_file_open(path, &fd, err) && (!is_secret || check_mode(path, fd, err)) &&
              tbk_file_read_open(arena, fd, path, SECRET_BYTES_MAX, out_bytes, out_length, err);
    if (!ok)
        err->code = TBK_E_CONFIG;
    return ok;
}

static bool add_file(tbk_arena *arena, const char *path, const char *target, bool is_secret,
                     tbk_secrets *out, tbk_error *err)
{
    tbk_rendered_file *file = &out->files[out->count];
    char *bytes = NULL;
    if (path == NULL)
        return true;
    *file = (tbk_rendered_file){
        .name = strrchr(target, '/') + 1, .target = target, .mode = 0600, .is_secret = true};
    if (!read_file(arena, path, is_secret, &bytes, &file->length, err))
        return false;
    file->bytes = bytes;
    tbk_digest_of(bytes, file->length, &file->digest);
    out->count++;
    return true;
}

static bool check_secrets(tbk_arena *arena, const char *path, const tbk_rendered_file *file,
                          tbk_error *err)
{
    const tbk_dotenv dotenv = {.text = file->bytes, .length = file->length, .source = path};
    const char *const *variables;
    return tbk_offsite_secrets_read(arena, &dotenv, &variables, err);
}

bool tbk_outbound_read_secrets(tbk_arena *arena, const tbk_workspace *workspace, tbk_secrets *out,
                               tbk_error *err)
{
    const tbk_options *options = &workspace->options;
    const char *path = options->offsite_secrets != NULL ? options->offsite_secrets
                                                        : workspace->offsite_secrets_path;
    out->count = 0;
    if (options->offsite.repository == NULL)
        return true;
    if (!add_file(arena, path, TBK_SECRETS_FILE, true, out, err)) {
        if (err->fix[0] == '\0')
            (void)snprintf(err->fix, sizeof err->fix,
                           "write RESTIC_PASSWORD=... and the back end's credentials into it, and "
                           "chmod 600 it; keep a copy of the password in another place");
        return tbk_error_context(err, "reading the secrets of 'offsite'");
    }
    return (check_secrets(arena, path, &out->files[0], err) &&
            add_file(arena, options->offsite_ssh_key, TBK_OFFSITE_KEY_FILE, true, out, err) &&
            add_file(arena, options->offsite_known_hosts, TBK_OFFSITE_HOSTS_FILE, false, out,
                     err)) ||
           tbk_error_context(err, "reading the secrets of 'offsite'");
}

/* --- the container --- */

/* $1 look or start, $2 compose file, $3 store. Prints one word. */
static const char APPLY_SCRIPT[] =
    "action=$1 file=$2 store=$3 ready=yes\n"
    "[ -d \"$store\" ] || { echo waits; exit; }\n"
    "[ ! -L \"$store\" ] || { echo 'the store is a link, which could lead anywhere' >&2; exit 1; "
    "}\n"
    "id=$(timeout 20 docker ps -q " SERVICE_FILTERS
    " --filter label=com.docker.compose.oneoff=False | head -n 1) || exit\n"
    "[ -n \"$id\" ] && [ -f \"$file\" ] &&\n"
    "    has=$(timeout 20 docker inspect -f\\\n"
    "        '{{index .Config.Labels \"com.docker.compose.config-hash\"}}' \"$id\") &&\n"
    "    wants=$(timeout 20 docker compose -f \"$file\" config --hash outbound 2>/dev/null) &&\n"
    "    [ \"$has\" = \"${wants#* }\" ] || ready=no\n"
    "[ $ready = no ] || { echo in-place; exit; }\n"
    "[ \"$action\" = start ] || { echo to-start; exit; }\n"
    "timeout 150 docker compose --progress quiet -f \"$file\" up -d outbound >&2 && echo "
    "to-start\n";

bool tbk_outbound_apply(const tbk_vm *vm, bool look_only, tbk_service_step *out, tbk_error *err)
{
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", APPLY_SCRIPT, "outbound",
                                      look_only ? "look" : "start", TBK_COMPOSE_FILE,
                                      vm->workspace->options.store, NULL},
        .as_root = true,
        .timeout_ms = START_TIMEOUT_MS,
        .report = vm->report};
    tbk_auto_remote_result result = {0};
    if (!tbk_remote_do(vm->remote, "starting what takes sets off-site", &command, &result, err))
        return false;
    *out = tbk_service_step_of(tbk_text_string(&result.output));
    return true;
}

bool tbk_outbound_remove(const tbk_remote *remote, const tbk_report *report, tbk_error *err)
{
    static const char script[] =
        "ids=$(timeout 20 docker ps -aq " SERVICE_FILTERS ") || exit\n"
        "for id in $ids; do\n"
        "    timeout 60 docker stop -t 40 \"$id\" && timeout 60 docker rm \"$id\" || exit\n"
        "done >/dev/null\n"
        "timeout 20 docker network rm " NETWORK " >/dev/null 2>&1\n"
        "rm -rf " TBK_SECRETS_DIRECTORY "\n";
    const tbk_remote_command command = {.argv = (const char *const[]){"sh", "-c", script, NULL},
                                        .as_root = true,
                                        .timeout_ms = START_TIMEOUT_MS,
                                        .report = report};
    tbk_auto_remote_result result = {0};
    return tbk_remote_do(remote, "removing what takes sets off-site", &command, &result, err);
}
