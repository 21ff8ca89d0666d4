/* SPDX-License-Identifier: MIT */
/* Prints the list of items with the differences in their text, and asks the installed engine for a
 * forecast. */
#include "commands/plan.h"

#include "commands/host_facts.h"
#include "commands/host_runner.h"
#include "commands/mode_switch.h"
#include "commands/offsite_plan.h"
#include "commands/outbound.h"
#include "commands/rules_check.h"
#include "commands/schedule_report.h"
#include "render/diff.h"

#include <inttypes.h>

#define PLAN_SCHEMA 1
#define FILE_LIMIT_BYTES 262144
#define FORECAST_TIMEOUT_MS 120000
#define USAGE_STATUS 2

typedef struct plan {
    tbk_arena *arena;
    const tbk_vm *vm;
    tbk_host_facts facts;
    tbk_items items;
    tbk_value *result;
    tbk_value *told; /* the items in the result */
    int64_t changes;
} plan;

/* --- what would be changed --- */

/* diff may be NULL: there is no text to compare. */
static void tell_item(plan *self, const tbk_item *item, const char *detail, const char *diff)
{
    static const char *const states[] = {[TBK_ACTION_NONE] = "in place",
                                         [TBK_ACTION_CREATE] = "new",
                                         [TBK_ACTION_CHANGE] = "change",
                                         [TBK_ACTION_REMOVE] = "remove",
                                         [TBK_ACTION_WAIT] = "in place"};
    tbk_value *value = tbk_value_map(self->arena);
    tbk_value_set_string(self->arena, value, "kind", tbk_item_kind_name(item->kind));
    tbk_value_set_string(self->arena, value, "target", item->path);
    tbk_value_set_string(self->arena, value, "state", states[item->action]);
    tbk_value_set_string(self->arena, value, "detail", detail);
    tbk_value_set_string(self->arena, value, "diff", diff);
    tbk_value_append(self->arena, self->told, value);
    self->changes += tbk_item_is_change(item);
}

/* *out is NULL for what is no text, or larger than anything that we ever install. */
static bool fetch_installed(const plan *self, const char *path, const char **out, tbk_error *err)
{
    const char *limit = tbk_arena_format(self->arena, "%d", FILE_LIMIT_BYTES + 1);
    const tbk_remote_command command = {.argv =
                                            (const char *const[]){"head", "-c", limit, path, NULL},
                                        .as_root = true,
                                        .report = self->vm->report};
    tbk_auto_remote_result result = {0};
    if (!tbk_remote_do(self->vm->remote, tbk_arena_format(self->arena, "reading '%s'", path),
                       &command, &result, err))
        return false;
    const char *bytes = tbk_text_string(&result.output);
    bool is_text = result.output.length <= FILE_LIMIT_BYTES &&
                   strlen(bytes) == result.output.length &&
                   tbk_text_is_utf8(bytes, result.output.length);
    *out = is_text ? tbk_arena_copy(self->arena, bytes) : NULL;
    return true;
}

static const char *diff_of(const plan *self, const tbk_rendered_file *file, const char *old_name,
                           const char *old_text)
{
    tbk_auto_text diff = {0};
    tbk_diff_lines(&diff, old_text, file->bytes);
    if (diff.length == 0)
        return NULL;
    return tbk_arena_format(self->arena, "--- %s\n+++ %s\n%s", old_name, file->target,
                            tbk_text_string(&diff));
}

static bool plan_changed_file(plan *self, const tbk_item *item, tbk_error *err)
{
    const char *text = NULL;
    if (!fetch_installed(self, item->path, &text, err))
        return false;
    if (text != NULL)
        tell_item(self, item, item->reason, diff_of(self, item->file, item->path, text));
    else
        tell_item(self, item,
                  item->reason[0] != '\0'
                      ? tbk_arena_format(self->arena, "%s; it is no text", item->reason)
                      : "what is there is no text",
                  NULL);
    return true;
}

static bool plan_file(plan *self, const tbk_item *item, tbk_error *err)
{
    if (!tbk_report_go_on(self->vm->report, err))
        return false;
    if (item->file->is_secret) {
        tell_item(self, item, item->reason, NULL);
        return true;
    }
    if (item->action == TBK_ACTION_CHANGE)
        return plan_changed_file(self, item, err);
    tell_item(self, item, item->reason,
              item->action == TBK_ACTION_CREATE ? diff_of(self, item->file, "/dev/null", "")
                                                : NULL);
    return true;
}

