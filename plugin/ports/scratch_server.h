/* SPDX-License-Identifier: MIT */
/*
 * The scratch server port: an empty database server of the tracker's kind, for a proof where the
 * tracker's own one may not be used for it.
 *
 * Adapter: adapters/hold_hook.h asks the host's hook, which starts one beside the engine.
 */
#ifndef TBK_PORTS_SCRATCH_SERVER_H
#define TBK_PORTS_SCRATCH_SERVER_H

#include "base/error.h"

#include <stdint.h>

typedef struct tbk_scratch_server {
    void *self;
    const char *host; /* where it listens, as soon as it is ready */
    uint16_t port;
    /* Once in a run, at whose end it goes away. Returns before it is ready. Fails with TBK_E_FAILED
     * when it was refused. root_password: letters and digits. */
    bool (*start)(void *self, const char *root_password, tbk_error *err);
} tbk_scratch_server;

#endif
