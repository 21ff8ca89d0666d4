/* SPDX-License-Identifier: MIT */
/* Applies the list of items, one after the other. */
#include "commands/configure.h"

#include "commands/database_use.h"
#include "commands/host_facts.h"
#include "commands/mode_switch.h"
#include "commands/outbound.h"
#include "commands/outbound_client.h"
#include "commands/rules_check.h"
#include "commands/schedule_report.h"

#include <errno.h>
#include <fcntl.h>

#define PHASE "install"
#define REMOTE_TARBALL TBK_OUR_FOLDER "/engine-image.tar.gz"
#define LOAD_TIMEOUT_MS 300000

typedef struct configuration {
    tbk_arena *arena;
    const tbk_vm *vm;
    bool dry_run;
    tbk_host_facts facts;
    tbk_items items;
    tbk_value *result;
    tbk_value *told; /* the items in the result */
    tbk_value *warnings;
    bool changed;
} configuration;

/* --- what is told --- */

static const char *state_of(const tbk_item *item, bool dry_run)
{
    static const char *const states[][2] = {
        [TBK_ACTION_NONE] = {"in place", "in place"},
        [TBK_ACTION_CREATE] = {"installed", "would be installed"},
        [TBK_ACTION_CHANGE] = {"updated", "would be updated"},
        [TBK_ACTION_REMOVE] = {"removed", "would be removed"},
        [TBK_ACTION_WAIT] = {"waits for a tracker", "waits for a tracker"}};

    if (tbk_item_is_service(item) && item->action == TBK_ACTION_CREATE)
        return dry_run ? "would be started" : "started";
    if (item->kind == TBK_ITEM_OUTBOUND && item->action == TBK_ACTION_WAIT)
        return "waits for a first backup";
    return states[item->action][dry_run ? 1 : 0];
}

static void tell_item(configuration *self, const tbk_item *item)
{
    const char *state = state_of(item, self->dry_run);
    bool is_change = tbk_item_is_change(item);
    tbk_value *told = tbk_value_map(self->arena);

    tbk_value_set_string(self->arena, told, "name",
                         item->file != NULL ? item->file->name : tbk_item_kind_name(item->kind));
    tbk_value_set_string(self->arena, told, "target", item->path);
    tbk_value_set_string(self->arena, told, "state", state);
    tbk_value_append(self->arena, self->told, told);
    self->changed = self->changed || is_change;
    tbk_report_log(self->vm->report, is_change ? TBK_LOG_INFO : TBK_LOG_DETAIL, PHASE, "%s: %s",
                   item->path, state);
}

static void warn(configuration *self, const char *text)
{
    tbk_value_append(self->arena, self->warnings, tbk_value_string(self->arena, text));
}

/* --- directories and image --- */

static unsigned owner_of(const char *path)
{
    for (size_t i = 0; i < TBK_DIRECTORIES; i++)
        if (strcmp(tbk_directories[i].path, path) == 0)
            return tbk_directories[i].owner;
    return 0;
}

/* All in one command, with what an interrupted upload may have left. */
static bool apply_directories(configuration *self, tbk_error *err)
{
    static const char script[] =
        "while [ $# -gt 0 ]; do\n"
        "    install -d -m \"$2\" -o \"$3\" -g \"$3\" \"$1\" || exit; shift 3\n"
        "done\n"
        "rm -f " REMOTE_TARBALL " " REMOTE_TARBALL "~";
    const char *argv[5 + 3 * TBK_DIRECTORIES] = {"sh", "-c", script, "directories"};
    const tbk_remote_command command = {.argv = argv, .as_root = true, .report = self->vm->report};
    tbk_auto_remote_result result = {0};
    size_t count = 4;

    if (self->dry_run)
        return true;
    for (size_t i = 0; i < self->items.count; i++) {
        const tbk_item *item = &self->items.list[i];
        if (item->kind != TBK_ITEM_DIRECTORY || item->action == TBK_ACTION_NONE)
            continue;
        argv[count++] = item->path;
        argv[count++] = tbk_arena_format(self->arena, "%04o", (unsigned)item->wanted.mode);
        argv[count++] = tbk_arena_format(self->arena, "%u", owner_of(item->path));
    }
    return tbk_remote_do(self->vm->remote, "making directories", &command, &result, err);
}

static bool load_image(const configuration *self, const tbk_image *image, tbk_error *err)
{
    static const char script[] =
        "docker load -q -i \"$1\" && docker image inspect \"$2\" >/dev/null && rm -f \"$1\"\n";
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", script, "load", REMOTE_TARBALL, image->tag, NULL},
        .as_root = true,
        .timeout_ms = LOAD_TIMEOUT_MS,
        .report = self->vm->report};
    tbk_auto_remote_result result = {0};

    return tbk_remote_do(self->vm->remote, "loading an image", &command, &result, err);
}

