/* SPDX-License-Identifier: MIT */
/* What is looked at in a repository by restic, without any lock. */
#include "adapters/restic_look.h"

#include "adapters/restic_run.h"
#include "base/clock.h"

#include <string.h>

#define IDENTIFY_LIMIT_S 60
#define IDENTIFY_TRIES 4
#define SNAPSHOTS_MOST 20000
#define FILES_MOST 1000
#define LOCKS_MOST 100
#define LOCK_LINE_BYTES 65 /* an id and a line break */

/* What is collected, and what for. */
typedef struct collection {
    tbk_arena *arena; /* of the caller */
    const char *set;
    size_t count;
    tbk_snapshot *snapshots;
    tbk_snapshot_file *files, **end;
    const char *id;
    tbk_repository_lock *lock;
} collection;

/* --- identify --- */

static bool take_repository(void *self, const char *bytes, size_t length, tbk_error *err)
{
    collection *into = self;
    (void)err;
    tbk_auto(tbk_arena) *scratch = tbk_arena_new();
    const char *id = tbk_value_text_at(tbk_restic_object(scratch, bytes, length), "id", "");
    if (tbk_restic_is_id(id))
        into->id = tbk_arena_copy(into->arena, id);
    return true;
}

/* restic may end before it has passed on why ssh has ended, which is the reason. */
static bool lacks_the_reason(const tbk_restic *it, const tbk_restic_words *words)
{
    return it->sftp_arguments != NULL && words->fatal_kind == TBK_E_NETWORK &&
           words->ssh[0] == '\0';
}

bool tbk_restic_identify(void *self, tbk_arena *arena, const char **out_id, tbk_error *err)
{
    const tbk_restic *it = self;
    collection into = {.arena = arena};
    tbk_auto_restic_objects objects = {.take = take_repository, .self = &into};
    const tbk_restic_call call = {
        .what = "cannot open it",
        .words = (const char *const[]){"cat", "config", TBK_RESTIC_NO_LOCK, NULL},
        .limit_s = IDENTIFY_LIMIT_S,
        .on_output = tbk_restic_take_objects,
        .on_output_self = &objects};
    tbk_restic_words words;
    int status;
    int tries = 0;
    do {
        if (!tbk_restic_run(it, &call, &words, &status, err))
            return false;
    } while (status != 0 && lacks_the_reason(it, &words) && ++tries < IDENTIFY_TRIES);
    if (status != 0)
        return tbk_restic_fail(it, &call, &words, status, err);
    if (into.id == NULL)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "the repository '%.200s' has no id",
                        it->settings.repository);
    *out_id = into.id;
    return true;
}

/* --- list, files --- */

static bool take_snapshot(void *self, const char *bytes, size_t length, tbk_error *err)
{
    collection *into = self;
    tbk_auto(tbk_arena) *scratch = tbk_arena_new();
    tbk_snapshot *found =
        tbk_restic_snapshot(into->arena, tbk_restic_object(scratch, bytes, length));
    if (found == NULL)
        return true;
    if (++into->count > SNAPSHOTS_MOST)
        return tbk_fail(err, TBK_E_UNSUPPORTED, "forget old ones with restic itself",
                        "the repository has more than %d sets", SNAPSHOTS_MOST);
    found->next = into->snapshots;
    into->snapshots = found;
    return true;
}

/* A snapshot that it cannot load it leaves out, and ends with 0. */
bool tbk_restic_list(void *self, tbk_arena *arena, tbk_snapshot **out, const char **out_gap,
                     tbk_error *err)
{
    collection into = {.arena = arena};
    tbk_restic_words words;
    int status;
    tbk_restic_call call = {.what = "cannot list the sets",
                            .words = (const char *const[]){"snapshots", TBK_RESTIC_NO_LOCK, "--tag",
                                                           TBK_RESTIC_TAG, NULL},
                            .limit_s = TBK_RESTIC_LOOK_LIMIT_S};
    tbk_auto_restic_objects objects = {.take = take_snapshot, .self = &into};
    call.on_output = tbk_restic_take_objects;
    call.on_output_self = &objects;
    if (!tbk_restic_run(self, &call, &words, &status, err))
        return false;
    if (status != 0)
        return tbk_restic_fail(self, &call, &words, status, err);
    *out_gap = words.ignored[0] != '\0' ? tbk_arena_copy(arena, words.ignored) : NULL;
    *out = tbk_restic_sort(arena, into.snapshots, into.count);
    return true;
}

static bool take_node(void *self, const char *bytes, size_t length, tbk_error *err)
{
    collection *into = self;
    tbk_snapshot_file *file = NULL;
    tbk_auto(tbk_arena) *scratch = tbk_arena_new();
    const tbk_value *object = tbk_restic_object(scratch, bytes, length);
    if (object == NULL)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "restic's list of files cannot be read");
    if (strcmp(tbk_restic_kind(object), "node") != 0)
        return true;
    if (!tbk_restic_node(into->arena, object, into->set, &file, err))
        return false;
    if (file == NULL)
        return true;
    if (++into->count > FILES_MOST)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "the snapshot holds more files than any set has");
    *into->end = file;
    into->end = &file->next;
    return true;
}

