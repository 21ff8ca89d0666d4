/* SPDX-License-Identifier: MIT */
/* Reads the deployer's state and inventory. */
#include "domain/environment.h"

#include "base/text.h"
#include "domain/address.h"
#include "domain/path.h"
#include "domain/place.h"

#include <string.h>

#define NAME_MAX_BYTES 63

typedef struct state_row {
    const char *name;
    tbk_deployment_stage stage; /* the last one surely reached; where there is a VM */
    const char *no_vm;          /* why there is none to work on; NULL where there is one */
    const char *fix;
} state_row;

#define PROVISION_FIRST "run the deployer's 'provision' or 'register' for it first"
#define WAIT_FOR_PROVISION "wait until the deployer's 'provision' has ended"
#define DESTROY_AND_REPEAT "run the deployer's 'destroy', then 'create' and 'provision' again"
#define GONE "create and provision the environment anew"
#define FINISH_DESTROY "repeat the deployer's 'destroy', or provision the environment anew"

/* Source: the deployer's state enum (v0.1.0). */
static const state_row states[] = {
    {"Created", TBK_STAGE_PROVISIONED, "it has no VM yet", PROVISION_FIRST},
    {"Provisioning", TBK_STAGE_PROVISIONED, "its VM is still being made", WAIT_FOR_PROVISION},
    {"ProvisionFailed", TBK_STAGE_PROVISIONED, "making its VM failed", DESTROY_AND_REPEAT},
    {"Provisioned", TBK_STAGE_PROVISIONED, NULL, NULL},
    {"Configuring", TBK_STAGE_PROVISIONED, NULL, NULL},
    {"ConfigureFailed", TBK_STAGE_PROVISIONED, NULL, NULL},
    {"Configured", TBK_STAGE_CONFIGURED, NULL, NULL},
    {"Releasing", TBK_STAGE_CONFIGURED, NULL, NULL},
    {"ReleaseFailed", TBK_STAGE_CONFIGURED, NULL, NULL},
    {"Released", TBK_STAGE_RELEASED, NULL, NULL},
    {"RunFailed", TBK_STAGE_RELEASED, NULL, NULL},
    {"Running", TBK_STAGE_RUNNING, NULL, NULL},
    {"Destroying", TBK_STAGE_PROVISIONED, "its VM is being destroyed", GONE},
    {"DestroyFailed", TBK_STAGE_PROVISIONED, "its VM is to be gone and may be gone in part",
     FINISH_DESTROY},
    {"Destroyed", TBK_STAGE_PROVISIONED, "its VM is gone", GONE},
};
#define STATE_COUNT (sizeof states / sizeof *states)