static bool look_at_sidecar(const plan *self, tbk_item *item, tbk_error *err)
{
    tbk_service_step step = TBK_SERVICE_IN_PLACE;
    if (item->kind != TBK_ITEM_SIDECAR || item->action == TBK_ACTION_REMOVE)
        return true;
    if (!tbk_sidecar_look(self->arena, self->vm, &step, err))
        return false;
    tbk_item_take_step(item, step);
    return true;
}

static bool look_at_service(const plan *self, tbk_item *item, tbk_error *err)
{
    tbk_service_step step = TBK_SERVICE_IN_PLACE;
    if (item->kind != TBK_ITEM_OUTBOUND || !tbk_item_is_service(item))
        return look_at_sidecar(self, item, err);
    if (!tbk_outbound_apply(self->vm, true, &step, err))
        return false;
    tbk_item_take_step(item, step);
    return true;
}

static bool plan_items(plan *self, tbk_error *err)
{
    for (tbk_item *item = self->items.list; item < self->items.list + self->items.count; item++) {
        if (item->kind == TBK_ITEM_FILE) {
            if (!plan_file(self, item, err))
                return false;
            continue;
        }
        if (!look_at_service(self, item, err))
            return false;
        tell_item(self, item, item->reason, NULL);
    }
    return true;
}

/* --- the forecast --- */

static void no_forecast(plan *self, const char *why)
{
    tbk_value_set_string(self->arena, self->result, "no_forecast", why);
}

/* A hold of nearly the whole window would be ended as often as not. */
static void judge_window(const plan *self, tbk_value *forecast, tbk_value *advice)
{
    int64_t held_ms = 0, window_s = self->vm->workspace->options.window_max_seconds;
    tbk_error ignored;
    tbk_value_set_integer(self->arena, forecast, "window_max_seconds", window_s);
    if (!tbk_value_optional_integer(forecast, "expected_held_ms", &held_ms, &ignored) ||
        held_ms <= window_s * 800)
        return;
    tbk_value_append(
        self->arena, advice,
        tbk_value_string(self->arena,
                         tbk_arena_format(self->arena,
                                          "runs would be ended: window_max_seconds is %" PRId64
                                          "; set it to %" PRId64 ", or more",
                                          window_s, held_ms / 500 + 1)));
}

/* The engine's answer, with advice that needs the options. */
static void take_forecast(plan *self, const tbk_value *answer)
{
    tbk_value *forecast = tbk_value_map(self->arena), *advice = tbk_value_list(self->arena);
    for (const tbk_member *member = answer->first; member != NULL; member = member->next)
        if (strcmp(member->key, "advice") != 0)
            tbk_value_add(self->arena, forecast, member->key, member->value);
    const tbk_value *given = tbk_value_find(answer, "advice");
    for (const tbk_member *item = given != NULL ? given->first : NULL; item != NULL;
         item = item->next)
        tbk_value_append(self->arena, advice, item->value);
    judge_window(self, forecast, advice);
    tbk_value_set(self->arena, forecast, "advice", advice);
    tbk_value_set(self->arena, self->result, "forecast", forecast);
}

/* Errors of the way to the VM end the plan; those of the engine only leave it without a forecast.
 */
static bool is_of_engine(tbk_error_code code)
{
    return code == TBK_E_CONTAINER || code == TBK_E_CONFIG || code == TBK_E_REMOTE;
}

static bool ask_engine(plan *self, tbk_error *err)
{
    const char *const arguments[] = {"plan", "--output", "json", NULL};
    tbk_host_answer answer = {.value = NULL};
    tbk_error why = {.code = TBK_E_OK};
    bool ran =
        tbk_host_run_engine(self->arena, self->vm, arguments, FORECAST_TIMEOUT_MS, &answer, &why);
    const tbk_value *said = answer.value;
    const char *message = tbk_value_text_at(said, "error.message", NULL);
    if (!ran && !is_of_engine(why.code)) {
        *err = why;
        return false;
    }
    if (ran && answer.exit_status == 0 && said != NULL && said->type == TBK_VALUE_MAP)
        take_forecast(self, said);
    else if (!ran && answer.exit_status == USAGE_STATUS)
        no_forecast(self, "the installed engine is older and gives none; run 'torrust-backup "
                          "configure' first");
    else if (ran && message != NULL)
        no_forecast(self, message);
    else
        no_forecast(self, ran ? "the engine gave no answer" : why.message);
    return true;
}

