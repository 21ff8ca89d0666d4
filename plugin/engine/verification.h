/* SPDX-License-Identifier: MIT */
/* Proof that a backup set is what it should be. Used by the engine, and by `verify` on the
 * operator's machine for the files that it fetched. */
#ifndef TBK_ENGINE_VERIFICATION_H
#define TBK_ENGINE_VERIFICATION_H

#include "database/database.h"
#include "domain/proof.h"
#include "ports/scratch_tracker.h"
#include "store/set.h"

typedef struct tbk_prove_request {
    const tbk_set *set;
    const tbk_manifest *manifest; /* of the set */
    tbk_proof_level level;
    const tbk_database *database;       /* NULL at level checksums */
    const char *scratch;                /* a folder; not used at level checksums, nor by MySQL */
    const tbk_scratch_tracker *tracker; /* at level restored, to come up on it; NULL: none does */
    int64_t now_s;
    const tbk_report *report;
} tbk_prove_request;

/*
 * checksums: every stored file hashed and compared with the manifest and SHA256SUMS, every stream
 * decompressed and its raw hash compared. restored: in addition the database restored to scratch
 * (SQLite: into a private folder in it; MySQL: into a schema beside the real one), checked,
 * compared with the manifest, rows counted; and where that is all right, a tracker comes up on it.
 * Succeeds with out->ok false and a reason only when what was read is not right. Fails when the
 * proof could not be carried out, which says nothing of the set (TBK_E_SPACE, TBK_E_IO,
 * TBK_E_FAILED, TBK_E_UNSUPPORTED, TBK_E_TIMEOUT, TBK_E_INTERRUPTED). Does not write proof.json.
 */
bool tbk_prove_set(tbk_arena *arena, const tbk_prove_request *request, tbk_proof *out,
                   tbk_error *err) TBK_MUST_CHECK;

#endif
