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
#include "commands/status.h"
#include "commands/verify.h"
#include "domain/option_table.h"
#include "entry/plugin_session.h"
#include "render/render.h"

bool plugin_render(plugin_session *self, tbk_error *err)
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

bool plugin_open_workspace(plugin_session *self, tbk_error *err)
{
    return tbk_workspace_open(self->arena, self->working_dir, self->environment,
                              &self->options.overrides, &self->workspace, err);
}

static bool reach_vm(plugin_session *self, tbk_error *err)
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

static bool verb_render(plugin_session *self, tbk_error *err)
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

tbk_vm plugin_vm_of(const plugin_session *self)
{
    return (tbk_vm){.workspace = &self->workspace,
                    .rendering = &self->rendering,
                    .secrets = &self->secrets,
                    .image = &self->image,
                    .outbound_image = &self->outbound_image,
                    .remote = &self->remote,
                    .report = self->report};
}

static bool verb_configure(plugin_session *self, tbk_error *err)
{
    const tbk_configure_input input = {.vm = plugin_vm_of(self), .dry_run = self->dry_run};

    return verb_render(self, err) && tbk_configure(self->arena, &input, &self->result, err);
}

static bool verb_verify(plugin_session *self, tbk_error *err)
{
    const tbk_verify_input input = {.vm = plugin_vm_of(self),
                                    .wait_for_cron = self->options.wait_for_cron,
                                    .fetch_all = self->options.fetch_all,
                                    .keep = self->options.keep,
                                    .proves_offsite = self->options.proves_offsite};

    return tbk_verify(self->arena, &input, &self->result, err);
}

static bool verb_plan(plugin_session *self, tbk_error *err)
{
    const tbk_vm vm = plugin_vm_of(self);

    return tbk_plan(self->arena, &vm, &self->result, err);
}

static void add_argument(tbk_text *arguments, const char *name, const char *value)
{
    if (value == NULL)
        return;
    tbk_text_format(arguments, " %s ", name);
    tbk_text_append_shell_word(arguments, value);
}

static bool run_in_window(plugin_session *self, tbk_host_answer *out, tbk_error *err)
{
    const tbk_vm vm = plugin_vm_of(self);
    tbk_auto_text arguments = {0};

    add_argument(&arguments, "--method", self->options.method);
    add_argument(&arguments, "--journal-mode", self->options.journal_mode);
    add_argument(&arguments, "--profile", self->options.profile);
    return tbk_host_run_hook(self->arena, &vm, tbk_text_string(&arguments), out, err);
}

