/* SPDX-License-Identifier: MIT */
/* Reads and checks the operator's options: one row each, whatever they come from. */
#include "domain/options.h"

#include "base/names.h"
#include "domain/address.h"
#include "domain/path.h"
#include "domain/place.h"
#include "domain/schedule.h"

#include <inttypes.h>
#include <string.h>

/* --- Named values --- */

static const char *const methods[] = {
    [TBK_METHOD_AUTO] = "auto",       [TBK_METHOD_HOT] = "hot",
    [TBK_METHOD_REFLINK] = "reflink", [TBK_METHOD_SNAPSHOT] = "snapshot",
    [TBK_METHOD_PAUSE] = "pause",     [TBK_METHOD_STOP] = "stop",
};
static const tbk_names method_names = {
    .what = "method",
    TBK_NAMES_LIST(methods),
    .fix = "write auto, hot, reflink, pause or stop; for MySQL auto, snapshot or stop"};

static const char *const hold_policies[] = {
    [TBK_HOLD_WHEN_NEEDED] = "when_needed", [TBK_HOLD_NEVER] = "never"};
static const tbk_names hold_policy_names = {TBK_NAMES_LIST(hold_policies)};

static const char *const database_tls[] = {
    [TBK_TLS_WHEN_OFFERED] = "when_offered", [TBK_TLS_REQUIRED] = "required"};
static const tbk_names database_tls_names = {TBK_NAMES_LIST(database_tls)};

static const char *const modes[] = {[TBK_MODE_WINDOW] = "window", [TBK_MODE_SIDECAR] = "sidecar"};
static const tbk_names mode_names = {.what = "mode", TBK_NAMES_LIST(modes)};

static const char *const journal_modes[] = {
    [TBK_JOURNAL_AS_IT_IS] = "as it is",
    [TBK_JOURNAL_WAL] = "wal",
    [TBK_JOURNAL_DELETE] = "delete",
};
static const tbk_names journal_mode_names = {
    .what = "journal mode", TBK_NAMES_LIST(journal_modes), .first = TBK_JOURNAL_WAL};

static const char *const ssh_programs[] = {
    [TBK_SSH_AUTO] = "auto",
    [TBK_SSH_LIBSSH2] = "libssh2",
    [TBK_SSH_OPENSSH] = "openssh",
    [TBK_SSH_LOCAL] = "local",
};
static const tbk_names ssh_program_names = {.what = "way to the VM", TBK_NAMES_LIST(ssh_programs)};

TBK_NAMES_FUNCTIONS(tbk_method, tbk_method, method_names)
TBK_NAMES_FUNCTIONS(tbk_hold_policy, tbk_hold_policy, hold_policy_names)
TBK_NAMES_FUNCTIONS(tbk_database_tls, tbk_database_tls, database_tls_names)
TBK_NAMES_FUNCTIONS(tbk_mode, tbk_mode, mode_names)
TBK_NAMES_FUNCTIONS(tbk_journal_mode, tbk_journal_mode, journal_mode_names)
TBK_NAMES_FUNCTIONS(tbk_ssh_program, tbk_ssh_program, ssh_program_names)

static bool check_method_for(tbk_driver driver, tbk_method method, tbk_error *err)
{
    bool for_all = method == TBK_METHOD_AUTO || method == TBK_METHOD_STOP;
    bool for_mysql = method == TBK_METHOD_SNAPSHOT;
    if (for_all || for_mysql == (driver == TBK_DRIVER_MYSQL))
        return true;
    if (for_mysql)
        return tbk_fail(err, TBK_E_CONFIG, "use 'method: auto', hot, reflink, pause or stop",
                        "the method snapshot is for MySQL; this environment has SQLite");
    return tbk_fail(err, TBK_E_CONFIG, "use 'method: auto', snapshot or stop",
                    "the method %s is for SQLite; this environment has MySQL",
                    tbk_method_name(method));
}

bool tbk_method_check(tbk_method method, tbk_driver driver, tbk_mode mode, tbk_hold_policy hold,
                      tbk_error *err)
{
    if (!check_method_for(driver, method, err))
        return false;
    if (method >= TBK_METHOD_PAUSE && mode == TBK_MODE_SIDECAR)
        return tbk_fail(err, TBK_E_CONFIG, "use 'method: auto', or 'mode: window'",
                        "the method %s holds the tracker, which nobody does in mode sidecar",
                        tbk_method_name(method));
    return method < TBK_METHOD_PAUSE || hold != TBK_HOLD_NEVER ||
           tbk_fail(err, TBK_E_CONFIG, "use 'method: auto', or 'hold: when_needed'",
                    "the method %s holds the tracker, which 'hold: never' rules out",
                    tbk_method_name(method));
}

