/* SPDX-License-Identifier: MIT */
/*
 * Manifests and proofs are written as ever, byte by byte, and what earlier versions wrote is read:
 * formats/ has documents with every field, and what is said of each when one value is spoiled.
 */
#include "unit/golden.h"

#include "base/digest.h"
#include "domain/manifest.h"
#include "domain/proof.h"

#define FORMATS TBK_SOURCE_DIR "/tests/unit/domain/formats/"
#define SUM_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SUM_B "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SUM_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define SUM_D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define SUM_E "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

static const char *missing_paths[] = {"storage/caddy/data", "we\"ird", NULL};
static const tbk_selected_table selected[] = {{"keys", "all", 2, 0},
                                              {"torrents", "completed > 0", 31, 969}};
static const tbk_table_facts dumped[] = {
    {"keys", 0, "0000000000000000", NULL},
    {"torrents", 161454700, "0123456789abcdef", "18446744073709551615"}};

static const tbk_manifest full_sqlite = {
    .id = "20260216T175643Z",
    .run_id = "20260216T175640Z-1234",
    .environment = "demo",
    .engine_version = "0.1.0",
    .sqlite_version = "3.46.1",
    .zstd_version = "1.5.7",
    .driver = TBK_DRIVER_SQLITE,
    .location = "/srv/tracker/t.db",
    .method = "pause",
    .method_reason = "not 'hot': why",
    .tracker_was_stopped = true,
    .held_ms = 1234,
    .sqlite = {.size_bytes = 17000000000,
               .page_size_bytes = 4096,
               .pages = 4150391,
               .free_pages = 391,
               .change_counter = 4294967295,
               .wal = true,
               .schema = {SUM_A}},
    .files = {{.name = TBK_SET_DATABASE_FILE,
               .stored_bytes = 5,
               .raw_bytes = 17000000001,
               .stored = {SUM_B},
               .raw = {SUM_C}},
              {.name = TBK_SET_CONFIG_FILE,
               .stored_bytes = 6,
               .raw_bytes = 7,
               .stored = {SUM_D},
               .raw = {SUM_E}}},
    .file_count = 2,
    .phases = {{"copy", 1200}, {"compress", 0}},
    .phase_count = 2,
    .config_missing = missing_paths,
};

static tbk_manifest essential_mysql(void)
{
    tbk_manifest manifest = full_sqlite;
    manifest.driver = TBK_DRIVER_MYSQL;
    manifest.profile = TBK_PROFILE_ESSENTIAL;
    manifest.selection = selected;
    manifest.selection_count = 2;
    manifest.method = "snapshot";
    manifest.tracker_was_stopped = false;
    manifest.sqlite = (tbk_sqlite_facts){0};
    manifest.mysql = (tbk_mysql_facts){.server = "MySQL",
                                       .version = "9.4.0",
                                       .collation = "utf8mb4_0900_ai_ci",
                                       .size_bytes = 5000000000,
                                       .sessions = 4,
                                       .schema = {SUM_B},
                                       .tables = dumped,
                                       .table_count = 2,
                                       .views = 1,
                                       .triggers = 2,
                                       .routines = 3,
                                       .events = 5,
                                       .missing = "the text of the function 'f'"};
    manifest.files[0].name = TBK_SET_DUMP_FILE;
    return manifest;
}

/* By hand, and as little as can be known. */
static tbk_manifest bare(tbk_driver driver)
{
    tbk_manifest manifest = driver == TBK_DRIVER_MYSQL ? essential_mysql() : full_sqlite;
    manifest.environment = NULL;
    manifest.location = NULL;
    manifest.method_reason = "";
    manifest.profile = TBK_PROFILE_FULL;
    manifest.selection_count = 0;
    manifest.sqlite.free_pages = -1;
    manifest.sqlite.wal = false;
    manifest.sqlite.schema = (tbk_digest){0};
    manifest.mysql.schema = (tbk_digest){0};
    manifest.mysql.table_count = 0;
    manifest.mysql.missing = NULL;
    manifest.file_count = 0;
    manifest.phase_count = 0;
    manifest.config_missing = NULL;
    return manifest;
}

static void check_written(tbk_arena *arena, const char *name, const tbk_value *value)
{
    tbk_auto_text text = {0};
    tbk_json_write(&text, value, true);
    assert_golden(tbk_arena_format(arena, FORMATS "%s", name), tbk_text_string(&text));
}

