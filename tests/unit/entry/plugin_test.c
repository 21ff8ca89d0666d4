/* SPDX-License-Identifier: MIT */
/* The plugin's interface under odd hosts: older, newer, sparing with memory, or confused. */
#include "torrust_backup/plugin_v1.h"

#include "domain/option_table.h"

#include <dlfcn.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const tbk_plugin_v1 *plugin;

static int load_plugin(void **state)
{
    glob_t found = {0};
    tbk_plugin_get_v1_function get = NULL;

    (void)state;
    if (glob(TBK_BINARY_DIR "/lib*/torrust-backup/torrust_backup.so", 0, NULL, &found) != 0 &&
        glob(TBK_BINARY_DIR "/lib/*/torrust-backup/torrust_backup.so", 0, NULL, &found) != 0)
        return -1;
    void *library = dlopen(found.gl_pathv[0], RTLD_NOW | RTLD_LOCAL);
    globfree(&found);
    void *symbol = library != NULL ? dlsym(library, "tbk_plugin_get_v1") : NULL;
    if (symbol == NULL)
        return -1;
    memcpy(&get, &symbol, sizeof get);
    plugin = get();
    return 0;
}

static tbk_request_v1 request_for(const char *verb)
{
    return (tbk_request_v1){.struct_size = sizeof(tbk_request_v1), .verb = verb};
}

static void describes_itself(void **state)
{
    (void)state;
    assert_int_equal(plugin->abi_version, TBK_ABI_VERSION);
    assert_int_equal(plugin->struct_size, sizeof *plugin);
    assert_non_null(strchr(plugin->version, '.'));
}

static void refuses_an_older_host(void **state)
{
    tbk_request_v1 request = request_for("version");
    tbk_error_v1 error = {.struct_size = sizeof error};

    (void)state;
    request.struct_size = 8;
    assert_int_equal(plugin->run(&request, NULL, NULL, 0, NULL, &error), 2);
    assert_non_null(strstr(error.message, "older interface"));
    assert_int_equal(error.exit_status, 2);
    assert_int_equal(error.kind, TBK_ERROR_KIND_CONFIGURATION);
    assert_string_equal(error.code, "USAGE");
}

static void refuses_a_newer_host(void **state)
{
    tbk_request_v1 request = request_for("version");
    const tbk_host_v1 host = {.struct_size = sizeof host + 64, .abi_version = TBK_ABI_VERSION + 1};
    tbk_error_v1 error = {.struct_size = sizeof error};

    (void)state;
    assert_int_equal(plugin->run(&request, &host, NULL, 0, NULL, &error), 2);
    assert_non_null(strstr(error.message, "interface version 2"));
}

static void takes_larger_structs_of_the_same_version(void **state)
{
    struct {
        tbk_request_v1 request;
        char more[64];
    } larger = {.request = request_for("version")};

    (void)state;
    larger.request.struct_size = sizeof larger;
    assert_int_equal(plugin->run(&larger.request, NULL, NULL, 0, NULL, NULL), 0);
}

static void leaves_a_shorter_error_alone(void **state)
{
    tbk_request_v1 request = request_for("version");
    tbk_error_v1 error;

    (void)state;
    memset(&error, 0x5a, sizeof error);
    error.struct_size = 16;
    assert_int_equal(plugin->run(&request, NULL, NULL, 0, NULL, &error), 2);
    assert_int_equal(error.message[0], 0x5a);
}

static void refuses_no_request_no_verb_unknown_verb_unknown_flag(void **state)
{
    tbk_request_v1 request = request_for(NULL);

    (void)state;
    assert_int_equal(plugin->run(NULL, NULL, NULL, 0, NULL, NULL), 2);
    assert_int_equal(plugin->run(&request, NULL, NULL, 0, NULL, NULL), 2);
    request = request_for("explode");
    assert_int_equal(plugin->run(&request, NULL, NULL, 0, NULL, NULL), 2);
    request = request_for("version");
    request.flags = 0x80;
    assert_int_equal(plugin->run(&request, NULL, NULL, 0, NULL, NULL), 2);
}

static void refuses_options_that_are_not_an_object_or_unknown(void **state)
{
    static const char *const bad[] = {"[]", "{", "{\"colour\":1}", "{\"ssh_port\":\"22\"}", "7"};
    tbk_request_v1 request = request_for("render");

    (void)state;
    request.environment = "any";
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tbk_error_v1 error = {.struct_size = sizeof error};
        request.options_json = bad[i];
        assert_int_equal(plugin->run(&request, NULL, NULL, 0, NULL, &error), 2);
        assert_true(error.message[0] != '\0');
    }
}

