/* SPDX-License-Identifier: MIT */
/* What is wanted, compared with what was found. */
#include "domain/deployment.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *machine, *image;
} architectures[] = {[TBK_ARCHITECTURE_AMD64] = {"x86_64", "amd64"},
                     [TBK_ARCHITECTURE_ARM64] = {"aarch64", "arm64"}};

const char *tbk_architecture_machine(tbk_architecture architecture)
{
    return architectures[architecture].machine;
}

bool tbk_architecture_parse(const char *name, tbk_architecture *out, tbk_error *err)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        if (strcmp(architectures[i].image, name) == 0) {
            *out = (tbk_architecture)i;
            return true;
        }
    return tbk_fail(err, TBK_E_CONFIG, "use one of: amd64, arm64",
                    "an image's architecture is '%s', which is not known here", name);
}

const char *tbk_item_kind_name(tbk_item_kind kind)
{
    static const char *const names[] = {
        [TBK_ITEM_DIRECTORY] = "directory", [TBK_ITEM_IMAGE] = "image",
        [TBK_ITEM_WINDOW] = "window",       [TBK_ITEM_FILE] = "file",
        [TBK_ITEM_SIDECAR] = "sidecar",     [TBK_ITEM_OUTBOUND] = "outbound"};
    return names[kind];
}

/* --- the list --- */

static tbk_action action_for(tbk_item_kind kind, const tbk_item_state *wanted,
                             const tbk_item_state *found)
{
    if (!wanted->exists)
        return TBK_ACTION_REMOVE;
    if (!found->exists)
        return TBK_ACTION_CREATE;
    bool is_as_wanted =
        found->mode == wanted->mode && found->is_owned == wanted->is_owned &&
        (kind != TBK_ITEM_FILE || tbk_digest_equal(&found->digest, &wanted->digest));
    return is_as_wanted ? TBK_ACTION_NONE : TBK_ACTION_CHANGE;
}

static tbk_item *add(tbk_items *items, tbk_item_kind kind, const char *path, tbk_item_state wanted,
                     tbk_item_state found)
{
    tbk_item *item = &items->list[items->count++];
    *item = (tbk_item){.kind = kind,
                       .path = path,
                       .wanted = wanted,
                       .found = found,
                       .action = action_for(kind, &wanted, &found),
                       .reason = ""};
    return item;
}

/* In the order in which they are made. */
const tbk_directory tbk_directories[TBK_DIRECTORIES] = {
    {TBK_OUR_FOLDER, 0755, 0, TBK_DIRECTORY_ALWAYS},
    {TBK_OUTBOUND_DIRECTORY, 0755, TBK_OUTBOUND_USER, TBK_DIRECTORY_ALWAYS},
    {TBK_SECRETS_DIRECTORY, 0700, 0, TBK_DIRECTORY_OFFSITE},
    {TBK_LOG_DIRECTORY, 0750, 0, TBK_DIRECTORY_WINDOW},
    {TBK_STATE_DIRECTORY, 0750, 0, TBK_DIRECTORY_WINDOW},
};

static bool is_used(const tbk_directory *directory, const tbk_deployment *deployment)
{
    return directory->use == TBK_DIRECTORY_ALWAYS ||
           (directory->use == TBK_DIRECTORY_OFFSITE && deployment->secrets->count > 0) ||
           (directory->use == TBK_DIRECTORY_WINDOW && deployment->options->mode == TBK_MODE_WINDOW);
}

static void add_directories(tbk_arena *arena, const tbk_deployment *deployment,
                            const tbk_found *found, tbk_items *out)
{
    for (size_t i = 0; i < TBK_DIRECTORIES; i++) {
        const tbk_directory *directory = &tbk_directories[i];
        unsigned wanted = directory->mode, is = found->directories[i].mode;
        if (!is_used(directory, deployment))
            continue;
        tbk_item *item =
            add(out, TBK_ITEM_DIRECTORY, directory->path,
                (tbk_item_state){.exists = true, .mode = directory->mode, .is_owned = true},
                found->directories[i]);
        if (item->action == TBK_ACTION_CREATE)
            item->reason = tbk_arena_format(arena, "mode %o", wanted);
        else if (item->action == TBK_ACTION_CHANGE)
            item->reason =
                tbk_arena_format(arena, "mode %o, now %o%s", wanted, is,
                                 found->directories[i].is_owned ? "" : " of another user");
    }
}

