/* SPDX-License-Identifier: MIT */
/* Reads the engine's command line; what does not belong together is refused here. */
#include "entry/engine_args.h"

#include "base/number.h"

#include <getopt.h>
#include <string.h>

static const char *const HELP_FIX = "see 'torrust-backup-engine help'";

static bool parse_number(const tbk_option *row, const char *text, int64_t *out, tbk_error *err)
{
    return tbk_number_parse_whole(text, row->minimum, row->maximum, out) ||
           tbk_fail(err, TBK_E_USAGE, HELP_FIX,
                    "--%s takes a whole number from %lld to %lld, not '%s'", row->engine_line.name,
                    (long long)row->minimum, (long long)row->maximum, text);
}

static bool parse_choice(const tbk_option *row, const char *text, unsigned *out, tbk_error *err)
{
    tbk_auto_text names = {0};

    if (tbk_names_parse(row->names, text, out, err))
        return true;
    err->code = TBK_E_USAGE;
    if (row->names->what != NULL)
        return false;
    tbk_names_append(&names, row->names, tbk_names_all(row->names), "", " or ");
    return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--%s takes %s, not '%s'", row->engine_line.name,
                    tbk_text_string(&names), text);
}

static bool parse_rule(char *text, engine_args *args, tbk_error *err)
{
    char *equals = strchr(text, '=');
    if (equals == NULL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--rule takes TABLE=RULE, not '%s'", text);
    if (args->rules.count == TBK_RULES_MAX)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "there can be %d rules at most", TBK_RULES_MAX);
    *equals = '\0'; /* of argv, which is ours */
    if (tbk_rule_parse(text, equals + 1, &args->rules.list[args->rules.count++], err))
        return true;
    err->code = TBK_E_USAGE;
    return false;
}

static void take_text(const tbk_option *row, const char *text, engine_args *args)
{
    switch (tbk_option_id_of(row)) {
    case TBK_OPTION_CONFIG:
        args->config = text;
        break;
    case TBK_OPTION_SQLITE:
        args->sqlite = text;
        break;
    case TBK_OPTION_STORE:
        args->store = text;
        break;
    case TBK_OPTION_SET:
        args->set = text;
        break;
    case TBK_OPTION_FROM:
        args->from = text;
        break;
    case TBK_OPTION_TO:
        args->to = text;
        break;
    case TBK_OPTION_NAME:
        args->name = text;
        break;
    default:
        break;
    }
}

static void take_number(const tbk_option *row, int64_t number, engine_args *args)
{
    switch (tbk_option_id_of(row)) {
    case TBK_OPTION_KEEP_DAYS:
        args->keep_days = number;
        break;
    case TBK_OPTION_KEEP_LAST:
        args->keep_last = number;
        break;
    case TBK_OPTION_RATE_LIMIT_MIB:
        args->has_rate_limit = true;
        args->rate_limit_mib = number;
        break;
    case TBK_OPTION_PORT:
        args->port = number;
        break;
    case TBK_OPTION_COMPRESSION_LEVEL:
        args->has_level = true;
        args->compression_level = number;
        break;
    default:
        break;
    }
}

static void take_choice(const tbk_option *row, unsigned choice, engine_args *args)
{
    const char *name = tbk_names_of(row->names, choice);

    switch (tbk_option_id_of(row)) {
    case TBK_OPTION_METHOD:
        args->has_method = true;
        args->method = (tbk_method)choice;
        break;
    case TBK_OPTION_PROFILE:
        args->has_profile = true;
        args->profile = (tbk_profile)choice;
        break;
    case TBK_OPTION_JOURNAL_MODE:
        args->journal_mode = (tbk_journal_mode)choice;
        break;
    case TBK_OPTION_PROOF_LEVEL:
        args->proof_level = (tbk_proof_level)choice;
        break;
    case TBK_OPTION_SHOW:
        args->show = name;
        break;
    case TBK_OPTION_LOG:
        args->lines = strcmp(name, "json") == 0;
        break;
    case TBK_OPTION_OUTPUT:
        args->json = strcmp(name, "json") == 0;
        break;
    default:
        break;
    }
}

static void take_switch(const tbk_option *row, engine_args *args)
{
    switch (tbk_option_id_of(row)) {
    case TBK_OPTION_DRY_RUN:
        args->dry_run = true;
        break;
    case TBK_OPTION_FORGET_KEPT:
        args->purge_previous = true;
        break;
    case TBK_OPTION_BOOT:
        args->boot = true;
        break;
    case TBK_OPTION_HOOK:
        args->hook = true;
        break;
    case TBK_OPTION_QUIET:
        args->quiet = true;
        break;
    case TBK_OPTION_HELP:
        args->topic = args->command;
        args->command = TBK_ENGINE_HELP;
        break;
    default:
        break;
    }
}

