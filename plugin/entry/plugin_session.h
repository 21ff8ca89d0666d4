/* SPDX-License-Identifier: MIT */
/* What the verbs of the plugin work with; for them only. */
#ifndef TBK_ENTRY_PLUGIN_SESSION_H
#define TBK_ENTRY_PLUGIN_SESSION_H

#include "commands/vm.h"
#include "commands/workspace.h"

typedef struct plugin_options {
    tbk_workspace_overrides overrides;
    const char *host_key;
    const char *method; /* run: another one than the configured; NULL = as configured */
    const char *journal_mode;
    const char *profile;
    bool wait_for_cron;
    bool fetch_all, proves_offsite;
    const char *set;  /* restore, fetch */
    const char *from; /* restore, fetch, extract; NULL = the store */
    const char *to;   /* fetch, extract */
    unsigned action;  /* offsite: tbk_offsite_action */
    bool rehearse;    /* rescue */
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

tbk_vm plugin_vm_of(const plugin_session *self);
/* Again, as other options want it. */
bool plugin_open_workspace(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;
bool plugin_render(plugin_session *self, tbk_error *err) TBK_MUST_CHECK;

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
