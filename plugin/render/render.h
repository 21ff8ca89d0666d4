/* SPDX-License-Identifier: MIT */
/*
 * Render: from an environment and options to the files that are put on the VM.
 *
 * Pure: reads templates, gives bytes; writing and uploading are the caller's.
 *
 * Values that every template gets, in every environment; "null" ones cannot be printed:
 *   version                    of this product
 *   environment                name of the deployer's environment
 *   database.driver            "sqlite3" or "mysql"
 *   database.name              the file's or the schema's
 *   database.path              SQLite: the file on the VM; MySQL: null
 *   database.env_file          MySQL: the tracker's .env, which has the credentials; SQLite: null
 *   database.tls               "when_offered" or "required"
 *   database.network           MySQL: the tracker's Docker network; SQLite: null
 *   store                      directory of the backup sets on the VM
 *   store_is_elsewhere         whether it lies outside `storage`
 *   owner_of                   the file whose owner the store is given to
 *   image                      tag of the engine's image
 *   project                    of Compose: "torrust-backup"
 *   tracker_container          "tracker"
 *   mode                       "window" or "sidecar"
 *   schedule                   as the operator wrote it
 *   window_max_seconds         of the hook; these and the next are the options
 *   full_schedule              of full backups beside the essential ones; null where there are none
 *   profile                    "full" or "essential"
 *   essential                  list of rules, each with `table` and `keep`
 *   hold                       "when_needed" or "never"
 *   keep_days, keep_last, method, compression_level, rate_limit_mib,
 *   prove_restored_every_days
 *   config_root                "/opt/torrust"
 *   storage                    "/opt/torrust/storage"
 *   config_paths               list, below config_root
 *   config_sqlite_paths        list, those of config_paths that are databases in use; may be empty
 *   engine_config              path of engine.yml on the VM
 *   engine_config_directory    the folder that it is in
 *   metrics_network            of the sidecar
 *   log, log_directory         of the hook's runs
 *   state_directory            of the hook
 *   scratch_server             the name of its container
 *   scratch_tracker            the same of the tracker that a proof starts
 *   scratch_tracker_health, scratch_tracker_api  where it listens
 *   tracker_etc, tracker_etc_inside  folder of the tracker's configuration, on the VM and in its
 *                              container
 *   tracker_toml_inside        its file, in the container
 *   engine_network             that of the container of a run, as Compose wants it
 *   offsite                    the options of the section, without the files of this machine, and
 *                              is_folder: the repository is a folder of the VM; the repository is
 *                              null where nothing goes off-site
 *   outbound_image             tag of the image of `outbound`
 *   outbound_directory         its state on the VM, and what was fetched
 *   uploaded_directory         what was uploaded for a restore
 *   secrets_directory          its secrets
 *   has_native_backup          whether the deployer's own backup is configured
 *
 * Quoting that is demanded, and what is checked here once a file is rendered:
 *   compose.yml  `compose`       parsed as YAML, has the service `backup`
 *   engine.yml   `yaml`          read by the reader that the engine uses
 *   hook, hold, aid, scratch  `sh`  first line names its interpreter
 *   logrotate    `sh`
 *   crontab      `cron` or `sh`  every line parsed: schedule, user root, command without a bare %
 * (scripts, logrotate and crontab in mode window only)
 * all of them: text, ended by a line break. What needs a program is checked where that program is:
 * on the VM by `configure`, before a file is put in place, scripts by `sh -n`, compose.yml
 * by `docker compose config -q`.
 */
#ifndef TBK_RENDER_RENDER_H
#define TBK_RENDER_RENDER_H

#include "domain/deployment.h"

typedef struct tbk_render_input {
    const tbk_environment *environment;
    const tbk_options *options;
    const char *image_tag;          /* "torrust-backup-engine:0123456789ab" */
    const char *outbound_image_tag; /* the same of what goes off-site */
    const char *templates_path;     /* installed templates */
    const char *override_path;      /* data/<env>/templates/torrust-backup; need not exist */
} tbk_render_input;

/* The database's file on the VM, in the arena; NULL where it is none (MySQL). */
const char *tbk_render_database_path(tbk_arena *arena, const tbk_environment *environment);

/*
 * Renders all files. A template of the same name (for example "compose.yml.tera") in override_path
 * wins over the installed one.
 * Owns:   bytes live in the arena.
 * Errors: TBK_E_TEMPLATE, a template or what it makes is wrong; TBK_E_IO, one cannot be read;
 *         TBK_E_CONFIG, one is no regular file or larger than TBK_TEMPLATE_SIZE_MAX.
 */
bool tbk_render(tbk_arena *arena, const tbk_render_input *input, tbk_rendering *out,
                tbk_error *err) TBK_MUST_CHECK;

#endif
