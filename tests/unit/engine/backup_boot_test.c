/* SPDX-License-Identifier: MIT */
/* When a run has a tracker come up on its set, and what comes of it; the test plays the tracker. */
#include "unit/engine/backup_fixture.h"

#include "base/text.h"

#include <sys/stat.h>

typedef struct played {
    bool is_ill;
    int starts, ends;
} played;

typedef struct fixture {
    char folder[64], database[96], store[96];
    tbk_arena *arena;
    tbk_engine_config config;
    holder holder;
    tbk_hold hold;
    played played;
    tbk_scratch_tracker tracker;
    tbk_backup_request request;
    tbk_backup_result result;
    tbk_error err;
} fixture;

/* As a real one would: it writes beside the database, in the folder that it was given. */
static bool start(void *self, const char *database, const char *token, tbk_error *err)
{
    char path[256];
    struct stat status;
    (void)token, (void)err;
    ((played *)self)->starts++;
    assert_int_equal(stat(database, &status), 0);
    (void)snprintf(path, sizeof path, "%s-journal", database);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fclose(file);
    return true;
}

static bool is_running(void *self, bool *out, tbk_error *err)
{
    (void)err;
    *out = !((played *)self)->is_ill;
    return true;
}

static bool ask(void *self, tbk_tracker_endpoint where, const char *path, int *out_status,
                tbk_text *out_body, tbk_error *err)
{
    (void)path;
    if (((played *)self)->is_ill)
        return tbk_fail(err, TBK_E_NETWORK, NULL, "nobody answers");
    *out_status = 200;
    tbk_text_append(out_body,
                    where == TBK_TRACKER_HEALTH ? "{\"status\":\"Ok\"}" : "{\"torrents\":500}");
    return true;
}

static bool end(void *self, tbk_arena *arena, const char **out_said, tbk_error *err)
{
    (void)err;
    ((played *)self)->ends++;
    *out_said = tbk_arena_copy(arena, "no such table");
    return true;
}

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    make_scratch(self->folder);
    (void)snprintf(self->database, sizeof self->database, "%s/tracker.db", self->folder);
    (void)snprintf(self->store, sizeof self->store, "%s/store", self->folder);
    make_torrents(self->database, 500, "1");
    self->arena = tbk_arena_new();
    self->config = sqlite_config(self->database, self->store);
    self->config.prove_restored_every_days = 7;
    self->config.prove_booted_every_days = 30;
    self->config.keep_days = 365;
    self->hold = hold_of(&self->holder);
    self->tracker = (tbk_scratch_tracker){
        .self = &self->played, .start = start, .is_running = is_running, .ask = ask, .end = end};
    self->request = (tbk_backup_request){.config = &self->config,
                                         .hold = &self->hold,
                                         .scratch_tracker = &self->tracker,
                                         .run_id = "run-1",
                                         .create_store = true,
                                         .now_s = START_S};
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    bool removed = remove_scratch(self->folder);
    tbk_arena_free(self->arena);
    free(self);
    return removed ? 0 : -1;
}

static bool backup_after(fixture *self, int64_t days)
{
    self->err = (tbk_error){.code = TBK_E_OK};
    self->request.now_s += days * DAY_S;
    return tbk_backup_run(self->arena, &self->request, NULL, &self->result, &self->err);
}

static void assert_booted(fixture *self, int64_t days, tbk_boot_state expected)
{
    assert_succeeds(backup_after(self, days), self->err);
    assert_int_equal(self->result.proof.booted.state, expected);
    assert_true(self->result.proof.ok);
    assert_int_equal(self->played.starts, self->played.ends);
}

static void it_is_due_at_first_and_then_after_its_days(void **state)
{
    fixture *self = *state;
    assert_booted(self, 0, TBK_BOOT_PASSED);
    assert_booted(self, 1, TBK_BOOT_NONE);
    assert_booted(self, 28, TBK_BOOT_NONE);
    assert_booted(self, 1, TBK_BOOT_PASSED);
    self->request.boot = true;
    assert_booted(self, 1, TBK_BOOT_PASSED);
    assert_int_equal(self->played.starts, 3);
}

static void whoever_wants_none_has_none(void **state)
{
    fixture *self = *state;
    self->config.prove_booted_every_days = 0;
    assert_booted(self, 0, TBK_BOOT_NONE);
    self->config.prove_booted_every_days = 1;
    self->config.prove_restored_every_days = 0;
    assert_booted(self, 1, TBK_BOOT_NONE);
    self->request.boot = true; /* but one is asked for */
    assert_booted(self, 1, TBK_BOOT_PASSED);
    self->request.scratch_tracker = NULL; /* there is no hook */
    assert_booted(self, 1, TBK_BOOT_NONE);
}

static void one_that_does_not_come_up_costs_no_set_and_is_tried_again(void **state)
{
    fixture *self = *state;
    self->played.is_ill = true;
    assert_fails(backup_after(self, 0), self->err, TBK_E_PARTIAL,
                 "no tracker came up on the restored database: the tracker ended by itself; its "
                 "last words: no such table");
    assert_int_equal(self->result.proof.booted.state, TBK_BOOT_FAILED);
    assert_true(self->result.proof.ok);
    assert_int_equal(self->result.proof.level, TBK_PROOF_RESTORED);
    self->played.is_ill = false;
    assert_booted(self, 1, TBK_BOOT_PASSED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(it_is_due_at_first_and_then_after_its_days),
        CASE(whoever_wants_none_has_none),
        CASE(one_that_does_not_come_up_costs_no_set_and_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
