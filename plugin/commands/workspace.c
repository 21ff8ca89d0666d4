/* SPDX-License-Identifier: MIT */
/* Reads a deployer workspace: state, inventory, options file, overrides. */
#include "commands/workspace.h"

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The largest file that the deployer wrote was 12 kB; more than this is garbage. */
#define STATE_LIMIT_BYTES (1u << 20)
#define NOT_A_WORKSPACE                                                                            \
    "run it in the deployer's working directory, or name that with --working-dir"

static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

static bool read_state(tbk_arena *arena, const char *path, const tbk_value **out, tbk_error *err)
{
    char *bytes = NULL;
    size_t length = 0;

    if (!exists(path))
        return tbk_fail(err, TBK_E_CONFIG, NOT_A_WORKSPACE,
                        "there is no such environment: '%s' does not exist", path);
    if (!tbk_file_read(arena, path, STATE_LIMIT_BYTES, &bytes, &length, err)) {
        err->code = TBK_E_CONFIG;
        return tbk_error_context(err, "reading the deployer's state");
    }
    if (!tbk_json_parse(arena, bytes, length, path, out, err))
        return tbk_error_context(err, "reading the deployer's state");
    return true;
}

static bool read_yaml(tbk_arena *arena, const char *path, const char *what, const tbk_value **out,
                      tbk_error *err)
{
    char *bytes = NULL;
    size_t length = 0;

    if (!tbk_file_read(arena, path, STATE_LIMIT_BYTES, &bytes, &length, err)) {
        err->code = TBK_E_CONFIG;
        return tbk_error_context(err, "reading %s", what);
    }
    if (!tbk_yaml_parse(arena, bytes, length, path, out, err))
        return tbk_error_context(err, "reading %s", what);
    return true;
}

static bool read_environment(tbk_arena *arena, const char *working_dir, const char *name,
                             tbk_environment *out, tbk_error *err)
{
    const tbk_value *state = NULL;
    const tbk_value *inventory = NULL;

    if (!read_state(arena,
                    tbk_arena_format(arena, "%s/data/%s/environment.json", working_dir, name),
                    &state, err))
        return false;
    const char *path =
        tbk_arena_format(arena, "%s/build/%s/ansible/inventory.yml", working_dir, name);
    if (exists(path) && !read_yaml(arena, path, "the deployer's inventory", &inventory, err))
        return false;
    return tbk_environment_read(arena, state, inventory, name, out, err);
}

static bool read_options(tbk_arena *arena, const char *working_dir, const char *options_file,
                         const tbk_environment *environment, tbk_options *out, tbk_error *err)
{
    const tbk_value *document = NULL;
    const char *path = options_file;

    tbk_options_default(environment, out);
    if (path != NULL && !exists(path))
        return tbk_fail(err, TBK_E_CONFIG, "name an existing file with --options",
                        "there is no options file '%s'", path);
    if (path == NULL) {
        path = tbk_arena_format(arena, "%s/envs/%s.backup.yml", working_dir, environment->name);
        if (!exists(path))
            path = NULL;
    }
    if (path != NULL && (!read_yaml(arena, path, "the options file", &document, err) ||
                         !tbk_options_read(document, out, err)))
        return false;
    return true;
}

static bool apply_overrides(const tbk_workspace_overrides *overrides, tbk_options *options,
                            tbk_error *err)
{
    if (overrides->ssh_host != NULL)
        options->ssh_host = overrides->ssh_host;
    if (overrides->ssh_port != 0)
        options->ssh_port = overrides->ssh_port;
    if (overrides->ssh_user != NULL)
        options->ssh_user = overrides->ssh_user;
    if (overrides->ssh_key != NULL)
        options->ssh_key = overrides->ssh_key;
    if (overrides->mode != NULL && !tbk_mode_parse(overrides->mode, &options->mode, err))
        return false;
    if (overrides->ssh_program != NULL)
        return tbk_ssh_program_parse(overrides->ssh_program, &options->ssh_program, err);
    return true;
}

