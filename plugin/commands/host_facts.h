/* SPDX-License-Identifier: MIT */
/* What is on the VM at this moment, gathered by one command in one round trip. */
#ifndef TBK_COMMANDS_HOST_FACTS_H
#define TBK_COMMANDS_HOST_FACTS_H

#include "ports/remote.h"
#include "render/render.h"

#define TBK_TRACKER_CONTAINER "tracker"
#define TBK_COMPOSE_FILE "/opt/torrust-backup/compose.yml"
#define TBK_HOOK_FILE "/usr/local/bin/torrust-backup-hook"
#define TBK_HOLD_FILE "/usr/local/bin/torrust-backup-hold"
#define TBK_AID_FILE "/usr/local/bin/torrust-backup-aid"
#define TBK_CRON_FILE "/etc/cron.d/torrust-backup"
#define TBK_LOGROTATE_FILE "/etc/logrotate.d/torrust-backup"
#define TBK_LOG_DIRECTORY "/var/log/torrust-backup"
#define TBK_LOG_FILE TBK_LOG_DIRECTORY "/run.log"
#define TBK_METRICS_NETWORK "torrust-backup-metrics"
#define TBK_STATE_DIRECTORY "/var/lib/torrust-backup"

typedef struct tbk_installed_file {
    bool exists;
    mode_t mode;
    bool root_owned; /* root:root */
    tbk_digest digest;
} tbk_installed_file;

typedef struct tbk_host_facts {
    const char *arch;            /* "x86_64" */
    const char *docker_version;  /* "" = Docker does not answer */
    const char *compose_version; /* "" = no `docker compose` */
    bool flock, cron_running, logrotate;
    bool image_present;
    const char *tracker_id;    /* "" = no such container */
    const char *tracker_state; /* "running", "paused", "exited", ...; "" = no such container */
    const char
        *tracker_health;       /* "healthy", "starting", "unhealthy"; "" = it has no health check */
    bool held;                 /* the hook's marker stands */
    bool hook_runs;            /* a hook or an engine holds its lock at this moment */
    bool native_cron;          /* the deployer's own backup is scheduled */
    const char *sidecar_state; /* of its container, as tracker_state; "" = there is none */
    const char *sidecar_health; /* as tracker_health */
    const char *window_file;    /* one that only the mode window has; "" = none is there */
    int64_t store_free_bytes;   /* -1 = there is no store yet */
    int64_t now_s;              /* the VM's wall clock */
    int64_t utc_offset_s;       /* of its local time, which cron uses */
    tbk_installed_file files[TBK_RENDERED_FILES_MAX]; /* as rendering->files */
} tbk_host_facts;

/* Fails as the remote port does, and with TBK_E_REMOTE when sudo wants a password. */
bool tbk_host_facts_read(tbk_arena *arena, const tbk_remote *remote, const tbk_rendering *rendering,
                         const char *image_tag, const char *store, tbk_host_facts *out,
                         tbk_error *err) TBK_MUST_CHECK;

/*
 * What of the installation is not as rendered, and what to do, in one sentence; NULL = nothing. The
 * image is left out when Docker does not answer.
 */
const char *tbk_host_facts_difference(tbk_arena *arena, const tbk_host_facts *facts,
                                      const tbk_rendering *rendering, const char *image_tag);

/* What the other mode left, and what to do, in one sentence; NULL = nothing. */
const char *tbk_host_facts_other_mode(tbk_arena *arena, const tbk_host_facts *facts, tbk_mode mode);

/* Whether the installed file is the rendered one, with its mode and owner. */
bool tbk_installed_file_is(const tbk_installed_file *installed, const tbk_rendered_file *rendered);

#endif
