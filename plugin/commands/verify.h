/* SPDX-License-Identifier: MIT */
/*
 * Verify: one backup end to end, proved on the VM and again here, with a report.
 *
 * The same check serves the first backup at deploy time and any later validation.
 */
#ifndef TBK_COMMANDS_VERIFY_H
#define TBK_COMMANDS_VERIFY_H

#include "commands/vm.h"

typedef struct tbk_verify_input {
    tbk_vm vm;
    bool wait_for_cron;  /* also have the cron daemon start one, within two minutes */
    bool fetch_all;      /* whatever the size of the database */
    bool proves_offsite; /* also the newest set off-site */
    const char *keep;    /* a folder of this machine that the set stays in, whatever its size, as
                          * tbk_fetch puts it there; NULL: nothing stays */
} tbk_verify_input;

/*
 * out_result is the report (docs/schemas/report.schema.json), also when something is not proved.
 * Errors: TBK_E_UNPROVED naming the first check that failed; TBK_E_TRACKER_DOWN; TBK_E_SKIPPED when
 * the tracker does not exist yet; as tbk_fetch, of the folder to keep it in; as the remote port.
 */
bool tbk_verify(tbk_arena *arena, const tbk_verify_input *input, tbk_value **out_result,
                tbk_error *err) TBK_MUST_CHECK;

#endif
