/* SPDX-License-Identifier: MIT */
/* Puts on the VM what is not there yet. */
#include "phases/install.h"

#include "phases/schedule_report.h"

#include <errno.h>
#include <fcntl.h>

#define PHASE "install"
#define STEPS 5
#define REMOTE_TARBALL TBK_STATE_DIRECTORY "/engine-image.tar.gz"
#define LOAD_TIMEOUT_MS 300000
#define BUILT_FOR "x86_64"

typedef struct install {
    tbk_arena *arena;
    const tbk_install_input *input;
    tbk_host_facts facts;
    tbk_value *result;
    tbk_value *items;
    bool changed;
} install;

static void note_item(install *self, const char *name, const char *target, bool was_there,
                      bool in_place)
{
    tbk_value *item = tbk_value_map(self->arena);
    const char *state = in_place    ? "in place"
                        : was_there ? (self->input->dry_run ? "would be updated" : "updated")
                                    : (self->input->dry_run ? "would be installed" : "installed");

    tbk_value_set_string(self->arena, item, "name", name);
    tbk_value_set_string(self->arena, item, "target", target);
    tbk_value_set_string(self->arena, item, "state", state);
    tbk_value_append(self->arena, self->items, item);
    if (!in_place)
        self->changed = true;
    tbk_report_log(self->input->report, in_place ? TBK_LOG_DETAIL : TBK_LOG_INFO, PHASE, "%s: %s",
                   target, state);
}

bool tbk_install_check_host(const tbk_host_facts *facts, tbk_error *err)
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
    if (!facts->flock)
        return tbk_fail(err, TBK_E_REMOTE, "install the package util-linux on the VM",
                        "the VM has no 'flock'");
    if (!facts->cron_running)
        return tbk_fail(err, TBK_E_REMOTE, "on the VM: sudo apt-get install cron",
                        "no cron daemon runs on the VM, so no backup would ever start");
    return true;
}

const tbk_install_directory tbk_install_directories[TBK_INSTALL_DIRECTORIES] = {
    {"/opt/torrust-backup", 0755}, {"/var/log/torrust-backup", 0750}, {TBK_STATE_DIRECTORY, 0750}};

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

    for (size_t i = 0; i < TBK_INSTALL_DIRECTORIES; i++) {
        argv[4 + 2 * i] = tbk_install_directories[i].path;
        argv[5 + 2 * i] =
            tbk_arena_format(self->arena, "%04o", (unsigned)tbk_install_directories[i].mode);
    }
    return tbk_remote_do(self->input->remote, "making directories", &command, &result, err);
}

static bool load_image(const install *self, tbk_error *err)
{
    /* Earlier engines go once the new one is there; one that a run is using refuses to. */
    static const char script[] =
        "docker load -q -i \"$1\" && docker image inspect \"$2\" >/dev/null && rm -f \"$1\" || "
        "exit\n"
        "docker image ls --format '{{.Repository}}:{{.Tag}}' torrust-backup-engine |\n"
        "while IFS= read -r image; do\n"
        "    [ \"$image\" = \"$2\" ] || docker image rm \"$image\" || true\n"
        "done >/dev/null 2>&1";
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
            return tbk_while(err, "installing the engine's image");
    }
    note_item(self, "image", image->tag, false, self->facts.image_present);
    return true;
}

/* Checks on the VM, with the programs that will read them, before anything is put in place. */
static bool check_rendered(const install *self, const tbk_rendered_file *file, tbk_error *err)
{
    const char *const shell[] = {"sh", "-n", NULL};
    const char *const compose[] = {"docker", "compose", "-f", "-", "config", "-q", NULL};
    const char *const *argv = strcmp(file->target, TBK_HOOK_FILE) == 0      ? shell
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
            return tbk_while(err, "installing '%s'", file->target);
    }
    note_item(self, file->name, file->target, installed->exists, in_place);
    return true;
}

static bool install_files(install *self, tbk_error *err)
{
    for (size_t i = 0; i < self->input->rendering->count; i++)
        if (!tbk_report_go_on(self->input->report, err) || !install_file(self, i, err))
            return false;
    return true;
}

static bool install_all(install *self, tbk_error *err)
{
    const tbk_install_input *input = self->input;
    const tbk_report *report = input->report;

    tbk_report_step_started(report, 1, STEPS, "Looking at the VM");
    if (!tbk_host_facts_read(self->arena, input->remote, input->rendering, input->image->tag,
                             input->workspace->options.store, &self->facts, err) ||
        !tbk_install_check_host(&self->facts, err))
        return false;
    tbk_report_step_completed(report, 1, STEPS, "Looking at the VM");

    tbk_report_step_started(report, 2, STEPS, "Making directories");
    if (!input->dry_run && !make_directories(self, err))
        return false;
    tbk_report_step_completed(report, 2, STEPS, "Making directories");

    tbk_report_step_started(report, 3, STEPS, "Installing the engine's image");
    if (!tbk_report_go_on(report, err) || !install_image(self, err))
        return false;
    tbk_report_step_completed(report, 3, STEPS, "Installing the engine's image");

    tbk_report_step_started(report, 4, STEPS, "Installing configuration, hook and schedule");
    if (!install_files(self, err))
        return false;
    tbk_report_step_completed(report, 4, STEPS, "Installing configuration, hook and schedule");

    tbk_report_step_started(report, 5, STEPS, "Checking the schedule");
    if (!tbk_schedule_report(self->arena, input->workspace, &self->facts, self->result, err))
        return false;
    tbk_report_step_completed(report, 5, STEPS, "Checking the schedule");
    return true;
}

bool tbk_install(tbk_arena *arena, const tbk_install_input *input, tbk_value **out_result,
                 tbk_error *err)
{
    install self = {.arena = arena,
                    .input = input,
                    .result = tbk_value_map(arena),
                    .items = tbk_value_list(arena)};

    *out_result = self.result;
    tbk_value_set_string(arena, self.result, "host", input->remote->name);
    tbk_value_set_bool(arena, self.result, "dry_run", input->dry_run);
    tbk_value_set(arena, self.result, "items", self.items);
    bool ok = install_all(&self, err);
    tbk_value_set_bool(arena, self.result, "changed", self.changed);
    tbk_value_set_bool(arena, self.result, "complete", ok);
    return ok;
}
