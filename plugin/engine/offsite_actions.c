/* SPDX-License-Identifier: MIT */
/* What an operator asks for besides: one thing at a time. */
#include "engine/offsite_internal.h"

#include <string.h>

bool tbk_offsite_check(tbk_arena *arena, const tbk_offsite_request *request, tbk_error *err)
{
    auto_offsite_work work;
    if (!offsite_begin(&work, arena, request, err))
        return false;
    bool ok = offsite_look_there(&work, err) && offsite_check(&work, err);
    tbk_error why;
    return offsite_save(&work, ok ? err : &why) && ok;
}

static bool drill(offsite_work *work, tbk_error *err)
{
    if (!offsite_look_there(work, err))
        return false;
    if (offsite_newest_whole(work) == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND, "wait until the first one was sent",
                        "there is no whole set of '%s' off-site", work->settings->name);
    return offsite_drill(work, OFFSITE_AS_ASKED, err);
}

bool tbk_offsite_drill(tbk_arena *arena, const tbk_offsite_request *request, tbk_value **out,
                       tbk_error *err)
{
    auto_offsite_work work;
    if (!offsite_begin(&work, arena, request, err))
        return false;
    bool ok = drill(&work, err);
    tbk_error why;
    if (!offsite_save(&work, ok ? err : &why) || !ok)
        return false;
    *out = tbk_value_map(arena);
    tbk_value_set_string(arena, *out, "set", work.state.drill_set);
    tbk_value_set_string(arena, *out, "level", tbk_offsite_level_name(work.state.drill_level));
    tbk_value_set_integer(arena, *out, "level_s", work.state.drill_s);
    tbk_value_set_string(arena, *out, "shortfall", work.state.drill_shortfall);
    return true;
}

bool tbk_offsite_init(tbk_arena *arena, const tbk_offsite_request *request, tbk_error *err)
{
    auto_offsite_work work;
    const char *id = NULL;
    tbk_error why;
    if (!offsite_begin(&work, arena, request, err))
        return false;
    const tbk_repository *it = work.repository;
    if (!it->identify(it->self, arena, &id, &why)) {
        if (why.code != TBK_E_NOT_FOUND) {
            *err = why;
            return false;
        }
        if (!it->init(it->self, err) || !it->identify(it->self, arena, &id, err))
            return false;
    }
    const char *known = work.state.repository;
    if (known == NULL || strcmp(known, id) != 0)
        work.state = (tbk_offsite_state){.hosts = work.state.hosts}; /* it was of another one */
    work.state.repository = id;
    tbk_offsite_state_add_host(arena, &work.state, request->host);
    return offsite_save(&work, err);
}

bool tbk_offsite_unlock(tbk_arena *arena, const tbk_offsite_request *request, tbk_error *err)
{
    auto_offsite_work work;
    return offsite_begin(&work, arena, request, err) && offsite_identify(&work, err) &&
           work.repository->unlock(work.repository->self, true, err);
}

bool tbk_offsite_accept(tbk_arena *arena, const tbk_offsite_request *request, tbk_error *err)
{
    auto_offsite_work work;
    if (!offsite_begin(&work, arena, request, err))
        return false;
    work.state.accepted_s = work.state.newest_s;
    work.state.brake = NULL;
    return offsite_save(&work, err);
}

/* What the service has seen of it; NULL: it was not looked at, or is of another name. */
static void set_known(tbk_arena *arena, tbk_value *item, const tbk_offsite_known *known)
{
    if (known == NULL)
        return;
    tbk_value_set_string(arena, item, "damage",
                         known->damage != NULL ? known->damage : known->lacks);
    if (!tbk_offsite_known_is_whole(known))
        return;
    tbk_value_set_string(arena, item, "level", tbk_offsite_level_name(known->level));
    tbk_value_set_integer(arena, item, "level_s", known->level_s);
}

bool tbk_offsite_list(tbk_arena *arena, const tbk_offsite_request *request, tbk_value **out,
                      tbk_error *err)
{
    const tbk_repository *it = request->repository;
    tbk_snapshot *snapshots = NULL;
    const char *id = NULL, *gap = NULL;
    tbk_offsite_state state;
    tbk_error why;
    if (!offsite_reach(it, arena, false, &id, err) ||
        !it->list(it->self, arena, &snapshots, &gap, err))
        return false;
    if (!tbk_offsite_state_read(arena, request->folder, &state, &why))
        tbk_report_log(request->report, TBK_LOG_WARNING, "offsite",
                       "what was proved of them is not known: %s", why.message);
    if (gap != NULL)
        tbk_report_log(request->report, TBK_LOG_WARNING, "offsite",
                       "there is more than is listed here: %s", gap);
    tbk_value *list = tbk_value_list(arena);
    for (const tbk_snapshot *at = snapshots; at != NULL; at = at->next) {
        tbk_value *item = tbk_value_map(arena);
        tbk_value_set_string(arena, item, "id", at->set);
        tbk_value_set_string(arena, item, "name", at->name);
        tbk_value_set_string(arena, item, "profile", tbk_profile_name(offsite_profile_of(at)));
        tbk_value_set_integer(arena, item, "database_bytes", (int64_t)offsite_bytes_of(at));
        tbk_value_set_string(arena, item, "snapshot", at->id);
        set_known(arena, item, tbk_offsite_state_find(&state, at->id));
        tbk_value_append(arena, list, item);
    }
    *out = tbk_value_map(arena);
    tbk_value_set_string(arena, *out, "repository", request->config->offsite.repository);
    tbk_value_set_string(arena, *out, "name", request->config->offsite.name);
    tbk_value_set(arena, *out, "sets", list);
    return true;
}
