/* SPDX-License-Identifier: MIT */
/* Renders the files that are put on the VM. */
#include "render/render.h"

#include "base/file.h"
#include "domain/option_table.h"
#include "render/render_check.h"
#include "render/template.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

typedef struct template_row {
    const char *template_name;
    const char *name;
    const char *target;
    mode_t mode;
    bool for_window_only;
    tbk_template_context context;
    tbk_render_check *check; /* may be NULL */
} template_row;

/* In the order in which they are installed: what lets the tracker go before what holds it, so that
 * an upgrade that is interrupted never leaves a hold that nothing undoes; the crontab last, so
 * nothing runs before all is there. */
static const template_row rows[] = {
    {"compose.yml.tera", "compose.yml", TBK_COMPOSE_FILE, 0644, false, TBK_TEMPLATE_COMPOSE,
     tbk_render_check_compose},
    {"engine.yml.tera", "engine.yml", TBK_ENGINE_CONFIG_FILE, 0644, false, TBK_TEMPLATE_YAML,
     tbk_render_check_engine_config},
    {"hold.tera", "torrust-backup-hold", TBK_HOLD_FILE, 0755, true, TBK_TEMPLATE_SHELL,
     tbk_render_check_script},
    {"scratch.tera", "torrust-backup-scratch", TBK_SCRATCH_FILE, 0755, true, TBK_TEMPLATE_SHELL,
     tbk_render_check_script},
    {"aid.tera", "torrust-backup-aid", TBK_AID_FILE, 0755, false, TBK_TEMPLATE_SHELL,
     tbk_render_check_script},
    {"hook.tera", "torrust-backup-hook", TBK_HOOK_FILE, 0755, true, TBK_TEMPLATE_SHELL,
     tbk_render_check_script},
    {"logrotate.tera", "logrotate", TBK_LOGROTATE_FILE, 0644, true, TBK_TEMPLATE_SHELL, NULL},
    {"crontab.tera", "crontab", TBK_CRON_FILE, 0644, true, TBK_TEMPLATE_CRON,
     tbk_render_check_crontab},
};
_Static_assert(sizeof rows / sizeof *rows <= TBK_RENDERED_FILES_MAX, "room for every file");

/* --- Values --- */

static void append_all(tbk_arena *arena, tbk_value *list, const char *const *texts)
{
    for (; *texts != NULL; texts++)
        tbk_value_append(arena, list, tbk_value_string(arena, *texts));
}

/*
 * What of the deployment is worth saving beside its database, and small. Certificates are in
 * Caddy's data; what Grafana's users made is in its database. Left out on purpose: metrics, logs,
 * the tracker's lib (the database has its own way), MySQL's files, backups.
 */
static tbk_value *config_paths(tbk_arena *arena, const tbk_environment *environment)
{
    static const char *const always[] = {".env", "docker-compose.yml", "storage/tracker/etc", NULL};
    static const char *const prometheus[] = {"storage/prometheus/etc", NULL};
    static const char *const grafana[] = {"storage/grafana/provisioning",
                                          "storage/grafana/data/grafana.db", NULL};
    static const char *const caddy[] = {"storage/caddy/etc", "storage/caddy/config",
                                        "storage/caddy/data", NULL};
    tbk_value *list = tbk_value_list(arena);
    append_all(arena, list, always);
    if (environment->has_prometheus)
        append_all(arena, list, prometheus);
    if (environment->has_grafana)
        append_all(arena, list, grafana);
    if (environment->has_https)
        append_all(arena, list, caddy);
    return list;
}

static tbk_value *config_sqlite_paths(tbk_arena *arena, const tbk_environment *environment)
{
    tbk_value *list = tbk_value_list(arena);
    if (environment->has_grafana)
        tbk_value_append(arena, list, tbk_value_string(arena, "storage/grafana/data/grafana.db"));
    return list;
}

const char *tbk_render_database_path(tbk_arena *arena, const tbk_environment *environment)
{
    return environment->driver == TBK_DRIVER_SQLITE
               ? tbk_arena_format(arena, TBK_STORAGE "/tracker/lib/database/%s",
                                  environment->database_name)
               : NULL;
}

