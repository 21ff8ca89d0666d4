/* SPDX-License-Identifier: MIT */
/* engine.yml: what the engine in its container is to save, where, and how. It holds no secrets.
 * docs/schemas/engine.schema.json says the same for editors. */
#ifndef TBK_DOMAIN_ENGINE_CONFIG_H
#define TBK_DOMAIN_ENGINE_CONFIG_H

#include "domain/options.h"

#define TBK_ENGINE_CONFIG_SCHEMA 1

typedef struct tbk_engine_config {
    const char *environment;
    tbk_driver driver;
    const char *database_path; /* SQLite: absolute path of the file; MySQL: NULL */
    const char *env_file;      /* MySQL: absolute path of the tracker's .env, which has the
                                * credentials (mysql_login.h); SQLite: NULL */
    tbk_database_tls tls;      /* MySQL */
    const char *store;         /* absolute directory */
    tbk_mode mode;
    const char *schedule;      /* in UTC; NULL but in mode sidecar */
    const char *full_schedule; /* the same; may be NULL there too */
    tbk_method method;
    tbk_hold_policy hold;
    int64_t keep_days;
    int64_t keep_last; /* files of earlier versions do not say it: then the default */
    tbk_profile profile;
    tbk_rules essential; /* what the profile essential keeps */
    int64_t compression_level;
    int64_t rate_limit_mib; /* a second; 0 = none */
    int64_t prove_restored_every_days;
    const char *config_root;         /* absolute: "/opt/torrust" */
    const char *const *config_paths; /* below config_root, files or directories; NULL at the end */
    const char *const
        *sqlite_paths; /* files among them that are live SQLite databases (Grafana's) */
} tbk_engine_config;

/* Strict: unknown keys, a schema version other than ours, relative paths or ".." are TBK_E_CONFIG
 * with file and line. Text is borrowed from the document; the lists live in the arena. */
bool tbk_engine_config_read(tbk_arena *arena, const tbk_value *document, tbk_engine_config *out,
                            tbk_error *err) TBK_MUST_CHECK;

/* The file whose owner the store is given to, and that is there once there is a database: the
 * database, or the .env of one that is not a file. */
const char *tbk_engine_config_owned_file(const tbk_engine_config *config);

#endif
