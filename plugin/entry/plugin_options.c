/* SPDX-License-Identifier: MIT */
/* What a host asks for with a verb: read from its JSON, and refused where it cannot be meant. */
#include "base/json.h"
#include "commands/outbound_client.h"
#include "domain/option_table.h"
#include "entry/plugin_session.h"

#include <string.h>

/* Refuses an option that the verb does not use, rather than ignoring it. */
static bool check_given(const tbk_value *given, tbk_verb verb, tbk_error *err)
{
    tbk_option_keys known = {.count = 0};
    char called[48];

    for (size_t i = 0; i < TBK_OPTION_COUNT; i++)
        if (tbk_option_table[i].request != NULL)
            tbk_option_add_key(&known, tbk_option_table[i].request);
    if (!tbk_value_only_keys(given, known.list, err))
        return false;
    for (const tbk_member *item = given->first; item != NULL; item = item->next) {
        const tbk_option *row = tbk_option_of_request(item->key);
        bool is_given = item->value->type != TBK_VALUE_NULL &&
                        (item->value->type != TBK_VALUE_BOOL || item->value->boolean);
        if (!is_given || tbk_option_fits(row, TBK_PROGRAM_CLI, verb))
            continue;
        (void)snprintf(called, sizeof called, "'%s'", row->request);
        return tbk_option_fail_verb(row, TBK_PROGRAM_CLI, verb, called, err);
    }
    return true;
}

static bool read_action(const tbk_value *value, unsigned *out, tbk_error *err)
{
    const char *name = NULL;
    return tbk_value_optional_string(value, "action", &name, err) &&
           (name == NULL || tbk_names_parse(&tbk_option_action_names, name, out, err));
}

bool plugin_options_read(tbk_arena *arena, const char *json, tbk_verb verb, plugin_options *out,
                         tbk_error *err)
{
    const tbk_value *value = NULL;

    if (json == NULL || json[0] == '\0')
        return true;
    if (!tbk_json_parse(arena, json, strlen(json), "options_json", &value, err))
        return false;
    if (value->type != TBK_VALUE_MAP)
        return tbk_value_fail(value, err, "hand over a JSON object", "the options are %s",
                              tbk_value_type_name(value->type));
    tbk_workspace_overrides *overrides = &out->overrides;
    return check_given(value, verb, err) &&
           tbk_value_optional_string(value, "options_file", &overrides->options_file, err) &&
           tbk_value_optional_string(value, "ssh_host", &overrides->ssh_host, err) &&
           tbk_value_optional_integer(value, "ssh_port", &overrides->ssh_port, err) &&
           tbk_value_optional_string(value, "ssh_user", &overrides->ssh_user, err) &&
           tbk_value_optional_string(value, "ssh_key", &overrides->ssh_key, err) &&
           tbk_value_optional_string(value, "ssh_program", &overrides->ssh_program, err) &&
           tbk_value_optional_string(value, "mode", &overrides->mode, err) &&
           tbk_value_optional_string(value, "host_key", &out->host_key, err) &&
           tbk_value_optional_string(value, "method", &out->method, err) &&
           tbk_value_optional_string(value, "journal_mode", &out->journal_mode, err) &&
           tbk_value_optional_string(value, "profile", &out->profile, err) &&
           tbk_value_optional_bool(value, "wait_for_cron", &out->wait_for_cron, err) &&
           tbk_value_optional_bool(value, "fetch_all", &out->fetch_all, err) &&
           tbk_value_optional_bool(value, "offsite", &out->proves_offsite, err) &&
           tbk_value_optional_string(value, "keep", &out->keep, err) &&
           tbk_value_optional_string(value, "set", &out->set, err) &&
           tbk_value_optional_string(value, "from", &out->from, err) &&
           tbk_value_optional_string(value, "to", &out->to, err) &&
           read_action(value, &out->action, err) &&
           tbk_value_optional_bool(value, "all_environments", &out->all_environments, err) &&
           tbk_value_optional_bool(value, "rehearse", &out->rehearse, err) &&
           tbk_value_optional_bool(value, "forget_kept", &out->purge_previous, err);
}

static bool check_run_options(const plugin_options *given, tbk_error *err)
{
    tbk_method method;
    tbk_journal_mode mode;
    tbk_profile profile;

    return (given->method == NULL || tbk_method_parse(given->method, &method, err)) &&
           (given->journal_mode == NULL ||
            tbk_journal_mode_parse(given->journal_mode, &mode, err)) &&
           (given->profile == NULL || tbk_profile_parse(given->profile, &profile, err));
}

