/* SPDX-License-Identifier: MIT */
/* Puts on the VM what is not there yet. */
#include "commands/configure.h"

#include "commands/database_use.h"
#include "commands/mode_switch.h"
#include "commands/rules_check.h"
#include "commands/schedule_report.h"

#include <errno.h>
#include <fcntl.h>

#define PHASE "install"
#define OUR_FOLDER "/opt/torrust-backup"
#define REMOTE_TARBALL OUR_FOLDER "/engine-image.tar.gz"
#define LOAD_TIMEOUT_MS 300000
#define BUILT_FOR "x86_64"

typedef struct install {
    tbk_arena *arena;
    const tbk_configure_input *input;
    tbk_host_facts facts;
    tbk_value *result;
    tbk_value *items;
    tbk_value *warnings;
    bool changed;
} install;

static void note_state(install *self, const char *name, const char *target, const char *state,
                       bool in_place)
{
    tbk_value *item = tbk_value_map(self->arena);

    tbk_value_set_string(self->arena, item, "name", name);
    tbk_value_set_string(self->arena, item, "target", target);
    tbk_value_set_string(self->arena, item, "state", state);
    tbk_value_append(self->arena, self->items, item);
    if (!in_place)
        self->changed = true;
    tbk_report_log(self->input->report, in_place ? TBK_LOG_DETAIL : TBK_LOG_INFO, PHASE, "%s: %s",
                   target, state);
}

static void note_item(install *self, const char *name, const char *target, bool was_there,
                      bool in_place)
{
    const char *state = in_place    ? "in place"
                        : was_there ? (self->input->dry_run ? "would be updated" : "updated")
                                    : (self->input->dry_run ? "would be installed" : "installed");

    note_state(self, name, target, state, in_place);
}

static void remark(install *self, const char *text)
{
    tbk_value_append(self->arena, self->warnings, tbk_value_string(self->arena, text));
}

bool tbk_configure_check_host(const tbk_host_facts *facts, tbk_mode mode, tbk_error *err)
{
    if (strcmp(facts->arch, BUILT_FOR) != 0)
        return tbk_fail(err, TBK_E_REMOTE, "build Torrust Backup on a machine of the VM's kind",
                        "the VM is a '%s', the engine was built for " BUILT_FOR, facts->arch);
    if (facts->docker_version[0] == '\0')
        return tbk_fail(err, TBK_E_REMOTE,
                        "run the deployer's 'configure' first, or start Docker on the VM",
                        "Docker does not answer on the VM");
    if (facts->compose_version[0] == '\0')
        return tbk_fail(err, TBK_E_REMOTE,
                        "run the deployer's 'configure' first; it installs Compose",
                        "the VM has no 'docker compose'");
    if (mode == TBK_MODE_SIDECAR)
        return true; /* nothing of it is the host's */
    if (!facts->flock)
        return tbk_fail(err, TBK_E_REMOTE, "install the package util-linux on the VM",
                        "the VM has no 'flock'");
    if (!facts->cron_running)
        return tbk_fail(err, TBK_E_REMOTE, "on the VM: sudo apt-get install cron",
                        "no cron daemon runs on the VM, so no backup would ever start");
    return true;
}

const tbk_configure_directory tbk_configure_directories[TBK_INSTALL_DIRECTORIES] = {
    {OUR_FOLDER, 0755}, {"/var/log/torrust-backup", 0750}, {TBK_STATE_DIRECTORY, 0750}};

size_t tbk_configure_directory_count(tbk_mode mode)
{
    return mode == TBK_MODE_WINDOW ? TBK_INSTALL_DIRECTORIES : 1;
}

static tbk_mode mode_of(const install *self) { return self->input->workspace->options.mode; }

/* An interrupted upload may have left its tarball. */
static bool make_directories(const install *self, tbk_error *err)
{
    static const char script[] =
        "while [ $# -gt 0 ]; do install -d -m \"$2\" \"$1\" || exit; shift 2; done\n"
        "rm -f " REMOTE_TARBALL " " REMOTE_TARBALL "~";
    const char *argv[5 + 2 * TBK_INSTALL_DIRECTORIES] = {"sh", "-c", script, "directories"};
    const tbk_remote_command command = {
        .argv = argv, .as_root = true, .report = self->input->report};
    tbk_auto_remote_result result = {0};

    for (size_t i = 0; i < tbk_configure_directory_count(mode_of(self)); i++) {
        argv[4 + 2 * i] = tbk_configure_directories[i].path;
        argv[5 + 2 * i] =
            tbk_arena_format(self->arena, "%04o", (unsigned)tbk_configure_directories[i].mode);
    }
    return tbk_remote_do(self->input->remote, "making directories", &command, &result, err);
}

static bool load_image(const install *self, tbk_error *err)
{
    static const char script[] =
        "docker load -q -i \"$1\" && docker image inspect \"$2\" >/dev/null && rm -f \"$1\"\n";
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", script, "load", REMOTE_TARBALL,
                                      self->input->image->tag, NULL},
        .as_root = true,
        .timeout_ms = LOAD_TIMEOUT_MS,
        .report = self->input->report};
    tbk_auto_remote_result result = {0};

    return tbk_remote_do(self->input->remote, "loading the engine's image", &command, &result, err);
}

