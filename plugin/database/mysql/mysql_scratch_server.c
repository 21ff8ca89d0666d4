/* SPDX-License-Identifier: MIT */
/* Starts a scratch server and waits for it. */
#include "database/mysql/mysql_scratch_server.h"

#include "base/clock.h"
#include "base/token.h"

#include <time.h>

#define READY_LIMIT_MS 180000
#define ASK_PAUSE_MS 500

static bool answers(const tbk_mysql_server *root, tbk_error *why)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_facts facts;
    /* That it has no such schema, or an empty one, is an answer too. */
    return tbk_mysql_inspect(arena, root, NULL, &facts, why) || why->code == TBK_E_NOT_FOUND ||
           why->code == TBK_E_CORRUPT;
}

static bool wait_until_ready(const tbk_mysql_server *root, const tbk_report *report, tbk_error *err)
{
    const struct timespec pause = {.tv_nsec = ASK_PAUSE_MS * 1000000};
    int64_t end_ms = tbk_clock_monotonic_ms() + READY_LIMIT_MS;
    tbk_error why;
    while (!answers(root, &why)) {
        if (!tbk_report_go_on(report, err))
            return false;
        if (tbk_clock_monotonic_ms() >= end_ms || why.code == TBK_E_CONFIG)
            return tbk_fail(err, TBK_E_TIMEOUT,
                            "give the machine more memory, or set MYSQL_ROOT_PASSWORD in the "
                            "tracker's .env, so that the tracker's own server is used",
                            "the server that was started for the proof cannot be used (it has %d s "
                            "to be ready): %s",
                            READY_LIMIT_MS / 1000, why.message);
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

bool tbk_scratch_server_start(tbk_arena *arena, const tbk_scratch_server *scratch_server,
                              const char *schema, const tbk_report *report, tbk_mysql_server *out,
                              tbk_error *err)
{
    const char *password = tbk_token_new(arena);
    if (!scratch_server->start(scratch_server->self, password, err))
        return false;
    /* Its log goes when it goes, but would need the room twice meanwhile. */
    *out = (tbk_mysql_server){.host = scratch_server->host,
                              .port = scratch_server->port,
                              .user = "root",
                              .password = password,
                              .schema = schema,
                              .is_unlogged = true};
    return wait_until_ready(out, report, err);
}
