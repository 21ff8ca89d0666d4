/* SPDX-License-Identifier: MIT */
/* One synchronization: what is sent, looked at, remembered, proved, removed and unlocked. */
#include "unit/engine/offsite_fixture.h"

#include <sys/file.h>

/* --- what is sent --- */

static void a_set_is_sent_looked_at_and_remembered(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    assert_string_equal(sets_there(self), tbk_arena_format(self->arena, "%s ", id));
    const tbk_offsite_state *now = state_of(self);
    assert_int_equal(now->exit_status, 0);
    assert_null(now->error);
    assert_int_equal(now->attempt_s, START_S);
    assert_int_equal(now->success_s, START_S);
    assert_string_equal(now->newest, id);
    assert_int_equal(now->waiting, 0);
    assert_true(now->sent_bytes > 1000);
    assert_string_equal(now->hosts[0], HOST);
    assert_null(now->hosts[1]);
    assert_int_equal(now->known_count, 1);
    assert_string_equal(now->known[0].set, id);
    assert_true(now->known[0].database_bytes > 4096);
    assert_int_equal(now->check_good_s, START_S);
    assert_int_equal(now->check_part, 1);
    assert_int_equal(now->drill_good_s, START_S);
    assert_string_equal(now->drill_set, id);
}

static void what_is_there_is_neither_sent_nor_looked_at_again(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s += 3600;
    assert_succeeds(sync_now(self), self->err);
    assert_string_equal(self->repository.calls, "identify locks list ");
    assert_int_equal(state_of(self)->success_s, START_S + 3600);
    /* Without what was remembered it is looked at anew, and not sent. */
    assert_int_equal(unlink(tbk_arena_format(self->arena, "%s/state.json", self->home)), 0);
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "list files read "));
    assert_false(called(self, "send"));
}

/* --- a first look at many --- */

static size_t saved_count; /* the most that were remembered while it went on */

static bool see_saved(void *self)
{
    offsite *it = self;
    tbk_error ignored;
    tbk_offsite_state state;
    if (tbk_offsite_state_read(it->arena, it->home, &state, &ignored) &&
        state.known_count > saved_count)
        saved_count = state.known_count;
    return false;
}

/* It takes hours where there are thousands: a process that dies has not looked in vain. */
static void what_was_looked_at_is_remembered_as_it_goes(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    for (int i = 0; i < 60; i++)
        fake_repository_put(&self->repository, self->config.store, id, NAME, id);
    saved_count = 0;
    self->report.cancelled = see_saved;
    assert_succeeds(drill_now(self), self->err);
    assert_true(saved_count >= 40 && saved_count < 60);
    assert_int_equal(state_of(self)->known_count, 60);
}

static void a_set_that_is_not_proved_stays_here(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    assert_int_equal(
        unlink(tbk_arena_format(self->arena, "%s/%s/" TBK_SET_PROOF_FILE, self->config.store, id)),
        0);
    assert_succeeds(sync_now(self), self->err);
    assert_false(called(self, "send"));
}

static void sets_of_another_environment_or_database_stay_here(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    self->config.environment = "other";
    assert_succeeds(sync_now(self), self->err);
    self->config.environment = "demo";
    self->config.driver = TBK_DRIVER_MYSQL;
    assert_succeeds(sync_now(self), self->err);
    assert_string_equal(sets_there(self), "");
}

static void a_copy_that_is_not_whole_is_sent_anew_and_removed(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    self->repository.cuts_upload = true;
    assert_fails(sync_now(self), self->err, TBK_E_UNPROVED, "is not there whole");
    assert_non_null(
        strstr(tbk_text_string(&self->log), "is not whole: database.db.zst is missing"));
    assert_int_equal(state_of(self)->exit_status, 21);
    assert_non_null(strstr(self->state.error, "was sent, but is not there whole"));
    assert_int_equal(self->state.waiting, 1);
    assert_null(self->state.newest);
    assert_int_equal(self->state.known_count, 1);
    assert_non_null(self->state.known[0].lacks);
    self->repository.cuts_upload = false;
    self->now_s += 60;
    assert_succeeds(sync_now(self), self->err);
    assert_string_equal(sets_there(self), tbk_arena_format(self->arena, "%s ", id));
    assert_true(strstr(self->repository.calls, "send") < strstr(self->repository.calls, "forget"));
    assert_int_equal(state_of(self)->known_count, 1);
    assert_string_equal(snapshot_at(self, NAME, 0)->id, self->state.known[0].snapshot);
}

