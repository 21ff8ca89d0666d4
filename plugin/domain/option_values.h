/* SPDX-License-Identifier: MIT */
/* What single options can be: the choices with their names, and the checks of texts. */
#ifndef TBK_DOMAIN_OPTION_VALUES_H
#define TBK_DOMAIN_OPTION_VALUES_H

#include "base/names.h"

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

/* Which sets go off-site. */
typedef enum tbk_offsite_take { TBK_TAKE_ALL, TBK_TAKE_FULL, TBK_TAKE_ESSENTIAL } tbk_offsite_take;

/* What the credentials of the repository allow. */
typedef enum tbk_offsite_access {
    TBK_ACCESS_READ_WRITE,
    TBK_ACCESS_APPEND_ONLY /* what is there cannot be removed with them */
} tbk_offsite_access;

#define TBK_DEFAULT_SCHEDULE "0 3 * * *"
#define TBK_DEFAULT_STORE "/opt/torrust/storage/backup/sets"
#define TBK_COMPRESSION_LEVEL_MIN (-10)
#define TBK_COMPRESSION_LEVEL_MAX 9

const char *tbk_mode_name(tbk_mode mode); /* "window", "sidecar" */
bool tbk_mode_parse(const char *name, tbk_mode *out, tbk_error *err) TBK_MUST_CHECK;
/* "auto", "hot", "reflink", "snapshot", "pause", "stop" */
const char *tbk_method_name(tbk_method method);
bool tbk_method_parse(const char *name, tbk_method *out, tbk_error *err) TBK_MUST_CHECK;
const char *tbk_database_tls_name(tbk_database_tls tls);  /* "when_offered", "required" */
const char *tbk_journal_mode_name(tbk_journal_mode mode); /* "as it is", "wal", "delete" */
/* "wal" or "delete"; fails with TBK_E_CONFIG. */
bool tbk_journal_mode_parse(const char *name, tbk_journal_mode *out, tbk_error *err) TBK_MUST_CHECK;
/* "auto", "libssh2", "openssh", "local" */
bool tbk_ssh_program_parse(const char *name, tbk_ssh_program *out, tbk_error *err) TBK_MUST_CHECK;

extern const tbk_names tbk_method_names, tbk_hold_policy_names, tbk_database_tls_names,
    tbk_mode_names, tbk_journal_mode_names, tbk_ssh_program_names, tbk_offsite_take_names,
    tbk_offsite_access_names;
extern const tbk_names tbk_offsite_drill_names; /* by tbk_proof_level; "auto" in place of none */
extern const tbk_names tbk_option_proof_names;  /* by tbk_proof_level, without "none" */
/* What `offsite` can be told to do. */
typedef enum tbk_offsite_action {
    TBK_OFFSITE_SYNC, /* all that is due */
    TBK_OFFSITE_LIST,
    TBK_OFFSITE_CHECK,
    TBK_OFFSITE_DRILL,
    TBK_OFFSITE_INIT,
    TBK_OFFSITE_UNLOCK,
    TBK_OFFSITE_ACCEPT,
    TBK_OFFSITE_FETCH
} tbk_offsite_action;
extern const tbk_names tbk_option_action_names; /* without fetch, which a restore asks for */
extern const tbk_names tbk_engine_action_names;
extern const tbk_names tbk_option_show_names;   /* of `health`: "health", "metrics" */
extern const tbk_names tbk_option_format_names; /* "text", "json" */

/* In one line, and due at some time. */
bool tbk_options_check_schedule(const char *schedule, tbk_error *err) TBK_MUST_CHECK;
/* An absolute path of a folder that can be for backups alone. */
bool tbk_options_check_store(const char *store, tbk_error *err) TBK_MUST_CHECK;
/* As restic has it, without secrets: a folder's absolute path, or BACKEND:PLACE. */
bool tbk_options_check_repository(const char *repository, tbk_error *err) TBK_MUST_CHECK;
/* What sets are filed under off-site: letters, digits and .-_ */
bool tbk_options_check_offsite_name(const char *name, tbk_error *err) TBK_MUST_CHECK;
/* Of a file on this machine: absolute, or below the working directory. */
bool tbk_options_check_file(const char *path, tbk_error *err) TBK_MUST_CHECK;

#endif
