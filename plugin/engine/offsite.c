/* SPDX-License-Identifier: MIT */
/* One synchronization, step by step. */
#include "engine/offsite.h"

#include "base/clock.h"
#include "database/throttle.h"
#include "engine/offsite_internal.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_NAME "lock"
#define PHASE "offsite"

/* --- our folder --- */

bool offsite_lock(int fd, int64_t limit_ms, const tbk_report *report, const char *holder,
                  const char *fix, tbk_error *err)
{
    const struct timespec pause = {.tv_nsec = 200000000};
    int64_t end_ms = tbk_clock_monotonic_ms() + limit_ms;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (tbk_clock_monotonic_ms() >= end_ms)
            return tbk_fail(err, TBK_E_LOCKED, fix, "%s", holder);
        if (!tbk_report_go_on(report, err))
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

bool offsite_begin(offsite_work *work, tbk_arena *arena, const tbk_offsite_request *request,
                   tbk_error *err)
{
    const char *path = tbk_arena_format(arena, "%s/" LOCK_NAME, request->folder);
    *work = (offsite_work){.arena = arena,
                           .request = request,
                           .settings = &request->config->offsite,
                           .repository = request->repository,
                           .report = request->report};
    work->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (work->lock < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno,
                              "run 'torrust-backup configure' again: it gives the folder to the "
                              "user that goes off-site",
                              "cannot write in '%s'", request->folder);
    if (!offsite_lock(work->lock, OFFSITE_LOCK_WAIT_MS, request->report,
                      "another process of this machine works off-site",
                      "wait until it has ended: 'torrust-backup status' tells", err))
        return false;
    tbk_throttle_io(true); /* restic inherits it */
    offsite_tidy_drill(work);
    return tbk_offsite_state_read(arena, request->folder, &work->state, err);
}

void offsite_end(offsite_work *work)
{
    if (work->lock >= 0)
        (void)close(work->lock);
    work->lock = -1;
}

bool offsite_save(offsite_work *work, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    return tbk_offsite_state_write(arena, work->request->folder, &work->state, err);
}

/* --- the repository --- */

bool offsite_reach(const tbk_repository *repository, tbk_arena *arena, bool was_there,
                   const char **out_id, tbk_error *err)
{
    if (repository->identify(repository->self, arena, out_id, err))
        return true;
    if (err->code == TBK_E_NOT_FOUND)
        (void)snprintf(err->fix, sizeof err->fix, "%s",
                       was_there ? "it was there before: look for a disk that is not mounted, or a "
                                   "typo in 'offsite.repository'"
                                 : "make it: torrust-backup offsite init ENVIRONMENT");
    return false;
}

bool offsite_identify(offsite_work *work, tbk_error *err)
{
    const char *id = NULL;
    const char *known = work->state.repository;
    if (!offsite_reach(work->repository, work->arena, known != NULL, &id, err))
        return false;
    if (known != NULL && strcmp(known, id) != 0)
        return tbk_fail(err, TBK_E_CONFIG,
                        "see where the one of before is; if the change is meant: torrust-backup "
                        "offsite init ENVIRONMENT",
                        "'%s' is another repository than before (%.8s instead of %.8s)",
                        work->settings->repository, id, known);
    work->state.repository = id;
    /* Before anything is written there: the lock that this process may leave must be known. */
    tbk_offsite_state_add_host(work->arena, &work->state, work->request->host);
    return offsite_save(work, err);
}

/* --- sets --- */

typedef struct store_sets {
    tbk_offsite_set *list;
    const tbk_stored_set **stored; /* the same, as the store knows them */
    size_t count;
} store_sets;

static bool is_ours(const offsite_work *work, const tbk_stored_set *set)
{
    const tbk_engine_config *config = work->request->config;
    const tbk_manifest *manifest = set->manifest;
    return manifest != NULL && manifest->environment != NULL &&
           strcmp(manifest->environment, config->environment) == 0 &&
           manifest->driver == config->driver &&
           tbk_stored_set_is_usable(set, work->request->now_s);
}

static bool list_store(const offsite_work *work, const tbk_store *store, store_sets *out,
                       tbk_error *err)
{
    tbk_stored_set *sets = NULL;
    size_t count = 0;
    if (!tbk_store_list(store, work->arena, &sets, err))
        return false;
    for (const tbk_stored_set *set = sets; set != NULL; set = set->next)
        count++;
    *out = (store_sets){.list = tbk_arena_alloc(work->arena, (count + 1) * sizeof *out->list),
                        .stored = tbk_arena_alloc(work->arena, (count + 1) * sizeof(void *))};
    for (const tbk_stored_set *set = sets; set != NULL; set = set->next) {
        if (!is_ours(work, set))
            continue;
        out->stored[out->count] = set;
        out->list[out->count++] = (tbk_offsite_set){
            .id = set->id,
            .time_s = set->time_s,
            .profile = set->manifest->profile,
            .is_proved = set->proof.ok && set->proof.level >= TBK_PROOF_CHECKSUMS};
    }
    return true;
}

static const tbk_offsite_set *next_set(const offsite_work *work, const store_sets *sets)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new(); /* what is found is one of the sets */
    return tbk_offsite_next(arena, work->settings, sets->list, sets->count, &work->copies,
                            work->request->now_s);
}