/* Returns the file whose owner the store gets. */
static const char *set_database(tbk_arena *arena, const tbk_render_input *input, tbk_value *values)
{
    const tbk_environment *environment = input->environment;
    const char *path = tbk_render_database_path(arena, environment);
    bool is_sqlite = path != NULL;
    tbk_value *database = tbk_value_map(arena);
    tbk_value_set_string(arena, database, "driver", tbk_driver_name(environment->driver));
    tbk_value_set_string(arena, database, "name", environment->database_name);
    tbk_value_set_string(arena, database, "path", path);
    tbk_value_set_string(arena, database, "env_file", is_sqlite ? NULL : TBK_ENV_FILE);
    tbk_value_set_string(arena, database, "tls",
                         tbk_database_tls_name(input->options->database_tls));
    tbk_value_set_string(arena, database, "network", is_sqlite ? NULL : TBK_DATABASE_NETWORK);
    tbk_value_set(arena, values, "database", database);
    return is_sqlite ? path : TBK_ENV_FILE;
}

static tbk_value *rules_to_value(tbk_arena *arena, const tbk_rules *rules)
{
    tbk_value *list = tbk_value_list(arena);
    for (size_t i = 0; i < rules->count; i++) {
        tbk_value *rule = tbk_value_map(arena);
        tbk_value_set_string(arena, rule, "table", rules->list[i].table);
        tbk_value_set_string(arena, rule, "keep", tbk_rule_text(&rules->list[i]));
        tbk_value_append(arena, list, rule);
    }
    return list;
}

/* Each option of the file under its key, but those of sections, which are for this machine. */
static void set_options(tbk_arena *arena, const tbk_options *options, tbk_value *values)
{
    for (const tbk_option *row = tbk_option_table; row < tbk_option_table + TBK_OPTION_COUNT; row++)
        if (row->file.key != NULL && strchr(row->file.key, '.') == NULL &&
            row->type != TBK_OPTION_RULES)
            tbk_value_set(arena, values, row->file.key,
                          tbk_option_to_value(arena, row, (const char *)options + row->file.field));
    tbk_value_set(arena, values, "essential", rules_to_value(arena, &options->essential));
    tbk_value_set_bool(arena, values, "store_is_elsewhere",
                       !tbk_text_starts_with(options->store, TBK_STORAGE "/"));
}

/* What the engine is told of it. */
static tbk_value *offsite_to_value(tbk_arena *arena, const tbk_options *options)
{
    static const char section[] = "offsite.";
    tbk_value *map = tbk_value_map(arena);
    for (const tbk_option *row = tbk_option_table; row < tbk_option_table + TBK_OPTION_COUNT; row++)
        if (row->file.key != NULL && row->engine.key != NULL &&
            tbk_text_starts_with(row->file.key, section))
            tbk_value_set(arena, map, row->file.key + strlen(section),
                          tbk_option_to_value(arena, row, (const char *)options + row->file.field));
    const char *repository = options->offsite.repository;
    tbk_value_set_bool(arena, map, "is_folder", repository != NULL && repository[0] == '/');
    return map;
}

#define TEXT_OF(number) #number
#define LOOPBACK(port) "127.0.0.1:" TEXT_OF(port)

