/* SPDX-License-Identifier: MIT */
/* What `plan` lists is what `configure` does: on a VM that lacks something, that and no more; in a
 * dry run nothing. */
#include "unit/unit.h"

#include "base/json.h"
#include "commands/configure.h"
#include "commands/plan.h"

/* A VM that says what is on it, and keeps what was done there. */
typedef struct scene {
    tbk_arena *arena;
    const char *facts;
    const char *sidecar; /* what its script says: "in-place", "to-start", "waits" */
    const char *done;    /* names and arguments of the scripts that change something */
    tbk_workspace workspace;
    tbk_rendering rendering;
    tbk_image image, outbound_image;
    tbk_secrets secrets;
    tbk_remote remote;
} scene;

#define OUTBOUND_FOLDERS "directory 755 65042:65042\ndirectory \n"
#define SAME "644 0:0 d"
#define FACTS(more)                                                                                \
    "arch x86_64\ndocker 27\ncompose 2\nflock /f\ncron 1\nnow 1780000000\noffset +0000\n" more

static const char nothing_there[] = FACTS(
    "directory \ndirectory \ndirectory \ndirectory \ndirectory \nfile missing\nfile missing\n");
static const char all_there[] =
    FACTS("image x\ndirectory 755 0:0\n" OUTBOUND_FOLDERS "directory 750 0:0\ndirectory 750 0:0\n"
          "window_file /etc/c\nfile " SAME "\nfile " SAME "\n");

static bool is_look(const char *name)
{
    return strcmp(name, "facts") == 0 || strcmp(name, "use") == 0 || strcmp(name, "probe") == 0;
}

static bool answer(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                   tbk_error *err)
{
    scene *it = self;
    const char *const *argv = command->argv;
    (void)err;
    if (strcmp(argv[0], "sh") != 0 || argv[2] == NULL || argv[3] == NULL)
        return true; /* head: what is installed; sh -n, docker compose: checks */
    if (strcmp(argv[3], "facts") == 0)
        tbk_text_append(&result->output, it->facts);
    if (strcmp(argv[3], "sidecar") == 0)
        tbk_text_append(&result->output, it->sidecar);
    if (is_look(argv[3]) || (strcmp(argv[3], "sidecar") == 0 && strcmp(argv[4], "look") == 0))
        return true;
    it->done = tbk_arena_format(it->arena, "%s%s", it->done, argv[3]);
    for (const char *const *word = argv + 4; *word != NULL; word++)
        it->done = tbk_arena_format(it->arena, "%s %s", it->done, *word);
    it->done = tbk_arena_format(it->arena, "%s\n", it->done);
    return true;
}

static int set_up(void **state)
{
    scene *it = calloc(1, sizeof *it);
    assert_non_null(it);
    it->arena = tbk_arena_new();
    it->sidecar = "in-place";
    it->done = "";
    it->workspace.environment =
        (tbk_environment){.name = "x", .driver = TBK_DRIVER_SQLITE, .database_name = "tracker.db"};
    tbk_options_default(&it->workspace.environment, &it->workspace.options);
    it->rendering = (tbk_rendering){.count = 2,
                                    .files = {{"one", "/one", 0644, "1\n", 2, {"d"}, false},
                                              {"two", "/two", 0644, "2\n", 2, {"d"}, false}}};
    it->outbound_image = (tbk_image){.tag = ""};
    it->image = (tbk_image){.id = "1", .tag = "engine:1", .tarball_path = "/dev/null"};
    it->remote = (tbk_remote){.self = it, .name = "vm", .run = answer};
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    scene *it = *state;
    tbk_arena_free(it->arena);
    free(it);
    return 0;
}

static tbk_vm vm_of(const scene *it)
{
    return (tbk_vm){.workspace = &it->workspace,
                    .rendering = &it->rendering,
                    .secrets = &it->secrets,
                    .image = &it->image,
                    .outbound_image = &it->outbound_image,
                    .remote = &it->remote};
}

/* "target: state" of each item. */
static const char *told(scene *it, const tbk_value *result)
{
    const char *text = "";
    for (const tbk_member *item = tbk_value_members_at(result, "items"); item != NULL;
         item = item->next)
        text = tbk_arena_format(it->arena, "%s%s: %s\n", text,
                                tbk_value_text_at(item->value, "target", ""),
                                tbk_value_text_at(item->value, "state", ""));
    return text;
}

