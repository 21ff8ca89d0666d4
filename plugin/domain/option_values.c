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

static const char *const takes[] = {
    [TBK_TAKE_ALL] = "all", [TBK_TAKE_FULL] = "full", [TBK_TAKE_ESSENTIAL] = "essential"};
const tbk_names tbk_offsite_take_names = {TBK_NAMES_LIST(takes)};

static const char *const accesses[] = {
    [TBK_ACCESS_READ_WRITE] = "read_write", [TBK_ACCESS_APPEND_ONLY] = "append_only"};
const tbk_names tbk_offsite_access_names = {TBK_NAMES_LIST(accesses)};

static const char *const drill_levels[] = {"auto", "checksums", "restored"}; /* tbk_proof_level */
const tbk_names tbk_offsite_drill_names = {TBK_NAMES_LIST(drill_levels)};

TBK_NAMES_FUNCTIONS(tbk_method, tbk_method, tbk_method_names)
TBK_NAMES_NAME(tbk_database_tls, tbk_database_tls, tbk_database_tls_names)
TBK_NAMES_FUNCTIONS(tbk_mode, tbk_mode, tbk_mode_names)
TBK_NAMES_FUNCTIONS(tbk_journal_mode, tbk_journal_mode, tbk_journal_mode_names)
TBK_NAMES_PARSE(tbk_ssh_program, tbk_ssh_program, tbk_ssh_program_names)

/* --- Choices of the command lines only --- */

static const char *const proof_levels[] = {"none", "checksums", "restored"}; /* tbk_proof_level */
const tbk_names tbk_option_proof_names = {TBK_NAMES_LIST(proof_levels), .first = 1};

static const char *const actions[] = {
    [TBK_OFFSITE_SYNC] = "sync",     [TBK_OFFSITE_LIST] = "list",  [TBK_OFFSITE_CHECK] = "check",
    [TBK_OFFSITE_DRILL] = "drill",   [TBK_OFFSITE_INIT] = "init",  [TBK_OFFSITE_UNLOCK] = "unlock",
    [TBK_OFFSITE_ACCEPT] = "accept", [TBK_OFFSITE_FETCH] = "fetch"};
const tbk_names tbk_engine_action_names = {.what = "action", TBK_NAMES_LIST(actions)};
const tbk_names tbk_option_action_names = {
    .what = "action", .list = actions, .count = TBK_OFFSITE_FETCH};

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
    "/var/lib/torrust-backup-outbound",
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

/* --- Off-site --- */

#define REPOSITORY_MAX_BYTES 500
#define OFFSITE_NAME_MAX_BYTES 64
#define FILE_MAX_BYTES 1000
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

/* "user:password@", in whatever back end: an address is shown, and stands in files that all may
 * read. */
static bool has_password(const char *repository)
{
    const char *authority = strstr(repository, "://"), *back_end = strchr(repository, ':');
    const char *user = authority != NULL ? authority + 3 : back_end != NULL ? back_end + 1 : "";
    const char *at = strchr(user, '@');
    return at != NULL && memchr(user, ':', (size_t)(at - user)) != NULL;
}

/* A folder is mounted by its path alone; programs besides ssh are not there. */
static bool is_out_of_reach(const char *repository)
{
    static const char *const refused[] = {"local:", "rclone:"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strncmp(repository, refused[i], strlen(refused[i])) == 0)
            return true;
    return false;
}

bool tbk_options_check_repository(const char *repository, tbk_error *err)
{
    bool has_back_end = repository[0] != ':' && strchr(repository, ':') != NULL;
    if (has_password(repository))
        return tbk_fail(err, TBK_E_CONFIG,
                        "leave user and password out of it, and write RESTIC_REST_USERNAME and "
                        "RESTIC_REST_PASSWORD into the file of secrets",
                        "the repository's address has a password in it");
    if (strlen(repository) > REPOSITORY_MAX_BYTES || tbk_path_has_control(repository) ||
        (repository[0] != '/' && !has_back_end))
        return tbk_fail(err, TBK_E_CONFIG,
                        "write a folder's absolute path, sftp:user@host:/path, "
                        "rest:https://host:8000/path, s3:https://host/bucket, or what restic "
                        "knows besides",
                        "'%.200s' is no repository", repository);
    if (is_out_of_reach(repository))
        return tbk_fail(err, TBK_E_CONFIG,
                        "write a folder's absolute path, or a back end that restic reaches by "
                        "itself",
                        "'%.200s' is out of reach for the container that goes there", repository);
    return repository[0] != '/' || tbk_options_check_store(repository, err);
}

bool tbk_options_check_offsite_name(const char *name, tbk_error *err)
{
    if (name[0] == '\0' || strlen(name) > OFFSITE_NAME_MAX_BYTES || name[0] == '-' ||
        name[strspn(name, NAME_CHARACTERS)] != '\0')
        return tbk_fail(err, TBK_E_CONFIG, "write letters, digits and .-_, 64 of them at most",
                        "'%.200s' cannot be a name off-site", name);
    return true;
}

bool tbk_options_check_file(const char *path, tbk_error *err)
{
    if (path[0] == '\0' || strlen(path) > FILE_MAX_BYTES || tbk_path_has_control(path))
        return tbk_fail(err, TBK_E_CONFIG, "write the path of a file on this machine",
                        "'%.200s' is no path of a file", path);
    return true;
}
