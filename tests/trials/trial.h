/* SPDX-License-Identifier: MIT */
/* One trial: a copy of a live database is taken, and it and the original are verified. */
#ifndef TBK_TESTS_TRIALS_TRIAL_H
#define TBK_TESTS_TRIALS_TRIAL_H

#include "trials/methods.h"
#include "trials/scene.h"

typedef enum verdict { RIGHT, WRONG, GAVE_UP } verdict;

typedef struct outcome {
    verdict verdict;
    const char *kind; /* of the scene */
    int tries;
    tbk_error why; /* it is not right, or was not at the first try */
} outcome;

void trial_run(const stage *on, const method *by, uint64_t number, outcome *out);

#endif
