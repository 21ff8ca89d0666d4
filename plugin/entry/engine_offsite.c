/* SPDX-License-Identifier: MIT */
/* The engine's command `offsite`: secrets, rights, restic, one action. */
#include "entry/engine_offsite.h"

#include "adapters/restic.h"
#include "base/clock.h"
#include "base/file.h"
#include "domain/host_layout.h"
#include "domain/offsite_secrets.h"
#include "engine/offsite.h"
#include "entry/engine_commands.h"
#include "entry/engine_privileges.h"
#include "entry/text_offsite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define RESULT_SCHEMA 1
#define SECRET_BYTES_MAX 65536
#define HOST_SIZE 256
#define RUN_FOLDER "/run" /* in memory, of this container alone */
#define RESTIC "restic"

/* What only root can read, and what ssh wants as files of the user that it runs as. */
typedef struct loaded_secrets {
    const char *const *variables;
    const char *ssh_key, *known_hosts; /* their bytes; NULL: there is none */
    size_t ssh_key_length, known_hosts_length;
} loaded_secrets;

static bool read_optional(tbk_arena *arena, const char *path, const char **out, size_t *out_length,
                          tbk_error *err)
{
    char *bytes = NULL;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return true;
    if (!tbk_file_read(arena, path, SECRET_BYTES_MAX, &bytes, out_length, err))
        return false;
    *out = bytes;
    return true;
}

static bool read_secrets(tbk_arena *arena, loaded_secrets *out, tbk_error *err)
{
    char *bytes = NULL;
    tbk_dotenv file = {.source = TBK_SECRETS_FILE};
    *out = (loaded_secrets){.variables = NULL};
    bool ok = tbk_file_read(arena, file.source, SECRET_BYTES_MAX, &bytes, &file.length, err);
    file.text = bytes;
    ok = ok && tbk_offsite_secrets_read(arena, &file, &out->variables, err) &&
         read_optional(arena, TBK_OFFSITE_KEY_FILE, &out->ssh_key, &out->ssh_key_length, err) &&
         read_optional(arena, TBK_OFFSITE_HOSTS_FILE, &out->known_hosts, &out->known_hosts_length,
                       err);
    if (ok)
        return true;
    err->code = TBK_E_CONFIG;
    if (err->fix[0] == '\0')
        (void)snprintf(err->fix, sizeof err->fix, "run 'torrust-backup configure' again");
    return tbk_error_context(err, "reading what the repository is reached by");
}

/* ssh refuses to work for a user that has no name; the image's /etc/passwd leads here. */
static bool name_user(tbk_error *err)
{
    char line[96];
    int length = snprintf(line, sizeof line, "outbound:x:%d:%d::/:/none\n", TBK_OUTBOUND_USER,
                          TBK_OUTBOUND_USER);
    return geteuid() != 0 ||
           tbk_file_publish(RUN_FOLDER "/passwd", line, (size_t)length, 0644, err);
}

static bool put_file(const char *bytes, size_t length, const char *path, const char **out,
                     tbk_error *err)
{
    if (bytes == NULL)
        return true;
    *out = path;
    return tbk_file_publish(path, bytes, length, 0600, err);
}

static bool check_config(const tbk_engine_config *config, tbk_error *err)
{
    return config->offsite.repository != NULL ||
           tbk_fail(err, TBK_E_CONFIG,
                    "write a section 'offsite' into the options file, and configure again",
                    "nothing goes off-site from here");
}

/* --- the actions --- */

static void print_result(const tbk_value *result) { tbk_offsite_print(stdout, result); }

static bool list(tbk_arena *arena, const tbk_offsite_request *request, engine_output *output,
                 tbk_error *err)
{
    tbk_value *result = NULL;
    if (!tbk_offsite_list(arena, request, &result, err))
        return false;
    tbk_value_set_integer(arena, result, "schema", RESULT_SCHEMA);
    engine_output_result(output, result, print_result);
    return true;
}

