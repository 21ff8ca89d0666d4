/* SPDX-License-Identifier: MIT */
/*
 * The capture: the first rung of the ladder that is to be had.
 *
 * hot      WAL: one pinned state is read while the tracker writes; nothing waits
 * reflink  rollback journal on XFS or btrfs: a clone, writers wait for an instant
 * pause    the tracker is paused for one copy at disk speed
 * stop     the same with the tracker stopped
 * locked   by hand, where nobody can hold the tracker: SQLite's own locks
 *
 * hot streams into the set; the others leave a copy that is still to be recovered and stored.
 */
#ifndef TBK_ENGINE_CAPTURE_H
#define TBK_ENGINE_CAPTURE_H

#include "base/arena.h"
#include "domain/manifest.h"
#include "domain/options.h"
#include "ports/hold.h"
#include "ports/report.h"
#include "ports/source.h"

typedef struct tbk_capture_request {
    const char *database;
    const char *staged;  /* where a copy goes; nothing is there */
    const char *scratch; /* the folder that it is in */
    tbk_method method;
    tbk_journal_mode journal_mode; /* changed to this one inside a stop, after the copy */
    const tbk_hold *hold;          /* NULL: nobody can hold the tracker */
    bool holds_nothing;            /* only rungs that hold and lock nothing */
    const tbk_report *report;
    void *self; /* of the two below */
    /* Stores a stream whole; is called anew when a try did not hold. */
    bool (*store)(void *self, const tbk_source *source, tbk_error *err);
    /* Takes from a live database in WAL mode what is essential; NULL: all of it is kept. */
    bool (*select)(void *self, tbk_error *err);
    /* Asked before a copy that needs the room of the whole database. */
    bool (*has_room)(void *self, tbk_error *err);
} tbk_capture_request;

typedef struct tbk_capture {
    const char *method; /* "hot", "reflink", "pause", "stop", "locked"; NULL: nothing was copied */
    const char *reason; /* why not the rungs before; may be "" */
    bool is_selected;   /* it went through `select` */
    bool is_stored;     /* it went through `store`, and these are its facts; else it is staged */
    tbk_sqlite_facts facts;
    bool tracker_was_stopped;
    int64_t held_ms;   /* from the request until the answer to the release; 0 without a hold */
    tbk_error release; /* code TBK_E_OK, or why the tracker did not come back after a good copy */
    tbk_error change;  /* the same of the journal mode */
} tbk_capture;

/*
 * Shape:  out is filled on failure too, as far as it went.
 * Errors: those of the copy and of `store`; TBK_E_TRACKER_DOWN when copy and release both failed.
 *         When only the release, or the change of the journal mode, failed, the copy is good: true,
 *         with out->release or out->change filled.
 */
bool tbk_capture_sqlite(tbk_arena *arena, const tbk_capture_request *request, tbk_capture *out,
                        tbk_error *err) TBK_MUST_CHECK;

#endif
