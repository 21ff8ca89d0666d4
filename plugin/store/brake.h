/* SPDX-License-Identifier: MIT */
/*
 * The brake of retention: a database that lost most of its rows, or of its size, at once may have
 * been emptied by mistake (half of 1000 rows of a table or more, all of 100, half of 16 MiB). Then
 * nothing is pruned until its rows are back, or until an operator says that it is as it should be
 * (`acknowledge`); however many runs that takes, and whatever becomes of them: `.state/brake.json`
 * remembers what there was before.
 */
#ifndef TBK_STORE_BRAKE_H
#define TBK_STORE_BRAKE_H

#include "store/store.h"

/* One of a database and a profile. Text and lists live in an arena. */
typedef struct tbk_brake {
    tbk_origin origin;
    tbk_profile profile;
    int64_t since_s;
    const char *reason;         /* what was lost, for people */
    const char *set;            /* the id of the set of before, which may be gone by now */
    const tbk_table_rows *rows; /* in it; none where they are not known */
    size_t row_count;
    uint64_t bytes;      /* of the database then */
    uint64_t used_bytes; /* without what held nothing; 0: not known */
} tbk_brake;

typedef struct tbk_brakes {
    tbk_brake *list;
    size_t count;
    const char *damage; /* NULL, or why the record cannot be read: then all brakes are on */
} tbk_brakes;

/* Without the store's lock, too. */
void tbk_brakes_read(const tbk_store *store, tbk_arena *arena, tbk_brakes *out);
/* Whether something of this database may not be pruned now. */
bool tbk_brakes_hold(const tbk_brakes *brakes, const tbk_origin *origin);
/* NULL: it is off. */
const tbk_brake *tbk_brakes_find(const tbk_brakes *brakes, const tbk_origin *origin,
                                 tbk_profile profile);
/* For records: a list of {profile, since, since_s, set, reason}, those of the origin; NULL: all. */
tbk_value *tbk_brakes_to_value(tbk_arena *arena, const tbk_brakes *brakes,
                               const tbk_origin *origin);

/* Whether so much less is used than in the earlier set that the rows are to be counted. */
bool tbk_brake_is_suspicious(const tbk_manifest *before, const tbk_manifest *now);

typedef struct tbk_brake_request {
    const tbk_store *store;
    tbk_set_kind kind;             /* its origin is there */
    const tbk_stored_set *earlier; /* all sets of before, the newest first */
    const tbk_manifest *manifest;  /* of the new set, and its proof, which is a good one */
    const tbk_proof *proof;
    const tbk_report *report;
} tbk_brake_request;

/* Compares a set that is about to be published with the newest earlier one whose restored rows are
 * known (from before the drop, where the brake is on), and puts the brake on or takes it off, in
 * brakes and on disk. Fails where that cannot be written: then the set must not be published. */
bool tbk_brake_judge(tbk_arena *arena, const tbk_brake_request *request, tbk_brakes *brakes,
                     tbk_error *err) TBK_MUST_CHECK;

/* Takes the brakes of the origin off (NULL: all of the store), with the store's lock. out_lifted
 * has those that were on. */
bool tbk_brakes_acknowledge(const tbk_store *store, tbk_arena *arena, const tbk_origin *origin,
                            tbk_brakes *out_lifted, tbk_error *err) TBK_MUST_CHECK;

#endif
