/* SPDX-License-Identifier: MIT */
/*
 * The command line: arguments in, one call of the plugin, result on standard output, progress and
 * errors on standard error. It does no work of its own.
 */
#include "adapters/console.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "domain/option_table.h"
#include "domain/option_values.h"
#include "entry/cli_help.h"
#include "entry/cli_output.h"
#include "torrust_backup/plugin_v1.h"

#include <dlfcn.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define RESULT_SIZE_BYTES (16u << 20)

typedef struct invocation {
    const char *command;
    tbk_verb verb; /* the command's */
    const char *environment;
    const char *values[TBK_OPTION_COUNT]; /* NULL = not given */
    unsigned verbosity;
} invocation;

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static bool is_interrupted(void) { return interrupted != 0; }

/* --- arguments --- */

static bool usage(const char *what, const char *which)
{
    const char *quote = which[0] != '\0' ? "'" : "";

    (void)fprintf(stderr, "Error: %s%s", what, which[0] != '\0' ? " " : "");
    tbk_console_say(stderr, quote, which, quote);
    (void)fputs("\nFix:   see 'torrust-backup help'\n", stderr);
    return false;
}

static bool parse_options(int argc, char **argv, invocation *out)
{
    struct option rows[TBK_OPTION_COUNT + 1] = {0};
    size_t count = 0;
    int found = 0;

    for (size_t i = 0; i < TBK_OPTION_COUNT; i++) {
        const tbk_option_line *line = &tbk_option_table[i].line;
        if (line->name != NULL)
            rows[count++] =
                (struct option){.name = line->name,
                                .has_arg = line->argument != NULL ? required_argument : no_argument,
                                .val = (int)i + UCHAR_MAX};
    }
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":hv", rows, NULL)) != -1) {
        if (found == '?' || found == ':')
            return usage(found == ':' ? "an argument is missing for" : "there is no option",
                         argv[optind - 1]);
        size_t id = found == 'h'   ? TBK_OPTION_HELP
                    : found == 'v' ? TBK_OPTION_VERBOSE
                                   : (size_t)(found - UCHAR_MAX);
        out->values[id] = optarg != NULL ? optarg : "";
        if (id == TBK_OPTION_VERBOSE)
            out->verbosity++;
    }
    return true;
}

/* Refuses an option that the command does not use, rather than ignoring it. */
static bool check_option(const invocation *arguments, const tbk_option *row, const char *value)
{
    bool asks_for_help = arguments->values[TBK_OPTION_HELP] != NULL;
    char called[48];
    tbk_error err;

    if (value[0] == '\0' && row->line.argument != NULL)
        return usage("the argument is empty for", row->line.name);
    if (asks_for_help || tbk_option_fits(row, TBK_PROGRAM_CLI, arguments->verb))
        return true;
    (void)snprintf(called, sizeof called, "--%s", row->line.name);
    (void)tbk_option_fail_verb(row, TBK_PROGRAM_CLI, arguments->verb, called, &err);
    (void)fprintf(stderr, "Error: %s\nFix:   %s\n", err.message, err.fix);
    return false;
}