/* Options and flags win over what the deployer knows. */
static void merge_address(tbk_arena *arena, const tbk_options *options,
                          tbk_environment *environment)
{
    if (options->ssh_host != NULL)
        environment->ssh_host = options->ssh_host;
    if (options->ssh_port != 0)
        environment->ssh_port = (uint16_t)options->ssh_port;
    if (options->ssh_user != NULL)
        environment->ssh_user = options->ssh_user;
    if (options->ssh_key != NULL) {
        environment->ssh_private_key_path = options->ssh_key;
        environment->ssh_public_key_path = tbk_arena_format(arena, "%s.pub", options->ssh_key);
    }
}

bool tbk_workspace_open(tbk_arena *arena, const char *working_dir, const char *environment_name,
                        const tbk_workspace_overrides *overrides, tbk_workspace *out,
                        tbk_error *err)
{
    tbk_environment *environment = &out->environment;

    if (!tbk_environment_check_name(environment_name, err) ||
        !read_environment(arena, working_dir, environment_name, environment, err) ||
        !read_options(arena, working_dir, overrides->options_file, environment, &out->options, err))
        return false;
    tbk_mode written = out->options.mode;
    if (!apply_overrides(overrides, &out->options, err) ||
        !tbk_options_check(&out->options, environment->driver, err))
        return false;
    out->mode_is_unwritten = overrides->mode != NULL && written != out->options.mode;
    merge_address(arena, &out->options, environment);

    out->output_path =
        tbk_arena_format(arena, "%s/build/%s/torrust-backup", working_dir, environment_name);
    out->known_hosts_path =
        tbk_arena_format(arena, "%s/data/%s/known_hosts", working_dir, environment_name);
    out->offsite_secrets_path =
        tbk_arena_format(arena, "%s/envs/%s.offsite.env", working_dir, environment_name);
    out->override_path = tbk_arena_format(arena, "%s/data/%s/templates/torrust-backup", working_dir,
                                          environment_name);
    return true;
}

/* It is the deployer's, and was meant to have a backup. */
static bool has_backup(tbk_arena *arena, const char *working_dir, const char *name)
{
    tbk_error ignored;

    return tbk_environment_check_name(name, &ignored) &&
           exists(tbk_arena_format(arena, "%s/data/%s/environment.json", working_dir, name)) &&
           (exists(tbk_arena_format(arena, "%s/envs/%s.backup.yml", working_dir, name)) ||
            exists(tbk_arena_format(arena, "%s/build/%s/torrust-backup", working_dir, name)));
}

bool tbk_workspace_environments(tbk_arena *arena, const char *working_dir, const char ***out_names,
                                tbk_error *err)
{
    const char *path = tbk_arena_format(arena, "%s/data", working_dir);
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort), used = 0;

    if (count < 0)
        return errno == ENOENT ? tbk_fail(err, TBK_E_CONFIG, NOT_A_WORKSPACE,
                                          "there is no environment here: '%s' does not exist", path)
                               : tbk_fail_errno(err, TBK_E_IO, errno, NULL, "listing '%s'", path);
    *out_names = tbk_arena_alloc(arena, ((size_t)count + 1) * sizeof **out_names);
    for (int i = 0; i < count; i++) {
        if (has_backup(arena, working_dir, entries[i]->d_name))
            (*out_names)[used++] = tbk_arena_copy(arena, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    (*out_names)[used] = NULL;
    return true;
}

bool tbk_workspace_write(const tbk_workspace *workspace, const char *name, const void *bytes,
                         size_t length, tbk_error *err)
{
    tbk_auto_text path = {0};

    if (!tbk_directory_make(workspace->output_path, 0700, err))
        return false;
    tbk_text_format(&path, "%s/%s", workspace->output_path, name);
    return tbk_file_publish(tbk_text_string(&path), bytes, length, 0600, err);
}
