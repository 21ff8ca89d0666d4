/* SPDX-License-Identifier: MIT */
/* Restores: in both modes, and on the day that a VM is gone; and sets that come to this machine. */
#include "base/clock.h"
#include "commands/configure.h"
#include "commands/fetch.h"
#include "commands/outbound.h"
#include "commands/restore.h"
#include "commands/status.h"
#include "engine/extraction.h"
#include "entry/plugin_session.h"

static bool restore(plugin_session *self, tbk_error *err)
{
    const tbk_restore_input input = {.vm = plugin_vm_of(self),
                                     .set = self->options.set,
                                     .from = self->options.from,
                                     .dry_run = self->dry_run,
                                     .purge_previous = self->options.purge_previous};

    return tbk_restore(self->arena, &input, &self->result, err);
}

static bool install(plugin_session *self, tbk_error *err)
{
    const tbk_configure_input input = {.vm = plugin_vm_of(self), .dry_run = self->dry_run};
    tbk_value *ignored = NULL;

    return tbk_configure(self->arena, &input, &ignored, err);
}

/* Whether something may still go on on the VM: then its hook stays. */
static bool may_go_on(tbk_error_code code)
{
    return code == TBK_E_INTERRUPTED || code == TBK_E_NETWORK || code == TBK_E_TIMEOUT;
}

static bool fail_to_go_back(const char *what, tbk_error *err)
{
    (void)snprintf(err->fix, sizeof err->fix,
                   "run 'torrust-backup configure' when the VM is idle: that brings the sidecar "
                   "back; until then the maintenance window backs up");
    return tbk_error_context(err, "%s", what);
}

static bool go_back_to_sidecar(plugin_session *self, bool restored, tbk_error *err)
{
    const tbk_error why = *err;

    if (!restored && may_go_on(err->code))
        return fail_to_go_back("the maintenance window may stand in the sidecar's place now, and "
                               "the restore",
                               err);
    tbk_report_log(self->report, TBK_LOG_INFO, "restore", "the sidecar comes back");
    if (!install(self, err)) {
        if (!restored)
            (void)tbk_error_context(err, "%s; then", why.message);
        return fail_to_go_back(restored ? "the set is in place, but the sidecar is not back"
                                        : "the sidecar is not back after a restore that failed",
                               err);
    }
    *err = why;
    return restored;
}

/* The sidecar cannot stop the tracker; the hook of the maintenance window can. So that is installed
 * for the time of the restore: the way that an operator would go by hand, in one command. */
static bool restore_from_sidecar(plugin_session *self, tbk_error *err)
{
    plugin_session window = *self;

    window.options.overrides.mode = tbk_mode_name(TBK_MODE_WINDOW);
    if (!plugin_open_workspace(&window, err) || !plugin_render(&window, err))
        return tbk_error_context(err, "a restore needs the maintenance window for its time");
    tbk_report_log(self->report, TBK_LOG_INFO, "restore",
                   "the sidecar cannot stop the tracker: the maintenance window is installed for "
                   "the time of the restore");
    *err = (tbk_error){.code = TBK_E_OK};
    bool restored = install(&window, err) && restore(&window, err);
    self->result = window.result;
    return go_back_to_sidecar(self, restored, err);
}

bool plugin_verb_restore(plugin_session *self, tbk_error *err)
{
    bool is_real = !self->dry_run && !self->options.purge_previous;

    if (is_real && self->workspace.options.mode == TBK_MODE_SIDECAR)
        return restore_from_sidecar(self, err);
    return restore(self, err);
}

/* --- rescue --- */

/* What each step took, as a result tells it. */
typedef struct rescue {
    plugin_session *session;
    tbk_value *result, *steps;
    uint32_t number, total;
} rescue;