/* --- Checks of single values --- */

static bool check_schedule(const char *schedule, tbk_error *err)
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

static bool check_store(const char *store, tbk_error *err)
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

/* --- The rows --- */

typedef struct text_row {
    const char *path;
    size_t offset;
    bool (*check)(const char *value, tbk_error *err);
} text_row;

typedef struct number_row {
    const char *path;
    size_t offset;
    int64_t minimum, maximum;
    const char *unit;
    bool zero_is_unset; /* in the struct; the file may not say 0 */
} number_row;

static const text_row text_rows[] = {
    {"schedule", offsetof(tbk_options, schedule), check_schedule},
    {"full_schedule", offsetof(tbk_options, full_schedule), check_schedule},
    {"store", offsetof(tbk_options, store), check_store},
    {"ssh.host", offsetof(tbk_options, ssh_host), tbk_address_check_host},
    {"ssh.user", offsetof(tbk_options, ssh_user), tbk_address_check_user},
    {"ssh.key", offsetof(tbk_options, ssh_key), tbk_address_check_key},
};
#define TEXT_ROWS (sizeof text_rows / sizeof *text_rows)

/* The limits stand in docs/schemas/options.schema.json too; a test compares them. */
static const number_row number_rows[] = {
    {"keep_days", offsetof(tbk_options, keep_days), 1, TBK_KEEP_DAYS_MAX, "days", false},
    {"keep_last", offsetof(tbk_options, keep_last), 1, TBK_KEEP_LAST_MAX, "sets", false},
    {"window_max_seconds", offsetof(tbk_options, window_max_seconds), 30, 86400, "seconds", false},
    {"compression_level", offsetof(tbk_options, compression_level), TBK_COMPRESSION_LEVEL_MIN,
     TBK_COMPRESSION_LEVEL_MAX, "for zstd", false},
    {"rate_limit_mib", offsetof(tbk_options, rate_limit_mib), 0, TBK_RATE_LIMIT_MIB_MAX,
     "MiB a second", false},
    {"prove_restored_every_days", offsetof(tbk_options, prove_restored_every_days), 0,
     TBK_PROVE_DAYS_MAX, "days", false},
    {"verify.fetch_limit_mib", offsetof(tbk_options, verify_fetch_limit_mib), 0, 1048576, "MiB",
     false},
    {"ssh.port", offsetof(tbk_options, ssh_port), 1, UINT16_MAX, "for a port", true},
};
#define NUMBER_ROWS (sizeof number_rows / sizeof *number_rows)

static bool check_number(const number_row *row, int64_t value, tbk_error *err)
{
    char fix[128];
    if (value >= row->minimum && value <= row->maximum)
        return true;
    (void)snprintf(fix, sizeof fix, "write a whole number from %" PRId64 " to %" PRId64,
                   row->minimum, row->maximum);
    return tbk_fail(err, TBK_E_CONFIG, fix,
                    "%" PRId64 " is not possible; %" PRId64 " to %" PRId64 " %s are", value,
                    row->minimum, row->maximum, row->unit);
}

/* --- Defaults --- */

#define NATIVE_SCHEDULE "user_inputs.backup.schedule of the deployer's state"
#define NATIVE_KEEP_DAYS "user_inputs.backup.retention_days of the deployer's state"

void tbk_options_default(const tbk_environment *environment, tbk_options *out)
{
    *out = (tbk_options){
        .schedule = TBK_DEFAULT_SCHEDULE,
        .keep_days = TBK_DEFAULT_KEEP_DAYS,
        .keep_last = TBK_DEFAULT_KEEP_LAST,
        .mode = TBK_MODE_WINDOW,
        .method = TBK_METHOD_AUTO,
        .hold = TBK_HOLD_WHEN_NEEDED,
        .database_tls = TBK_TLS_WHEN_OFFERED,
        .profile = TBK_PROFILE_FULL,
        .store = TBK_DEFAULT_STORE,
        .window_max_seconds = 300,
        .compression_level = 1,
        .prove_restored_every_days = 7,
        .verify_fetch_limit_mib = 1024,
        .ssh_program = TBK_SSH_AUTO,
    };
    tbk_rules_default(&out->essential);
    if (!environment->has_native_backup)
        return;
    out->schedule = environment->native_schedule;
    out->keep_days = environment->native_keep_days;
    out->native_schedule = true;
    out->native_keep_days = true;
}

