/* SPDX-License-Identifier: MIT */
/* A set comes back: which one, whole or not at all, and how long it stays. */
#include "unit/engine/offsite_fixture.h"

#include "base/file.h"

#include <sys/statvfs.h>

static uint64_t free_now_bytes; /* 0: what there really is */

/* In place of the C library's. */
int statvfs(const char *path, struct statvfs *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fstatvfs(fd, out);
    if (fd >= 0)
        (void)close(fd);
    if (result == 0 && free_now_bytes > 0)
        out->f_bavail = free_now_bytes / out->f_frsize;
    return result;
}

static const char *fetched; /* its path */

static bool fetch_of(offsite *self, const char *name, const char *set)
{
    const tbk_offsite_request request = request_of(self);
    self->repository.calls[0] = '\0';
    tbk_text_clear(&self->log);
    return tbk_offsite_fetch(self->arena, &request, name, set, &fetched, &self->err);
}

static bool fetch(offsite *self, const char *set) { return fetch_of(self, NAME, set); }

static const char *incoming(offsite *self, const char *name)
{
    return tbk_arena_format(self->arena, "%s/incoming/%s", self->home, name);
}

static void assert_nothing_came(offsite *self, const char *id)
{
    assert_int_not_equal(access(incoming(self, id), F_OK), 0);
}

/* The same files as in a folder of the store. */
static bool is_same_as(offsite *self, const char *store, const char *id)
{
    return system(tbk_arena_format(self->arena, "diff -r '%s/%s' '%s' >&2", store, id, fetched)) ==
           0;
}

static const char *begin_with_a_copy(offsite *self)
{
    const char *id = begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    return id;
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static int64_t size_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* --- which --- */

static void a_set_comes_back_as_it_was(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    assert_succeeds(fetch(self, id), self->err);
    assert_string_equal(fetched, incoming(self, id));
    assert_true(is_same_as(self, self->config.store, id));
    assert_int_equal(mode_of(fetched), 0750);
    assert_int_equal(mode_of(tbk_arena_format(self->arena, "%s/manifest.json", fetched)), 0640);
    assert_fails(fetch(self, "20200101T000000Z"), self->err, TBK_E_NOT_FOUND,
                 "there is no set '20200101T000000Z' of 'tracker' in 'rest:https://host.example/'");
    assert_fails(fetch_of(self, "other", id), self->err, TBK_E_NOT_FOUND, "of 'other'");
    assert_fails(fetch_of(self, "other", "latest"), self->err, TBK_E_NOT_FOUND, "of 'other'");
}

static void what_cannot_be_looked_at_is_not_said_to_be_missing(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    self->repository.hidden = id;
    assert_fails(fetch(self, id), self->err, TBK_E_UNPROVED, "a snapshot cannot be loaded");
}

/* Reading takes no lock, and minds none. */
static void locks_of_dead_machines_do_not_stand_in_the_way(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    fake_repository_lock(&self->repository, "dead", START_S, true);
    assert_succeeds(fetch(self, id), self->err);
    assert_false(called(self, "unlock"));
    assert_int_equal(fake_repository_count_locks(&self->repository), 1);
}

static void the_latest_is_never_one_from_the_future(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    int64_t real_s = self->now_s;
    self->now_s += 4000 * (int64_t)DAY_S;
    const char *future = make_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s = real_s;
    assert_succeeds(fetch(self, "latest"), self->err);
    assert_string_equal(fetched, incoming(self, id));
    assert_succeeds(fetch(self, future), self->err); /* when it is asked for */
}

static void the_latest_is_whole(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    self->now_s += DAY_S;
    const char *next = make_set(self);
    self->repository.cuts_upload = true;
    assert_fails(sync_now(self), self->err, TBK_E_UNPROVED, "not there whole");
    assert_succeeds(fetch(self, "latest"), self->err);
    assert_string_equal(fetched, incoming(self, id));
    assert_non_null(strstr(tbk_text_string(&self->log), "database.db.zst is missing"));
    assert_fails(fetch(self, next), self->err, TBK_E_UNPROVED, "database.db.zst is missing");
    assert_nothing_came(self, next);
}

/* A set that was sent anew is there twice, where nothing may be removed. */
static void the_good_one_of_two_copies_is_taken(void **state)
{
    offsite *self = *state;
    char path[512];
    const char *id = begin_with_a_set(self);
    for (size_t bad = 0; bad < 2; bad++) {
        fake_repository_put(&self->repository, self->config.store, id, NAME, id);
        fake_repository_put(&self->repository, self->config.store, id, NAME, id);
        fake_repository_path(&self->repository, snapshot_at(self, NAME, bad), "manifest.json",
                             path);
        assert_int_equal(unlink(path), 0);
        assert_succeeds(fetch(self, id), self->err);
        assert_true(is_same_as(self, self->config.store, id));
        rename(self->repository.folder, incoming(self, "../gone"));
        assert_int_equal(
            system(tbk_arena_format(self->arena, "rm -rf '%s/gone' '%s'", self->home, fetched)), 0);
        assert_succeeds(run(self, tbk_offsite_init), self->err);
    }
}

static void two_copies_of_which_one_is_spoilt_within(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    fake_repository_put(&self->repository, self->config.store, id, NAME, id);
    fake_repository_put(&self->repository, self->config.store, id, NAME, id);
    damage(self, snapshot_at(self, NAME, 0)); /* which is the first to be tried */
    assert_succeeds(fetch(self, id), self->err);
    assert_true(is_same_as(self, self->config.store, id));
    damage(self, snapshot_at(self, NAME, 1));
    assert_int_equal(system(tbk_arena_format(self->arena, "rm -rf '%s'", fetched)), 0);
    assert_fails(fetch(self, id), self->err, TBK_E_UNPROVED, "is not what was stored");
    assert_nothing_came(self, id);
}

/* --- hostile and damaged --- */

static void what_is_damaged_is_never_published(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    damage(self, snapshot_at(self, NAME, 0));
    assert_fails(fetch(self, id), self->err, TBK_E_UNPROVED,
                 "what was fetched is not what was stored: ");
    assert_nothing_came(self, id);
    damage(self, snapshot_at(self, NAME, 0)); /* it was mended */
    assert_succeeds(fetch(self, id), self->err);
    assert_true(is_same_as(self, self->config.store, id));
}

/* What a repository puts there that no set has. */
static void hostile_content_is_refused_and_not_kept(void **state)
{
    offsite *self = *state;
    static const char *const commands[] = {
        "ln -sf \"$VICTIM\" database.db.zst",
        "ln -sf \"$VICTIM\" SHA256SUMS",
        "ln -s \"$VICTIM\" more",
        "mkdir more",
        "mkfifo more",
        "rm SHA256SUMS",
        "rm manifest.json && mkdir manifest.json",
        "echo '{}' >manifest.json",
        "truncate -s -1 database.db.zst",
    };
    const char *id = begin_with_a_copy(self);
    const char *victim = tbk_arena_format(self->arena, "%s/victim", self->folder);
    assert_succeeds(tbk_file_publish(victim, "1", 1, 0604, &self->err), self->err);
    assert_int_equal(setenv("VICTIM", victim, 1), 0);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        self->repository.extra = commands[i];
        if (fetch(self, id))
            fail_msg("%s: it was fetched", commands[i]);
        assert_nothing_came(self, id);
        assert_int_equal(mode_of(victim), 0604);
        assert_int_equal(size_of(victim), 1);
        self->repository.extra = NULL; /* and nothing of it stands in the way of the next */
        assert_succeeds(fetch(self, id), self->err);
        assert_true(is_same_as(self, self->config.store, id));
        assert_int_equal(system(tbk_arena_format(self->arena, "rm -r '%s'", fetched)), 0);
    }
}