static bool run_in_sidecar(plugin_session *self, tbk_host_answer *out, tbk_error *err)
{
    const tbk_vm vm = plugin_vm_of(self);
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

static bool verb_run(plugin_session *self, tbk_error *err)
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

static bool verb_status(plugin_session *self, tbk_error *err)
{
    const tbk_vm vm = plugin_vm_of(self);

    return tbk_status(self->arena, &vm, &self->result, err);
}

static bool verb_acknowledge(plugin_session *self, tbk_error *err)
{
    const tbk_vm vm = plugin_vm_of(self);

    return tbk_status_acknowledge(self->arena, &vm, &self->result, err);
}

static bool verb_offsite(plugin_session *self, tbk_error *err)
{
    const tbk_vm vm = plugin_vm_of(self);

    return tbk_offsite_act(self->arena, &vm, (tbk_offsite_action)self->options.action,
                           &self->result, err);
}

static const struct verb {
    bool needs_vm;
    bool (*run)(plugin_session *self, tbk_error *err);
} VERBS[TBK_VERB_COUNT] = {[TBK_VERB_RENDER] = {false, verb_render},
                           [TBK_VERB_PLAN] = {true, verb_plan},
                           [TBK_VERB_CONFIGURE] = {true, verb_configure},
                           [TBK_VERB_VERIFY] = {true, verb_verify},
                           [TBK_VERB_RUN] = {true, verb_run},
                           [TBK_VERB_RESTORE] = {true, plugin_verb_restore},
                           [TBK_VERB_LIST] = {true, plugin_verb_list},
                           [TBK_VERB_STATUS] = {true, verb_status},
                           [TBK_VERB_ACKNOWLEDGE] = {true, verb_acknowledge},
                           [TBK_VERB_OFFSITE] = {true, verb_offsite},
                           [TBK_VERB_FETCH] = {true, plugin_verb_fetch},
                           [TBK_VERB_EXTRACT] = {false, plugin_verb_extract},
                           [TBK_VERB_RESCUE] = {true, plugin_verb_rescue}};

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
static bool keep_result(const plugin_session *self, const char *verb, tbk_error *err)
{
    tbk_auto_text text = {0};
    char name[64];

    (void)snprintf(name, sizeof name, "last-%s.json", verb);
    tbk_json_write(&text, self->result, true);
    return tbk_workspace_write(&self->workspace, name, text.bytes, text.length, err);
}

/* The second one only where it is needed: a build may leave it out. */
static bool read_images(plugin_session *self, tbk_error *err)
{
    self->outbound_image = (tbk_image){.tag = ""};
    return tbk_image_read(self->arena, self->data_path, TBK_ENGINE_IMAGE, &self->image, err) &&
           (self->workspace.options.offsite.repository == NULL ||
            tbk_image_read(self->arena, self->data_path, TBK_OUTBOUND_IMAGE, &self->outbound_image,
                           err));
}

/* What is on this machine is listed without it. */
static bool needs_vm(const plugin_session *self, tbk_verb verb)
{
    return VERBS[verb].needs_vm && !(verb == TBK_VERB_LIST && plugin_is_folder(self->options.from));
}

static bool open_session(plugin_session *self, tbk_verb verb, tbk_error *err)
{
    return plugin_open_workspace(self, err) && read_images(self, err) &&
           (!needs_vm(self, verb) ||
            tbk_outbound_read_secrets(self->arena, &self->workspace, &self->secrets, err)) &&
           plugin_render(self, err);
}

bool plugin_run_on(plugin_session *self, tbk_verb verb, tbk_error *err)
{
    tbk_error not_kept;

    if (!open_session(self, verb, err))
        return false;
    bool is_kept = !self->dry_run; /* a rehearsal's result too: it has installed the backup */
    bool ok = (!needs_vm(self, verb) || reach_vm(self, err)) && VERBS[verb].run(self, err);
    tbk_remote_close(&self->remote);
    if (self->result != NULL && is_kept)
        return keep_result(self, tbk_names_of(&tbk_verb_names, verb), ok ? err : &not_kept) && ok;
    return ok;
}

static bool check_request(plugin_session *self, const tbk_request_v1 *request, tbk_verb verb,
                          tbk_error *err)
{
    self->environment = request->environment;
    self->working_dir = request->working_dir != NULL ? request->working_dir : ".";
    if (!plugin_options_read(self->arena, request->options_json, verb, &self->options, err))
        return false;
    bool is_of_all = self->options.all_environments && self->options.from == NULL;
    if (self->environment == NULL && !is_of_all)
        return tbk_fail(err, TBK_E_USAGE, "name the environment as the deployer does",
                        "no environment is named");
    return plugin_options_check(self, verb, err);
}

bool tbk_verb_run(tbk_arena *arena, const tbk_request_v1 *request, const char *data_path,
                  const tbk_report *report, tbk_value **out_result, tbk_error *err)
{
    plugin_session self = {.arena = arena,
                           .report = report,
                           .data_path = data_path,
                           .dry_run = (request->flags & TBK_DRY_RUN) != 0};
    const tbk_option *dry_run = &tbk_option_table[TBK_OPTION_DRY_RUN];
    tbk_verb verb;

    if (!find_verb(request->verb, &verb, err))
        return false;
    if (verb == TBK_VERB_VERSION) {
        *out_result = describe_version(arena);
        return true;
    }
    if (self.dry_run && !tbk_option_fits(dry_run, TBK_PROGRAM_CLI, verb))
        return tbk_option_fail_verb(dry_run, TBK_PROGRAM_CLI, verb, "a dry run", err);
    if (!check_request(&self, request, verb, err))
        return false;
    bool ok =
        self.environment == NULL ? plugin_list_all(&self, err) : plugin_run_on(&self, verb, err);
    *out_result = self.result;
    return ok;
}