static void add_image(tbk_arena *arena, const tbk_image_facts *image, bool is_there, tbk_items *out)
{
    uint64_t bytes = image->size_bytes;
    tbk_item *item = add(out, TBK_ITEM_IMAGE, image->tag, (tbk_item_state){.exists = true},
                         (tbk_item_state){.exists = is_there});
    if (item->action == TBK_ACTION_CREATE)
        item->reason = tbk_arena_format(arena, "%" PRIu64 ".%" PRIu64 " MB to upload",
                                        bytes / 1000000, bytes / 100000 % 10);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void add_file(tbk_arena *arena, const tbk_rendered_file *file, const tbk_item_state *found,
                     tbk_items *out)
{
    const tbk_item_state wanted = {
        .exists = true, .mode = file->mode, .is_owned = true, .digest = file->digest};
    tbk_item *item = add(out, TBK_ITEM_FILE, file->target, wanted, *found);
    item->file = file;
    if (item->action == TBK_ACTION_CREATE)
        item->reason = tbk_arena_format(arena, "%zu lines", count_lines(file->bytes));
    else if (found->mode != file->mode || !found->is_owned)
        item->reason =
            tbk_arena_format(arena, "mode %o of root, now %o%s", (unsigned)file->mode,
                             (unsigned)found->mode, found->is_owned ? "" : " of another user");
}

static void add_sidecar(bool is_wanted, const tbk_found *found, tbk_items *out)
{
    (void)add(out, TBK_ITEM_SIDECAR, "the sidecar's container",
              (tbk_item_state){.exists = is_wanted},
              (tbk_item_state){.exists = found->has_sidecar});
}

static void add_outbound(bool is_wanted, const tbk_found *found, tbk_items *out)
{
    (void)add(out, TBK_ITEM_OUTBOUND,
              is_wanted ? "the container that takes sets off-site"
                        : "what takes sets off-site: its container, its secrets",
              (tbk_item_state){.exists = is_wanted},
              (tbk_item_state){.exists = found->has_outbound});
}

/* What the other mode has left goes before the files of this one come. */
static void add_other_mode(tbk_mode mode, const tbk_found *found, tbk_items *out)
{
    if (mode == TBK_MODE_WINDOW && found->has_sidecar)
        add_sidecar(false, found, out);
    else if (mode == TBK_MODE_SIDECAR && found->window_file[0] != '\0')
        add(out, TBK_ITEM_WINDOW, "the maintenance window: crontab, hook, log",
            (tbk_item_state){.exists = false}, (tbk_item_state){.exists = true})
            ->evidence = found->window_file;
}

void tbk_items_of(tbk_arena *arena, const tbk_deployment *deployment, const tbk_found *found,
                  tbk_items *out)
{
    tbk_mode mode = deployment->options->mode;
    const tbk_rendering *rendering = deployment->rendering;
    const tbk_secrets *secrets = deployment->secrets;
    out->count = 0;
    add_directories(arena, deployment, found, out);
    add_image(arena, &deployment->image, found->has_image, out);
    if (secrets->count > 0)
        add_image(arena, &deployment->outbound_image, found->has_outbound_image, out);
    else if (found->has_outbound)
        add_outbound(false, found, out);
    add_other_mode(mode, found, out);
    for (size_t i = 0; i < secrets->count; i++)
        add_file(arena, &secrets->files[i], &found->files[rendering->count + i], out);
    for (size_t i = 0; i < rendering->count; i++)
        add_file(arena, &rendering->files[i], &found->files[i], out);
    if (mode == TBK_MODE_SIDECAR)
        add_sidecar(true, found, out);
    if (secrets->count > 0)
        add_outbound(true, found, out);
}

bool tbk_item_is_service(const tbk_item *item)
{
    return item->wanted.exists &&
           (item->kind == TBK_ITEM_SIDECAR || item->kind == TBK_ITEM_OUTBOUND);
}

void tbk_item_take_step(tbk_item *item, tbk_service_step step)
{
    const char *waits_for =
        item->kind == TBK_ITEM_SIDECAR ? "it waits for a tracker" : "it waits for a first backup";
    item->action = step == TBK_SERVICE_TO_START ? TBK_ACTION_CREATE
                   : step == TBK_SERVICE_WAITS  ? TBK_ACTION_WAIT
                                                : TBK_ACTION_NONE;
    item->reason = step == TBK_SERVICE_WAITS ? waits_for : "";
}

bool tbk_item_is_change(const tbk_item *item)
{
    return item->action != TBK_ACTION_NONE && item->action != TBK_ACTION_WAIT;
}

/* --- drift --- */

const char *tbk_items_drift(tbk_arena *arena, const tbk_items *items, bool docker_answers)
{
    const char *missing = NULL, *differs = NULL, *image = NULL;
    bool has_any = false;
    for (const tbk_item *item = items->list; item < items->list + items->count; item++) {
        bool is_file = item->kind == TBK_ITEM_FILE, is_missing = item->action == TBK_ACTION_CREATE;
        has_any = has_any || (is_file && !is_missing);
        if (is_file && is_missing)
            missing = item->path;
        else if (is_file && item->action == TBK_ACTION_CHANGE)
            differs = item->path;
        else if (item->kind == TBK_ITEM_IMAGE && is_missing && docker_answers)
            image = item->path;
    }
    if (!has_any)
        return "the backup is not installed; run 'torrust-backup configure'";
    if (missing != NULL)
        return tbk_arena_format(arena, "'%s' is missing; run 'torrust-backup configure'", missing);
    if (differs != NULL)
        return tbk_arena_format(arena, "'%s' is not as rendered; run 'torrust-backup configure'",
                                differs);
    return image != NULL ? tbk_arena_format(arena,
                                            "the image '%s' is missing; run 'torrust-backup "
                                            "configure'",
                                            image)
                         : NULL;
}

const char *tbk_items_other_mode(tbk_arena *arena, const tbk_items *items)
{
    for (const tbk_item *item = items->list; item < items->list + items->count; item++)
        if (item->action == TBK_ACTION_REMOVE && item->kind == TBK_ITEM_OUTBOUND)
            return "sets still go off-site from the VM, but there is no 'offsite' in the options "
                   "file; run 'torrust-backup configure'";
        else if (item->action == TBK_ACTION_REMOVE)
            return item->kind == TBK_ITEM_SIDECAR
                       ? "a sidecar is on the VM, but the mode is window; write 'mode: sidecar' "
                         "into the options file, or run 'torrust-backup configure'"
                       : tbk_arena_format(arena,
                                          "'%s' of the maintenance window is still there; run "
                                          "'torrust-backup configure'",
                                          item->evidence);
    return NULL;
}
