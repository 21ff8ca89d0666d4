/* SPDX-License-Identifier: MIT */
/* What a trial is played with: a database, and the load on it, as the trial's number decides. */
#ifndef TBK_TESTS_TRIALS_SCENE_H
#define TBK_TESTS_TRIALS_SCENE_H

#include "trials/load.h"

#include <limits.h>

/* What all trials of a run have in common. */
typedef struct stage {
    const char *folder;
    uint64_t seed;
    int64_t size_bytes;
} stage;

typedef struct scene {
    const char *kind; /* for people: "growing" */
    char database[PATH_MAX];
    char copy[PATH_MAX];
    history history;
    bool wal;
    bool starts_idle; /* writers wait until half of the copy is read */
    int64_t reading_ms;
    load_plan load; /* borrows from the scene */
} scene;

/* Makes the scene's database. The same stage and number give the same scene; the plain one: what
 * trial 0 is. */
bool scene_set(const stage *on, uint64_t number, bool plain, bool wal, scene *out,
               tbk_error *err) TBK_MUST_CHECK;
/* Removes the file and what SQLite pairs with it. */
void scene_remove(const char *database);

/* After the load was stopped: the database is intact and has all that was committed. */
bool scene_verify(const scene *self, int64_t committed, tbk_error *err) TBK_MUST_CHECK;

#endif
