/* SPDX-License-Identifier: MIT */
/* Proofs: what is written is read back whole; what is damaged is refused. */
#include "unit/domain/documents.h"

#include "domain/proof.h"

static const tbk_table_rows rows[] = {{"torrents", 161454700}, {"we.ird \"name\"", 0}};

static void proof_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const tbk_proof cases[] = {
        {.level = TBK_PROOF_RESTORED,
         .at = "2026-02-16T17:56:43Z",
         .ok = true,
         .tables = rows,
         .table_count = 2,
         .booted = {TBK_BOOT_PASSED, "2026-02-16T17:56:43Z", "healthy after 0.5 s"}},
        {.level = TBK_PROOF_CHECKSUMS,
         .at = "2026-02-16T17:56:43Z",
         .reason = "'database.db.zst' has changed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_proof read;
        tbk_error err;
        assert_succeeds(tbk_proof_read(arena,
                                       as_written(arena, tbk_proof_to_value(arena, &cases[i])),
                                       &read, &err),
                        err);
        assert_int_equal(read.level, cases[i].level);
        assert_string_equal(read.at, cases[i].at);
        assert_int_equal(read.ok, cases[i].ok);
        assert_true(read.ok == (read.reason == NULL));
        assert_int_equal(read.booted.state, cases[i].booted.state);
        assert_int_equal(read.booted.at != NULL, cases[i].booted.at != NULL);
        assert_int_equal(read.booted.detail != NULL, cases[i].booted.detail != NULL);
        assert_int_equal(read.table_count, cases[i].table_count);
        for (size_t table = 0; table < read.table_count; table++) {
            assert_string_equal(read.tables[table].table, rows[table].table);
            assert_int_equal(read.tables[table].rows, rows[table].rows);
        }
    }
}

static void levels_have_a_name_of_their_own_off_site(void **state)
{
    (void)state;
    assert_string_equal(tbk_offsite_level_name(TBK_PROOF_NONE), "offsite");
    assert_string_equal(tbk_offsite_level_name(TBK_PROOF_CHECKSUMS), "offsite-checksums");
    assert_string_equal(tbk_offsite_level_name(TBK_PROOF_RESTORED), "offsite-restored");
}

static void damaged_proof_is_refused(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"schema", "null", "'schema' is missing"},
        {"schema", "0", "'schema' is not a version"},
        {"level", "null", "'level' is missing"},
        {"level", "\"felt\"", "the level of proof 'felt' is unknown"},
        {"at", "5", "'at' must be text"},
        {"ok", "null", "'ok' is missing"},
        {"reason", "5", "'reason' must be text"},
        {"rows", "[]", "'rows' must be a map"},
        {"rows", "{\"a\":\"1\"}", "'rows' holds something that is no count"},
        {"booted", "{\"state\":\"flew\"}", "the state 'flew' is unknown"},
        {"rows", "{\"a\":-1}", "'rows' holds something that is no count"},
    };
    static const tbk_proof proof = {.level = TBK_PROOF_RESTORED,
                                    .at = "2026-02-16T17:56:43Z",
                                    .ok = true,
                                    .tables = rows,
                                    .table_count = 2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_value *value = as_written(arena, tbk_proof_to_value(arena, &proof));
        tbk_proof read;
        tbk_error err;
        put(arena, value, cases[i].path, cases[i].json);
        assert_fails(tbk_proof_read(arena, value, &read, &err), err, TBK_E_CORRUPT,
                     cases[i].message);
    }
}

static void levels_are_read_as_they_are_written(void **state)
{
    (void)state;
    tbk_error err;
    unsigned read = TBK_PROOF_NONE;
    for (tbk_proof_level level = TBK_PROOF_NONE; level <= TBK_PROOF_RESTORED; level++) {
        const char *name = tbk_proof_level_name(level);
        assert_succeeds(tbk_names_parse(&tbk_proof_level_names, name, &read, &err), err);
        assert_int_equal(read, level);
    }
    assert_fails(tbk_names_parse(&tbk_proof_level_names, "felt", &read, &err), err, TBK_E_USAGE,
                 "'felt' is unknown");
}

static void states_of_a_boot_have_names(void **state)
{
    (void)state;
    assert_string_equal(tbk_boot_state_name(TBK_BOOT_NONE), "none");
    assert_string_equal(tbk_boot_state_name(TBK_BOOT_SKIPPED), "skipped");
}

static void newer_proofs_are_not_read(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_proof proof;
    tbk_error err;
    const tbk_value *newer = json_of(arena, "{\"schema\":2}");
    assert_fails(tbk_proof_read(arena, newer, &proof, &err), err, TBK_E_UNSUPPORTED,
                 "the proof: it has schema version 2; this version reads 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proof_is_read_as_it_was_written),
        cmocka_unit_test(levels_have_a_name_of_their_own_off_site),
        cmocka_unit_test(damaged_proof_is_refused),
        cmocka_unit_test(newer_proofs_are_not_read),
        cmocka_unit_test(states_of_a_boot_have_names),
        cmocka_unit_test(levels_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
