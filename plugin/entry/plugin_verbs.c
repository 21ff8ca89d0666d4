/* SPDX-License-Identifier: MIT */
/* Opens the workspace, renders, reaches the VM where the verb needs it, and runs the phase. */
#include "entry/plugin_verbs.h"

#include "adapters/ssh.h"
#include "base/json.h"
#include "commands/configure.h"
#include "commands/host_runner.h"
#include "commands/image.h"
#include "commands/outbound.h"
#include "commands/outbound_client.h"
#include "commands/plan.h"
#include "commands/restore.h"
#include "commands/status.h"
#include "commands/verify.h"
#include "commands/workspace.h"
#include "domain/option_table.h"
#include "render/render.h"

typedef struct options {
    tbk_workspace_overrides overrides;
    const char *host_key;
    const char *method; /* run: another one than the configured; NULL = as configured */
    const char *journal_mode;
    const char *profile;
    bool wait_for_cron;
    bool fetch_all;
    const char *set;  /* restore */
    const char *from; /* restore; NULL = the store */
    unsigned action;  /* offsite: tbk_offsite_action */
    bool purge_previous;
} options;

/* All that a verb works with; remote is open only for verbs that need it. */
typedef struct session {
    tbk_arena *arena;
    const tbk_report *report;
    options options;
    bool dry_run;
    const char *working_dir, *environment, *data_path;
    tbk_workspace workspace;
    tbk_image image, outbound_image;
    tbk_secrets secrets;
    tbk_rendering rendering;
    tbk_remote remote;
    tbk_value *result;
} session;

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

static bool read_options(tbk_arena *arena, const char *json, tbk_verb verb, options *out,
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
           tbk_value_optional_string(value, "set", &out->set, err) &&
           tbk_value_optional_string(value, "from", &out->from, err) &&
           read_action(value, &out->action, err) &&
           tbk_value_optional_bool(value, "forget_kept", &out->purge_previous, err);
}

static bool check_run_options(const options *given, tbk_error *err)
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
static bool check_restore_options(const options *given, bool dry_run, tbk_error *err)
{
    const char *name = NULL;
    if (given->from != NULL && !tbk_offsite_source(given->from, &name, err))
        return false;
    if (given->purge_previous && (given->set != NULL || given->from != NULL || dry_run))
        return tbk_fail(err, TBK_E_USAGE, "do one after the other",
                        "--forget-kept restores nothing");
    return given->purge_previous || given->set != NULL ||
           tbk_fail(err, TBK_E_USAGE, "name it with --set ID ('list' shows them), or --set latest",
                    "which set is to be restored?");
}

static bool render(session *self, tbk_error *err)
{
    const tbk_render_input input = {
        .environment = &self->workspace.environment,
        .options = &self->workspace.options,
        .image_tag = self->image.tag,
        .outbound_image_tag = self->outbound_image.tag,
        .templates_path = tbk_arena_format(self->arena, "%s/templates", self->data_path),
        .override_path = self->workspace.override_path};

    return tbk_render(self->arena, &input, &self->rendering, err);
}

static bool reach_vm(session *self, tbk_error *err)
{
    const tbk_environment *environment = &self->workspace.environment;
    const tbk_ssh_target target = {.host = environment->ssh_host,
                                   .port = environment->ssh_port,
                                   .user = environment->ssh_user,
                                   .private_key_path = environment->ssh_private_key_path,
                                   .public_key_path = environment->ssh_public_key_path,
                                   .known_hosts_path = self->workspace.known_hosts_path,
                                   .host_key = self->options.host_key,
                                   .program = self->workspace.options.ssh_program};

    return tbk_ssh_open(&target, self->report, &self->remote, err);
}

/* --- the verbs --- */

static bool verb_render(session *self, tbk_error *err)
{
    tbk_value *files = tbk_value_list(self->arena);

    self->result = tbk_value_map(self->arena);
    tbk_value_set_string(self->arena, self->result, "directory", self->workspace.output_path);
    tbk_value_set_bool(self->arena, self->result, "dry_run", self->dry_run);
    tbk_value_set(self->arena, self->result, "files", files);
    for (size_t i = 0; i < self->rendering.count; i++) {
        const tbk_rendered_file *file = &self->rendering.files[i];
        tbk_value *item = tbk_value_map(self->arena);
        if (!self->dry_run &&
            !tbk_workspace_write(&self->workspace, file->name, file->bytes, file->length, err))
            return false;
        tbk_value_set_string(self->arena, item, "name", file->name);
        tbk_value_set_string(self->arena, item, "target", file->target);
        tbk_value_set_string(self->arena, item, "sha256", file->digest.hex);
        tbk_value_append(self->arena, files, item);
    }
    return true;
}

static tbk_vm vm_of(const session *self)
{
    return (tbk_vm){.workspace = &self->workspace,
                    .rendering = &self->rendering,
                    .secrets = &self->secrets,
                    .image = &self->image,
                    .outbound_image = &self->outbound_image,
                    .remote = &self->remote,
                    .report = self->report};
}

