/* SPDX-License-Identifier: MIT */
/* A week in which each day something else goes wrong; and processes that are killed at any moment.
 */
#include "unit/engine/offsite_fixture.h"

#include "store/store.h"

#include <time.h>

#define KILLS 50
#define HOUR_S 3600

/* --- a week --- */

/* Nothing in the store changes, and its lock, which another run has, is not asked for. */
static bool sync_beside_a_run(offsite *self)
{
    tbk_auto(tbk_store) *store = NULL;
    assert_succeeds(tbk_store_open(self->config.store, TBK_STORE_WRITE, &store, &self->err),
                    self->err);
    const char *before = listing_of(self, self->config.store);
    bool ok = sync_now(self);
    assert_string_equal(listing_of(self, self->config.store), before);
    return ok;
}

/* Who looks at the state sees why, and what is still there. */
static void assert_state(offsite *self, int64_t exit_status, const char *error, int64_t waiting,
                         const char *newest)
{
    const tbk_offsite_state *now = state_of(self);
    assert_int_equal(now->exit_status, exit_status);
    assert_int_equal(now->attempt_s, self->now_s);
    assert_int_equal(now->success_s == self->now_s, exit_status == 0);
    assert_int_equal(now->error != NULL, error != NULL);
    if (error != NULL && strstr(now->error, error) == NULL)
        fail_msg("the state says '%s'", now->error);
    assert_int_equal(now->waiting, waiting);
    assert_string_equal(now->newest, newest);
}

static const char *next_day(offsite *self)
{
    self->now_s += DAY_S;
    return make_set(self);
}

static void assert_all_is_well(offsite *self, const char *newest)
{
    self->now_s += HOUR_S;
    assert_succeeds(sync_beside_a_run(self), self->err);
    assert_state(self, 0, NULL, 0, newest);
    assert_int_equal(fake_repository_count_locks(&self->repository), 0);
}

static void break_upload(offsite *self, const char *before)
{
    (void)next_day(self);
    self->repository.breaks_upload = true;
    assert_fails(sync_beside_a_run(self), self->err, TBK_E_NETWORK, "the connection broke");
    assert_state(self, 1, "the connection broke", 2, before);
    assert_non_null(self->state.sending);
    assert_int_equal(fake_repository_count_locks(&self->repository), 1);
    self->repository.breaks_upload = false;
}

static void lose_repository(offsite *self, const char *before)
{
    const char *away = tbk_arena_format(self->arena, "%s/away", self->folder);
    assert_int_equal(rename(self->repository.folder, away), 0);
    assert_fails(sync_beside_a_run(self), self->err, TBK_E_NOT_FOUND, "there is no repository");
    assert_state(self, 10, "there is no repository", 1, before);
    assert_non_null(strstr(self->state.fix, "a disk that is not mounted"));
    assert_int_equal(rename(away, self->repository.folder), 0);
}