static bool put_image(const configuration *self, const char *tag, tbk_error *err)
{
    const tbk_vm *vm = self->vm;
    const tbk_image *image = strcmp(tag, vm->image->tag) == 0 ? vm->image : vm->outbound_image;
    tbk_auto_fd int fd = open(image->tarball_path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "opening '%s'", image->tarball_path);
    const tbk_remote_file file = {.path = REMOTE_TARBALL, .mode = 0600, .fd = fd};
    return (tbk_remote_put(vm->remote, &file, &image->digest, vm->report, err) &&
            load_image(self, image, err)) ||
           tbk_error_context(err, "installing the image '%s'", tag);
}

/* --- files --- */

/* Checks on the VM, with the programs that will read them, before anything is put in place. */
static bool check_rendered(const configuration *self, const tbk_rendered_file *file, tbk_error *err)
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
                                        .report = self->vm->report};
    return tbk_remote_do(self->vm->remote,
                         tbk_arena_format(self->arena, "checking '%s'", file->name), &command,
                         &result, err);
}

static bool put_file(const configuration *self, const tbk_rendered_file *file, tbk_error *err)
{
    const tbk_remote_file put = {
        .path = file->target, .mode = file->mode, .bytes = file->bytes, .size_bytes = file->length};

    return (check_rendered(self, file, err) &&
            tbk_remote_put(self->vm->remote, &put, &file->digest, self->vm->report, err)) ||
           tbk_error_context(err, "installing '%s'", file->target);
}

/* They go when nothing refers to them any more; one that a run is still using refuses to. */
static bool remove_older_images(const configuration *self, tbk_error *err)
{
    static const char script[] =
        "for name in " TBK_ENGINE_IMAGE " " TBK_OUTBOUND_IMAGE "; do\n"
        "    docker image ls --format '{{.Repository}}:{{.Tag}}' \"$name\"\n"
        "done | while IFS= read -r image; do\n"
        "    [ \"$image\" = \"$1\" ] || [ \"$image\" = \"$2\" ] || docker image rm \"$image\" || "
        "true\n"
        "done >/dev/null 2>&1";
    const char *outbound = self->vm->secrets->count > 0 ? self->vm->outbound_image->tag : "";
    const tbk_remote_command command = {.argv = (const char *const[]){"sh", "-c", script, "older",
                                                                      self->vm->image->tag,
                                                                      outbound, NULL},
                                        .as_root = true,
                                        .report = self->vm->report};
    tbk_auto_remote_result result = {0};

    if (!self->changed || self->dry_run)
        return true;
    return tbk_remote_do(self->vm->remote, "removing older images", &command, &result, err);
}

/* --- the items --- */

/* What is to be done shows only there and then, by the files that are in place. */
static bool apply_sidecar(configuration *self, tbk_item *item, tbk_error *err)
{
    tbk_service_step step = TBK_SERVICE_IN_PLACE;

    if (!(self->dry_run ? tbk_sidecar_look : tbk_sidecar_start)(self->arena, self->vm, &step, err))
        return false;
    tbk_item_take_step(item, step);
    if (item->action == TBK_ACTION_WAIT)
        warn(self, "the sidecar is not started yet: there is no tracker on the VM; run "
                   "'torrust-backup configure' again after the deployer's 'run'");
    return true;
}

/* What would fail each night is said now. */
static bool look_at_repository(configuration *self, tbk_error *err)
{
    tbk_offsite_contact contact;

    if (!tbk_offsite_probe(self->arena, self->vm, &contact, err))
        return false;
    if (contact.problem != NULL)
        warn(self, tbk_arena_format(self->arena, "nothing can go off-site: %s", contact.problem));
    return true;
}

static bool apply_outbound(configuration *self, tbk_item *item, tbk_error *err)
{
    tbk_service_step step = TBK_SERVICE_IN_PLACE;

    if (!tbk_outbound_apply(self->vm, self->dry_run, &step, err))
        return false;
    tbk_item_take_step(item, step);
    if (item->action == TBK_ACTION_WAIT)
        warn(self, "nothing goes off-site yet: there is no store on the VM; 'torrust-backup "
                   "verify' starts it after the first backup, or run 'configure' again");
    else if (!self->dry_run)
        return look_at_repository(self, err);
    return true;
}

static bool apply_item(configuration *self, tbk_item *item, tbk_error *err)
{
    const tbk_vm *vm = self->vm;

    if (tbk_item_is_service(item))
        return (item->kind == TBK_ITEM_SIDECAR ? apply_sidecar : apply_outbound)(self, item, err);
    if (self->dry_run || item->action == TBK_ACTION_NONE)
        return true;
    switch (item->kind) {
    case TBK_ITEM_IMAGE:
        return put_image(self, item->path, err);
    case TBK_ITEM_FILE:
        return put_file(self, item->file, err);
    case TBK_ITEM_WINDOW:
        return tbk_window_remove(vm->remote, vm->report, err);
    case TBK_ITEM_SIDECAR:
        return tbk_sidecar_remove(vm->remote, vm->report, err);
    case TBK_ITEM_OUTBOUND:
        return tbk_outbound_remove(vm->remote, vm->report, err);
    case TBK_ITEM_DIRECTORY:
        break;
    }
    return true;
}

