/* SPDX-License-Identifier: MIT */
/* Containers on the VM that do one thing and are gone. */
#include "commands/once_container.h"

#include "base/clock.h"

#include <inttypes.h>
#include <sys/random.h>

#define STOP_TIMEOUT_MS 90000

/* $1 the container. It may be still in the making; one that has ended by itself is gone. */
static const char STOP_SCRIPT[] =
    "for try in 1 2 3 4 5 6 7 8 9 10; do\n"
    "    timeout 60 docker stop -t 40 \"$1\" >/dev/null 2>&1 && exit\n"
    "    sleep 1\n"
    "done\n";

const char *tbk_once_container_name(tbk_arena *arena, const char *service)
{
    uint64_t number = (uint64_t)tbk_clock_monotonic_ms();
    (void)!getrandom(&number, sizeof number, GRND_NONBLOCK);
    return tbk_arena_format(arena, "torrust-backup-%s-once-%016" PRIx64, service, number);
}

void tbk_once_container_stop(const tbk_remote *remote, const tbk_report *report, const char *name,
                             tbk_error_code why)
{
    const tbk_remote_command command = {
        .argv = (const char *const[]){"sh", "-c", STOP_SCRIPT, "stop", name, NULL},
        .as_root = true,
        .timeout_ms = STOP_TIMEOUT_MS,
        .is_cleanup = true};
    tbk_auto_remote_result result = {0};
    tbk_error ignored;
    if (why != TBK_E_INTERRUPTED && why != TBK_E_TIMEOUT)
        return;
    tbk_report_log(report, TBK_LOG_INFO, "run", "what was begun on '%s' is stopped", remote->name);
    if (!remote->run(remote->self, &command, &result, &ignored))
        tbk_report_log(report, TBK_LOG_WARNING, "run",
                       "it may go on there: %s; on the VM: sudo docker stop %s", ignored.message,
                       name);
}
