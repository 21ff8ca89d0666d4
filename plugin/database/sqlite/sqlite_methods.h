/* SPDX-License-Identifier: MIT */
/*
 * How a SQLite database is copied: the first of the capture methods that is possible.
 *
 * hot      WAL: one pinned state is read while the tracker writes; nothing waits
 * reflink  rollback journal on XFS or btrfs: a clone, writers wait for an instant
 * pause    the tracker is paused for one copy at disk speed
 * stop     the same with the tracker stopped
 * locked   by hand, where the tracker cannot be held: SQLite's own locks
 *
 * hot streams into the set; the others leave a copy that is still to be recovered and stored.
 */
#ifndef TBK_DATABASE_SQLITE_SQLITE_METHODS_H
#define TBK_DATABASE_SQLITE_SQLITE_METHODS_H

#include "database/database.h"

typedef struct tbk_methods_request {
    const tbk_capture_request *capture;
    const char *database;
    const char *staged; /* where a copy goes; nothing is there */
    void *self;         /* of select */
    /* Takes from a live database in WAL mode what is essential; NULL: all of it is kept. */
    bool (*select)(void *self, tbk_error *err);
} tbk_methods_request;

/* Where the copy is. */
typedef enum tbk_copy_place {
    TBK_COPY_STAGED,   /* still to be recovered and stored */
    TBK_COPY_SELECTED, /* it went through `select` */
    TBK_COPY_STORED    /* it went through `store`; out->sqlite are its facts */
} tbk_copy_place;

/* Fills method, reason, facts of a stored copy, and what belongs to holds; else as
 * tbk_database.capture. */
bool tbk_methods_try(tbk_arena *arena, const tbk_methods_request *request, tbk_capture *out,
                     tbk_copy_place *out_place, tbk_error *err) TBK_MUST_CHECK;

#endif
