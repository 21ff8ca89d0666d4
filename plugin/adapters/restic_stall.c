/* SPDX-License-Identifier: MIT */
/* Whether a restic that runs still gets anywhere. */
#include "adapters/restic_stall.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOK_EVERY_MS 1000
/* A line that is slower than this is none. Less moves in a restic that only waits. */
#define LEAST_BYTES_A_SECOND 128

/* As the kernel counts; false where it does not, or the process has ended. */
static bool count_bytes(pid_t process, uint64_t *out)
{
    char path[32];
    uint64_t in = 0, written = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/io", (int)process);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool ok = fscanf(file, "rchar: %" SCNu64 " wchar: %" SCNu64, &in, &written) == 2;
    (void)fclose(file);
    *out = in + written;
    return ok;
}

bool tbk_restic_stall_look(void *stall, pid_t process, tbk_error *err)
{
    tbk_restic_stall *it = stall;
    int64_t now_ms = tbk_clock_monotonic_ms();
    uint64_t bytes = 0;
    if (it->looked_ms != 0 && now_ms - it->looked_ms < LOOK_EVERY_MS)
        return true;
    it->looked_ms = now_ms;
    if (!count_bytes(process, &bytes))
        return true;
    bytes -= it->io->received_bytes;
    if (it->moved_ms == 0 ||
        bytes >= it->moved_bytes + (uint64_t)it->limit_s * LEAST_BYTES_A_SECOND) {
        it->moved_ms = now_ms;
        it->moved_bytes = bytes;
    }
    return now_ms - it->moved_ms < it->limit_s * 1000 ||
           tbk_fail(err, TBK_E_NETWORK,
                    "look whether the server, its disk or the network hangs; what was sent stays "
                    "there, and it is tried again",
                    "nothing has moved to or from the repository for %" PRId64 " s", it->limit_s);
}
