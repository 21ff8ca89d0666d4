/* SPDX-License-Identifier: MIT */
/* Follows a set off-site: what is only configured is no copy. */
#include "base/clock.h"
#include "commands/outbound.h"
#include "commands/outbound_client.h"
#include "commands/verify_internal.h"

#include <string.h>

#define CHECK "off-site"
#define DRILL_CHECK "off-site proof"
#define UPLOAD_LIMIT_MS (6 * 3600 * 1000)

static bool is_listed(const tbk_value *result, const char *set)
{
    const char *name = tbk_value_text_at(result, "name", "");
    for (const tbk_member *item = tbk_value_members_at(result, "sets"); item != NULL;
         item = item->next)
        if (strcmp(tbk_value_text_at(item->value, "id", ""), set) == 0 &&
            strcmp(tbk_value_text_at(item->value, "name", ""), name) == 0)
            return true;
    return false;
}

/* Whether the options have such a set go there; of full ones perhaps not this one. */
static bool is_certain(const tbk_verify_job *self)
{
    const tbk_offsite_settings *settings = &self->vm->workspace->options.offsite;
    tbk_profile profile = self->manifest != NULL ? self->manifest->profile : TBK_PROFILE_FULL;
    return (settings->take == TBK_TAKE_ALL ||
            (settings->take == TBK_TAKE_ESSENTIAL) == (profile == TBK_PROFILE_ESSENTIAL)) &&
           (profile == TBK_PROFILE_ESSENTIAL || settings->full_every_days == 0);
}

/* The service may be at it already: then its work is waited for, which may take long. */
static bool act(tbk_verify_job *self, tbk_offsite_action action, tbk_value **out, tbk_error *err)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + UPLOAD_LIMIT_MS;
    while (!tbk_offsite_act(self->arena, self->vm, action, out, err)) {
        if (err->code != TBK_E_LOCKED || tbk_clock_monotonic_ms() >= end_ms)
            return false;
        if (!tbk_report_go_on(self->vm->report, err))
            return false;
        tbk_report_log(self->vm->report, TBK_LOG_INFO, "verify", "the service is at work");
    }
    return true;
}

static bool send(tbk_verify_job *self, tbk_value **out_list, tbk_error *err)
{
    tbk_value *ignored = NULL;
    return act(self, TBK_OFFSITE_SYNC, &ignored, err) &&
           tbk_offsite_act(self->arena, self->vm, TBK_OFFSITE_LIST, out_list, err);
}

/* That a copy is damaged was found; all else keeps from looking. */
static void note_failure(tbk_verify_job *self, const char *check, const tbk_error *why)
{
    const char *words = tbk_arena_format(self->arena, "%s%s%s", why->message,
                                         why->fix[0] != '\0' ? "; " : "", why->fix);
    if (why->code == TBK_E_UNPROVED)
        tbk_verify_failed(self, check, words);
    else
        tbk_verify_unknown(self, check, words);
}

static bool follow(tbk_verify_job *self, tbk_error *err)
{
    tbk_value *list = NULL;
    tbk_error why = {.code = TBK_E_OK};
    if (!send(self, &list, &why)) {
        if (!tbk_report_go_on(self->vm->report, err))
            return false;
        note_failure(self, CHECK, &why);
        return true;
    }
    bool is_there = self->set_id != NULL && is_listed(list, self->set_id);
    if (is_there || is_certain(self))
        tbk_verify_check(self, CHECK, is_there, "set %s is %sin '%s'", self->set_id,
                         is_there ? "" : "not ", self->vm->workspace->options.offsite.repository);
    else
        tbk_verify_note(self, CHECK, TBK_CHECK_OK,
                        "the repository answers; this set is not one of those that go there");
    return true;
}

bool tbk_verify_follow_offsite(tbk_verify_job *self, tbk_error *err)
{
    tbk_service_step step = TBK_SERVICE_IN_PLACE;
    return tbk_outbound_apply(self->vm, false, &step, err) && follow(self, err);
}

/* What its clock says, of a machine that may say anything. */
static void note_level(tbk_verify_job *self, const tbk_value *drilled)
{
    const char *shortfall = tbk_value_text_at(drilled, "shortfall", NULL);
    int64_t at_s = tbk_value_integer_at(drilled, "level_s");
    char at[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format(at_s >= 0 && at_s <= TBK_CLOCK_LAST_S ? at_s : 0, at);
    tbk_verify_note(self, DRILL_CHECK, shortfall != NULL ? TBK_CHECK_WARNING : TBK_CHECK_OK,
                    tbk_arena_format(self->arena, "set %s is %s, at %s%s%s",
                                     tbk_value_text_at(drilled, "set", "-"),
                                     tbk_value_text_at(drilled, "level", "-"), at,
                                     shortfall != NULL ? "; not restored: " : "",
                                     shortfall != NULL ? shortfall : ""));
}

bool tbk_verify_drill_offsite(tbk_verify_job *self, tbk_error *err)
{
    tbk_value *drilled = NULL;
    tbk_error why = {.code = TBK_E_OK};
    if (act(self, TBK_OFFSITE_DRILL, &drilled, &why)) {
        note_level(self, drilled);
        return true;
    }
    if (!tbk_report_go_on(self->vm->report, err))
        return false;
    note_failure(self, DRILL_CHECK, &why);
    return true;
}
