/* SPDX-License-Identifier: MIT */
/* What is in the repository: whose, of what, and whether it is whole. Whatever it says was written
 * by others: it is compared, and never believed. */
#include "engine/offsite_internal.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/number.h"

#include <inttypes.h>
#include <string.h>

#define SAVE_LEAST 16
#define SAVE_EVERY_MS 60000

/* --- tags --- */

const char *offsite_tag_after(const tbk_snapshot *snapshot, const char *prefix)
{
    for (const char *const *tag = snapshot->tags; *tag != NULL; tag++)
        if (tbk_text_starts_with(*tag, prefix))
            return *tag + strlen(prefix);
    return NULL;
}

tbk_profile offsite_profile_of(const tbk_snapshot *snapshot)
{
    const char *essential = tbk_profile_name(TBK_PROFILE_ESSENTIAL);
    const char *after = offsite_tag_after(snapshot, essential);
    return after != NULL && *after == '\0' ? TBK_PROFILE_ESSENTIAL : TBK_PROFILE_FULL;
}

uint64_t offsite_bytes_of(const tbk_snapshot *snapshot)
{
    const char *number = offsite_tag_after(snapshot, TBK_OFFSITE_BYTES_TAG);
    int64_t bytes = 0;
    return number != NULL && tbk_number_parse_whole(number, 0, INT64_MAX, &bytes) ? (uint64_t)bytes
                                                                                  : 0;
}

const tbk_snapshot *offsite_find_snapshot(const offsite_work *work, const char *id)
{
    for (const tbk_snapshot *snapshot = work->snapshots; snapshot != NULL;
         snapshot = snapshot->next)
        if (strcmp(snapshot->id, id) == 0)
            return snapshot;
    return NULL;
}

/* --- whether one is whole --- */

typedef struct taken_text {
    tbk_text text;
    size_t limit_bytes;
} taken_text;

static bool take_text(void *taker, const char *bytes, size_t length, tbk_error *err)
{
    taken_text *it = taker;
    if (it->text.length + length > it->limit_bytes)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "the manifest is larger than any of ours");
    tbk_text_append_bytes(&it->text, bytes, length);
    return true;
}

static bool read_manifest(tbk_arena *arena, const tbk_repository *repository,
                          const tbk_snapshot *snapshot, tbk_manifest *out, tbk_error *err)
{
    taken_text taken = {.limit_bytes = OFFSITE_MANIFEST_BYTES_MAX};
    const tbk_value *value = NULL;
    bool ok =
        repository->read(repository->self, snapshot, TBK_SET_MANIFEST_FILE, take_text, &taken, err);
    const char *bytes =
        tbk_arena_copy_bytes(arena, tbk_text_string(&taken.text), taken.text.length);
    size_t length = taken.text.length;
    tbk_text_end(&taken.text);
    if (!ok)
        return false;
    if (tbk_json_parse(arena, bytes, length, TBK_SET_MANIFEST_FILE, &value, err) &&
        tbk_manifest_read(arena, value, out, err))
        return true;
    if (err->code != TBK_E_UNSUPPORTED)
        err->code = TBK_E_CORRUPT;
    return false;
}

static const tbk_snapshot_file *find_file(const tbk_snapshot_file *files, const char *name)
{
    while (files != NULL && strcmp(files->name, name) != 0)
        files = files->next;
    return files;
}

static const char *compare_files(tbk_arena *arena, const tbk_manifest *manifest,
                                 const tbk_snapshot_file *files)
{
    if (find_file(files, TBK_SET_SUMS_FILE) == NULL)
        return TBK_SET_SUMS_FILE " is missing";
    for (size_t i = 0; i < manifest->file_count; i++) {
        const tbk_set_file *wanted = &manifest->files[i];
        const tbk_snapshot_file *found = find_file(files, wanted->name);
        if (found == NULL)
            return tbk_arena_format(arena, "%s is missing", wanted->name);
        if (found->size_bytes != wanted->stored_bytes)
            return tbk_arena_format(arena, "%s has %" PRIu64 " bytes instead of %" PRIu64,
                                    wanted->name, found->size_bytes, wanted->stored_bytes);
    }
    return NULL;
}

