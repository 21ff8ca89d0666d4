/* SPDX-License-Identifier: MIT */
/*
 * The scratch tracker port: a tracker that comes up on a restored database, to prove it. It is
 * another one than the tracker that serves, and nothing can reach it but the engine.
 *
 * Adapter: adapters/hold_hook.h asks the host's hook, which starts one beside the engine.
 */
#ifndef TBK_PORTS_SCRATCH_TRACKER_H
#define TBK_PORTS_SCRATCH_TRACKER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

typedef enum tbk_tracker_endpoint { TBK_TRACKER_HEALTH, TBK_TRACKER_API } tbk_tracker_endpoint;

typedef struct tbk_scratch_tracker {
    void *self;
    /* Returns before it is ready. database: a file in a folder of its own, which becomes the
     * tracker's. token: for its API; letters and digits. Fails with TBK_E_FAILED when it was
     * refused. */
    bool (*start)(void *self, const char *database, const char *token, tbk_error *err);
    /* Fails with TBK_E_FAILED when it could not be looked at. */
    bool (*is_running)(void *self, bool *out, tbk_error *err);
    /* One GET; the body is appended. Fails with TBK_E_NETWORK or TBK_E_TIMEOUT. */
    bool (*ask)(void *self, tbk_tracker_endpoint where, const char *path, int *out_status,
                tbk_text *out_body, tbk_error *err);
    /* Ends it, whether it came up or not; *out_said is the last line that it printed. */
    bool (*end)(void *self, tbk_arena *arena, const char **out_said, tbk_error *err);
} tbk_scratch_tracker;

#endif
