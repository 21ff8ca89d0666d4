/* SPDX-License-Identifier: MIT */
/* What only looks, of the repository port by restic: it takes no lock. self is a tbk_restic. */
#ifndef TBK_ADAPTERS_RESTIC_LOOK_H
#define TBK_ADAPTERS_RESTIC_LOOK_H

#include "ports/repository.h"

bool tbk_restic_identify(void *self, tbk_arena *arena, const char **out_id,
                         tbk_error *err) TBK_MUST_CHECK;
bool tbk_restic_list(void *self, tbk_arena *arena, tbk_snapshot **out, const char **out_gap,
                     tbk_error *err) TBK_MUST_CHECK;
bool tbk_restic_files(void *self, tbk_arena *arena, const tbk_snapshot *snapshot,
                      tbk_snapshot_file **out, tbk_error *err) TBK_MUST_CHECK;
bool tbk_restic_read(void *self, const tbk_snapshot *snapshot, const char *file,
                     bool (*take)(void *taker, const char *bytes, size_t length, tbk_error *err),
                     void *taker, tbk_error *err) TBK_MUST_CHECK;
bool tbk_restic_locks(void *self, tbk_arena *arena, tbk_repository_lock **out,
                      tbk_error *err) TBK_MUST_CHECK;

/* Ids go into arguments, and sets into paths: what did not come from list is looked at again. */
bool tbk_restic_check_snapshot(const tbk_snapshot *snapshot, tbk_error *err) TBK_MUST_CHECK;

#endif