/* A manifest whose names and sizes agree, of another set. */
static void a_set_under_a_wrong_id_is_refused(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    fake_repository_put(&self->repository, self->config.store, id, NAME, "20260101T000000Z");
    assert_fails(fetch(self, "20260101T000000Z"), self->err, TBK_E_UNPROVED,
                 "it is of another set than its name says");
    assert_false(called(self, "restore"));
}

/* --- what is there already --- */

static void what_was_fetched_is_not_fetched_again(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    assert_succeeds(fetch(self, id), self->err);
    const char *path = fetched;
    assert_succeeds(fetch(self, "latest"), self->err);
    assert_string_equal(fetched, path);
    assert_false(called(self, "restore"));
    flip_byte(tbk_arena_format(self->arena, "%s/" TBK_SET_DATABASE_FILE, path), 30);
    assert_succeeds(fetch(self, id), self->err); /* it was spoilt since */
    assert_true(called(self, "restore"));
    assert_true(is_same_as(self, self->config.store, id));
}

/* Two machines may make their sets in the same second. */
static void the_set_of_another_name_is_not_taken_for_it(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    const char *first = self->config.store;
    execute(self->config.database_path, "DELETE FROM torrents WHERE id > 10");
    self->config.store = tbk_arena_format(self->arena, "%s/store-2", self->folder);
    self->config.environment = "other";
    self->config.offsite.name = "other";
    assert_string_equal(make_set(self), id);
    assert_succeeds(sync_now(self), self->err);
    assert_succeeds(fetch_of(self, NAME, id), self->err);
    assert_true(is_same_as(self, first, id));
    assert_succeeds(fetch_of(self, "other", id), self->err);
    assert_true(called(self, "restore"));
    assert_true(is_same_as(self, self->config.store, id));
}

