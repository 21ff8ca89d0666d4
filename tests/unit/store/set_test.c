/* SPDX-License-Identifier: MIT */
/* One set: only its own names, nothing followed, and still the same one when its name is taken. */
#include "unit/scratch.h"

#include "base/file.h"
#include "store/set.h"

#define NOW INT64_C(1771264603) /* 20260216T175643Z */
#define SUM "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7" /* of "data" */

static tbk_arena *arena;
static tbk_store *store;
static tbk_set *set; /* that is being made */
static const char *id;

static int set_up(void **state)
{
    tbk_error err;
    (void)state;
    arena = tbk_arena_new();
    if (shell("rm -rf ./* && mkdir -m 0750 sets") != 0 ||
        !tbk_store_open("sets", TBK_STORE_WRITE, &store, &err) ||
        !tbk_store_begin(store, arena, NOW, &id, &set, &err))
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tbk_set_close(set);
    tbk_store_close(store);
    tbk_arena_free(arena);
    return 0;
}

static void put(const char *name)
{
    tbk_error err;
    int fd = -1;
    assert_succeeds(tbk_set_create_file(set, name, &fd, &err), err);
    assert_int_equal(write(fd, "data", 4), 4);
    (void)close(fd);
}

static const tbk_manifest *describe(void)
{
    static tbk_manifest manifest;
    tbk_error err;
    manifest = (tbk_manifest){.id = id,
                              .run_id = "run-1",
                              .engine_version = "0.1.0",
                              .sqlite_version = "3.40.1",
                              .zstd_version = "1.5.4",
                              .driver = TBK_DRIVER_SQLITE,
                              .method = "hot",
                              .method_reason = "",
                              .sqlite = {.page_size_bytes = 4096, .pages = 1},
                              .files = {{.name = TBK_SET_DATABASE_FILE,
                                         .stored_bytes = 4,
                                         .raw_bytes = 4,
                                         .stored = {SUM},
                                         .raw = {SUM}}},
                              .file_count = 1};
    assert_succeeds(tbk_set_write_manifest(set, arena, &manifest, &err), err);
    return &manifest;
}

static void what_is_written_is_read_and_its_sums_are_right(void **state)
{
    tbk_error err;
    tbk_manifest manifest;
    tbk_proof proof = {.level = TBK_PROOF_CHECKSUMS, .at = "2026-02-16T17:56:43Z", .ok = true};
    (void)state;
    put(TBK_SET_DATABASE_FILE);
    (void)describe();
    assert_succeeds(tbk_set_write_proof(set, arena, &proof, &err), err);
    assert_succeeds(tbk_set_read_manifest(set, arena, &manifest, &err), err);
    assert_string_equal(manifest.id, id);
    proof.level = TBK_PROOF_NONE;
    assert_succeeds(tbk_set_read_proof(set, arena, &proof, &err), err);
    assert_int_equal(proof.level, TBK_PROOF_CHECKSUMS);
    assert_int_equal(shell("cd sets/.*.new && sha256sum --quiet -c SHA256SUMS && "
                           "[ $(ls | wc -l) = 4 ]"),
                     0);
}

static void other_names_are_refused(void **state)
{
    static const char *const NAMES[] = {"", ".", "..", "../x", "a.txt", "manifest.json~", "/etc/x"};
    tbk_error err;
    int fd = -1;
    char *bytes;
    size_t length;
    (void)state;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        assert_fails(tbk_set_create_file(set, NAMES[i], &fd, &err), err, TBK_E_FAILED, "no file");
        assert_fails(tbk_set_open_file(set, NAMES[i], &fd, &err), err, TBK_E_FAILED, "no file");
        assert_fails(tbk_set_remove_file(set, NAMES[i], &err), err, TBK_E_FAILED, "no file");
        assert_fails(tbk_set_read_file(set, arena, NAMES[i], 10, &bytes, &length, &err), err,
                     TBK_E_FAILED, "no file");
    }
}

static void a_file_is_made_once_and_can_be_removed(void **state)
{
    tbk_error err;
    int fd = -1;
    (void)state;
    assert_succeeds(tbk_set_remove_file(set, TBK_SET_DUMP_FILE, &err), err);
    put(TBK_SET_DUMP_FILE);
    assert_fails(tbk_set_create_file(set, TBK_SET_DUMP_FILE, &fd, &err), err, TBK_E_IO,
                 TBK_SET_DUMP_FILE);
    assert_succeeds(tbk_set_remove_file(set, TBK_SET_DUMP_FILE, &err), err);
    put(TBK_SET_DUMP_FILE);
}

