/* SPDX-License-Identifier: MIT */
/*
 * The live MySQL of a tracker, from the operator's side and without the engine: through a tunnel to
 * the container's own address, since no port of it is open, with what the tracker's .env says.
 */
#ifndef TBK_COMMANDS_LIVE_DATABASE_H
#define TBK_COMMANDS_LIVE_DATABASE_H

#include "base/value.h"
#include "commands/check.h"
#include "domain/manifest.h"
#include "ports/remote.h"

typedef struct tbk_live_database_input {
    const tbk_remote *remote;
    const tbk_report *report;
    const tbk_manifest *manifest; /* of the set to compare with */
    bool needs_tls;
} tbk_live_database_input;

/* A check of the report. */
typedef struct tbk_live_check {
    tbk_check_state state;
    const char *detail;
} tbk_live_check;

typedef struct tbk_live_database {
    /* Whether the server takes what .env says, and the tracker was started with the same. */
    tbk_live_check credentials;
    /* The rows, compared; a warning where the server cannot be reached from here. */
    tbk_live_check database;
    tbk_value *tables; /* commands/live_rows.h; NULL when they were not compared */
} tbk_live_database;

/*
 * Owns:   text and tables live in the arena; secrets do not, and are wiped before this returns.
 * Errors: only where nothing was found out: TBK_E_INTERRUPTED, and the way to the VM as it fails.
 */
bool tbk_live_database_check(tbk_arena *arena, const tbk_live_database_input *input,
                             tbk_live_database *out, tbk_error *err) TBK_MUST_CHECK;

#endif