/* --- Reading --- */

static bool read_texts(const tbk_value *document, tbk_options *options, tbk_error *err)
{
    for (const text_row *row = text_rows; row < text_rows + TEXT_ROWS; row++) {
        const char **to = (void *)((char *)options + row->offset);
        const tbk_value *value = tbk_value_find(document, row->path);
        if (!tbk_value_optional_string(document, row->path, to, err))
            return false;
        if (value != NULL && !row->check(*to, err))
            return tbk_error_at(value, row->path, err);
    }
    return true;
}

static bool read_numbers(const tbk_value *document, tbk_options *options, tbk_error *err)
{
    for (const number_row *row = number_rows; row < number_rows + NUMBER_ROWS; row++) {
        int64_t *to = (void *)((char *)options + row->offset);
        const tbk_value *value = tbk_value_find(document, row->path);
        if (!tbk_value_optional_integer(document, row->path, to, err))
            return false;
        if (value != NULL && !check_number(row, *to, err))
            return tbk_error_at(value, row->path, err);
    }
    return true;
}

static bool read_capture_names(const tbk_value *document, tbk_options *options, tbk_error *err)
{
    const char *method = NULL;
    const char *hold = NULL;
    const char *tls = NULL;
    if (!tbk_value_optional_string(document, "method", &method, err) ||
        !tbk_value_optional_string(document, "hold", &hold, err) ||
        !tbk_value_optional_string(document, "database_tls", &tls, err))
        return false;
    if (method != NULL && !tbk_method_parse(method, &options->method, err))
        return tbk_error_at(tbk_value_find(document, "method"), "method", err);
    if (hold != NULL && !tbk_hold_policy_parse(hold, &options->hold, err))
        return tbk_error_at(tbk_value_find(document, "hold"), "hold", err);
    if (tls != NULL && !tbk_database_tls_parse(tls, &options->database_tls, err))
        return tbk_error_at(tbk_value_find(document, "database_tls"), "database_tls", err);
    return true;
}

static bool read_names(const tbk_value *document, tbk_options *options, tbk_error *err)
{
    const char *mode = NULL;
    const char *program = NULL;
    const char *profile = NULL;
    if (!tbk_value_optional_string(document, "mode", &mode, err) ||
        !tbk_value_optional_string(document, "profile", &profile, err) ||
        !tbk_value_optional_string(document, "ssh.program", &program, err))
        return false;
    if (mode != NULL && !tbk_mode_parse(mode, &options->mode, err))
        return tbk_error_at(tbk_value_find(document, "mode"), "mode", err);
    if (profile != NULL && !tbk_profile_parse(profile, &options->profile, err))
        return tbk_error_at(tbk_value_find(document, "profile"), "profile", err);
    if (program != NULL && !tbk_ssh_program_parse(program, &options->ssh_program, err))
        return tbk_error_at(tbk_value_find(document, "ssh.program"), "ssh.program", err);
    return true;
}

static bool check_section(const tbk_value *document, const char *name, const char *const *known,
                          tbk_error *err)
{
    const tbk_value *section = tbk_value_find(document, name);
    if (section == NULL)
        return true;
    if (!tbk_value_require_map(document, name, &section, err))
        return false;
    return tbk_value_only_keys(section, known, err) || tbk_error_context(err, "in '%s'", name);
}

static bool check_keys(const tbk_value *document, tbk_error *err)
{
    static const char *const known[] = {"schedule",
                                        "full_schedule",
                                        "profile",
                                        "essential",
                                        "keep_days",
                                        "keep_last",
                                        "mode",
                                        "method",
                                        "hold",
                                        "database_tls",
                                        "store",
                                        "window_max_seconds",
                                        "compression_level",
                                        "rate_limit_mib",
                                        "prove_restored_every_days",
                                        "verify",
                                        "ssh",
                                        NULL};
    static const char *const verify[] = {"fetch_limit_mib", NULL};
    static const char *const ssh[] = {"host", "port", "user", "key", "program", NULL};
    return tbk_value_only_keys(document, known, err) &&
           check_section(document, "verify", verify, err) &&
           check_section(document, "ssh", ssh, err);
}