static bool install_image(install *self, tbk_error *err)
{
    const tbk_image *image = self->input->image;

    if (!self->facts.image_present && !self->input->dry_run) {
        tbk_auto_fd int fd = open(image->tarball_path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "opening '%s'", image->tarball_path);
        const tbk_remote_file file = {.path = REMOTE_TARBALL, .mode = 0600, .fd = fd};
        if (!tbk_remote_put(self->input->remote, &file, &image->digest, self->input->report, err) ||
            !load_image(self, err))
            return tbk_error_context(err, "installing the engine's image");
    }
    note_item(self, "image", image->tag, false, self->facts.image_present);
    return true;
}

/* Checks on the VM, with the programs that will read them, before anything is put in place. */
static bool check_rendered(const install *self, const tbk_rendered_file *file, tbk_error *err)
{
    const char *const shell[] = {"sh", "-n", NULL};
    const char *const compose[] = {"docker", "compose", "-f", "-", "config", "-q", NULL};
    const char *const *argv = file->mode == 0755                            ? shell
                              : strcmp(file->target, TBK_COMPOSE_FILE) == 0 ? compose
                                                                            : NULL;
    tbk_auto_remote_result result = {0};

    if (argv == NULL)
        return true;
    const tbk_remote_command command = {.argv = argv,
                                        .as_root = true,
                                        .input = file->bytes,
                                        .input_size_bytes = file->length,
                                        .report = self->input->report};
    return tbk_remote_do(self->input->remote,
                         tbk_arena_format(self->arena, "checking '%s'", file->name), &command,
                         &result, err);
}

static bool install_file(install *self, size_t index, tbk_error *err)
{
    const tbk_rendered_file *file = &self->input->rendering->files[index];
    const tbk_installed_file *installed = &self->facts.files[index];
    bool in_place = tbk_installed_file_is(installed, file);

    if (!in_place && !self->input->dry_run) {
        const tbk_remote_file put = {.path = file->target,
                                     .mode = file->mode,
                                     .bytes = file->bytes,
                                     .size_bytes = file->length};
        if (!check_rendered(self, file, err) ||
            !tbk_remote_put(self->input->remote, &put, &file->digest, self->input->report, err))
            return tbk_error_context(err, "installing '%s'", file->target);
    }
    note_item(self, file->name, file->target, installed->exists, in_place);
    return true;
}

/* They go when nothing refers to them any more; one that a run is still using refuses to. */
static bool remove_older_images(const install *self, tbk_error *err)
{
    static const char script[] =
        "docker image ls --format '{{.Repository}}:{{.Tag}}' torrust-backup-engine |\n"
        "while IFS= read -r image; do\n"
        "    [ \"$image\" = \"$1\" ] || docker image rm \"$image\" || true\n"
        "done >/dev/null 2>&1";
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", script, "older", self->input->image->tag, NULL},
        .as_root = true,
        .report = self->input->report};
    tbk_auto_remote_result result = {0};

    if (!self->changed || self->input->dry_run)
        return true;
    return tbk_remote_do(self->input->remote, "removing older images", &command, &result, err);
}

static bool install_files(install *self, tbk_error *err)
{
    for (size_t i = 0; i < self->input->rendering->count; i++)
        if (!tbk_report_go_on(self->input->report, err) || !install_file(self, i, err))
            return false;
    return true;
}

/* --- the modes --- */

static tbk_sidecar sidecar_of(const install *self)
{
    return (tbk_sidecar){.remote = self->input->remote,
                         .report = self->input->report,
                         .environment = &self->input->workspace->environment,
                         .options = &self->input->workspace->options,
                         .image_tag = self->input->image->tag};
}

static bool check_rules(install *self, tbk_error *err)
{
    const tbk_rules_check_input input = {.remote = self->input->remote,
                                         .report = self->input->report,
                                         .environment = &self->input->workspace->environment,
                                         .options = &self->input->workspace->options,
                                         .rendering = self->input->rendering};
    const char *unchecked = NULL;

    if (!tbk_rules_check(self->arena, &input, &unchecked, err))
        return false;
    if (unchecked != NULL)
        remark(self, tbk_arena_format(self->arena, "the rules of 'essential' were not checked: %s",
                                      unchecked));
    return true;
}

/* Before anything of the mode that is there goes. A dry run may have no image yet to ask. */
static bool check_database(install *self, tbk_error *err)
{
    const tbk_sidecar sidecar = sidecar_of(self);

    if (self->input->dry_run && !self->facts.image_present)
        return true;
    return check_rules(self, err) && (mode_of(self) == TBK_MODE_WINDOW ||
                                      tbk_sidecar_check_database(self->arena, &sidecar, err));
}

static bool remove_window(install *self, tbk_error *err)
{
    const tbk_configure_input *input = self->input;

    if (self->facts.window_file[0] == '\0')
        return true;
    if (!input->dry_run && !tbk_window_remove(input->remote, input->report, err))
        return false;
    note_state(self, "window", "the maintenance window: crontab, hook, log",
               input->dry_run ? "would be removed" : "removed", false);
    return true;
}