/* Where it may not be removed it stays for ever. */
static void a_copy_that_is_not_whole_is_not_looked_at_each_time(void **state)
{
    offsite *self = *state;
    self->config.offsite.access = TBK_ACCESS_APPEND_ONLY;
    (void)begin_with_a_set(self);
    self->repository.cuts_upload = true;
    assert_fails(sync_now(self), self->err, TBK_E_UNPROVED, "is not there whole");
    assert_non_null(strstr(state_of(self)->known[0].lacks, "database.db.zst is missing"));
    self->repository.cuts_upload = false;
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(fake_repository_count(&self->repository, NULL), 2);
    self->config.offsite.check_every_days = 0;
    assert_succeeds(sync_now(self), self->err); /* the check had doubts */
    assert_true(called(self, "files"));
    self->now_s += 3600;
    assert_succeeds(sync_now(self), self->err);
    assert_string_equal(self->repository.calls, "identify locks list ");
    assert_int_equal(state_of(self)->known_count, 2);
    assert_true(tbk_offsite_known_is_whole(&self->state.known[0]) !=
                tbk_offsite_known_is_whole(&self->state.known[1]));
}

/* Each of them a file of the snapshot that is spoilt: none of them counts as a copy. */
static void copies_are_compared_with_their_manifest(void **state)
{
    offsite *self = *state;
    static const struct {
        const char *command, *reason;
    } cases[] = {
        {"rm SHA256SUMS", "SHA256SUMS is missing"},
        {"rm manifest.json", "manifest.json is missing"},
        {"truncate -s -1 database.db.zst", "database.db.zst has "},
        {"echo '{' >manifest.json", "manifest.json"},
        {"head -c 20000000 /dev/zero >manifest.json", "larger than any of ours"},
        {"sed -i 's/\"id\": \"2026/\"id\": \"2025/' manifest.json", "of another set"},
    };
    (void)begin_with_a_set(self);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[512];
        self->now_s += 60;
        assert_succeeds(sync_now(self), self->err);
        fake_repository_path(&self->repository, snapshot_at(self, NAME, 0), ".", path);
        assert_int_equal(
            system(tbk_arena_format(self->arena, "cd '%s' && %s", path, cases[i].command)), 0);
        assert_int_equal(unlink(tbk_arena_format(self->arena, "%s/state.json", self->home)), 0);
        assert_succeeds(sync_now(self), self->err);
        if (strstr(tbk_text_string(&self->log), cases[i].reason) == NULL)
            fail_msg("%s: \"%s\"", cases[i].command, tbk_text_string(&self->log));
        assert_true(called(self, "send"));
        assert_int_equal(fake_repository_count(&self->repository, NULL), 1);
    }
}

/* What a newer version made is not understood, and is no reason to remove it. */
static void copies_of_a_newer_version_are_left_alone(void **state)
{
    offsite *self = *state;
    char path[512];
    keep_one(self);
    (void)begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    fake_repository_path(&self->repository, snapshot_at(self, NAME, 0), ".", path);
    assert_int_equal(
        system(tbk_arena_format(self->arena,
                                "cd '%s' && sed -i 's/\"schema\": 1/\"schema\": 99/' manifest.json",
                                path)),
        0);
    assert_int_equal(unlink(tbk_arena_format(self->arena, "%s/state.json", self->home)), 0);
    self->now_s += DAY_S;
    const char *id = make_set(self);
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(fake_repository_count(&self->repository, NULL), 2);
    assert_string_equal(state_of(self)->newest, id);
    assert_non_null(strstr(tbk_text_string(&self->log), "is left alone"));
}

/* Two machines may make their sets in the same second. */
static void names_in_one_repository_never_touch_each_other(void **state)
{
    offsite *self = *state;
    keep_one(self);
    const char *id = begin_with_a_set(self);
    fake_repository_put(&self->repository, self->config.store, id, "other", id);
    fake_repository_put(&self->repository, self->config.store, id, "other", "20200101T000000Z");
    fake_repository_put(&self->repository, self->config.store, id, "other", "20300101T000000Z");
    assert_succeeds(sync_now(self), self->err);
    self->now_s += DAY_S;
    const char *next = make_set(self);
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "forget"));
    assert_string_equal(sets_there(self), tbk_arena_format(self->arena, "%s ", next));
    assert_int_equal(fake_repository_count(&self->repository, "other"), 3);
    assert_int_equal(state_of(self)->known_count, 1);
    self->config.offsite.name = "other"; /* and in the other direction */
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(fake_repository_count(&self->repository, NAME), 1);
}

/* As above, and both have the same name. */
static void a_copy_of_another_machine_is_not_taken_for_ours(void **state)
{
    offsite *self = *state;
    const char *store = self->config.store, *home = self->home;
    keep_one(self);
    const char *first = begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->config.store = tbk_arena_format(self->arena, "%s/store-2", self->folder);
    self->home = tbk_arena_format(self->arena, "%s/home-2", self->folder);
    assert_int_equal(mkdir(self->home, 0700), 0);
    execute(self->config.database_path, "CREATE TABLE other (a)");
    assert_string_equal(make_set(self), first);
    self->now_s += DAY_S;
    const char *next = make_set(self);
    assert_fails(sync_now(self), self->err, TBK_E_CONFIG, "off-site is another deployment's");
    assert_non_null(strstr(self->err.fix, "a name of its own"));
    assert_false(called(self, "forget"));
    assert_string_equal(sets_there(self), tbk_arena_format(self->arena, "%s %s ", next, first));
    assert_int_equal(state_of(self)->exit_status, 2);
    self->config.offsite.name = "second";
    assert_succeeds(sync_now(self), self->err);
    self->config.offsite.name = NAME;
    self->config.store = store;
    self->home = home;
    assert_succeeds(sync_now(self), self->err);
    assert_true(snapshot_at(self, NAME, 0)->tags[2] != NULL);
}

