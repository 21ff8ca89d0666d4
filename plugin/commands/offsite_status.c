/* SPDX-License-Identifier: MIT */
/* Reads the state of the service, and judges it by the clock of the VM. */
#include "commands/offsite_status.h"

#include "base/clock.h"
#include "domain/schedule.h"

#include <inttypes.h>
#include <string.h>

#define STATE_FILE TBK_OUTBOUND_DIRECTORY "/state.json"
#define STATE_BYTES_MAX (4 << 20)
#define DAY_S 86400
/* So much later than the set itself it may be off-site. */
#define SLACK_S (6 * 3600)
/* So much later than it is due, a check or a drill is missing. */
#define LATE_DAYS 2
#define SILENT_S (3 * 3600)

typedef struct judgement {
    tbk_arena *arena;
    const tbk_vm *vm;
    const tbk_offsite_look *look;
    tbk_offsite_state state;
} judgement;

static void TBK_PRINTF(3, 4) add(const judgement *self, tbk_value *list, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tbk_value_append(
        self->arena, list,
        tbk_value_string(self->arena, tbk_arena_vformat(self->arena, format, arguments)));
    va_end(arguments);
}

/* One that is missing is an empty one: nothing was done yet. */
bool tbk_offsite_read_state(tbk_arena *arena, const tbk_vm *vm, tbk_offsite_state *out,
                            tbk_error *err)
{
    const char *limit = tbk_arena_format(arena, "%d", STATE_BYTES_MAX);
    static const char script[] =
        "[ ! -f \"$1\" ] || [ -L \"$1\" ] || timeout 20 head -c \"$2\" \"$1\"";
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", script, "state", STATE_FILE, limit, NULL},
        .as_root = true,
        .report = vm->report};
    tbk_auto_remote_result result = {0};
    *out = (tbk_offsite_state){0};
    if (!tbk_remote_do(vm->remote, "reading the state of what goes off-site", &command, &result,
                       err))
        return false;
    if (result.output.length == 0)
        return true;
    const char *bytes = tbk_arena_copy(arena, tbk_text_string(&result.output));
    if (tbk_offsite_state_parse(arena, bytes, strlen(bytes), STATE_FILE, out, err))
        return true;
    err->code = TBK_E_REMOTE;
    return tbk_error_context(err, "what '%s' says of off-site cannot be used", vm->remote->name);
}

/* --- what is wrong --- */

/* What does not get better by trying again. */
static bool needs_help(int64_t exit_status)
{
    static const tbk_error_code codes[] = {TBK_E_CONFIG, TBK_E_NOT_FOUND, TBK_E_KEY, TBK_E_UNPROVED,
                                           TBK_E_SPACE};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (tbk_error_exit_status(codes[i]) == exit_status)
            return true;
    return false;
}

/* The longest time between two sets that are to go off-site. */
static int64_t longest_gap_s(const judgement *self)
{
    const tbk_options *options = &self->vm->workspace->options;
    int64_t shortest_s = 0, longest_s = 0, full_s = options->offsite.full_every_days * DAY_S;
    tbk_schedule schedule;
    tbk_error ignored;
    if (tbk_schedule_parse(options->schedule, &schedule, &ignored))
        tbk_schedule_gaps(&schedule, self->look->facts->now_s, &shortest_s, &longest_s);
    return longest_s > full_s ? longest_s : full_s;
}

static void judge_age(const judgement *self)
{
    int64_t behind_s = self->look->local_s - self->state.newest_s;
    if (self->look->local_s == 0 || behind_s <= longest_gap_s(self) + SLACK_S)
        return;
    if (self->state.newest_s == 0)
        add(self, self->look->problems, "no set is off-site yet");
    else
        add(self, self->look->problems,
            "the newest set off-site is %" PRId64 " hours older than the last backup",
            behind_s / 3600);
}

static void judge_proof(const judgement *self, const char *what, int64_t good_s, int64_t days)
{
    int64_t age_s = self->look->facts->now_s - good_s;
    if (days > 0 && self->state.newest_s != 0 && good_s != 0 && age_s > (days + LATE_DAYS) * DAY_S)
        add(self, self->look->problems, "%s off-site was last good %" PRId64 " days ago", what,
            age_s / DAY_S);
}

static void judge_container(const judgement *self)
{
    const char *state = self->look->facts->outbound_state;
    if (self->look->local_s == 0)
        return;
    if (state[0] == '\0')
        add(self, self->look->problems,
            "what takes sets off-site is not there; run 'torrust-backup configure'");
    else if (strcmp(state, "running") != 0)
        add(self, self->look->problems,
            "what takes sets off-site is '%s'; run 'torrust-backup configure'", state);
}

