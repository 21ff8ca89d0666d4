/* SPDX-License-Identifier: MIT */
/*
 * What going off-site costs: bytes, time, and room in the repository, reckoned from the options and
 * from what was measured on the VM. restic finds nothing to share between two sets
 * (docs/offsite.md), so each set is sent, and stored, in its whole size.
 */
#ifndef TBK_DOMAIN_OFFSITE_FORECAST_H
#define TBK_DOMAIN_OFFSITE_FORECAST_H

#include "domain/offsite_policy.h"
#include "domain/options.h"

#define TBK_OFFSITE_UNKNOWN (-1)
#define TBK_OFFSITE_PROFILES 2 /* by tbk_profile */

/* How well a number is known. */
typedef enum tbk_offsite_basis {
    TBK_BASIS_UNKNOWN,
    TBK_BASIS_ESTIMATED, /* from other numbers, as docs/offsite.md says */
    TBK_BASIS_LIMIT,     /* of a rate: the one that the options allow at most */
    TBK_BASIS_MEASURED
} tbk_offsite_basis;

const char *tbk_offsite_basis_name(tbk_offsite_basis basis); /* "unknown", "estimated", ... */

/* 0: not known. */
typedef struct tbk_offsite_measures {
    int64_t set_bytes[TBK_OFFSITE_PROFILES]; /* of the newest set of the profile */
    int64_t sqlite_bytes;                    /* of the database file */
    int64_t sent_bytes, sent_s;              /* of the last upload */
} tbk_offsite_measures;

/* The sets of one profile. */
typedef struct tbk_offsite_flow {
    bool is_taken; /* such sets are made, and go off-site */
    int64_t set_bytes;
    tbk_offsite_basis basis;
    int64_t sets_a_year; /* that go */
    int64_t kept;        /* so many are there once as many go as come */
} tbk_offsite_flow;

/* Bytes are TBK_OFFSITE_UNKNOWN where one that they are made of is. */
typedef struct tbk_offsite_forecast {
    tbk_offsite_flow flows[TBK_OFFSITE_PROFILES];
    int64_t bytes_per_second;
    tbk_offsite_basis rate_basis;
    int64_t day_bytes, month_bytes; /* sent, on average */
    int64_t kept_bytes;             /* unknown as well where nothing is ever removed from here */
} tbk_offsite_forecast;

/* The options have been checked; now_s is the clock's that their schedules are read by. */
void tbk_offsite_reckon(tbk_arena *arena, const tbk_options *options,
                        const tbk_offsite_measures *measures, int64_t now_s,
                        tbk_offsite_forecast *out);

/* How long so many bytes take at the forecast's rate; either may be unknown, and then it is. */
int64_t tbk_offsite_duration_s(const tbk_offsite_forecast *forecast, int64_t bytes);

/* So many sets, and the bytes of all of them. */
typedef struct tbk_offsite_queue {
    int64_t sets, bytes;
} tbk_offsite_queue;

/*
 * What waits: all that tbk_offsite_next would send, one after the other.
 * stored_bytes: of each set. The copies are those that are there, the newest first.
 */
tbk_offsite_queue tbk_offsite_waiting(const tbk_offsite_settings *settings,
                                      const tbk_offsite_set *sets, const int64_t *stored_bytes,
                                      size_t count, const tbk_offsite_copies *copies,
                                      int64_t now_s);

#endif
