/* SPDX-License-Identifier: MIT */
/* The verb `list`: sets of a store, of a repository, of a folder, or of all environments. */
#include "commands/outbound_client.h"
#include "commands/status.h"
#include "domain/option_values.h"
#include "engine/catalogue.h"
#include "entry/plugin_session.h"

#define RESULT_SCHEMA 1

/* What was fetched lies as in a store. Whose it is stands in each line. */
static bool list_folder(plugin_session *self, tbk_error *err)
{
    tbk_auto(tbk_store) *store = NULL;

    if (!tbk_store_open(self->options.from, TBK_STORE_READ, &store, err) ||
        !tbk_catalogue_of(self->arena, store, NULL, &self->result, err))
        return false;
    tbk_value_set_string(self->arena, self->result, "from", self->options.from);
    return true;
}

bool plugin_verb_list(plugin_session *self, tbk_error *err)
{
    const tbk_vm vm = plugin_vm_of(self);
    const char *from = self->options.from;

    if (plugin_is_folder(from))
        return list_folder(self, err);
    return from != NULL ? tbk_offsite_sets(self->arena, &vm, from, self->options.all_environments,
                                           &self->result, err)
                        : tbk_status_sets(self->arena, &vm, &self->result, err);
}

/* --- of all environments --- */

static tbk_value *error_value(tbk_arena *arena, const tbk_error *err)
{
    tbk_value *map = tbk_value_map(arena);

    tbk_value_set_string(arena, map, "name", tbk_error_name(err->code));
    tbk_value_set_string(arena, map, "message", err->message);
    tbk_value_set_string(arena, map, "fix", err->fix);
    tbk_value_set_integer(arena, map, "exit_status", tbk_error_exit_status(err->code));
    return map;
}

/* In a session of its own, of which the sets or the error remain. */
static bool list_one(const plugin_session *self, const char *name, tbk_value *environments,
                     tbk_error *err)
{
    plugin_session one = *self;
    tbk_value *line = tbk_value_map(self->arena), *none = tbk_value_list(self->arena);

    one.environment = name;
    one.options.all_environments = false;
    *err = (tbk_error){.code = TBK_E_OK};
    bool ok = plugin_run_on(&one, TBK_VERB_LIST, err);
    const tbk_value *sets = ok ? tbk_value_find(one.result, "sets") : NULL;
    tbk_value_set_string(self->arena, line, "environment", name);
    tbk_value_set(self->arena, line, "error",
                  ok ? tbk_value_null(self->arena) : error_value(self->arena, err));
    tbk_value_set(self->arena, line, "sets",
                  sets != NULL ? tbk_value_share(self->arena, sets) : none);
    tbk_value_append(self->arena, environments, line);
    return ok;
}

bool plugin_list_all(plugin_session *self, tbk_error *err)
{
    tbk_value *environments = tbk_value_list(self->arena);
    const char **names = NULL, *failed = NULL;
    tbk_error first = {.code = TBK_E_OK}, why;
    int count = 0, bad = 0;

    if (!tbk_workspace_environments(self->arena, self->working_dir, &names, err))
        return false;
    self->result = tbk_value_map(self->arena);
    tbk_value_set_integer(self->arena, self->result, "schema", RESULT_SCHEMA);
    tbk_value_set(self->arena, self->result, "environments", environments);
    for (; names[count] != NULL; count++) {
        if (!tbk_report_go_on(self->report, err))
            return false;
        if (list_one(self, names[count], environments, &why))
            continue;
        if (bad++ == 0) {
            first = why;
            failed = names[count];
        }
    }
    return bad == 0 || tbk_fail(err, first.code, first.fix,
                                "%d of %d environments could not be listed; '%s': %s", bad, count,
                                failed, first.message);
}