bool tbk_environment_check_name(const char *name, tbk_error *err)
{
    size_t length = strlen(name);
    bool starts_well = name[0] >= 'a' && name[0] <= 'z';

    if (starts_well && length <= NAME_MAX_BYTES &&
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0')
        return true;
    return tbk_fail(err, TBK_E_USAGE, "name an environment of the deployer, such as my-env",
                    "'%.300s' is not an environment's name: a lower-case letter, then lower-case "
                    "letters, digits and dashes, at most %d characters",
                    name, NAME_MAX_BYTES);
}

/* --- The state --- */

static bool fail_unknown_state(const tbk_value *at, const char *name, tbk_error *err)
{
    tbk_auto_text known = {0};
    for (size_t i = 0; i < STATE_COUNT; i++)
        tbk_text_format(&known, "%s%s", i == 0 ? "" : ", ", states[i].name);
    return tbk_value_fail(
        at, err, "use the version of the deployer that this program is made for (v0.1.0)",
        "the state '%.100s' is unknown; known are: %s", name, tbk_text_string(&known));
}

static const state_row *find_state(const char *name)
{
    for (size_t i = 0; i < STATE_COUNT; i++)
        if (strcmp(states[i].name, name) == 0)
            return &states[i];
    return NULL;
}

/* The document is {"<State>": {"context": {...}, "state": ...}}; gives the context. */
static bool read_state(const tbk_value *document, tbk_environment *out, const tbk_value **context,
                       tbk_error *err)
{
    if (document->type != TBK_VALUE_MAP || document->count != 1)
        return tbk_value_fail(document, err, "check that it is the deployer's environment.json",
                              "a map with the name of one state is needed here");
    const tbk_member *member = document->first;
    const state_row *row = find_state(member->key);
    if (row == NULL)
        return fail_unknown_state(member->value, member->key, err);
    if (row->no_vm != NULL)
        return tbk_value_fail(member->value, err, row->fix,
                              "the environment is in the state %s: %s", row->name, row->no_vm);
    if (member->value->type != TBK_VALUE_MAP)
        return tbk_value_fail(member->value, err, NULL, "'%s' must be a map", row->name);
    out->state = row->name;
    out->stage = row->stage;
    return tbk_value_require_map(member->value, "context", context, err);
}

static bool read_name(const tbk_value *context, const char *expected, tbk_environment *out,
                      tbk_error *err)
{
    if (!tbk_value_require_string(context, "user_inputs.name", &out->name, err))
        return false;
    if (strcmp(out->name, expected) != 0)
        return tbk_value_fail(tbk_value_find(context, "user_inputs.name"), err,
                              "name the environment as the deployer's 'create' did",
                              "the file is of the environment '%.100s', not of '%s'", out->name,
                              expected);
    return true;
}

static bool read_database(const tbk_value *context, tbk_environment *out, tbk_error *err)
{
    static const char *const driver_path = "user_inputs.tracker.core.database.driver";
    static const char *const name_path = "user_inputs.tracker.core.database.config.database_name";
    const char *driver = NULL;

    if (!tbk_value_require_string(context, driver_path, &driver, err))
        return false;
    if (!tbk_driver_parse(driver, &out->driver, err))
        return tbk_error_at(tbk_value_find(context, driver_path), driver_path, err);
    if (!tbk_value_require_string(context, name_path, &out->database_name, err))
        return false;
    if (!tbk_path_check_name(out->database_name, err))
        return tbk_error_at(tbk_value_find(context, name_path), name_path, err);
    return true;
}

/* Whether a service is configured; such a section is a map, or null where it is not. */
static bool read_presence(const tbk_value *context, const char *path, bool *out, tbk_error *err)
{
    const tbk_value *section = tbk_value_find(context, path);
    *out = section != NULL;
    return section == NULL || tbk_value_require_map(context, path, &section, err);
}

/* The deployer accepts blanks around a schedule, and stores them. */
static const char *trim(tbk_arena *arena, const char *text)
{
    size_t length;
    text += strspn(text, " ");
    length = strlen(text);
    while (length > 0 && text[length - 1] == ' ')
        length--;
    return tbk_arena_copy_bytes(arena, text, length);
}

static bool read_services(tbk_arena *arena, const tbk_value *context, tbk_environment *out,
                          tbk_error *err)
{
    const char *schedule = NULL;

    if (!read_presence(context, "user_inputs.prometheus", &out->has_prometheus, err) ||
        !read_presence(context, "user_inputs.grafana", &out->has_grafana, err) ||
        !read_presence(context, "user_inputs.https", &out->has_https, err) ||
        !read_presence(context, "user_inputs.backup", &out->has_native_backup, err))
        return false;
    if (!out->has_native_backup)
        return true;
    if (!tbk_value_require_string(context, "user_inputs.backup.schedule", &schedule, err) ||
        !tbk_value_require_integer(context, "user_inputs.backup.retention_days",
                                   &out->native_keep_days, err))
        return false;
    out->native_schedule = trim(arena, schedule);
    return true;
}

/* --- The address --- */

/* The VM's entry in the inventory: the only host, or the one with the VM's name. */
static bool find_host(const tbk_value *inventory, const char *instance_name, const tbk_value **out,
                      tbk_error *err)
{
    const tbk_value *hosts = NULL;

    if (!tbk_value_require_map(inventory, "all.hosts", &hosts, err))
        return false;
    const tbk_member *found = hosts->count == 1 ? hosts->first : NULL;
    for (const tbk_member *member = hosts->first; member != NULL && found == NULL;
         member = member->next)
        if (strcmp(member->key, instance_name) == 0)
            found = member;
    if (found == NULL)
        return tbk_value_fail(
            hosts, err, "let the deployer write the inventory again, or remove the others",
            "'all.hosts' has %zu hosts, and none is '%.100s'", hosts->count, instance_name);
    if (found->value->type != TBK_VALUE_MAP)
        return tbk_value_fail(found->value, err, NULL, "the host '%.100s' must be a map",
                              found->key);
    *out = found->value;
    return true;
}

/* A text from the host's entry, else from the state; checked where it was found. */
static bool read_text(const tbk_value *host, const char *host_key, const tbk_value *context,
                      const char *path, bool (*check)(const char *, tbk_error *), const char **out,
                      tbk_error *err)
{
    const char *key = host_key;
    const tbk_value *from = host;
    if (host == NULL || tbk_value_find(host, host_key) == NULL) {
        key = path;
        from = context;
    }
    /* A state of other types is not the deployer's, whichever of the two is used. */
    if (!tbk_value_optional_string(context, path, out, err) ||
        !tbk_value_require_string(from, key, out, err))
        return false;
    if (!check(*out, err))
        return tbk_error_at(tbk_value_find(from, key), key, err);
    return true;
}

static bool read_port(const tbk_value *host, const tbk_value *context, uint16_t *out,
                      tbk_error *err)
{
    static const char *const path = "user_inputs.ssh_port";
    const char *key = "ansible_port";
    const tbk_value *from = host;
    int64_t port = 0;
    if (host == NULL || tbk_value_find(host, key) == NULL) {
        key = path;
        from = context;
    }
    if (!tbk_value_optional_integer(context, path, &port, err) ||
        !tbk_value_require_integer(from, key, &port, err))
        return false;
    if (!tbk_address_check_port(port, err))
        return tbk_error_at(tbk_value_find(from, key), key, err);
    *out = (uint16_t)port;
    return true;
}

static bool read_address(const tbk_value *context, const tbk_value *inventory, tbk_environment *out,
                         tbk_error *err)
{
    const char *instance_name = "";
    const tbk_value *host = NULL;

    if (!tbk_value_require_string(context, "user_inputs.instance_name", &instance_name, err) ||
        (inventory != NULL && !find_host(inventory, instance_name, &host, err)))
        return false;
    if (!read_text(host, "ansible_host", context, "runtime_outputs.instance_ip",
                   tbk_address_check_host, &out->ssh_host, err) ||
        !read_port(host, context, &out->ssh_port, err) ||
        !read_text(host, "ansible_user", context, "user_inputs.ssh_credentials.ssh_username",
                   tbk_address_check_user, &out->ssh_user, err) ||
        !read_text(host, "ansible_ssh_private_key_file", context,
                   "user_inputs.ssh_credentials.ssh_priv_key_path", tbk_address_check_key,
                   &out->ssh_private_key_path, err) ||
        !read_text(NULL, "", context, "user_inputs.ssh_credentials.ssh_pub_key_path",
                   tbk_address_check_key, &out->ssh_public_key_path, err))
        return tbk_error_context(err, "finding the VM's address");
    return true;
}

bool tbk_environment_read(tbk_arena *arena, const tbk_value *state, const tbk_value *inventory,
                          const char *expected_name, tbk_environment *out, tbk_error *err)
{
    tbk_environment read = {0};
    const tbk_value *context = NULL;

    if (!read_state(state, &read, &context, err) ||
        !read_name(context, expected_name, &read, err) || !read_database(context, &read, err) ||
        !read_services(arena, context, &read, err) || !read_address(context, inventory, &read, err))
        return tbk_error_context(err, "the environment '%s'", expected_name);
    *out = read;
    return true;
}

/* --- Drivers --- */

static const char *const drivers[] = {
    [TBK_DRIVER_SQLITE] = "sqlite3",
    [TBK_DRIVER_MYSQL] = "mysql",
};

const tbk_names tbk_driver_names = {
    .what = "driver", TBK_NAMES_LIST(drivers), .fix = "use a tracker with SQLite or MySQL"};

TBK_NAMES_FUNCTIONS(tbk_driver, tbk_driver, tbk_driver_names)