static bool step(rescue *self, const char *name, const char *title,
                 bool (*work)(plugin_session *session, tbk_error *err), tbk_error *err)
{
    tbk_arena *arena = self->session->arena;
    int64_t start_ms = tbk_clock_monotonic_ms();
    tbk_value *told = tbk_value_map(arena);
    uint32_t number = ++self->number;

    tbk_report_step_started(self->session->report, number, self->total, title);
    bool ok = tbk_report_go_on(self->session->report, err) && work(self->session, err);
    tbk_value_set_string(arena, told, "name", name);
    tbk_value_set_bool(arena, told, "ok", ok);
    tbk_value_set_integer(arena, told, "duration_ms", tbk_clock_monotonic_ms() - start_ms);
    tbk_value_append(arena, self->steps, told);
    if (ok)
        tbk_report_step_completed(self->session->report, number, self->total, title);
    return ok;
}

/* A set is guessed for an empty machine only: where backups were made, the newest may be the new
 * tracker's own, and the machine another one than was meant. */
static bool check_new(plugin_session *self, tbk_error *err)
{
    const tbk_vm vm = plugin_vm_of(self);
    tbk_value *list = NULL;
    tbk_error why = {.code = TBK_E_OK};

    if (!tbk_status_sets(self->arena, &vm, &list, &why)) {
        if (why.code != TBK_E_NOT_FOUND)
            *err = why;
        return why.code == TBK_E_NOT_FOUND; /* no store yet */
    }
    return tbk_value_members_at(list, "sets") == NULL ||
           tbk_fail(err, TBK_E_USAGE,
                    "name the set with --set ID ('torrust-backup offsite list' shows them); what "
                    "this tracker has now is kept beside, and no more served",
                    "'%s' has backup sets of its own: it is no new machine", self->environment);
}

static bool goes_off_site(const plugin_session *self)
{
    return self->workspace.options.offsite.repository != NULL;
}

/* Now there is a store, for which it may have waited. */
static bool go_on_off_site(plugin_session *self, tbk_error *err)
{
    const tbk_vm vm = plugin_vm_of(self);
    tbk_service_step ignored = TBK_SERVICE_IN_PLACE;

    return tbk_outbound_apply(&vm, false, &ignored, err);
}

bool plugin_verb_rescue(plugin_session *self, tbk_error *err)
{
    rescue work = {.session = self,
                   .result = tbk_value_map(self->arena),
                   .steps = tbk_value_list(self->arena),
                   .total = goes_off_site(self) ? 3 : 2};
    self->dry_run = self->options.rehearse;
    plugin_session installing = *self;

    if (self->options.from == NULL)
        self->options.from = "offsite";
    bool is_guess = self->options.set == NULL;
    if (is_guess)
        self->options.set = "latest";
    installing.dry_run = false; /* without it there is nothing to fetch with */
    work.session = &installing;
    bool ok = step(&work, "install", "Installing the backup", install, err);
    work.session = self;
    ok =
        ok && (!is_guess || check_new(self, err)) &&
        step(&work, "restore",
             self->dry_run ? "Fetching and proving the set, beside the real database"
                           : "Fetching and proving the set, and putting it in place",
             plugin_verb_restore, err) &&
        (!goes_off_site(self) || step(&work, "off-site", "Going on off-site", go_on_off_site, err));
    tbk_value_set_bool(self->arena, work.result, "rehearsal", self->dry_run);
    tbk_value_set_bool(self->arena, work.result, "complete", ok);
    tbk_value_set(self->arena, work.result, "steps", work.steps);
    if (self->result != NULL)
        tbk_value_set(self->arena, work.result, "restore", self->result);
    self->result = work.result;
    return ok;
}

bool plugin_verb_fetch(plugin_session *self, tbk_error *err)
{
    const tbk_fetch_input input = {.vm = plugin_vm_of(self),
                                   .set = self->options.set,
                                   .from = self->options.from,
                                   .to = self->options.to};

    return tbk_fetch(self->arena, &input, &self->result, err);
}

bool plugin_verb_extract(plugin_session *self, tbk_error *err)
{
    tbk_auto(tbk_store) *store = NULL;

    if (!tbk_store_open(self->options.from, TBK_STORE_READ, &store, err))
        return false;
    const tbk_extract_request request = {
        .store = store,
        .set = {.id = self->options.set, .now_s = tbk_clock_now_s()},
        .to = self->options.to,
        .report = self->report};
    return tbk_extract(self->arena, &request, &self->result, err);
}
