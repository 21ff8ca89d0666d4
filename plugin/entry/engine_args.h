/* SPDX-License-Identifier: MIT */
/* The engine's command line. */
#ifndef TBK_ENTRY_ENGINE_ARGS_H
#define TBK_ENTRY_ENGINE_ARGS_H

#include "domain/option_table.h"
#include "domain/options.h"
#include "domain/proof.h"

typedef struct engine_args {
    tbk_engine_command command;
    tbk_engine_command topic;  /* of help; help itself: of all */
    tbk_offsite_action action; /* of offsite */
    bool hook;                 /* standard input and output lead to the hook */
    bool boot;                 /* backup: have a tracker come up on the set, due or not */
    bool json, quiet;
    bool lines;          /* the log as JSON lines on standard output, without a result */
    const char *config;  /* NULL by hand */
    const char *sqlite;  /* NULL where the configuration names the database */
    const char *store;   /* NULL where the configuration names it */
    const char *set;     /* NULL = all for check, the newest for prove and restore */
    const char *name;    /* offsite fetch: whose; NULL = the configured one's */
    const char *from;    /* restore: the folder of a set that was fetched; NULL = the store */
    const char *to;      /* extract: the folder that the files come into */
    const char *show;    /* health: "health" or "metrics" */
    bool dry_run;        /* restore: all but the swap */
    bool purge_previous; /* restore: remove what earlier ones kept */
    bool has_method, has_profile, has_level, has_rate_limit;
    tbk_method method;
    tbk_journal_mode journal_mode;
    tbk_profile profile;
    tbk_rules rules;   /* by hand; none = the default ones */
    int64_t keep_days; /* 0 = the default */
    int64_t keep_last; /* 0 = the default */
    int64_t compression_level;
    int64_t rate_limit_mib; /* 0 = none */
    int64_t port;           /* serve, health */
    tbk_proof_level proof_level;
} engine_args;

/* Fails with TBK_E_USAGE. Text is borrowed from argv. */
bool engine_args_parse(int argc, char **argv, engine_args *out, tbk_error *err) TBK_MUST_CHECK;
#endif
