/* SPDX-License-Identifier: MIT */
/* One trial of a backup that is killed: the database, its writers and the store must not mind. */
#ifndef TBK_TESTS_TRIALS_KILL_H
#define TBK_TESTS_TRIALS_KILL_H

#include "trials/trial.h"

/* How long an undisturbed backup takes. */
bool kill_measure(const stage *on, const char *engine, int64_t *out_ms,
                  tbk_error *err) TBK_MUST_CHECK;
/* *out_midway: the engine was still at work when it was killed. */
void kill_run(const stage *on, const char *engine, int64_t typical_ms, uint64_t number,
              bool *out_midway, outcome *out);

#endif