/* It works each hour at least; a run that died before it could say why says nothing. */
static void judge_attempts(const judgement *self)
{
    int64_t now_s = self->look->facts->now_s;
    int64_t since_s = self->state.attempt_s > 0 ? self->state.attempt_s : self->look->local_s;
    if (self->look->local_s > 0 && self->state.sending == NULL && now_s - since_s > SILENT_S)
        add(self, self->look->problems,
            "what takes sets off-site has not said anything for %" PRId64
            " hours; on the VM: sudo docker logs torrust-backup-outbound-1",
            (now_s - since_s) / 3600);
}

static void judge(const judgement *self)
{
    const tbk_offsite_settings *settings = &self->vm->workspace->options.offsite;
    const tbk_offsite_state *state = &self->state;
    bool is_hopeless = needs_help(state->exit_status);
    judge_container(self);
    if (state->error != NULL)
        add(self, is_hopeless ? self->look->problems : self->look->warnings, "off-site: %s%s%s",
            state->error, state->fix != NULL && state->fix[0] != '\0' ? "; " : "",
            state->fix != NULL ? state->fix : "");
    if (state->error == NULL && state->check_error != NULL)
        add(self, self->look->problems, "the repository off-site is damaged: %s",
            state->check_error);
    if (state->error == NULL && state->drill_error != NULL)
        add(self, self->look->problems, "set %s off-site is damaged: %s", state->drill_set,
            state->drill_error);
    if (state->drill_shortfall != NULL && settings->drill_every_days > 0)
        add(self, self->look->warnings,
            "set %s off-site was read back, but not restored: %s; to try again: torrust-backup "
            "offsite "
            "drill %s",
            state->drill_set, state->drill_shortfall, self->vm->workspace->environment.name);
    judge_attempts(self);
    judge_age(self);
    judge_proof(self, "the check of the repository", state->check_good_s,
                settings->check_every_days);
    judge_proof(self, "a set that was read back", state->drill_good_s, settings->drill_every_days);
    if (state->brake != NULL)
        add(self, self->look->problems,
            "nothing is removed off-site: %s; if that is as it should be: torrust-backup offsite "
            "accept %s",
            state->brake, self->vm->workspace->environment.name);
}

static void set_newest_level(tbk_arena *arena, tbk_value *out, const tbk_offsite_state *state)
{
    const tbk_offsite_known *known =
        state->newest != NULL ? tbk_offsite_state_find_set(state, state->newest) : NULL;
    if (known == NULL)
        return;
    tbk_value_set_string(arena, out, "newest_level", tbk_offsite_level_name(known->level));
    tbk_value_set_integer(arena, out, "newest_level_s", known->level_s);
}

bool tbk_offsite_status(tbk_arena *arena, const tbk_vm *vm, const tbk_offsite_look *look,
                        tbk_value **out, tbk_error *err)
{
    judgement self = {.arena = arena, .vm = vm, .look = look};
    const tbk_offsite_state *state = &self.state;
    *out = NULL;
    if (vm->workspace->options.offsite.repository == NULL)
        return true;
    if (!tbk_offsite_read_state(arena, vm, &self.state, err))
        return false;
    judge(&self);
    *out = tbk_value_map(arena);
    tbk_value_set_string(arena, *out, "repository", vm->workspace->options.offsite.repository);
    tbk_value_set_string(arena, *out, "state", look->facts->outbound_state);
    tbk_value_set_string(arena, *out, "newest", state->newest);
    tbk_value_set_integer(arena, *out, "newest_s", state->newest_s);
    set_newest_level(arena, *out, state);
    tbk_value_set_integer(arena, *out, "waiting", state->waiting);
    tbk_value_set_integer(arena, *out, "attempt_s", state->attempt_s);
    tbk_value_set_integer(arena, *out, "success_s", state->success_s);
    tbk_value_set_integer(arena, *out, "exit_status", state->exit_status);
    tbk_value_set_integer(arena, *out, "checked_s", state->check_good_s);
    tbk_value_set_integer(arena, *out, "read_back_s", state->drill_good_s);
    tbk_value_set_integer(arena, *out, "restored_s", state->restored_s);
    tbk_value_set_string(arena, *out, "shortfall", state->drill_shortfall);
    tbk_value_set_string(arena, *out, "error", state->error);
    tbk_value_set_string(arena, *out, "brake", state->brake);
    return true;
}
