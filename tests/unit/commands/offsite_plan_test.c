/* SPDX-License-Identifier: MIT */
/* What `plan` says of off-site, of a VM that gives these answers: what it asks and when, and what
 * becomes of an answer that cannot be used. */
#include "unit/unit.h"

#include "commands/offsite_plan.h"

#define NEW_SET "20260216T175643Z"
#define OLD_SET "20260215T175643Z"
#define NOW_S 1771300000 /* 2026-02-17 */

static tbk_arena *arena;
static tbk_workspace workspace;
static tbk_host_facts facts;
static tbk_items items;
static const char *refused, *said_of_repository, *state, *sets;
static int exit_status;    /* of the question to the repository */
static bool is_cut;        /* the way to the VM, at that question */
static unsigned questions; /* that the repository was asked */
static tbk_value *remarks, *forecast;

static bool answer(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                   tbk_error *err)
{
    const char *script = command->argv[3];
    (void)self;
    if (strcmp(script, "state") == 0) {
        tbk_text_append(&result->output, state);
        return true;
    }
    assert_string_equal(script, "engine");
    if (strcmp(command->argv[5], "outbound") != 0) {
        tbk_text_append(&result->output, sets);
        return true;
    }
    questions++;
    if (is_cut)
        return tbk_fail(err, TBK_E_NETWORK, NULL, "the connection was lost");
    tbk_text_append(&result->output, said_of_repository);
    result->exit_status = exit_status;
    return true;
}

static void add_item(const char *path, tbk_action action)
{
    items.list[items.count++] = (tbk_item){
        .kind = TBK_ITEM_FILE, .path = path, .action = action, .found = {.exists = true}};
}

static int set_up(void **ignored)
{
    (void)ignored;
    arena = tbk_arena_new();
    workspace = (tbk_workspace){
        .environment = {.name = "x", .driver = TBK_DRIVER_SQLITE, .database_name = "tracker.db"}};
    tbk_options_default(&workspace.environment, &workspace.options);
    workspace.options.offsite.repository = "rest:http://r/";
    facts = (tbk_host_facts){.found = {.has_outbound_image = true},
                             .store_free_bytes = 1,
                             .outbound_state = "running",
                             .now_s = NOW_S};
    items.count = 0;
    add_item(TBK_COMPOSE_FILE, TBK_ACTION_NONE);
    add_item(TBK_ENGINE_CONFIG_FILE, TBK_ACTION_NONE);
    add_item(TBK_SECRETS_FILE, TBK_ACTION_NONE);
    said_of_repository = "{\"repository\":\"rest:http://r/\",\"sets\":[{\"name\":\"x\"},"
                         "{\"name\":\"y\"},{\"name\":\"x\"}]}";
    state = "";
    sets = "{\"sets\":[{\"id\":\"" NEW_SET "\",\"profile\":\"full\",\"proof\":\"checksums\","
           "\"stored_bytes\":50000000},{\"id\":\"" OLD_SET "\",\"profile\":\"full\","
           "\"proof\":\"restored\",\"stored_bytes\":40000000}]}";
    refused = NULL;
    exit_status = 0;
    is_cut = false;
    questions = 0;
    remarks = tbk_value_list(arena);
    forecast = NULL;
    return 0;
}

static int tear_down(void **ignored)
{
    (void)ignored;
    tbk_arena_free(arena);
    return 0;
}

static bool try_plan(tbk_value **out, tbk_error *err)
{
    const tbk_remote remote = {.name = "vm", .run = answer};
    const tbk_vm vm = {.workspace = &workspace, .remote = &remote};
    const tbk_offsite_plan_input input = {.vm = &vm,
                                          .facts = &facts,
                                          .items = &items,
                                          .forecast = forecast,
                                          .refused = refused,
                                          .remarks = remarks};
    return tbk_offsite_plan(arena, &input, out, err);
}

static tbk_value *plan(void)
{
    tbk_value *result = NULL;
    tbk_error err;
    assert_succeeds(try_plan(&result, &err), err);
    return result;
}

static void nothing_is_asked_where_nothing_goes(void **ignored)
{
    (void)ignored;
    workspace.options.offsite.repository = NULL;
    assert_null(plan());
    assert_int_equal(questions, 0);
}

static void it_answers_and_what_is_there_is_counted(void **ignored)
{
    (void)ignored;
    const tbk_value *said = plan();
    assert_true(tbk_value_true_at(said, "answers"));
    assert_int_equal(tbk_value_integer_at(said, "sets"), 2);
    workspace.options.offsite.name = "y";
    assert_int_equal(tbk_value_integer_at(plan(), "sets"), 1);
}

/* "I could not look" is not "it is wrong". */
static void assert_not_known(const char *why, unsigned asked)
{
    const tbk_value *said = plan();
    assert_null(tbk_value_find(said, "answers"));
    assert_null(tbk_value_find(said, "sets"));
    if (strstr(tbk_value_text_at(said, "why", ""), why) == NULL)
        fail_msg("it says why: '%s'", tbk_value_text_at(said, "why", ""));
    assert_int_equal(questions, asked);
}

static void it_is_asked_only_where_that_changes_nothing(void **ignored)
{
    (void)ignored;
    items.list[2].action = TBK_ACTION_CHANGE;
    assert_not_known("the secrets on the VM", 0);
    facts.outbound_state = "";
    assert_not_known("the service is not on the VM", 0);
    facts.store_free_bytes = -1;
    assert_not_known("no store", 0);
    facts.found.has_outbound_image = false;
    assert_not_known("the image", 0);
    refused = "Docker does not answer";
    assert_not_known("Docker does not answer", 0);
}