/* The names that plugin/render/render.h lists. */
static const tbk_value *template_values(tbk_arena *arena, const tbk_render_input *input)
{
    static const char *const constants[][2] = {
        {"version", TBK_VERSION},
        {"project", TBK_PROJECT},
        {"scratch_server", TBK_PROJECT "-server"},
        {"scratch_tracker", TBK_PROJECT "-tracker"},
        {"scratch_tracker_health", LOOPBACK(TBK_SCRATCH_TRACKER_HEALTH_PORT)},
        {"scratch_tracker_api", LOOPBACK(TBK_SCRATCH_TRACKER_API_PORT)},
        {"tracker_etc", TBK_TRACKER_ETC},
        {"tracker_etc_inside", TBK_TRACKER_ETC_INSIDE},
        {"tracker_toml_inside", TBK_TRACKER_ETC_INSIDE "/tracker.toml"},
        {"engine_network", "container:" TBK_PROJECT "-run"},
        {"tracker_container", TBK_TRACKER_CONTAINER},
        {"config_root", TBK_CONFIG_ROOT},
        {"storage", TBK_STORAGE},
        {"engine_config", TBK_ENGINE_CONFIG_FILE},
        {"engine_config_directory", TBK_OUR_FOLDER},
        {"metrics_network", TBK_METRICS_NETWORK},
        {"log", TBK_LOG_FILE},
        {"log_directory", TBK_LOG_DIRECTORY},
        {"state_directory", TBK_STATE_DIRECTORY},
        {"outbound_directory", TBK_OUTBOUND_DIRECTORY},
        {"uploaded_directory", TBK_UPLOADED_DIRECTORY},
        {"secrets_directory", TBK_SECRETS_DIRECTORY},
    };
    tbk_value *values = tbk_value_map(arena);
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        tbk_value_set_string(arena, values, constants[i][0], constants[i][1]);
    tbk_value_set_string(arena, values, "environment", input->environment->name);
    tbk_value_set_string(arena, values, "image", input->image_tag);
    tbk_value_set_string(arena, values, "owner_of", set_database(arena, input, values));
    set_options(arena, input->options, values);
    tbk_value_set(arena, values, "config_paths", config_paths(arena, input->environment));
    tbk_value_set(arena, values, "config_sqlite_paths",
                  config_sqlite_paths(arena, input->environment));
    tbk_value_set_bool(arena, values, "has_native_backup", input->environment->has_native_backup);
    tbk_value_set(arena, values, "offsite", offsite_to_value(arena, input->options));
    tbk_value_set_string(arena, values, "outbound_image", input->outbound_image_tag);
    return values;
}

/* --- Files --- */

/* The override's path where there is one, even one that then cannot be read: it is not passed over.
 */
static const char *template_path(tbk_arena *arena, const tbk_render_input *input, const char *name)
{
    struct stat ignored;
    const char *override = tbk_arena_format(arena, "%s/%s", input->override_path, name);
    if (lstat(override, &ignored) == 0 || (errno != ENOENT && errno != ENOTDIR))
        return override;
    return tbk_arena_format(arena, "%s/%s", input->templates_path, name);
}

static bool render_template(tbk_arena *arena, const char *path, tbk_template_context context,
                            const tbk_value *values, tbk_text *out, tbk_error *err)
{
    char *source;
    size_t length;
    return tbk_file_read(arena, path, TBK_TEMPLATE_SIZE_MAX, &source, &length, err) &&
           tbk_template_render(path, source, length, context, values, out, err);
}

static bool check_file(tbk_arena *arena, const template_row *row, const tbk_rendered_file *file,
                       tbk_error *err)
{
    if (file->length == 0 || file->bytes[file->length - 1] != '\n')
        return tbk_fail(err, TBK_E_TEMPLATE, "end the template with a line break",
                        "%s does not end with a line break", row->name);
    if (row->check == NULL || row->check(arena, row->name, file->bytes, file->length, err))
        return true;
    err->code = TBK_E_TEMPLATE; /* the values are checked before, so the template is to blame */
    return false;
}

static bool render_row(tbk_arena *arena, const tbk_render_input *input, const template_row *row,
                       const tbk_value *values, tbk_rendered_file *file, tbk_error *err)
{
    const char *path = template_path(arena, input, row->template_name);
    tbk_auto_text text = {0};
    if (!render_template(arena, path, row->context, values, &text, err))
        return tbk_error_context(err, "rendering '%s'", row->name);
    file->name = row->name;
    file->target = row->target;
    file->mode = row->mode;
    file->bytes = tbk_arena_copy_bytes(arena, tbk_text_string(&text), text.length);
    file->length = text.length;
    tbk_digest_of(file->bytes, file->length, &file->digest);
    if (!check_file(arena, row, file, err))
        return tbk_error_context(err, "checking what '%s' makes", path);
    return true;
}

bool tbk_render(tbk_arena *arena, const tbk_render_input *input, tbk_rendering *out, tbk_error *err)
{
    const tbk_value *values = template_values(arena, input);
    bool is_window = input->options->mode == TBK_MODE_WINDOW;
    out->count = 0;
    for (const template_row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        if (row->for_window_only && !is_window)
            continue;
        if (!render_row(arena, input, row, values, &out->files[out->count], err))
            return false;
        out->count++;
    }
    return true;
}
