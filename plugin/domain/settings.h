/* SPDX-License-Identifier: MIT */
/* What the table of options fills: the options file's settings, and those of engine.yml. */
#ifndef TBK_DOMAIN_SETTINGS_H
#define TBK_DOMAIN_SETTINGS_H

#include "domain/environment.h"
#include "domain/option_values.h"
#include "domain/proof.h"
#include "domain/rules.h"

/* What leaves the VM; domain/offsite_policy.h decides by them. */
typedef struct tbk_offsite_settings {
    const char *repository; /* as restic has it; NULL: nothing goes off-site */
    const char *name;       /* what sets are filed under; NULL: the environment's */
    tbk_offsite_take take;
    tbk_offsite_access access;
    int64_t full_every_days;  /* of full sets, one in so many days; 0 = each */
    int64_t limit_upload_kib; /* a second; 0 = none */
    int64_t keep_last, keep_daily, keep_weekly, keep_monthly;
    int64_t check_every_days, check_parts; /* a check reads one part of so many */
    int64_t drill_every_days;
    tbk_proof_level drill_level; /* none: as the kind of database allows */
} tbk_offsite_settings;

/* Of the operator: options.h reads them. */
typedef struct tbk_options {
    const char *schedule;      /* five fields or @daily and friends; the VM's local time, in mode
                                * sidecar UTC */
    const char *full_schedule; /* of full backups beside the essential ones; NULL = none */
    int64_t keep_days;
    int64_t keep_last; /* so many of the newest good sets stay, however old they are */
    tbk_mode mode;
    tbk_method method;
    tbk_hold_policy hold;
    tbk_database_tls database_tls;
    tbk_profile profile; /* of the runs that `schedule` starts */
    tbk_rules essential; /* what the profile essential keeps */
    const char *store;   /* absolute directory on the VM */
    int64_t window_max_seconds;
    int64_t compression_level;         /* zstd: -10 is the fastest, 9 the smallest */
    int64_t rate_limit_mib;            /* a second, outside of holds; 0 = none */
    int64_t prove_restored_every_days; /* 0 = only when asked */
    int64_t prove_booted_every_days;   /* the same */
    int64_t verify_fetch_limit_mib;    /* larger database files are proved on the VM only */
    tbk_offsite_settings offsite;
    /* Files on this machine; NULL: as tbk_workspace finds it; none. */
    const char *offsite_secrets, *offsite_ssh_key, *offsite_known_hosts;
    const char *ssh_host; /* the rest: NULL or 0 = as the deployer says */
    int64_t ssh_port;
    const char *ssh_user;
    const char *ssh_key;
    tbk_ssh_program ssh_program;
    /* Whether the value is still the deployer's, which it did not check: errors name the source. */
    bool native_schedule, native_keep_days;
} tbk_options;

/* Of the engine in its container: engine_config.h reads them. */
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
    int64_t prove_booted_every_days;
    tbk_offsite_settings offsite;
    const char *config_root;         /* absolute: "/opt/torrust" */
    const char *const *config_paths; /* below config_root, files or directories; NULL at the end */
    const char *const
        *sqlite_paths; /* files among them that are live SQLite databases (Grafana's) */
} tbk_engine_config;

#endif
