/* SPDX-License-Identifier: MIT */
/* The sets of a store: read, listed, and the one that is wanted found. */
#include "store/store_internal.h"

#include "base/clock.h"
#include "store/set.h"

#include <fcntl.h>
#include <string.h>

/* --- one --- */

static bool read_manifest(const tbk_set *set, tbk_arena *arena, const char *id, tbk_manifest *out,
                          tbk_error *err)
{
    if (!tbk_set_read_manifest(set, arena, out, err))
        return false;
    if (out->id == NULL || strcmp(out->id, id) != 0)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "the manifest is that of '%s'",
                        out->id != NULL ? out->id : "");
    return true;
}

/* Only that a thing is not there, or not what it should be, is damage. */
static void note_damage(tbk_stored_set *set, tbk_arena *arena, const tbk_error *err)
{
    set->damage = tbk_arena_copy(arena, err->message);
    set->is_unread = err->code == TBK_E_IO;
}

static void look_into(tbk_stored_set *stored, tbk_arena *arena, const tbk_set *set)
{
    tbk_error err;
    tbk_manifest *manifest = TBK_ARENA_NEW(arena, tbk_manifest);
    if (read_manifest(set, arena, stored->id, manifest, &err))
        stored->manifest = manifest;
    if (stored->manifest == NULL || !tbk_set_check_sizes(set, manifest, &err))
        note_damage(stored, arena, &err);
    if (stored->manifest != NULL)
        stored->stranger = tbk_set_find_stranger(set, arena, manifest);
    /* A proof that is missing or cannot be read proves nothing, and is no damage. */
    if (!tbk_set_read_proof(set, arena, &stored->proof, &err))
        stored->proof = (tbk_proof){.level = TBK_PROOF_NONE};
}

tbk_stored_set *tbk_store_read_set(const tbk_store *store, tbk_arena *arena, const char *id)
{
    tbk_error err;
    tbk_stored_set *stored = TBK_ARENA_NEW(arena, tbk_stored_set);
    stored->id = tbk_arena_copy(arena, id);
    stored->path = tbk_store_path_in(store, arena, id);
    (void)tbk_clock_parse_compact(id, &stored->time_s);
    int fd = openat(store->fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        (void)tbk_set_fail_unseen(id, &err);
        note_damage(stored, arena, &err);
        return stored;
    }
    tbk_auto(tbk_set) *set = tbk_set_new(fd, stored->path, false);
    look_into(stored, arena, set);
    return stored;
}

bool tbk_store_open_set(const tbk_store *store, const char *id, tbk_set **out, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    return tbk_set_open_at(store->fd, id, tbk_store_path_in(store, arena, id), out, err);
}

/* --- all --- */

static void insert_newest_first(tbk_stored_set **list, tbk_stored_set *set)
{
    while (*list != NULL && strcmp((*list)->id, set->id) > 0)
        list = &(*list)->next;
    set->next = *list;
    *list = set;
}

bool tbk_store_list(const tbk_store *store, tbk_arena *arena, tbk_stored_set **out, tbk_error *err)
{
    tbk_auto(DIR) *listing = tbk_listing_open(store->fd, ".");
    if (listing == NULL)
        return tbk_store_fail(err, store, "list the sets");
    tbk_stored_set *list = NULL;
    bool good;
    for (const struct dirent *entry; (entry = tbk_listing_next(listing, &good)) != NULL;)
        if (tbk_store_is_id(entry->d_name))
            insert_newest_first(&list, tbk_store_read_set(store, arena, entry->d_name));
    if (!good)
        return tbk_store_fail(err, store, "list the sets");
    *out = list;
    return true;
}

bool tbk_stored_set_is_usable(const tbk_stored_set *set, int64_t now_s)
{
    return set->damage == NULL && !tbk_retention_is_future(set->time_s, now_s);
}