/* Before there was a tag that tells. */
static void a_copy_without_a_tag_is_taken_for_ours(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    fake_repository_put(&self->repository, self->config.store, id, NAME, id);
    assert_succeeds(sync_now(self), self->err);
    assert_false(called(self, "send"));
}

/* A clock that was wrong once does not hide that nothing was sent since, or is not proved. */
static void a_copy_from_the_future_is_kept_and_counts_for_nothing(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    int64_t real_s = self->now_s;
    self->now_s += 4000 * (int64_t)DAY_S;
    (void)make_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s = real_s;
    assert_int_equal(unlink(tbk_arena_format(self->arena, "%s/state.json", self->home)), 0);
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(fake_repository_count(&self->repository, NAME), 2);
    assert_string_equal(state_of(self)->newest, id);
    assert_string_equal(self->state.drill_set, id);
}

/* --- in which order --- */

/* Older ones go, and what is there is proved. */
static void a_set_that_cannot_be_read_costs_itself_only(void **state)
{
    offsite *self = *state;
    const char *older = begin_with_a_set(self);
    self->now_s += DAY_S;
    const char *bad = self->repository.unreadable = make_set(self);
    assert_fails(sync_now(self), self->err, TBK_E_IO, "not all of the set could be read");
    assert_string_equal(self->err.fix, "look at it");
    assert_string_equal(sets_there(self), tbk_arena_format(self->arena, "%s ", older));
    assert_int_equal(state_of(self)->exit_status, 1);
    assert_non_null(strstr(self->state.error, bad));
    assert_int_equal(self->state.waiting, 1);
    assert_int_equal(self->state.check_good_s, self->now_s);
    assert_string_equal(self->state.drill_set, older);
    keep_one(self);
    assert_fails(sync_now(self), self->err, TBK_E_IO, bad);
    self->now_s += DAY_S;
    const char *newer = make_set(self); /* now it is old, and not wanted any more */
    assert_succeeds(sync_now(self), self->err);
    assert_string_equal(sets_there(self), tbk_arena_format(self->arena, "%s ", newer));
}

/* Removal follows a good copy: of something newer. */
static void an_old_set_that_cannot_be_read_stops_no_removal(void **state)
{
    offsite *self = *state;
    const char *first = begin_with_a_set(self);
    self->config.offsite.keep_last = 2;
    self->config.offsite.keep_daily = self->config.offsite.keep_weekly = 0;
    self->config.offsite.keep_monthly = 0;
    assert_succeeds(sync_now(self), self->err);
    self->now_s += DAY_S;
    self->repository.unreadable = make_set(self);
    assert_fails(sync_now(self), self->err, TBK_E_IO, self->repository.unreadable);
    self->now_s += DAY_S;
    const char *newest = make_set(self);
    assert_fails(sync_now(self), self->err, TBK_E_IO, self->repository.unreadable);
    assert_string_equal(sets_there(self), tbk_arena_format(self->arena, "%s %s ", newest, first));
    fake_repository_put(&self->repository, self->config.store, first, NAME, first);
    assert_fails(sync_now(self), self->err, TBK_E_IO, self->repository.unreadable);
    assert_true(called(self, "forget"));
    assert_int_equal(fake_repository_count(&self->repository, NULL), 2);
}

/* Two days; the first set is to go after the second has come. */
static const char *two_days(offsite *self)
{
    keep_one(self);
    const char *id = begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s += DAY_S;
    (void)make_set(self);
    return id;
}

static void removal_follows_a_good_copy(void **state)
{
    offsite *self = *state;
    (void)two_days(self);
    self->repository.breaks_upload = true;
    assert_fails(sync_now(self), self->err, TBK_E_NETWORK, "the connection broke");
    assert_false(called(self, "forget"));
    assert_false(called(self, "prune"));
    self->repository.breaks_upload = false;
    self->repository.cuts_upload = true;
    assert_fails(sync_now(self), self->err, TBK_E_UNPROVED, "is not there whole");
    assert_false(called(self, "forget"));
    self->repository.cuts_upload = false;
    assert_succeeds(sync_now(self), self->err);
    assert_true(strstr(self->repository.calls, "send") < strstr(self->repository.calls, "forget"));
    assert_non_null(strstr(self->repository.calls, "read forget list prune "));
    assert_int_equal(fake_repository_count(&self->repository, NULL), 1);
    assert_int_equal(state_of(self)->prune_s, self->now_s);
}

