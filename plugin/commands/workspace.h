/* SPDX-License-Identifier: MIT */
/*
 * A deployer workspace on the operator's machine: where things are, and what they say.
 *
 * Nothing of ours is the only copy of anything there, because the deployer's `purge` and `destroy`
 * remove data/<env> and build/<env>.
 */
#ifndef TBK_COMMANDS_WORKSPACE_H
#define TBK_COMMANDS_WORKSPACE_H

#include "domain/environment.h"
#include "domain/options.h"

typedef struct tbk_workspace_overrides {
    const char *options_file; /* NULL = envs/<env>.backup.yml where it exists */
    const char *ssh_host;     /* the rest: NULL or 0 = not overridden */
    int64_t ssh_port;
    const char *ssh_user;
    const char *ssh_key;
    const char *ssh_program;
    const char *mode;
} tbk_workspace_overrides;

typedef struct tbk_workspace {
    tbk_environment environment; /* ssh_* are the effective ones, after file and overrides */
    tbk_options options;
    bool mode_is_unwritten;  /* it was given for this once, and the options file says another one */
    const char *output_path; /* build/<env>/torrust-backup: rendered files, reports */
    const char *known_hosts_path;     /* data/<env>/known_hosts */
    const char *offsite_secrets_path; /* envs/<env>.offsite.env, which may not be there */
    const char *override_path;        /* data/<env>/templates/torrust-backup */
} tbk_workspace;

/* Reads and checks everything; writes nothing. Fails with TBK_E_CONFIG or TBK_E_USAGE. */
bool tbk_workspace_open(tbk_arena *arena, const char *working_dir, const char *environment_name,
                        const tbk_workspace_overrides *overrides, tbk_workspace *out,
                        tbk_error *err) TBK_MUST_CHECK;

/* The names of all environments there that have an options file, or were rendered for, in order;
 * NULL at the end. Fails with TBK_E_CONFIG where it is no workspace; TBK_E_IO. */
bool tbk_workspace_environments(tbk_arena *arena, const char *working_dir, const char ***out_names,
                                tbk_error *err) TBK_MUST_CHECK;

/* Publishes a file below output_path (mode 0600), making the directories (0700). */
bool tbk_workspace_write(const tbk_workspace *workspace, const char *name, const void *bytes,
                         size_t length, tbk_error *err) TBK_MUST_CHECK;

#endif
