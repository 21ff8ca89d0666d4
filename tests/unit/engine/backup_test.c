/* SPDX-License-Identifier: MIT */
/* A whole backup against a real store; only the tracker's holder is played by the test. */
#include "unit/engine/backup_fixture.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "database/sqlite/sqlite.h"
#include "engine/verification.h"
#include "store/brake.h"
#include "store/last_run.h"

#include <fcntl.h>
#include <sys/stat.h>

typedef struct fixture {
    char folder[64], database[96], store[96];
    tbk_arena *arena;
    tbk_engine_config config;
    holder holder;
    tbk_hold hold;
    tbk_backup_request request;
    tbk_backup_result result;
    tbk_error err;
} fixture;

static int setup(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    make_scratch(self->folder);
    (void)snprintf(self->database, sizeof self->database, "%s/tracker.db", self->folder);
    (void)snprintf(self->store, sizeof self->store, "%s/store", self->folder);
    make_torrents(self->database, 5000, "1");
    self->arena = tbk_arena_new();
    self->config = sqlite_config(self->database, self->store);
    self->config.environment = "demo";
    self->config.keep_last = 1;
    self->config.prove_restored_every_days = 7;
    self->hold = hold_of(&self->holder);
    self->request = (tbk_backup_request){.config = &self->config,
                                         .hold = &self->hold,
                                         .run_id = "run-1",
                                         .create_store = true,
                                         .now_s = START_S};
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

static bool backup(fixture *self)
{
    self->err = (tbk_error){.code = TBK_E_OK};
    return tbk_backup_run(self->arena, &self->request, NULL, &self->result, &self->err);
}

static const tbk_value *last_run(fixture *self)
{
    tbk_error err;
    char *bytes;
    size_t length;
    const tbk_value *record = NULL;
    const char *path = tbk_arena_format(self->arena, "%s/.state/last-run.json", self->store);
    assert_succeeds(tbk_file_read(self->arena, path, 1 << 20, &bytes, &length, &err) &&
                        tbk_json_parse(self->arena, bytes, length, path, &record, &err),
                    err);
    return record;
}

static int64_t number(const tbk_value *map, const char *path)
{
    tbk_error err;
    int64_t value = 0;
    assert_succeeds(tbk_value_require_integer(map, path, &value, &err), err);
    return value;
}

/* Sets in the store, and nothing else but .state. */
static size_t sets(fixture *self)
{
    size_t count = 0;
    tbk_auto(DIR) *directory = opendir(self->store);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, ".state") != 0)
            fail_msg("'%s' was left in the store", entry->d_name);
        count += entry->d_name[0] != '.';
    }
    return count;
}

static void makes_a_proved_set_under_a_pause(void **state)
{
    fixture *self = *state;
    struct stat status;
    assert_succeeds(backup(self), self->err);
    assert_string_equal(self->result.id, "20260216T175643Z");
    assert_int_equal(self->holder.holds, 1);
    assert_int_equal(self->holder.releases, 1);
    assert_string_equal(self->result.manifest->method, "pause");
    assert_int_equal(self->result.proof.level, TBK_PROOF_RESTORED); /* the first one */
    assert_true(self->result.proof.ok);
    assert_int_equal(self->result.proof.table_count, 1);
    assert_int_equal(self->result.proof.tables[0].rows, 5000);
    assert_int_equal(sets(self), 1);
    assert_int_equal(stat(self->result.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0750);

    const tbk_value *record = last_run(self);
    assert_int_equal(number(record, "exit_status"), 0);
    assert_string_equal(tbk_value_find(record, "set")->string, "20260216T175643Z");
    assert_true(number(record, "last_success_s") > START_S);
}

static void stops_where_pausing_is_refused(void **state)
{
    fixture *self = *state;
    self->holder.refuses_pause = true;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->holder.kind, TBK_HOLD_STOP);
    assert_string_equal(self->result.manifest->method, "stop");
    assert_non_null(
        strstr(self->result.manifest->method_reason, "hot: the database is not in WAL"));
    assert_non_null(strstr(self->result.manifest->method_reason, "; pause: not today"));
}

static void a_forced_method_has_no_second_choice(void **state)
{
    fixture *self = *state;
    self->config.method = TBK_METHOD_PAUSE;
    self->holder.refuses_pause = true;
    assert_fails(backup(self), self->err, TBK_E_FAILED, "not today");
    assert_int_equal(self->holder.holds, 0);
    assert_int_equal(self->holder.releases, 0);
    assert_int_equal(sets(self), 0);
}

