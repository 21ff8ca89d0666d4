/* SPDX-License-Identifier: MIT */
/*
 * The command line: arguments in, one call of the plugin, result on standard output, progress and
 * errors on standard error. It does no work of its own.
 */
#include "adapters/console.h"
#include "base/error.h"
#include "base/json.h"
#include "entry/cli_output.h"
#include "torrust_backup/plugin_v1.h"

#include <dlfcn.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define ENVIRONMENT_ARGUMENTS " ENVIRONMENT [OPTION...]"
#define RESULT_SIZE_BYTES (16u << 20)

enum {
#define CLI_OPTION(id, name, argument, key, help) OPTION_##id,
#include "entry/cli_options.def"
#undef CLI_OPTION
    OPTION_COUNT
};

static const struct option_row {
    const char *name;
    const char *argument;
    const char *key;
    const char *help;
} OPTIONS[OPTION_COUNT] = {
#define CLI_OPTION(id, name, argument, key, help) {name, argument, key, help},
#include "entry/cli_options.def"
#undef CLI_OPTION
};

static const struct command {
    const char *name;
    const char *arguments;
    const char *summary;
    const char *example;
} COMMANDS[] = {
    {"render", ENVIRONMENT_ARGUMENTS,
     "render compose file, crontab, hook and engine configuration locally",
     "torrust-backup render my-env"},
    {"plan", ENVIRONMENT_ARGUMENTS,
     "what 'configure' would change, and what a backup would cost; changes nothing",
     "torrust-backup plan my-env"},
    {"configure", ENVIRONMENT_ARGUMENTS, "render, and install over SSH what is not there yet",
     "torrust-backup configure my-env --dry-run"},
    {"verify", ENVIRONMENT_ARGUMENTS, "one backup end to end, proved there and here, with a report",
     "torrust-backup verify my-env --wait-for-cron"},
    {"run", ENVIRONMENT_ARGUMENTS, "a backup now", "torrust-backup run my-env --method stop"},
    {"restore", ENVIRONMENT_ARGUMENTS,
     "put a set back, with the tracker stopped for a moment; the database of before is kept",
     "torrust-backup restore my-env --set latest --dry-run"},
    {"list", ENVIRONMENT_ARGUMENTS, "the backup sets",
     "torrust-backup list my-env --output-format json"},
    {"status", ENVIRONMENT_ARGUMENTS,
     "health: last run, tracker, schedule; not 0 when something is wrong",
     "torrust-backup status my-env || notify-me"},
    {"acknowledge", ENVIRONMENT_ARGUMENTS,
     "the database lost rows, and that is as it should be: older sets are pruned again",
     "torrust-backup acknowledge my-env"},
    {"version", "", "the version of program and plugin", "torrust-backup version"},
    {"help", " [COMMAND]", "this help, or that of a command", "torrust-backup help verify"},
};
#define COMMAND_COUNT (sizeof COMMANDS / sizeof COMMANDS[0])

typedef struct invocation {
    const char *command;
    const char *environment;
    const char *values[OPTION_COUNT]; /* NULL = not given */
    unsigned verbosity;
} invocation;

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static bool is_interrupted(void) { return interrupted != 0; }

/* --- help --- */

static void print_options(FILE *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char left[48];
        (void)snprintf(left, sizeof left, "--%s %s", OPTIONS[i].name, OPTIONS[i].argument);
        (void)fprintf(out, "  %-24s %s\n", left, OPTIONS[i].help);
    }
}

static void print_help(FILE *out)
{
    (void)fputs("Backups of a Torrust Tracker that the Torrust Tracker Deployer has set up.\n\n"
                "Usage: torrust-backup COMMAND ENVIRONMENT [OPTION...]\n\nCommands:\n",
                out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %-11s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    (void)fputs("\nOptions:\n", out);
    print_options(out);
    (void)fputs("\nExamples:\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %s\n", COMMANDS[i].example);
    (void)fputs("\nExit status:\n", out);
    for (int status = 0; status <= UCHAR_MAX; status++)
        if (tbk_exit_status_meaning(status) != NULL)
            (void)fprintf(out, "  %3d  %s\n", status, tbk_exit_status_meaning(status));
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

static void print_command_help(FILE *out, const struct command *command)
{
    (void)fprintf(out, "torrust-backup %s: %s.\n\nUsage: torrust-backup %s%s\n\nExample:\n  %s\n",
                  command->name, command->summary, command->name, command->arguments,
                  command->example);
    if (command->arguments[0] == '\0' || strcmp(command->name, "help") == 0)
        return;
    (void)fputs("\nOptions:\n", out);
    print_options(out);
}

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
    struct option rows[OPTION_COUNT + 1] = {0};
    int found = 0;

    for (size_t i = 0; i < OPTION_COUNT; i++)
        rows[i] = (struct option){.name = OPTIONS[i].name,
                                  .has_arg = OPTIONS[i].argument[0] != '\0' ? required_argument
                                                                            : no_argument,
                                  .val = (int)i + UCHAR_MAX};
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":hv", rows, NULL)) != -1) {
        if (found == '?' || found == ':')
            return usage(found == ':' ? "an argument is missing for" : "there is no option",
                         argv[optind - 1]);
        size_t id = found == 'h'   ? OPTION_HELP
                    : found == 'v' ? OPTION_VERBOSE
                                   : (size_t)(found - UCHAR_MAX);
        out->values[id] = optarg != NULL ? optarg : "";
        if (id == OPTION_VERBOSE)
            out->verbosity++;
    }
    return true;
}

