/* SPDX-License-Identifier: MIT */
/* Reads the engine's command line; what does not belong together is refused here. */
#include "entry/engine_args.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

const char *const engine_help[ENGINE_HELP_PARTS] = {
    "torrust-backup-engine: makes, lists and proves backup sets of a tracker's database.\n"
    "\n"
    "Usage:\n"
    "  torrust-backup-engine backup --sqlite FILE --store DIR [--method auto|hot|reflink]\n"
    "                               [--profile full|essential [--rule TABLE=RULE]...]\n"
    "                               [--keep-days N] [--keep-last N] [--level N]\n"
    "                               [--rate-limit-mib N]\n"
    "      A backup by hand, of any SQLite file, while it is used: hot in WAL mode; else a clone "
    "where\n"
    "      the file system has them; else SQLite's own locks, giving way as soon as a writer "
    "waits.\n"
    "      The store is made when it is missing.\n"
    "  torrust-backup-engine backup [--config FILE] [--method NAME]\n"
    "                               [--profile full|essential]\n"
    "                               [--hook [--journal-mode wal|delete]] [--log text|json]\n"
    "      A backup as configured. With --hook, standard input and output lead to the hook, which\n"
    "      holds the tracker where a copy needs that; without, nothing is held. --journal-mode "
    "stops\n"
    "      the tracker, makes the backup, and then changes the database's journal mode.\n"
    "  torrust-backup-engine list  [--store DIR | --config FILE]\n"
    "      The backup sets, the newest first.\n"
    "  torrust-backup-engine check [--set ID|latest] [--store DIR | --config FILE]\n"
    "      Reads sets back and compares every SHA-256; all sets when none is named.\n"
    "  torrust-backup-engine prove [--level checksums|restored] [--set ID|latest]\n"
    "                              [--store DIR | --config FILE]\n"
    "      Proves a set and writes its proof.json; 'restored' (the default) restores the database\n"
    "      into the store's scratch space, checks its integrity and counts its rows.\n"
    "  torrust-backup-engine restore [--set ID|latest] [--config FILE] --hook | --dry-run\n"
    "      Puts a set back: restored beside the real database, checked, and swapped in while the\n"
    "      tracker is stopped. The database of before is kept. --dry-run does all but the swap;\n"
    "      restore --forget-kept removes what earlier restores have kept; with\n"
    "      --dry-run it lists that.\n"
    "  torrust-backup-engine plan [--sqlite FILE --store DIR | --config FILE]\n"
    "      What a backup would do: by which method, how long the tracker would be held at the "
    "speed "
    "of\n"
    "      this disk, and what would be better. It holds nothing, and leaves nothing.\n"
    "  torrust-backup-engine serve [--config FILE] [--port N]\n"
    "      Stays, and makes backups as the configuration's own schedule says (mode: sidecar). "
    "Answers\n"
    "      /health and /metrics on the port. SIGTERM abandons a run cleanly and ends it.\n"
    "  torrust-backup-engine health [--show health|metrics] [--port N]\n"
    "      Asks a 'serve' on this machine, prints its answer, and ends with 0 or 1.\n"
    "  torrust-backup-engine acknowledge [--store DIR | --config FILE]\n"
    "      The database lost rows, and that is as it should be: older sets are pruned again.\n"
    "  torrust-backup-engine version | help\n",
    "\n"
    "Options:\n"
    "  --config FILE     the configuration (default " ENGINE_DEFAULT_CONFIG ")\n"
    "  --sqlite FILE     backup, plan: the database, by hand\n"
    "  --store DIR       the store, by hand\n"
    "  --keep-days N     sets older than N days are removed after a good backup (default 7);\n"
    "                    the age counts from the newest earlier set\n"
    "  --keep-last N     the N newest good sets stay, however old they are (default 3)\n"
    "  --level N         backup: zstd's level, -10 (fastest) to 9 (smallest); default 1\n"
    "  --profile NAME    backup: full saves all; essential what rules keep, a database all the "
    "same\n"
    "  --rule TABLE=RULE backup by hand, essential: all, none, or a condition on the table's own\n"
    "                    columns; may be repeated (default: torrents=completed > 0)\n"
    "  --port N          serve, health: default 9742\n"
    "  --log FORMAT      backup: its log as text (default), or as JSON lines and no result\n"
    "  --rate-limit-mib N  backup: read no more than N MiB a second\n"
    "  --output FORMAT   text (default) or json, on standard output\n"
    "  -q, --quiet       no progress and no log lines, only warnings and errors\n"
    "  -h, --help        this text\n"
    "\n"
    "Examples:\n"
    "  torrust-backup-engine backup --sqlite /srv/tracker/tracker.db --store /srv/backup\n"
    "  torrust-backup-engine list --store /srv/backup --output json\n"
    "  torrust-backup-engine prove --level restored --set latest --store /srv/backup\n"
    "\n"
    "Exit status: 0 ok, 1 failed, 2 usage or configuration, 3 done in part, 10 no such set or "
    "store, 11 another "
    "run\n"
    "holds the lock, 20 the tracker is not running, 21 not proved, 22 no space, 130 "
    "interrupted.\n"};