static void space_is_given_back_once_a_week(void **state)
{
    offsite *self = *state;
    (void)two_days(self);
    assert_succeeds(sync_now(self), self->err);
    int64_t pruned_s = self->now_s;
    for (int day = 1; day <= 8; day++) {
        self->now_s += DAY_S;
        (void)make_set(self);
        assert_succeeds(sync_now(self), self->err);
        assert_true(called(self, "forget"));
        assert_int_equal(called(self, "prune"), day == 7);
    }
    assert_int_equal(state_of(self)->prune_s, pruned_s + 7 * (int64_t)DAY_S);
}

/* An upload that did not end left what counts only once it is in the index; one that was begun by a
 * process that died, too. */
static void the_index_is_mended_after_an_upload_that_did_not_end(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    self->repository.breaks_upload = true;
    assert_fails(sync_now(self), self->err, TBK_E_NETWORK, "sending set");
    assert_false(called(self, "repair"));
    self->repository.breaks_upload = false;
    assert_succeeds(sync_now(self), self->err);
    assert_true(strstr(self->repository.calls, "repair") < strstr(self->repository.calls, "send"));
    self->now_s += DAY_S;
    (void)make_set(self);
    assert_succeeds(sync_now(self), self->err);
    assert_false(called(self, "repair"));
}

/* Forgotten sets hold their space until it is given back, which comes after an upload. */
static void a_full_repository_gives_back_what_was_forgotten(void **state)
{
    offsite *self = *state;
    (void)two_days(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s += DAY_S;
    (void)make_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s += DAY_S;
    (void)make_set(self);
    self->repository.is_full = true;
    assert_fails(sync_now(self), self->err, TBK_E_SPACE, "no space left");
    assert_false(called(self, "forget"));
    assert_int_equal(state_of(self)->exit_status, 22);
    self->now_s += 60;
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(fake_repository_count(&self->repository, NULL), 1);
}

/* Fewer copies are to be kept, since there is no room: that may not wait for a good upload. */
static void a_full_repository_forgets_what_retention_drops(void **state)
{
    offsite *self = *state;
    self->config.offsite.keep_last = 2;
    (void)begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s += DAY_S;
    (void)make_set(self);
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(fake_repository_count(&self->repository, NULL), 2);
    keep_one(self);
    self->now_s += DAY_S;
    (void)make_set(self);
    self->repository.is_full = true;
    assert_fails(sync_now(self), self->err, TBK_E_SPACE, "no space left");
    assert_true(called(self, "forget"));
    assert_true(called(self, "prune"));
    assert_int_equal(fake_repository_count(&self->repository, NULL), 1);
}

/* Its disk may not be mounted: then nothing is known of what was saved since. */
static void a_store_that_shows_no_set_is_no_reason_to_remove_any(void **state)
{
    offsite *self = *state;
    self->config.offsite.keep_last = 2;
    (void)begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s += DAY_S;
    (void)make_set(self);
    assert_succeeds(sync_now(self), self->err);
    keep_one(self);
    self->now_s += DAY_S;
    assert_int_equal(system(tbk_arena_format(self->arena, "rm -r '%s'/2*", self->config.store)), 0);
    assert_succeeds(sync_now(self), self->err);
    assert_false(called(self, "forget"));
    assert_int_equal(fake_repository_count(&self->repository, NULL), 2);
}

static void nothing_is_removed_after_a_bad_check(void **state)
{
    offsite *self = *state;
    (void)two_days(self);
    self->now_s += 7 * DAY_S;
    self->repository.check_finds_damage = true;
    assert_fails(sync_now(self), self->err, TBK_E_UNPROVED, "the repository is damaged");
    assert_false(called(self, "forget"));
    assert_non_null(strstr(state_of(self)->check_error, "a pack is not"));
    self->repository.check_finds_damage = false;
    self->now_s += 3600;
    /* None is due, and nothing is known to be better. */
    assert_fails(sync_now(self), self->err, TBK_E_UNPROVED, "the repository is damaged");
    assert_true(called(self, "list files read files read "));
    assert_false(called(self, "forget"));
    assert_false(called(self, "prune"));
    assert_succeeds(run(self, tbk_offsite_check), self->err);
    assert_null(state_of(self)->check_error);
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "forget"));
}

/* A part that was bad is read again. */
static void parts_are_read_in_turn(void **state)
{
    offsite *self = *state;
    static const char *const calls[] = {"check-1/4 ", "check-2/4 ", "check-3/4 ", "check-4/4 ",
                                        "check-1/4 "};
    (void)begin_with_a_set(self);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        assert_succeeds(sync_now(self), self->err);
        assert_true(called(self, calls[i]));
        self->now_s += 7 * DAY_S;
    }
    self->repository.check_finds_damage = true;
    assert_fails(run(self, tbk_offsite_check), self->err, TBK_E_UNPROVED, "damaged");
    assert_true(called(self, "check-2/4 "));
    self->repository.check_finds_damage = false;
    assert_succeeds(run(self, tbk_offsite_check), self->err);
    assert_true(called(self, "check-2/4 "));
}