static bool take(const tbk_option *row, char *text, engine_args *args, tbk_error *err)
{
    int64_t number = 0;
    unsigned choice = 0;

    switch (row->type) {
    case TBK_OPTION_SWITCH:
        take_switch(row, args);
        return true;
    case TBK_OPTION_NUMBER:
        if (!parse_number(row, text, &number, err))
            return false;
        take_number(row, number, args);
        return true;
    case TBK_OPTION_CHOICE:
        if (!parse_choice(row, text, &choice, err))
            return false;
        take_choice(row, choice, args);
        return true;
    case TBK_OPTION_RULES:
        return parse_rule(text, args, err);
    case TBK_OPTION_TEXT:
        take_text(row, text, args);
    }
    return true;
}

static bool parse_command(const char *word, tbk_engine_command *out, tbk_error *err)
{
    unsigned command = TBK_ENGINE_HELP;
    if (strcmp(word, "--version") == 0)
        command = TBK_ENGINE_VERSION;
    else if (strcmp(word, "--help") != 0 && strcmp(word, "-h") != 0 &&
             !tbk_names_parse(&tbk_engine_command_names, word, &command, err))
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "there is no command '%s'", word);
    *out = (tbk_engine_command)command;
    return true;
}

static bool settle_database(const engine_args *args, tbk_error *err)
{
    bool by_hand = args->sqlite != NULL;
    if (by_hand != (args->store != NULL))
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--sqlite and --store go together");
    return !by_hand || (!args->hook && args->config == NULL) ||
           tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--sqlite does not go with --config or --hook");
}

static bool settle_backup(const engine_args *args, tbk_error *err)
{
    bool by_hand = args->sqlite != NULL;
    if (by_hand && args->has_method && args->method > TBK_METHOD_REFLINK)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX,
                        "by hand the tracker cannot be held: --method takes auto, hot or reflink");
    if (!args->hook && args->boot)
        return tbk_fail(err, TBK_E_USAGE, "use 'torrust-backup verify ENVIRONMENT'",
                        "--boot goes with --hook only, which starts the tracker for it");
    if (!args->hook && args->journal_mode != TBK_JOURNAL_AS_IT_IS)
        return tbk_fail(err, TBK_E_USAGE, "use 'torrust-backup run ENVIRONMENT --journal-mode'",
                        "--journal-mode goes with --hook only, which stops the tracker for it");
    if (!by_hand && (args->keep_days != 0 || args->keep_last != 0 || args->has_level ||
                     args->has_rate_limit || args->rules.count != 0))
        return tbk_fail(err, TBK_E_USAGE, "set it in the configuration",
                        "--keep-days, --keep-last, --level, --rate-limit-mib and --rule go with "
                        "--sqlite only");
    if (args->rules.count != 0 && args->profile != TBK_PROFILE_ESSENTIAL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--rule goes with --profile essential only");
    return true;
}

