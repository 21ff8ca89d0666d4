/* SPDX-License-Identifier: MIT */
/* Reads engine.yml, its options by the rows of the table (option_table.h); the engine trusts no
 * path in it unseen, however it came there. */
#include "domain/engine_config.h"

#include "domain/option_table.h"
#include "domain/options.h"
#include "domain/path.h"
#include "domain/place.h"
#include "domain/schedule.h"

#include <inttypes.h>
#include <string.h>

static bool read_text(const tbk_value *document, const char *key,
                      bool (*check)(const char *, tbk_error *), const char **out, tbk_error *err)
{
    if (!tbk_value_require_string(document, key, out, err))
        return false;
    if (!check(*out, err))
        return tbk_error_at(tbk_value_find(document, key), key, err);
    return true;
}

static bool read_number(const tbk_option *row, const tbk_value *document, void *field,
                        tbk_error *err)
{
    const char *key = row->engine.key;
    int64_t *out = field;
    if (!tbk_value_require_integer(document, key, out, err))
        return false;
    if (*out < row->minimum || *out > row->maximum)
        return tbk_value_fail(tbk_value_find(document, key), err, NULL,
                              "'%s' is %" PRId64 "; %" PRId64 " to %" PRId64 " are possible", key,
                              *out, row->minimum, row->maximum);
    return true;
}

static bool read_choice(const tbk_option *row, const tbk_value *document, void *field,
                        tbk_error *err)
{
    const char *key = row->engine.key;
    const char *name = NULL;
    if (!tbk_value_require_string(document, key, &name, err))
        return false;
    if (!tbk_names_parse(row->names, name, field, err))
        return tbk_error_at(tbk_value_find(document, key), key, err);
    return true;
}

/* The numbers and choices of the table; texts and rules depend on mode and database. */
static bool read_rows(const tbk_value *document, tbk_engine_config *out, tbk_error *err)
{
    for (size_t i = 0; i < TBK_OPTION_COUNT; i++) {
        const tbk_option *row = &tbk_option_table[i];
        void *field = (char *)out + row->engine.field;
        bool is_number = row->type == TBK_OPTION_NUMBER;
        if (row->engine.key == NULL || (!is_number && row->type != TBK_OPTION_CHOICE))
            continue;
        tbk_option_set_initial(row, field);
        if (!row->engine.is_required && tbk_value_find(document, row->engine.key) == NULL)
            continue;
        if (!(is_number ? read_number : read_choice)(row, document, field, err))
            return false;
    }
    return true;
}

static bool check_schema(const tbk_value *document, tbk_error *err)
{
    int64_t schema = 0;
    if (!tbk_value_require_integer(document, "schema", &schema, err))
        return false;
    if (schema != TBK_ENGINE_CONFIG_SCHEMA)
        return tbk_value_fail(tbk_value_find(document, "schema"), err,
                              "run 'torrust-backup configure' again: engine and configuration are "
                              "not of the same version",
                              "'schema' is %" PRId64 "; this engine reads %d", schema,
                              TBK_ENGINE_CONFIG_SCHEMA);
    return true;
}

static bool check_environment(const char *name, tbk_error *err)
{
    if (tbk_environment_check_name(name, err))
        return true;
    err->code = TBK_E_CONFIG; /* it is from a file, not an argument */
    return false;
}

static bool read_mysql(const tbk_value *document, const tbk_value *database, tbk_engine_config *out,
                       tbk_error *err)
{
    static const char *const keys[] = {"driver", "env_file", "tls", NULL};
    return tbk_value_only_keys(database, keys, err) &&
           read_text(document, "database.env_file", tbk_path_check_absolute, &out->env_file, err);
}

static bool read_database(const tbk_value *document, tbk_engine_config *out, tbk_error *err)
{
    static const char *const sqlite_keys[] = {"driver", "path", NULL};
    const tbk_value *database = NULL;
    const char *driver = NULL;

    if (!tbk_value_require_map(document, "database", &database, err) ||
        !tbk_value_require_string(document, "database.driver", &driver, err))
        return false;
    if (!tbk_driver_parse(driver, &out->driver, err))
        return tbk_error_at(tbk_value_find(document, "database.driver"), "database.driver", err);
    if (out->driver == TBK_DRIVER_MYSQL)
        return read_mysql(document, database, out, err);
    return tbk_value_only_keys(database, sqlite_keys, err) &&
           read_text(document, "database.path", tbk_path_check_absolute, &out->database_path, err);
}

/* A list of clean paths below the root, as an array with NULL at its end. */
static bool read_paths(tbk_arena *arena, const tbk_value *document, const char *key,
                       const char *const **out, tbk_error *err)
{
    const tbk_value *list = NULL;
    size_t count = 0;

    if (!tbk_value_require_list(document, key, &list, err))
        return false;
    const char **paths = tbk_arena_alloc(arena, (list->count + 1) * sizeof *paths);
    for (const tbk_member *item = list->first; item != NULL; item = item->next) {
        if (item->value->type != TBK_VALUE_STRING)
            return tbk_value_fail(item->value, err, "write the path in quotes",
                                  "'%s' must hold texts, but this is %s", key,
                                  tbk_value_type_name(item->value->type));
        if (!tbk_path_check_relative(item->value->string, err))
            return tbk_error_at(item->value, key, err);
        paths[count++] = item->value->string;
    }
    *out = paths;
    return true;
}

