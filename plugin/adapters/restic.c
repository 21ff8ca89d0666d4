/* SPDX-License-Identifier: MIT */
/* The repository port by the program restic: which command does what, and what comes back. */
#include "adapters/restic.h"

#include "adapters/restic_look.h"
#include "adapters/restic_run.h"
#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

#define TIDY_LIMIT_S 120
#define RETRY_LOCK "--retry-lock=5m"
#define OLDEST_VERSION 18
#define VERSION_LIMIT_BYTES 4096

/* What backup, restore and check say of themselves. */
typedef struct progress {
    tbk_arena *arena; /* of the caller, for what was sent */
    tbk_repository_sent sent;
    int64_t errors; /* that check found; -1 = it did not say */
    const tbk_report *report;
} progress;

/* --- init --- */

static bool init(void *self, tbk_error *err)
{
    const tbk_restic *it = self;
    const tbk_restic_call call = {.what = "cannot make one",
                                  .words = (const char *const[]){"init", NULL},
                                  .limit_s = TIDY_LIMIT_S};
    tbk_restic_words words;
    int status;
    if (!tbk_restic_run(it, &call, &words, &status, err))
        return false;
    if (status == 0)
        return true;
    if (strstr(words.fatal, "already exists") != NULL ||
        strstr(words.fatal, "already initialized") != NULL)
        return tbk_fail(err, TBK_E_CONFIG, "use it as it is, or give another address",
                        "there is a repository at '%.200s' already: %s", it->settings.repository,
                        words.fatal);
    return tbk_restic_fail(it, &call, &words, status, err);
}

/* --- send --- */

/* What is done within a second has a summary only. */
static void tell_progress(const progress *into, const tbk_value *object)
{
    bool sends = tbk_value_find(object, "bytes_restored") == NULL;
    uint64_t all = tbk_value_bytes_at(object, "total_bytes_processed");
    uint64_t done = tbk_value_bytes_at(object, sends ? "bytes_done" : "bytes_restored");
    uint64_t total = tbk_value_bytes_at(object, "total_bytes");
    tbk_report_progress(into->report, sends ? "upload" : "download", all > 0 ? all : done,
                        all > 0 ? all : total);
}

/* Of backup and restore. */
static bool take_status(void *self, const char *bytes, size_t length, tbk_error *err)
{
    progress *into = self;
    (void)err;
    tbk_auto(tbk_arena) *scratch = tbk_arena_new();
    const tbk_value *object = tbk_restic_object(scratch, bytes, length);
    const char *kind = tbk_restic_kind(object);
    const char *id = tbk_value_text_at(object, "snapshot_id", "");
    if (strcmp(kind, "status") == 0 || strcmp(kind, "summary") == 0)
        tell_progress(into, object);
    if (strcmp(kind, "summary") == 0 && tbk_restic_is_id(id) && into->arena != NULL)
        into->sent =
            (tbk_repository_sent){.snapshot = tbk_arena_copy(into->arena, id),
                                  .added_bytes = tbk_value_bytes_at(object, "data_added_packed")};
    return true;
}

static bool check_set(const tbk_repository_set *set, int64_t *out_time_s, tbk_error *err)
{
    if (!tbk_clock_parse_compact(set->id, out_time_s))
        return tbk_fail(err, TBK_E_USAGE, NULL, "'%.100s' is no set's id", set->id);
    if (!tbk_restic_is_name(set->name))
        return tbk_fail(err, TBK_E_CONFIG, "use letters, digits, '.', '_' and '-'",
                        "'%.150s' cannot be a name off-site", set->name);
    for (size_t i = 0; set->tags != NULL && set->tags[i] != NULL; i++)
        if (!tbk_restic_is_name(set->tags[i]))
            return tbk_fail(err, TBK_E_USAGE, NULL, "'%.150s' cannot be a tag", set->tags[i]);
    return true;
}

static const char *tags_text(tbk_arena *arena, const char *const *tags)
{
    tbk_auto_text text = {0};
    tbk_text_append(&text, TBK_RESTIC_TAG);
    for (size_t i = 0; tags != NULL && tags[i] != NULL; i++)
        tbk_text_format(&text, ",%s", tags[i]);
    return tbk_arena_copy(arena, tbk_text_string(&text));
}

/* "2026-02-16 17:56:43": UTC, as its environment says. */
static const char *time_text(tbk_arena *arena, int64_t time_s)
{
    char text[TBK_CLOCK_TEXT_SIZE];
    tbk_clock_format(time_s, text);
    return tbk_arena_format(arena, "%.10s %.8s", text, text + 11);
}

static bool forget_ids(const tbk_restic *it, const char *const *ids, bool is_cleanup,
                       tbk_error *err);