static bool is_installed(const plan *self, const char *path)
{
    for (size_t i = 0; i < self->items.count; i++)
        if (strcmp(self->items.list[i].path, path) == 0)
            return self->items.list[i].found.exists;
    return false;
}

static bool forecast_backup(plan *self, tbk_error *err)
{
    if (!is_installed(self, TBK_COMPOSE_FILE))
        no_forecast(self, "the backup is not installed yet; run 'torrust-backup configure' first");
    else if (self->facts.tracker_id[0] == '\0')
        no_forecast(self, "there is no tracker on the VM yet");
    else
        return ask_engine(self, err);
    return true;
}

/* --- off-site --- */

static bool plan_offsite(const plan *self, const char *refused, tbk_value *remarks, tbk_error *err)
{
    const tbk_offsite_plan_input input = {.vm = self->vm,
                                          .facts = &self->facts,
                                          .items = &self->items,
                                          .forecast = tbk_value_find(self->result, "forecast"),
                                          .refused = refused,
                                          .remarks = remarks};
    tbk_value *offsite = NULL;
    if (!tbk_offsite_plan(self->arena, &input, &offsite, err))
        return false;
    if (offsite != NULL)
        tbk_value_set(self->arena, self->result, "offsite", offsite);
    return true;
}

/* --- all of it --- */

/* Whether `configure` would begin, and not be refused half way. */
static bool is_possible(plan *self, tbk_error *err)
{
    const tbk_vm *vm = self->vm;
    const char *unchecked;
    if (!tbk_host_facts_check(&self->facts, vm->image->architecture, tbk_vm_mode(vm), err))
        return false;
    if (!self->facts.found.has_image)
        return true;
    return tbk_rules_check(self->arena, vm, &unchecked, err) &&
           (tbk_vm_mode(vm) == TBK_MODE_WINDOW || tbk_sidecar_check_database(self->arena, vm, err));
}

static bool look(plan *self, tbk_error *err)
{
    tbk_value *warnings = tbk_value_list(self->arena);
    if (!tbk_vm_look(self->arena, self->vm, &self->facts, err) ||
        !tbk_schedule_report(self->arena, self->vm->workspace, &self->facts, self->result, warnings,
                             err))
        return false;
    tbk_value_set(self->arena, self->result, "remarks", warnings);
    tbk_vm_items(self->arena, self->vm, &self->facts, &self->items);
    tbk_error refused = {.code = TBK_E_OK};
    bool possible = is_possible(self, &refused);
    if (!plan_items(self, err))
        return false;
    if (!possible) {
        no_forecast(self, refused.message);
        if (!plan_offsite(self, refused.message, warnings, err))
            return false;
        *err = refused;
        return tbk_error_context(err, "'configure' would be refused");
    }
    return forecast_backup(self, err) && plan_offsite(self, NULL, warnings, err);
}

bool tbk_plan(tbk_arena *arena, const tbk_plan_input *input, tbk_value **out_result, tbk_error *err)
{
    plan self = {
        .arena = arena, .vm = input, .result = tbk_value_map(arena), .told = tbk_value_list(arena)};
    tbk_value_set_integer(arena, self.result, "schema", PLAN_SCHEMA);
    tbk_value_set_string(arena, self.result, "environment", input->workspace->environment.name);
    tbk_value_set_string(arena, self.result, "host", input->remote->name);
    tbk_value_set(arena, self.result, "items", self.told);
    tbk_value_set_integer(arena, self.result, "changes", 0);
    tbk_value_set(arena, self.result, "forecast", tbk_value_null(arena));
    tbk_value_set(arena, self.result, "offsite", tbk_value_null(arena));
    no_forecast(&self, "");
    bool ok = look(&self, err);
    tbk_value_set_integer(arena, self.result, "changes", self.changes);
    if (self.told->first != NULL)
        *out_result = self.result;
    return ok;
}