bool tbk_restic_check_snapshot(const tbk_snapshot *snapshot, tbk_error *err)
{
    int64_t time_s;
    if (tbk_restic_is_id(snapshot->id) && tbk_clock_parse_compact(snapshot->set, &time_s))
        return true;
    return tbk_fail(err, TBK_E_USAGE, NULL, "'%.100s' is no snapshot of a set", snapshot->id);
}

bool tbk_restic_files(void *self, tbk_arena *arena, const tbk_snapshot *snapshot,
                      tbk_snapshot_file **out, tbk_error *err)
{
    collection into = {.arena = arena, .set = snapshot->set};
    into.end = &into.files;
    tbk_restic_call call = {.what = "cannot list the set's files",
                            .words =
                                (const char *const[]){"ls", TBK_RESTIC_NO_LOCK, snapshot->id, NULL},
                            .limit_s = TBK_RESTIC_LOOK_LIMIT_S};
    tbk_auto_restic_objects objects = {.take = take_node, .self = &into};
    if (!tbk_restic_check_snapshot(snapshot, err) ||
        !tbk_restic_do_objects(self, &call, &objects, err))
        return false;
    *out = into.files;
    return true;
}

/* --- read --- */

bool tbk_restic_read(void *self, const tbk_snapshot *snapshot, const char *file,
                     bool (*take)(void *taker, const char *bytes, size_t length, tbk_error *err),
                     void *taker, tbk_error *err)
{
    if (!tbk_restic_check_snapshot(snapshot, err))
        return false;
    if (!tbk_restic_is_file_name(file))
        return tbk_fail(err, TBK_E_USAGE, NULL, "'%.150s' is no file of a set", file);
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *path = tbk_arena_format(arena, "/%s/%s", snapshot->set, file);
    const tbk_restic_call call = {
        .what = "cannot read a file of the set",
        .words = (const char *const[]){"dump", TBK_RESTIC_NO_LOCK, snapshot->id, path, NULL},
        .phase = "download",
        .on_output = take,
        .on_output_self = taker};
    return tbk_restic_do(self, &call, err);
}

/* --- locks --- */

static bool take_lock(void *self, const char *bytes, size_t length, tbk_error *err)
{
    collection *into = self;
    (void)err;
    tbk_auto(tbk_arena) *scratch = tbk_arena_new();
    into->lock = tbk_restic_lock(into->arena, into->id, tbk_restic_object(scratch, bytes, length));
    return true;
}

/* Another process's, until it is known whose: nobody may take it for one of his own. */
static tbk_repository_lock *unreadable_lock(tbk_arena *arena, const char *id)
{
    tbk_repository_lock *out = TBK_ARENA_NEW(arena, tbk_repository_lock);
    *out = (tbk_repository_lock){
        .id = id, .host = "?", .time_s = tbk_clock_now_s(), .is_exclusive = true};
    return out;
}

/* One that is gone by now is none. */
static bool look_at_lock(const tbk_restic *it, collection *into, tbk_error *err)
{
    tbk_auto_restic_objects objects = {.take = take_lock, .self = into};
    const tbk_restic_call call = {
        .what = "cannot look at a lock",
        .words = (const char *const[]){"cat", "lock", TBK_RESTIC_NO_LOCK, into->id, NULL},
        .limit_s = TBK_RESTIC_LOOK_LIMIT_S,
        .on_output = tbk_restic_take_objects,
        .on_output_self = &objects};
    tbk_restic_words words;
    int status;
    into->lock = NULL;
    if (!tbk_restic_run(it, &call, &words, &status, err))
        return false;
    if (status == 0 && into->lock == NULL)
        into->lock = unreadable_lock(into->arena, into->id);
    return status == 0 || strstr(words.fatal, "no such file") != NULL ||
           strstr(words.fatal, "does not exist") != NULL ||
           tbk_restic_fail(it, &call, &words, status, err);
}

static bool take_text(void *self, const char *bytes, size_t length, tbk_error *err)
{
    tbk_text *text = self;
    if (length > LOCKS_MOST * LOCK_LINE_BYTES - text->length)
        return tbk_fail(err, TBK_E_UNSUPPORTED, "remove them with restic itself: restic unlock",
                        "the repository has more than %d locks", LOCKS_MOST);
    tbk_text_append_bytes(text, bytes, length);
    return true;
}

bool tbk_restic_locks(void *self, tbk_arena *arena, tbk_repository_lock **out, tbk_error *err)
{
    tbk_auto_text text = {0};
    tbk_repository_lock *first = NULL, **end = &first;
    const tbk_restic_call call = {
        .what = "cannot list the locks",
        .words = (const char *const[]){"list", "locks", TBK_RESTIC_NO_LOCK, NULL},
        .limit_s = TBK_RESTIC_LOOK_LIMIT_S,
        .on_output = take_text,
        .on_output_self = &text};
    if (!tbk_restic_do(self, &call, err))
        return false;
    for (const char *at = tbk_text_string(&text); *at != '\0';) {
        size_t length = strcspn(at, "\r\n");
        collection into = {.arena = arena, .id = tbk_arena_copy_bytes(arena, at, length)};
        at += length + strspn(at + length, "\r\n");
        if (!tbk_restic_is_id(into.id))
            continue;
        if (!look_at_lock(self, &into, err))
            return false;
        if (into.lock == NULL)
            continue;
        *end = into.lock;
        end = &into.lock->next;
    }
    *out = first;
    return true;
}