static void copies_a_tracker_that_was_stopped_before(void **state)
{
    fixture *self = *state;
    self->holder.was_stopped = true;
    assert_succeeds(backup(self), self->err);
    assert_true(self->result.manifest->tracker_was_stopped);
    assert_int_equal(self->result.manifest->held_ms, 0);
}

static void a_lost_hold_makes_the_copy_worthless(void **state)
{
    fixture *self = *state;
    self->holder.is_lost = true;
    assert_fails(backup(self), self->err, TBK_E_INTERRUPTED, "the copy is discarded");
    assert_int_equal(self->holder.releases, 1);
    assert_int_equal(sets(self), 0);
    assert_int_equal(number(last_run(self), "exit_status"), 130);
}

static void says_that_the_tracker_is_down_but_keeps_the_set(void **state)
{
    fixture *self = *state;
    self->holder.does_not_release = true;
    assert_fails(backup(self), self->err, TBK_E_TRACKER_DOWN, "it stays down");
    assert_int_equal(sets(self), 1);
    assert_string_equal(self->result.id, "20260216T175643Z");
    assert_int_equal(number(last_run(self), "exit_status"), 20);
}

static void releases_when_the_copy_fails(void **state)
{
    fixture *self = *state;
    unsigned char magic[1024] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    memcpy(magic + sizeof magic - 8, magic, 8);
    FILE *journal = fopen(tbk_arena_format(self->arena, "%s-journal", self->database), "w");
    assert_int_equal(fwrite(magic, 1, sizeof magic, journal), sizeof magic);
    assert_int_equal(fclose(journal), 0);
    assert_fails(backup(self), self->err, TBK_E_BUSY, "several databases");
    assert_int_equal(self->holder.releases, 1);

    self->holder.does_not_release = true;
    assert_fails(backup(self), self->err, TBK_E_TRACKER_DOWN, "several databases");
    assert_int_equal(sets(self), 0);
}

static void nothing_is_held_for_a_database_of_0_bytes(void **state)
{
    fixture *self = *state;
    assert_int_equal(truncate(self->database, 0), 0);
    assert_fails(backup(self), self->err, TBK_E_CORRUPT, "0 bytes");
    assert_int_equal(self->holder.holds, 0);
    assert_string_equal(tbk_value_find(last_run(self), "error.name")->string, "CORRUPT");
}

static void nothing_is_held_where_the_space_is_missing(void **state)
{
    fixture *self = *state;
    /* A database that says it is huge: sparse, so that only its size is. */
    assert_int_equal(truncate(self->database, (off_t)1 << 43), 0);
    assert_fails(backup(self), self->err, TBK_E_SPACE, "MiB free");
    assert_int_equal(self->holder.holds, 0);
    assert_int_equal(sets(self), 0);
}

static void without_a_hold_or_a_lock_only_what_needs_none(void **state)
{
    fixture *self = *state;
    self->request.hold = NULL;
    self->request.holds_nothing = true;
    execute(self->database, "PRAGMA journal_mode=wal");
    assert_succeeds(backup(self), self->err);
    assert_string_equal(self->result.manifest->method, "hot");
    execute(self->database, "PRAGMA journal_mode=delete");
    self->request.now_s += 60;
    if (backup(self)) { /* a file system that clones */
        assert_string_equal(self->result.manifest->method, "reflink");
        return;
    }
    assert_int_equal(self->err.code, TBK_E_UNSUPPORTED);
    assert_non_null(strstr(self->err.message, "no backup without a hold: hot: "));
    assert_non_null(strstr(self->err.message, "; reflink: "));
    assert_non_null(strstr(self->err.fix, "--journal-mode wal"));
    assert_int_equal(self->holder.holds, 0);
}

