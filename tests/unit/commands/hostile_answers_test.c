/* SPDX-License-Identifier: MIT */
/* The phases against a VM that answers whatever it likes: each ends with a result or an error,
 * never with a crash or an overflow (this runs with sanitizers), and what it makes is JSON that can
 * be read. */
#include "unit/unit.h"

#include "base/json.h"
#include "commands/host_facts.h"
#include "commands/host_runner.h"
#include "commands/plan.h"
#include "commands/restore.h"
#include "commands/status.h"

#include <stdio.h>

static uint32_t seed = 42;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* What an honest VM says, by the name of the script; some of it is then replaced. */
static const char *const facts_lines[] = {"arch x86_64",
                                          "docker 27.0.0",
                                          "compose 2.30.0",
                                          "flock /usr/bin/flock",
                                          "logrotate /l",
                                          "cron 1",
                                          "image sha256:1",
                                          "hook_runs ",
                                          "window_file /etc/c",
                                          "sidecar_state ",
                                          "tracker_id abc",
                                          "tracker_state running",
                                          "tracker_health healthy",
                                          "held ",
                                          "native_cron ",
                                          "store_free 99999",
                                          "now 1780000000",
                                          "offset +0530",
                                          "file 644 0:0 0123456789"};

static const char record[] =
    "{\"schema\":1,\"run\":\"r-%u\",\"exit_status\":0,\"error\":null,\"set\":\"20260216T175643Z\","
    "\"method\":\"hot\",\"held_ms\":1,\"duration_ms\":2,\"finished_s\":1780000000,"
    "\"last_success_s\":1780000000,\"first_run_s\":1770000000,\"profiles\":{\"full\":{"
    "\"exit_status\":0,\"last_success_s\":1780000000}},\"dry_run\":false,\"profile\":\"full\","
    "\"left_out\":{},\"rows\":{\"torrents\":5},\"retention_brakes\":[{\"since\":\"x\","
    "\"reason\":\"y\"}],\"kept\":\"k\",\"tracker_was_stopped\":true}";

static const char answer[] =
    "{\"set\":\"20260216T175643Z\",\"dry_run\":true,\"profile\":\"full\",\"left_out\":{},"
    "\"rows\":{\"a\":1},\"removed\":[\"x\"],\"kept\":[{\"name\":\"n\",\"bytes\":5}],\"sets\":[{"
    "\"id\":\"i\",\"raw_bytes\":1}],\"acknowledged\":[],\"proof\":{\"reason\":null},"
    "\"method\":\"hot\",\"expected_held_ms\":5,\"advice\":[\"a\"],\"exit_status\":0,"
    "\"error\":{\"name\":\"FAILED\",\"message\":\"m\",\"fix\":\"f\",\"exit_status\":1}}";

static const char *const odd[] = {"9223372036854775807",
                                  "-9223372036854775808",
                                  "99999999999999999999999999",
                                  "1e999",
                                  "\"\\u001b[2J\\u009b\"",
                                  "null",
                                  "[]",
                                  "[1,[2],{\"a\":null}]",
                                  "{}",
                                  "{\"a\":{\"b\":[]}}",
                                  "true",
                                  "-1",
                                  "",
                                  "\x1b]0;x\x07",
                                  "\xff\xfe",
                                  "\"../../etc/passwd\""};

static const char *any_odd(void) { return odd[any(sizeof odd / sizeof *odd)]; }

/* Replaces some of the values: what stands between ':' and ',' or a bracket. */
static void spoil_json(tbk_text *out, const char *json)
{
    uint32_t one_in = 2 + any(30);
    while (*json != '\0') {
        bool begins = *json == ':' || *json == '[';
        tbk_text_append_char(out, *json++);
        if (!begins || any(one_in) != 0)
            continue;
        tbk_text_append(out, any_odd());
        if (*json == '"')
            json += 1 + strcspn(json + 1, "\"") + 1;
        else
            json += strcspn(json, ",}]");
    }
    if (any(40) == 0)
        out->length = any((uint32_t)out->length + 1);
}

static void spoil_facts(tbk_text *out)
{
    uint32_t one_in = 1 + any(20);
    for (size_t i = 0; i < sizeof facts_lines / sizeof *facts_lines; i++) {
        size_t name = strcspn(facts_lines[i], " ");
        if (any(one_in) != 0)
            tbk_text_format(out, "%s\n", facts_lines[i]);
        else
            tbk_text_format(out, "%.*s %s\n", (int)name, facts_lines[i], any_odd());
    }
}

static const char *kind_of(const tbk_remote_command *command)
{
    bool is_script = strcmp(command->argv[0], "sh") == 0 && command->argv[3] != NULL;
    return is_script ? command->argv[3] : "other";
}

