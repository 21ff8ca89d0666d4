/* SPDX-License-Identifier: MIT */
/* What single options can be, for the table of options (option_table.h). */
#ifndef TBK_DOMAIN_OPTION_VALUES_H
#define TBK_DOMAIN_OPTION_VALUES_H

#include "base/names.h"
#include "domain/options.h"

extern const tbk_names tbk_method_names, tbk_hold_policy_names, tbk_database_tls_names,
    tbk_mode_names, tbk_journal_mode_names, tbk_ssh_program_names;
extern const tbk_names tbk_option_proof_names;  /* by tbk_proof_level, without "none" */
extern const tbk_names tbk_option_show_names;   /* of `health`: "health", "metrics" */
extern const tbk_names tbk_option_format_names; /* "text", "json" */

/* In one line, and due at some time. */
bool tbk_options_check_schedule(const char *schedule, tbk_error *err) TBK_MUST_CHECK;
/* An absolute path of a folder that can be for backups alone. */
bool tbk_options_check_store(const char *store, tbk_error *err) TBK_MUST_CHECK;

#endif
