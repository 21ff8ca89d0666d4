/* SPDX-License-Identifier: MIT */
/*
 * The ways to copy a live database: those of the product, and some that are broken on purpose,
 * which tell whether the trials would see a wrong copy.
 */
#ifndef TBK_TESTS_TRIALS_METHODS_H
#define TBK_TESTS_TRIALS_METHODS_H

#include "trials/load.h"

typedef struct capture {
    const char *database;
    const char *copy;    /* not there yet; becomes one file that needs no recovery */
    const char *scratch; /* a folder */
    load *load;
    uint64_t seed;
    int64_t reading_ms; /* how long reading shall take, at least */
    bool wakes_writers; /* when half of it is read */
    /* The state that was copied has a counter from..to. */
    int64_t from, to;
} capture;

/* Fails with TBK_E_CORRUPT where the copy is wrong, otherwise as the product does. */
typedef bool capture_method(capture *self, tbk_error *err);

typedef struct method {
    const char *name;
    const char *variant; /* NULL: as the product does it; otherwise broken on purpose */
    capture_method *take;
    bool wal, rollback_journal; /* the journal modes that it is for */
} method;

/* NULL when there is no such method. */
const method *method_find(const char *name, const char *variant);

#endif