enum {
    OPTION_CONFIG = 256,
    OPTION_SQLITE,
    OPTION_STORE,
    OPTION_KEEP,
    OPTION_KEEP_LAST,
    OPTION_LEVEL,
    OPTION_METHOD,
    OPTION_JOURNAL_MODE,
    OPTION_RATE,
    OPTION_PROFILE,
    OPTION_RULE,
    OPTION_PORT,
    OPTION_SHOW,
    OPTION_LOG,
    OPTION_SET,
    OPTION_OUTPUT,
    OPTION_DRY_RUN,
    OPTION_FORGET_KEPT,
    OPTION_HOOK
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"sqlite", required_argument, NULL, OPTION_SQLITE},
    {"store", required_argument, NULL, OPTION_STORE},
    {"keep-days", required_argument, NULL, OPTION_KEEP},
    {"keep-last", required_argument, NULL, OPTION_KEEP_LAST},
    {"level", required_argument, NULL, OPTION_LEVEL},
    {"method", required_argument, NULL, OPTION_METHOD},
    {"journal-mode", required_argument, NULL, OPTION_JOURNAL_MODE},
    {"profile", required_argument, NULL, OPTION_PROFILE},
    {"rule", required_argument, NULL, OPTION_RULE},
    {"rate-limit-mib", required_argument, NULL, OPTION_RATE},
    {"port", required_argument, NULL, OPTION_PORT},
    {"show", required_argument, NULL, OPTION_SHOW},
    {"log", required_argument, NULL, OPTION_LOG},
    {"set", required_argument, NULL, OPTION_SET},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"forget-kept", no_argument, NULL, OPTION_FORGET_KEPT},
    {"hook", no_argument, NULL, OPTION_HOOK},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char *const HELP_FIX = "see 'torrust-backup-engine help'";

static bool parse_number(const char *option, const char *text, int64_t least, int64_t most,
                         int64_t *out, tbk_error *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < least || number > most)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX,
                        "--%s takes a whole number from %lld to %lld, not '%s'", option,
                        (long long)least, (long long)most, text);
    *out = number;
    return true;
}

static bool parse_show(const char *text, engine_args *args, tbk_error *err)
{
    args->show = text;
    return strcmp(text, "health") == 0 || strcmp(text, "metrics") == 0 ||
           tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--show takes health or metrics, not '%s'", text);
}

static bool parse_log(const char *text, engine_args *args, tbk_error *err)
{
    args->lines = strcmp(text, "json") == 0;
    if (!args->lines && strcmp(text, "text") != 0)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--log takes text or json, not '%s'", text);
    return true;
}

static bool parse_output(const char *text, engine_args *args, tbk_error *err)
{
    args->json = strcmp(text, "json") == 0;
    if (!args->json && strcmp(text, "text") != 0)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--output takes text or json, not '%s'", text);
    return true;
}

/* A backup's level is zstd's, a proof's is how deep it goes. */
static bool parse_level(const char *text, engine_args *args, tbk_error *err)
{
    args->has_level = args->command == ENGINE_BACKUP;
    if (args->has_level)
        return parse_number("level", text, TBK_COMPRESSION_LEVEL_MIN, TBK_COMPRESSION_LEVEL_MAX,
                            &args->compression_level, err);
    if (args->command != ENGINE_PROVE)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--level does not go with this command");
    if (!tbk_proof_level_parse(text, &args->proof_level, err) ||
        args->proof_level == TBK_PROOF_NONE)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--level takes checksums or restored, not '%s'",
                        text);
    return true;
}

