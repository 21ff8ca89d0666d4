/* SPDX-License-Identifier: MIT */
/* What the engine says: JSON lines for the hook; text or one JSON document by hand. */
#ifndef TBK_ENTRY_ENGINE_OUTPUT_H
#define TBK_ENTRY_ENGINE_OUTPUT_H

#include "adapters/console.h"
#include "base/value.h"
#include "entry/engine_args.h"

#define ENGINE_RUN_ID_SIZE 32

typedef struct engine_output {
    bool hook, json;
    bool lines; /* JSON lines on standard output */
    char run_id[ENGINE_RUN_ID_SIZE];
    tbk_console console;
    bool (*cancelled)(void);
    char phase[32];
    int64_t progress_ms; /* monotonic, of the last progress line */
} engine_output;

/* Makes the run's id. */
void engine_output_init(engine_output *output, const engine_args *args, bool (*cancelled)(void));
/* Points to output, which must outlive it. */
tbk_report engine_output_report(engine_output *output);

/* By hand: the JSON document, or the text that print writes. With the hook nothing: log lines told.
 */
void engine_output_result(engine_output *output, const tbk_value *result,
                          void (*print)(const tbk_value *result));
void engine_output_error(engine_output *output, const tbk_error *error);
/* By hand: whether what was printed has arrived; a hook's log is not awaited. */
bool engine_output_delivered(const engine_output *output, tbk_error *err) TBK_MUST_CHECK;
/* The last line of the protocol, where there is a hook. */
void engine_output_done(engine_output *output, int exit_status);

void engine_print_backup(const tbk_value *result);
void engine_print_list(const tbk_value *result);
void engine_print_checks(const tbk_value *result);

#endif