static bool check_options(const invocation *arguments)
{
    const char *format = arguments->values[TBK_OPTION_OUTPUT];

    for (size_t i = 0; i < TBK_OPTION_COUNT; i++)
        if (arguments->values[i] != NULL &&
            !check_option(arguments, &tbk_option_table[i], arguments->values[i]))
            return false;
    if (format != NULL && strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        return usage("the output format is text or json, not", format);
    return true;
}

/* The one command that can have a word before the environment. */
static bool is_offsite(const char *command)
{
    return strcmp(command, tbk_names_of(&tbk_verb_names, TBK_VERB_OFFSITE)) == 0;
}

static bool check_action(const invocation *arguments)
{
    const char *action = arguments->values[TBK_OPTION_ACTION];
    unsigned ignored = 0;
    tbk_error err;

    if (arguments->verb != TBK_VERB_OFFSITE || arguments->values[TBK_OPTION_HELP] != NULL)
        return true;
    if (action == NULL)
        return usage("no action (such as list) is named for", arguments->command);
    if (tbk_names_parse(&tbk_option_action_names, action, &ignored, &err))
        return true;
    (void)fprintf(stderr, "Error: %s\nFix:   %s\n", err.message, err.fix);
    return false;
}

static bool parse_arguments(int argc, char **argv, invocation *out)
{
    if (!parse_options(argc, argv, out))
        return false;
    if (optind < argc)
        out->command = argv[optind++];
    if (optind + 1 < argc && is_offsite(out->command))
        out->values[TBK_OPTION_ACTION] = argv[optind++];
    if (optind < argc)
        out->environment = argv[optind++];
    if (optind < argc)
        return usage("one environment at a time, but there is also", argv[optind]);
    if (out->command == NULL && out->values[TBK_OPTION_HELP] != NULL)
        out->command = "help";
    if (out->values[TBK_OPTION_VERSION] != NULL) {
        out->command = "version";
        out->environment = NULL;
    }
    if (out->command == NULL)
        return usage("no command is named", "");
    if (!cli_find_verb(out->command, &out->verb))
        return usage("there is no command", out->command);
    if (out->verb == TBK_VERB_VERSION && out->environment != NULL)
        return usage("'version' takes no environment, but there is", out->environment);
    return check_options(out) && check_action(out);
}

/* The plugin, which may run in any host's directory, wants the whole path. */
static bool absolute_path(tbk_arena *arena, const char *path, const char **out)
{
    char here[PATH_MAX];

    *out = path;
    if (path[0] == '/')
        return true;
    if (getcwd(here, sizeof here) == NULL)
        return usage("the working directory is gone; give the whole path instead of", path);
    *out = tbk_arena_format(arena, "%s/%s", here, path);
    return true;
}

static bool add_number(tbk_arena *arena, tbk_value *map, const tbk_option *row, const char *value)
{
    char what[96];
    int64_t number = 0;

    if (!tbk_number_parse_whole(value, row->minimum, row->maximum, &number)) {
        (void)snprintf(what, sizeof what, "--%s takes a whole number from %lld to %lld, not",
                       row->line.name, (long long)row->minimum, (long long)row->maximum);
        return usage(what, value);
    }
    tbk_value_set_integer(arena, map, row->request, number);
    return true;
}

static bool add_text(tbk_arena *arena, tbk_value *map, const tbk_option *row, const char *value)
{
    tbk_option_id id = tbk_option_id_of(row);
    bool is_path = id == TBK_OPTION_SSH_KEY || id == TBK_OPTION_TO || id == TBK_OPTION_KEEP ||
                   (id == TBK_OPTION_FROM && strchr(value, '/') != NULL); /* else a word */

    if (!tbk_text_is_utf8(value, strlen(value)))
        return usage("not valid UTF-8:", row->line.name);
    if (is_path && !absolute_path(arena, value, &value))
        return false;
    tbk_value_set_string(arena, map, row->request, value);
    return true;
}

/* The options that are the plugin's, as the JSON object that it reads. */
static bool options_json(const invocation *arguments, tbk_text *out)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *map = tbk_value_map(arena);

    for (size_t i = 0; i < TBK_OPTION_COUNT; i++) {
        const tbk_option *row = &tbk_option_table[i];
        const char *value = arguments->values[i];
        if (value == NULL || row->request == NULL)
            continue;
        if (row->type == TBK_OPTION_SWITCH)
            tbk_value_set_bool(arena, map, row->request, true);
        else if (!(row->type == TBK_OPTION_NUMBER ? add_number : add_text)(arena, map, row, value))
            return false;
    }
    tbk_json_write(out, map, false);
    return true;
}

/* --- the plugin --- */

static bool plugin_path(const invocation *arguments, char out[PATH_MAX])
{
    char program[PATH_MAX];
    const char *given = arguments->values[TBK_OPTION_PLUGIN];

    if (given != NULL)
        return snprintf(out, PATH_MAX, "%s%s", strchr(given, '/') == NULL ? "./" : "", given) <
               PATH_MAX;
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    if (snprintf(out, PATH_MAX, "%s/torrust_backup.so", program) < PATH_MAX &&
        access(out, R_OK) == 0)
        return true;
    return snprintf(out, PATH_MAX, "%s/" TBK_PLUGIN_FROM_PROGRAM, program) < PATH_MAX;
}

