/* SPDX-License-Identifier: MIT */
/* torrust-backup-engine: runs in its container for the hook, and by hand on any machine. */
#include "database/mysql/mysql.h"
#include "database/sqlite/sqlite.h"
#include "entry/engine_commands.h"
#include "entry/engine_help.h"
#include "entry/engine_offsite.h"
#include "entry/engine_serve.h"
#include "store/archive.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

/* Set by a signal, read by whatever works: the work ends at its next step, and tidies up. */
static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static bool is_stop_asked(void) { return stop_asked != 0; }

static void catch_signals(void)
{
    static const int ending[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction end = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigemptyset(&end.sa_mask);
    (void)sigemptyset(&ignore.sa_mask);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        (void)sigaction(ending[i], &end, NULL);
    /* A reader of the log that is gone must not end a run in the middle. */
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

/* A file of ours must never get the number of a standard stream that the caller closed. */
static void open_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

static void print_version(void)
{
    (void)printf("torrust-backup-engine %s (SQLite %s, MariaDB Connector/C %s, zstd %s)\n",
                 TBK_VERSION, tbk_sqlite_version(), tbk_mysql_client_version(),
                 tbk_archive_zstd_version());
}

static bool run(const engine_args *args, engine_output *output, bool *out_ok, tbk_error *err)
{
    *out_ok = true;
    switch (args->command) {
    case TBK_ENGINE_BACKUP:
        return engine_command_backup(args, output, err);
    case TBK_ENGINE_LIST:
        return engine_command_list(args, output, err);
    case TBK_ENGINE_CHECK:
        return engine_command_check(args, output, out_ok, err);
    case TBK_ENGINE_PROVE:
        return engine_command_prove(args, output, out_ok, err);
    case TBK_ENGINE_RESTORE:
        return engine_command_restore(args, output, err);
    case TBK_ENGINE_EXTRACT:
        return engine_command_extract(args, output, err);
    case TBK_ENGINE_PLAN:
        return engine_command_plan(args, output, err);
    case TBK_ENGINE_SERVE:
        return engine_command_serve(args, output, err);
    case TBK_ENGINE_HEALTH:
        return engine_command_health(args, out_ok, err);
    case TBK_ENGINE_ACKNOWLEDGE:
        return engine_command_acknowledge(args, output, err);
    case TBK_ENGINE_OFFSITE:
        return engine_command_offsite(args, output, err);
    case TBK_ENGINE_OUTBOUND:
        return engine_command_outbound(args, output, err);
    case TBK_ENGINE_VERSION:
        print_version();
        return true;
    default:
        engine_print_help(stdout, args->topic);
        return true;
    }
}

/* Even wrong arguments are answered to the hook where there is one. */
static bool has_word(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    tbk_error err = {.code = TBK_E_OK};
    tbk_error_code outcome = TBK_E_OK;
    engine_args args;
    engine_output output;
    bool ok = true;
    open_standard_streams();
    catch_signals();
    (void)umask(027); /* nothing is readable by others, whatever the caller's habits are */
    bool parsed = engine_args_parse(argc, argv, &args, &err);
    args.hook = args.hook || has_word(argc, argv, "--hook");
    engine_output_init(&output, &args, is_stop_asked);
    if (!parsed || !run(&args, &output, &ok, &err)) {
        engine_output_error(&output, &err);
        outcome = err.code;
    } else if (!ok) {
        outcome = args.command == TBK_ENGINE_HEALTH ? TBK_E_FAILED : TBK_E_UNPROVED;
    }
    if (!engine_output_delivered(&output, &err) && outcome == TBK_E_OK) {
        engine_output_error(&output, &err);
        outcome = err.code;
    }
    int exit_status = tbk_error_exit_status(outcome);
    engine_output_done(&output, exit_status);
    return exit_status;
}
