/* SPDX-License-Identifier: MIT */
/* Asks the VM for what is measured there, and domain/offsite_forecast.h for the rest. */
#include "commands/offsite_plan.h"

#include "base/clock.h"
#include "commands/offsite_status.h"
#include "commands/outbound_client.h"
#include "commands/status.h"
#include "domain/offsite_forecast.h"

#include <string.h>

typedef struct planning {
    tbk_arena *arena;
    const tbk_offsite_plan_input *input;
    const tbk_options *options;
    tbk_value *result;
    tbk_offsite_state state;
    tbk_offsite_measures measures;
    tbk_offsite_set *sets; /* of the store, of this database, the newest first */
    int64_t *stored_bytes; /* of each */
    size_t set_count;
} planning;

/* --- whether it answers --- */

static const tbk_item *find_item(const planning *self, const char *path)
{
    const tbk_items *items = self->input->items;
    for (size_t i = 0; i < items->count; i++)
        if (strcmp(items->list[i].path, path) == 0)
            return &items->list[i];
    return NULL;
}

static bool differs(const planning *self, const char *path)
{
    const tbk_item *item = find_item(self, path);
    return item != NULL && item->action != TBK_ACTION_NONE;
}

/* Why it cannot be asked without changing anything on the VM; NULL: it can. */
static const char *not_to_be_asked(const planning *self)
{
    const tbk_host_facts *facts = self->input->facts;
    if (self->input->refused != NULL)
        return self->input->refused;
    if (!facts->found.has_outbound_image)
        return "the image of the service is not on the VM yet; run 'torrust-backup configure'";
    if (facts->store_free_bytes < 0)
        return "there is no store on the VM yet, which the service waits for";
    if (facts->outbound_state[0] == '\0')
        return "the service is not on the VM yet; run 'torrust-backup configure'";
    if (differs(self, TBK_SECRETS_FILE) || differs(self, TBK_OFFSITE_KEY_FILE) ||
        differs(self, TBK_OFFSITE_HOSTS_FILE))
        return "the secrets on the VM are not those of this machine; run 'torrust-backup "
               "configure'";
    return NULL;
}

static void set_answers(const planning *self, tbk_value *answers, const char *why)
{
    tbk_value_set(self->arena, self->result, "answers", answers);
    tbk_value_set_string(self->arena, self->result, "why", why);
}

/* Of the name that our own sets are filed under. */
static int64_t count_sets(const planning *self, const tbk_value *answer)
{
    const char *name = tbk_value_text_at(self->result, "name", "");
    int64_t count = 0;
    for (const tbk_member *at = tbk_value_members_at(answer, "sets"); at != NULL; at = at->next)
        count += strcmp(tbk_value_text_at(at->value, "name", ""), name) == 0;
    return count;
}

static bool ask_repository(planning *self, tbk_error *err)
{
    const char *why = not_to_be_asked(self);
    tbk_offsite_contact contact = {.was_asked = false};
    if (why == NULL && !tbk_offsite_probe(self->arena, self->input->vm, &contact, err))
        return false;
    const char *there = tbk_value_text_at(contact.answer, "repository", NULL);
    bool is_planned = there != NULL ? strcmp(there, self->options->offsite.repository) == 0
                                    : !differs(self, TBK_ENGINE_CONFIG_FILE);
    if (why == NULL && contact.was_asked && !is_planned)
        why = "what is installed on the VM goes to another place, or may; run 'torrust-backup "
              "configure'";
    if (why != NULL || !contact.was_asked) {
        set_answers(self, tbk_value_null(self->arena), why != NULL ? why : contact.problem);
        return true;
    }
    set_answers(self, tbk_value_bool(self->arena, contact.problem == NULL),
                contact.problem != NULL ? contact.problem : "");
    if (contact.problem == NULL)
        tbk_value_set_integer(self->arena, self->result, "sets", count_sets(self, contact.answer));
    return true;
}

/* --- what is measured --- */

/* An answer that cannot be used leaves numbers unknown; the way to the VM ends it all. */
static bool do_without(const planning *self, const tbk_error *why, tbk_error *err)
{
    bool is_answer = why->code == TBK_E_REMOTE || why->code == TBK_E_CONTAINER ||
                     why->code == TBK_E_CONFIG || why->code == TBK_E_NOT_FOUND ||
                     why->code == TBK_E_CORRUPT;
    if (!is_answer) {
        *err = *why;
        return false;
    }
    tbk_value_append(
        self->arena, self->input->remarks,
        tbk_value_string(self->arena, tbk_arena_format(self->arena,
                                                       "off-site is reckoned without what the VM "
                                                       "has measured: %s",
                                                       why->message)));
    return true;
}