/* Its sizes are right, so that only reading it back shows it. */
static void a_copy_that_cannot_be_read_back_is_sent_anew(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    damage(self, snapshot_at(self, NAME, 0));
    self->now_s += 3600;
    assert_fails(drill_now(self), self->err, TBK_E_UNPROVED,
                 "off-site is damaged: database.db.zst");
    assert_string_equal(state_of(self)->drill_set, id);
    assert_int_equal(self->state.drill_s, START_S + 3600);
    assert_int_equal(self->state.drill_good_s, START_S);
    self->now_s += 60;
    assert_fails(sync_now(self), self->err, TBK_E_UNPROVED, "off-site is damaged");
    assert_true(called(self, "send"));
    assert_false(called(self, "forget"));
    assert_int_equal(fake_repository_count(&self->repository, NULL), 2);
    self->now_s += 60;
    assert_fails(sync_now(self), self->err, TBK_E_UNPROVED, "off-site is damaged");
    assert_false(called(self, "send"));
    assert_succeeds(drill_now(self), self->err); /* of the new copy */
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "forget"));
    assert_int_equal(fake_repository_count(&self->repository, NULL), 1);
    assert_succeeds(drill_now(self), self->err);
}

static void a_drill_of_nothing_is_an_error(void **state)
{
    offsite *self = *state;
    assert_succeeds(run(self, tbk_offsite_init), self->err);
    assert_fails(drill_now(self), self->err, TBK_E_NOT_FOUND, "there is no whole set of 'tracker'");
}

static void nothing_is_removed_while_the_stores_brake_is_on(void **state)
{
    offsite *self = *state;
    const char *brake = tbk_arena_format(self->arena, "%s/.state/brake.json", self->config.store);
    (void)two_days(self);
    assert_succeeds(tbk_file_publish(brake, "?", 1, 0640, &self->err), self->err); /* damaged: on */
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "send"));
    assert_false(called(self, "forget"));
    assert_int_equal(unlink(brake), 0);
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "forget"));
}

/* A machine that was set up anew begins with an empty tracker, and a store that knows nothing. */
static void nothing_is_removed_once_the_database_shrank(void **state)
{
    offsite *self = *state;
    keep_one(self);
    execute(self->config.database_path,
            "CREATE TABLE filler (b); INSERT INTO filler VALUES (zeroblob(17000000))");
    (void)begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    assert_null(state_of(self)->brake);
    execute(self->config.database_path, "DROP TABLE filler; VACUUM");
    self->config.store = tbk_arena_format(self->arena, "%s/store-2", self->folder);
    self->now_s += DAY_S;
    (void)make_set(self);
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(fake_repository_count(&self->repository, NULL), 2);
    assert_false(called(self, "forget"));
    assert_non_null(strstr(state_of(self)->brake, "the database of '"));
    assert_non_null(strstr(tbk_text_string(&self->log), "nothing is removed off-site"));
    assert_succeeds(run(self, tbk_offsite_accept), self->err);
    assert_null(state_of(self)->brake);
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "forget"));
    assert_int_equal(fake_repository_count(&self->repository, NULL), 1);
}

static void nothing_is_removed_where_that_is_not_allowed(void **state)
{
    offsite *self = *state;
    (void)two_days(self);
    self->config.offsite.access = TBK_ACCESS_APPEND_ONLY;
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(fake_repository_count(&self->repository, NULL), 2);
    assert_false(called(self, "forget"));
    assert_false(called(self, "prune"));
}

static void a_removal_that_removes_nothing_is_said(void **state)
{
    offsite *self = *state;
    (void)two_days(self);
    self->repository.keeps_all = true;
    assert_fails(sync_now(self), self->err, TBK_E_PARTIAL, "are still there");
    assert_false(called(self, "prune"));
    assert_int_equal(state_of(self)->exit_status, 3);
    assert_non_null(strstr(self->state.fix, "append_only"));
    assert_int_equal(self->state.waiting, 0);
}

static void the_newest_whole_copy_always_stays(void **state)
{
    offsite *self = *state;
    keep_one(self);
    self->config.offsite.keep_last = 0;
    const char *id = begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s += 3000 * (int64_t)DAY_S;
    fake_repository_put(&self->repository, self->config.store, id, NAME, "20340101T000000Z");
    /* The other one is not what its name says; the look that found it so may have been wrong. */
    assert_succeeds(sync_now(self), self->err);
    assert_string_equal(sets_there(self),
                        tbk_arena_format(self->arena, "20340101T000000Z %s ", id));
}