static bool verb_configure(session *self, tbk_error *err)
{
    const tbk_configure_input input = {.vm = vm_of(self), .dry_run = self->dry_run};

    return verb_render(self, err) && tbk_configure(self->arena, &input, &self->result, err);
}

static bool verb_verify(session *self, tbk_error *err)
{
    const tbk_verify_input input = {.vm = vm_of(self),
                                    .wait_for_cron = self->options.wait_for_cron,
                                    .fetch_all = self->options.fetch_all};

    return tbk_verify(self->arena, &input, &self->result, err);
}

static bool verb_plan(session *self, tbk_error *err)
{
    const tbk_vm vm = vm_of(self);

    return tbk_plan(self->arena, &vm, &self->result, err);
}

static void add_argument(tbk_text *arguments, const char *name, const char *value)
{
    if (value == NULL)
        return;
    tbk_text_format(arguments, " %s ", name);
    tbk_text_append_shell_word(arguments, value);
}

static bool run_in_window(session *self, tbk_host_answer *out, tbk_error *err)
{
    const tbk_vm vm = vm_of(self);
    tbk_auto_text arguments = {0};

    add_argument(&arguments, "--method", self->options.method);
    add_argument(&arguments, "--journal-mode", self->options.journal_mode);
    add_argument(&arguments, "--profile", self->options.profile);
    return tbk_host_run_hook(self->arena, &vm, tbk_text_string(&arguments), out, err);
}

static bool run_in_sidecar(session *self, tbk_host_answer *out, tbk_error *err)
{
    const tbk_vm vm = vm_of(self);
    const char *arguments[8] = {"backup", "--log", "json"};
    size_t count = 3;

    if (self->options.journal_mode != NULL)
        return tbk_fail(err, TBK_E_CONFIG,
                        "configure with --mode window, do it, and configure with --mode sidecar",
                        "the journal mode is changed with the tracker stopped, which the sidecar "
                        "cannot do");
    if (self->options.method != NULL) {
        arguments[count++] = "--method";
        arguments[count++] = self->options.method;
    }
    if (self->options.profile != NULL) {
        arguments[count++] = "--profile";
        arguments[count++] = self->options.profile;
    }
    return tbk_host_run_sidecar(self->arena, &vm, arguments, out, err);
}

static bool verb_run(session *self, tbk_error *err)
{
    tbk_host_answer answer;
    bool is_sidecar = self->workspace.options.mode == TBK_MODE_SIDECAR;

    if (!(is_sidecar ? run_in_sidecar : run_in_window)(self, &answer, err))
        return false;
    self->result = tbk_value_map(self->arena);
    tbk_value_set_integer(self->arena, self->result, "exit_status", answer.exit_status);
    if (answer.value != NULL)
        tbk_value_set(self->arena, self->result, "run", tbk_value_share(self->arena, answer.value));
    return tbk_host_outcome(answer.exit_status, answer.value, err);
}

static bool verb_status(session *self, tbk_error *err)
{
    const tbk_vm vm = vm_of(self);

    return tbk_status(self->arena, &vm, &self->result, err);
}

static bool verb_list(session *self, tbk_error *err)
{
    const tbk_vm vm = vm_of(self);

    return tbk_status_sets(self->arena, &vm, &self->result, err);
}

static bool verb_acknowledge(session *self, tbk_error *err)
{
    const tbk_vm vm = vm_of(self);

    return tbk_status_acknowledge(self->arena, &vm, &self->result, err);
}

static bool verb_offsite(session *self, tbk_error *err)
{
    const tbk_vm vm = vm_of(self);

    return tbk_offsite_act(self->arena, &vm, (tbk_offsite_action)self->options.action,
                           &self->result, err);
}

static bool restore(session *self, tbk_error *err)
{
    const tbk_restore_input input = {.vm = vm_of(self),
                                     .set = self->options.set,
                                     .from = self->options.from,
                                     .dry_run = self->dry_run,
                                     .purge_previous = self->options.purge_previous};

    return tbk_restore(self->arena, &input, &self->result, err);
}

static bool open_workspace(session *self, tbk_error *err)
{
    return tbk_workspace_open(self->arena, self->working_dir, self->environment,
                              &self->options.overrides, &self->workspace, err);
}