static const char *configure(scene *it, bool dry_run)
{
    const tbk_configure_input input = {.vm = vm_of(it), .dry_run = dry_run};
    tbk_value *result = NULL;
    tbk_error err;
    it->done = "";
    assert_succeeds(tbk_configure(it->arena, &input, &result, &err), err);
    assert_true(tbk_value_true_at(result, "complete"));
    return told(it, result);
}

static const char *plan(scene *it)
{
    const tbk_vm vm = vm_of(it);
    tbk_value *result = NULL;
    tbk_error err;
    it->done = "";
    assert_succeeds(tbk_plan(it->arena, &vm, &result, &err), err);
    assert_string_equal(it->done, "");
    return told(it, result);
}

static void a_fresh_machine_gets_all_of_it_in_order(void **state)
{
    scene *it = *state;
    it->facts = nothing_there;
    assert_string_equal(plan(it),
                        "/opt/torrust-backup: new\n/var/lib/torrust-backup-outbound: new\n"
                        "/var/log/torrust-backup: new\n"
                        "/var/lib/torrust-backup: new\nengine:1: new\n/one: new\n/two: new\n");
    assert_string_equal(configure(it, true), "engine:1: would be installed\n"
                                             "/one: would be installed\n"
                                             "/two: would be installed\n");
    assert_string_equal(it->done, "");
    assert_string_equal(configure(it, false),
                        "engine:1: installed\n/one: installed\n/two: installed\n");
    assert_string_equal(
        it->done,
        "directories /opt/torrust-backup 0755 0 /var/lib/torrust-backup-outbound 0755 65042 "
        "/var/log/torrust-backup 0750 0 /var/lib/torrust-backup 0750 0\n"
        "torrust-backup-put /opt/torrust-backup/engine-image.tar.gz  0600\n"
        "load /opt/torrust-backup/engine-image.tar.gz engine:1\n"
        "torrust-backup-put /one d 0644\n"
        "torrust-backup-put /two d 0644\n"
        "older engine:1 \n");
}

static void what_is_in_place_is_left_alone(void **state)
{
    scene *it = *state;
    it->facts = all_there;
    assert_string_equal(configure(it, false),
                        "engine:1: in place\n/one: in place\n/two: in place\n");
    assert_string_equal(it->done, "directories\n"); /* and what an upload may have left */
    it->facts = FACTS("image x\ndirectory 755 0:0\n" OUTBOUND_FOLDERS
                      "directory 700 0:0\ndirectory 750 0:0\n"
                      "file 600 0:0 d\nfile " SAME "\n");
    assert_string_equal(configure(it, false),
                        "engine:1: in place\n/one: updated\n/two: in place\n");
    assert_string_equal(it->done, "directories /var/log/torrust-backup 0750 0\n"
                                  "torrust-backup-put /one d 0644\n"
                                  "older engine:1 \n");
}

static void the_sidecar_is_started_or_waits(void **state)
{
    scene *it = *state;
    it->workspace.options.mode = TBK_MODE_SIDECAR;
    it->facts =
        FACTS("image x\ndirectory 755 0:0\n" OUTBOUND_FOLDERS "file " SAME "\nfile " SAME "\n");
    it->sidecar = "waits";
    assert_string_equal(plan(it), "/opt/torrust-backup: in place\n"
                                  "/var/lib/torrust-backup-outbound: in place\n"
                                  "engine:1: in place\n"
                                  "/one: in place\n/two: in place\n"
                                  "the sidecar's container: in place\n");
    assert_non_null(strstr(configure(it, false), "the sidecar's container: waits for a tracker\n"));
    it->sidecar = "to-start";
    assert_non_null(strstr(plan(it), "the sidecar's container: new\n"));
    assert_non_null(strstr(configure(it, true), "the sidecar's container: would be started\n"));
    assert_string_equal(it->done, "");
    assert_non_null(strstr(configure(it, false), "the sidecar's container: started\n"));
}

static void the_other_modes_parts_are_removed_before_files_come(void **state)
{
    scene *it = *state;
    it->workspace.options.mode = TBK_MODE_SIDECAR;
    it->facts = all_there;
    assert_non_null(strstr(plan(it), "engine:1: in place\nthe maintenance window: crontab, hook, "
                                     "log: remove\n/one: in place\n"));
    assert_non_null(strstr(configure(it, true), "hook, log: would be removed\n"));
    assert_non_null(strstr(configure(it, false), "hook, log: removed\n"));
    assert_non_null(strstr(it->done, "window /etc/cron.d/torrust-backup"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_machine_gets_all_of_it_in_order),
        TEST(what_is_in_place_is_left_alone),
        TEST(the_sidecar_is_started_or_waits),
        TEST(the_other_modes_parts_are_removed_before_files_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
