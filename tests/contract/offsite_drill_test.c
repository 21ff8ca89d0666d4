/* SPDX-License-Identifier: MIT */
/* A drill with the real restic: what it finds in a repository, and on a disk that is full. */
#include "contract/offsite.h"

#include "unit/engine/offsite_fixture.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

typedef struct drilling {
    offsite *offsite;
    tbk_restic *restic;
} drilling;

static int begin_drilling(void **state)
{
    drilling *self = calloc(1, sizeof *self);
    if (set_up_offsite((void **)&self->offsite) != 0)
        return -1;
    new_settings(&self->offsite->report);
    assert_succeeds(tbk_restic_open(&settings, &self->restic, &self->offsite->err),
                    self->offsite->err);
    self->offsite->port = tbk_restic_port(self->restic);
    self->offsite->config.prove_restored_every_days = 0;
    *state = self;
    return 0;
}

static int end_drilling(void **state)
{
    drilling *self = *state;
    int result = tear_down_offsite((void **)&self->offsite);
    tbk_restic_free(self->restic);
    free(self);
    return result;
}

static offsite *begin_with_a_copy(void **state)
{
    offsite *self = ((drilling *)*state)->offsite;
    (void)begin_with_a_set(self);
    assert_succeeds(sync_now(self), self->err);
    self->now_s += 60;
    return self;
}

static void assert_nothing_is_left(offsite *self)
{
    const char *path = tbk_arena_format(self->arena, "%s/drill", self->home);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_copy_is_restored_and_checked(void **state)
{
    offsite *self = begin_with_a_copy(state);
    assert_int_equal(state_of(self)->restored_s, START_S);
    assert_succeeds(drill_now(self), self->err);
    assert_int_equal(state_of(self)->restored_s, START_S + 60);
    assert_int_equal(self->state.known[0].level, TBK_PROOF_RESTORED);
    assert_nothing_is_left(self);
    self->config.offsite.drill_level = TBK_PROOF_CHECKSUMS;
    assert_succeeds(drill_now(self), self->err);
    assert_int_equal(state_of(self)->drill_level, TBK_PROOF_CHECKSUMS);
}

/* Whichever piece of data it hits, in either depth. */
static void a_damaged_pack_is_found(void **state)
{
    offsite *self = begin_with_a_copy(state);
    const char *pack = text_of("f=$(find %s/data -type f -size +8k | head -n 1); chmod u+w $f; "
                               "printf 'damage' | dd of=$f bs=1 seek=2000 conv=notrunc 2>/dev/null",
                               settings.repository);
    assert_int_equal(system(pack), 0);
    assert_fails(drill_now(self), self->err, TBK_E_UNPROVED, "off-site is damaged: ");
    assert_nothing_is_left(self);
    assert_non_null(state_of(self)->known[0].damage);
}

static void damage_that_was_saved_is_found_by_a_restore(void **state)
{
    offsite *self = ((drilling *)*state)->offsite;
    self->config.offsite.drill_level = TBK_PROOF_CHECKSUMS;
    assert_int_equal(run_line("head -c 4096 /dev/zero | tr '\\0' x | dd of=%s bs=4096 seek=4 "
                              "conv=notrunc 2>/dev/null",
                              self->config.database_path),
                     0);
    (void)begin_with_a_copy(state);
    assert_succeeds(drill_now(self), self->err);
    self->config.offsite.drill_level = TBK_PROOF_RESTORED;
    assert_fails(drill_now(self), self->err, TBK_E_UNPROVED, "off-site is damaged: ");
    assert_nothing_is_left(self);
}

/* In a child, whose mount goes with it: a disk that has room for no more than the state. */
static void a_full_disk_is_said_and_changes_nothing(void **state)
{
    offsite *self = begin_with_a_copy(state);
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        const char *keep = tbk_arena_format(self->arena, "%s/kept", self->folder);
        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
            _exit(77);
        bool ok = rename(self->home, keep) == 0 && mkdir(self->home, 0700) == 0 &&
                  mount("tmpfs", self->home, "tmpfs", 0, "size=1m") == 0 &&
                  run_line("cp -a %s/. %s", keep, self->home) == 0 && !drill_now(self) &&
                  self->err.code == TBK_E_SPACE && run_line("diff -r %s %s", keep, self->home) == 0;
        ok = umount(self->home) == 0 && rmdir(self->home) == 0 && rename(keep, self->home) == 0 &&
             ok;
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip_because("only root can mount a small disk");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_drilling, end_drilling)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_copy_is_restored_and_checked),
                                       TEST(a_damaged_pack_is_found),
                                       TEST(damage_that_was_saved_is_found_by_a_restore),
                                       TEST(a_full_disk_is_said_and_changes_nothing)};
    where = &FOLDER;
    if (!find_tools()) {
        print_error("tests/offsite/tools failed\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, begin_place, end_place);
}