/* So many as would be sent one after the other. */
static int64_t count_waiting(const offsite_work *work, const store_sets *sets)
{
    tbk_offsite_copies as_if = {.count = work->copies.count};
    int64_t count = 0;
    as_if.list =
        tbk_arena_alloc(work->arena, (work->copies.count + sets->count + 1) * sizeof *as_if.list);
    if (as_if.count > 0)
        memcpy(as_if.list, work->copies.list, as_if.count * sizeof *as_if.list);
    for (;;) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        const tbk_offsite_set *next = tbk_offsite_next(arena, work->settings, sets->list,
                                                       sets->count, &as_if, work->request->now_s);
        if (next == NULL)
            return count;
        count++;
        size_t at = 0;
        while (at < as_if.count && as_if.list[at].time_s >= next->time_s)
            at++;
        memmove(as_if.list + at + 1, as_if.list + at, (as_if.count - at) * sizeof *as_if.list);
        as_if.list[at] = (tbk_offsite_copy){
            .id = next->id, .time_s = next->time_s, .profile = next->profile, .is_whole = true};
        as_if.count++;
    }
}

/* *out_is_its_own: what failed is this set's alone, and others may go. */
static bool send_set(offsite_work *work, const tbk_stored_set *set, bool *out_is_its_own,
                     tbk_error *err)
{
    const char *bytes = tbk_arena_format(work->arena, TBK_OFFSITE_BYTES_TAG "%" PRIu64,
                                         tbk_manifest_database_bytes(set->manifest));
    const char *tags[] = {tbk_profile_name(set->manifest->profile), bytes, NULL, NULL};
    const tbk_repository_set request = {.store = work->request->config->store,
                                        .id = set->id,
                                        .name = work->settings->name,
                                        .tags = tags};
    tbk_repository_sent sent = {.snapshot = NULL};
    int64_t started_ms = tbk_clock_monotonic_ms();
    *out_is_its_own = true;
    if (!offsite_manifest_tag(work->arena, set, &tags[2], err))
        return tbk_error_context(err, "sending set %s", set->id);
    *out_is_its_own = false;
    tbk_report_log(work->report, TBK_LOG_INFO, PHASE, "set %s goes off-site", set->id);
    work->state.sending = set->id;
    if (!offsite_save(work, err))
        return false;
    if (!work->repository->send(work->repository->self, work->arena, &request, &sent, err)) {
        if (err->code == TBK_E_SPACE)
            offsite_make_room(work);
        *out_is_its_own = err->code == TBK_E_IO;
        return tbk_error_context(err, "sending set %s", set->id);
    }
    if (!offsite_look(work, err))
        return false;
    *out_is_its_own =
        !tbk_offsite_known_is_whole(tbk_offsite_state_find(&work->state, sent.snapshot));
    if (*out_is_its_own && !offsite_judge_gap(work->gap, err))
        return false;
    if (*out_is_its_own)
        return tbk_fail(err, TBK_E_UNPROVED, "it is sent anew at the next try",
                        "set %s was sent, but is not there whole", set->id);
    work->state.sending = NULL;
    work->state.sent_s = (tbk_clock_monotonic_ms() - started_ms) / 1000;
    work->state.sent_bytes = (int64_t)sent.added_bytes;
    tbk_report_log(work->report, TBK_LOG_INFO, PHASE, "set %s is off-site: %" PRIu64 " bytes more",
                   set->id, sent.added_bytes);
    return offsite_save(work, err);
}

/* One that cannot be read costs itself only: older ones go, and what is there is proved. */
static void leave(offsite_work *work, const char *id, const tbk_error *why)
{
    const char **left = tbk_arena_alloc(work->arena, (work->left_count + 1) * sizeof *left);
    if (work->left_count == 0)
        work->left_why = *why;
    else
        memcpy(left, work->left, work->left_count * sizeof *left);
    left[work->left_count++] = id;
    work->left = left;
    tbk_report_log(work->report, TBK_LOG_WARNING, PHASE, "set %s stays here: %s", id, why->message);
}

/* They wait as before, but not for this synchronization. */
static void pass_over_left(const offsite_work *work, const store_sets *sets)
{
    for (size_t i = 0; i < sets->count; i++)
        for (size_t j = 0; j < work->left_count; j++)
            if (strcmp(sets->list[i].id, work->left[j]) == 0)
                sets->list[i].is_proved = false;
}

/* What goes by the same name and id, and is another set, stays there as ours stays here. */
static void look_for_sharing(offsite_work *work, const store_sets *sets)
{
    tbk_error why;
    for (size_t i = 0; i < sets->count; i++) {
        if (offsite_judge_sharing(work, sets->stored[i], &why))
            continue;
        if (!work->is_shared)
            leave(work, sets->list[i].id, &why);
        work->is_shared = true;
    }
}

