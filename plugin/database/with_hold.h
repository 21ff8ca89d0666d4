/* SPDX-License-Identifier: MIT */
/* Work that is done while the tracker is held: it counts only if the hold stood to its end;
 * the tracker is always released. */
#ifndef TBK_DATABASE_WITH_HOLD_H
#define TBK_DATABASE_WITH_HOLD_H

#include "database/database.h"

typedef struct tbk_hold_work {
    const tbk_hold *hold;
    tbk_hold_kind kind;
    const tbk_report *report;
    void *self;
    /* The report that it is given also says "stop" when the hold is lost. */
    bool (*work)(void *self, const tbk_report *watched, tbk_error *err);
} tbk_hold_work;

/*
 * Shape:  adds to held_ms, since a capture may hold the tracker several times, and fills
 *         tracker_was_stopped and release of out, on failure too. out_declined: the hold was
 *         refused, so another way may do.
 * Errors: those of the work; TBK_E_TRACKER_DOWN when work and release both failed. When only the
 *         release failed, the work is good: true, with out->release filled.
 */
bool tbk_with_hold(const tbk_hold_work *work, tbk_capture *out, bool *out_declined,
                   tbk_error *err) TBK_MUST_CHECK;

#endif