static void attempts_are_remembered_for_each_profile(void **state)
{
    fixture *self = *state;
    tbk_run_facts facts;
    tbk_run_facts_read(self->store, self->config.environment, &facts);
    assert_int_equal(facts.finished_s, 0);
    self->holder.was_stopped = true;
    assert_succeeds(backup(self), self->err);
    tbk_run_facts_read(self->store, self->config.environment, &facts);
    assert_true(facts.full_attempt_s != 0 && facts.full_attempt_s == facts.finished_s);
    assert_int_equal(facts.essential_attempt_s, 0);
    assert_int_equal(facts.success_s, facts.finished_s);
    assert_int_equal(facts.sets, 1);
    self->config.profile = TBK_PROFILE_ESSENTIAL;
    self->config.database_path = "/nowhere";
    assert_false(backup(self));
    tbk_run_facts_read(self->store, self->config.environment, &facts);
    assert_true(facts.essential_attempt_s != 0);
    assert_int_not_equal(facts.exit_status, 0);
    assert_non_null(strstr(facts.message, "/nowhere"));
}

static void a_missing_store_is_made_only_by_hand(void **state)
{
    fixture *self = *state;
    self->request.create_store = false;
    assert_fails(backup(self), self->err, TBK_E_NOT_FOUND, "no store");
    assert_int_equal(self->holder.holds, 0);
}

static void another_run_excludes_this_one(void **state)
{
    fixture *self = *state;
    tbk_auto(tbk_store) *store = NULL;
    tbk_error err;
    assert_succeeds(tbk_store_open(self->store, TBK_STORE_CREATE, &store, &err), err);
    assert_fails(backup(self), self->err, TBK_E_LOCKED, "another run");
    assert_int_equal(self->holder.holds, 0);
}

static void restores_for_proof_once_a_week(void **state)
{
    fixture *self = *state;
    static const tbk_proof_level expected[] = {
        TBK_PROOF_RESTORED,  TBK_PROOF_CHECKSUMS, TBK_PROOF_CHECKSUMS, TBK_PROOF_CHECKSUMS,
        TBK_PROOF_CHECKSUMS, TBK_PROOF_CHECKSUMS, TBK_PROOF_CHECKSUMS, TBK_PROOF_RESTORED};
    for (size_t day = 0; day < sizeof expected / sizeof *expected; day++) {
        self->request.now_s = START_S + (int64_t)day * DAY_S - (int64_t)day; /* a little early */
        assert_succeeds(backup(self), self->err);
        assert_int_equal(self->result.proof.level, expected[day]);
    }
}

/* One run a day, so many of them, all of them good. */
static void run_daily(fixture *self, int days)
{
    for (int day = 0; day < days; day++) {
        assert_succeeds(backup(self), self->err);
        self->request.now_s += DAY_S;
    }
}

static void prunes_after_success_only(void **state)
{
    fixture *self = *state;
    run_daily(self, 9);
    assert_int_equal(sets(self), 9);
    self->holder.does_not_release = true;
    assert_false(backup(self));
    assert_int_equal(sets(self), 10);
    self->holder.does_not_release = false;
    self->request.now_s += 1;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->result.pruned, 2);
    assert_int_equal(sets(self), 9);
}

/* A month without a run, or one run by a clock that is ten years ahead. */
static void a_gap_costs_no_history(void **state)
{
    fixture *self = *state;
    run_daily(self, 6);
    self->request.now_s += 30 * DAY_S;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->result.pruned, 0);
    int64_t right_s = self->request.now_s + DAY_S;
    self->request.now_s += 3650 * (int64_t)DAY_S;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->result.pruned, 0);
    self->request.now_s = right_s;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(sets(self), 9);
}

static bool has_set(fixture *self, const char *id)
{
    return access(tbk_arena_format(self->arena, "%s/%s", self->store, id), F_OK) == 0;
}

static void stranger(fixture *self, const char *id)
{
    tbk_error err;
    const char *path = tbk_arena_format(self->arena, "%s/%s", self->store, id);
    assert_succeeds(tbk_directory_make(path, 0750, &err), err);
    path = tbk_arena_format(self->arena, "%s/mine", path);
    assert_succeeds(tbk_file_publish(path, "x", 1, 0640, &err), err);
}

static void what_is_not_of_this_database_is_left_alone(void **state)
{
    fixture *self = *state;
    run_daily(self, 1); /* of 'demo' */
    stranger(self, "20260101T030000Z");
    self->config.environment = "other";
    self->request.now_s += DAY_S;
    run_daily(self, 12);
    assert_true(has_set(self, "20260216T175643Z"));
    assert_true(has_set(self, "20260101T030000Z"));
    assert_int_equal(sets(self), 2 + 9);
}