/* An option that a command would not heed is a misunderstanding, and better said than ignored. */
static bool check_options(const invocation *arguments)
{
    const char *format = arguments->values[OPTION_OUTPUT_FORMAT];

    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (arguments->values[i] != NULL && arguments->values[i][0] == '\0' &&
            OPTIONS[i].argument[0] != '\0')
            return usage("the argument is empty for", OPTIONS[i].name);
    if (format != NULL && strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        return usage("the output format is text or json, not", format);
    if (strcmp(arguments->command, "verify") != 0 && arguments->values[OPTION_HELP] == NULL &&
        (arguments->values[OPTION_WAIT_FOR_CRON] != NULL ||
         arguments->values[OPTION_FETCH_ALL] != NULL))
        return usage("--wait-for-cron and --fetch-all go with 'verify', not with",
                     arguments->command);
    if (strcmp(arguments->command, "restore") != 0 && arguments->values[OPTION_HELP] == NULL &&
        (arguments->values[OPTION_SET] != NULL || arguments->values[OPTION_FORGET_KEPT] != NULL))
        return usage("--set and --forget-kept go with 'restore', not with", arguments->command);
    if (strcmp(arguments->command, "run") != 0 && arguments->values[OPTION_HELP] == NULL &&
        (arguments->values[OPTION_METHOD] != NULL || arguments->values[OPTION_PROFILE] != NULL ||
         arguments->values[OPTION_JOURNAL_MODE] != NULL))
        return usage("--method, --journal-mode and --profile go with 'run', not with",
                     arguments->command);
    return true;
}

static bool parse_arguments(int argc, char **argv, invocation *out)
{
    if (!parse_options(argc, argv, out))
        return false;
    if (optind < argc)
        out->command = argv[optind++];
    if (optind < argc)
        out->environment = argv[optind++];
    if (optind < argc)
        return usage("one environment at a time, but there is also", argv[optind]);
    if (out->command == NULL && out->values[OPTION_HELP] != NULL)
        out->command = "help";
    if (out->values[OPTION_VERSION] != NULL) {
        out->command = "version";
        out->environment = NULL;
    }
    if (out->command == NULL)
        return usage("no command is named", "");
    if (find_command(out->command) == NULL)
        return usage("there is no command", out->command);
    if (strcmp(out->command, "version") == 0 && out->environment != NULL)
        return usage("'version' takes no environment, but there is", out->environment);
    return check_options(out);
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

/* The options that are the plugin's, as the JSON object that it reads. */
static bool options_json(const invocation *arguments, tbk_text *out)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *map = tbk_value_map(arena);

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *value = arguments->values[i];
        if (value == NULL || OPTIONS[i].key[0] == '\0')
            continue;
        if (OPTIONS[i].argument[0] == '\0') {
            tbk_value_set_bool(arena, map, OPTIONS[i].key, true);
        } else if (i == OPTION_SSH_PORT) {
            char *end = NULL;
            long port = strtol(value, &end, 10);
            if (end == value || *end != '\0' || port < 1 || port > 65535)
                return usage("a port is a number from 1 to 65535, not", value);
            tbk_value_set_integer(arena, map, OPTIONS[i].key, port);
        } else if (tbk_text_is_utf8(value, strlen(value))) {
            if (i == OPTION_SSH_KEY && !absolute_path(arena, value, &value))
                return false;
            tbk_value_set_string(arena, map, OPTIONS[i].key, value);
        } else {
            return usage("not valid UTF-8:", OPTIONS[i].name);
        }
    }
    tbk_json_write(out, map, false);
    return true;
}

/* --- the plugin --- */

static bool plugin_path(const invocation *arguments, char out[PATH_MAX])
{
    char program[PATH_MAX];
    const char *given = arguments->values[OPTION_PLUGIN];

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

/* What the plugin does not say as it should is an error of its, never of the one who asked. */
static bool print_result(const invocation *arguments, const char *json, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *format = arguments->values[OPTION_OUTPUT_FORMAT];
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
                     arguments->values[OPTION_NO_COLOR] != NULL, is_interrupted);
    tbk_report report = tbk_console_report(&console);
    const tbk_host_v1 host = {.struct_size = sizeof host,
                              .abi_version = TBK_ABI_VERSION,
                              .user = &report,
                              .step_started = on_step_started,
                              .step_completed = on_step_completed,
                              .progress = on_progress,
                              .log = on_log,
                              .cancelled = on_cancelled};
    const tbk_request_v1 request = {.struct_size = sizeof request,
                                    .flags =
                                        arguments->values[OPTION_DRY_RUN] != NULL ? TBK_DRY_RUN : 0,
                                    .verb = arguments->command,
                                    .environment = arguments->environment,
                                    .working_dir = arguments->values[OPTION_WORKING_DIR],
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

int main(int argc, char **argv)
{
    invocation arguments = {0};
    tbk_auto_text options = {0};
    tbk_error err;

    catch_signals();
    if (!parse_arguments(argc, argv, &arguments))
        return EXIT_USAGE;
    if (arguments.values[OPTION_HELP] != NULL || strcmp(arguments.command, "help") == 0) {
        const char *topic =
            strcmp(arguments.command, "help") == 0 ? arguments.environment : arguments.command;
        const struct command *command = topic != NULL ? find_command(topic) : NULL;
        if (topic != NULL && command == NULL) {
            (void)usage("there is no command", topic);
            return EXIT_USAGE;
        }
        if (command != NULL)
            print_command_help(stdout, command);
        else
            print_help(stdout);
        return tbk_console_delivered(&err) ? 0 : fail_output(&err);
    }
    if (!options_json(&arguments, &options))
        return EXIT_USAGE;
    const tbk_plugin_v1 *plugin = load_plugin(&arguments);
    if (plugin == NULL)
        return 1;
    return run_plugin(plugin, &arguments, tbk_text_string(&options));
}