static bool parse_method(const char *text, engine_args *args, tbk_error *err)
{
    args->has_method = true;
    if (tbk_method_parse(text, &args->method, err))
        return true;
    err->code = TBK_E_USAGE;
    return false;
}

static bool parse_profile(const char *text, engine_args *args, tbk_error *err)
{
    args->has_profile = true;
    if (tbk_profile_parse(text, &args->profile, err))
        return true;
    err->code = TBK_E_USAGE;
    return false;
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

static bool parse_journal_mode(const char *text, engine_args *args, tbk_error *err)
{
    if (tbk_journal_mode_parse(text, &args->journal_mode, err))
        return true;
    err->code = TBK_E_USAGE;
    return false;
}

static bool take(int option, engine_args *args, tbk_error *err)
{
    switch (option) {
    case OPTION_CONFIG:
        args->config = optarg;
        return true;
    case OPTION_SQLITE:
        args->sqlite = optarg;
        return true;
    case OPTION_STORE:
        args->store = optarg;
        return true;
    case OPTION_SET:
        args->set = optarg;
        return true;
    case OPTION_KEEP:
        return parse_number("keep-days", optarg, 1, TBK_KEEP_DAYS_MAX, &args->keep_days, err);
    case OPTION_KEEP_LAST:
        return parse_number("keep-last", optarg, 1, TBK_KEEP_LAST_MAX, &args->keep_last, err);
    case OPTION_RATE:
        return parse_number("rate-limit-mib", optarg, 1, TBK_RATE_LIMIT_MIB_MAX,
                            &args->rate_limit_mib, err);
    case OPTION_PORT:
        return parse_number("port", optarg, 1, UINT16_MAX, &args->port, err);
    case OPTION_SHOW:
        return parse_show(optarg, args, err);
    case OPTION_LOG:
        return parse_log(optarg, args, err);
    case OPTION_LEVEL:
        return parse_level(optarg, args, err);
    case OPTION_METHOD:
        return parse_method(optarg, args, err);
    case OPTION_PROFILE:
        return parse_profile(optarg, args, err);
    case OPTION_RULE:
        return parse_rule(optarg, args, err);
    case OPTION_JOURNAL_MODE:
        return parse_journal_mode(optarg, args, err);
    case OPTION_OUTPUT:
        return parse_output(optarg, args, err);
    case OPTION_DRY_RUN:
        args->dry_run = true;
        return true;
    case OPTION_FORGET_KEPT:
        args->purge_previous = true;
        return true;
    case OPTION_HOOK:
        args->hook = true;
        return true;
    case 'q':
        args->quiet = true;
        return true;
    default:
        args->command = ENGINE_HELP;
        return true;
    }
}

static bool parse_command(const char *word, engine_args *args, tbk_error *err)
{
    static const char *const names[] = {"backup",      "list",    "check", "prove",
                                        "restore",     "plan",    "serve", "health",
                                        "acknowledge", "version", "help"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(word, names[i]) == 0) {
            args->command = (engine_command)i;
            return true;
        }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return true;
    if (strcmp(word, "--version") == 0) {
        args->command = ENGINE_VERSION;
        return true;
    }
    return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "there is no command '%s'", word);
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
                        "by hand nobody holds the tracker: --method takes auto, hot or reflink");
    if (!args->hook && args->journal_mode != TBK_JOURNAL_AS_IT_IS)
        return tbk_fail(err, TBK_E_USAGE, "use 'torrust-backup run ENVIRONMENT --journal-mode'",
                        "--journal-mode goes with --hook only, which stops the tracker for it");
    if (!by_hand && (args->keep_days != 0 || args->keep_last != 0 || args->has_level ||
                     args->rate_limit_mib != 0 || args->rules.count != 0))
        return tbk_fail(err, TBK_E_USAGE, "set it in the configuration",
                        "--keep-days, --keep-last, --level, --rate-limit-mib and --rule go with "
                        "--sqlite only");
    if (args->rules.count != 0 && args->profile != TBK_PROFILE_ESSENTIAL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--rule goes with --profile essential only");
    return true;
}