/* Nor does what became of the other one's runs stand in for one's own. */
static void environments_in_one_store_have_records_of_their_own(void **state)
{
    fixture *self = *state;
    tbk_run_facts mine, others;
    const char *database = self->config.database_path;
    self->config.database_path = "/nowhere";
    assert_false(backup(self));
    self->config.environment = "other";
    self->config.database_path = database;
    self->request.now_s += 60;
    assert_succeeds(backup(self), self->err);
    tbk_run_facts_read(self->store, "demo", &mine);
    tbk_run_facts_read(self->store, "other", &others);
    assert_int_equal(mine.success_s, 0);
    assert_int_not_equal(mine.exit_status, 0);
    assert_int_not_equal(others.success_s, 0);
    assert_int_equal(others.exit_status, 0);
    self->config.environment = "demo";
    assert_succeeds(backup(self), self->err);
    tbk_run_facts_read(self->store, "other", &others);
    assert_int_not_equal(others.success_s, 0);
    tbk_run_facts_read(self->store, "third", &others);
    assert_int_equal(others.finished_s, 0);
}

static void assert_braked(fixture *self, const char *part)
{
    assert_fails(backup(self), self->err, TBK_E_BRAKE, part);
    assert_non_null(strstr(self->err.fix, "acknowledge"));
    assert_int_equal(self->result.pruned, 0);
    self->request.now_s += DAY_S;
}

static void acknowledge(fixture *self)
{
    tbk_auto(tbk_store) *store = NULL;
    tbk_brakes lifted;
    tbk_error err;
    assert_succeeds(tbk_store_open(self->store, TBK_STORE_WRITE, &store, &err), err);
    assert_succeeds(tbk_brakes_acknowledge(store, self->arena, NULL, &lifted, &err) &&
                        tbk_last_run_acknowledge(store, self->arena, "demo", &err),
                    err);
    assert_int_equal(lifted.count, 1);
}

static void restore_rows(fixture *self)
{
    execute(self->database,
            "WITH RECURSIVE n(i) AS (VALUES(101) UNION ALL SELECT i + 1 FROM n LIMIT 4900) "
            "INSERT INTO torrents SELECT i, hex(randomblob(20)), 1 FROM n");
}

/* However many runs that are; it is seen, and it ends when the rows are back. */
static void the_brake_stays_on_until_the_rows_are_back(void **state)
{
    fixture *self = *state;
    tbk_run_facts facts;
    self->config.prove_restored_every_days = 1;
    run_daily(self, 8);
    execute(self->database, "DELETE FROM torrents WHERE id > 100");
    for (int day = 0; day < 12; day++)
        assert_braked(self, "nothing is pruned: table 'torrents' had 5000 rows in set 20260223");
    assert_int_equal(sets(self), 8 + 12);
    tbk_run_facts_read(self->store, self->config.environment, &facts);
    assert_int_equal(facts.brakes, 1);
    assert_int_equal(facts.exit_status, 3);
    assert_true(facts.success_s == facts.finished_s); /* the sets themselves are good */
    assert_non_null(strstr(facts.brake, "5000 rows"));
    restore_rows(self);
    assert_succeeds(backup(self), self->err);
    assert_true(self->result.pruned > 0);
    tbk_run_facts_read(self->store, self->config.environment, &facts);
    assert_int_equal(facts.brakes, 0);
}

static void the_brake_stays_on_until_it_is_acknowledged(void **state)
{
    fixture *self = *state;
    tbk_run_facts facts;
    run_daily(self, 8); /* proved by restoring on the first and the last of them */
    execute(self->database, "DELETE FROM torrents WHERE id > 100");
    assert_braked(self, "had 5000 rows"); /* much less is used: counted, though no proof is due */
    assert_braked(self, "had 5000 rows");
    acknowledge(self);
    tbk_run_facts_read(self->store, self->config.environment, &facts);
    assert_int_equal(facts.brakes, 0);
    assert_int_equal(facts.exit_status, 0);
    assert_int_equal(facts.profiles[TBK_PROFILE_FULL].exit_status, 0);
    assert_succeeds(backup(self), self->err);
    assert_true(self->result.pruned > 0);
}

/* The run that saw the drop was killed after it had noted that: the next one does not take the
 * emptied database for what there was before. */