/* A method for one run: ignored by another verb it would be a misunderstanding. */
static void refuses_a_method_or_journal_mode_that_is_none_or_not_for_a_run(void **state)
{
    static const struct {
        const char *verb, *options, *message;
    } bad[] = {
        {"verify", "{\"method\":\"stop\"}", "'method' goes with 'run', not with 'verify'"},
        {"plan", "{\"journal_mode\":\"wal\"}", "'journal_mode' goes with 'run', not with 'plan'"},
        {"run", "{\"method\":\"stop; reboot\"}", "the method 'stop; reboot' is unknown"},
        {"run", "{\"journal_mode\":\"as it is\"}", "journal mode 'as it is' is unknown"},
        {"run", "{\"method\":5}", "'method'"}};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tbk_request_v1 request = request_for(bad[i].verb);
        tbk_error_v1 error = {.struct_size = sizeof error};
        request.environment = "any";
        request.options_json = bad[i].options;
        assert_int_equal(plugin->run(&request, NULL, NULL, 0, NULL, &error), 2);
        assert_non_null(strstr(error.message, bad[i].message));
    }
}

static void check_request(unsigned verb, const tbk_option *row)
{
    bool is_switch = row->type == TBK_OPTION_SWITCH;
    bool is_fit = tbk_option_fits(row, TBK_PROGRAM_CLI, verb);
    const char *const values[] = {is_switch ? "true" : row->example, "false"};

    for (int i = 0; i < (is_switch ? 2 : 1); i++) {
        tbk_request_v1 request = request_for(tbk_names_of(&tbk_verb_names, verb));
        tbk_error_v1 error = {.struct_size = sizeof error};
        const char *quote = is_switch || row->type == TBK_OPTION_NUMBER ? "" : "\"";
        char options[256];
        (void)snprintf(options, sizeof options, "{\"%s\":%s%s%s}", row->request, quote, values[i],
                       quote);
        request.environment = "any";
        request.options_json = options;
        assert_int_equal(plugin->run(&request, NULL, NULL, 0, NULL, &error), 2);
        bool is_refused = strstr(error.message, " goes with '") != NULL;
        if (is_refused != (!is_fit && i == 0))
            fail_msg("%s %s: %s", request.verb, options, error.message);
    }
}

/* What is refused is refused for its verb, before anything else; all else fails for want of a
 * workspace. A switch that is off asks for nothing. */
static void takes_of_each_option_what_the_table_says(void **state)
{
    (void)state;
    for (unsigned verb = TBK_VERB_RENDER; verb < TBK_VERB_VERSION; verb++)
        for (const tbk_option *row = tbk_option_table; row < tbk_option_table + TBK_OPTION_COUNT;
             row++)
            if (row->request != NULL)
                check_request(verb, row);
}

static void cuts_a_result_that_does_not_fit_to_nothing(void **state)
{
    tbk_request_v1 request = request_for("version");
    char small[8] = "before";
    char large[512];
    uint64_t needed = 0;

    (void)state;
    assert_int_equal(plugin->run(&request, NULL, small, sizeof small, &needed, NULL), 0);
    assert_string_equal(small, "");
    assert_true(needed > sizeof small && needed <= sizeof large);
    assert_int_equal(plugin->run(&request, NULL, large, needed, NULL, NULL), 0);
    assert_int_equal(strlen(large) + 1, needed);
}

static int warnings;

static void count_warning(void *user, int32_t level, const char *phase, const char *message)
{
    (void)user;
    (void)phase;
    (void)message;
    if (level == TBK_LEVEL_WARNING)
        warnings++;
}

static void reports_a_failure_as_a_warning_when_asked(void **state)
{
    tbk_request_v1 request = request_for("render");
    const tbk_host_v1 host = {
        .struct_size = sizeof host, .abi_version = TBK_ABI_VERSION, .log = count_warning};
    tbk_error_v1 error = {.struct_size = sizeof error};

    (void)state;
    request.environment = "no-such-environment";
    request.flags = TBK_FAILURE_IS_WARNING;
    assert_int_equal(plugin->run(&request, &host, NULL, 0, NULL, &error), 0);
    assert_int_equal(error.exit_status, 2);
    assert_int_equal(warnings, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_itself),
        cmocka_unit_test(refuses_an_older_host),
        cmocka_unit_test(refuses_a_newer_host),
        cmocka_unit_test(takes_larger_structs_of_the_same_version),
        cmocka_unit_test(leaves_a_shorter_error_alone),
        cmocka_unit_test(refuses_no_request_no_verb_unknown_verb_unknown_flag),
        cmocka_unit_test(refuses_options_that_are_not_an_object_or_unknown),
        cmocka_unit_test(refuses_a_method_or_journal_mode_that_is_none_or_not_for_a_run),
        cmocka_unit_test(takes_of_each_option_what_the_table_says),
        cmocka_unit_test(cuts_a_result_that_does_not_fit_to_nothing),
        cmocka_unit_test(reports_a_failure_as_a_warning_when_asked),
    };

    return cmocka_run_group_tests(tests, load_plugin, NULL);
}
