/* SPDX-License-Identifier: MIT */
/* What single options can be: the names of choices, and the checks of texts. */
#include "domain/option_values.h"

#include "domain/path.h"
#include "domain/schedule.h"

#include <string.h>

/* --- Named values --- */

static const char *const methods[] = {
    [TBK_METHOD_AUTO] = "auto",       [TBK_METHOD_HOT] = "hot",
    [TBK_METHOD_REFLINK] = "reflink", [TBK_METHOD_SNAPSHOT] = "snapshot",
    [TBK_METHOD_PAUSE] = "pause",     [TBK_METHOD_STOP] = "stop",
};
const tbk_names tbk_method_names = {
    .what = "method",
    TBK_NAMES_LIST(methods),
    .fix = "write auto, hot, reflink, pause or stop; for MySQL auto, snapshot or stop"};

static const char *const hold_policies[] = {
    [TBK_HOLD_WHEN_NEEDED] = "when_needed", [TBK_HOLD_NEVER] = "never"};
const tbk_names tbk_hold_policy_names = {TBK_NAMES_LIST(hold_policies)};

static const char *const database_tls[] = {
    [TBK_TLS_WHEN_OFFERED] = "when_offered", [TBK_TLS_REQUIRED] = "required"};
const tbk_names tbk_database_tls_names = {TBK_NAMES_LIST(database_tls)};

static const char *const modes[] = {[TBK_MODE_WINDOW] = "window", [TBK_MODE_SIDECAR] = "sidecar"};
const tbk_names tbk_mode_names = {.what = "mode", TBK_NAMES_LIST(modes)};

static const char *const journal_modes[] = {
    [TBK_JOURNAL_AS_IT_IS] = "as it is",
    [TBK_JOURNAL_WAL] = "wal",
    [TBK_JOURNAL_DELETE] = "delete",
};
const tbk_names tbk_journal_mode_names = {
    .what = "journal mode", TBK_NAMES_LIST(journal_modes), .first = TBK_JOURNAL_WAL};

static const char *const ssh_programs[] = {
    [TBK_SSH_AUTO] = "auto",
    [TBK_SSH_LIBSSH2] = "libssh2",
    [TBK_SSH_OPENSSH] = "openssh",
    [TBK_SSH_LOCAL] = "local",
};
const tbk_names tbk_ssh_program_names = {.what = "way to the VM", TBK_NAMES_LIST(ssh_programs)};

TBK_NAMES_FUNCTIONS(tbk_method, tbk_method, tbk_method_names)
TBK_NAMES_NAME(tbk_database_tls, tbk_database_tls, tbk_database_tls_names)
TBK_NAMES_FUNCTIONS(tbk_mode, tbk_mode, tbk_mode_names)
TBK_NAMES_FUNCTIONS(tbk_journal_mode, tbk_journal_mode, tbk_journal_mode_names)
TBK_NAMES_PARSE(tbk_ssh_program, tbk_ssh_program, tbk_ssh_program_names)

/* --- Choices of the command lines only --- */

static const char *const proof_levels[] = {"none", "checksums", "restored"}; /* tbk_proof_level */
const tbk_names tbk_option_proof_names = {TBK_NAMES_LIST(proof_levels), .first = 1};

static const char *const shown[] = {"health", "metrics"};
const tbk_names tbk_option_show_names = {TBK_NAMES_LIST(shown)};

static const char *const formats[] = {"text", "json"};
const tbk_names tbk_option_format_names = {TBK_NAMES_LIST(formats)};

/* --- Checks of single values --- */

bool tbk_options_check_schedule(const char *schedule, tbk_error *err)
{
    tbk_schedule parsed;
    /* A line break would begin a new line of the crontab. */
    if (tbk_path_has_control(schedule))
        return tbk_fail(err, TBK_E_CONFIG, "separate the fields by blanks, in one line",
                        "the schedule '%.200s' has tabs or other control characters", schedule);
    return tbk_schedule_parse(schedule, &parsed, err);
}

/* Folders that others own or empty: nothing in them is a store. */
static const char *const foreign_trees[] = {
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/lost+found",
    "/proc",
    "/run",
    "/sbin",
    "/snap",
    "/sys",
    "/tmp",
    "/usr",
    "/var/cache",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lock",
    "/var/run",
    "/var/tmp",
    "/opt/torrust/storage/caddy",
    "/opt/torrust/storage/grafana",
    "/opt/torrust/storage/mysql",
    "/opt/torrust/storage/prometheus",
    "/opt/torrust/storage/tracker",
    "/opt/torrust-backup",
    "/var/lib/torrust-backup",
    "/var/log/torrust-backup",
};

/* Folders that hold more than backups: the store is given to one user and closed to others, so it
 * must be a folder of its own in them. */
static const char *const shared_folders[] = {
    "/",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/srv",
    "/var",
    "/var/backups",
    "/var/lib",
    "/var/log",
    "/var/mail",
    "/var/opt",
    "/var/spool",
    "/opt/torrust",
    "/opt/torrust/storage",
};

bool tbk_options_check_store(const char *store, tbk_error *err)
{
    if (!tbk_path_check_absolute(store, err))
        return false;
    for (size_t i = 0; i < sizeof shared_folders / sizeof *shared_folders; i++)
        if (strcmp(store, shared_folders[i]) == 0)
            return tbk_fail(err, TBK_E_CONFIG,
                            "name a folder of its own, such as " TBK_DEFAULT_STORE,
                            "'%s' holds more than backups", store);
    for (size_t i = 0; i < sizeof foreign_trees / sizeof *foreign_trees; i++)
        if (tbk_path_is_within(store, foreign_trees[i]))
            return tbk_fail(err, TBK_E_CONFIG,
                            "name a folder of its own, such as " TBK_DEFAULT_STORE,
                            "'%s' lies in '%s', which is not for backups", store, foreign_trees[i]);
    return true;
}