static void a_fetch_that_broke_is_never_published_and_goes_on(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    self->repository.breaks_download = true;
    assert_fails(fetch(self, id), self->err, TBK_E_NETWORK, "the connection broke");
    assert_nothing_came(self, id);
    assert_int_equal(access(incoming(self, tbk_arena_format(self->arena, "%s.partial", id)), F_OK),
                     0);
    self->repository.breaks_download = false;
    assert_succeeds(fetch(self, id), self->err);
    assert_true(is_same_as(self, self->config.store, id));
    assert_int_not_equal(
        access(incoming(self, tbk_arena_format(self->arena, "%s.partial", id)), F_OK), 0);
}

/* --- space and time --- */

static void free_space_is_checked_before(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    free_now_bytes = 64 << 20;
    assert_fails(fetch(self, id), self->err, TBK_E_SPACE, "more bytes are needed in '");
    assert_false(called(self, "restore"));
    assert_nothing_came(self, id);
    free_now_bytes = (64 << 20) + 1000000;
    assert_succeeds(fetch(self, id), self->err);
    free_now_bytes = 1; /* what is there needs none */
    assert_succeeds(fetch(self, id), self->err);
    free_now_bytes = 0;
}

static void what_came_before_needs_no_space_again(void **state)
{
    offsite *self = *state;
    self->config.database_path = tbk_arena_format(self->arena, "%s/u.db", self->folder);
    make_torrents(self->config.database_path, 20000, "1");
    const char *id = begin_with_a_copy(self);
    free_now_bytes = (64 << 20) + 300000;
    assert_fails(fetch(self, id), self->err, TBK_E_SPACE, "more bytes are needed in '");
    free_now_bytes = 0;
    self->repository.breaks_download = true;
    assert_fails(fetch(self, id), self->err, TBK_E_NETWORK, "the connection broke");
    self->repository.breaks_download = false;
    free_now_bytes = (64 << 20) + 300000;
    assert_succeeds(fetch(self, id), self->err);
    free_now_bytes = 0;
    assert_true(is_same_as(self, self->config.store, id));
}

/* All that the snapshot has, not what its manifest tells of. */
static void a_file_that_no_set_has_needs_space_as_well(void **state)
{
    offsite *self = *state;
    char path[512];
    const char *id = begin_with_a_copy(self);
    fake_repository_path(&self->repository, snapshot_at(self, NAME, 0), "more", path);
    assert_int_equal(system(tbk_arena_format(self->arena, "head -c 3000000 /dev/zero >'%s'", path)),
                     0);
    free_now_bytes = (64 << 20) + 1000000;
    assert_fails(fetch(self, id), self->err, TBK_E_SPACE, "more bytes are needed in '");
    free_now_bytes = 0;
}

/* As long as sets are kept here, from when it came: however old it is. */
static void what_was_fetched_goes_after_some_days(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    self->config.keep_days = 3;
    self->now_s += 20 * DAY_S;
    assert_succeeds(fetch(self, id), self->err);
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(access(fetched, F_OK), 0);
    self->now_s += 2 * DAY_S;
    assert_succeeds(fetch(self, id), self->err); /* again: it is wanted */
    self->now_s += 2 * DAY_S;
    assert_succeeds(sync_now(self), self->err);
    assert_int_equal(access(fetched, F_OK), 0);
    self->now_s += DAY_S;
    assert_succeeds(sync_now(self), self->err);
    assert_nothing_came(self, id);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_offsite, tear_down_offsite)
    const struct CMUnitTest tests[] = {
        TEST(a_set_comes_back_as_it_was),
        TEST(what_cannot_be_looked_at_is_not_said_to_be_missing),
        TEST(locks_of_dead_machines_do_not_stand_in_the_way),
        TEST(the_latest_is_never_one_from_the_future),
        TEST(the_latest_is_whole),
        TEST(the_good_one_of_two_copies_is_taken),
        TEST(two_copies_of_which_one_is_spoilt_within),
        TEST(what_is_damaged_is_never_published),
        TEST(hostile_content_is_refused_and_not_kept),
        TEST(a_set_under_a_wrong_id_is_refused),
        TEST(what_was_fetched_is_not_fetched_again),
        TEST(the_set_of_another_name_is_not_taken_for_it),
        TEST(a_fetch_that_broke_is_never_published_and_goes_on),
        TEST(free_space_is_checked_before),
        TEST(what_came_before_needs_no_space_again),
        TEST(a_file_that_no_set_has_needs_space_as_well),
        TEST(what_was_fetched_goes_after_some_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