static bool install(session *self, tbk_error *err)
{
    const tbk_configure_input input = {.vm = vm_of(self), .dry_run = self->dry_run};
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

static bool go_back_to_sidecar(session *self, bool restored, tbk_error *err)
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
static bool restore_from_sidecar(session *self, tbk_error *err)
{
    session window = *self;

    window.options.overrides.mode = tbk_mode_name(TBK_MODE_WINDOW);
    if (!open_workspace(&window, err) || !render(&window, err))
        return tbk_error_context(err, "a restore needs the maintenance window for its time");
    tbk_report_log(self->report, TBK_LOG_INFO, "restore",
                   "the sidecar cannot stop the tracker: the maintenance window is installed for "
                   "the time of the restore");
    *err = (tbk_error){.code = TBK_E_OK};
    bool restored = install(&window, err) && restore(&window, err);
    self->result = window.result;
    return go_back_to_sidecar(self, restored, err);
}

static bool verb_restore(session *self, tbk_error *err)
{
    bool is_real = !self->dry_run && !self->options.purge_previous;

    if (is_real && self->workspace.options.mode == TBK_MODE_SIDECAR)
        return restore_from_sidecar(self, err);
    return restore(self, err);
}

static const struct verb {
    bool needs_vm;
    bool (*run)(session *self, tbk_error *err);
} VERBS[TBK_VERB_COUNT] = {[TBK_VERB_RENDER] = {false, verb_render},
                           [TBK_VERB_PLAN] = {true, verb_plan},
                           [TBK_VERB_CONFIGURE] = {true, verb_configure},
                           [TBK_VERB_VERIFY] = {true, verb_verify},
                           [TBK_VERB_RUN] = {true, verb_run},
                           [TBK_VERB_RESTORE] = {true, verb_restore},
                           [TBK_VERB_LIST] = {true, verb_list},
                           [TBK_VERB_STATUS] = {true, verb_status},
                           [TBK_VERB_ACKNOWLEDGE] = {true, verb_acknowledge},
                           [TBK_VERB_OFFSITE] = {true, verb_offsite}};

static bool find_verb(const char *name, tbk_verb *out, tbk_error *err)
{
    unsigned known = tbk_names_all(&tbk_verb_names) & ~(1u << TBK_VERB_HELP);
    tbk_auto_text fix = {0};
    unsigned verb = TBK_VERB_HELP;

    if (tbk_names_parse(&tbk_verb_names, name, &verb, err) && verb != TBK_VERB_HELP) {
        *out = (tbk_verb)verb;
        return true;
    }
    tbk_text_append(&fix, "use one of: ");
    tbk_names_append(&fix, &tbk_verb_names, known, "", ", ");
    return tbk_fail(err, TBK_E_USAGE, tbk_text_string(&fix), "the plugin has no verb '%s'", name);
}

static tbk_value *describe_version(tbk_arena *arena)
{
    tbk_value *result = tbk_value_map(arena);

    tbk_value_set_string(arena, result, "version", TBK_VERSION);
    tbk_value_set_integer(arena, result, "abi_version", TBK_ABI_VERSION);
    return result;
}

/* The host may have had no room for it; a verb need not be repeated for its answer. */
static bool keep_result(const session *self, const char *verb, tbk_error *err)
{
    tbk_auto_text text = {0};
    char name[64];

    (void)snprintf(name, sizeof name, "last-%s.json", verb);
    tbk_json_write(&text, self->result, true);
    return tbk_workspace_write(&self->workspace, name, text.bytes, text.length, err);
}

/* The second one only where it is needed: a build may leave it out. */
static bool read_images(session *self, tbk_error *err)
{
    self->outbound_image = (tbk_image){.tag = ""};
    return tbk_image_read(self->arena, self->data_path, TBK_ENGINE_IMAGE, &self->image, err) &&
           (self->workspace.options.offsite.repository == NULL ||
            tbk_image_read(self->arena, self->data_path, TBK_OUTBOUND_IMAGE, &self->outbound_image,
                           err));
}

static bool open_session(session *self, const tbk_request_v1 *request, tbk_verb verb,
                         tbk_error *err)
{
    if (request->environment == NULL)
        return tbk_fail(err, TBK_E_USAGE, "name the environment as the deployer does",
                        "no environment is named");
    self->environment = request->environment;
    self->working_dir = request->working_dir != NULL ? request->working_dir : ".";
    return read_options(self->arena, request->options_json, verb, &self->options, err) &&
           check_run_options(&self->options, err) &&
           (verb != TBK_VERB_RESTORE ||
            check_restore_options(&self->options, self->dry_run, err)) &&
           open_workspace(self, err) && read_images(self, err) &&
           (!VERBS[verb].needs_vm ||
            tbk_outbound_read_secrets(self->arena, &self->workspace, &self->secrets, err)) &&
           render(self, err);
}

bool tbk_verb_run(tbk_arena *arena, const tbk_request_v1 *request, const char *data_path,
                  const tbk_report *report, tbk_value **out_result, tbk_error *err)
{
    session self = {.arena = arena,
                    .report = report,
                    .data_path = data_path,
                    .dry_run = (request->flags & TBK_DRY_RUN) != 0};
    const tbk_option *dry_run = &tbk_option_table[TBK_OPTION_DRY_RUN];
    tbk_verb verb;
    tbk_error not_kept;

    if (!find_verb(request->verb, &verb, err))
        return false;
    if (verb == TBK_VERB_VERSION) {
        *out_result = describe_version(arena);
        return true;
    }
    if (self.dry_run && !tbk_option_fits(dry_run, TBK_PROGRAM_CLI, verb))
        return tbk_option_fail_verb(dry_run, TBK_PROGRAM_CLI, verb, "a dry run", err);
    if (!open_session(&self, request, verb, err))
        return false;
    bool ok = (!VERBS[verb].needs_vm || reach_vm(&self, err)) && VERBS[verb].run(&self, err);
    tbk_remote_close(&self.remote);
    *out_result = self.result;
    if (self.result != NULL && !self.dry_run)
        return keep_result(&self, request->verb, ok ? err : &not_kept) && ok;
    return ok;
}
