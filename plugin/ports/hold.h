/* SPDX-License-Identifier: MIT */
/*
 * The hold port: how the engine has the tracker kept still while it copies, and how it learns which
 * files the tracker has open.
 *
 * Adapter: adapters/hold_hook.h asks the host's hook over standard input and output.
 */
#ifndef TBK_PORTS_HOLD_H
#define TBK_PORTS_HOLD_H

#include "base/arena.h"
#include "base/error.h"
#include "domain/file_id.h"

typedef enum tbk_hold_kind { TBK_HOLD_PAUSE, TBK_HOLD_STOP } tbk_hold_kind;

typedef struct tbk_hold {
    void *self;
    /* Fails with TBK_E_FAILED when the hook refused; then nothing is held. out_was_stopped tells
     * that the tracker was not running before, and will not be started by the release. */
    bool (*acquire)(void *self, tbk_hold_kind kind, bool *out_was_stopped, tbk_error *err);
    /* Fails when what was acquired can no longer be relied upon: the hook that holds the tracker is
     * gone, so a copy made meanwhile is discarded. Cheap; asked between two chunks and after the
     * copy. */
    bool (*check)(void *self, tbk_error *err);
    /* Fails with TBK_E_TRACKER_DOWN when the tracker did not come back. */
    bool (*release)(void *self, tbk_error *err);
} tbk_hold;

/* A hook lists no more of them. */
#define TBK_OPEN_FILES_LISTED_MAX 64

/* What the tracker's processes have open, of regular files. */
typedef struct tbk_open_files {
    const tbk_file_id *list; /* in the arena */
    size_t count;            /* 0: the tracker does not run; 0:0 among them is no file */
} tbk_open_files;

/* Implemented by the hook, which sees the tracker's processes; needs no hold, not asked in one. */
typedef struct tbk_tracker_files {
    void *self;
    /* Fails, with the reason, when it could not look: that says nothing of the tracker. */
    bool (*list)(void *self, tbk_arena *arena, tbk_open_files *out, tbk_error *err);
} tbk_tracker_files;

#endif
