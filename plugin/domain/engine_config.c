/* SPDX-License-Identifier: MIT */
/* Reads engine.yml; the engine trusts no path in it unseen, however it came there. */
#include "domain/engine_config.h"

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

static bool read_number(const tbk_value *document, const char *key, int64_t minimum,
                        int64_t maximum, int64_t *out, tbk_error *err)
{
    if (!tbk_value_require_integer(document, key, out, err))
        return false;
    if (*out < minimum || *out > maximum)
        return tbk_value_fail(tbk_value_find(document, key), err, NULL,
                              "'%s' is %" PRId64 "; %" PRId64 " to %" PRId64 " are possible", key,
                              *out, minimum, maximum);
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
    err->code = TBK_E_CONFIG; /* nobody typed it */
    return false;
}

static bool read_mysql(const tbk_value *document, const tbk_value *database, tbk_engine_config *out,
                       tbk_error *err)
{
    static const char *const keys[] = {"driver", "env_file", "tls", NULL};
    const char *tls = tbk_database_tls_name(TBK_TLS_WHEN_OFFERED);
    if (!tbk_value_only_keys(database, keys, err) ||
        !read_text(document, "database.env_file", tbk_path_check_absolute, &out->env_file, err) ||
        !tbk_value_optional_string(document, "database.tls", &tls, err))
        return false;
    if (!tbk_database_tls_parse(tls, &out->tls, err))
        return tbk_error_at(tbk_value_find(document, "database.tls"), "database.tls", err);
    return true;
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

/* Cron has the schedule in mode window; here it would only seem to be heeded. */
static bool read_mode(const tbk_value *document, tbk_engine_config *out, tbk_error *err)
{
    const char *mode = tbk_mode_name(TBK_MODE_WINDOW);
    if (!tbk_value_optional_string(document, "mode", &mode, err))
        return false;
    if (!tbk_mode_parse(mode, &out->mode, err))
        return tbk_error_at(tbk_value_find(document, "mode"), "mode", err);
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

/* After database and mode, which it must go with. */
static bool read_method(const tbk_value *document, tbk_engine_config *out, tbk_error *err)
{
    const char *method = NULL;
    const char *hold = tbk_hold_policy_name(TBK_HOLD_WHEN_NEEDED);
    if (!tbk_value_require_string(document, "method", &method, err) ||
        !tbk_value_optional_string(document, "hold", &hold, err))
        return false;
    if (!tbk_hold_policy_parse(hold, &out->hold, err))
        return tbk_error_at(tbk_value_find(document, "hold"), "hold", err);
    if (!tbk_method_parse(method, &out->method, err) ||
        !tbk_method_check(out->method, out->driver, out->mode, out->hold, err))
        return tbk_error_at(tbk_value_find(document, "method"), "method", err);
    return true;
}

bool tbk_engine_config_read(tbk_arena *arena, const tbk_value *document, tbk_engine_config *out,
                            tbk_error *err)
{
    static const char *const keys[] = {"schema",         "environment",
                                       "database",       "store",
                                       "mode",           "schedule",
                                       "full_schedule",  "method",
                                       "hold",           "profile",
                                       "essential",      "keep_days",
                                       "config",         "compression_level",
                                       "rate_limit_mib", "prove_restored_every_days",
                                       "keep_last",      NULL};
    tbk_engine_config read = {.keep_last = TBK_DEFAULT_KEEP_LAST};
    const char *profile = NULL;

    tbk_rules_default(&read.essential);
    if (!check_schema(document, err) || !tbk_value_only_keys(document, keys, err) ||
        !read_text(document, "environment", check_environment, &read.environment, err) ||
        !read_database(document, &read, err) ||
        !read_text(document, "store", tbk_path_check_absolute, &read.store, err) ||
        !read_mode(document, &read, err) || !read_method(document, &read, err) ||
        !tbk_value_require_string(document, "profile", &profile, err) ||
        !tbk_rules_read(document, "essential", &read.essential, err) ||
        !read_number(document, "keep_days", 1, TBK_KEEP_DAYS_MAX, &read.keep_days, err) ||
        (tbk_value_find(document, "keep_last") != NULL &&
         !read_number(document, "keep_last", 1, TBK_KEEP_LAST_MAX, &read.keep_last, err)) ||
        !read_number(document, "compression_level", TBK_COMPRESSION_LEVEL_MIN,
                     TBK_COMPRESSION_LEVEL_MAX, &read.compression_level, err) ||
        !read_number(document, "rate_limit_mib", 0, TBK_RATE_LIMIT_MIB_MAX, &read.rate_limit_mib,
                     err) ||
        !read_number(document, "prove_restored_every_days", 0, TBK_PROVE_DAYS_MAX,
                     &read.prove_restored_every_days, err) ||
        !read_config(arena, document, &read, err))
        return false;
    if (!tbk_profile_parse(profile, &read.profile, err))
        return tbk_error_at(tbk_value_find(document, "profile"), "profile", err);
    *out = read;
    return true;
}

const char *tbk_engine_config_owned_file(const tbk_engine_config *config)
{
    return config->driver == TBK_DRIVER_SQLITE ? config->database_path : config->env_file;
}
