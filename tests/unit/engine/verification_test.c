/* SPDX-License-Identifier: MIT */
/* Proof: a set that was really made, then harmed in one place at a time. */
#include "unit/engine/backup_fixture.h"

#include "base/file.h"
#include "engine/verification.h"

#include <fcntl.h>
#include <sys/stat.h>

typedef struct fixture {
    char folder[64];
    const char *scratch;
    tbk_arena *arena;
    tbk_backup_result result;
    tbk_manifest manifest; /* may be changed by the test */
    tbk_proof proof;
    tbk_error err;
} fixture;

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    make_scratch(self->folder);
    self->arena = tbk_arena_new();
    const char *database = tbk_arena_format(self->arena, "%s/t.db", self->folder);
    self->scratch = tbk_arena_format(self->arena, "%s/scratch", self->folder);
    if (mkdir(self->scratch, 0700) != 0)
        return -1;
    make_torrents(database, 3000, "1");
    const tbk_engine_config config =
        sqlite_config(database, tbk_arena_format(self->arena, "%s/store", self->folder));
    const tbk_backup_request request = {
        .config = &config, .run_id = "run", .create_store = true, .now_s = START_S};
    assert_succeeds(tbk_backup_run(self->arena, &request, NULL, &self->result, &self->err),
                    self->err);
    self->manifest = *self->result.manifest;
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    bool removed = remove_scratch(self->folder);
    tbk_arena_free(self->arena);
    free(self);
    return removed ? 0 : -1;
}

static bool prove(fixture *self, tbk_proof_level level)
{
    tbk_database database = tbk_database_sqlite(self->arena, NULL);
    tbk_auto(tbk_set) *set = NULL;
    if (!tbk_set_open(self->result.path, &set, &self->err))
        return false;
    const tbk_prove_request request = {.set = set,
                                       .manifest = &self->manifest,
                                       .level = level,
                                       .database = &database,
                                       .scratch = self->scratch,
                                       .now_s = 1771264700};
    return tbk_prove_set(self->arena, &request, &self->proof, &self->err);
}

static const char *in_set(fixture *self, const char *name)
{
    return tbk_arena_format(self->arena, "%s/%s", self->result.path, name);
}

static void flip_byte(const char *path, off_t at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (unsigned char)(byte ^ 1);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

static off_t size_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void assert_refuted(fixture *self, tbk_proof_level level, const char *part)
{
    assert_succeeds(prove(self, level), self->err);
    assert_false(self->proof.ok);
    if (strstr(self->proof.reason, part) == NULL)
        fail_msg("the reason is \"%s\"", self->proof.reason);
}

static void a_good_set_is_proved(void **state)
{
    fixture *self = *state;
    assert_succeeds(prove(self, TBK_PROOF_CHECKSUMS), self->err);
    assert_true(self->proof.ok);
    assert_null(self->proof.reason);
    assert_int_equal(self->proof.table_count, 0);
    assert_succeeds(prove(self, TBK_PROOF_RESTORED), self->err);
    assert_true(self->proof.ok);
    assert_int_equal(self->proof.level, TBK_PROOF_RESTORED);
    assert_string_equal(self->proof.at, "2026-02-16T17:58:20Z");
    assert_int_equal(self->proof.tables[0].rows, 3000);
    assert_int_equal(rmdir(self->scratch), 0); /* nothing is left in it */
}

/* One bit anywhere in a stored file: in a frame's head, its data, the seek table at the end. */
static void every_flipped_bit_is_found(void **state)
{
    fixture *self = *state;
    const char *path = in_set(self, TBK_SET_DATABASE_FILE);
    off_t size = size_of(path);
    const off_t places[] = {0, 5, size / 3, size / 2, size - 30, size - 9, size - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        flip_byte(path, places[i]);
        assert_refuted(self, TBK_PROOF_CHECKSUMS, TBK_SET_DATABASE_FILE);
        flip_byte(path, places[i]);
    }
    assert_succeeds(prove(self, TBK_PROOF_CHECKSUMS), self->err);
    assert_true(self->proof.ok);
}

static void a_cut_file_is_found(void **state)
{
    fixture *self = *state;
    const char *path = in_set(self, TBK_SET_DATABASE_FILE);
    assert_int_equal(truncate(path, size_of(path) / 2), 0);
    assert_refuted(self, TBK_PROOF_RESTORED, TBK_SET_DATABASE_FILE);
}

/* With all sums right: who can write the stored file can write the manifest. */
static void a_file_that_unpacks_to_more_than_its_manifest_says_is_refuted(void **state)
{
    fixture *self = *state;
    tbk_set_file *file = &self->manifest.files[0];
    const char *path = in_set(self, TBK_SET_DATABASE_FILE);
    assert_int_equal(system(tbk_arena_format(
                         self->arena, "head -c 50000000 /dev/zero | zstd -q -f -o '%s'", path)),
                     0);
    file->stored_bytes = (uint64_t)size_of(path);
    assert_refuted(self, TBK_PROOF_RESTORED, "unpacks to more than");
    assert_int_equal(rmdir(self->scratch), 0); /* nothing is left in it */
}

static void missing_files_are_found(void **state)
{
    fixture *self = *state;
    static const char *const names[] = {TBK_SET_MANIFEST_FILE, TBK_SET_SUMS_FILE,
                                        TBK_SET_DATABASE_FILE};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(unlink(in_set(self, names[i])), 0);
        assert_refuted(self, TBK_PROOF_CHECKSUMS, names[i]);
    }
}

