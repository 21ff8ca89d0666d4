/* SPDX-License-Identifier: MIT */
/* Help: commands are described here, options by the table of options. */
#include "entry/cli_help.h"

#include <limits.h>

#define ENVIRONMENT_ARGUMENTS " ENVIRONMENT [OPTION...]"

static const struct command {
    const char *arguments;
    const char *summary;
    const char *example;
} COMMANDS[TBK_VERB_COUNT] = {
    [TBK_VERB_RENDER] = {ENVIRONMENT_ARGUMENTS,
                         "render compose file, crontab, hook and engine configuration locally",
                         "torrust-backup render my-env"},
    [TBK_VERB_PLAN] = {ENVIRONMENT_ARGUMENTS,
                       "what 'configure' would change, and what a backup would cost; changes "
                       "nothing",
                       "torrust-backup plan my-env"},
    [TBK_VERB_CONFIGURE] = {ENVIRONMENT_ARGUMENTS,
                            "render, and install over SSH what is not there yet",
                            "torrust-backup configure my-env --dry-run"},
    [TBK_VERB_VERIFY] = {ENVIRONMENT_ARGUMENTS,
                         "one backup end to end, proved there and here, with a report",
                         "torrust-backup verify my-env --wait-for-cron"},
    [TBK_VERB_RUN] = {ENVIRONMENT_ARGUMENTS, "a backup now",
                      "torrust-backup run my-env --method stop"},
    [TBK_VERB_RESTORE] = {ENVIRONMENT_ARGUMENTS,
                          "put a set back, with the tracker stopped for a moment; the database of "
                          "before is kept",
                          "torrust-backup restore my-env --set latest --dry-run"},
    [TBK_VERB_LIST] = {" [ENVIRONMENT] [OPTION...]",
                       "the backup sets: of the store, off-site, of a folder, of all environments",
                       "torrust-backup list my-env --from offsite"},
    [TBK_VERB_STATUS] = {ENVIRONMENT_ARGUMENTS,
                         "health: last run, tracker, schedule; not 0 when something is wrong",
                         "torrust-backup status my-env || notify-me"},
    [TBK_VERB_ACKNOWLEDGE] = {ENVIRONMENT_ARGUMENTS,
                              "the database lost rows, and that is as it should be: older sets are "
                              "pruned again",
                              "torrust-backup acknowledge my-env"},
    [TBK_VERB_OFFSITE] = {" ACTION ENVIRONMENT [OPTION...]",
                          "what goes off-site: list, sync, check, drill, init, unlock, accept",
                          "torrust-backup offsite list my-env"},
    [TBK_VERB_FETCH] = {ENVIRONMENT_ARGUMENTS,
                        "a set comes to this machine, and is compared with its sums",
                        "torrust-backup fetch my-env --set latest --to ./fetched"},
    [TBK_VERB_EXTRACT] =
        {ENVIRONMENT_ARGUMENTS, "the plain files of a set that was fetched; no VM is needed",
         "torrust-backup extract my-env --from ./fetched --set latest --to ./plain"},
    [TBK_VERB_RESCUE] = {ENVIRONMENT_ARGUMENTS,
                         "the VM is gone: install on a new one, fetch a set, and serve it",
                         "torrust-backup rescue new-env --from offsite:old-env"},
    [TBK_VERB_VERSION] = {"", "the version of program and plugin", "torrust-backup version"},
    [TBK_VERB_HELP] = {" [COMMAND]", "this help, or that of a command",
                       "torrust-backup help verify"},
};

bool cli_find_verb(const char *name, tbk_verb *out)
{
    tbk_error ignored; /* the caller says it in the words of a command line */
    unsigned verb = 0;
    bool found = tbk_names_parse(&tbk_verb_names, name, &verb, &ignored);

    *out = (tbk_verb)verb;
    return found;
}

void cli_print_help(FILE *out)
{
    tbk_auto_text options = {0};

    (void)fputs("Backups of a Torrust Tracker that the Torrust Tracker Deployer has set up.\n\n"
                "Usage: torrust-backup COMMAND ENVIRONMENT [OPTION...]\n\nCommands:\n",
                out);
    for (unsigned verb = 0; verb < TBK_VERB_COUNT; verb++)
        (void)fprintf(out, "  %-11s %s\n", tbk_names_of(&tbk_verb_names, verb),
                      COMMANDS[verb].summary);
    tbk_option_help_of_program(&options, TBK_PROGRAM_CLI);
    (void)fprintf(out, "\nOptions:\n%s\nExamples:\n", tbk_text_string(&options));
    for (unsigned verb = 0; verb < TBK_VERB_COUNT; verb++)
        (void)fprintf(out, "  %s\n", COMMANDS[verb].example);
    (void)fputs("\nExit status:\n", out);
    for (int status = 0; status <= UCHAR_MAX; status++)
        if (tbk_exit_status_meaning(status) != NULL)
            (void)fprintf(out, "  %3d  %s\n", status, tbk_exit_status_meaning(status));
}

void cli_print_command_help(FILE *out, tbk_verb verb)
{
    const struct command *command = &COMMANDS[verb];
    const char *name = tbk_names_of(&tbk_verb_names, verb);
    tbk_auto_text options = {0};

    tbk_option_help_of_verb(&options, TBK_PROGRAM_CLI, verb);
    (void)fprintf(out, "%s: %s.\n\nUsage: torrust-backup %s%s\n\nExample:\n  %s\n\n%s", name,
                  command->summary, name, command->arguments, command->example,
                  tbk_text_string(&options));
}