/* That a snapshot cannot be loaded does not say that it is not there, or what else is not. */
static void an_incomplete_list_removes_nothing(void **state)
{
    offsite *self = *state;
    const char *first = two_days(self);
    self->config.offsite.keep_last = 2;
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(state_of(self)->known_count, 2);
    keep_one(self);
    self->now_s += DAY_S;
    const char *newest = make_set(self);
    self->repository.hidden = first;
    assert_fails(sync_now(self), self->err, TBK_E_UNPROVED, "a snapshot cannot be loaded");
    assert_true(called(self, "send"));
    assert_false(called(self, "forget"));
    assert_false(called(self, "prune"));
    assert_int_equal(fake_repository_count(&self->repository, NULL), 3);
    assert_int_equal(state_of(self)->known_count, 3); /* what is missed is not forgotten */
    assert_string_equal(self->state.newest, newest);
    assert_int_equal(self->state.exit_status, 21);
    self->repository.hidden = NULL;
    assert_succeeds(sync_now(self), self->err);
    assert_string_equal(sets_there(self), tbk_arena_format(self->arena, "%s ", newest));
}

/* --- locks --- */

static void locks_of_ours_are_removed(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    fake_repository_lock(&self->repository, HOST, START_S - 5, true);
    fake_repository_lock(&self->repository, HOST, START_S - 5000, false);
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "unlock-all"));
    assert_int_equal(fake_repository_count_locks(&self->repository), 0);
}

/* A container that was replaced has another name; its lock is still this machine's. */
static void locks_of_earlier_containers_are_ours(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    fake_repository_lock(&self->repository, HOST, START_S, true);
    tbk_offsite_request request = request_of(self);
    request.host = self->repository.host = "container-2";
    self->repository.calls[0] = '\0';
    assert_succeeds(tbk_offsite_sync(self->arena, &request, &self->err), self->err);
    assert_true(called(self, "unlock-all"));
    assert_string_equal(state_of(self)->hosts[0], HOST);
    assert_string_equal(self->state.hosts[1], "container-2");
}

static void locks_of_others_that_were_just_seen_are_never_removed(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    fake_repository_lock(&self->repository, "stranger", START_S - 5000, true);
    fake_repository_lock(&self->repository, HOST, START_S - 5000, false);
    for (int look = 0; look < 2; look++) {
        assert_fails(sync_now(self), self->err, TBK_E_LOCKED,
                     "'stranger' has locked the repository");
        assert_false(called(self, "unlock"));
        assert_int_equal(fake_repository_count_locks(&self->repository), 2);
        assert_non_null(strstr(tbk_text_string(&self->log), "'stranger' has locked"));
        assert_int_equal(state_of(self)->exit_status, 11);
        assert_int_equal(self->state.lock_count, 2);
        self->now_s += 1799;
    }
}

/* Whatever the wall clock says of the times in them. */
static void a_clock_that_is_ahead_makes_no_lock_stale(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    self->now_s += 7200;
    self->ahead_s = 7200;
    for (int look = 0; look < 8; look++) {
        fake_repository_lock(&self->repository, "stranger", self->now_s - 7200, true);
        assert_fails(sync_now(self), self->err, TBK_E_LOCKED, "'stranger'");
        assert_false(called(self, "unlock"));
        fake_repository_remove_locks(&self->repository); /* it is refreshed: another one comes */
        self->now_s += 300;
    }
    self->ahead_s += 3600; /* it is set, between two looks */
    self->now_s += 3600;
    fake_repository_lock(&self->repository, "stranger", self->now_s - self->ahead_s, true);
    assert_fails(sync_now(self), self->err, TBK_E_LOCKED, "'stranger'");
    self->ahead_s += 3600;
    self->now_s += 3600;
    assert_fails(sync_now(self), self->err, TBK_E_LOCKED, "'stranger'");
    assert_false(called(self, "unlock"));
}

/* The time since the machine was started says less than what has passed, never more. */
static void a_start_of_the_machine_makes_no_lock_stale(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    fake_repository_lock(&self->repository, "stranger", START_S, true);
    assert_fails(sync_now(self), self->err, TBK_E_LOCKED, "'stranger'");
    self->now_s += 1800;
    self->up_since_s = self->now_s - 60;
    assert_fails(sync_now(self), self->err, TBK_E_LOCKED, "'stranger'");
    self->now_s += 1799;
    assert_fails(sync_now(self), self->err, TBK_E_LOCKED, "'stranger'");
    self->now_s += 1;
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(state_of(self)->lock_count, 0);
}

/* Seen, and seen again after the whole period. */
static void see_locks_become_stale(offsite *self)
{
    assert_fails(sync_now(self), self->err, TBK_E_LOCKED, "has locked the repository");
    self->now_s += 1801;
}

static void stale_locks_of_others_are_removed_gently(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    fake_repository_lock(&self->repository, "stranger", START_S, true);
    see_locks_become_stale(self);
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "unlock "));
    assert_false(called(self, "unlock-all"));
    assert_int_equal(fake_repository_count_locks(&self->repository), 0);
}

static void locks_of_ours_go_once_stale_ones_of_others_are_gone(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    fake_repository_lock(&self->repository, "stranger", START_S, true);
    see_locks_become_stale(self);
    fake_repository_lock(&self->repository, HOST, self->now_s - 5, false);
    assert_succeeds(sync_now(self), self->err);
    assert_non_null(strstr(self->repository.calls, "locks unlock locks unlock-all list "));
    assert_int_equal(fake_repository_count_locks(&self->repository), 0);
}