static bool fetch(tbk_arena *arena, const engine_args *args, const tbk_offsite_request *request,
                  tbk_value **out, tbk_error *err)
{
    const char *name = args->name != NULL ? args->name : request->config->offsite.name;
    const char *path = NULL;
    if (!tbk_offsite_fetch(arena, request, name, args->set, &path, err))
        return false;
    *out = tbk_value_map(arena);
    tbk_value_set_string(arena, *out, "path", path);
    return true;
}

/* *out stays NULL where there is nothing to tell but that it was done. */
static bool act(tbk_arena *arena, const engine_args *args, const tbk_offsite_request *request,
                tbk_value **out, tbk_error *err)
{
    switch (args->action) {
    case TBK_OFFSITE_CHECK:
        return tbk_offsite_check(arena, request, err);
    case TBK_OFFSITE_DRILL:
        return tbk_offsite_drill(arena, request, out, err);
    case TBK_OFFSITE_INIT:
        return tbk_offsite_init(arena, request, err);
    case TBK_OFFSITE_UNLOCK:
        return tbk_offsite_unlock(arena, request, err);
    case TBK_OFFSITE_ACCEPT:
        return tbk_offsite_accept(arena, request, err);
    case TBK_OFFSITE_FETCH:
        return fetch(arena, args, request, out, err);
    default:
        return tbk_offsite_sync(arena, request, err);
    }
}

static bool act_and_tell(tbk_arena *arena, const engine_args *args,
                         const tbk_offsite_request *request, engine_output *output, tbk_error *err)
{
    tbk_value *result = NULL;
    if (args->action == TBK_OFFSITE_LIST)
        return list(arena, request, output, err);
    if (!act(arena, args, request, &result, err))
        return false;
    if (result == NULL)
        result = tbk_value_map(arena);
    tbk_value_set_integer(arena, result, "schema", RESULT_SCHEMA);
    tbk_value_set_string(arena, result, "action",
                         tbk_names_of(&tbk_engine_action_names, args->action));
    engine_output_result(output, result, print_result);
    return true;
}

/* With restic, as the user that speaks to the network. */
static bool with_restic(tbk_arena *arena, const engine_args *args, const tbk_engine_config *config,
                        const loaded_secrets *secrets, engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_restic) *restic = NULL;
    tbk_report report = engine_output_report(output);
    char host[HOST_SIZE] = "";
    tbk_restic_settings settings = {.program = RESTIC,
                                    .repository = config->offsite.repository,
                                    .variables = secrets->variables,
                                    .cache_folder = TBK_OUTBOUND_DIRECTORY "/cache",
                                    .temporary_folder = TBK_OUTBOUND_DIRECTORY "/temporary",
                                    .limit_upload_kib = config->offsite.limit_upload_kib,
                                    .report = &report};
    if (gethostname(host, sizeof host - 1) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "asking for this machine's name");
    if (!tbk_directory_make(settings.cache_folder, 0700, err) ||
        !tbk_directory_make(settings.temporary_folder, 0700, err) ||
        !put_file(secrets->ssh_key, secrets->ssh_key_length, RUN_FOLDER "/ssh_key",
                  &settings.ssh_key, err) ||
        !put_file(secrets->known_hosts, secrets->known_hosts_length, RUN_FOLDER "/known_hosts",
                  &settings.known_hosts, err) ||
        !tbk_restic_open(&settings, &restic, err))
        return false;
    const tbk_repository repository = tbk_restic_port(restic);
    const tbk_offsite_request request = {.config = config,
                                         .repository = &repository,
                                         .folder = TBK_OUTBOUND_DIRECTORY,
                                         .host = host,
                                         .now_s = tbk_clock_now_s(),
                                         .uptime_s = tbk_clock_monotonic_ms() / 1000,
                                         .report = &report};
    return act_and_tell(arena, args, &request, output, err);
}

bool engine_command_offsite(const engine_args *args, engine_output *output, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_engine_config config;
    loaded_secrets secrets;
    return engine_config_load(arena, args->config, &config, err) && check_config(&config, err) &&
           read_secrets(arena, &secrets, err) && name_user(err) &&
           engine_privileges_become_outbound(config.store, err) &&
           with_restic(arena, args, &config, &secrets, output, err);
}
