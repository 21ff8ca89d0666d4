/* SPDX-License-Identifier: MIT */
/* Restores of sets that were really made, into the database that they are of; only the tracker's
 * holder is played by the test. */
#include "unit/engine/backup_fixture.h"
#include "unit/scratch.h"

#include "database/sqlite/sqlite.h"
#include "engine/restoration.h"

#include <glob.h>

#define KEPT "tracker.db.before-restore-20260217T175643Z"

typedef struct fixture {
    tbk_arena *arena;
    tbk_engine_config config;
    holder holder;
    tbk_hold hold;
    tbk_restore_request request;
    tbk_restore_result result;
    tbk_error err;
} fixture;

static int64_t rows(const char *path)
{
    return integer_unchanged(path, "SELECT count(*) FROM torrents");
}

/* A set with 500 rows, after which the database got 100 more. */
static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    tbk_backup_result backup;
    assert_int_equal(shell("rm -rf ./*"), 0);
    make_torrents("tracker.db", 500, "1");
    assert_int_equal(chmod("tracker.db", 0664), 0);
    self->arena = tbk_arena_new();
    self->config = sqlite_config(tbk_arena_format(self->arena, "%s/tracker.db", folder),
                                 tbk_arena_format(self->arena, "%s/store", folder));
    const tbk_backup_request request = {
        .config = &self->config, .run_id = "run", .create_store = true, .now_s = START_S};
    assert_succeeds(tbk_backup_run(self->arena, &request, NULL, &backup, &self->err), self->err);
    execute("tracker.db", "INSERT INTO torrents (completed) SELECT 2 FROM torrents LIMIT 100");
    self->hold = hold_of(&self->holder);
    self->request = (tbk_restore_request){
        .config = &self->config, .hold = &self->hold, .run_id = "run-2", .now_s = START_S + DAY_S};
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    fixture *self = *state;
    tbk_arena_free(self->arena);
    free(self);
    return 0;
}

static bool restore(fixture *self)
{
    bool restored = tbk_restore_run(self->arena, &self->request, NULL, &self->result, &self->err);
    if (self->holder.holds > 0) /* it never pauses: the tracker must open the other file */
        assert_int_equal(self->holder.kind, TBK_HOLD_STOP);
    return restored;
}

static void assert_untouched(void)
{
    assert_int_equal(rows("tracker.db"), 600);
    assert_int_equal(shell("[ $(ls | wc -l) = 2 ]"), 0); /* it and the store */
}