static bool remove_sidecar(install *self, tbk_error *err)
{
    const tbk_configure_input *input = self->input;

    if (self->facts.sidecar_state[0] == '\0')
        return true;
    if (!input->dry_run && !tbk_sidecar_remove(input->remote, input->report, err))
        return false;
    note_state(self, "sidecar", "the sidecar's container",
               input->dry_run ? "would be removed" : "removed", false);
    return true;
}

static bool remove_other_mode(install *self, tbk_error *err)
{
    return mode_of(self) == TBK_MODE_SIDECAR ? remove_window(self, err) : remove_sidecar(self, err);
}

static bool start_sidecar(install *self, tbk_error *err)
{
    const tbk_sidecar sidecar = sidecar_of(self);
    tbk_sidecar_step step = TBK_SIDECAR_IN_PLACE;
    bool dry_run = self->input->dry_run;

    if (mode_of(self) == TBK_MODE_WINDOW)
        return true;
    if (!(dry_run ? tbk_sidecar_look : tbk_sidecar_start)(self->arena, &sidecar, &step, err))
        return false;
    if (step == TBK_SIDECAR_WAITS)
        remark(self, "the sidecar is not started yet: there is no tracker on the VM; run "
                     "'torrust-backup configure' again after the deployer's 'run'");
    note_state(self, "sidecar", "the sidecar's container",
               step == TBK_SIDECAR_IN_PLACE ? "in place"
               : step == TBK_SIDECAR_WAITS  ? "waits for a tracker"
               : dry_run                    ? "would be started"
                                            : "started",
               step != TBK_SIDECAR_TO_START);
    return true;
}

static bool look_at_host(install *self, tbk_error *err)
{
    const tbk_configure_input *input = self->input;

    return tbk_host_facts_read(self->arena, input->remote, input->rendering, input->image->tag,
                               input->workspace->options.store, &self->facts, err) &&
           tbk_configure_check_host(&self->facts, mode_of(self), err);
}

static bool install_directories(install *self, tbk_error *err)
{
    return self->input->dry_run || make_directories(self, err);
}

static bool install_mode(install *self, tbk_error *err)
{
    return remove_other_mode(self, err) && install_files(self, err) && start_sidecar(self, err) &&
           remove_older_images(self, err);
}

/* Certain or not, it keeps nobody from configuring: that may be the way out. */
static bool look_at_database(install *self, tbk_error *err)
{
    tbk_database_use use;

    if (self->facts.tracker_id[0] == '\0' || self->facts.hook_runs)
        return true;
    if (!tbk_database_use_look(self->arena, self->input->remote,
                               &self->input->workspace->environment, self->input->report, &use,
                               err))
        return false;
    if (use.problem != NULL)
        remark(self, tbk_arena_format(self->arena, "backups would fail: %s; %s", use.problem,
                                      tbk_database_use_fix));
    else if (use.unknown != NULL)
        remark(self, tbk_arena_format(self->arena,
                                      "whether the tracker uses this database is not known: %s",
                                      use.unknown));
    return true;
}

static bool report_schedule(install *self, tbk_error *err)
{
    if (self->input->workspace->mode_is_unwritten)
        remark(self, "the mode was given for this command only; write 'mode' into the options "
                     "file, or give --mode to every command");
    return look_at_database(self, err) && tbk_schedule_report(self->arena, self->input->workspace,
                                                              &self->facts, self->result, err);
}

static bool install_all(install *self, tbk_error *err)
{
    static const struct {
        const char *title;
        bool (*work)(install *self, tbk_error *err);
    } steps[] = {{"Looking at the VM", look_at_host},
                 {"Making directories", install_directories},
                 {"Installing the engine's image", install_image},
                 {"Checking the database", check_database},
                 {"Installing configuration and schedule", install_mode},
                 {"Checking the schedule", report_schedule}};
    const uint32_t count = sizeof steps / sizeof *steps;
    const tbk_report *report = self->input->report;

    for (uint32_t i = 0; i < count; i++) {
        tbk_report_step_started(report, i + 1, count, steps[i].title);
        if (!tbk_report_go_on(report, err) || !steps[i].work(self, err))
            return false;
        tbk_report_step_completed(report, i + 1, count, steps[i].title);
    }
    return true;
}

bool tbk_configure(tbk_arena *arena, const tbk_configure_input *input, tbk_value **out_result,
                   tbk_error *err)
{
    install self = {.arena = arena,
                    .input = input,
                    .result = tbk_value_map(arena),
                    .items = tbk_value_list(arena),
                    .warnings = tbk_value_list(arena)};

    *out_result = self.result;
    tbk_value_set_string(arena, self.result, "host", input->remote->name);
    tbk_value_set_bool(arena, self.result, "dry_run", input->dry_run);
    tbk_value_set(arena, self.result, "items", self.items);
    tbk_value_set(arena, self.result, "remarks", self.warnings);
    bool ok = install_all(&self, err);
    tbk_value_set_bool(arena, self.result, "changed", self.changed);
    tbk_value_set_bool(arena, self.result, "complete", ok);
    return ok;
}
