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
    const char *record;   /* of a run, in the store */
    const char *stopped;  /* the container that was stopped; NULL = none */
    tbk_error_code fails; /* TBK_E_OK: the command ends well */
    const char *told;     /* the reported lines, each with a line break */
    tbk_workspace workspace;
    tbk_remote remote;
    tbk_report report;
    tbk_vm vm;
} scene;

static bool answer(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                   tbk_error *err)
{
    scene *it = self;
    if (command->on_output != NULL)
        return command->on_output(command->on_output_self, it->log, strlen(it->log), err);
    if (strcmp(command->argv[3], "stop") == 0) {
        assert_true(command->is_cleanup && command->as_root);
        it->stopped = command->argv[4];
        return true;
    }
    if (strcmp(command->argv[3], "record") == 0) {
        tbk_text_append(&result->output, it->record);
        return true;
    }
    it->words = "";
    for (const char *const *word = command->argv + 4; *word != NULL; word++)
        it->words = tbk_arena_format(it->arena, "%s %s", it->words, *word);
    return it->fails == TBK_E_OK || tbk_fail(err, it->fails, NULL, "it broke");
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
    it->words = it->log = it->record = it->told = "";
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
    static const char BEFORE[] = " backup /store torrust-backup-backup-once-0123456789abcdef";
    assert_memory_equal(after_file, BEFORE, sizeof BEFORE - 1 - 16);
    assert_string_equal(after_file + sizeof BEFORE - 1, expected);
    assert_null(it->stopped);
    assert_null(found.value);
}

/* What runs there does not end because the one who waits for it goes. */
static void stops_what_nobody_waits_for(void **state)
{
    scene *it = *state;
    static const char *const arguments[] = {"offsite", "fetch", NULL};
    static const tbk_error_code codes[] = {TBK_E_INTERRUPTED, TBK_E_TIMEOUT};
    tbk_host_answer found;
    tbk_error err;
    const char *first = NULL;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        it->fails = codes[i];
        assert_fails(
            tbk_host_run_service(it->arena, &it->vm, "outbound", arguments, 1000, &found, &err),
            err, codes[i], "it broke");
        assert_non_null(it->stopped);
        assert_non_null(
            strstr(it->words, tbk_arena_format(it->arena, " %s offsite fetch", it->stopped)));
        assert_true(first == NULL || strcmp(first, it->stopped) != 0);
        first = it->stopped;
    }
    it->fails = TBK_E_NETWORK; /* there is no way to it any more */
    it->stopped = NULL;
    assert_fails(
        tbk_host_run_service(it->arena, &it->vm, "outbound", arguments, 1000, &found, &err), err,
        TBK_E_NETWORK, "it broke");
    assert_null(it->stopped);
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

static void reads_the_record_of_a_run(void **state)
{
    scene *it = *state;
    tbk_host_record found;
    tbk_error err;
    assert_succeeds(tbk_host_last_run(it->arena, &it->vm, &found, &err), err);
    assert_null(found.value);
    it->record = "{\"run\":\"r\",\"set\":\"20260216T175643Z\",\"method\":null,\"held_ms\":5,"
                 "\"error\":null,\"more\":[]}";
    assert_succeeds(tbk_host_last_run(it->arena, &it->vm, &found, &err), err);
    assert_non_null(found.value);
    assert_string_equal(found.run_id, "r");
    assert_string_equal(found.set_id, "20260216T175643Z");
    assert_null(found.method);
    assert_int_equal(found.held_ms, 5);
    assert_int_equal(found.duration_ms, 0);
}

static void refuses_a_record_that_cannot_be_one(void **state)
{
    scene *it = *state;
    static const char *const cases[][2] = {
        {"Welcome", "not valid JSON"},
        {"[1]", "must be a map, but it is a list"},
        {"{\"run\":5}", "'run' must be text"},
        {"{\"set\":\"../x\"}", "'set' is not the id of a backup set"},
        {"{\"error\":\"x\"}", "'error' must be a map"},
        {"{\"error\":{\"message\":[]}}", "'error.message' must be text"},
        {"{\"held_ms\":\"5\"}", "'held_ms' must be a whole number"},
        {"{\"profiles\":{\"full\":{\"finished_s\":-1}}}", "'finished_s' is -1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_host_record found;
        tbk_error err;
        it->record = cases[i][0];
        assert_fails(tbk_host_last_run(it->arena, &it->vm, &found, &err), err, TBK_E_REMOTE,
                     cases[i][1]);
        assert_null(found.value);
    }
}

/* What the shell finds in the crontab; without its line break. */
static void read_command(const char *crontab, char out[256])
{
    assert_int_equal(setenv("CRONTAB", crontab, 1), 0);
    assert_int_equal(setenv("SCRIPT", TBK_BACKUP_COMMAND_SCRIPT "backup_command /dev/stdin", 1), 0);
    FILE *shell = popen("printf '%s' \"$CRONTAB\" | sh -c \"$SCRIPT\"", "re");
    assert_non_null(shell);
    out[0] = '\0';
    (void)!fgets(out, 256, shell);
    assert_int_equal(fgetc(shell), EOF);
    assert_int_equal(pclose(shell), 0);
    out[strcspn(out, "\n")] = '\0';
}

/* By the lines of now, and by those of earlier versions, in any order. */
static void finds_the_command_of_a_backup_in_the_crontab(void **state)
{
    (void)state;
    static const struct {
        const char *crontab, *command;
    } cases[] = {
        {"# 0 0 * * * root comment\nMAILTO=\"\"\n"
         "@reboot root /usr/local/bin/torrust-backup-hold recover 2>&1 | tee -a 'log'\n"
         "0 3 * * * root mkdir -p 'dir'; /usr/local/bin/torrust-backup-hook >> 'log' 2>&1\n"
         "0 4 * * 0 root mkdir -p 'dir'; /usr/local/bin/torrust-backup-hook --profile full\n",
         "mkdir -p 'dir'; /usr/local/bin/torrust-backup-hook >> 'log' 2>&1"},
        {"@reboot root /usr/local/bin/torrust-backup-hook --recover >> 'log' 2>&1\n"
         "0 3 * * *\troot  /usr/local/bin/torrust-backup-hook >> 'log' 2>&1\n",
         "/usr/local/bin/torrust-backup-hook >> 'log' 2>&1"},
        {"*/5 * * * * root /usr/local/bin/torrust-backup-hold recover\n", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[256];
        read_command(cases[i].crontab, command);
        assert_string_equal(command, cases[i].command);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(gives_the_engine_every_argument),
        TEST(stops_what_nobody_waits_for),
        TEST(tells_the_last_line_of_a_log_without_its_end),
        TEST(reads_the_record_of_a_run),
        TEST(refuses_a_record_that_cannot_be_one),
        TEST(finds_the_command_of_a_backup_in_the_crontab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
