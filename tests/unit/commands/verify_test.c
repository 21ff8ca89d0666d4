/* SPDX-License-Identifier: MIT */
/* The report of `verify`: what is in it when all is well, when the tracker is missing, and when the
 * run failed. */
#include "unit/unit.h"

#include "base/json.h"
#include "commands/verify.h"

#define SET "20261123T213345Z"
#define SEEDS TBK_SOURCE_DIR "/tests/fuzz/seeds/manifest/"

static const char facts[] = "arch x86_64\ndocker 27.0.0\ncompose 2.30.0\nflock /usr/bin/flock\n"
                            "logrotate /l\ncron 1\nimage sha256:1\nhook_runs \nwindow_file /etc/c\n"
                            "sidecar_state \nheld \nnative_cron \nstore_free 99999\n"
                            "now 1780000000\noffset +0530\n";

/* A VM with a tracker and an installed backup, of which nothing but the answers is there. */
typedef struct scene {
    tbk_arena *arena;
    char folder[64];
    const char *tracker; /* the facts on it */
    const char *record;  /* that the run leaves */
    int exit_status;     /* of the run */
    bool has_run;
    tbk_rendering rendering;
} scene;

static bool says(const tbk_remote_command *command, tbk_remote_result *result, const char *text,
                 tbk_error *err)
{
    if (command->on_output != NULL)
        return command->on_output(command->on_output_self, text, strlen(text), err);
    tbk_text_append(&result->output, text);
    return true;
}

static const char *seed(scene *it, const char *name)
{
    char *bytes;
    size_t length;
    tbk_error err;
    assert_succeeds(tbk_file_read(it->arena, tbk_arena_format(it->arena, SEEDS "%s", name), 1 << 20,
                                  &bytes, &length, &err),
                    err);
    return bytes;
}

static bool answer(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                   tbk_error *err)
{
    scene *it = self;
    const char *const *words = command->argv;
    const char *script = strcmp(words[0], "sh") == 0 ? words[3] : words[0];
    if (strcmp(script, "facts") == 0)
        return says(command, result,
                    tbk_arena_format(it->arena, "%s%sfile 644 0:0 %s\n", facts, it->tracker,
                                     it->rendering.files[0].digest.hex),
                    err);
    if (strcmp(script, "use") == 0)
        return says(command, result, "state running\ndatabase 1:2\nprocess 1\nopen 1:2 /a\n", err);
    if (strcmp(script, "record") == 0)
        return says(command, result, it->has_run ? it->record : "", err);
    if (strcmp(script, "engine") == 0)
        return says(command, result,
                    tbk_arena_format(it->arena, "{\"proof\":%s}", seed(it, "proof.json")), err);
    if (strcmp(script, "torrust-backup-get") == 0) {
        bool is_manifest = tbk_text_ends_with(words[4], "/manifest.json");
        return says(command, result, is_manifest ? seed(it, "manifest.json") : "-", err);
    }
    assert_string_equal(script, "run");
    it->has_run = true;
    result->exit_status = it->exit_status;
    return true;
}

static int set_up(void **state)
{
    scene *it = calloc(1, sizeof *it);
    assert_non_null(it);
    make_scratch(it->folder);
    it->arena = tbk_arena_new();
    it->tracker = "tracker_id abc\ntracker_state running\ntracker_health healthy\n";
    it->record =
        "{\"run\":\"r-1\",\"set\":\"" SET "\",\"method\":\"hot\",\"booted\":{\"state\":\"passed\","
        "\"detail\":\"healthy\"},\"held_ms\":1,"
        "\"duration_ms\":2,\"exit_status\":0,\"error\":null}";
    it->rendering = (tbk_rendering){.count = 1,
                                    .files = {{.name = "compose.yml",
                                               .target = TBK_COMPOSE_FILE,
                                               .mode = 0644,
                                               .bytes = "a\n",
                                               .length = 2}}};
    tbk_digest_of("a\n", 2, &it->rendering.files[0].digest);
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    scene *it = *state;
    assert_true(remove_scratch(it->folder));
    tbk_arena_free(it->arena);
    free(it);
    return 0;
}

static bool verify(scene *it, tbk_value **out, tbk_error *err)
{
    tbk_workspace workspace = {
        .output_path = it->folder,
        .environment = {.name = "x", .driver = TBK_DRIVER_SQLITE, .database_name = "tracker.db"}};
    const tbk_image image = {.id = "1", .tag = "engine:1"};
    const tbk_image no_image = {.tag = ""};
    const tbk_secrets secrets = {.count = 0};
    const tbk_remote remote = {.self = it, .name = "vm", .run = answer};
    tbk_options_default(&workspace.environment, &workspace.options);
    workspace.options.verify_fetch_limit_mib = 0;
    const tbk_verify_input input = {.vm = {.workspace = &workspace,
                                           .rendering = &it->rendering,
                                           .secrets = &secrets,
                                           .image = &image,
                                           .outbound_image = &no_image,
                                           .remote = &remote}};
    return tbk_verify(it->arena, &input, out, err);
}