bool tbk_stored_set_is_of(const tbk_stored_set *set, const tbk_set_kind *kind)
{
    return tbk_stored_set_is_usable(set, kind->now_s) && set->manifest->profile == kind->profile &&
           (kind->origin == NULL || tbk_origin_owns(kind->origin, set->manifest));
}

const tbk_stored_set *tbk_stored_set_first_of(const tbk_stored_set *set, const tbk_set_kind *kind)
{
    while (set != NULL && !tbk_stored_set_is_of(set, kind))
        set = set->next;
    return set;
}

bool tbk_stored_set_is_ours(const tbk_stored_set *set)
{
    return set->manifest != NULL && set->stranger == NULL;
}

/* --- the one that is wanted --- */

static bool may_be_latest(const tbk_stored_set *set, const tbk_set_choice *choice)
{
    if (!tbk_stored_set_is_usable(set, choice->now_s))
        return false;
    const tbk_origin made_by = tbk_origin_of(set->manifest);
    return choice->origin == NULL || !tbk_origin_differs(choice->origin, &made_by);
}

/* Without knowing whose, the newest of several databases would be a guess. */
static bool check_only(const tbk_store *store, tbk_arena *arena, const tbk_stored_set *latest,
                       const tbk_set_choice *choice, tbk_error *err)
{
    const tbk_origin its = tbk_origin_of(latest->manifest);
    for (const tbk_stored_set *set = latest->next; set != NULL; set = set->next) {
        if (!may_be_latest(set, choice))
            continue;
        const tbk_origin other = tbk_origin_of(set->manifest);
        if (tbk_origin_differs(&its, &other))
            return tbk_fail(err, TBK_E_USAGE, "name the set with --set ID ('list' shows them)",
                            "the store '%s' holds sets of several databases: %s, and %s",
                            store->path, tbk_origin_words(arena, &its),
                            tbk_origin_words(arena, &other));
    }
    return true;
}

static bool find_latest(const tbk_store *store, tbk_arena *arena, const tbk_set_choice *choice,
                        tbk_stored_set *list, tbk_stored_set **out, tbk_error *err)
{
    tbk_stored_set *set = list;
    while (set != NULL && !may_be_latest(set, choice))
        set = set->next;
    if (list == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND, "make a backup first", "the store '%s' holds no set",
                        store->path);
    if (set == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND,
                        "see 'list'; make a backup, or name a set with --set ID",
                        "no set in '%s' can be the latest%s%s: those that there are are damaged, "
                        "from the future, or of another database",
                        store->path, choice->origin != NULL ? " of " : "",
                        choice->origin != NULL ? tbk_origin_words(arena, choice->origin) : "");
    *out = set;
    return check_only(store, arena, set, choice, err);
}

static bool find_named(const tbk_store *store, const char *id, tbk_stored_set *set,
                       tbk_stored_set **out, tbk_error *err)
{
    while (set != NULL && strcmp(set->id, id) != 0)
        set = set->next;
    if (set == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND, "'list' shows the sets that there are",
                        "there is no set '%s' in '%s'", id, store->path);
    if (set->is_unread)
        return tbk_fail(err, TBK_E_IO, "check the store's disk and permissions, then try again",
                        "the set '%s' could not be looked at: %s", set->path, set->damage);
    if (set->damage != NULL)
        return tbk_fail(err, TBK_E_CORRUPT, "choose another set, or make a new backup",
                        "the set '%s' is damaged: %s", set->path, set->damage);
    *out = set;
    return true;
}

bool tbk_store_find(const tbk_store *store, tbk_arena *arena, const tbk_set_choice *choice,
                    tbk_stored_set **out, tbk_error *err)
{
    tbk_stored_set *list = NULL;
    if (!tbk_store_list(store, arena, &list, err))
        return false;
    if (choice->id == NULL || strcmp(choice->id, "latest") == 0)
        return find_latest(store, arena, choice, list, out, err);
    return find_named(store, choice->id, list, out, err);
}