static void a_week_with_all_that_can_go_wrong(void **state)
{
    offsite *self = *state;
    const char *days[8];
    self->config.offsite.keep_last = 2;
    self->config.offsite.keep_daily = 5;
    self->config.offsite.keep_weekly = self->config.offsite.keep_monthly = 0;
    days[0] = begin_with_a_set(self);
    assert_all_is_well(self, days[0]);
    self->now_s += DAY_S; /* the backup failed: there is no set */
    assert_all_is_well(self, days[0]);
    days[2] = next_day(self);
    self->repository.is_unreachable = true;
    assert_fails(sync_beside_a_run(self), self->err, TBK_E_NETWORK, "does not answer");
    assert_state(self, 1, "does not answer", 1, days[0]);
    self->repository.is_unreachable = false;
    break_upload(self, days[0]);
    assert_all_is_well(self, self->state.sending);
    assert_non_null(strstr(self->repository.calls, "unlock-all list repair send "));
    days[3] = state_of(self)->newest;
    assert_string_equal(snapshot_at(self, NAME, 1)->set, days[2]); /* sent after it */
    days[4] = next_day(self);
    fake_repository_lock(&self->repository, "stranger", self->now_s - 2 * HOUR_S, true);
    assert_fails(sync_beside_a_run(self), self->err, TBK_E_LOCKED, "'stranger'");
    self->now_s += 1801;
    assert_all_is_well(self, days[4]);
    assert_true(called(self, "unlock "));
    days[5] = next_day(self);
    self->repository.is_full = true;
    self->config.offsite.check_every_days = 30;
    assert_fails(sync_beside_a_run(self), self->err, TBK_E_SPACE, "no space left on device");
    assert_state(self, 22, "no space left on device", 1, days[4]);
    assert_all_is_well(self, days[5]);
    days[6] = next_day(self);
    self->repository.refuses_password = true;
    assert_fails(sync_beside_a_run(self), self->err, TBK_E_KEY, "the password");
    assert_state(self, 12, "the password is not the repository's", 1, days[5]);
    self->repository.refuses_password = false;
    assert_all_is_well(self, days[6]);
    days[7] = next_day(self);
    lose_repository(self, days[6]);
    assert_all_is_well(self, days[7]);
    assert_string_equal(sets_there(self), tbk_arena_format(self->arena, "%s %s %s %s %s ", days[7],
                                                           days[6], days[5], days[4], days[3]));
    assert_int_equal(state_of(self)->known_count, 5);
    for (int i = 3; i <= 7; i++) {
        const char *path = NULL;
        const tbk_offsite_request request = request_of(self);
        assert_succeeds(tbk_offsite_fetch(self->arena, &request, NAME, days[i], &path, &self->err),
                        self->err);
        assert_int_equal(system(tbk_arena_format(self->arena, "diff -r '%s/%s' '%s' >&2",
                                                 self->config.store, days[i], path)),
                         0);
    }
}

/* --- kills --- */

static unsigned seed = 20261130;

static int64_t random_below(int64_t limit)
{
    return limit > 0 ? (int64_t)((uint64_t)rand_r(&seed) % (uint64_t)limit) : 0;
}

static int64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* In a child: what it does to the fixture is lost with it. */
static pid_t start(offsite *self, bool (*work)(offsite *self))
{
    pid_t child = fork();
    if (child == 0)
        _exit(work(self) ? 0 : 1);
    return child;
}

static bool run_and_kill(offsite *self, bool (*work)(offsite *self), int64_t after_us)
{
    int status = 0;
    pid_t child = start(self, work);
    const struct timespec pause = {.tv_sec = after_us / 1000000,
                                   .tv_nsec = after_us % 1000000 * 1000};
    (void)nanosleep(&pause, NULL);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

/* How long it takes when nobody kills it. */
static int64_t measure_us(offsite *self, bool (*work)(offsite *self))
{
    int status = 0;
    int64_t begun_us = now_us();
    pid_t child = start(self, work);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return now_us() - begun_us;
}

static void empty_repository(offsite *self)
{
    assert_int_equal(system(tbk_arena_format(self->arena, "rm -rf '%s' '%s' && mkdir -m 700 '%s'",
                                             self->repository.folder, self->home, self->home)),
                     0);
    assert_succeeds(run(self, tbk_offsite_init), self->err);
}

static void assert_whole(offsite *self, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const tbk_snapshot *at = snapshot_at(self, NAME, i);
        char path[512];
        assert_non_null(at);
        fake_repository_path(&self->repository, at, ".", path);
        assert_int_equal(system(tbk_arena_format(self->arena, "diff -r '%s/%s' '%s' >&2",
                                                 self->config.store, at->set, path)),
                         0);
    }
    assert_null(snapshot_at(self, NAME, count));
}