/* A snapshot that is not whole is none. Which file it was is said before the end. */
static bool fail_not_whole(const tbk_restic *it, const tbk_restic_words *words,
                           const char *snapshot, tbk_error *err)
{
    tbk_error left;
    const char *const ids[] = {snapshot, NULL};
    (void)tbk_fail(err, TBK_E_IO, "look whether the set is still in the store, and whole",
                   "not all of the set could be read: %s",
                   words->last[0] != '\0' ? words->last : words->fatal);
    if (snapshot != NULL && !forget_ids(it, ids, true, &left))
        return tbk_error_context(err, "a snapshot that is not whole stays there (%s)",
                                 left.message);
    return false;
}

/* Where none of it could be read there is no snapshot, and the exit status is that of all else. */
static bool found_nothing(const tbk_restic_words *words)
{
    return strstr(words->fatal, "snapshot is empty") != NULL ||
           strstr(words->fatal, "all source directories/files do not exist") != NULL;
}

static bool send_set(void *self, tbk_arena *arena, const tbk_repository_set *set,
                     tbk_repository_sent *out, tbk_error *err)
{
    const tbk_restic *it = self;
    int64_t time_s;
    if (!check_set(set, &time_s, err))
        return false;
    progress into = {.arena = arena, .report = it->settings.report};
    tbk_auto_restic_objects objects = {.take = take_status, .self = &into};
    /* Not compressed, as sets are already: that costs time, and a third of the memory. */
    const tbk_restic_call call = {
        .what = "cannot send the set",
        .words =
            (const char *const[]){"backup", RETRY_LOCK, "--host", set->name, "--tag",
                                  tags_text(arena, set->tags), "--time", time_text(arena, time_s),
                                  "--compression", "off", set->id, NULL},
        .folder = set->store,
        .phase = "upload",
        .locks = true,
        .on_output = tbk_restic_take_objects,
        .on_output_self = &objects};
    tbk_restic_words words;
    int status;
    if (!tbk_restic_run(it, &call, &words, &status, err))
        return false;
    if (status == 3 || (status != 0 && found_nothing(&words)))
        return fail_not_whole(it, &words, into.sent.snapshot, err);
    if (status != 0)
        return tbk_restic_fail(it, &call, &words, status, err);
    if (into.sent.snapshot == NULL)
        return tbk_fail(err, TBK_E_FAILED, NULL, "restic did not say what it made of the set '%s'",
                        set->id);
    *out = into.sent;
    return true;
}

/* --- restore --- */

static bool restore(void *self, const tbk_snapshot *snapshot, const char *folder, tbk_error *err)
{
    const tbk_restic *it = self;
    if (!tbk_restic_check_snapshot(snapshot, err))
        return false;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *source = tbk_arena_format(arena, "%s:/%s", snapshot->id, snapshot->set);
    progress into = {.report = it->settings.report};
    tbk_restic_call call = {.what = "cannot restore the set",
                            .words = (const char *const[]){"restore", TBK_RESTIC_NO_LOCK, source,
                                                           "--target", folder, NULL},
                            .phase = "download"};
    tbk_auto_restic_objects objects = {.take = take_status, .self = &into};
    return tbk_restic_do_objects(it, &call, &objects, err);
}

/* --- forget, prune, check, repair --- */

/* Newer versions end with 3 where the server keeps what was to go; which is for list to tell. */
static bool forget_ids(const tbk_restic *it, const char *const *ids, bool is_cleanup,
                       tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    size_t count = 0;
    while (ids[count] != NULL)
        if (!tbk_restic_is_id(ids[count++]))
            return tbk_fail(err, TBK_E_USAGE, NULL, "'%.100s' is no snapshot", ids[count - 1]);
    if (count == 0) /* to restic that would mean all that a policy says */
        return true;
    const char **words = tbk_arena_alloc(arena, (count + 3) * sizeof *words);
    words[0] = "forget";
    words[1] = RETRY_LOCK;
    for (size_t i = 0; i < count; i++)
        words[2 + i] = ids[i];
    const tbk_restic_call call = {.what = "cannot forget sets",
                                  .words = words,
                                  .limit_s = is_cleanup ? TIDY_LIMIT_S : 0,
                                  .locks = true,
                                  .is_cleanup = is_cleanup};
    tbk_restic_words said;
    int status;
    if (!tbk_restic_run(it, &call, &said, &status, err))
        return false;
    return status == 0 || status == 3 || tbk_restic_fail(it, &call, &said, status, err);
}

static bool forget(void *self, const char *const *snapshots, tbk_error *err)
{
    return forget_ids(self, snapshots, false, err);
}

static bool prune(void *self, tbk_error *err)
{
    const tbk_restic_call call = {
        .what = "cannot give back space",
        .words = (const char *const[]){"prune", RETRY_LOCK, "--max-unused", "unlimited", NULL},
        .locks = true};
    return tbk_restic_do(self, &call, err);
}