static bool answer_anything(void *self, const tbk_remote_command *command,
                            tbk_remote_result *result, tbk_error *err)
{
    tbk_auto_text out = {0};
    tbk_auto_text said = {0};
    const char *kind = kind_of(command);
    (void)self;
    if (strcmp(kind, "facts") == 0) {
        spoil_facts(&out);
    } else if (strcmp(kind, "record") == 0) {
        tbk_text_format(&said, record, any(3));
        spoil_json(&out, tbk_text_string(&said));
    } else if (strcmp(kind, "engine") == 0) {
        spoil_json(&out, answer);
    } else if (strcmp(kind, "run") == 0) {
        spoil_json(&out,
                   "{\"phase\":\"hold\",\"level\":\"info\",\"message\":\"m\",\"done_bytes\":1,"
                   "\"total_bytes\":2}");
        tbk_text_append_char(&out, '\n');
    } else {
        tbk_text_append(&out, any_odd());
    }
    result->exit_status = any(4) == 0 ? (int)any(256) : 0;
    result->unmarked = any(10) == 0;
    if (command->on_output != NULL)
        return command->on_output(command->on_output_self, tbk_text_string(&out), out.length, err);
    tbk_text_append_bytes(&result->output, tbk_text_string(&out), out.length);
    return true;
}

typedef bool phase(tbk_arena *arena, const tbk_status_input *input, tbk_value **out,
                   tbk_error *err);

static bool list(tbk_arena *arena, const tbk_status_input *input, tbk_value **out, tbk_error *err)
{
    return tbk_status_sets(arena, input, out, err);
}

static bool acknowledge(tbk_arena *arena, const tbk_status_input *input, tbk_value **out,
                        tbk_error *err)
{
    return tbk_status_acknowledge(arena, input, out, err);
}

static const tbk_secrets no_secrets;
static const tbk_image no_image = {.tag = ""};

static bool plan(tbk_arena *arena, const tbk_status_input *input, tbk_value **out, tbk_error *err)
{
    const tbk_plan_input plan = {.workspace = input->workspace,
                                 .rendering = input->rendering,
                                 .secrets = input->secrets,
                                 .image = input->image,
                                 .outbound_image = input->outbound_image,
                                 .remote = input->remote};
    return tbk_plan(arena, &plan, out, err);
}

/* Else the wait for the tracker would take two minutes. */
static bool is_impatient(void *self)
{
    (void)self;
    return any(3) == 0;
}

static const tbk_report impatient = {.cancelled = is_impatient};

static bool restore(tbk_arena *arena, const tbk_status_input *input, tbk_value **out,
                    tbk_error *err)
{
    tbk_restore_input wanted = {.vm = *input, .set = "latest", .dry_run = any(2) == 0};
    wanted.vm.report = &impatient;
    return tbk_restore(arena, &wanted, out, err);
}

static bool forget(tbk_arena *arena, const tbk_status_input *input, tbk_value **out, tbk_error *err)
{
    const tbk_restore_input wanted = {.vm = *input, .purge_previous = true};
    return tbk_restore(arena, &wanted, out, err);
}

static bool run(tbk_arena *arena, const tbk_status_input *input, tbk_value **out, tbk_error *err)
{
    tbk_host_answer found;
    if (!tbk_host_run_hook(arena, input, "", &found, err) ||
        !tbk_host_outcome(found.exit_status, found.value, err))
        return false;
    *out = tbk_value_map(arena);
    return true;
}

static tbk_workspace workspace_of(uint32_t round)
{
    tbk_workspace workspace = {
        .environment = {.name = "x", .driver = TBK_DRIVER_SQLITE, .database_name = "tracker.db"}};
    tbk_options_default(&workspace.environment, &workspace.options);
    workspace.options.mode = round % 3 == 0 ? TBK_MODE_SIDECAR : TBK_MODE_WINDOW;
    workspace.options.offsite.repository = round % 2 == 0 ? "rest:http://x/" : NULL;
    return workspace;
}

/* One that only tells how it ended. */
static void check_round(phase *run_phase, uint32_t round)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_workspace workspace = workspace_of(round);
    const tbk_rendering rendering = {.count = 1,
                                     .files = {{.name = "compose.yml",
                                                .target = TBK_COMPOSE_FILE,
                                                .mode = 0644,
                                                .bytes = "a\n",
                                                .length = 2}}};
    const tbk_image image = {.id = "1", .tag = "engine:1"};
    const tbk_remote remote = {.name = "vm", .run = answer_anything};
    const tbk_status_input input = {.workspace = &workspace,
                                    .rendering = &rendering,
                                    .secrets = &no_secrets,
                                    .image = &image,
                                    .outbound_image = &no_image,
                                    .remote = &remote};
    tbk_value *result = NULL;
    tbk_error err = {.code = TBK_E_OK};
    bool ok = run_phase(arena, &input, &result, &err);
    if (!ok)
        assert_true(err.code != TBK_E_OK && err.message[0] != '\0');
    if (result == NULL)
        return;
    tbk_auto_text text = {0};
    const tbk_value *again = NULL;
    tbk_json_write(&text, result, true);
    assert_succeeds(tbk_json_parse(arena, text.bytes, text.length, "result", &again, &err), err);
}

static void check_phase(phase *run_phase, uint32_t rounds)
{
    for (uint32_t round = 0; round < rounds; round++)
        check_round(run_phase, round);
}

