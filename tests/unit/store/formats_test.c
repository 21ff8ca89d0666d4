/* SPDX-License-Identifier: MIT */
/*
 * The records of a store (last run, metrics, brake) are written as ever, byte by byte, and what
 * earlier versions wrote is read: formats/ has them, and what is made of each when one value is
 * spoiled.
 */
#include "unit/golden.h"
#include "unit/scratch.h"

#include "base/digest.h"
#include "store/brake.h"
#include "store/last_run.h"

#define FORMATS TBK_SOURCE_DIR "/tests/unit/store/formats/"
#define DAY_S INT64_C(86400)
#define NOW_S INT64_C(1771264603) /* 2026-02-16T17:56:43Z */

static tbk_store *store;

static int open_it(void **state)
{
    tbk_error err;
    (void)state;
    if (!tbk_store_open("sets", TBK_STORE_CREATE, &store, &err))
        fail_msg("%s", err.message);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    tbk_store_close(store);
    return shell("rm -rf sets");
}

/* --- the last run --- */

static const char *missing_paths[] = {"storage/caddy/data", NULL};
static const tbk_manifest manifest = {
    .id = "20260216T175643Z",
    .profile = TBK_PROFILE_ESSENTIAL,
    .method = "pause",
    .method_reason = "not 'hot': why",
    .files = {{.name = TBK_SET_DATABASE_FILE, .stored_bytes = 5, .raw_bytes = 17000000000},
              {.name = TBK_SET_CONFIG_FILE, .stored_bytes = 6, .raw_bytes = 7}},
    .file_count = 2,
    .phases = {{"copy", 1200}, {"compress", 3}},
    .phase_count = 2,
    .config_missing = missing_paths,
};
static const tbk_proof restored = {
    .level = TBK_PROOF_RESTORED,
    .at = "2026-02-16T17:56:43Z",
    .ok = true,
    .booted = {TBK_BOOT_PASSED, "2026-02-16T17:56:43Z", "healthy after 0.5 s"}};
static const tbk_error interrupted = {TBK_E_INTERRUPTED, "it was ended", ""};
static const tbk_error space = {TBK_E_SPACE, "the disk is \"full\"", "make room"};
static const tbk_error braked = {TBK_E_BRAKE, "nothing is pruned: rows were lost", "acknowledge"};

/* A run of that day, by an environment, with all that a good one has. */
static tbk_last_run good_run(int day)
{
    int64_t finished_s = NOW_S + day * DAY_S;
    return (tbk_last_run){.run_id = "20260216T175640Z-1234",
                          .environment = "demo",
                          .started_s = finished_s - 3,
                          .finished_s = finished_s,
                          .duration_ms = 2345,
                          .profile = TBK_PROFILE_ESSENTIAL,
                          .is_good = true,
                          .manifest = &manifest,
                          .proof = &restored,
                          .held_ms = 1234,
                          .tracker_was_stopped = true,
                          .sets = 8,
                          .pruned = 2,
                          .store_free_bytes = 123456789};
}

static tbk_last_run failed_run(int day, const tbk_error *error)
{
    tbk_last_run run = good_run(day);
    run.profile = TBK_PROFILE_FULL;
    run.is_good = false;
    run.error = error;
    run.manifest = NULL;
    run.proof = NULL;
    return run;
}

static tbk_value *brakes_on(tbk_arena *arena)
{
    tbk_brake on = {.origin = {.environment = "demo", .location = "/srv/t.db"},
                    .profile = TBK_PROFILE_FULL,
                    .since_s = NOW_S,
                    .reason = "table 'torrents' lost its rows",
                    .set = "20260216T175643Z"};
    tbk_brakes brakes = {.list = &on, .count = 1, .damage = "cannot be read"};
    return tbk_brakes_to_value(arena, &brakes, NULL);
}

static const char *state_file(tbk_arena *arena, const char *name)
{
    char *bytes = NULL;
    size_t length;
    tbk_error err;
    assert_succeeds(tbk_store_read_state(store, arena, name, &bytes, &length, &err), err);
    return bytes != NULL ? bytes : "";
}

static void check_state(tbk_arena *arena, const char *name, const char *golden)
{
    assert_golden(tbk_arena_format(arena, FORMATS "%s", golden), state_file(arena, name));
}

static void write_run(tbk_arena *arena, const tbk_last_run *run, const char *golden)
{
    tbk_error err;
    assert_succeeds(tbk_last_run_write(store, arena, run, &err), err);
    check_state(arena, "last-run.json", golden);
}

static void last_runs_are_written_as_ever(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    tbk_last_run first = failed_run(0, &interrupted), by_hand = failed_run(5, &space);
    tbk_last_run good = good_run(1), failed = failed_run(2, &space),
                 cut = failed_run(3, &interrupted);
    tbk_last_run brake = good_run(4);
    brake.error = &braked;
    brake.brakes = brakes_on(arena);
    by_hand.environment = NULL;
    write_run(arena, &first, "last-run-interrupted-first.json");
    write_run(arena, &good, "last-run-good.json");
    check_state(arena, "torrust_backup.prom", "last-run-good.prom");
    write_run(arena, &failed, "last-run-failed.json");
    check_state(arena, "torrust_backup.prom", "last-run-failed.prom");
    write_run(arena, &cut, "last-run-interrupted.json");
    write_run(arena, &brake, "last-run-braked.json");
    check_state(arena, "torrust_backup.prom", "last-run-braked.prom");
    assert_succeeds(tbk_last_run_acknowledge(store, arena, "demo", &err), err);
    check_state(arena, "last-run.json", "last-run-acknowledged.json");
    write_run(arena, &by_hand, "last-run-by-hand.json");
    check_state(arena, "last-run.demo.json", "last-run-acknowledged.json");
}