static bool settle_restore(const engine_args *args, tbk_error *err)
{
    if (args->purge_previous)
        return args->set == NULL ||
               tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--forget-kept restores nothing");
    if (args->from != NULL && args->set != NULL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--from names the set's own folder");
    return args->hook || args->dry_run ||
           tbk_fail(err, TBK_E_USAGE, "use 'torrust-backup restore ENVIRONMENT'",
                    "a restore goes through the hook, which stops the tracker for it");
}

static bool settle_offsite(const engine_args *args, tbk_error *err)
{
    bool fetches = args->action == TBK_OFFSITE_FETCH;
    if (fetches && args->set == NULL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX,
                        "which set is to be fetched? Name it with --set");
    return fetches || (args->set == NULL && args->name == NULL) ||
           tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--set and --name go with fetch only");
}

/* Neither is guessed: a whole database comes there. */
static bool settle_extract(const engine_args *args, tbk_error *err)
{
    return (args->set != NULL && args->to != NULL) ||
           tbk_fail(err, TBK_E_USAGE, HELP_FIX,
                    "which set is to be extracted, and where to? Say --set ID and --to DIR");
}

/* What belongs together, and the configuration's default place. */
static bool settle(engine_args *args, tbk_error *err)
{
    bool backup = args->command == TBK_ENGINE_BACKUP, plan = args->command == TBK_ENGINE_PLAN;
    if ((backup || plan) && !settle_database(args, err))
        return false;
    if ((backup && !settle_backup(args, err)) ||
        (args->command == TBK_ENGINE_RESTORE && !settle_restore(args, err)))
        return false;
    args->lines =
        args->lines || args->command == TBK_ENGINE_SERVE || args->command == TBK_ENGINE_OUTBOUND;
    if ((args->command == TBK_ENGINE_OFFSITE && !settle_offsite(args, err)) ||
        (args->command == TBK_ENGINE_EXTRACT && !settle_extract(args, err)))
        return false;
    if (args->store != NULL && args->config != NULL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--store and --config exclude each other");
    if (args->store == NULL && args->config == NULL)
        tbk_option_set_initial(&tbk_option_table[TBK_OPTION_CONFIG], &args->config);
    return true;
}

/* The hook passes on what it is called with; without the name of a command that is a backup. */
static bool is_backup_by_hook(int argc, char **argv)
{
    bool has_hook = false;
    for (int i = 1; i < argc; i++)
        has_hook = has_hook || strcmp(argv[i], "--hook") == 0;
    return has_hook && argv[1][0] == '-';
}

static bool parse_action(const char *text, unsigned *out, tbk_error *err)
{
    if (tbk_names_parse(&tbk_engine_action_names, text, out, err))
        return true;
    err->code = TBK_E_USAGE;
    return false;
}

/* The option of this name that the command takes; of another command's where it takes none. */
static const tbk_option *find_option(const char *name, tbk_engine_command command)
{
    const tbk_option *found = NULL;
    for (size_t i = 0; i < TBK_OPTION_COUNT; i++) {
        const tbk_option *row = &tbk_option_table[i];
        if (row->engine_line.name != NULL && strcmp(row->engine_line.name, name) == 0 &&
            (found == NULL || tbk_option_fits(row, TBK_PROGRAM_ENGINE, command)))
            found = row;
    }
    return found;
}

static bool take_option(const char *name, engine_args *args, tbk_error *err)
{
    const tbk_option *row = find_option(name, args->command);
    char called[48];
    if (row == NULL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "unknown option '--%s'", name);
    if (tbk_option_fits(row, TBK_PROGRAM_ENGINE, args->command))
        return take(row, optarg, args, err);
    (void)snprintf(called, sizeof called, "--%s", name);
    return tbk_option_fail_verb(row, TBK_PROGRAM_ENGINE, args->command, called, err);
}

static void list_options(struct option rows[TBK_OPTION_COUNT + 1])
{
    size_t count = 0;
    for (size_t i = 0; i < TBK_OPTION_COUNT; i++) {
        const tbk_option *row = &tbk_option_table[i];
        const tbk_option_line *line = &row->engine_line;
        /* --level, of which there are two, once. */
        if (line->name != NULL && find_option(line->name, TBK_ENGINE_COMMAND_COUNT) == row)
            rows[count++] = (struct option){.name = line->name,
                                            .has_arg = line->argument != NULL ? required_argument
                                                                              : no_argument};
    }
}

/* words[0] is what stands before the first option. */
static bool parse_options(int count, char **words, engine_args *out, tbk_error *err)
{
    struct option rows[TBK_OPTION_COUNT + 1] = {0};
    int at = 0;

    list_options(rows);
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(count, words, "+:qh", rows, &at)) != -1;) {
        const char *word = words[optind - 1];
        const char *name = option == 'q' ? "quiet" : option == 'h' ? "help" : rows[at].name;
        if (option == '?')
            return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "unknown option '%s'", word);
        if (option == ':')
            return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "option '%s' needs a value", word);
        if (!take_option(name, out, err))
            return false;
        if (out->command == TBK_ENGINE_HELP)
            return true;
    }
    return optind == count ||
           tbk_fail(err, TBK_E_USAGE, HELP_FIX, "'%s' is one word too many", words[optind]);
}

bool engine_args_parse(int argc, char **argv, engine_args *out, tbk_error *err)
{
    *out = (engine_args){
        .command = TBK_ENGINE_HELP, .topic = TBK_ENGINE_HELP, .proof_level = TBK_PROOF_RESTORED};
    tbk_option_set_initial(&tbk_option_table[TBK_OPTION_PORT], &out->port);
    if (argc < 2)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "a command is missing");
    bool has_command = !is_backup_by_hook(argc, argv);
    if (!has_command)
        out->command = TBK_ENGINE_BACKUP;
    else if (!parse_command(argv[1], &out->command, err))
        return false;
    if (out->command == TBK_ENGINE_HELP)
        return argc < 3 || parse_command(argv[2], &out->topic, err);
    int words = has_command;
    if (out->command == TBK_ENGINE_OFFSITE && argc > 2 && argv[2][0] != '-') {
        unsigned action = 0;
        if (!parse_action(argv[2], &action, err))
            return false;
        out->action = (tbk_offsite_action)action;
        words++;
    }
    if (!parse_options(argc - words, argv + words, out, err))
        return false;
    bool works = out->command != TBK_ENGINE_HELP && out->command != TBK_ENGINE_VERSION;
    return !works || settle(out, err);
}
