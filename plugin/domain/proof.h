/* SPDX-License-Identifier: MIT */
/*
 * proof.json: what was proved of a backup set. A proof can come later than the set, so it stands in
 * a file of its own, and replacing it never touches what it proves.
 */
#ifndef TBK_DOMAIN_PROOF_H
#define TBK_DOMAIN_PROOF_H

#include "base/names.h"
#include "base/value.h"
#include "domain/table_rows.h"

#define TBK_PROOF_SCHEMA 1
#define TBK_SET_PROOF_FILE "proof.json"

typedef enum tbk_proof_level {
    TBK_PROOF_NONE,
    TBK_PROOF_CHECKSUMS,
    TBK_PROOF_RESTORED
} tbk_proof_level;

/* Whether a tracker came up on the restored database. That it did not need not be the set's fault:
 * so this is no level, and does not make a set a bad one. */
typedef enum tbk_boot_state {
    TBK_BOOT_NONE, /* it was not tried */
    TBK_BOOT_PASSED,
    TBK_BOOT_FAILED,
    TBK_BOOT_SKIPPED /* it could not be tried */
} tbk_boot_state;

typedef struct tbk_boot_proof {
    tbk_boot_state state;
    const char *at;     /* NULL when it was not tried */
    const char *detail; /* for people: what was seen, or why it failed or was skipped */
} tbk_boot_proof;

typedef struct tbk_proof {
    tbk_proof_level level;
    const char *at; /* "2026-02-16T17:56:43Z" */
    bool ok;
    const char *reason;           /* why not, NULL when ok */
    const tbk_table_rows *tables; /* at level restored */
    size_t table_count;
    tbk_boot_proof booted; /* at level restored */
} tbk_proof;

tbk_value *tbk_proof_to_value(tbk_arena *arena, const tbk_proof *proof);
bool tbk_proof_read(tbk_arena *arena, const tbk_value *value, tbk_proof *out,
                    tbk_error *err) TBK_MUST_CHECK;
extern const tbk_names tbk_proof_level_names;
extern const tbk_names tbk_boot_state_names;
const char *tbk_proof_level_name(tbk_proof_level level); /* "none", "checksums", "restored" */
const char *tbk_boot_state_name(tbk_boot_state state);   /* "none", "passed", "failed", "skipped" */

/* What is known of a copy in another place, by the level that it was proved at there: "offsite", it
 * was seen to be there whole; "offsite-checksums", read back; "offsite-restored". */
extern const tbk_names tbk_offsite_level_names;
const char *tbk_offsite_level_name(tbk_proof_level level);

#endif
