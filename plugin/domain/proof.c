/* SPDX-License-Identifier: MIT */
/* Proofs: to JSON values and back. */
#include "domain/proof.h"

#include "domain/document.h"

static const char *const levels[] = {
    [TBK_PROOF_NONE] = "none",
    [TBK_PROOF_CHECKSUMS] = "checksums",
    [TBK_PROOF_RESTORED] = "restored",
};

const tbk_names tbk_proof_level_names = {.what = "level of proof",
                                         TBK_NAMES_LIST(levels),
                                         .fix = "write checksums or restored",
                                         .code = TBK_E_USAGE};

TBK_NAMES_NAME(tbk_proof_level, tbk_proof_level, tbk_proof_level_names)

static const char *const offsite_levels[] = {
    [TBK_PROOF_NONE] = "offsite",
    [TBK_PROOF_CHECKSUMS] = "offsite-checksums",
    [TBK_PROOF_RESTORED] = "offsite-restored",
};

const tbk_names tbk_offsite_level_names = {.what = "level of proof off-site",
                                           TBK_NAMES_LIST(offsite_levels)};

TBK_NAMES_NAME(tbk_proof_level, tbk_offsite_level, tbk_offsite_level_names)

static const char *const boot_states[] = {
    [TBK_BOOT_NONE] = "none",
    [TBK_BOOT_PASSED] = "passed",
    [TBK_BOOT_FAILED] = "failed",
    [TBK_BOOT_SKIPPED] = "skipped",
};

const tbk_names tbk_boot_state_names = {
    .what = "state", TBK_NAMES_LIST(boot_states), .fix = NULL, .code = TBK_E_CORRUPT};

TBK_NAMES_NAME(tbk_boot_state, tbk_boot_state, tbk_boot_state_names)

#define AT(member) TBK_AT(tbk_proof, member)

static const tbk_field fields[] = {
    {"schema", TBK_FIELD_VERSION, .most = TBK_PROOF_SCHEMA},
    {"level", TBK_FIELD_NAME, AT(level), .names = &tbk_proof_level_names},
    {"at", TBK_FIELD_TEXT, AT(at)},
    {"ok", TBK_FIELD_BOOL, AT(ok)},
    {"reason", TBK_FIELD_TEXT, AT(reason), .need = TBK_FIELD_OPTIONAL},
    {"rows", TBK_FIELD_ROWS, TBK_AT_LIST(tbk_proof, tables, table_count), .most = INT64_MAX},
    {"booted.state", TBK_FIELD_NAME, AT(booted.state), .names = &tbk_boot_state_names,
     .need = TBK_FIELD_OMITTED},
    {"booted.at", TBK_FIELD_TEXT, AT(booted.at), .need = TBK_FIELD_OMITTED},
    {"booted.detail", TBK_FIELD_TEXT, AT(booted.detail), .need = TBK_FIELD_OMITTED},
    {.kind = TBK_FIELD_END},
};

tbk_value *tbk_proof_to_value(tbk_arena *arena, const tbk_proof *proof)
{
    return tbk_fields_to_value(arena, fields, proof);
}

bool tbk_proof_read(tbk_arena *arena, const tbk_value *value, tbk_proof *out, tbk_error *err)
{
    tbk_proof read = {0};
    if (!tbk_fields_read(arena, value, fields, &read, err))
        return tbk_document_damaged("the proof", err);
    *out = read;
    return true;
}
