/* SPDX-License-Identifier: MIT */
/* Where things are on the VM, and what they are called there: the tracker's, as the deployer's
 * v0.1.0 puts them, and ours. */
#ifndef TBK_DOMAIN_HOST_LAYOUT_H
#define TBK_DOMAIN_HOST_LAYOUT_H

/* --- the tracker's --- */

#define TBK_CONFIG_ROOT "/opt/torrust"
#define TBK_STORAGE TBK_CONFIG_ROOT "/storage"
#define TBK_ENV_FILE TBK_CONFIG_ROOT "/.env"
#define TBK_TRACKER_CONTAINER "tracker"
/* The folder of its configuration, here and in its container. */
#define TBK_TRACKER_ETC TBK_STORAGE "/tracker/etc"
#define TBK_TRACKER_ETC_INSIDE "/etc/torrust/tracker"
#define TBK_DATABASE_NETWORK "torrust_database_network" /* made by the tracker's first start */

/* --- ours --- */

#define TBK_PROJECT "torrust-backup" /* of Compose */
#define TBK_OUR_FOLDER "/opt/torrust-backup"
#define TBK_LOG_DIRECTORY "/var/log/torrust-backup"
#define TBK_STATE_DIRECTORY "/var/lib/torrust-backup"
#define TBK_COMPOSE_FILE TBK_OUR_FOLDER "/compose.yml"
#define TBK_ENGINE_CONFIG_FILE TBK_OUR_FOLDER "/engine.yml"
#define TBK_HOOK_FILE "/usr/local/bin/torrust-backup-hook"
#define TBK_HOLD_FILE "/usr/local/bin/torrust-backup-hold"
#define TBK_AID_FILE "/usr/local/bin/torrust-backup-aid"
#define TBK_SCRATCH_FILE "/usr/local/bin/torrust-backup-scratch"
#define TBK_CRON_FILE "/etc/cron.d/torrust-backup"
#define TBK_LOGROTATE_FILE "/etc/logrotate.d/torrust-backup"
#define TBK_LOG_FILE TBK_LOG_DIRECTORY "/run.log"
/* Of the service `outbound`: its own, and what was fetched for a restore. */
#define TBK_OUTBOUND_DIRECTORY "/var/lib/torrust-backup-outbound"
#define TBK_INCOMING_DIRECTORY TBK_OUTBOUND_DIRECTORY "/incoming"
/* What an operator uploaded for a restore; in it only root writes. */
#define TBK_UPLOADED_DIRECTORY "/var/lib/torrust-backup-uploaded"
#define TBK_SECRETS_DIRECTORY "/etc/torrust-backup-outbound" /* of root only */
#define TBK_SECRETS_FILE TBK_SECRETS_DIRECTORY "/secrets"
#define TBK_OFFSITE_KEY_FILE TBK_SECRETS_DIRECTORY "/ssh_key"
#define TBK_OFFSITE_HOSTS_FILE TBK_SECRETS_DIRECTORY "/known_hosts"
/* It runs as a user of its own, who is nobody else's on a Debian system (65000 to 65533 are
 * reserved), and reads the sets as a member of the store's group. */
#define TBK_OUTBOUND_USER 65042

/* Where the tracker that a proof starts listens, in the network of the engine's container. */
#define TBK_SCRATCH_TRACKER_HEALTH_PORT 1313
#define TBK_SCRATCH_TRACKER_API_PORT 1212

#define TBK_METRICS_NETWORK "torrust-backup-metrics" /* the sidecar's */

#endif