static void the_brake_outlives_a_killed_run(void **state)
{
    fixture *self = *state;
    self->config.prove_restored_every_days = 1;
    run_daily(self, 2);
    execute(self->database, "DELETE FROM torrents WHERE id > 100");
    assert_braked(self, "had 5000 rows");
    const char *record = tbk_arena_format(self->arena, "%s/.state/last-run.json", self->store);
    assert_int_equal(unlink(record), 0);
    assert_braked(self, "had 5000 rows");
}

static void a_record_of_the_brake_that_cannot_be_read_is_a_brake(void **state)
{
    fixture *self = *state;
    tbk_error err;
    run_daily(self, 1);
    const char *record = tbk_arena_format(self->arena, "%s/.state/brake.json", self->store);
    assert_succeeds(tbk_file_publish(record, "{", 1, 0640, &err), err);
    assert_braked(self, "cannot be read");
    tbk_auto(tbk_store) *store = NULL;
    tbk_brakes lifted;
    assert_succeeds(tbk_store_open(self->store, TBK_STORE_WRITE, &store, &err), err);
    assert_succeeds(tbk_brakes_acknowledge(store, self->arena, NULL, &lifted, &err), err);
    tbk_store_close(store);
    store = NULL;
    assert_succeeds(backup(self), self->err);
}

/* The operator keeps less of a table from now on: that is no loss. */
static void another_rule_is_no_drop(void **state)
{
    fixture *self = *state;
    self->config.profile = TBK_PROFILE_ESSENTIAL;
    self->config.prove_restored_every_days = 1;
    tbk_rules_default(&self->config.essential); /* all 5000 rows are completed */
    run_daily(self, 2);
    self->config.essential.list[0].condition = "id <= 100";
    run_daily(self, 2);
    execute(self->database, "DELETE FROM torrents WHERE id <= 90");
    run_daily(self, 1); /* below 1000 rows nothing is sudden */
    self->config.essential.list[0].condition = "id > 0";
    run_daily(self, 2);
    execute(self->database, "DELETE FROM torrents");
    assert_braked(self, "had 4910 rows");
}

/* Half of the size is gone, and all of the rows are there: a VACUUM. */
static void a_vacuum_is_no_drop(void **state)
{
    fixture *self = *state;
    execute(self->database, "CREATE TABLE fill (x BLOB);"
                            "INSERT INTO fill VALUES (zeroblob(20000000)); DELETE FROM fill");
    run_daily(self, 2);
    execute(self->database, "VACUUM");
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->result.proof.level, TBK_PROOF_CHECKSUMS);
}

/* A small tracker: losing all of its rows is no daily life, losing some is. */
static void a_small_table_that_is_emptied_is_a_drop(void **state)
{
    fixture *self = *state;
    self->config.prove_restored_every_days = 1;
    execute(self->database, "DELETE FROM torrents WHERE id > 300");
    run_daily(self, 2);
    execute(self->database, "DELETE FROM torrents WHERE id > 10");
    run_daily(self, 1);
    execute(self->database, "DELETE FROM torrents");
    run_daily(self, 1); /* 10 rows come and go */
    restore_rows(self);
    run_daily(self, 1);
    execute(self->database, "DELETE FROM torrents");
    assert_braked(self, "rows in set 20260220T175643Z and has 0 now");
}

static void a_size_that_dropped_is_a_drop_where_no_rows_tell(void **state)
{
    fixture *self = *state;
    self->config.prove_restored_every_days = 0;
    execute(self->database, "CREATE TABLE fill (x BLOB);"
                            "INSERT INTO fill VALUES (zeroblob(20000000))");
    run_daily(self, 2);
    execute(self->database, "DELETE FROM fill; VACUUM");
    assert_braked(self, "bytes before and has");
    assert_braked(self, "bytes before and has");
    execute(self->database, "INSERT INTO fill VALUES (zeroblob(20000000))");
    assert_succeeds(backup(self), self->err);
}

/* The tracker's own database is damaged: what is there is kept, and said to be no good. */
static void keeps_a_damaged_database_and_says_so(void **state)
{
    fixture *self = *state;
    int fd = open(self->database, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 30 * 4096), 8);
    (void)close(fd);
    assert_fails(backup(self), self->err, TBK_E_UNPROVED, "integrity_check");
    assert_int_equal(sets(self), 1);
    const tbk_value *record = last_run(self);
    assert_int_equal(number(record, "exit_status"), 21);
    assert_int_equal(number(record, "last_success_s"), 0);
}