static void an_operator_may_remove_all_locks(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    fake_repository_lock(&self->repository, "stranger", START_S, true);
    assert_succeeds(run(self, tbk_offsite_unlock), self->err);
    assert_int_equal(fake_repository_count_locks(&self->repository), 0);
}

/* --- which repository --- */

static void rename_repository(offsite *self, const char *from, const char *to)
{
    assert_int_equal(rename(tbk_arena_format(self->arena, "%s/%s", self->folder, from),
                            tbk_arena_format(self->arena, "%s/%s", self->folder, to)),
                     0);
}

static void a_repository_is_made_only_when_asked(void **state)
{
    offsite *self = *state;
    (void)make_set(self);
    assert_fails(sync_now(self), self->err, TBK_E_NOT_FOUND, "there is no repository");
    assert_string_equal(self->repository.calls, "identify ");
    assert_string_equal(self->err.fix, "make it: torrust-backup offsite init ENVIRONMENT");
    assert_int_equal(state_of(self)->exit_status, 10);
    assert_fails(run(self, tbk_offsite_check), self->err, TBK_E_NOT_FOUND, "no repository");
    assert_fails(run(self, tbk_offsite_unlock), self->err, TBK_E_NOT_FOUND, "no repository");
    assert_succeeds(run(self, tbk_offsite_init), self->err);
    assert_string_equal(self->repository.calls, "identify init identify ");
    assert_succeeds(run(self, tbk_offsite_init), self->err); /* it is there, and is used */
    assert_string_equal(self->repository.calls, "identify ");
    assert_succeeds(sync_now(self), self->err);
}

static void no_repository_is_made_where_none_can_be_seen(void **state)
{
    offsite *self = *state;
    self->repository.is_unreachable = true;
    assert_fails(run(self, tbk_offsite_init), self->err, TBK_E_NETWORK, "does not answer");
    assert_string_equal(self->repository.calls, "identify ");
    self->repository.is_unreachable = false;
    self->repository.refuses_password = true;
    fake_repository_make(&self->repository, "abc");
    assert_fails(run(self, tbk_offsite_init), self->err, TBK_E_KEY, "the password");
}

static void a_repository_that_vanished_is_missed(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    rename_repository(self, "repository", "away");
    assert_fails(sync_now(self), self->err, TBK_E_NOT_FOUND, "there is no repository");
    assert_non_null(strstr(self->err.fix, "it was there before: look for a disk that is not"));
    assert_string_equal(self->repository.calls, "identify ");
    assert_non_null(strstr(state_of(self)->fix, "look for a disk"));
    assert_non_null(self->state.newest);
    assert_int_equal(self->state.known_count, 1);
    rename_repository(self, "away", "repository");
    assert_succeeds(sync_now(self), self->err);
    assert_false(called(self, "send"));
}

static void another_repository_is_an_alarm_until_it_is_meant(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    damage(self, snapshot_at(self, NAME, 0));
    assert_fails(drill_now(self), self->err, TBK_E_UNPROVED, "off-site is damaged");
    rename_repository(self, "repository", "away");
    fake_repository_make(&self->repository, "0123456789abcdef");
    assert_fails(sync_now(self), self->err, TBK_E_CONFIG,
                 "is another repository than before (01234567 instead of ");
    assert_string_equal(self->repository.calls, "identify ");
    assert_int_equal(state_of(self)->exit_status, 2);
    assert_int_equal(fake_repository_count(&self->repository, NULL), 0);
    assert_succeeds(run(self, tbk_offsite_init), self->err);
    assert_string_equal(state_of(self)->repository, "0123456789abcdef");
    assert_null(self->state.newest); /* of the other one, as what was proved there */
    assert_int_equal(self->state.drill_s, 0);
    self->now_s += 60;
    assert_succeeds(sync_now(self), self->err);
    assert_true(called(self, "send"));
    assert_true(called(self, "check"));
    assert_int_equal(state_of(self)->drill_good_s, self->now_s);
}

/* --- besides --- */

static void work_stops_when_it_is_asked_to(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    self->report.cancelled = at_once;
    assert_fails(sync_now(self), self->err, TBK_E_INTERRUPTED, "");
    assert_false(called(self, "send"));
    assert_int_equal(state_of(self)->exit_status, 130);
}

/* One at a time; the other one's state is left alone. */
static void only_one_process_works_off_site(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    const char *lock = tbk_arena_format(self->arena, "%s/lock", self->home);
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    self->report.cancelled = at_once; /* or it would wait for half a minute */
    assert_fails(sync_now(self), self->err, TBK_E_INTERRUPTED, "");
    assert_string_equal(self->repository.calls, "");
    assert_int_equal(state_of(self)->attempt_s, 0);
    (void)close(fd);
    self->report.cancelled = NULL;
    assert_succeeds(sync_now(self), self->err);
    self->home = "/nowhere/at/all";
    assert_fails(sync_now(self), self->err, TBK_E_IO, "cannot write in '/nowhere/at/all'");
}

