/* SPDX-License-Identifier: MIT */
/* Reads and checks the operator's options, by the rows of the table (option_table.h). */
#include "domain/options.h"

#include "domain/option_table.h"
#include "domain/path.h"
#include "domain/place.h"
#include "domain/schedule.h"

#include <inttypes.h>
#include <string.h>

#define ROWS tbk_option_table
#define ROWS_END (tbk_option_table + TBK_OPTION_COUNT)

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
                        "the method %s holds the tracker, which mode sidecar cannot do",
                        tbk_method_name(method));
    return method < TBK_METHOD_PAUSE || hold != TBK_HOLD_NEVER ||
           tbk_fail(err, TBK_E_CONFIG, "use 'method: auto', or 'hold: when_needed'",
                    "the method %s holds the tracker, which 'hold: never' rules out",
                    tbk_method_name(method));
}

/* --- Defaults --- */

#define NATIVE_SCHEDULE "user_inputs.backup.schedule of the deployer's state"
#define NATIVE_KEEP_DAYS "user_inputs.backup.retention_days of the deployer's state"

static void *field_of(const tbk_option *row, tbk_options *options)
{
    return (char *)options + row->file.field;
}

void tbk_options_default(const tbk_environment *environment, tbk_options *out)
{
    *out = (tbk_options){0};
    for (const tbk_option *row = ROWS; row < ROWS_END; row++)
        if (row->file.key != NULL)
            tbk_option_set_initial(row, field_of(row, out));
    tbk_rules_default(&out->essential);
    if (!environment->has_native_backup)
        return;
    out->schedule = environment->native_schedule;
    out->keep_days = environment->native_keep_days;
    out->native_schedule = true;
    out->native_keep_days = true;
}

/* --- Single values --- */

static bool check_number(const tbk_option *row, int64_t value, tbk_error *err)
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

/* An option without a default may be unset: a text that is NULL, a number that is 0. */
static bool check_value(const tbk_option *row, const void *field, tbk_error *err)
{
    if (row->type == TBK_OPTION_TEXT) {
        const char *text = *(const char *const *)field;
        return text == NULL || row->check(text, err);
    }
    if (row->type == TBK_OPTION_NUMBER) {
        int64_t number = *(const int64_t *)field;
        return (number == 0 && row->initial == NULL) || check_number(row, number, err);
    }
    return true;
}

/* --- Reading --- */

static bool fail_at(const tbk_option *row, const tbk_value *document, tbk_error *err)
{
    return tbk_error_at(tbk_value_find(document, row->file.key), row->file.key, err);
}

static bool read_text(const tbk_option *row, const tbk_value *document, void *field, tbk_error *err)
{
    const char **text = field;

    if (!tbk_value_require_string(document, row->file.key, text, err))
        return false;
    if (!row->check(*text, err))
        return fail_at(row, document, err);
    return true;
}

static bool read_number(const tbk_option *row, const tbk_value *document, void *field,
                        tbk_error *err)
{
    int64_t *number = field;

    if (!tbk_value_require_integer(document, row->file.key, number, err))
        return false;
    if (!check_number(row, *number, err))
        return fail_at(row, document, err);
    return true;
}

static bool read_choice(const tbk_option *row, const tbk_value *document, void *field,
                        tbk_error *err)
{
    const char *name = NULL;

    if (!tbk_value_require_string(document, row->file.key, &name, err))
        return false;
    if (!tbk_names_parse(row->names, name, field, err))
        return fail_at(row, document, err);
    return true;
}

static bool read_row(const tbk_option *row, const tbk_value *document, tbk_options *options,
                     tbk_error *err)
{
    void *field = field_of(row, options);

    if (row->file.key == NULL || tbk_value_find(document, row->file.key) == NULL)
        return true;
    switch (row->type) {
    case TBK_OPTION_TEXT:
        return read_text(row, document, field, err);
    case TBK_OPTION_NUMBER:
        return read_number(row, document, field, err);
    case TBK_OPTION_CHOICE:
        return read_choice(row, document, field, err);
    default:
        return tbk_rules_read(document, row->file.key, field, err);
    }
}

static bool check_section(const tbk_value *document, const char *name, tbk_error *err)
{
    const tbk_value *section = NULL;
    tbk_option_keys known = {.count = 0};

    tbk_option_add_keys(&known, TBK_OPTIONS_FILE, name);
    if (known.count == 0 || tbk_value_find(document, name) == NULL)
        return true;
    return tbk_value_require_map(document, name, &section, err) &&
           (tbk_value_only_keys(section, known.list, err) ||
            tbk_error_context(err, "in '%s'", name));
}

static bool check_keys(const tbk_value *document, tbk_error *err)
{
    tbk_option_keys known = {.count = 0};

    tbk_option_add_keys(&known, TBK_OPTIONS_FILE, "");
    if (!tbk_value_only_keys(document, known.list, err))
        return false;
    for (size_t i = 0; i < known.count; i++)
        if (!check_section(document, known.list[i], err))
            return false;
    return true;
}