static bool apply_and_tell(configuration *self, tbk_item *item, tbk_error *err)
{
    if (!apply_item(self, item, err))
        return false;
    tell_item(self, item);
    return true;
}

static bool apply_image(configuration *self, tbk_error *err)
{
    for (size_t i = 0; i < self->items.count; i++)
        if (self->items.list[i].kind == TBK_ITEM_IMAGE &&
            !apply_and_tell(self, &self->items.list[i], err))
            return false;
    return true;
}

/* All that comes after the image: the other mode's parts, files, the sidecar. */
static bool apply_rest(configuration *self, tbk_error *err)
{
    for (size_t i = 0; i < self->items.count; i++) {
        tbk_item *item = &self->items.list[i];
        if (item->kind == TBK_ITEM_DIRECTORY || item->kind == TBK_ITEM_IMAGE)
            continue;
        if (item->kind == TBK_ITEM_FILE && !tbk_report_go_on(self->vm->report, err))
            return false;
        if (!apply_and_tell(self, item, err))
            return false;
    }
    return remove_older_images(self, err);
}

/* --- before and after --- */

static bool look_at_host(configuration *self, tbk_error *err)
{
    const tbk_vm *vm = self->vm;

    if (!tbk_vm_look(self->arena, vm, &self->facts, err) ||
        !tbk_host_facts_check(&self->facts, vm->image->architecture, tbk_vm_mode(vm), err))
        return false;
    tbk_vm_items(self->arena, vm, &self->facts, &self->items);
    return true;
}

static bool check_rules(configuration *self, tbk_error *err)
{
    const char *unchecked = NULL;

    if (!tbk_rules_check(self->arena, self->vm, &unchecked, err))
        return false;
    if (unchecked != NULL)
        warn(self, tbk_arena_format(self->arena, "the rules of 'essential' were not checked: %s",
                                    unchecked));
    return true;
}

/* Before anything of the mode that is there goes. A dry run may have no image yet to ask. */
static bool check_database(configuration *self, tbk_error *err)
{
    if (self->dry_run && !self->facts.found.has_image)
        return true;
    return check_rules(self, err) && (tbk_vm_mode(self->vm) == TBK_MODE_WINDOW ||
                                      tbk_sidecar_check_database(self->arena, self->vm, err));
}

/* Certain or not, `configure` goes on: that may be the way out. */
static bool look_at_database(configuration *self, tbk_error *err)
{
    const char *problem = NULL, *warning = NULL;

    if (!tbk_database_use_tell(self->arena, self->vm, &self->facts, &problem, &warning, err))
        return false;
    if (problem != NULL)
        warn(self, tbk_arena_format(self->arena, "backups would fail: %s", problem));
    if (warning != NULL)
        warn(self, warning);
    return true;
}

static bool report_schedule(configuration *self, tbk_error *err)
{
    if (self->vm->workspace->mode_is_unwritten)
        warn(self, "the mode was given for this command only; write 'mode' into the options "
                   "file, or give --mode to every command");
    return look_at_database(self, err) &&
           tbk_schedule_report(self->arena, self->vm->workspace, &self->facts, self->result,
                               self->warnings, err);
}

static bool configure_all(configuration *self, tbk_error *err)
{
    static const struct {
        const char *title;
        bool (*work)(configuration *self, tbk_error *err);
    } steps[] = {{"Looking at the VM", look_at_host},
                 {"Making directories", apply_directories},
                 {"Installing images", apply_image},
                 {"Checking the database", check_database},
                 {"Installing configuration and schedule", apply_rest},
                 {"Checking the schedule", report_schedule}};
    const uint32_t count = sizeof steps / sizeof *steps;
    const tbk_report *report = self->vm->report;

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
    configuration self = {.arena = arena,
                          .vm = &input->vm,
                          .dry_run = input->dry_run,
                          .result = tbk_value_map(arena),
                          .told = tbk_value_list(arena),
                          .warnings = tbk_value_list(arena)};

    *out_result = self.result;
    tbk_value_set_string(arena, self.result, "host", input->vm.remote->name);
    tbk_value_set_bool(arena, self.result, "dry_run", input->dry_run);
    tbk_value_set(arena, self.result, "items", self.told);
    tbk_value_set(arena, self.result, "remarks", self.warnings);
    bool ok = configure_all(&self, err);
    tbk_value_set_bool(arena, self.result, "changed", self.changed);
    tbk_value_set_bool(arena, self.result, "complete", ok);
    return ok;
}