static bool settle_restore(const engine_args *args, tbk_error *err)
{
    if (args->command != ENGINE_RESTORE)
        return (!args->dry_run && !args->purge_previous) ||
               tbk_fail(err, TBK_E_USAGE, HELP_FIX,
                        "--dry-run and --forget-kept go with 'restore' only");
    if (args->store != NULL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--store does not go with this command");
    if (args->purge_previous)
        return args->set == NULL ||
               tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--forget-kept restores nothing");
    return args->hook || args->dry_run ||
           tbk_fail(err, TBK_E_USAGE, "use 'torrust-backup restore ENVIRONMENT'",
                    "a restore goes through the hook, which stops the tracker for it");
}

static bool settle_service(engine_args *args, tbk_error *err)
{
    bool serves = args->command == ENGINE_SERVE, asks = args->command == ENGINE_HEALTH;
    if (args->lines && args->command != ENGINE_BACKUP)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--log goes with 'backup' only");
    if (args->port != 0 && !serves && !asks)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--port goes with 'serve' and 'health' only");
    if (args->show != NULL && !asks)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--show goes with 'health' only");
    if ((serves || asks) && args->store != NULL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--store does not go with this command");
    if (args->port == 0)
        args->port = ENGINE_PORT;
    args->lines = args->lines || serves;
    return true;
}

/* What belongs together, and the configuration's default place. */
static bool settle(engine_args *args, tbk_error *err)
{
    bool backup = args->command == ENGINE_BACKUP, plan = args->command == ENGINE_PLAN;
    if (args->command == ENGINE_HELP || args->command == ENGINE_VERSION)
        return true;
    if (args->hook && !backup && args->command != ENGINE_RESTORE)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--hook goes with 'backup' and 'restore' only");
    if (!backup && (args->has_method || args->keep_days != 0 || args->keep_last != 0 ||
                    args->rate_limit_mib != 0 || args->journal_mode != TBK_JOURNAL_AS_IT_IS ||
                    args->has_profile || args->rules.count != 0))
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX,
                        "--method, --journal-mode, --profile, --rule, --keep-days, --keep-last and "
                        "--rate-limit-mib go with 'backup' only");
    if (args->sqlite != NULL && !backup && !plan)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--sqlite goes with 'backup' and 'plan' only");
    if (args->set != NULL && args->command != ENGINE_CHECK && args->command != ENGINE_PROVE &&
        args->command != ENGINE_RESTORE)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX,
                        "--set goes with 'check', 'prove' and 'restore' only");
    if ((backup || plan) && !settle_database(args, err))
        return false;
    if ((backup && !settle_backup(args, err)) || !settle_restore(args, err) ||
        !settle_service(args, err))
        return false;
    if (args->store != NULL && args->config != NULL)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "--store and --config exclude each other");
    if (args->store == NULL && args->config == NULL)
        args->config = ENGINE_DEFAULT_CONFIG;
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

/* words[0] is what stands before the first option. */
static bool parse_options(int count, char **words, engine_args *out, tbk_error *err)
{
    opterr = 0;
    optind = 1;
    for (int option; (option = getopt_long(count, words, "+:qh", long_options, NULL)) != -1;) {
        const char *word = words[optind - 1];
        if (option == '?')
            return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "unknown option '%s'", word);
        if (option == ':')
            return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "option '%s' needs a value", word);
        if (!take(option, out, err))
            return false;
    }
    return out->command == ENGINE_HELP || optind == count ||
           tbk_fail(err, TBK_E_USAGE, HELP_FIX, "'%s' is one word too many", words[optind]);
}

bool engine_args_parse(int argc, char **argv, engine_args *out, tbk_error *err)
{
    *out = (engine_args){.command = ENGINE_HELP, .proof_level = TBK_PROOF_RESTORED};
    if (argc < 2)
        return tbk_fail(err, TBK_E_USAGE, HELP_FIX, "a command is missing");
    bool has_command = !is_backup_by_hook(argc, argv);
    if (!has_command)
        out->command = ENGINE_BACKUP;
    else if (!parse_command(argv[1], out, err))
        return false;
    if (out->command == ENGINE_HELP)
        return true;
    return parse_options(argc - has_command, argv + has_command, out, err) && settle(out, err);
}
