/* SPDX-License-Identifier: MIT */
/* The drill: how deep it goes, what it finds, and that nothing of it stays. */
#include "unit/engine/offsite_fixture.h"

#include "base/file.h"

#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#define PAGE_BYTES 4096

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

static const char *scratch(offsite *self)
{
    return tbk_arena_format(self->arena, "%s/drill", self->home);
}

static void assert_nothing_is_left(offsite *self)
{
    assert_int_not_equal(access(scratch(self), F_OK), 0);
}

static const char *begin_with_a_copy(offsite *self)
{
    const char *id = begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s += 60;
    return id;
}

static char *state_file(offsite *self)
{
    char *bytes = NULL;
    size_t length = 0;
    const char *path = tbk_arena_format(self->arena, "%s/state.json", self->home);
    assert_succeeds(tbk_file_read(self->arena, path, 1u << 20, &bytes, &length, &self->err),
                    self->err);
    return bytes;
}

/* --- how deep --- */

static void the_newest_copy_is_restored_and_checked(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    assert_succeeds(drill_now(self), self->err);
    assert_true(called(self, "restore "));
    assert_nothing_is_left(self);
    const tbk_offsite_state *now = state_of(self);
    assert_int_equal(now->drill_level, TBK_PROOF_RESTORED);
    assert_int_equal(now->drill_good_s, self->now_s);
    assert_int_equal(now->restored_s, self->now_s);
    assert_null(now->drill_shortfall);
    assert_string_equal(now->drill_set, id);
    assert_int_equal(now->known[0].level, TBK_PROOF_RESTORED);
    assert_int_equal(now->known[0].level_s, self->now_s);
    assert_string_equal(tbk_value_text_at(self->drilled, "set", ""), id);
    assert_string_equal(tbk_value_text_at(self->drilled, "level", ""), "offsite-restored");
    assert_int_equal(tbk_value_integer_at(self->drilled, "level_s"), self->now_s);
}

/* A copy that was only seen says so; what was proved of another one is not its own. */
static void a_copy_that_was_not_drilled_was_only_seen(void **state)
{
    offsite *self = *state;
    const char *first = begin_with_a_copy(self);
    self->now_s += DAY_S;
    const char *second = make_set(self);
    assert_succeeds(sync_now(self), self->err); /* no drill is due */
    const tbk_offsite_state *now = state_of(self);
    assert_int_equal(tbk_offsite_state_find_set(now, first)->level, TBK_PROOF_RESTORED);
    assert_int_equal(tbk_offsite_state_find_set(now, second)->level, TBK_PROOF_NONE);
    assert_int_equal(tbk_offsite_state_find_set(now, second)->level_s, self->now_s);
    assert_null(tbk_offsite_state_find_set(now, "20200101T000000Z"));
}

static void checksums_use_no_disk(void **state)
{
    offsite *self = *state;
    self->config.offsite.drill_level = TBK_PROOF_CHECKSUMS;
    (void)begin_with_a_copy(self);
    free_now_bytes = 1;
    assert_succeeds(drill_now(self), self->err);
    free_now_bytes = 0;
    assert_false(called(self, "restore"));
    assert_int_equal(state_of(self)->drill_level, TBK_PROOF_CHECKSUMS);
    assert_int_equal(self->state.restored_s, 0);
    assert_int_equal(self->state.known[0].level, TBK_PROOF_CHECKSUMS);
    assert_null(self->state.drill_shortfall);
}

static void a_proof_is_not_replaced_by_a_weaker_one(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_copy(self);
    int64_t restored_s = state_of(self)->restored_s;
    self->config.offsite.drill_level = TBK_PROOF_CHECKSUMS;
    assert_succeeds(drill_now(self), self->err);
    assert_int_equal(state_of(self)->known[0].level, TBK_PROOF_RESTORED);
    assert_int_equal(self->state.known[0].level_s, restored_s);
    assert_int_equal(self->state.restored_s, restored_s);
    assert_int_equal(self->state.drill_level, TBK_PROOF_CHECKSUMS);
}

static void a_dump_is_only_read_back(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_copy(self);
    self->config.driver = TBK_DRIVER_MYSQL;
    assert_succeeds(drill_now(self), self->err);
    assert_false(called(self, "restore"));
    assert_int_equal(state_of(self)->drill_level, TBK_PROOF_CHECKSUMS);
    assert_null(self->state.drill_shortfall); /* it is as deep as it was to be */
}

/* --- what it finds --- */

static void a_damaged_copy_is_found(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_copy(self);
    int64_t good_s = state_of(self)->drill_good_s;
    damage(self, snapshot_at(self, NAME, 0));
    assert_fails(drill_now(self), self->err, TBK_E_UNPROVED,
                 tbk_arena_format(self->arena, "set %s off-site is damaged", id));
    assert_nothing_is_left(self);
    assert_non_null(
        strstr(state_of(self)->drill_error, TBK_SET_DATABASE_FILE ": not a sound zstd stream"));
    assert_int_equal(self->state.drill_good_s, good_s);
    assert_int_equal(self->state.restored_s, good_s);
    assert_non_null(self->state.known[0].damage);
    assert_null(tbk_offsite_state_find_set(&self->state, id));
}

static void what_the_repository_says_is_damaged_is_found(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_copy(self);
    self->repository.finds_damage_in_restore = true;
    assert_fails(drill_now(self), self->err, TBK_E_UNPROVED, "ciphertext verification failed");
    assert_nothing_is_left(self);
    assert_non_null(state_of(self)->known[0].damage);
}

