/* SPDX-License-Identifier: MIT */
/*
 * What goes off-site, what stays there and what goes: decided from names, times and proofs, without
 * touching a store or a repository.
 */
#ifndef TBK_DOMAIN_OFFSITE_POLICY_H
#define TBK_DOMAIN_OFFSITE_POLICY_H

#include "base/arena.h"
#include "domain/settings.h"

/* A set of the store. */
typedef struct tbk_offsite_set {
    const char *id;
    int64_t time_s;
    tbk_profile profile;
    bool is_proved; /* at least by checksums, and the last proof was good */
} tbk_offsite_set;

/* A set in the repository: a snapshot of this environment's. */
typedef struct tbk_offsite_copy {
    const char *snapshot;
    const char *id; /* of the set */
    int64_t time_s;
    tbk_profile profile;
    uint64_t database_bytes; /* of the database as it was; 0: not known */
    bool is_whole;           /* all files are there, in their sizes */
    bool keep;               /* decided */
    const char *reason;      /* decided; for people */
} tbk_offsite_copy;

typedef struct tbk_offsite_copies {
    tbk_offsite_copy *list; /* the newest first */
    size_t count;
} tbk_offsite_copies;

/* Whether sets of the profile go off-site. */
bool tbk_offsite_takes(const tbk_offsite_settings *settings, tbk_profile profile);

/* Full copies that are nearer to each other than this are one too many; 0: none is. */
int64_t tbk_offsite_full_gap_s(const tbk_offsite_settings *settings);

/*
 * The set that is to be sent next: the newest that is proved, of a profile that is taken, not there
 * yet, not from the future, and that retention would keep. Of full sets one in full_every_days.
 * sets: the newest first. NULL: all is there.
 */
const tbk_offsite_set *tbk_offsite_next(tbk_arena *arena, const tbk_offsite_settings *settings,
                                        const tbk_offsite_set *sets, size_t count,
                                        const tbk_offsite_copies *copies, int64_t now_s);

/*
 * Fills keep and reason of each copy; full and essential ones for themselves. Kept are the
 * keep_last newest, the newest of each of the keep_daily newest days, keep_weekly weeks (from
 * Monday on) and keep_monthly months that have one (UTC), those from the future, and the newest
 * whole one, always.
 * One that is not whole counts for nothing, and its set is sent anew; it goes once a whole one of
 * its set is there, and stays until then: the look that found it so may have been wrong.
 */
void tbk_offsite_retain(const tbk_offsite_settings *settings, const tbk_offsite_copies *copies,
                        int64_t now_s);

/*
 * Why nothing may be removed: the newest copy is of a database that is much smaller than that of an
 * earlier one, as after a tracker was set up anew and empty. NULL: it may. Copies from before
 * accepted_s, when an operator said that it is as it should be, are not compared.
 */
const char *tbk_offsite_brake(tbk_arena *arena, const tbk_offsite_copies *copies,
                              int64_t accepted_s);

/* How long to wait after so many failures in a row: a minute at first, then longer, up to an hour.
 */
int64_t tbk_offsite_retry_s(int64_t failures);

/* How deep a drill is to go: as it is set, or as the kind of database allows. */
tbk_proof_level tbk_offsite_drill_level(const tbk_offsite_settings *settings, tbk_driver driver);

/* Whether something that is done every so many days is to be done now; 0 days: never. last_s is 0
 * where it never was. A last time from the future is none. */
bool tbk_offsite_is_due(int64_t last_s, int64_t every_days, int64_t now_s);

#endif