static void remembers_the_last_success_across_failures(void **state)
{
    fixture *self = *state;
    assert_succeeds(backup(self), self->err);
    int64_t success_s = number(last_run(self), "last_success_s");
    self->holder.refuses_pause = self->holder.refuses_stop = true;
    self->request.now_s += DAY_S;
    assert_false(backup(self));
    const tbk_value *record = last_run(self);
    assert_int_equal(number(record, "exit_status"), 1);
    assert_int_equal(number(record, "last_success_s"), success_s);
    assert_string_equal(tbk_value_find(record, "last_proof_set")->string, "20260216T175643Z");
    assert_null(tbk_value_find(record, "set"));
}

static void essential(fixture *self)
{
    self->config.profile = TBK_PROFILE_ESSENTIAL;
    tbk_rules_default(&self->config.essential);
    execute(self->database, "UPDATE torrents SET completed = id % 31 = 0");
}

static void an_essential_set_is_selected_from_a_held_copy(void **state)
{
    fixture *self = *state;
    essential(self);
    assert_succeeds(backup(self), self->err);
    const tbk_manifest *manifest = self->result.manifest;
    assert_string_equal(manifest->method, "pause");
    assert_int_equal(self->holder.releases, 1);
    assert_int_equal(manifest->profile, TBK_PROFILE_ESSENTIAL);
    assert_int_equal(manifest->selection_count, 1);
    assert_int_equal(manifest->selection[0].saved_rows, 161);
    assert_int_equal(manifest->selection[0].excluded_rows, 5000 - 161);
    assert_int_equal(self->result.proof.tables[0].rows, 161);
    assert_string_equal(tbk_value_find(last_run(self), "profile")->string, "essential");
}

static void an_essential_set_of_a_database_in_wal_mode_needs_no_hold(void **state)
{
    fixture *self = *state;
    essential(self);
    execute(self->database, "PRAGMA journal_mode=WAL");
    assert_succeeds(backup(self), self->err);
    assert_string_equal(self->result.manifest->method, "hot");
    assert_int_equal(self->holder.holds, 0);
    assert_int_equal(self->result.proof.tables[0].rows, 161);
}

static void wrong_rules_hold_nothing(void **state)
{
    fixture *self = *state;
    essential(self);
    self->config.essential.list[0].condition = "completd > 0";
    assert_fails(backup(self), self->err, TBK_E_CONFIG, "no such column: completd");
    assert_int_equal(self->holder.holds, 0);
    assert_int_equal(sets(self), 0);
}

/* Full and essential sets are proved, compared and kept each among their own. */
static void profiles_do_not_stand_in_for_each_other(void **state)
{
    fixture *self = *state;
    assert_succeeds(backup(self), self->err); /* full */
    essential(self);
    self->request.now_s += DAY_S;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->result.proof.level, TBK_PROOF_RESTORED); /* the first of its kind */
    for (int run = 0; run < 3; run++) {
        self->request.now_s += 8 * DAY_S;
        assert_succeeds(backup(self), self->err);
    }
    assert_int_equal(self->result.pruned, 1); /* an old essential set; the full one is the only */
    self->config.profile = TBK_PROFILE_FULL;
    self->request.now_s += 30 * DAY_S;
    assert_succeeds(backup(self), self->err);
    assert_int_equal(self->result.manifest->selection_count, 0);
    assert_int_equal(self->result.pruned,
                     1); /* an essential one; the full one is the newest earlier */
}

static fixture *shared; /* with a child in which the kernel refuses a call */

static bool set_is_kept_without_the_proof(void)
{
    return !backup(shared) && shared->err.code == TBK_E_PARTIAL && shared->result.proof.ok &&
           shared->result.proof.level == TBK_PROOF_CHECKSUMS && sets(shared) == 1;
}

/* A page of the restored copy: that it cannot be read here says nothing about the tracker's. */
static void a_proof_that_cannot_be_read_costs_neither_set_nor_good_name(void **state)
{
    shared = *state;
    assert_true(holds_when_refused(&(refused_call){SYS_pread64, 3, 20 * 4096, EIO},
                                   set_is_kept_without_the_proof));
}