/* Another user's links are refused. */
static void nothing_is_followed(void **state)
{
    tbk_error err;
    int fd = -1;
    const tbk_proof proof = {.level = TBK_PROOF_CHECKSUMS, .at = "2026-02-16T17:56:43Z"};
    (void)state;
    assert_int_equal(shell("echo theirs >theirs && cd sets/.*.new && for name in database.db.zst "
                           "proof.json; do ln -s ../../theirs $name; done"),
                     0);
    assert_fails(tbk_set_create_file(set, TBK_SET_DATABASE_FILE, &fd, &err), err, TBK_E_IO,
                 "cannot make");
    assert_fails(tbk_set_open_file(set, TBK_SET_DATABASE_FILE, &fd, &err), err, TBK_E_CONFIG,
                 "not a regular file");
    assert_succeeds(tbk_set_write_proof(set, arena, &proof, &err), err);
    assert_int_equal(shell("grep -qx theirs theirs && [ ! -L sets/.*.new/proof.json ]"), 0);
    assert_int_equal(shell("ln -s sets link"), 0);
    tbk_set *linked = NULL;
    assert_fails(tbk_set_open("link", &linked, &err), err, TBK_E_IO, "cannot open the set");
    assert_fails(tbk_set_open("nowhere", &linked, &err), err, TBK_E_NOT_FOUND, "nowhere");
}

static void a_published_set_gets_no_files_but_its_proof(void **state)
{
    tbk_error err;
    int fd = -1;
    tbk_set *published = NULL;
    const tbk_proof proof = {.level = TBK_PROOF_CHECKSUMS, .at = "2026-02-16T17:56:43Z"};
    (void)state;
    put(TBK_SET_DATABASE_FILE);
    const tbk_manifest *manifest = describe();
    assert_succeeds(
        tbk_store_publish(store, id, &err) && tbk_store_open_set(store, id, &published, &err), err);
    assert_fails(tbk_set_create_file(published, TBK_SET_CONFIG_FILE, &fd, &err), err, TBK_E_FAILED,
                 "published already");
    assert_fails(tbk_set_remove_file(published, TBK_SET_DATABASE_FILE, &err), err, TBK_E_FAILED,
                 "published already");
    assert_fails(tbk_set_write_manifest(published, arena, manifest, &err), err, TBK_E_FAILED,
                 "published already");
    assert_succeeds(tbk_set_write_proof(published, arena, &proof, &err), err);
    tbk_set_close(published);
}

static void it_is_the_same_set_whatever_becomes_of_its_name(void **state)
{
    tbk_error err;
    tbk_set *published = NULL;
    char *bytes = NULL;
    size_t length = 0;
    (void)state;
    put(TBK_SET_DATABASE_FILE);
    (void)describe();
    assert_succeeds(
        tbk_store_publish(store, id, &err) && tbk_store_open_set(store, id, &published, &err), err);
    assert_true(tbk_store_has(store, id));
    assert_int_equal(shell("cd sets && mv 2* moved && mkdir 20260216T175643Z && "
                           "echo other >20260216T175643Z/database.db.zst"),
                     0);
    assert_succeeds(
        tbk_set_read_file(published, arena, TBK_SET_DATABASE_FILE, 100, &bytes, &length, &err),
        err);
    assert_string_equal(bytes, "data");
    assert_fails(
        tbk_set_read_file(published, arena, TBK_SET_DATABASE_FILE, 3, &bytes, &length, &err), err,
        TBK_E_CONFIG, "larger than 3 bytes");
    tbk_set_close(published);
    assert_int_equal(shell("rm -rf sets/2*"), 0);
    assert_false(tbk_store_has(store, id));
    assert_fails(tbk_store_open_set(store, id, &published, &err), err, TBK_E_NOT_FOUND, id);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_is_written_is_read_and_its_sums_are_right),
        CASE(other_names_are_refused),
        CASE(a_file_is_made_once_and_can_be_removed),
        CASE(nothing_is_followed),
        CASE(a_published_set_gets_no_files_but_its_proof),
        CASE(it_is_the_same_set_whatever_becomes_of_its_name),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
