/* SPDX-License-Identifier: MIT */
/*
 * What the operator told us: the options file envs/<env>.backup.yml. Every option has a default, so
 * the file need not exist. domain/options.def has keys, limits and defaults;
 * docs/schemas/options.schema.json says the same for editors.
 */
#ifndef TBK_DOMAIN_OPTIONS_H
#define TBK_DOMAIN_OPTIONS_H

#include "domain/environment.h"
#include "domain/rules.h"

/* How the database is copied (engine/capture.h); those from PAUSE on hold the tracker throughout,
 * those before SNAPSHOT never. */
typedef enum tbk_method {
    TBK_METHOD_AUTO,
    TBK_METHOD_HOT,      /* SQLite */
    TBK_METHOD_REFLINK,  /* SQLite */
    TBK_METHOD_SNAPSHOT, /* MySQL; a hold of an instant makes several sessions agree */
    TBK_METHOD_PAUSE,    /* SQLite */
    TBK_METHOD_STOP
} tbk_method;

/* Whether backups may hold the tracker. */
typedef enum tbk_hold_policy { TBK_HOLD_WHEN_NEEDED, TBK_HOLD_NEVER } tbk_hold_policy;

/* Whether a connection to MySQL has to be encrypted. */
typedef enum tbk_database_tls { TBK_TLS_WHEN_OFFERED, TBK_TLS_REQUIRED } tbk_database_tls;

/* Who starts a backup: cron on the host, through the hook, which can hold the tracker; or a
 * container of ours that always runs, with its own schedule, which cannot. */
typedef enum tbk_mode { TBK_MODE_WINDOW, TBK_MODE_SIDECAR } tbk_mode;

/* What the database's journal mode shall become, when the operator asks for it. */
typedef enum tbk_journal_mode {
    TBK_JOURNAL_AS_IT_IS,
    TBK_JOURNAL_WAL,
    TBK_JOURNAL_DELETE
} tbk_journal_mode;

typedef enum tbk_ssh_program {
    TBK_SSH_AUTO,    /* libssh2, or the ssh program where libssh2 cannot do it */
    TBK_SSH_LIBSSH2, /* forced */
    TBK_SSH_OPENSSH, /* forced: the ssh program, with the user's ~/.ssh/config */
    TBK_SSH_LOCAL    /* this machine is the VM */
} tbk_ssh_program;

typedef struct tbk_options {
    const char *schedule;      /* five fields or @daily and friends; the VM's local time, in mode
                                * sidecar UTC */
    const char *full_schedule; /* of full backups beside the essential ones; NULL = none */
    int64_t keep_days;
    int64_t keep_last; /* so many of the newest good sets stay, however old they are */
    tbk_mode mode;
    tbk_method method;
    tbk_hold_policy hold;
    tbk_database_tls database_tls;
    tbk_profile profile; /* of the runs that `schedule` starts */
    tbk_rules essential; /* what the profile essential keeps */
    const char *store;   /* absolute directory on the VM */
    int64_t window_max_seconds;
    int64_t compression_level;         /* zstd: -10 is the fastest, 9 the smallest */
    int64_t rate_limit_mib;            /* a second, outside of holds; 0 = none */
    int64_t prove_restored_every_days; /* 0 = only when asked */
    int64_t verify_fetch_limit_mib;    /* larger database files are proved on the VM only */
    const char *ssh_host;              /* the rest: NULL or 0 = as the deployer says */
    int64_t ssh_port;
    const char *ssh_user;
    const char *ssh_key;
    tbk_ssh_program ssh_program;
    /* Whether the value is still the deployer's, which it did not check: errors name the source. */
    bool native_schedule, native_keep_days;
} tbk_options;

#define TBK_DEFAULT_SCHEDULE "0 3 * * *"
#define TBK_DEFAULT_STORE "/opt/torrust/storage/backup/sets"

/* The defaults; schedule and keep_days are the native backup's where it is configured. */
void tbk_options_default(const tbk_environment *environment, tbk_options *out);

/* Reads the document over the defaults. Errors (TBK_E_CONFIG) name file, line and what is accepted:
 * unknown keys, wrong types, impossible values (schedule out of range or never due, keep_days 0, a
 * store that is not an absolute clean path, or lies in a folder of the tracker's or the system's).
 * A null document changes nothing, nor does one with an error. Text is borrowed from the document.
 */
bool tbk_options_read(const tbk_value *document, tbk_options *options,
                      tbk_error *err) TBK_MUST_CHECK;

/* Checks the values, wherever they come from (file, deployer state or command line), and whether
 * they go with each other and with the database. */
bool tbk_options_check(const tbk_options *options, tbk_driver driver,
                       tbk_error *err) TBK_MUST_CHECK;

#define TBK_COMPRESSION_LEVEL_MIN (-10)
#define TBK_COMPRESSION_LEVEL_MAX 9

const char *tbk_mode_name(tbk_mode mode); /* "window", "sidecar" */
bool tbk_mode_parse(const char *name, tbk_mode *out, tbk_error *err) TBK_MUST_CHECK;
/* "auto", "hot", "reflink", "snapshot", "pause", "stop" */
const char *tbk_method_name(tbk_method method);
bool tbk_method_parse(const char *name, tbk_method *out, tbk_error *err) TBK_MUST_CHECK;
const char *tbk_hold_policy_name(tbk_hold_policy hold); /* "when_needed", "never" */
bool tbk_hold_policy_parse(const char *name, tbk_hold_policy *out, tbk_error *err) TBK_MUST_CHECK;
const char *tbk_database_tls_name(tbk_database_tls tls); /* "when_offered", "required" */
bool tbk_database_tls_parse(const char *name, tbk_database_tls *out, tbk_error *err) TBK_MUST_CHECK;
/* Whether the method is one for such a database, and need not hold what mode and policy say is not
 * held: nobody holds a tracker for the sidecar. Fails with TBK_E_CONFIG. */
bool tbk_method_check(tbk_method method, tbk_driver driver, tbk_mode mode, tbk_hold_policy hold,
                      tbk_error *err) TBK_MUST_CHECK;
const char *tbk_journal_mode_name(tbk_journal_mode mode); /* "as it is", "wal", "delete" */
/* "wal" or "delete"; fails with TBK_E_CONFIG. */
bool tbk_journal_mode_parse(const char *name, tbk_journal_mode *out, tbk_error *err) TBK_MUST_CHECK;
const char *
tbk_ssh_program_name(tbk_ssh_program program); /* "auto", "libssh2", "openssh", "local" */
bool tbk_ssh_program_parse(const char *name, tbk_ssh_program *out, tbk_error *err) TBK_MUST_CHECK;

#endif