static bool is_among(const char *const *paths, const char *path)
{
    for (; *paths != NULL; paths++)
        if (tbk_path_is_within(path, *paths))
            return true;
    return false;
}

static bool read_config(tbk_arena *arena, const tbk_value *document, tbk_engine_config *out,
                        tbk_error *err)
{
    static const char *const keys[] = {"root", "paths", "sqlite_paths", NULL};
    static const char *const none[] = {NULL};
    const tbk_value *config = NULL;

    out->sqlite_paths = none;
    if (!tbk_value_require_map(document, "config", &config, err) ||
        !tbk_value_only_keys(config, keys, err) ||
        !read_text(document, "config.root", tbk_path_check_absolute, &out->config_root, err) ||
        !read_paths(arena, document, "config.paths", &out->config_paths, err))
        return false;
    const tbk_value *sqlite = tbk_value_find(config, "sqlite_paths");
    if (sqlite == NULL)
        return true;
    if (!read_paths(arena, document, "config.sqlite_paths", &out->sqlite_paths, err))
        return false;
    for (const char *const *path = out->sqlite_paths; *path != NULL; path++)
        if (!is_among(out->config_paths, *path))
            return tbk_value_fail(sqlite, err, "name it, or a folder above it, in 'config.paths'",
                                  "'%s' is in 'config.sqlite_paths' only", *path);
    return true;
}

static bool check_schedule(const char *text, tbk_error *err)
{
    tbk_schedule parsed;
    return tbk_schedule_parse(text, &parsed, err);
}

/* Cron has the schedule in mode window; here it would be ignored. */
static bool read_schedules(const tbk_value *document, tbk_engine_config *out, tbk_error *err)
{
    bool has_full = tbk_value_find(document, "full_schedule") != NULL;
    if (out->mode == TBK_MODE_SIDECAR)
        return read_text(document, "schedule", check_schedule, &out->schedule, err) &&
               (!has_full ||
                read_text(document, "full_schedule", check_schedule, &out->full_schedule, err));
    const tbk_value *schedule = tbk_value_find(document, has_full ? "full_schedule" : "schedule");
    return schedule == NULL ||
           tbk_value_fail(schedule, err, "write 'mode: sidecar', or leave the schedule to cron",
                          "a schedule goes with the mode sidecar only");
}

static bool read_offsite(const tbk_value *document, tbk_engine_config *out, tbk_error *err)
{
    const tbk_value *section = NULL;
    tbk_option_keys known = {.count = 0};
    if (tbk_value_find(document, "offsite") == NULL)
        return true;
    tbk_option_add_keys(&known, TBK_ENGINE_FILE, "offsite");
    out->offsite.name = out->environment;
    return tbk_value_require_map(document, "offsite", &section, err) &&
           tbk_value_only_keys(section, known.list, err) &&
           read_text(document, "offsite.repository", tbk_options_check_repository,
                     &out->offsite.repository, err) &&
           (tbk_value_find(section, "name") == NULL ||
            read_text(document, "offsite.name", tbk_options_check_offsite_name, &out->offsite.name,
                      err));
}

static bool check_method(const tbk_value *document, const tbk_engine_config *read, tbk_error *err)
{
    if (!tbk_method_check(read->method, read->driver, read->mode, read->hold, err))
        return tbk_error_at(tbk_value_find(document, "method"), "method", err);
    return true;
}

static bool check_keys(const tbk_value *document, tbk_error *err)
{
    tbk_option_keys known = {.count = 0};
    tbk_option_add_key(&known, "schema");
    tbk_option_add_key(&known, "environment");
    tbk_option_add_keys(&known, TBK_ENGINE_FILE, "");
    tbk_option_add_key(&known, "config");
    return tbk_value_only_keys(document, known.list, err);
}

bool tbk_engine_config_read(tbk_arena *arena, const tbk_value *document, tbk_engine_config *out,
                            tbk_error *err)
{
    tbk_engine_config read = {.environment = NULL};

    tbk_rules_default(&read.essential);
    if (!check_schema(document, err) || !check_keys(document, err) ||
        !read_text(document, "environment", check_environment, &read.environment, err) ||
        !read_database(document, &read, err) || !read_rows(document, &read, err) ||
        !read_text(document, "store", tbk_path_check_absolute, &read.store, err) ||
        !read_schedules(document, &read, err) || !check_method(document, &read, err) ||
        !tbk_rules_read(document, "essential", &read.essential, err) ||
        !read_offsite(document, &read, err) || !read_config(arena, document, &read, err))
        return false;
    *out = read;
    return true;
}

const char *tbk_engine_config_owned_file(const tbk_engine_config *config)
{
    return config->driver == TBK_DRIVER_SQLITE ? config->database_path : config->env_file;
}