/* What is damaged is an answer; that nothing could be looked at is none. A server with a disk that
 * is not mounted says "not found" as well. */
static bool is_answer(tbk_error_code code) { return code == TBK_E_CORRUPT; }

bool offsite_examine(tbk_arena *arena, const tbk_repository *repository,
                     const tbk_snapshot *snapshot, tbk_manifest *out_manifest,
                     const char **out_reason, tbk_error *err)
{
    tbk_snapshot_file *files = NULL;
    *out_reason = NULL;
    if (!repository->files(repository->self, arena, snapshot, &files, err)) {
        *out_reason = tbk_arena_copy(arena, err->message);
        return is_answer(err->code);
    }
    if (find_file(files, TBK_SET_MANIFEST_FILE) == NULL) {
        *out_reason = TBK_SET_MANIFEST_FILE " is missing";
        return true;
    }
    if (!read_manifest(arena, repository, snapshot, out_manifest, err)) {
        *out_reason = tbk_arena_copy(arena, err->message);
        return is_answer(err->code);
    }
    *out_reason = strcmp(out_manifest->id, snapshot->set) != 0
                      ? "it is of another set than its name says"
                      : compare_files(arena, out_manifest, files);
    return true;
}

/* --- those of our name --- */

/* Both kinds of what is indexed begin with the snapshot's id. */
static int compare_ids(const void *left, const void *right)
{
    return strcmp(**(const char *const *const *)left, **(const char *const *const *)right);
}

/* NULL: it is not in there. */
static const void *find_in(const void *const *index, size_t count, const char *id)
{
    const char *const *key = &id;
    const void *const *found = bsearch(&key, index, count, sizeof *index, compare_ids);
    return found != NULL ? *found : NULL;
}

/* Of those that are gone nothing is to be known. */
static void forget_gone(offsite_work *work, size_t snapshot_count)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_offsite_state *state = &work->state;
    const void **index = tbk_arena_alloc(arena, (snapshot_count + 1) * sizeof *index);
    size_t count = 0;
    for (const tbk_snapshot *at = work->snapshots; at != NULL; at = at->next)
        index[count++] = at;
    qsort(index, count, sizeof *index, compare_ids);
    count = 0;
    for (size_t i = 0; i < state->known_count; i++)
        if (find_in(index, snapshot_count, state->known[i].snapshot) != NULL)
            state->known[count++] = state->known[i];
    state->known_count = count;
}

/* The newest first. */
static int compare_times(const void *left, const void *right)
{
    const tbk_offsite_copy *a = left, *b = right;
    return a->time_s == b->time_s ? 0 : a->time_s > b->time_s ? -1 : 1;
}

void offsite_recall(offsite_work *work)
{
    const tbk_offsite_state *state = &work->state;
    tbk_offsite_copies *copies = &work->copies;
    *copies = (tbk_offsite_copies){
        .list = tbk_arena_alloc(work->arena, (state->known_count + 1) * sizeof *copies->list)};
    for (size_t i = 0; i < state->known_count; i++) {
        const tbk_offsite_known *known = &state->known[i];
        tbk_offsite_copy copy = {.id = known->set,
                                 .profile = known->profile,
                                 .is_whole = tbk_offsite_known_is_whole(known)};
        if (copy.is_whole && tbk_clock_parse_compact(known->set, &copy.time_s))
            copies->list[copies->count++] = copy;
    }
    qsort(copies->list, copies->count, sizeof *copies->list, compare_times);
}

/* What a look at each of them needs that was looked at before, and when that was saved last: a
 * first look at thousands takes hours, and should not begin anew with each process that dies. */