static void puts_a_set_back_and_keeps_what_was_there(void **state)
{
    fixture *self = *state;
    struct stat status;
    assert_succeeds(restore(self), self->err);
    assert_string_equal(self->result.id, "20260216T175643Z");
    assert_int_equal(rows("tracker.db"), 500);
    assert_int_equal(rows(KEPT), 600);
    assert_int_equal(stat("tracker.db", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0664);
    assert_int_equal(self->result.table_count, 1);
    assert_int_equal(self->result.tables[0].rows, 500);
    assert_non_null(strstr(self->result.kept, KEPT));
    assert_int_equal(self->holder.holds, 1);
    assert_int_equal(self->holder.releases, 1);
    assert_int_equal(
        shell("grep -q '\"set\": \"20260216T175643Z\"' store/.state/last-restore.json"), 0);
    assert_int_equal(shell("[ $(grep -cE '\"(prove|load|held)_ms\": [0-9]+' "
                           "store/.state/last-restore.json) = 3 ]"),
                     0);
}

static void a_dry_run_changes_nothing(void **state)
{
    fixture *self = *state;
    self->request.dry_run = true;
    self->request.hold = NULL;
    assert_succeeds(restore(self), self->err);
    assert_null(self->result.kept);
    assert_int_equal(self->result.tables[0].rows, 500);
    assert_untouched();
}

static void no_hook_to_stop_the_tracker(void **state)
{
    fixture *self = *state;
    self->request.hold = NULL;
    assert_fails(restore(self), self->err, TBK_E_CONFIG, "stops the tracker");
    assert_untouched();
}

static void a_set_that_is_not_there(void **state)
{
    fixture *self = *state;
    self->request.set = "20200101T000000Z";
    assert_fails(restore(self), self->err, TBK_E_NOT_FOUND, "20200101T000000Z");
    assert_int_equal(self->holder.holds, 0);
    assert_untouched();
}

static void a_set_with_a_wrong_byte_is_refused_before_anything_is_held(void **state)
{
    fixture *self = *state;
    assert_int_equal(
        shell("printf wrong | dd of=store/20260216T175643Z/database.db.zst bs=1 seek=90 "
              "conv=notrunc 2>/dev/null"),
        0);
    assert_fails(restore(self), self->err, TBK_E_UNPROVED, "");
    assert_int_equal(self->holder.holds, 0);
    assert_untouched();
}

static void a_refused_hold_leaves_all_as_it_was(void **state)
{
    fixture *self = *state;
    self->holder.refuses_stop = true;
    assert_fails(restore(self), self->err, TBK_E_FAILED, "not today");
    assert_untouched();
}

/* The hook is gone: the tracker may run on what is there now, which is one or the other. */
static void a_lost_hold_is_told(void **state)
{
    fixture *self = *state;
    self->holder.is_lost = true;
    assert_fails(restore(self), self->err, TBK_E_INTERRUPTED, "the hook is gone");
    assert_int_equal(self->holder.releases, 1);
    int64_t found = rows("tracker.db");
    assert_true(found == 500 || found == 600);
}

static void a_tracker_that_does_not_start_gets_its_old_database_back(void **state)
{
    fixture *self = *state;
    self->holder.stays_down_once = true;
    assert_fails(restore(self), self->err, TBK_E_FAILED, "runs on the database of before");
    assert_int_equal(self->holder.releases, 2);
    assert_untouched();
}

static void a_database_that_is_in_use_is_left_alone(void **state)
{
    fixture *self = *state;
    sqlite3 *other;
    assert_int_equal(sqlite3_open("tracker.db", &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_fails(restore(self), self->err, TBK_E_BUSY, "");
    (void)sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    (void)sqlite3_close(other);
    assert_untouched();
}

/* What the log of the old one holds goes with it, and never meets the new one. */
static void the_log_of_the_old_one_is_taken_in(void **state)
{
    fixture *self = *state;
    sqlite3 *other;
    execute("tracker.db", "PRAGMA journal_mode=WAL");
    assert_int_equal(sqlite3_open("tracker.db", &other), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(other, "INSERT INTO torrents (completed) VALUES (3)", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(shell("cp tracker.db-wal w && cp tracker.db d"), 0);
    (void)sqlite3_close(other);
    assert_int_equal(shell("mv d tracker.db && mv w tracker.db-wal"),
                     0); /* as a killed one leaves */
    assert_succeeds(restore(self), self->err);
    assert_int_equal(rows("tracker.db"), 500);
    assert_int_equal(rows(KEPT), 601);
    assert_int_equal(shell("! ls tracker.db-wal tracker.db-journal 2>/dev/null"), 0);
}

/* A damaged database is why one restores. It is kept as it is. */
static void a_damaged_database_is_replaced(void **state)
{
    fixture *self = *state;
    assert_int_equal(shell("printf 'not a database at all' | dd of=tracker.db conv=notrunc "
                           "2>/dev/null; cp tracker.db before"),
                     0);
    assert_succeeds(restore(self), self->err);
    assert_int_equal(rows("tracker.db"), 500);
    assert_int_equal(shell("cmp before " KEPT), 0);
}

static bool is_in_wal_mode(const char *path)
{
    tbk_sqlite_facts facts;
    tbk_error err;
    assert_succeeds(tbk_sqlite_inspect(path, &facts, &err), err);
    return facts.wal;
}

static void a_restored_set_does_not_undo_wal(void **state)
{
    fixture *self = *state;
    execute("tracker.db", "PRAGMA journal_mode=WAL");
    assert_succeeds(restore(self), self->err);
    assert_true(is_in_wal_mode("tracker.db"));
    assert_true(is_in_wal_mode(KEPT));
    execute("tracker.db", "INSERT INTO torrents (completed) VALUES (5)");
    assert_int_equal(rows("tracker.db"), 501);
}

static void a_database_without_wal_stays_so(void **state)
{
    fixture *self = *state;
    assert_succeeds(restore(self), self->err);
    assert_false(is_in_wal_mode("tracker.db"));
}

/* The tracker, or who has broken into it, writes to that folder. */
static void what_stands_beside_the_restored_file_is_not_looked_at(void **state)
{
    fixture *self = *state;
    assert_int_equal(
        shell("echo rubbish | tee tracker.db.restoring-journal >tracker.db.restoring-wal"), 0);
    assert_succeeds(restore(self), self->err);
    assert_int_equal(rows("tracker.db"), 500);
    assert_int_equal(shell("grep -qx rubbish tracker.db.restoring-journal"), 0);
}

static void what_is_kept_is_listed_with_its_size(void **state)
{
    fixture *self = *state;
    tbk_database database = tbk_database_sqlite(self->arena, self->config.database_path);
    const tbk_previous_database *kept;
    size_t count = 1;
    assert_succeeds(database.list_previous(database.self, self->arena, &kept, &count, &self->err),
                    self->err);
    assert_int_equal(count, 0);
    assert_succeeds(restore(self), self->err);
    assert_int_equal(shell("truncate -s 100 " KEPT "-wal && ln -s /etc/passwd "
                           "tracker.db.before-restore-link"),
                     0);
    struct stat status;
    assert_int_equal(stat(KEPT, &status), 0);
    assert_succeeds(database.list_previous(database.self, self->arena, &kept, &count, &self->err),
                    self->err);
    assert_int_equal(count, 1);
    assert_non_null(strstr(kept[0].name, KEPT));
    assert_int_equal(kept[0].size_bytes, status.st_size + 100);
}

static void what_was_kept_is_removed_when_told_so(void **state)
{
    fixture *self = *state;
    tbk_database database = tbk_database_sqlite(self->arena, self->config.database_path);
    const char *const *names;
    assert_succeeds(restore(self), self->err);
    assert_succeeds(database.purge_previous(database.self, self->arena, &names, &self->err),
                    self->err);
    assert_non_null(strstr(names[0], KEPT));
    assert_null(names[1]);
    assert_int_equal(shell("[ $(ls | wc -l) = 2 ]"), 0);
    assert_succeeds(database.purge_previous(database.self, self->arena, &names, &self->err),
                    self->err);
    assert_null(names[0]);
}

/* A name that would be a pattern elsewhere. */
static void what_other_databases_kept_is_not_theirs(void **state)
{
    fixture *self = *state;
    tbk_database database = tbk_database_sqlite(self->arena, "tracker[1].db");
    const tbk_previous_database *kept;
    const char *const *names;
    size_t count = 0;
    assert_int_equal(
        shell("touch 'tracker[1].db.before-restore-B' 'tracker[1].db.before-restore-A' "
              "tracker1.db.before-restore-C"),
        0);
    assert_succeeds(database.list_previous(database.self, self->arena, &kept, &count, &self->err),
                    self->err);
    assert_int_equal(count, 2);
    assert_string_equal(kept[0].name, "tracker[1].db.before-restore-A");
    assert_succeeds(database.purge_previous(database.self, self->arena, &names, &self->err),
                    self->err);
    assert_string_equal(names[0], "tracker[1].db.before-restore-A");
    assert_string_equal(names[1], "tracker[1].db.before-restore-B");
    assert_null(names[2]);
    assert_int_equal(shell("ls | grep -c before-restore | grep -qx 1 && "
                           "rm tracker1.db.before-restore-C"),
                     0);
    assert_succeeds(tbk_database_sqlite(self->arena, "gone/tracker.db")
                        .list_previous(database.self, self->arena, &kept, &count, &self->err),
                    self->err);
}

/* An essential set beside the full one: what it lacks is said before and after. */
static void a_set_of_the_essential_says_what_it_lacks(void **state)
{
    fixture *self = *state;
    tbk_backup_result backup;
    self->config.profile = TBK_PROFILE_ESSENTIAL;
    assert_succeeds(
        tbk_rule_parse("torrents", "completed > 1", &self->config.essential.list[0], &self->err),
        self->err);
    self->config.essential.count = 1;
    const tbk_backup_request essential = {
        .config = &self->config, .run_id = "run-e", .now_s = START_S + 3600};
    assert_succeeds(tbk_backup_run(self->arena, &essential, NULL, &backup, &self->err), self->err);
    self->request.dry_run = true;
    assert_succeeds(restore(self), self->err);
    assert_string_equal(self->result.newest_full, "20260216T175643Z");
    const tbk_value *said = tbk_restore_to_value(self->arena, &self->request, &self->result, NULL);
    assert_string_equal(tbk_value_text_at(said, "profile", ""), "essential");
    assert_int_equal(tbk_value_integer_at(said, "left_out.torrents"), 500);
    assert_int_equal(tbk_value_integer_at(said, "rows.torrents"), 100);
    assert_string_equal(tbk_value_text_at(said, "newest_full_set", ""), "20260216T175643Z");
    assert_int_equal(shell("grep -q '\"profile\": \"essential\"' store/.state/last-restore.json"),
                     0);
    self->request.set = "20260216T175643Z";
    assert_succeeds(restore(self), self->err);
    assert_null(self->result.newest_full);
    /* A full set that cannot be restored is no way out, and is not named. */
    assert_int_equal(shell("truncate -s 1 store/20260216T175643Z/database.db.zst"), 0);
    self->request.set = backup.id;
    assert_succeeds(restore(self), self->err);
    assert_null(self->result.newest_full);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(puts_a_set_back_and_keeps_what_was_there),
        CASE(a_dry_run_changes_nothing),
        CASE(a_set_of_the_essential_says_what_it_lacks),
        CASE(no_hook_to_stop_the_tracker),
        CASE(a_set_that_is_not_there),
        CASE(a_set_with_a_wrong_byte_is_refused_before_anything_is_held),
        CASE(a_refused_hold_leaves_all_as_it_was),
        CASE(a_lost_hold_is_told),
        CASE(a_tracker_that_does_not_start_gets_its_old_database_back),
        CASE(a_database_that_is_in_use_is_left_alone),
        CASE(the_log_of_the_old_one_is_taken_in),
        CASE(a_damaged_database_is_replaced),
        CASE(a_restored_set_does_not_undo_wal),
        CASE(a_database_without_wal_stays_so),
        CASE(what_stands_beside_the_restored_file_is_not_looked_at),
        CASE(what_is_kept_is_listed_with_its_size),
        CASE(what_was_kept_is_removed_when_told_so),
        CASE(what_other_databases_kept_is_not_theirs),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
