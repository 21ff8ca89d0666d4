/* SPDX-License-Identifier: MIT */
/* The image's own architecture decides which machines are refused. */
#include "unit/unit.h"

#include "base/file.h"
#include "commands/host_facts.h"

#include <fcntl.h>

static char scratch[64];

static int set_up(void **state)
{
    (void)state;
    make_scratch(scratch);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tbk_error err;
    return tbk_directory_remove_at(AT_FDCWD, scratch, &err) ? 0 : -1;
}

static void write_file(tbk_arena *arena, const char *name, const char *text)
{
    tbk_error err;
    const char *path = tbk_arena_format(arena, "%s/%s", scratch, name);
    assert_succeeds(tbk_file_publish(path, text, strlen(text), 0600, &err), err);
}

static bool read_image(tbk_arena *arena, const char *architecture, tbk_image *out, tbk_error *err)
{
    write_file(arena, "torrust-backup-engine.tar.gz", "image");
    write_file(arena, "torrust-backup-engine.json",
               tbk_arena_format(arena,
                                "{\"schema\":1,\"id\":\"0\",\"tag\":\"engine:0\"%s,"
                                "\"size_bytes\":5,\"sha256\":\"0\"}",
                                architecture));
    return tbk_image_read(arena, scratch, TBK_ENGINE_IMAGE, out, err);
}

static bool check_machine(const tbk_image *image, const char *machine, tbk_error *err)
{
    const tbk_host_facts facts = {.arch = machine,
                                  .docker_version = "27",
                                  .compose_version = "2",
                                  .flock = true,
                                  .cron_running = true};
    return tbk_host_facts_check(&facts, image->architecture, TBK_MODE_WINDOW, err);
}

static void an_image_fits_machines_of_its_own_architecture(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_image image;
    tbk_error err;
    assert_succeeds(read_image(arena, ",\"architecture\":\"arm64\"", &image, &err), err);
    assert_succeeds(check_machine(&image, "aarch64", &err), err);
    assert_fails(check_machine(&image, "x86_64", &err), err, TBK_E_REMOTE,
                 "the VM is a 'x86_64', the engine was built for aarch64");

    assert_succeeds(read_image(arena, ",\"architecture\":\"amd64\"", &image, &err), err);
    assert_succeeds(check_machine(&image, "x86_64", &err), err);
    assert_fails(check_machine(&image, "aarch64", &err), err, TBK_E_REMOTE,
                 "the VM is a 'aarch64', the engine was built for x86_64");
    assert_fails(check_machine(&image, "", &err), err, TBK_E_REMOTE, "the VM is a ''");
}

static void an_image_of_no_known_architecture_is_a_broken_installation(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_image image;
    tbk_error err;
    assert_fails(read_image(arena, "", &image, &err), err, TBK_E_CONFIG,
                 "'architecture' is missing");
    assert_fails(read_image(arena, ",\"architecture\":\"riscv64\"", &image, &err), err,
                 TBK_E_CONFIG, "'riscv64'");
    assert_non_null(strstr(err.fix, "install Torrust Backup again"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_image_fits_machines_of_its_own_architecture),
        TEST(an_image_of_no_known_architecture_is_a_broken_installation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
