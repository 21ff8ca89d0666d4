/* SPDX-License-Identifier: MIT */
/* What is run on the VM has all its arguments, and of its log nothing is lost. */
#include "unit/unit.h"

#include "commands/host_runner.h"

#define ARGUMENTS 40

/* A VM that keeps the words of the last command, and says what it is told to. */
typedef struct scene {
    tbk_arena *arena;
    const char *words; /* after the script's name, separated by blanks */
    const char *log;
    const char *told; /* the reported lines, each with a line break */
    tbk_workspace workspace;
    tbk_remote remote;
    tbk_report report;
    tbk_vm vm;
} scene;

static bool answer(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                   tbk_error *err)
{
    scene *it = self;
    (void)result;
    if (command->on_output != NULL)
        return command->on_output(command->on_output_self, it->log, strlen(it->log), err);
    if (strcmp(command->argv[3], "record") == 0)
        return true;
    it->words = "";
    for (const char *const *word = command->argv + 4; *word != NULL; word++)
        it->words = tbk_arena_format(it->arena, "%s %s", it->words, *word);
    return true;
}

static void take_line(void *self, tbk_log_level level, const char *phase, const char *message)
{
    scene *it = self;
    (void)level;
    it->told = tbk_arena_format(it->arena, "%s%s: %s\n", it->told, phase, message);
}

static int set_up(void **state)
{
    scene *it = calloc(1, sizeof *it);
    assert_non_null(it);
    it->arena = tbk_arena_new();
    it->words = it->log = it->told = "";
    it->workspace.options.store = "/store";
    it->workspace.environment.name = "x";
    it->remote = (tbk_remote){.self = it, .name = "vm", .run = answer};
    it->report = (tbk_report){.self = it, .log = take_line};
    it->vm = (tbk_vm){.workspace = &it->workspace, .remote = &it->remote, .report = &it->report};
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

static void gives_the_engine_every_argument(void **state)
{
    scene *it = *state;
    const char *arguments[ARGUMENTS + 1] = {NULL};
    const char *expected = "";
    tbk_host_answer found;
    tbk_error err;
    for (size_t i = 0; i < ARGUMENTS; i++) {
        arguments[i] = tbk_arena_format(it->arena, "a%zu", i);
        expected = tbk_arena_format(it->arena, "%s %s", expected, arguments[i]);
    }
    assert_succeeds(tbk_host_run_engine(it->arena, &it->vm, arguments, 1000, &found, &err), err);
    const char *after_file = strchr(it->words + 1, ' ');
    assert_non_null(after_file);
    assert_string_equal(after_file, expected);
    assert_null(found.value);
}

static const char *follow(scene *it, const char *log)
{
    static const char *const arguments[] = {"backup", NULL};
    tbk_host_answer found;
    tbk_error err;
    it->told = "";
    it->log = log;
    assert_succeeds(tbk_host_run_sidecar(it->arena, &it->vm, arguments, &found, &err), err);
    return it->told;
}

static void tells_the_last_line_of_a_log_without_its_end(void **state)
{
    scene *it = *state;
    assert_string_equal(follow(it, "first\nlast"), "run: first\nrun: last\n");
    assert_string_equal(follow(it, "{\"phase\":\"copy\",\"message\":\"half\"}"), "copy: half\n");
    assert_string_equal(follow(it, "first\nlast\n"), "run: first\nrun: last\n");
    assert_string_equal(follow(it, ""), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(gives_the_engine_every_argument),
        TEST(tells_the_last_line_of_a_log_without_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