static void put_state(const char *name, const tbk_value *document)
{
    tbk_auto_text text = {0};
    tbk_error err;
    tbk_json_write(&text, document, true);
    assert_succeeds(tbk_store_write_state(store, name, text.bytes, text.length, &err), err);
}

static void say_digest(tbk_text *out, const char *what, const char *text)
{
    tbk_digest digest;
    tbk_digest_of(text, strlen(text), &digest);
    tbk_text_format(out, " %s %.8s", what, digest.hex);
}

/* What is read of a record, and what a run and an acknowledgement make of it. */
static void say_last_run(tbk_arena *arena, const tbk_value *document, tbk_text *out)
{
    tbk_auto_text text = {0};
    tbk_run_facts facts;
    tbk_error err;
    tbk_last_run next = failed_run(9, &space);
    put_state("last-run.json", document);
    tbk_run_facts_read("sets", "demo", &facts);
    tbk_run_facts_metrics(&text, &facts);
    tbk_text_format(&text, "%s %s %s %s", facts.message, facts.brake, facts.profiles[0].message,
                    facts.profiles[1].message);
    say_digest(out, "read", tbk_text_string(&text));
    assert_succeeds(tbk_last_run_write(store, arena, &next, &err), err);
    say_digest(out, "next", state_file(arena, "last-run.json"));
    put_state("last-run.json", document);
    assert_int_equal(unlink("sets/.state/last-run.demo.json"), 0);
    assert_succeeds(tbk_last_run_acknowledge(store, arena, "demo", &err), err);
    say_digest(out, "acknowledged", state_file(arena, "last-run.json"));
    tbk_text_append_char(out, '\n');
}

static void check_spoiled(const char *document_name, const char *said_name, spoiled_fn *say)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text said = {0};
    const tbk_value *document = golden_document(arena, FORMATS, document_name);
    tbk_text_append(&said, "as it is:");
    say(arena, document, &said);
    spoil_each(arena, document, (tbk_value *)(uintptr_t)document, "", say, &said);
    assert_golden(tbk_arena_format(arena, FORMATS "%s", said_name), tbk_text_string(&said));
}

static void spoiled_records_of_runs_are_taken_as_ever(void **state)
{
    (void)state;
    check_spoiled("last-run-braked.json", "spoiled-last-run.txt", say_last_run);
}

/* Written by 0.0.9, which told profiles apart by their attempts only. */
static void records_of_earlier_versions_are_taken_as_ever(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text said = {0};
    tbk_value *document =
        (tbk_value *)(uintptr_t)golden_document(arena, FORMATS, "last-run-good.json");
    tbk_value_set(arena, document, "profiles", tbk_value_null(arena));
    tbk_value_set(arena, document, "later", tbk_value_integer(arena, 5));
    say_last_run(arena, document, &said);
    assert_golden(FORMATS "earlier-last-run.txt", tbk_text_string(&said));
}

/* --- the brake --- */

/* What is read of it; and what is left of it after those of one environment are acknowledged. */
static void say_brake(tbk_arena *arena, const tbk_value *document, tbk_text *out)
{
    const tbk_origin other = {
        .environment = "other", .driver = TBK_DRIVER_MYSQL, .location = "h/s"};
    tbk_brakes read, lifted;
    tbk_error err;
    put_state("brake.json", document);
    tbk_brakes_read(store, arena, &read);
    if (read.damage != NULL) {
        tbk_text_format(out, "%s\n", strstr(read.damage, "cannot be read: "));
        return;
    }
    assert_succeeds(tbk_brakes_acknowledge(store, arena, &other, &lifted, &err), err);
    tbk_text_format(out, " %zu read, %zu lifted,", read.count, lifted.count);
    say_digest(out, "the rest", state_file(arena, "brake.json"));
    tbk_text_append_char(out, '\n');
}

static void the_brake_is_written_and_read_as_ever(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text said = {0};
    say_brake(arena, golden_document(arena, FORMATS, "brakes.json"), &said);
    check_state(arena, "brake.json", "brakes-left.json");
    check_spoiled("brakes.json", "spoiled-brakes.txt", say_brake);
}

int main(void)
{
    /* Thousands of files are published: on a disk that takes a minute. */
    if (access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(last_runs_are_written_as_ever, open_it, close_it),
        cmocka_unit_test_setup_teardown(spoiled_records_of_runs_are_taken_as_ever, open_it,
                                        close_it),
        cmocka_unit_test_setup_teardown(records_of_earlier_versions_are_taken_as_ever, open_it,
                                        close_it),
        cmocka_unit_test_setup_teardown(the_brake_is_written_and_read_as_ever, open_it, close_it),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