static void what_is_installed_for_another_place_says_nothing_of_this_one(void **ignored)
{
    (void)ignored;
    said_of_repository = "{\"repository\":\"rest:http://other/\",\"sets\":[]}";
    assert_not_known("goes to another place", 1);
    said_of_repository =
        "{\"error\":{\"name\":\"KEY\",\"exit_status\":12,\"message\":\"wrong\",\"fix\":\"\"}}";
    exit_status = 12;
    items.list[1].action = TBK_ACTION_CHANGE;
    assert_not_known("goes to another place", 2);
}

static void what_it_says_is_told_and_what_could_not_run_is_not_its_fault(void **ignored)
{
    (void)ignored;
    said_of_repository =
        "{\"error\":{\"name\":\"KEY\",\"exit_status\":12,\"message\":\"wrong password\","
        "\"fix\":\"correct it\"}}";
    exit_status = 12;
    const tbk_value *said = plan();
    assert_non_null(tbk_value_find(said, "answers"));
    assert_false(tbk_value_true_at(said, "answers"));
    assert_string_equal(tbk_value_text_at(said, "why", ""),
                        "the run on the VM failed: wrong password; correct it");
    said_of_repository = "";
    exit_status = 125;
    assert_not_known("ended with 125", 2);
    is_cut = true;
    tbk_value *result = NULL;
    tbk_error err;
    assert_fails(try_plan(&result, &err), err, TBK_E_NETWORK, "the connection was lost");
}

static void the_newest_set_and_the_last_upload_are_the_measures(void **ignored)
{
    (void)ignored;
    const tbk_value *said = plan();
    assert_true(tbk_value_true_at(said, "next.is_first"));
    assert_int_equal(tbk_value_integer_at(said, "next.waiting"), 2);
    assert_int_equal(tbk_value_integer_at(said, "next.upload_bytes"), 90000000);
    assert_null(tbk_value_find(said, "next.duration_s"));
    assert_int_equal(tbk_value_integer_at(said, "day_bytes"), 50000000);
    state = "{\"schema\":1,\"repository\":null,\"hosts\":[],\"attempt_s\":1,\"success_s\":1,"
            "\"exit_status\":0,\"error\":null,\"fix\":null,\"waiting\":0,\"newest\":null,"
            "\"newest_s\":0,\"sent_s\":10,\"sent_bytes\":50000000,\"check_s\":0,"
            "\"check_good_s\":0,\"check_part\":0,\"check_error\":null,\"drill_s\":0,"
            "\"drill_good_s\":0,\"drill_set\":null,\"drill_error\":null,\"prune_s\":0,"
            "\"accepted_s\":0,\"brake\":null,\"known\":[{\"snapshot\":\"s\",\"set\":\"" OLD_SET
            "\",\"profile\":\"full\",\"database_bytes\":1,\"stored_bytes\":1}]}";
    said = plan();
    assert_false(tbk_value_true_at(said, "next.is_first"));
    assert_int_equal(tbk_value_integer_at(said, "next.waiting"), 1);
    assert_int_equal(tbk_value_integer_at(said, "next.upload_bytes"), 50000000);
    assert_int_equal(tbk_value_integer_at(said, "next.duration_s"), 11);
    assert_string_equal(tbk_value_text_at(said, "rate_basis", ""), "measured");
    assert_null(remarks->first);
}

static void before_a_first_set_it_is_estimated_from_a_sqlite_file(void **ignored)
{
    (void)ignored;
    sets = "{\"sets\":[]}";
    forecast = tbk_value_map(arena);
    tbk_value *database = tbk_value_map(arena);
    tbk_value_set(arena, forecast, "database", database);
    tbk_value_set_integer(arena, database, "bytes", 1000000000);
    assert_string_equal(tbk_value_text_at(plan(), "full.basis", ""), "unknown"); /* MySQL's */
    tbk_value_set_string(arena, database, "path", "/tracker.db");
    const tbk_value *said = plan();
    assert_string_equal(tbk_value_text_at(said, "next.basis", ""), "estimated");
    assert_int_equal(tbk_value_integer_at(said, "next.upload_bytes"), 542000000);
}

static void what_cannot_be_used_is_done_without_and_remarked(void **ignored)
{
    (void)ignored;
    state = "{\"schema\":1";
    sets = "{\"sets\":[{\"id\":\"../x\",\"profile\":\"full\",\"stored_bytes\":5},"
           "{\"id\":\"" NEW_SET "\",\"profile\":\"full\",\"stored_bytes\":5,\"damage\":\"d\"},"
           "{\"id\":\"" NEW_SET "\",\"profile\":\"full\",\"stored_bytes\":5,"
           "\"other_database\":\"o\"},{\"id\":\"" NEW_SET "\",\"profile\":\"odd\","
           "\"stored_bytes\":5},{\"id\":\"" NEW_SET "\",\"profile\":\"full\"}]}";
    const tbk_value *said = plan();
    assert_string_equal(tbk_value_text_at(said, "full.basis", ""), "unknown");
    assert_null(tbk_value_find(said, "day_bytes"));
    assert_non_null(remarks->first);
    assert_non_null(strstr(remarks->first->value->string, "without what the VM has measured"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_asked_where_nothing_goes),
        TEST(it_answers_and_what_is_there_is_counted),
        TEST(it_is_asked_only_where_that_changes_nothing),
        TEST(what_is_installed_for_another_place_says_nothing_of_this_one),
        TEST(what_it_says_is_told_and_what_could_not_run_is_not_its_fault),
        TEST(the_newest_set_and_the_last_upload_are_the_measures),
        TEST(before_a_first_set_it_is_estimated_from_a_sqlite_file),
        TEST(what_cannot_be_used_is_done_without_and_remarked),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
