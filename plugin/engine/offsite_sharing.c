/* SPDX-License-Identifier: MIT */
/* Two machines under one name: a set's id is its time, so both may have one of the same id. */
#include "engine/offsite_internal.h"

#include "store/set.h"

#include <string.h>

#define TAG "manifest-" /* before the first digits of its SHA-256 */
#define DIGITS 16

bool offsite_manifest_tag(tbk_arena *arena, const tbk_stored_set *set, const char **out,
                          tbk_error *err)
{
    tbk_auto(tbk_set) *it = NULL;
    tbk_digest digest;
    char *bytes = NULL;
    size_t length = 0;
    if (!tbk_set_open(set->path, &it, err) ||
        !tbk_set_read_file(it, arena, TBK_SET_MANIFEST_FILE, OFFSITE_MANIFEST_BYTES_MAX, &bytes,
                           &length, err))
        return false;
    tbk_digest_of(bytes, length, &digest);
    *out = tbk_arena_format(arena, TAG "%.*s", DIGITS, digest.hex);
    return true;
}

/* Whether it was sent from another set: a manifest is written once. What was sent before there was
 * such a tag is taken for ours. */
static bool is_of_another(const tbk_snapshot *snapshot, const tbk_stored_set *set)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *found = offsite_tag_after(snapshot, TAG), *tag = NULL;
    tbk_error ignored;
    return found != NULL && offsite_manifest_tag(arena, set, &tag, &ignored) &&
           strcmp(found, tag + strlen(TAG)) != 0;
}

bool offsite_judge_sharing(const offsite_work *work, const tbk_stored_set *set, tbk_error *err)
{
    const char *name = work->settings->name;
    for (const tbk_snapshot *at = work->snapshots; at != NULL; at = at->next)
        if (strcmp(at->set, set->id) == 0 && strcmp(at->name, name) == 0 && is_of_another(at, set))
            return tbk_fail(err, TBK_E_CONFIG,
                            "give each deployment a name of its own ('name' in 'offsite'): of one "
                            "name, each would remove the other's copies",
                            "set %s under the name '%s' off-site is another deployment's", set->id,
                            name);
    return true;
}
