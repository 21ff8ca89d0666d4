/* SPDX-License-Identifier: MIT */
/* Help: commands are described here, options by the table of options. */
#include "entry/engine_help.h"

#define PROGRAM "  torrust-backup-engine "
#define NEXT_LINE "\n                               "

static const char *const usage[TBK_ENGINE_COMMAND_COUNT] = {
    [TBK_ENGINE_BACKUP] = PROGRAM
    "backup --sqlite FILE --store DIR [--method auto|hot|reflink]" NEXT_LINE
    "[--profile full|essential [--rule TABLE=RULE]...]" NEXT_LINE
    "[--keep-days N] [--keep-last N] [--level N]" NEXT_LINE "[--rate-limit-mib N]\n"
    "      A backup by hand, of any SQLite file, while it is used: hot in WAL mode;\n"
    "      else a clone where the file system has them; else SQLite's own locks,\n"
    "      giving way as soon as a writer waits. The store is made when it is missing.\n" PROGRAM
    "backup [--config FILE] [--method NAME]" NEXT_LINE "[--profile full|essential]" NEXT_LINE
    "[--hook [--journal-mode wal|delete]] [--log text|json]\n"
    "      A backup as configured. With --hook, standard input and output lead to the\n"
    "      hook, which holds the tracker where a copy needs that; without, nothing is\n"
    "      held. --journal-mode stops the tracker, makes the backup, and then changes\n"
    "      the database's journal mode.\n",
    [TBK_ENGINE_LIST] = PROGRAM "list  [--store DIR | --config FILE]\n"
                                "      The backup sets, the newest first.\n",
    [TBK_ENGINE_CHECK] =
        PROGRAM "check [--set ID|latest] [--store DIR | --config FILE]\n"
                "      Reads sets back and compares every SHA-256; all sets when none is named.\n",
    [TBK_ENGINE_PROVE] =
        PROGRAM "prove [--level checksums|restored] [--set ID|latest]\n"
                "                              [--store DIR | --config FILE]\n"
                "      Proves a set and writes its proof.json; 'restored' (the default) restores\n"
                "      the database into the store's scratch space, checks its integrity and\n"
                "      counts its rows.\n",
    [TBK_ENGINE_RESTORE] = PROGRAM
    "restore [--set ID|latest] [--config FILE] --hook | --dry-run\n"
    "      Puts a set back: restored beside the real database, checked, and swapped in\n"
    "      while the tracker is stopped. The database of before is kept. --dry-run\n"
    "      does all but the swap; restore --forget-kept removes what earlier restores\n"
    "      have kept; with --dry-run it lists that.\n",
    [TBK_ENGINE_EXTRACT] = PROGRAM
    "extract --set ID|latest --to DIR [--store DIR | --config FILE]\n"
    "      A set as plain files, in a folder of its name in DIR: the database as a file\n"
    "      of SQLite or as SQL, the configuration files as config.tar. Each is compared\n"
    "      with its SHA-256.\n",
    [TBK_ENGINE_PLAN] = PROGRAM
    "plan [--sqlite FILE --store DIR | --config FILE]\n"
    "      What a backup would do: by which method, how long the tracker would be held\n"
    "      at the speed of this disk, and what would be better. It holds nothing, and\n"
    "      leaves nothing.\n",
    [TBK_ENGINE_SERVE] =
        PROGRAM "serve [--config FILE] [--port N]\n"
                "      Stays, and makes backups as the configuration's own schedule says (mode:\n"
                "      sidecar). Answers /health and /metrics on the port. SIGTERM abandons a run\n"
                "      cleanly and ends it.\n",
    [TBK_ENGINE_HEALTH] =
        PROGRAM "health [--show health|metrics] [--port N]\n"
                "      Asks a 'serve' on this machine, prints its answer, and ends with 0 or 1.\n",
    [TBK_ENGINE_ACKNOWLEDGE] =
        PROGRAM "acknowledge [--store DIR | --config FILE]\n"
                "      The database lost rows, and that is as it should be: older sets are pruned\n"
                "      again.\n",
    [TBK_ENGINE_OFFSITE] = PROGRAM
    "offsite [sync|list|check|drill|init|unlock|accept]" NEXT_LINE "[--config FILE]\n" PROGRAM
    "offsite fetch --set ID|latest [--name NAME] [--config FILE]\n"
    "      What goes off-site, by restic. sync, the default, does all that is due: new\n"
    "      sets are sent, the repository is checked, a set is read back, old ones are\n"
    "      removed. check and drill do one of these now; init makes the repository;\n"
    "      unlock removes locks that others left; accept says that a database that\n"
    "      shrank is as it should be; fetch brings a set back.\n",
    [TBK_ENGINE_OUTBOUND] = PROGRAM "outbound [--config FILE]\n"
                                    "      Stays, and does 'offsite sync' whenever there is a new "
                                    "set, and each hour.\n",
    [TBK_ENGINE_VERSION] = PROGRAM "version\n"
                                   "      The versions of the engine and its libraries.\n",
    [TBK_ENGINE_HELP] = PROGRAM "help [COMMAND]\n"
                                "      This help, or that of a command.\n",
};

static void print_all(FILE *out)
{
    tbk_auto_text options = {0};

    (void)fputs("torrust-backup-engine: makes, lists and proves backup sets of a tracker's "
                "database.\n\nUsage:\n",
                out);
    for (size_t i = 0; i < TBK_ENGINE_COMMAND_COUNT; i++)
        (void)fputs(usage[i], out);
    tbk_option_help_of_program(&options, TBK_PROGRAM_ENGINE);
    (void)fprintf(out, "\nOptions:\n%s", tbk_text_string(&options));
    (void)fputs(
        "\nExamples:\n" PROGRAM
        "backup --sqlite /srv/tracker/tracker.db --store /srv/backup\n" PROGRAM
        "list --store /srv/backup --output json\n" PROGRAM
        "prove --level restored --set latest --store /srv/backup\n"
        "\n"
        "Exit status: 0 ok, 1 failed, 2 usage or configuration, 3 done in part, 10 no such set or\n"
        "store, 11 another run holds the lock, 20 the tracker is not running, 21 not proved, 22 "
        "no\n"
        "space, 130 interrupted.\n",
        out);
}

void engine_print_help(FILE *out, tbk_engine_command topic)
{
    tbk_auto_text options = {0};

    if (topic == TBK_ENGINE_HELP) {
        print_all(out);
        return;
    }
    tbk_option_help_of_verb(&options, TBK_PROGRAM_ENGINE, topic);
    (void)fprintf(out, "Usage:\n%s\n%s", usage[topic], tbk_text_string(&options));
}
