/* SPDX-License-Identifier: MIT */
/* From what is wanted and what was found to what is to be done. */
#include "unit/unit.h"

#include "domain/deployment.h"

static const tbk_digest ours = {"0123"}, other = {"4567"};

/* A deployment of two files, on a VM that has all of it. */
typedef struct scene {
    tbk_arena *arena;
    tbk_options options;
    tbk_rendering rendering;
    tbk_secrets secrets;
    tbk_deployment deployment;
    tbk_found found;
    tbk_items items;
} scene;

static int set_up(void **state)
{
    scene *it = calloc(1, sizeof *it);
    assert_non_null(it);
    it->arena = tbk_arena_new();
    it->options.mode = TBK_MODE_WINDOW;
    it->rendering = (tbk_rendering){
        .count = 2,
        .files = {{.name = "a", .target = "/a", .mode = 0644, .bytes = "1\n2\n", .digest = ours},
                  {.name = "b", .target = "/b", .mode = 0755, .bytes = "", .digest = ours}}};
    it->deployment = (tbk_deployment){.options = &it->options,
                                      .rendering = &it->rendering,
                                      .secrets = &it->secrets,
                                      .image = {"engine:1", 12345678},
                                      .outbound_image = {"outbound:1", 9876543}};
    it->found = (tbk_found){.directories = {{true, 0755, true, {""}},
                                            {true, 0755, true, {""}},
                                            {.exists = false},
                                            {true, 0750, true, {""}},
                                            {true, 0750, true, {""}}},
                            .files = {{true, 0644, true, ours}, {true, 0755, true, ours}},
                            .has_image = true,
                            .window_file = "/etc/cron.d/torrust-backup"};
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

static void list(scene *it) { tbk_items_of(it->arena, &it->deployment, &it->found, &it->items); }

/* "kind path action reason" of all that has something to be done. */
static const char *changes(scene *it)
{
    static const char *const actions[] = {"none", "create", "change", "remove", "wait"};
    const char *text = "";
    list(it);
    for (size_t i = 0; i < it->items.count; i++) {
        const tbk_item *item = &it->items.list[i];
        assert_int_equal(tbk_item_is_change(item),
                         item->action != TBK_ACTION_NONE && item->action != TBK_ACTION_WAIT);
        if (item->action == TBK_ACTION_NONE)
            assert_string_equal(item->reason, "");
        else
            text = tbk_arena_format(it->arena, "%s%s %s: %s (%s)\n", text,
                                    tbk_item_kind_name(item->kind), item->path,
                                    actions[item->action], item->reason);
    }
    return text;
}

static const char *drift(scene *it, bool docker_answers)
{
    list(it);
    return tbk_items_drift(it->arena, &it->items, docker_answers);
}

static void nothing_is_to_be_done_where_all_is_in_place(void **state)
{
    scene *it = *state;
    assert_string_equal(changes(it), "");
    assert_int_equal(it->items.count, 7);
    assert_null(drift(it, true));
    assert_null(tbk_items_other_mode(it->arena, &it->items));
}

static void all_is_made_on_a_fresh_machine(void **state)
{
    scene *it = *state;
    it->found = (tbk_found){.window_file = ""};
    assert_string_equal(changes(it), "directory /opt/torrust-backup: create (mode 755)\n"
                                     "directory /var/lib/torrust-backup-outbound: create (mode "
                                     "755)\n"
                                     "directory /var/log/torrust-backup: create (mode 750)\n"
                                     "directory /var/lib/torrust-backup: create (mode 750)\n"
                                     "image engine:1: create (12.3 MB to upload)\n"
                                     "file /a: create (2 lines)\n"
                                     "file /b: create (0 lines)\n");
    assert_ptr_equal(it->items.list[5].file, &it->rendering.files[0]);
    assert_string_equal(drift(it, true),
                        "the backup is not installed; run 'torrust-backup configure'");
}

static void what_differs_is_changed_and_says_how(void **state)
{
    scene *it = *state;
    it->found.directories[0].mode = 0700;
    it->found.files[0].digest = other;
    it->found.files[1].mode = 0700;
    assert_string_equal(changes(it), "directory /opt/torrust-backup: change (mode 755, now 700)\n"
                                     "file /a: change ()\n"
                                     "file /b: change (mode 755 of root, now 700)\n");
    assert_string_equal(drift(it, true), "'/b' is not as rendered; run 'torrust-backup configure'");
    it->found.files[1] = (tbk_item_state){true, 0755, false, ours};
    it->found.directories[0].mode = 0755;
    assert_string_equal(changes(it), "file /a: change ()\n"
                                     "file /b: change (mode 755 of root, now 755 of another "
                                     "user)\n");
    it->found.directories[0].is_owned = false;
    list(it);
    assert_int_equal(it->items.list[0].action, TBK_ACTION_CHANGE);
    assert_string_equal(it->items.list[0].reason, "mode 755, now 755 of another user");
}

static void drift_names_what_is_missing_first(void **state)
{
    scene *it = *state;
    it->found.has_image = false;
    assert_null(drift(it, false));
    assert_string_equal(drift(it, true), "the image 'engine:1' is missing; run "
                                         "'torrust-backup configure'");
    it->found.files[0].digest = other;
    assert_string_equal(drift(it, true), "'/a' is not as rendered; run 'torrust-backup configure'");
    it->found.files[1].exists = false;
    assert_string_equal(drift(it, true), "'/b' is missing; run 'torrust-backup configure'");
}

static void the_other_modes_parts_go(void **state)
{
    scene *it = *state;
    it->found.has_sidecar = true;
    assert_string_equal(changes(it), "sidecar the sidecar's container: remove ()\n");
    assert_non_null(strstr(tbk_items_other_mode(it->arena, &it->items),
                           "a sidecar is on the VM, but the mode is window"));

    it->options.mode = TBK_MODE_SIDECAR;
    assert_string_equal(changes(it),
                        "window the maintenance window: crontab, hook, log: remove ()\n");
    assert_string_equal(tbk_items_other_mode(it->arena, &it->items),
                        "'/etc/cron.d/torrust-backup' of the maintenance window is still there; "
                        "run 'torrust-backup configure'");
    it->found.window_file = "";
    assert_string_equal(changes(it), "");
    assert_null(tbk_items_other_mode(it->arena, &it->items));
}

static void the_sidecar_is_what_the_vm_says_that_it_needs(void **state)
{
    scene *it = *state;
    it->options.mode = TBK_MODE_SIDECAR;
    it->found.window_file = "";
    assert_string_equal(changes(it), "sidecar the sidecar's container: create ()\n");
    assert_int_equal(it->items.count, 6); /* two directories */
    tbk_item *sidecar = &it->items.list[5];
    assert_true(tbk_item_is_service(sidecar));
    assert_false(tbk_item_is_service(&it->items.list[0]));
    tbk_item_take_step(sidecar, TBK_SERVICE_IN_PLACE);
    assert_int_equal(sidecar->action, TBK_ACTION_NONE);
    tbk_item_take_step(sidecar, TBK_SERVICE_WAITS);
    assert_int_equal(sidecar->action, TBK_ACTION_WAIT);
    assert_string_equal(sidecar->reason, "it waits for a tracker");
    assert_false(tbk_item_is_change(sidecar));
    tbk_item_take_step(sidecar, TBK_SERVICE_TO_START);
    assert_int_equal(sidecar->action, TBK_ACTION_CREATE);
    assert_string_equal(sidecar->reason, "");
}

/* A secret, a second image, a folder for the secrets, a service. */
static void go_off_site(scene *it)
{
    it->secrets = (tbk_secrets){.count = 1,
                                .files = {{.name = "secrets",
                                           .target = "/etc/secrets",
                                           .mode = 0600,
                                           .bytes = "A=1\n",
                                           .digest = ours,
                                           .is_secret = true}}};
}

static void what_goes_off_site_is_more_to_install(void **state)
{
    scene *it = *state;
    go_off_site(it);
    assert_string_equal(changes(it),
                        "directory /etc/torrust-backup-outbound: create (mode 700)\n"
                        "image outbound:1: create (9.8 MB to upload)\n"
                        "file /etc/secrets: create (1 lines)\n"
                        "outbound the container that takes sets off-site: create ()\n");
    tbk_item *outbound = &it->items.list[it->items.count - 1];
    assert_true(tbk_item_is_service(outbound));
    assert_false(tbk_item_is_service(outbound - 1)); /* a file, which is wanted */
    tbk_item_take_step(outbound, TBK_SERVICE_WAITS);
    assert_string_equal(outbound->reason, "it waits for a first backup");
    assert_string_equal(drift(it, true),
                        "'/etc/secrets' is missing; run 'torrust-backup configure'");

    it->found.directories[2] = (tbk_item_state){true, 0700, true, {""}};
    it->found.has_outbound_image = it->found.has_outbound = true;
    it->found.files[2] = (tbk_item_state){true, 0600, true, ours}; /* after those of rendering */
    assert_string_equal(changes(it), "");
    assert_null(drift(it, true));
}

static void what_went_off_site_and_is_not_to_any_more_goes(void **state)
{
    scene *it = *state;
    it->found.has_outbound = true;
    assert_string_equal(changes(it), "outbound what takes sets off-site: its container, its "
                                     "secrets: remove ()\n");
    for (size_t i = 0; i < it->items.count; i++) /* one that is to go is not started */
        assert_false(tbk_item_is_service(&it->items.list[i]));
    assert_non_null(
        strstr(tbk_items_other_mode(it->arena, &it->items), "sets still go off-site from the VM"));
}

static void architectures_have_a_name_for_images_and_one_for_machines(void **state)
{
    (void)state;
    tbk_architecture architecture;
    tbk_error err;
    assert_succeeds(tbk_architecture_parse("amd64", &architecture, &err), err);
    assert_string_equal(tbk_architecture_machine(architecture), "x86_64");
    assert_succeeds(tbk_architecture_parse("arm64", &architecture, &err), err);
    assert_string_equal(tbk_architecture_machine(architecture), "aarch64");
    assert_fails(tbk_architecture_parse("x86_64", &architecture, &err), err, TBK_E_CONFIG,
                 "'x86_64'");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_to_be_done_where_all_is_in_place),
        TEST(all_is_made_on_a_fresh_machine),
        TEST(what_differs_is_changed_and_says_how),
        TEST(drift_names_what_is_missing_first),
        TEST(the_other_modes_parts_go),
        TEST(the_sidecar_is_what_the_vm_says_that_it_needs),
        TEST(what_goes_off_site_is_more_to_install),
        TEST(what_went_off_site_and_is_not_to_any_more_goes),
        TEST(architectures_have_a_name_for_images_and_one_for_machines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