typedef struct looked {
    const void **index; /* of what was known at its beginning, by ids */
    size_t count;
    size_t saved_count;
    int64_t saved_ms;
} looked;

static looked begin_look(const offsite_work *work)
{
    const tbk_offsite_state *state = &work->state;
    looked it = {.count = state->known_count,
                 .saved_count = state->known_count,
                 .saved_ms = tbk_clock_monotonic_ms()};
    it.index = tbk_arena_alloc(work->arena, (it.count + 1) * sizeof *it.index);
    for (size_t i = 0; i < it.count; i++)
        it.index[i] = &state->known[i]; /* stays there when more come */
    qsort(it.index, it.count, sizeof *it.index, compare_ids);
    return it;
}

/* Each time it has grown by an eighth, so that all that is written grows as what there is; or after
 * a minute. */
static bool save_now_and_then(offsite_work *work, looked *it, tbk_error *err)
{
    size_t fresh = work->state.known_count - it->saved_count;
    int64_t now_ms = tbk_clock_monotonic_ms();
    bool is_much = fresh >= SAVE_LEAST + it->saved_count / 8;
    if (fresh == 0 || (!is_much && now_ms - it->saved_ms < SAVE_EVERY_MS))
        return true;
    it->saved_count = work->state.known_count;
    it->saved_ms = now_ms;
    return offsite_save(work, err);
}

/* What is known of one that was looked at; reason: why it is not whole, else NULL. */
static tbk_offsite_known known_of(const offsite_work *work, const tbk_snapshot *snapshot,
                                  const tbk_manifest *manifest, const char *reason)
{
    tbk_offsite_known known = {
        .snapshot = snapshot->id, .set = snapshot->set, .level_s = work->request->now_s};
    if (reason != NULL) {
        known.lacks = tbk_arena_copy(work->arena, reason);
        known.profile = offsite_profile_of(snapshot);
        known.database_bytes = (int64_t)offsite_bytes_of(snapshot);
        return known;
    }
    known.profile = manifest->profile;
    known.database_bytes = (int64_t)tbk_manifest_database_bytes(manifest);
    known.stored_bytes = (int64_t)tbk_manifest_stored_bytes(manifest);
    return known;
}

/* Looks at one that was not looked at yet. */
static bool examine(offsite_work *work, const tbk_snapshot *snapshot, const tbk_offsite_known **out,
                    tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_offsite_state *state = &work->state;
    const char *reason = NULL;
    tbk_manifest manifest;
    if (!offsite_examine(arena, work->repository, snapshot, &manifest, &reason, err))
        return false;
    if (reason != NULL)
        tbk_report_log(work->report, TBK_LOG_WARNING, "offsite",
                       "the copy %.8s of set %s is not whole: %s", snapshot->id, snapshot->set,
                       reason);
    const tbk_offsite_known known = known_of(work, snapshot, &manifest, reason);
    tbk_offsite_state_add_known(work->arena, state, &known);
    *out = &state->known[state->known_count - 1];
    return true;
}

static bool look_at(offsite_work *work, const looked *before, const tbk_snapshot *snapshot,
                    tbk_offsite_copy *out, tbk_error *err)
{
    const tbk_offsite_known *known = find_in(before->index, before->count, snapshot->id);
    *out = (tbk_offsite_copy){.snapshot = snapshot->id,
                              .id = snapshot->set,
                              .time_s = snapshot->time_s,
                              .profile = offsite_profile_of(snapshot),
                              .database_bytes = offsite_bytes_of(snapshot)};
    if (known == NULL && !examine(work, snapshot, &known, err))
        return false;
    out->is_whole = tbk_offsite_known_is_whole(known);
    if (out->is_whole) {
        out->profile = known->profile;
        out->database_bytes = (uint64_t)known->database_bytes;
    }
    return true;
}

