/* SPDX-License-Identifier: MIT */
/* The engine's command line. */
#ifndef TBK_ENTRY_ENGINE_ARGS_H
#define TBK_ENTRY_ENGINE_ARGS_H

#include "domain/option_table.h"
#include "domain/options.h"
#include "domain/proof.h"

typedef struct engine_args {
    tbk_engine_command command;
    tbk_engine_command topic; /* of help; help itself: of all */
    bool hook;                /* standard input and output lead to the hook */
    const char *config;       /* NULL by hand */
    const char *sqlite;       /* NULL where the configuration names the database */
    const char *store;        /* NULL where the configuration names it */
    const char *set;          /* NULL = all for check, the newest for prove and restore */
    bool dry_run;             /* restore: all but the swap */
    bool purge_previous;      /* restore: remove what earlier ones kept */
    bool has_method;
    tbk_method method;
    tbk_journal_mode journal_mode;
    bool has_profile;
    tbk_profile profile;
    tbk_rules rules;   /* by hand; none = the default ones */
    int64_t keep_days; /* 0 = the default */
    int64_t keep_last; /* 0 = the default */
    bool has_level, has_rate_limit;
    int64_t compression_level;
    int64_t rate_limit_mib; /* 0 = none */
    tbk_proof_level proof_level;
    int64_t port;              /* serve, health */
    const char *show;          /* health: "health" or "metrics" */
    tbk_offsite_action action; /* of offsite */
    const char *name;          /* offsite fetch: whose; NULL = the configured one's */
    const char *from;          /* restore: the folder of a set that was fetched; NULL = the store */
    bool json, quiet;
    bool lines; /* the log as JSON lines on standard output, without a result */
} engine_args;

/* Fails with TBK_E_USAGE. Text is borrowed from argv. */
bool engine_args_parse(int argc, char **argv, engine_args *out, tbk_error *err) TBK_MUST_CHECK;
#endif