static void no_answer_of_a_vm_breaks_a_phase(void **state)
{
    (void)state;
    check_phase(tbk_status, 2000);
    check_phase(list, 1000);
    check_phase(acknowledge, 1000);
    check_phase(plan, 2000);
    check_phase(forget, 1000);
    check_phase(run, 1000);
}

static void no_answer_of_a_vm_breaks_a_restore(void **state)
{
    (void)state;
    check_phase(restore, 500);
}

static const char *fixed; /* what the VM says, whatever it is asked */

static bool answer_fixed(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                         tbk_error *err)
{
    (void)self;
    (void)command;
    (void)err;
    tbk_text_append(&result->output, fixed);
    return true;
}

static void check_facts(const char *line, const char *message)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_remote remote = {.name = "vm", .run = answer_fixed};
    const tbk_rendering none = {0};
    tbk_host_facts facts;
    tbk_error err;
    fixed = line;
    const tbk_workspace workspace = {.options = {.store = "/s"}};
    const tbk_image image = {.tag = "i"};
    const tbk_vm vm = {.workspace = &workspace,
                       .rendering = &none,
                       .secrets = &no_secrets,
                       .image = &image,
                       .outbound_image = &no_image,
                       .remote = &remote};
    assert_fails(tbk_vm_look(arena, &vm, &facts, &err), err, TBK_E_REMOTE, message);
}

static void numbers_that_no_machine_has_are_refused(void **state)
{
    (void)state;
    check_facts("now 9223372036854775807\n", "'9223372036854775807' for 'now'");
    check_facts("now -1\n", "'-1' for 'now'");
    check_facts("now soon\n", "'soon' for 'now'");
    check_facts("now 1\nstore_free -5\n", "'-5' for 'store_free'");
    check_facts("now 1\noffset -9223372036854775808\n", "for its offset from UTC");
    check_facts("now 1\noffset +9900\n", "for its offset from UTC");
    check_facts("now 1\noffset +0099\n", "for its offset from UTC");
    check_facts("arch x86_64\n", "did not tell its time");
}

static bool answer_honestly(void *self, const tbk_remote_command *command,
                            tbk_remote_result *result, tbk_error *err)
{
    (void)self;
    (void)err;
    if (strcmp(kind_of(command), "engine") == 0)
        tbk_text_append(&result->output, fixed);
    for (size_t i = 0;
         strcmp(kind_of(command), "facts") == 0 && i < sizeof facts_lines / sizeof *facts_lines;
         i++)
        tbk_text_format(&result->output, "%s\n", facts_lines[i]);
    return true;
}

static bool try_restore(tbk_arena *arena, const char *said, tbk_value **out, tbk_error *err)
{
    const tbk_workspace workspace = workspace_of(0);
    const tbk_rendering none = {0};
    const tbk_image image = {.id = "1", .tag = "engine:1"};
    const tbk_remote remote = {.name = "vm", .run = answer_honestly};
    const tbk_restore_input wanted = {.vm = {.workspace = &workspace,
                                             .rendering = &none,
                                             .secrets = &no_secrets,
                                             .image = &image,
                                             .outbound_image = &no_image,
                                             .remote = &remote},
                                      .set = "latest",
                                      .dry_run = true};
    fixed = said;
    return tbk_restore(arena, &wanted, out, err);
}

static void a_restore_that_is_not_told_in_full_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", "'set' is missing"},
        {"{\"set\":\"20260216T175643Z\"}", "'dry_run' is missing"},
        {"{\"set\":\"20260216T175643Z\",\"dry_run\":1}", "'dry_run' must be true or false"},
        {"{\"set\":\"20260216T175643Z\",\"dry_run\":true}", "'profile' is missing"},
        {"{\"set\":\"20260216T175643Z\",\"dry_run\":true,\"profile\":\"full\","
         "\"left_out\":{},\"rows\":{\"a\":\"b\"}}",
         "'rows' holds something that is no count"},
        {"{\"set\":\"../x\",\"dry_run\":true,\"profile\":\"full\",\"left_out\":{},"
         "\"rows\":{}}",
         "it is of another restore: '../x'"},
        {"{\"set\":\"20260216T175643Z\",\"dry_run\":false,\"profile\":\"full\","
         "\"left_out\":{},\"rows\":{}}",
         "it is of another restore"},
        {"[1]", "it must be a map, but it is a list"},
        {"Welcome", "not valid JSON"},
    };
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *result = NULL;
    tbk_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(try_restore(arena, cases[i][0], &result, &err), err, TBK_E_REMOTE,
                     cases[i][1]);
    assert_succeeds(try_restore(arena,
                                "{\"set\":\"20260216T175643Z\",\"dry_run\":true,"
                                "\"profile\":\"full\",\"left_out\":{},\"rows\":{}}",
                                &result, &err),
                    err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_answer_of_a_vm_breaks_a_phase),
        cmocka_unit_test(no_answer_of_a_vm_breaks_a_restore),
        cmocka_unit_test(a_restore_that_is_not_told_in_full_is_refused),
        cmocka_unit_test(numbers_that_no_machine_has_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
