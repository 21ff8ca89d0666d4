/* SPDX-License-Identifier: MIT */
/* The remote port where this machine is the VM. */
#include "adapters/remote_local.h"

#include "adapters/process.h"

#include <unistd.h>

/* Through the shell as on a VM, so that one quoting and one set of exit statuses (127: no such
 * program) holds for all adapters. */
static bool run_here(void *self, const tbk_remote_command *command, tbk_remote_result *result,
                     tbk_error *err)
{
    (void)self;
    tbk_auto_text line = {0};
    tbk_exchange_line(command, geteuid() == 0, &line);
    const char *const argv[] = {"sh", "-c", tbk_text_string(&line), NULL};
    tbk_auto_exchange exchange;
    tbk_exchange_begin(&exchange, command, result);
    if (!tbk_process_run(argv, &exchange, &result->exit_status, err))
        return false;
    if (result->exit_status < 0)
        return tbk_fail(err, TBK_E_IO, "do not ignore SIGCHLD in the host, nor wait for any child",
                        "the exit status of '%s' went to somebody else in this process",
                        command->argv[0]);
    return true;
}

static void close_here(void *self) { (void)self; }

void tbk_remote_local_open(tbk_remote *out)
{
    *out = (tbk_remote){.name = "this machine", .run = run_here, .close = close_here};
}