/* Never unloaded: the header asks for that. */
static const tbk_plugin_v1 *load_plugin(const invocation *arguments)
{
    char path[PATH_MAX];
    tbk_plugin_get_v1_function get = NULL;

    if (!plugin_path(arguments, path)) {
        (void)usage("the plugin's path is too long", "");
        return NULL;
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library != NULL ? dlsym(library, "tbk_plugin_get_v1") : NULL;
    if (symbol == NULL) {
        tbk_console_say(stderr, "Error: cannot load the plugin: ", dlerror(), "\n");
        (void)fputs("Fix:   name it with --plugin, or install Torrust Backup again\n", stderr);
        return NULL;
    }
    memcpy(&get, &symbol, sizeof get);
    const tbk_plugin_v1 *plugin = get();
    if (plugin->abi_version != TBK_ABI_VERSION || plugin->struct_size < sizeof *plugin) {
        tbk_console_say(stderr, "Error: '", path, "' ");
        (void)fprintf(stderr,
                      "speaks interface version %u, this program version %u\n"
                      "Fix:   install program and plugin of one version\n",
                      plugin->abi_version, TBK_ABI_VERSION);
        return NULL;
    }
    return plugin;
}

/* --- the host --- */

static void on_step_started(void *user, uint32_t number, uint32_t total, const char *title)
{
    tbk_report_step_started(user, number, total, title);
}

static void on_step_completed(void *user, uint32_t number, uint32_t total, const char *title)
{
    tbk_report_step_completed(user, number, total, title);
}

static void on_progress(void *user, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    tbk_report_progress(user, phase, done_bytes, total_bytes);
}

static void on_log(void *user, int32_t level, const char *phase, const char *message)
{
    tbk_report_log(user, (tbk_log_level)level, phase, "%s", message);
}

static int32_t on_cancelled(void *user)
{
    (void)user;
    return is_interrupted();
}

/* A malformed result is the plugin's error, not the caller's. */
static bool print_result(const invocation *arguments, const char *json, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *format = arguments->values[TBK_OPTION_OUTPUT];
    const tbk_value *result = NULL;

    if (json[0] == '\0')
        return true;
    if (!tbk_json_parse(arena, json, strlen(json), "result", &result, err))
        return false;
    if (format != NULL && strcmp(format, "json") == 0)
        (void)fputs(json, stdout);
    else
        cli_print_result(stdout, arguments->command, result);
    return tbk_console_delivered(err);
}

static int fail_output(const tbk_error *err)
{
    tbk_console_say(stderr, "Error: ", err->message, "\n");
    if (err->fix[0] != '\0')
        tbk_console_say(stderr, "Fix:   ", err->fix, "\n");
    return 1;
}

static int run_plugin(const tbk_plugin_v1 *plugin, const invocation *arguments, const char *options)
{
    tbk_console console;
    tbk_auto_free char *result = calloc(1, RESULT_SIZE_BYTES);
    tbk_error_v1 error = {.struct_size = sizeof error};
    tbk_error unprinted;
    unsigned most = TBK_LOG_INFO + arguments->verbosity;

    tbk_console_init(&console, stderr, most > TBK_LOG_DEBUG ? TBK_LOG_DEBUG : (tbk_log_level)most,
                     arguments->values[TBK_OPTION_NO_COLOR] != NULL, is_interrupted);
    tbk_report report = tbk_console_report(&console);
    const tbk_host_v1 host = {.struct_size = sizeof host,
                              .abi_version = TBK_ABI_VERSION,
                              .user = &report,
                              .step_started = on_step_started,
                              .step_completed = on_step_completed,
                              .progress = on_progress,
                              .log = on_log,
                              .cancelled = on_cancelled};
    const tbk_request_v1 request = {
        .struct_size = sizeof request,
        .flags = arguments->values[TBK_OPTION_DRY_RUN] != NULL ? TBK_DRY_RUN : 0,
        .verb = arguments->command,
        .environment = arguments->environment,
        .working_dir = arguments->values[TBK_OPTION_WORKING_DIR],
        .options_json = options};

    int status =
        plugin->run(&request, &host, result, result != NULL ? RESULT_SIZE_BYTES : 0, NULL, &error);
    tbk_console_end(&console);
    if (!print_result(arguments, result != NULL ? result : "", &unprinted) && status == 0)
        status = fail_output(&unprinted);
    if (error.exit_status != 0)
        cli_print_error(stderr, &error);
    return status;
}

static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static int show_help(const invocation *arguments)
{
    bool is_general = arguments->verb == TBK_VERB_HELP && arguments->environment == NULL;
    tbk_verb verb = arguments->verb;
    tbk_error err;

    if (verb == TBK_VERB_HELP && !is_general && !cli_find_verb(arguments->environment, &verb)) {
        (void)usage("there is no command", arguments->environment);
        return EXIT_USAGE;
    }
    if (is_general)
        cli_print_help(stdout);
    else
        cli_print_command_help(stdout, verb);
    return tbk_console_delivered(&err) ? 0 : fail_output(&err);
}

int main(int argc, char **argv)
{
    invocation arguments = {0};
    tbk_auto_text options = {0};

    catch_signals();
    if (!parse_arguments(argc, argv, &arguments))
        return EXIT_USAGE;
    if (arguments.values[TBK_OPTION_HELP] != NULL || arguments.verb == TBK_VERB_HELP)
        return show_help(&arguments);
    if (!options_json(&arguments, &options))
        return EXIT_USAGE;
    const tbk_plugin_v1 *plugin = load_plugin(&arguments);
    if (plugin == NULL)
        return 1;
    return run_plugin(plugin, &arguments, tbk_text_string(&options));
}