static void a_copy_that_lost_a_file_is_found(void **state)
{
    offsite *self = *state;
    char path[512];
    (void)begin_with_a_copy(self);
    fake_repository_path(&self->repository, snapshot_at(self, NAME, 0), TBK_SET_DATABASE_FILE,
                         path);
    assert_int_equal(unlink(path), 0);
    assert_fails(drill_now(self), self->err, TBK_E_UNPROVED, "database.db.zst is missing");
    assert_false(called(self, "restore"));
}

/* A page of nonsense, as a disk may leave it: it is saved as it is, and all its sums are right. */
static void damage_database(offsite *self)
{
    unsigned char page[PAGE_BYTES];
    int fd = open(self->config.database_path, O_RDWR | O_CLOEXEC);
    memset(page, 0xa5, sizeof page);
    assert_int_equal(pwrite(fd, page, sizeof page, 4 * (off_t)PAGE_BYTES), sizeof page);
    (void)close(fd);
}

static void only_a_restore_finds_damage_that_was_saved(void **state)
{
    offsite *self = *state;
    self->config.prove_restored_every_days = 0;
    damage_database(self);
    self->config.offsite.drill_level = TBK_PROOF_CHECKSUMS;
    (void)begin_with_a_copy(self);
    assert_succeeds(drill_now(self), self->err);
    self->config.offsite.drill_level = TBK_PROOF_RESTORED;
    assert_fails(drill_now(self), self->err, TBK_E_UNPROVED, "off-site is damaged: ");
    assert_nothing_is_left(self);
    assert_int_equal(state_of(self)->drill_level, TBK_PROOF_RESTORED);
    assert_int_equal(self->state.restored_s, 0);
}

/* --- where it cannot --- */

static void without_room_nothing_is_restored_and_nothing_changed(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_copy(self);
    const char *before = state_file(self);
    free_now_bytes = 256u << 20; /* which the tracker is left */
    assert_fails(drill_now(self), self->err, TBK_E_SPACE, "more bytes are needed in '");
    free_now_bytes = 0;
    assert_false(called(self, "restore"));
    assert_nothing_is_left(self);
    assert_string_equal(state_file(self), before);
}

/* A scheduled one proves what it can, says what it could not, and stops nothing. */
static void without_room_a_scheduled_drill_reads_back(void **state)
{
    offsite *self = *state;
    const char *id = begin_with_a_set(self);
    free_now_bytes = 256u << 20;
    assert_succeeds(sync_now(self), self->err);
    free_now_bytes = 0;
    assert_nothing_is_left(self);
    assert_non_null(strstr(tbk_text_string(&self->log), "is read back, and not restored: "));
    assert_string_equal(state_of(self)->drill_set, id);
    assert_int_equal(self->state.drill_level, TBK_PROOF_CHECKSUMS);
    assert_int_equal(self->state.drill_good_s, self->now_s);
    assert_int_equal(self->state.restored_s, 0);
    assert_non_null(strstr(self->state.drill_shortfall, "more bytes are needed in '"));
    assert_int_equal(self->state.known[0].level, TBK_PROOF_CHECKSUMS);
    assert_succeeds(drill_now(self), self->err); /* there is room now */
    assert_null(state_of(self)->drill_shortfall);
    assert_int_equal(self->state.known[0].level, TBK_PROOF_RESTORED);
}

static void a_connection_that_breaks_proves_nothing(void **state)
{
    offsite *self = *state;
    (void)begin_with_a_copy(self);
    const char *before = state_file(self);
    self->repository.breaks_download = true;
    assert_fails(drill_now(self), self->err, TBK_E_NETWORK, "the connection broke");
    assert_nothing_is_left(self);
    assert_string_equal(state_file(self), before);
}

static offsite *interrupted;

static bool is_restored(void *self)
{
    (void)self;
    return access(scratch(interrupted), F_OK) == 0;
}

static void an_interrupted_one_leaves_nothing(void **state)
{
    offsite *self = interrupted = *state;
    (void)begin_with_a_copy(self);
    self->report.cancelled = is_restored;
    assert_fails(drill_now(self), self->err, TBK_E_INTERRUPTED, "");
    assert_true(called(self, "restore"));
    assert_nothing_is_left(self);
}

static void what_a_killed_one_left_goes_with_the_next_work(void **state)
{
    offsite *self = *state;
    const struct timespec pause = {.tv_nsec = 5000000};
    const char *id = begin_with_a_copy(self);
    const char *part = tbk_arena_format(self->arena, "%s/%s", scratch(self), id);
    pid_t child = fork();
    if (child == 0) {
        self->repository.piece_us = 200000;
        (void)!drill_now(self);
        _exit(0);
    }
    for (int i = 0; i < 4000 && access(part, F_OK) != 0; i++)
        (void)nanosleep(&pause, NULL);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(access(part, F_OK), 0);
    assert_succeeds(sync_now(self), self->err);
    assert_nothing_is_left(self);
    assert_succeeds(drill_now(self), self->err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_offsite, tear_down_offsite)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_copy_is_restored_and_checked),
        TEST(a_copy_that_was_not_drilled_was_only_seen),
        TEST(checksums_use_no_disk),
        TEST(a_proof_is_not_replaced_by_a_weaker_one),
        TEST(a_dump_is_only_read_back),
        TEST(a_damaged_copy_is_found),
        TEST(what_the_repository_says_is_damaged_is_found),
        TEST(a_copy_that_lost_a_file_is_found),
        TEST(only_a_restore_finds_damage_that_was_saved),
        TEST(without_room_nothing_is_restored_and_nothing_changed),
        TEST(without_room_a_scheduled_drill_reads_back),
        TEST(a_connection_that_breaks_proves_nothing),
        TEST(an_interrupted_one_leaves_nothing),
        TEST(what_a_killed_one_left_goes_with_the_next_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