/* Without those from the future: of them nothing follows for today. */
tbk_offsite_copies offsite_past_copies(const offsite_work *work)
{
    tbk_offsite_copies past = work->copies;
    for (; past.count > 0 && tbk_retention_is_future(past.list->time_s, work->request->now_s);
         past.count--)
        past.list++;
    return past;
}

const tbk_snapshot *offsite_newest_whole(const offsite_work *work)
{
    const tbk_offsite_copies past = offsite_past_copies(work);
    for (size_t i = 0; i < past.count; i++)
        if (past.list[i].is_whole)
            return offsite_find_snapshot(work, past.list[i].snapshot);
    return NULL;
}

static void note_newest(offsite_work *work)
{
    const tbk_snapshot *newest = offsite_newest_whole(work);
    work->state.newest = newest != NULL ? newest->set : NULL;
    work->state.newest_s = newest != NULL ? newest->time_s : 0;
}

bool offsite_judge_gap(const char *gap, tbk_error *err)
{
    return gap == NULL ||
           tbk_fail(err, TBK_E_UNPROVED,
                    "docs/offsite.md (Damage) says what to do about a snapshot that cannot be read",
                    "not all of what is in the repository can be looked at: %s", gap);
}

bool offsite_look(offsite_work *work, tbk_error *err)
{
    size_t count = 0;
    if (!work->repository->list(work->repository->self, work->arena, &work->snapshots, &work->gap,
                                err))
        return false;
    if (work->gap != NULL)
        tbk_report_log(work->report, TBK_LOG_WARNING, "offsite",
                       "not all copies can be looked at, so none is removed: %s", work->gap);
    for (const tbk_snapshot *at = work->snapshots; at != NULL; at = at->next)
        count++;
    work->copies = (tbk_offsite_copies){
        .list = tbk_arena_alloc(work->arena, (count + 1) * sizeof *work->copies.list)};
    if (work->gap == NULL)
        forget_gone(work, count);
    looked before = begin_look(work);
    for (const tbk_snapshot *at = work->snapshots; at != NULL; at = at->next) {
        if (strcmp(at->name, work->settings->name) != 0)
            continue;
        if (!tbk_report_go_on(work->report, err))
            return false;
        if (look_at(work, &before, at, &work->copies.list[work->copies.count], err))
            work->copies.count++;
        else if (err->code != TBK_E_UNSUPPORTED)
            return false;
        else /* it is nothing that is decided about */
            tbk_report_log(work->report, TBK_LOG_WARNING, "offsite",
                           "the copy %.8s of set %s is left alone: %s", at->id, at->set,
                           err->message);
        if (!save_now_and_then(work, &before, err))
            return false;
    }
    note_newest(work);
    return true;
}

/* --- read back --- */

static bool take_hash(void *taker, const char *bytes, size_t length, tbk_error *err)
{
    (void)err;
    tbk_hasher_add(taker, bytes, length);
    return true;
}

static bool read_file_back(offsite_work *work, const tbk_snapshot *snapshot,
                           const tbk_set_file *file, const char **out_reason, tbk_error *err)
{
    tbk_auto(tbk_hasher) *hasher = tbk_hasher_new();
    tbk_digest found;
    const tbk_repository *repository = work->repository;
    if (!repository->read(repository->self, snapshot, file->name, take_hash, hasher, err)) {
        *out_reason = tbk_arena_copy(work->arena, err->message);
        return is_answer(err->code);
    }
    tbk_hasher_finish(hasher, &found);
    if (!tbk_digest_equal(&found, &file->stored))
        *out_reason = tbk_arena_format(work->arena, "%s is not what was sent", file->name);
    return true;
}

bool offsite_read_back(offsite_work *work, const tbk_snapshot *snapshot,
                       const tbk_manifest *manifest, const char **out_reason, tbk_error *err)
{
    for (size_t i = 0; i < manifest->file_count && *out_reason == NULL; i++)
        if (!tbk_report_go_on(work->report, err) ||
            !read_file_back(work, snapshot, &manifest->files[i], out_reason, err))
            return false;
    return true;
}