static void manifests_are_written_and_read_as_ever(void **state)
{
    (void)state;
    const struct {
        const char *name;
        tbk_manifest manifest;
    } cases[] = {{"manifest-sqlite.json", full_sqlite},
                 {"manifest-mysql.json", essential_mysql()},
                 {"manifest-bare-sqlite.json", bare(TBK_DRIVER_SQLITE)},
                 {"manifest-bare-mysql.json", bare(TBK_DRIVER_MYSQL)}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_manifest read;
        tbk_error err;
        check_written(arena, cases[i].name, tbk_manifest_to_value(arena, &cases[i].manifest));
        assert_succeeds(
            tbk_manifest_read(arena, golden_document(arena, FORMATS, cases[i].name), &read, &err),
            err);
        check_written(arena, cases[i].name, tbk_manifest_to_value(arena, &read));
    }
}

static const tbk_table_rows counted[] = {{"torrents", 161454700}, {"we.ird \"name\"", 0}};

static void proofs_are_written_and_read_as_ever(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        tbk_proof proof;
    } cases[] = {{"proof.json",
                  {.level = TBK_PROOF_RESTORED,
                   .at = "2026-02-16T17:56:43Z",
                   .ok = true,
                   .tables = counted,
                   .table_count = 2}},
                 {"proof-booted.json",
                  {.level = TBK_PROOF_RESTORED,
                   .at = "2026-02-16T17:56:43Z",
                   .ok = true,
                   .booted = {TBK_BOOT_PASSED, "2026-02-16T17:56:50Z", "healthy after 0.5 s"}}},
                 {"proof-failed.json",
                  {.level = TBK_PROOF_CHECKSUMS,
                   .at = "2026-02-16T17:56:44Z",
                   .reason = "'database.db.zst' has changed"}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_proof read;
        tbk_error err;
        check_written(arena, cases[i].name, tbk_proof_to_value(arena, &cases[i].proof));
        assert_succeeds(
            tbk_proof_read(arena, golden_document(arena, FORMATS, cases[i].name), &read, &err),
            err);
        check_written(arena, cases[i].name, tbk_proof_to_value(arena, &read));
    }
}

/* --- what is said of one that is spoiled --- */

static void say(tbk_text *out, bool ok, const tbk_value *written, const tbk_error *err)
{
    tbk_auto_text text = {0};
    tbk_digest digest;
    if (!ok) {
        tbk_text_format(out, " %s: %s%s%s\n", tbk_error_name(err->code), err->message,
                        err->fix[0] != '\0' ? "; fix: " : "", err->fix);
        return;
    }
    tbk_json_write(&text, written, true);
    tbk_digest_of(text.bytes, text.length, &digest);
    tbk_text_format(out, " is read as %.8s\n", digest.hex);
}

static void say_manifest(tbk_arena *arena, const tbk_value *document, tbk_text *out)
{
    tbk_manifest read = {0};
    tbk_error err = {0};
    bool ok = tbk_manifest_read(arena, document, &read, &err);
    say(out, ok, ok ? tbk_manifest_to_value(arena, &read) : NULL, &err);
}

static void say_proof(tbk_arena *arena, const tbk_value *document, tbk_text *out)
{
    tbk_proof read = {0};
    tbk_error err = {0};
    bool ok = tbk_proof_read(arena, document, &read, &err);
    say(out, ok, ok ? tbk_proof_to_value(arena, &read) : NULL, &err);
}

static void spoiled_documents_are_refused_as_ever(void **state)
{
    (void)state;
    static const struct {
        const char *document, *said;
        spoiled_fn *say;
    } cases[] = {{"manifest-sqlite.json", "spoiled-sqlite.txt", say_manifest},
                 {"manifest-mysql.json", "spoiled-mysql.txt", say_manifest},
                 {"proof.json", "spoiled-proof.txt", say_proof}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_auto_text said = {0};
        const tbk_value *document = golden_document(arena, FORMATS, cases[i].document);
        spoil_each(arena, document, (tbk_value *)(uintptr_t)document, "", cases[i].say, &said);
        assert_golden(tbk_arena_format(arena, FORMATS "%s", cases[i].said), tbk_text_string(&said));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifests_are_written_and_read_as_ever),
        cmocka_unit_test(proofs_are_written_and_read_as_ever),
        cmocka_unit_test(spoiled_documents_are_refused_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
