/* SPDX-License-Identifier: MIT */
/* Manifests and proofs from bytes: refused, or read and written again as the same. */
#include "fuzz/fuzz.h"

#include "domain/manifest.h"
#include "domain/proof.h"

static void check_manifest(tbk_arena *arena, const tbk_value *value)
{
    tbk_error err = {0};
    tbk_manifest manifest = {0};
    if (!tbk_manifest_read(arena, value, &manifest, &err)) {
        must(err.code == TBK_E_CORRUPT || err.code == TBK_E_UNSUPPORTED);
        return;
    }
    must(manifest.file_count <= TBK_MANIFEST_FILES_MAX);
    must(manifest.phase_count <= TBK_MANIFEST_PHASES_MAX);
    tbk_manifest again = {0};
    tbk_auto_text first = {0};
    tbk_auto_text second = {0};
    const tbk_value *written = tbk_manifest_to_value(arena, &manifest);
    tbk_json_write(&first, written, true);
    must(tbk_manifest_read(arena, written, &again, &err));
    tbk_json_write(&second, tbk_manifest_to_value(arena, &again), true);
    must(strcmp(first.bytes, second.bytes) == 0);
}

static void check_proof(tbk_arena *arena, const tbk_value *value)
{
    tbk_error err = {0};
    tbk_proof proof = {0};
    tbk_proof again = {0};
    if (!tbk_proof_read(arena, value, &proof, &err))
        return;
    tbk_auto_text first = {0};
    tbk_auto_text second = {0};
    const tbk_value *written = tbk_proof_to_value(arena, &proof);
    tbk_json_write(&first, written, true);
    must(tbk_proof_read(arena, written, &again, &err));
    tbk_json_write(&second, tbk_proof_to_value(arena, &again), true);
    must(strcmp(first.bytes, second.bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err = {0};
    const tbk_value *value = NULL;
    if (!tbk_json_parse(arena, (const char *)data, size, "manifest.json", &value, &err))
        return 0;
    check_manifest(arena, value);
    check_proof(arena, value);
    return 0;
}
