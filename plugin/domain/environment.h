/* SPDX-License-Identifier: MIT */
/*
 * What the deployer told us of an environment: names, addresses, the database. No secrets: the
 * password and tokens that stand in the same file are never taken over.
 *
 * Source: data/<env>/environment.json and build/<env>/ansible/inventory.yml of a deployer workspace
 * (v0.1.0). The inventory wins for address, port, user and key, because `register --ssh-port` is
 * stored only there. The stored build_dir and data_dir depend on where the deployer stood: not
 * used.
 */
#ifndef TBK_DOMAIN_ENVIRONMENT_H
#define TBK_DOMAIN_ENVIRONMENT_H

#include "base/names.h"
#include "base/value.h"

typedef enum tbk_driver { TBK_DRIVER_SQLITE, TBK_DRIVER_MYSQL } tbk_driver;

extern const tbk_names tbk_driver_names;
const char *tbk_driver_name(tbk_driver driver); /* the deployer's: "sqlite3", "mysql" */
bool tbk_driver_parse(const char *name, tbk_driver *out, tbk_error *err) TBK_MUST_CHECK;

/* How far the deployer has surely got with the VM: after a failed or unended phase, what was
 * reached before it. */
typedef enum tbk_deployment_stage {
    TBK_STAGE_PROVISIONED, /* there is a VM; Docker may be missing */
    TBK_STAGE_CONFIGURED,  /* Docker is there */
    TBK_STAGE_RELEASED,    /* /opt/torrust is there */
    TBK_STAGE_RUNNING
} tbk_deployment_stage;

typedef struct tbk_environment {
    const char *name;
    const char *state; /* as the deployer writes it: "Running", "RunFailed", ... */
    tbk_deployment_stage stage;
    tbk_driver driver;
    const char *database_name; /* SQLite: the file's name; MySQL: the schema's */
    const char *ssh_host;
    uint16_t ssh_port;
    const char *ssh_user;
    const char *ssh_private_key_path;
    const char *ssh_public_key_path;
    bool has_prometheus, has_grafana, has_https;
    bool has_native_backup;      /* the deployer's own backup is configured */
    const char *native_schedule; /* NULL when it is not; without blanks around it, not checked */
    int64_t native_keep_days;    /* 0 when it is not; not checked */
} tbk_environment;

/* Lower-case letters, digits and dashes, not starting with a digit or dash, at most 63 characters.
 * Fails with TBK_E_USAGE. */
bool tbk_environment_check_name(const char *name, tbk_error *err) TBK_MUST_CHECK;

/*
 * Reads the state; inventory may be NULL (then address and key come from the state). Of several
 * hosts in the inventory the one with the VM's name is taken.
 * Owns:   text is borrowed from the two documents' arena.
 * Errors: TBK_E_CONFIG with file and line: an unknown state, or one without a usable VM (Created,
 * Provisioning, ProvisionFailed, Destroying, DestroyFailed, Destroyed), missing or ill-typed
 * fields, an unknown driver, a database name that leaves its folder, a name other than
 * expected_name, no address, or one that the ssh program could take for an option.
 */
bool tbk_environment_read(tbk_arena *arena, const tbk_value *state, const tbk_value *inventory,
                          const char *expected_name, tbk_environment *out,
                          tbk_error *err) TBK_MUST_CHECK;

#endif