bool tbk_options_read(const tbk_value *document, tbk_options *options, tbk_error *err)
{
    tbk_options read = *options;

    if (document == NULL || document->type == TBK_VALUE_NULL)
        return true;
    if (!check_keys(document, err) || !read_texts(document, &read, err) ||
        !read_numbers(document, &read, err) || !read_names(document, &read, err) ||
        !read_capture_names(document, &read, err) ||
        !tbk_rules_read(document, "essential", &read.essential, err))
        return false;
    read.native_schedule &= tbk_value_find(document, "schedule") == NULL;
    read.native_keep_days &= tbk_value_find(document, "keep_days") == NULL;
    *options = read;
    return true;
}

/* --- Checking --- */

static bool check_texts(const tbk_options *options, tbk_error *err)
{
    for (const text_row *row = text_rows; row < text_rows + TEXT_ROWS; row++) {
        const char *const *value = (const void *)((const char *)options + row->offset);
        if (*value != NULL && !row->check(*value, err))
            return tbk_error_context(err, "'%s'", row->path);
    }
    return true;
}

static bool check_numbers(const tbk_options *options, tbk_error *err)
{
    for (const number_row *row = number_rows; row < number_rows + NUMBER_ROWS; row++) {
        const int64_t *value = (const void *)((const char *)options + row->offset);
        bool is_unset = row->zero_is_unset && *value == 0;
        if (!is_unset && !check_number(row, *value, err))
            return tbk_error_context(err, "'%s'", row->path);
    }
    return true;
}

/* What the deployer took without a check: say where it stands, and how to overrule it. */
static bool check_native(const tbk_options *options, tbk_error *err)
{
    if (options->native_schedule && !check_schedule(options->schedule, err)) {
        (void)tbk_error_context(err, NATIVE_SCHEDULE);
        (void)snprintf(err->fix, sizeof err->fix,
                       "write a 'schedule', such as \"" TBK_DEFAULT_SCHEDULE
                       "\", into the options file envs/<environment>.backup.yml");
        return false;
    }
    if (options->native_keep_days && !check_number(&number_rows[0], options->keep_days, err)) {
        (void)tbk_error_context(err, NATIVE_KEEP_DAYS);
        (void)snprintf(err->fix, sizeof err->fix,
                       "write 'keep_days', such as %d, into the options file "
                       "envs/<environment>.backup.yml",
                       TBK_DEFAULT_KEEP_DAYS);
        return false;
    }
    return true;
}

/* Two runs that are due in the same minute would wait for each other, and one would give up. */
static bool check_profiles(const tbk_options *options, tbk_error *err)
{
    tbk_schedule schedule, full;
    tbk_error ignored; /* check_texts says it better */
    if (options->full_schedule == NULL)
        return true;
    if (options->profile == TBK_PROFILE_FULL)
        return tbk_fail(err, TBK_E_CONFIG, "write 'profile: essential', or leave it out",
                        "'full_schedule' goes with the profile essential only");
    if (!tbk_schedule_parse(options->schedule, &schedule, &ignored) ||
        !tbk_schedule_parse(options->full_schedule, &full, &ignored))
        return true;
    return !tbk_schedule_meet(&schedule, &full) ||
           tbk_fail(err, TBK_E_CONFIG, "let one of them be due at another minute or hour",
                    "'schedule' (%s) and 'full_schedule' (%s) are due at the same time now and "
                    "then",
                    options->schedule, options->full_schedule);
}

/* A file has no connection: who demands one that is encrypted takes the database for another. */
static bool check_tls(const tbk_options *options, tbk_driver driver, tbk_error *err)
{
    return options->database_tls == TBK_TLS_WHEN_OFFERED || driver == TBK_DRIVER_MYSQL ||
           tbk_fail(err, TBK_E_CONFIG, "leave it out",
                    "'database_tls: required' is for MySQL; this environment has SQLite");
}

bool tbk_options_check(const tbk_options *options, tbk_driver driver, tbk_error *err)
{
    return check_native(options, err) && check_profiles(options, err) &&
           tbk_method_check(options->method, driver, options->mode, options->hold, err) &&
           check_tls(options, driver, err) && check_texts(options, err) &&
           check_numbers(options, err);
}