static bool read_state(planning *self, tbk_error *err)
{
    tbk_error why = {.code = TBK_E_OK};
    if (!tbk_offsite_read_state(self->arena, self->input->vm, &self->state, &why)) {
        self->state = (tbk_offsite_state){.sent_s = 0};
        return do_without(self, &why, err);
    }
    self->measures.sent_bytes = self->state.sent_bytes;
    self->measures.sent_s = self->state.sent_s;
    return true;
}

/* As the engine says it of a proof that was good. */
static bool is_proved(const tbk_value *set)
{
    const char *proof = tbk_value_text_at(set, "proof", "none");
    return strcmp(proof, "none") != 0 && strcmp(proof, "failed") != 0;
}

/* What is damaged, or of another database, is no measure of anything. */
static bool take_set(const tbk_value *value, tbk_offsite_set *out)
{
    unsigned profile = TBK_PROFILE_FULL;
    tbk_error ignored;
    *out =
        (tbk_offsite_set){.id = tbk_value_text_at(value, "id", ""), .is_proved = is_proved(value)};
    if (tbk_value_find(value, "damage") != NULL ||
        tbk_value_find(value, "other_database") != NULL ||
        !tbk_clock_parse_compact(out->id, &out->time_s) ||
        !tbk_names_parse(&tbk_profile_names, tbk_value_text_at(value, "profile", ""), &profile,
                         &ignored))
        return false;
    out->profile = (tbk_profile)profile;
    return true;
}

static void take_sets(planning *self, const tbk_value *list)
{
    const tbk_member *first = tbk_value_members_at(list, "sets");
    size_t count = 0;
    for (const tbk_member *at = first; at != NULL; at = at->next)
        count++;
    self->sets = tbk_arena_alloc(self->arena, (count + 1) * sizeof *self->sets);
    self->stored_bytes = tbk_arena_alloc(self->arena, (count + 1) * sizeof *self->stored_bytes);
    for (const tbk_member *at = first; at != NULL; at = at->next) {
        tbk_offsite_set *set = &self->sets[self->set_count];
        int64_t bytes = tbk_value_integer_at(at->value, "stored_bytes");
        if (!take_set(at->value, set) || bytes <= 0)
            continue;
        self->stored_bytes[self->set_count++] = bytes;
        if (self->measures.set_bytes[set->profile] == 0)
            self->measures.set_bytes[set->profile] = bytes;
    }
}

static bool look_at_store(planning *self, tbk_error *err)
{
    const tbk_item *compose = find_item(self, TBK_COMPOSE_FILE);
    tbk_value *list = NULL;
    tbk_error why = {.code = TBK_E_OK};
    if (self->input->refused != NULL || self->input->facts->store_free_bytes < 0 ||
        compose == NULL || !compose->found.exists)
        return true;
    if (!tbk_status_sets(self->arena, self->input->vm, &list, &why))
        return do_without(self, &why, err);
    take_sets(self, list);
    return true;
}

static void look_at_database(planning *self)
{
    const tbk_value *forecast = self->input->forecast;
    if (forecast != NULL && tbk_value_find(forecast, "database.path") != NULL)
        self->measures.sqlite_bytes = tbk_value_integer_at(forecast, "database.bytes");
    if (self->measures.sqlite_bytes < 0)
        self->measures.sqlite_bytes = 0;
}

/* --- what it costs --- */

static void set_number(const planning *self, tbk_value *map, const char *key, int64_t number)
{
    if (number == TBK_OFFSITE_UNKNOWN)
        tbk_value_set(self->arena, map, key, tbk_value_null(self->arena));
    else
        tbk_value_set_integer(self->arena, map, key, number);
}

static tbk_value *flow_value(const planning *self, const tbk_offsite_flow *flow)
{
    tbk_value *map = tbk_value_map(self->arena);
    if (!flow->is_taken)
        return tbk_value_null(self->arena);
    set_number(self, map, "set_bytes", flow->set_bytes);
    tbk_value_set_string(self->arena, map, "basis", tbk_offsite_basis_name(flow->basis));
    set_number(self, map, "sets_a_year", flow->sets_a_year);
    set_number(self, map, "kept", flow->kept);
    return map;
}