/* The set is never guessed: the caller names it, or asks for the newest. */
static bool check_restore_options(const plugin_options *given, bool dry_run, tbk_error *err)
{
    if (given->purge_previous && (given->set != NULL || given->from != NULL || dry_run))
        return tbk_fail(err, TBK_E_USAGE, "do one after the other",
                        "--forget-kept restores nothing");
    return given->purge_previous || given->set != NULL ||
           tbk_fail(err, TBK_E_USAGE, "name it with --set ID ('list' shows them), or --set latest",
                    "which set is to be restored?");
}

/* A host may stand in any folder. */
bool plugin_is_folder(const char *source) { return source != NULL && source[0] == '/'; }

static bool check_target(const plugin_options *given, const char *what, tbk_error *err)
{
    if (given->set == NULL)
        return tbk_fail(err, TBK_E_USAGE, "name it with --set ID, or --set latest",
                        "which set is to be %s?", what);
    return plugin_is_folder(given->to) ||
           tbk_fail(err, TBK_E_USAGE,
                    "name a folder of this machine with --to DIR; a host "
                    "gives its whole path",
                    "where is the set to be put?");
}

/* What is on the VM is extracted there, by the engine. */
static bool check_extract_options(const plugin_options *given, tbk_error *err)
{
    return check_target(given, "extracted", err) &&
           (plugin_is_folder(given->from) ||
            tbk_fail(err, TBK_E_USAGE,
                     "fetch it first, and write --from DIR, as a path ('./fetched')",
                     "only a set that is on this machine is extracted"));
}

static bool check_keep(const plugin_options *given, tbk_error *err)
{
    return given->keep == NULL || plugin_is_folder(given->keep) ||
           tbk_fail(err, TBK_E_USAGE, "a host gives its whole path",
                    "'%.200s' is no folder that a set could be kept in", given->keep);
}

static bool check_source(const plugin_options *given, tbk_error *err)
{
    const char *name = NULL;
    return given->from == NULL || tbk_offsite_source(given->from, &name, err);
}

/* Of all other verbs: a folder of this machine as well. */
static bool check_any_source(const plugin_options *given, tbk_error *err)
{
    if (plugin_is_folder(given->from) || check_source(given, err))
        return true;
    (void)snprintf(err->fix, sizeof err->fix,
                   "write --from offsite, --from offsite:NAME, or the path of a folder that sets "
                   "were fetched into ('./fetched')");
    return false;
}

/* What is of one environment goes with no other. */
static bool check_list_options(const plugin_session *self, tbk_error *err)
{
    const plugin_options *given = &self->options;
    const tbk_workspace_overrides *own = &given->overrides;
    const char *name = NULL;

    if (!check_any_source(given, err))
        return false;
    if (!given->all_environments)
        return true;
    if (plugin_is_folder(given->from))
        return tbk_fail(err, TBK_E_USAGE, "leave --all-environments out",
                        "of a folder the sets of all environments are listed anyway");
    if (given->from != NULL && tbk_offsite_source(given->from, &name, err) && name != NULL)
        return tbk_fail(err, TBK_E_USAGE, "write --from offsite, or leave --all-environments out",
                        "'%s' names one environment", given->from);
    if (given->from == NULL && self->environment != NULL)
        return tbk_fail(err, TBK_E_USAGE, "leave one of them out",
                        "all environments are wanted, and '%s' is named", self->environment);
    if (given->from == NULL &&
        (own->options_file != NULL || own->ssh_host != NULL || own->ssh_port != 0 ||
         own->ssh_user != NULL || own->ssh_key != NULL || own->mode != NULL ||
         given->host_key != NULL))
        return tbk_fail(err, TBK_E_USAGE, "write it into the options files",
                        "with --all-environments no option of a single one can be given");
    return true;
}

bool plugin_options_check(const plugin_session *self, tbk_verb verb, tbk_error *err)
{
    const plugin_options *given = &self->options;

    switch (verb) {
    case TBK_VERB_RESTORE:
        return check_restore_options(given, self->dry_run, err) && check_any_source(given, err);
    case TBK_VERB_VERIFY:
        return check_keep(given, err);
    case TBK_VERB_RESCUE:
        return check_any_source(given, err);
    case TBK_VERB_LIST:
        return check_list_options(self, err);
    case TBK_VERB_FETCH:
        return check_target(given, "fetched", err) && check_source(given, err);
    case TBK_VERB_EXTRACT:
        return check_extract_options(given, err);
    default:
        return check_run_options(given, err);
    }
}