static void pauses_where_the_index_of_the_log_cannot_be_opened(void **state)
{
    fixture *self = *state;
    const char *index = tbk_arena_format(self->arena, "%s-shm", self->database);
    essential(self);
    self->config.profile = TBK_PROFILE_FULL;
    execute(self->database, "PRAGMA journal_mode=WAL; INSERT INTO torrents VALUES (5001, 'x', 1)");
    assert_int_equal(mkdir(index, 0700), 0);
    assert_succeeds(backup(self), self->err);
    assert_string_equal(self->result.manifest->method, "pause");
    assert_int_equal(self->result.proof.tables[0].rows, 5001);
    self->config.profile = TBK_PROFILE_ESSENTIAL;
    self->request.now_s += 60;
    assert_succeeds(backup(self), self->err);
    assert_string_equal(self->result.manifest->method, "pause");
    assert_int_equal(self->holder.releases, 2);
}

/* A pipe would be waited for while the tracker is held, without end. */
static void a_pipe_in_the_journals_place_lets_the_tracker_go(void **state)
{
    fixture *self = *state;
    static const char *const SUFFIXES[] = {"-journal", "-wal"};
    for (size_t i = 0; i < 2; i++) {
        const char *pipe = tbk_arena_format(self->arena, "%s%s", self->database, SUFFIXES[i]);
        assert_int_equal(mkfifo(pipe, 0600), 0);
        (void)alarm(120);
        assert_fails(backup(self), self->err, TBK_E_CONFIG, "is not a regular file");
        (void)alarm(0);
        assert_int_equal(self->holder.releases, self->holder.holds);
        assert_int_equal(unlink(pipe), 0);
    }
    assert_int_equal(sets(self), 0);
}

static void leaves_nothing_behind_when_it_is_stopped(void **state)
{
    fixture *self = *state;
    const tbk_report report = {.cancelled = at_once};
    assert_fails(tbk_backup_run(self->arena, &self->request, &report, &self->result, &self->err),
                 self->err, TBK_E_INTERRUPTED, "");
    assert_int_equal(self->holder.releases, 1);
    assert_int_equal(sets(self), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(makes_a_proved_set_under_a_pause),
        CASE(stops_where_pausing_is_refused),
        CASE(a_forced_method_has_no_second_choice),
        CASE(copies_a_tracker_that_was_stopped_before),
        CASE(a_lost_hold_makes_the_copy_worthless),
        CASE(says_that_the_tracker_is_down_but_keeps_the_set),
        CASE(releases_when_the_copy_fails),
        CASE(nothing_is_held_for_a_database_of_0_bytes),
        CASE(nothing_is_held_where_the_space_is_missing),
        CASE(without_a_hold_or_a_lock_only_what_needs_none),
        CASE(attempts_are_remembered_for_each_profile),
        CASE(a_missing_store_is_made_only_by_hand),
        CASE(another_run_excludes_this_one),
        CASE(restores_for_proof_once_a_week),
        CASE(prunes_after_success_only),
        CASE(a_gap_costs_no_history),
        CASE(what_is_not_of_this_database_is_left_alone),
        CASE(environments_in_one_store_have_records_of_their_own),
        CASE(the_brake_stays_on_until_the_rows_are_back),
        CASE(the_brake_stays_on_until_it_is_acknowledged),
        CASE(the_brake_outlives_a_killed_run),
        CASE(a_record_of_the_brake_that_cannot_be_read_is_a_brake),
        CASE(another_rule_is_no_drop),
        CASE(a_vacuum_is_no_drop),
        CASE(a_small_table_that_is_emptied_is_a_drop),
        CASE(a_size_that_dropped_is_a_drop_where_no_rows_tell),
        CASE(keeps_a_damaged_database_and_says_so),
        CASE(remembers_the_last_success_across_failures),
        CASE(an_essential_set_is_selected_from_a_held_copy),
        CASE(an_essential_set_of_a_database_in_wal_mode_needs_no_hold),
        CASE(wrong_rules_hold_nothing),
        CASE(profiles_do_not_stand_in_for_each_other),
        CASE(a_proof_that_cannot_be_read_costs_neither_set_nor_good_name),
        CASE(pauses_where_the_index_of_the_log_cannot_be_opened),
        CASE(a_pipe_in_the_journals_place_lets_the_tracker_go),
        CASE(leaves_nothing_behind_when_it_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
