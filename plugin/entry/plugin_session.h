/* SPDX-License-Identifier: MIT */
/* What the verbs of the plugin work with; for them only. */
#ifndef TBK_ENTRY_PLUGIN_SESSION_H
#define TBK_ENTRY_PLUGIN_SESSION_H

#include "commands/vm.h"
#include "commands/workspace.h"
#include "domain/option_table.h"

typedef struct plugin_options {
    tbk_workspace_overrides overrides;
    const char *host_key;
    const char *method; /* run: another one than the configured; NULL = as configured */
    const char *journal_mode;
    const char *profile;
    bool wait_for_cron;
    bool fetch_all, proves_offsite;
    const char *keep;      /* verify: a folder; NULL = nothing is kept */
    const char *set;       /* restore, fetch */
    const char *from;      /* restore, list, fetch, extract; NULL = the store */
    const char *to;        /* fetch, extract */
    unsigned action;       /* offsite: tbk_offsite_action */
    bool all_environments; /* list */
    bool rehearse;         /* rescue */
    bool purge_previous;
} plugin_options;

/* All that a verb works with; remote is open only for verbs that need it. */
typedef struct plugin_session {
    tbk_arena *arena;
    const tbk_report *report;
    plugin_options options;
    bool dry_run;
    const char *working_dir, *environment, *data_path;
    tbk_workspace workspace;
    tbk_image image, outbound_image;
    tbk_secrets secrets;
    tbk_rendering rendering;
    tbk_remote remote;
    tbk_value *result;
} plugin_session;

/* --- plugin_options.c --- */

/* Fails with TBK_E_USAGE or TBK_E_CONFIG: no JSON object, an option that the verb does not take. */
bool plugin_options_read(tbk_arena *arena, const char *json, tbk_verb verb, plugin_options *out,
                         tbk_error *err) TBK_MUST_CHECK;
/* Whether they go with the verb, the environment, and each other; TBK_E_USAGE. */
bool plugin_options_check(const plugin_session *self, tbk_verb verb, tbk_error *err) TBK_MUST_CHECK;
/* Whether a source of sets is a folder of this machine. */
bool plugin_is_folder(const char *source);

/* --- plugin_verbs.c --- */

tbk_vm plugin_vm_of(const plugin_session *self);
/* Again, as other options want it. */
bool plugin_open_workspace(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;
bool plugin_render(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;
/* One verb on the session's environment, from its options file to its result, which is kept. */
bool plugin_run_on(plugin_session *self, tbk_verb verb, tbk_error *err) TBK_MUST_CHECK;

/* --- plugin_list.c --- */

/* Sets of the store, of a repository, or of a folder of this machine. */
bool plugin_verb_list(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;
/* Of every environment of the workspace that has a backup. One that cannot be asked costs its own
 * line, and the error at the end. */
bool plugin_list_all(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;

/* --- plugin_restore.c --- */

/* Also in mode sidecar, by way of the maintenance window. */
bool plugin_verb_restore(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;
/* A set comes to this machine. */
bool plugin_verb_fetch(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;
/* The plain files of a set that was fetched. */
bool plugin_verb_extract(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;
/* On a new VM: installs the backup, brings a set from off-site or from this machine, and puts
 * it in place. */
bool plugin_verb_rescue(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;

#endif