static tbk_offsite_copies copies_of(const planning *self)
{
    tbk_offsite_copies copies = {
        .list = tbk_arena_alloc(self->arena, (self->state.known_count + 1) * sizeof *copies.list)};
    for (size_t i = 0; i < self->state.known_count; i++) {
        const tbk_offsite_known *known = &self->state.known[i];
        tbk_offsite_copy copy = {.snapshot = known->snapshot,
                                 .id = known->set,
                                 .profile = known->profile,
                                 .is_whole = tbk_offsite_known_is_whole(known)};
        size_t at = copies.count;
        if (!tbk_clock_parse_compact(copy.id, &copy.time_s))
            continue;
        for (; at > 0 && copies.list[at - 1].time_s < copy.time_s; at--)
            copies.list[at] = copies.list[at - 1];
        copies.list[at] = copy;
        copies.count++;
    }
    return copies;
}

/* What waits in the store; where nothing does, one set of those that `schedule` makes. */
static void tell_next(const planning *self, const tbk_offsite_forecast *forecast)
{
    const tbk_offsite_flow *flow = &forecast->flows[self->options->profile];
    const tbk_offsite_copies copies = copies_of(self);
    tbk_value *next = tbk_value_map(self->arena);
    tbk_offsite_basis basis = TBK_BASIS_MEASURED;
    const tbk_offsite_queue waiting =
        tbk_offsite_waiting(&self->options->offsite, self->sets, self->stored_bytes,
                            self->set_count, &copies, self->input->facts->now_s);
    int64_t bytes = waiting.bytes;
    tbk_value_set_integer(self->arena, next, "waiting", waiting.sets);
    if (waiting.sets == 0) {
        if (!flow->is_taken)
            flow = &forecast->flows[TBK_PROFILE_FULL];
        bytes = flow->set_bytes;
        basis = flow->basis;
    }
    tbk_value_set_bool(self->arena, next, "is_first", copies.count == 0);
    set_number(self, next, "upload_bytes", bytes);
    tbk_value_set_string(self->arena, next, "basis", tbk_offsite_basis_name(basis));
    set_number(self, next, "duration_s", tbk_offsite_duration_s(forecast, bytes));
    tbk_value_set(self->arena, self->result, "next", next);
}

static void tell_costs(const planning *self)
{
    tbk_arena *arena = self->arena;
    tbk_offsite_forecast forecast;
    tbk_offsite_reckon(arena, self->options, &self->measures, self->input->facts->now_s, &forecast);
    tell_next(self, &forecast);
    tbk_value_set(arena, self->result, "full", flow_value(self, &forecast.flows[TBK_PROFILE_FULL]));
    tbk_value_set(arena, self->result, "essential",
                  flow_value(self, &forecast.flows[TBK_PROFILE_ESSENTIAL]));
    set_number(self, self->result, "bytes_per_second", forecast.bytes_per_second);
    tbk_value_set_string(arena, self->result, "rate_basis",
                         tbk_offsite_basis_name(forecast.rate_basis));
    set_number(self, self->result, "day_bytes", forecast.day_bytes);
    set_number(self, self->result, "month_bytes", forecast.month_bytes);
    set_number(self, self->result, "kept_bytes", forecast.kept_bytes);
}

/* --- all of it --- */

bool tbk_offsite_plan(tbk_arena *arena, const tbk_offsite_plan_input *input, tbk_value **out,
                      tbk_error *err)
{
    const tbk_workspace *workspace = input->vm->workspace;
    const tbk_offsite_settings *settings = &workspace->options.offsite;
    planning self = {.arena = arena, .input = input, .options = &workspace->options};
    *out = NULL;
    if (settings->repository == NULL)
        return true;
    self.result = tbk_value_map(arena);
    tbk_value_set_string(arena, self.result, "repository", settings->repository);
    tbk_value_set_string(arena, self.result, "name",
                         settings->name != NULL ? settings->name : workspace->environment.name);
    tbk_value_set_string(arena, self.result, "take",
                         tbk_names_of(&tbk_offsite_take_names, settings->take));
    tbk_value_set_bool(arena, self.result, "append_only",
                       settings->access == TBK_ACCESS_APPEND_ONLY);
    tbk_value_set(arena, self.result, "sets", tbk_value_null(arena));
    look_at_database(&self);
    if (!ask_repository(&self, err) || !read_state(&self, err) || !look_at_store(&self, err))
        return false;
    tell_costs(&self);
    *out = self.result;
    return true;
}