/* Where the rest of the section would only seem to be heeded. */
static bool check_has_repository(const tbk_value *document, tbk_error *err)
{
    const tbk_value *section = tbk_value_find(document, "offsite");
    return section == NULL || tbk_value_find(section, "repository") != NULL ||
           tbk_value_fail(section, err,
                          "write where sets go, such as 'repository: sftp:user@host:/path', or "
                          "leave the section out",
                          "'offsite.repository' is missing");
}

bool tbk_options_read(const tbk_value *document, tbk_options *options, tbk_error *err)
{
    tbk_options read = *options;

    if (document == NULL || document->type == TBK_VALUE_NULL)
        return true;
    if (!check_keys(document, err) || !check_has_repository(document, err))
        return false;
    for (const tbk_option *row = ROWS; row < ROWS_END; row++)
        if (!read_row(row, document, &read, err))
            return false;
    read.native_schedule &= tbk_value_find(document, "schedule") == NULL;
    read.native_keep_days &= tbk_value_find(document, "keep_days") == NULL;
    *options = read;
    return true;
}

/* --- Checking --- */

static bool check_values(const tbk_options *options, tbk_error *err)
{
    for (const tbk_option *row = ROWS; row < ROWS_END; row++)
        if (row->file.key != NULL &&
            !check_value(row, (const char *)options + row->file.field, err))
            return tbk_error_context(err, "'%s'", row->file.key);
    return true;
}

/* What the deployer took without a check: say where it stands, and how to overrule it. */
static bool check_native(const tbk_options *options, tbk_error *err)
{
    if (options->native_schedule && !tbk_options_check_schedule(options->schedule, err)) {
        (void)tbk_error_context(err, NATIVE_SCHEDULE);
        (void)snprintf(err->fix, sizeof err->fix,
                       "write a 'schedule', such as \"" TBK_DEFAULT_SCHEDULE
                       "\", into the options file envs/<environment>.backup.yml");
        return false;
    }
    const tbk_option *keep_days = &tbk_option_table[TBK_OPTION_KEEP_DAYS];
    if (options->native_keep_days && !check_number(keep_days, options->keep_days, err)) {
        (void)tbk_error_context(err, NATIVE_KEEP_DAYS);
        (void)snprintf(err->fix, sizeof err->fix,
                       "write 'keep_days', such as %s, into the options file "
                       "envs/<environment>.backup.yml",
                       keep_days->initial);
        return false;
    }
    return true;
}

/* Two runs that are due in the same minute would wait for each other, and one would give up. */
static bool check_profiles(const tbk_options *options, tbk_error *err)
{
    tbk_schedule schedule, full;
    tbk_error ignored; /* check_values says it better */
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

/* A file has no connection to encrypt: the option is for another kind of database. */
static bool check_tls(const tbk_options *options, tbk_driver driver, tbk_error *err)
{
    return options->database_tls == TBK_TLS_WHEN_OFFERED || driver == TBK_DRIVER_MYSQL ||
           tbk_fail(err, TBK_E_CONFIG, "leave it out",
                    "'database_tls: required' is for MySQL; this environment has SQLite");
}

/* What cannot be asked for at night. */
static bool check_offsite(const tbk_options *options, tbk_driver driver, tbk_error *err)
{
    const char *repository = options->offsite.repository;
    if (options->offsite.drill_level == TBK_PROOF_RESTORED && driver == TBK_DRIVER_MYSQL)
        return tbk_fail(
            err, TBK_E_CONFIG,
            "leave it out, or write checksums; what runs restore each few days says "
            "'prove_restored_every_days'",
            "'offsite.drill_level: restored' is for SQLite: a dump of MySQL is restored "
            "in a server, and what goes off-site must not reach one");
    if (repository != NULL && (tbk_path_is_within(repository, options->store) ||
                               tbk_path_is_within(options->store, repository)))
        return tbk_fail(err, TBK_E_CONFIG, "name a folder of another disk",
                        "the repository '%s' and the store '%s' lie in one another", repository,
                        options->store);
    if (repository == NULL || strncmp(repository, "sftp:", 5) != 0)
        return true;
    if (options->offsite_ssh_key == NULL)
        return tbk_fail(err, TBK_E_CONFIG,
                        "make a key without a passphrase for it (ssh-keygen -t ed25519 -N '' -f "
                        "FILE), let the server accept it, and name FILE there",
                        "'offsite.ssh_key' is missing: the VM logs in to '%s' with it", repository);
    return options->offsite_known_hosts != NULL ||
           tbk_fail(err, TBK_E_CONFIG,
                    "write what 'ssh-keyscan HOST' prints into a file, compare it with the "
                    "server's own key, and name the file there",
                    "'offsite.known_hosts' is missing: the VM knows '%s' by it", repository);
}

bool tbk_options_check(const tbk_options *options, tbk_driver driver, tbk_error *err)
{
    return check_native(options, err) && check_profiles(options, err) &&
           tbk_method_check(options->method, driver, options->mode, options->hold, err) &&
           check_tls(options, driver, err) && check_offsite(options, driver, err) &&
           check_values(options, err);
}