/* Nothing that a state could say of a repository is believed where it cannot be read. */
static void a_spoilt_state_stops_all(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_set(self);
    const char *path = tbk_arena_format(self->arena, "%s/state.json", self->home);
    assert_succeeds(tbk_file_publish(path, "{", 1, 0644, &self->err), self->err);
    assert_fails(sync_now(self), self->err, TBK_E_CORRUPT, "state.json");
    assert_string_equal(self->repository.calls, "");
    assert_int_equal(unlink(path), 0);
    assert_succeeds(sync_now(self), self->err);
}

static void what_is_there_is_listed(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    tbk_value *value = NULL;
    assert_succeeds(sync_now(self), self->err);
    fake_repository_put(&self->repository, self->config.store, id, "other", "20200101T000000Z");
    const tbk_offsite_request request = request_of(self);
    assert_succeeds(tbk_offsite_list(self->arena, &request, &value, &self->err), self->err);
    assert_string_equal(tbk_value_text_at(value, "name", "-"), NAME);
    const tbk_member *first = tbk_value_members_at(value, "sets");
    assert_string_equal(tbk_value_text_at(first->value, "id", "-"), id);
    assert_string_equal(tbk_value_text_at(first->value, "name", "-"), NAME);
    assert_string_equal(tbk_value_text_at(first->value, "profile", "-"), "full");
    assert_true(tbk_value_integer_at(first->value, "database_bytes") > 4096);
    assert_string_equal(tbk_value_text_at(first->next->value, "name", "-"), "other");
    assert_null(first->next->next);
    self->repository.is_unreachable = true;
    assert_fails(tbk_offsite_list(self->arena, &request, &value, &self->err), self->err,
                 TBK_E_NETWORK, "does not answer");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_offsite, tear_down_offsite)
    const struct CMUnitTest tests[] = {
        TEST(a_set_is_sent_looked_at_and_remembered),
        TEST(what_is_there_is_neither_sent_nor_looked_at_again),
        TEST(what_was_looked_at_is_remembered_as_it_goes),
        TEST(a_set_that_is_not_proved_stays_here),
        TEST(sets_of_another_environment_or_database_stay_here),
        TEST(a_copy_that_is_not_whole_is_sent_anew_and_removed),
        TEST(a_copy_that_is_not_whole_is_not_looked_at_each_time),
        TEST(copies_are_compared_with_their_manifest),
        TEST(copies_of_a_newer_version_are_left_alone),
        TEST(names_in_one_repository_never_touch_each_other),
        TEST(a_copy_of_another_machine_is_not_taken_for_ours),
        TEST(a_copy_without_a_tag_is_taken_for_ours),
        TEST(a_copy_from_the_future_is_kept_and_counts_for_nothing),
        TEST(a_set_that_cannot_be_read_costs_itself_only),
        TEST(an_old_set_that_cannot_be_read_stops_no_removal),
        TEST(removal_follows_a_good_copy),
        TEST(space_is_given_back_once_a_week),
        TEST(the_index_is_mended_after_an_upload_that_did_not_end),
        TEST(a_full_repository_gives_back_what_was_forgotten),
        TEST(a_full_repository_forgets_what_retention_drops),
        TEST(a_store_that_shows_no_set_is_no_reason_to_remove_any),
        TEST(nothing_is_removed_after_a_bad_check),
        TEST(parts_are_read_in_turn),
        TEST(a_copy_that_cannot_be_read_back_is_sent_anew),
        TEST(a_drill_of_nothing_is_an_error),
        TEST(nothing_is_removed_while_the_stores_brake_is_on),
        TEST(nothing_is_removed_once_the_database_shrank),
        TEST(nothing_is_removed_where_that_is_not_allowed),
        TEST(a_removal_that_removes_nothing_is_said),
        TEST(the_newest_whole_copy_always_stays),
        TEST(an_incomplete_list_removes_nothing),
        TEST(locks_of_ours_are_removed),
        TEST(locks_of_earlier_containers_are_ours),
        TEST(locks_of_others_that_were_just_seen_are_never_removed),
        TEST(a_clock_that_is_ahead_makes_no_lock_stale),
        TEST(a_start_of_the_machine_makes_no_lock_stale),
        TEST(stale_locks_of_others_are_removed_gently),
        TEST(locks_of_ours_go_once_stale_ones_of_others_are_gone),
        TEST(an_operator_may_remove_all_locks),
        TEST(a_repository_is_made_only_when_asked),
        TEST(no_repository_is_made_where_none_can_be_seen),
        TEST(a_repository_that_vanished_is_missed),
        TEST(another_repository_is_an_alarm_until_it_is_meant),
        TEST(work_stops_when_it_is_asked_to),
        TEST(only_one_process_works_off_site),
        TEST(a_spoilt_state_stops_all),
        TEST(what_is_there_is_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