/* "name=state" of each check, or the keys of the report, separated by blanks. */
static const char *states_of(scene *it, const tbk_value *report)
{
    const char *states = "";
    for (const tbk_member *item = tbk_value_members_at(report, "checks"); item != NULL;
         item = item->next)
        states = tbk_arena_format(it->arena, "%s%s=%s; ", states,
                                  tbk_value_text_at(item->value, "name", "?"),
                                  tbk_value_text_at(item->value, "state", "?"));
    return states;
}

static const char *keys_of(scene *it, const tbk_value *report)
{
    const char *keys = "";
    for (const tbk_member *member = report->first; member != NULL; member = member->next)
        keys = tbk_arena_format(it->arena, "%s%s ", keys, member->key);
    return keys;
}

static const char *json_at(scene *it, const tbk_value *report, const char *key)
{
    tbk_auto_text text = {0};
    tbk_json_write(&text, tbk_value_find(report, key), false);
    return tbk_arena_copy(it->arena, tbk_text_string(&text));
}

#define HEAD "schema environment host at proved checks runs remarks "
#define SCHEDULE "schedule next_runs "

static void a_proved_run_is_reported_in_full(void **state)
{
    scene *it = *state;
    tbk_value *report = NULL;
    tbk_error err;
    assert_succeeds(verify(it, &report, &err), err);
    assert_string_equal(keys_of(it, report),
                        HEAD "tracker_before proof_on_vm manifest tracker_after "
                             "healthy_after_ms " SCHEDULE);
    assert_int_equal(tbk_value_integer_at(report, "schema"), 1);
    assert_true(tbk_value_true_at(report, "proved"));
    assert_string_equal(
        states_of(it, report),
        "installation=ok; one mode=ok; cron daemon=ok; database in use=ok; "
        "backup run=ok; tracker on the set=ok; proof on the VM=ok; configuration files=ok; "
        "proof on this machine=skipped; tracker=ok; hold=ok; one scheduler=ok; ");
    assert_string_equal(json_at(it, report, "runs"),
                        "[{\"trigger\":\"backup run\",\"run\":\"r-1\",\"set\":\"" SET
                        "\",\"exit_status\":0,\"held_ms\":1,\"duration_ms\":2}]");
    assert_string_equal(json_at(it, report, "remarks"), "[]");
    assert_string_equal(tbk_value_text_at(report, "manifest.id", ""), SET);
    assert_string_equal(tbk_value_text_at(report, "proof_on_vm.level", ""), "restored");
}

static void without_a_tracker_the_report_ends_early(void **state)
{
    scene *it = *state;
    tbk_value *report = NULL;
    tbk_error err;
    it->tracker = "";
    assert_fails(verify(it, &report, &err), err, TBK_E_SKIPPED, "there is no tracker");
    assert_string_equal(keys_of(it, report), HEAD);
    assert_false(tbk_value_true_at(report, "proved"));
    assert_string_equal(states_of(it, report), "installation=ok; one mode=ok; cron daemon=ok; ");
}

static void a_run_that_fails_is_reported_with_what_it_says(void **state)
{
    scene *it = *state;
    tbk_value *report = NULL;
    tbk_error err;
    it->exit_status = tbk_error_exit_status(TBK_E_SPACE);
    it->record = "{\"run\":\"r-1\",\"set\":null,\"exit_status\":22,\"error\":{\"name\":"
                 "\"TBK_E_SPACE\",\"message\":\"it is full\",\"fix\":\"make room\"}}";
    assert_fails(verify(it, &report, &err), err, TBK_E_UNPROVED,
                 "backup run: the run on the VM failed: it is full. Fix: make room");
    assert_string_equal(keys_of(it, report),
                        HEAD "tracker_before tracker_after healthy_after_ms " SCHEDULE);
    assert_string_equal(json_at(it, report, "runs"),
                        "[{\"trigger\":\"backup run\",\"run\":\"r-1\",\"set\":null,"
                        "\"exit_status\":22,\"held_ms\":0,\"duration_ms\":0}]");
}

static void a_tracker_that_was_stopped_is_remarked(void **state)
{
    scene *it = *state;
    tbk_value *report = NULL;
    tbk_error err;
    it->tracker = "tracker_id abc\ntracker_state exited\nnative_cron 1\n";
    assert_succeeds(verify(it, &report, &err), err);
    const char *remarks = json_at(it, report, "remarks");
    assert_true(
        tbk_text_starts_with(remarks, "[\"the tracker was not running; its database was saved"));
    assert_non_null(strstr(remarks, "the deployer's own backup is configured too"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_proved_run_is_reported_in_full),
        TEST(without_a_tracker_the_report_ends_early),
        TEST(a_run_that_fails_is_reported_with_what_it_says),
        TEST(a_tracker_that_was_stopped_is_remarked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