/* Three sets to send, a check, a drill, an old set to remove. */
static void a_killed_synchronization_is_finished_by_the_next(void **state)
{
    offsite *self = *state;
    size_t killed = 0, mended = 0, unlocked = 0;
    self->config.offsite.keep_last = 3;
    self->config.offsite.keep_daily = 0;
    self->config.offsite.keep_weekly = self->config.offsite.keep_monthly = 0;
    self->repository.piece_us = 300;
    make_torrents(tbk_arena_format(self->arena, "%s/u.db", self->folder), 2000, "1");
    self->config.database_path = tbk_arena_format(self->arena, "%s/u.db", self->folder);
    const char *oldest = make_set(self);
    for (int i = 0; i < 3; i++)
        (void)next_day(self);
    empty_repository(self);
    fake_repository_put(&self->repository, self->config.store, oldest, NAME, oldest);
    int64_t whole_us = measure_us(self, sync_now);
    for (int i = 0; i < KILLS; i++) {
        empty_repository(self);
        fake_repository_put(&self->repository, self->config.store, oldest, NAME, oldest);
        const char *before = listing_of(self, self->config.store);
        killed += run_and_kill(self, sync_now, random_below(whole_us));
        assert_non_null(state_of(self)->repository); /* the state is whole */
        bool was_sending = self->state.sending != NULL;
        size_t packs = fake_repository_count_packs(&self->repository);
        size_t locks = fake_repository_count_locks(&self->repository);
        assert_succeeds(sync_now(self), self->err);
        assert_whole(self, 3);
        assert_int_equal(fake_repository_count_locks(&self->repository), 0);
        assert_int_equal(called(self, "unlock-all"), locks > 0);
        assert_true(packs == 0 || !called(self, "send") || was_sending || called(self, "repair"));
        mended += called(self, "repair");
        unlocked += locks > 0;
        assert_int_equal(state_of(self)->exit_status, 0);
        assert_null(self->state.sending);
        assert_int_equal(self->state.known_count, 3);
        assert_string_equal(listing_of(self, self->config.store), before);
    }
    print_message("%zu of %d were killed; %zu mended the index, %zu locks were left\n", killed,
                  KILLS, mended, unlocked);
    assert_true(killed > KILLS / 10);
    assert_true(mended > 0 && unlocked > 0);
}

static bool fetch_latest(offsite *self)
{
    const char *path = NULL;
    const tbk_offsite_request request = request_of(self);
    self->repository.calls[0] = '\0';
    return tbk_offsite_fetch(self->arena, &request, NAME, "latest", &path, &self->err);
}

static void a_killed_fetch_is_finished_by_the_next(void **state)
{
    offsite *self = *state;
    const char *incoming = tbk_arena_format(self->arena, "%s/incoming", self->home);
    size_t killed = 0;
    make_torrents(tbk_arena_format(self->arena, "%s/u.db", self->folder), 3000, "1");
    self->config.database_path = tbk_arena_format(self->arena, "%s/u.db", self->folder);
    const char *id = begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    const char *compare = tbk_arena_format(self->arena, "diff -r '%s/%s' '%s/%s' >&2",
                                           self->config.store, id, incoming, id);
    const char *clear = tbk_arena_format(self->arena, "rm -rf '%s'", incoming);
    self->repository.piece_us = 300;
    int64_t whole_us = measure_us(self, fetch_latest);
    for (int i = 0; i < KILLS; i++) {
        if (i % 3 != 2) /* else what came is spoilt, and is to be replaced */
            assert_int_equal(system(clear), 0);
        else
            flip_byte(tbk_arena_format(self->arena, "%s/%s/" TBK_SET_DATABASE_FILE, incoming, id),
                      30);
        killed += run_and_kill(self, fetch_latest, random_below(whole_us));
        if (i % 3 != 2 && access(tbk_arena_format(self->arena, "%s/%s", incoming, id), F_OK) == 0)
            assert_int_equal(system(compare), 0); /* whole, or not there */
        assert_succeeds(fetch_latest(self), self->err);
        assert_int_equal(system(compare), 0);
        assert_int_equal(access(tbk_arena_format(self->arena, "%s/%s.partial", incoming, id), F_OK),
                         -1);
    }
    print_message("%zu of %d were killed\n", killed, KILLS);
    assert_true(killed > KILLS / 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_offsite, tear_down_offsite)
    const struct CMUnitTest tests[] = {
        TEST(a_week_with_all_that_can_go_wrong),
        TEST(a_killed_synchronization_is_finished_by_the_next),
        TEST(a_killed_fetch_is_finished_by_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