static void sums_and_manifest_must_agree(void **state)
{
    fixture *self = *state;
    flip_byte(in_set(self, TBK_SET_SUMS_FILE), 3);
    assert_refuted(self, TBK_PROOF_CHECKSUMS, "is not what SHA256SUMS says");
}

static void a_changed_manifest_is_found(void **state)
{
    fixture *self = *state;
    flip_byte(in_set(self, TBK_SET_MANIFEST_FILE), 20);
    assert_refuted(self, TBK_PROOF_CHECKSUMS, TBK_SET_MANIFEST_FILE);
}

static void the_raw_side_counts_too(void **state)
{
    fixture *self = *state;
    self->manifest.files[0].raw.hex[0] ^= 1;
    assert_refuted(self, TBK_PROOF_CHECKSUMS, "does not unpack to what was captured");
}

static void header_and_schema_must_be_those_that_were_captured(void **state)
{
    fixture *self = *state;
    self->manifest.sqlite.change_counter++;
    assert_refuted(self, TBK_PROOF_RESTORED, "header");
    self->manifest.sqlite.change_counter--;
    self->manifest.sqlite.schema.hex[0] ^= 1;
    assert_refuted(self, TBK_PROOF_RESTORED, "schema");
}

static void a_set_without_database_proves_nothing(void **state)
{
    fixture *self = *state;
    self->manifest.file_count = 0;
    assert_refuted(self, TBK_PROOF_CHECKSUMS, "names no database");
}

/* That the proof cannot be carried out says nothing about the set. */
static void a_scratch_folder_that_is_not_there_is_an_error(void **state)
{
    fixture *self = *state;
    assert_int_equal(rmdir(self->scratch), 0);
    assert_fails(prove(self, TBK_PROOF_RESTORED), self->err, TBK_E_IO, "scratch");
}

/* What others could put where it is unpacked: journals have a meaning for SQLite. */
static void what_lies_in_the_scratch_folder_has_no_part_in_it(void **state)
{
    fixture *self = *state;
    tbk_error err;
    static const char *const NAMES[] = {"proof.db", "proof.db-journal", "proof.db-wal"};
    for (size_t i = 0; i < 3; i++) {
        const char *path = tbk_arena_format(self->arena, "%s/%s", self->scratch, NAMES[i]);
        assert_succeeds(tbk_file_publish(path, "theirs", 6, 0600, &err), err);
    }
    assert_succeeds(prove(self, TBK_PROOF_RESTORED), self->err);
    assert_true(self->proof.ok);
    for (size_t i = 0; i < 3; i++) {
        const char *path = tbk_arena_format(self->arena, "%s/%s", self->scratch, NAMES[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(self->scratch), 0); /* nothing else was left in it */
}

static void a_link_in_a_set_is_no_file_of_it(void **state)
{
    fixture *self = *state;
    const char *file = in_set(self, TBK_SET_DATABASE_FILE), *moved = in_set(self, "moved");
    assert_int_equal(rename(file, moved), 0);
    assert_int_equal(symlink(moved, file), 0);
    assert_refuted(self, TBK_PROOF_CHECKSUMS, "is not a regular file");
}

static fixture *shared; /* with a child in which the kernel refuses a call */

static bool proof_is_not_carried_out(void)
{
    return !prove(shared, TBK_PROOF_CHECKSUMS) && shared->err.code == TBK_E_IO;
}

/* Too many open files, a disk that does not read: nothing is known of the set then. */
static void what_cannot_be_opened_or_read_refutes_nothing(void **state)
{
    shared = *state;
    const uint32_t flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY;
    assert_true(holds_when_refused(&(refused_call){SYS_openat, 2, flags, EMFILE},
                                   proof_is_not_carried_out));
    assert_true(holds_when_refused(&(refused_call){SYS_openat, 2, flags, EACCES},
                                   proof_is_not_carried_out));
    assert_true(
        holds_when_refused(&(refused_call){SYS_read, 2, 16 * 1024, EIO}, proof_is_not_carried_out));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_good_set_is_proved),
        CASE(every_flipped_bit_is_found),
        CASE(a_cut_file_is_found),
        CASE(a_file_that_unpacks_to_more_than_its_manifest_says_is_refuted),
        CASE(missing_files_are_found),
        CASE(sums_and_manifest_must_agree),
        CASE(a_changed_manifest_is_found),
        CASE(the_raw_side_counts_too),
        CASE(header_and_schema_must_be_those_that_were_captured),
        CASE(a_set_without_database_proves_nothing),
        CASE(a_scratch_folder_that_is_not_there_is_an_error),
        CASE(what_lies_in_the_scratch_folder_has_no_part_in_it),
        CASE(a_link_in_a_set_is_no_file_of_it),
        CASE(what_cannot_be_opened_or_read_refutes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