static bool take_check(void *self, const char *bytes, size_t length, tbk_error *err)
{
    progress *into = self;
    (void)err;
    tbk_auto(tbk_arena) *scratch = tbk_arena_new();
    const tbk_value *object = tbk_restic_object(scratch, bytes, length);
    if (strcmp(tbk_restic_kind(object), "summary") == 0)
        into->errors = tbk_value_integer_at(object, "num_errors");
    return true;
}

static bool check(void *self, int64_t part, int64_t parts, tbk_error *err)
{
    const tbk_restic *it = self;
    if (parts < 1 || part < 1 || part > parts)
        return tbk_fail(err, TBK_E_USAGE, NULL, "there is no part %lld of %lld", (long long)part,
                        (long long)parts);
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *subset =
        tbk_arena_format(arena, "--read-data-subset=%lld/%lld", (long long)part, (long long)parts);
    progress into = {.errors = -1};
    tbk_auto_restic_objects objects = {.take = take_check, .self = &into};
    const tbk_restic_call call = {
        .what = "the check failed",
        .words = (const char *const[]){"check", TBK_RESTIC_NO_LOCK, subset, NULL},
        .phase = "check",
        .on_output = tbk_restic_take_objects,
        .on_output_self = &objects};
    tbk_restic_words words;
    int status;
    if (!tbk_restic_run(it, &call, &words, &status, err))
        return false;
    if (status == 0 && into.errors <= 0)
        return true;
    (void)tbk_restic_fail(it, &call, &words, status, err);
    /* That it found errors counts, whatever its words are; but for those of a broken connection. */
    if (into.errors > 0 && (err->code == TBK_E_FAILED || err->code == TBK_E_NOT_FOUND))
        err->code = TBK_E_CORRUPT;
    return false;
}

static bool repair_index(void *self, tbk_error *err)
{
    const tbk_restic_call call = {.what = "cannot repair the index",
                                  .words =
                                      (const char *const[]){"repair", "index", RETRY_LOCK, NULL},
                                  .locks = true};
    return tbk_restic_do(self, &call, err);
}

static bool unlock(void *self, bool all, tbk_error *err)
{
    const tbk_restic_call call = {
        .what = "cannot remove locks",
        .words = (const char *const[]){"unlock", all ? "--remove-all" : NULL, NULL},
        .limit_s = TBK_RESTIC_LOOK_LIMIT_S};
    return tbk_restic_do(self, &call, err);
}

/* --- open --- */

static bool take_output(void *self, const char *bytes, size_t length, tbk_error *err)
{
    tbk_text *text = self;
    (void)err;
    if (text->length + length < VERSION_LIMIT_BYTES)
        tbk_text_append_bytes(text, bytes, length);
    return true;
}

static bool check_version(const tbk_restic *it, tbk_error *err)
{
    tbk_auto_text text = {0};
    const tbk_restic_call call = {.what = "cannot ask for its version",
                                  .words = (const char *const[]){"version", NULL},
                                  .limit_s = TIDY_LIMIT_S,
                                  .on_output = take_output,
                                  .on_output_self = &text};
    if (!tbk_restic_do(it, &call, err))
        return false;
    if (tbk_restic_version(tbk_text_string(&text)) >= OLDEST_VERSION)
        return true;
    size_t length = strcspn(tbk_text_string(&text), "\n");
    return tbk_fail(err, TBK_E_UNSUPPORTED,
                    "install restic 0.18 or newer: older ones tell neither a wrong password nor a "
                    "lock from other failures, and leave their lock when they are stopped",
                    "'%s' is not restic 0.18 or newer: %.*s", it->settings.program,
                    length < 100 ? (int)length : 100, tbk_text_string(&text));
}

bool tbk_restic_open(const tbk_restic_settings *settings, tbk_restic **out, tbk_error *err)
{
    tbk_auto(tbk_restic) *it = tbk_memory_new(sizeof *it);
    it->arena = tbk_arena_new();
    if (!tbk_restic_prepare(settings, it, err) || !check_version(it, err))
        return false;
    *out = it;
    it = NULL;
    return true;
}

tbk_repository tbk_restic_port(tbk_restic *restic)
{
    return (tbk_repository){.self = restic,
                            .identify = tbk_restic_identify,
                            .init = init,
                            .list = tbk_restic_list,
                            .files = tbk_restic_files,
                            .send = send_set,
                            .read = tbk_restic_read,
                            .restore = restore,
                            .forget = forget,
                            .prune = prune,
                            .check = check,
                            .repair_index = repair_index,
                            .locks = tbk_restic_locks,
                            .unlock = unlock};
}

void tbk_restic_free(tbk_restic *restic)
{
    if (restic == NULL)
        return;
    tbk_arena_free(restic->arena);
    free(restic);
}