static bool judge_left(const offsite_work *work, tbk_error *err)
{
    if (work->left_count == 0)
        return true;
    *err = work->left_why;
    return work->left_count == 1 ? false
                                 : tbk_error_context(err,
                                                     "%zu sets stay here, of which this is the "
                                                     "newest",
                                                     work->left_count);
}

static bool send_or_leave(offsite_work *work, const tbk_stored_set *set, tbk_error *err)
{
    bool is_its_own = false;
    if (send_set(work, set, &is_its_own, err))
        return true;
    if (is_its_own)
        leave(work, set->id, err);
    return is_its_own;
}

/* What arrived of an upload that did not end counts only once it is in the index. */
static bool mend_index(offsite_work *work, tbk_error *err)
{
    tbk_error ignored;
    /* Where nothing can be removed, each try would leave an index more. */
    if (work->state.sending == NULL || work->settings->access == TBK_ACCESS_APPEND_ONLY)
        return true;
    if (work->repository->repair_index(work->repository->self, &ignored))
        return true;
    if (ignored.code == TBK_E_INTERRUPTED) {
        *err = ignored;
        return false;
    }
    tbk_report_log(work->report, TBK_LOG_INFO, PHASE,
                   "what arrived of the last upload is sent again: %s", ignored.message);
    return true;
}

static bool send_sets(offsite_work *work, tbk_error *err)
{
    tbk_auto(tbk_store) *store = NULL;
    store_sets sets = {.count = 0};
    bool is_first = true;
    if (!tbk_store_open(work->request->config->store, TBK_STORE_READ, &store, err))
        return false;
    for (;; is_first = false) {
        if (!list_store(work, store, &sets, err))
            return false;
        work->store_sets = sets.count;
        work->state.waiting = count_waiting(work, &sets);
        pass_over_left(work, &sets);
        const tbk_offsite_set *next = next_set(work, &sets);
        if (next == NULL) {
            look_for_sharing(work, &sets);
            work->state.sending = NULL; /* that of a run that was killed has arrived, or is gone */
            return true;
        }
        if ((is_first && !mend_index(work, err)) || !tbk_report_go_on(work->report, err) ||
            !send_or_leave(work, sets.stored[next - sets.list], err))
            return false;
    }
}

/* --- all of it --- */

bool offsite_look_there(offsite_work *work, tbk_error *err)
{
    return offsite_identify(work, err) && offsite_tidy_locks(work, err) && offsite_look(work, err);
}

static bool is_due(const offsite_work *work, int64_t last_s, int64_t every_days)
{
    return tbk_offsite_is_due(last_s, every_days, work->request->now_s);
}

static bool prove(offsite_work *work, tbk_error *err)
{
    const tbk_offsite_settings *settings = work->settings;
    if (offsite_newest_whole(work) == NULL)
        return true;
    const tbk_offsite_state *state = &work->state;
    /* What was bad is looked at again after a day, and stays an error until it is good. */
    int64_t check_days = state->check_error != NULL ? 1 : settings->check_every_days;
    int64_t drill_days = state->drill_error != NULL ? 1 : settings->drill_every_days;
    return (is_due(work, state->check_s, check_days) ? offsite_check(work, err)
                                                     : offsite_judge_check(state, err)) &&
           (is_due(work, state->drill_s, drill_days) ? offsite_drill(work, OFFSITE_AS_POSSIBLE, err)
                                                     : offsite_judge_drill(state, err));
}

/* By what is remembered, for the days on which the repository cannot be asked. */
static void expect_waiting(offsite_work *work)
{
    tbk_auto(tbk_store) *store = NULL;
    tbk_error ignored;
    store_sets sets = {.count = 0};
    offsite_recall(work);
    if (tbk_store_open(work->request->config->store, TBK_STORE_READ, &store, &ignored) &&
        list_store(work, store, &sets, &ignored))
        work->store_sets = sets.count;
    work->state.waiting = count_waiting(work, &sets);
}

static bool do_all(offsite_work *work, tbk_error *err)
{
    offsite_tidy_incoming(work);
    expect_waiting(work);
    return offsite_look_there(work, err) && send_sets(work, err) && prove(work, err) &&
           offsite_remove_old(work, err) && judge_left(work, err) &&
           offsite_judge_gap(work->gap, err);
}

/* What became of it stands in the state, whatever that was. */
static bool finish(offsite_work *work, bool ok, tbk_error *err)
{
    tbk_error why;
    work->state.attempt_s = work->request->now_s;
    work->state.exit_status = ok ? 0 : tbk_error_exit_status(err->code);
    work->state.error = ok ? NULL : tbk_arena_copy(work->arena, err->message);
    work->state.fix = ok ? NULL : tbk_arena_copy(work->arena, err->fix);
    if (ok)
        work->state.success_s = work->request->now_s;
    if (offsite_save(work, ok ? err : &why))
        return ok;
    return false;
}

bool tbk_offsite_sync(tbk_arena *arena, const tbk_offsite_request *request, tbk_error *err)
{
    auto_offsite_work work;
    return offsite_begin(&work, arena, request, err) && finish(&work, do_all(&work, err), err);
}
