/* SPDX-License-Identifier: MIT */
/* What is remembered of off-site work: written whole, read back, and refused where it is spoilt. */
#include "unit/arena.h"
#include "unit/scratch.h"

#include "engine/offsite_state.h"

static const char *const NO_HOSTS[] = {NULL};

static tbk_offsite_state empty(void)
{
    return (tbk_offsite_state){.hosts = (const char **)(uintptr_t)NO_HOSTS};
}

static void put(const char *text)
{
    tbk_error err;
    assert_succeeds(tbk_file_publish("state.json", text, strlen(text), 0644, &err), err);
}

static void one_that_is_missing_is_empty(void **state)
{
    (void)state;
    tbk_offsite_state read;
    tbk_error err;
    (void)unlink("state.json");
    assert_succeeds(tbk_offsite_state_read(arena, ".", &read, &err), err);
    assert_null(read.repository);
    assert_null(read.hosts[0]);
    assert_int_equal(read.known_count, 0);
    assert_int_equal(read.success_s, 0);
    assert_false(tbk_offsite_state_has_host(&read, "a"));
    assert_null(tbk_offsite_state_find(&read, "a"));
}

static tbk_offsite_state full(void)
{
    static const char *hosts[] = {"container-1", "container-2", NULL};
    static tbk_offsite_known known[] = {
        {"aa", "20260216T175643Z", NULL, NULL, TBK_PROFILE_FULL, 5, 6, TBK_PROOF_RESTORED, 27},
        {"bb", "20260215T175643Z", "a file is gone", "another", TBK_PROFILE_ESSENTIAL, 7, 8,
         TBK_PROOF_NONE, 0}};
    static const tbk_offsite_seen locks[] = {{"cc", 24}, {"dd", 25}};
    return (tbk_offsite_state){.repository = "0123",
                               .hosts = hosts,
                               .known = known,
                               .known_count = 2,
                               .locks = locks,
                               .lock_count = 2,
                               .attempt_s = 11,
                               .success_s = 12,
                               .exit_status = 22,
                               .error = "no \"room\"\n",
                               .fix = "make some",
                               .sending = "20260217T175643Z",
                               .waiting = 3,
                               .newest = "20260216T175643Z",
                               .newest_s = 1771264603,
                               .sent_s = 14,
                               .sent_bytes = 15,
                               .check_s = 16,
                               .check_good_s = 17,
                               .check_part = 18,
                               .check_error = "c",
                               .drill_s = 19,
                               .drill_good_s = 20,
                               .drill_set = "d",
                               .drill_error = "e",
                               .drill_level = TBK_PROOF_CHECKSUMS,
                               .drill_shortfall = "f",
                               .restored_s = 26,
                               .prune_s = 21,
                               .accepted_s = 23,
                               .brake = "it shrank"};
}

static void all_of_it_is_read_back(void **state)
{
    (void)state;
    const tbk_offsite_state written = full();
    tbk_offsite_state read, none = empty();
    tbk_error err;
    assert_succeeds(tbk_offsite_state_write(arena, ".", &written, &err), err);
    assert_succeeds(tbk_offsite_state_read(arena, ".", &read, &err), err);
    assert_string_equal(read.repository, "0123");
    assert_string_equal(read.hosts[1], "container-2");
    assert_null(read.hosts[2]);
    assert_int_equal(read.known_count, 2);
    assert_null(read.known[0].damage);
    assert_int_equal(read.known[0].database_bytes, 5);
    assert_int_equal(read.known[0].level, TBK_PROOF_RESTORED);
    assert_int_equal(read.known[0].level_s, 27);
    assert_int_equal(read.drill_level, TBK_PROOF_CHECKSUMS);
    assert_string_equal(read.drill_shortfall, "f");
    assert_int_equal(read.restored_s, 26);
    const tbk_offsite_known *known = tbk_offsite_state_find(&read, "bb");
    assert_string_equal(known->damage, "a file is gone");
    assert_string_equal(known->lacks, "another");
    assert_int_equal(known->profile, TBK_PROFILE_ESSENTIAL);
    assert_int_equal(known->stored_bytes, 8);
    assert_int_equal(read.lock_count, 2);
    assert_string_equal(read.locks[1].id, "dd");
    assert_int_equal(read.locks[1].uptime_s, 25);
    assert_string_equal(read.error, "no \"room\"\n");
    assert_string_equal(read.sending, "20260217T175643Z");
    assert_string_equal(read.drill_error, "e");
    assert_string_equal(read.brake, "it shrank");
    const int64_t wanted[] = {11, 12, 22, 3, 1771264603, 14, 15, 16, 17, 18, 19, 20, 21, 23};
    const int64_t found[] = {
        read.attempt_s, read.success_s,    read.exit_status, read.waiting,      read.newest_s,
        read.sent_s,    read.sent_bytes,   read.check_s,     read.check_good_s, read.check_part,
        read.drill_s,   read.drill_good_s, read.prune_s,     read.accepted_s};
    assert_memory_equal(found, wanted, sizeof wanted);
    assert_succeeds(tbk_offsite_state_write(arena, ".", &none, &err), err);
    assert_succeeds(tbk_offsite_state_read(arena, ".", &read, &err), err);
    assert_null(read.sending);
    assert_int_equal(read.known_count, 0);
}

static void metrics_are_written_with_it(void **state)
{
    (void)state;
    tbk_offsite_state written = full();
    tbk_error err;
    char *text = NULL;
    size_t length = 0;
    struct stat status;
    static const char *const lines[] = {"torrust_backup_offsite_exit_status 22\n",
                                        "torrust_backup_offsite_waiting_sets 3\n",
                                        "torrust_backup_offsite_retention_brake 1\n",
                                        "torrust_backup_offsite_drill_shortfall 1\n",
                                        "torrust_backup_offsite_last_restored_timestamp_seconds 26",
                                        "# TYPE torrust_backup_offsite_newest_set_timestamp_"};
    assert_succeeds(tbk_offsite_state_write(arena, ".", &written, &err), err);
    assert_succeeds(
        tbk_file_read(arena, "torrust_backup_offsite.prom", 100000, &text, &length, &err), err);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("'%s' is not in: %s", lines[i], text);
    assert_int_equal(stat("torrust_backup_offsite.prom", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644); /* for node_exporter */
}

static void one_that_is_spoilt_is_said_to_be(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "state.json"},
        {"{", "state.json"},
        {"[]", "must be a map"},
        {"{}", "'schema' is missing"},
        {"{\"schema\": 2}", "./state.json': it has schema version 2; this version reads 1"},
        {"{\"schema\": 1}", "is missing"},
        {"{\"schema\": 1, \"repository\": 5}", "'repository' must be text"},
    };
    tbk_offsite_state read;
    tbk_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(cases[i][0]);
        assert_fails(tbk_offsite_state_read(arena, ".", &read, &err), err, TBK_E_CORRUPT,
                     cases[i][1]);
        assert_non_null(strstr(err.fix, "remove it"));
    }
    assert_int_equal(unlink("state.json"), 0);
    assert_int_equal(mkdir("state.json", 0700), 0);
    assert_false(tbk_offsite_state_read(arena, ".", &read, &err));
    assert_int_equal(rmdir("state.json"), 0);
}

/* Each cut of a good one, and each of its numbers out of range: nothing of it is believed. */
static void no_part_of_one_is_taken_for_it(void **state)
{
    (void)state;
    const tbk_offsite_state written = full();
    tbk_offsite_state read;
    tbk_error err;
    char *text = NULL;
    size_t length = 0;
    assert_succeeds(tbk_offsite_state_write(arena, ".", &written, &err), err);
    assert_succeeds(tbk_file_read(arena, "state.json", 100000, &text, &length, &err), err);
    while (length > 0 && text[length - 1] != '}')
        length--;
    for (size_t cut = 0; cut < length; cut += 7) {
        put(tbk_arena_copy_bytes(arena, text, cut));
        assert_fails(tbk_offsite_state_read(arena, ".", &read, &err), err, TBK_E_CORRUPT, "");
    }
    char *part = strstr(text, "\"check_part\": 18");
    assert_non_null(part);
    part[14] = '-';
    put(text);
    assert_fails(tbk_offsite_state_read(arena, ".", &read, &err), err, TBK_E_CORRUPT, "check_part");
}

/* Before locks were remembered. */
static void one_of_an_earlier_version_is_read(void **state)
{
    (void)state;
    const tbk_offsite_state written = empty();
    tbk_offsite_state read;
    tbk_error err;
    char *text = NULL;
    size_t length = 0;
    assert_succeeds(tbk_offsite_state_write(arena, ".", &written, &err), err);
    assert_succeeds(tbk_file_read(arena, "state.json", 100000, &text, &length, &err), err);
    char *locks = strstr(text, ",\n  \"locks\"");
    assert_non_null(locks);
    (void)snprintf(locks, length - (size_t)(locks - text), "}");
    put(text);
    assert_succeeds(tbk_offsite_state_read(arena, ".", &read, &err), err);
    assert_int_equal(read.lock_count, 0);
}

static void what_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    const tbk_offsite_state written = empty();
    tbk_error err;
    assert_fails(tbk_offsite_state_write(arena, "./gone", &written, &err), err, TBK_E_IO, "gone");
}

static void the_most_that_was_proved_of_a_set_is_what_counts(void **state)
{
    (void)state;
    tbk_offsite_state some = empty();
    const tbk_offsite_known copies[] = {{.snapshot = "a", .set = "1"},
                                        {.snapshot = "b", .set = "1"},
                                        {.snapshot = "c", .set = "1", .damage = "it is"},
                                        {.snapshot = "d", .set = "2", .lacks = "a file"}};
    for (size_t i = 0; i < 4; i++)
        tbk_offsite_state_add_known(arena, &some, &copies[i]);
    assert_string_equal(tbk_offsite_state_find_set(&some, "1")->snapshot, "a");
    assert_null(tbk_offsite_state_find_set(&some, "2"));
    tbk_offsite_state_note_level(&some, "b", TBK_PROOF_RESTORED, 5);
    tbk_offsite_state_note_level(&some, "b", TBK_PROOF_CHECKSUMS, 6);
    tbk_offsite_state_note_level(&some, "a", TBK_PROOF_CHECKSUMS, 7);
    const tbk_offsite_known *best = tbk_offsite_state_find_set(&some, "1");
    assert_string_equal(best->snapshot, "b");
    assert_int_equal(best->level, TBK_PROOF_RESTORED);
    assert_int_equal(best->level_s, 5);
    tbk_offsite_state_note_level(&some, "b", TBK_PROOF_RESTORED, 8);
    assert_int_equal(best->level_s, 8);
}

/* Who lists the sets of the store is another user than the one that writes it. */
static void a_link_is_not_followed(void **state)
{
    (void)state;
    tbk_offsite_state read;
    tbk_error err;
    (void)unlink("state.json");
    assert_int_equal(symlink("torrust_backup_offsite.prom", "state.json"), 0);
    assert_fails(tbk_offsite_state_read(arena, ".", &read, &err), err, TBK_E_CONFIG, "state.json");
    assert_int_equal(unlink("state.json"), 0);
    assert_int_equal(mkfifo("state.json", 0600), 0);
    assert_fails(tbk_offsite_state_read(arena, ".", &read, &err), err, TBK_E_CONFIG, "state.json");
    assert_int_equal(unlink("state.json"), 0);
}

static void what_is_known_grows(void **state)
{
    (void)state;
    tbk_offsite_state it = full();
    for (int i = 0; i < 1000; i++) {
        const tbk_offsite_known known = {.snapshot = tbk_arena_format(arena, "%d", i)};
        tbk_offsite_state_add_known(arena, &it, &known);
    }
    assert_int_equal(it.known_count, 1002);
    assert_string_equal(it.known[0].snapshot, "aa");
    assert_string_equal(it.known[1001].snapshot, "999");
}

/* A machine may see many containers; only the newest names are kept. */
static void hosts_are_remembered_once_and_not_for_ever(void **state)
{
    (void)state;
    tbk_offsite_state it = empty(), read;
    tbk_error err;
    for (int i = 0; i < 100; i++) {
        tbk_offsite_state_add_host(arena, &it, tbk_arena_format(arena, "host-%d", i));
        tbk_offsite_state_add_host(arena, &it, tbk_arena_format(arena, "host-%d", i));
        assert_true(tbk_offsite_state_has_host(&it, tbk_arena_format(arena, "host-%d", i)));
    }
    assert_succeeds(tbk_offsite_state_write(arena, ".", &it, &err), err);
    assert_succeeds(tbk_offsite_state_read(arena, ".", &read, &err), err);
    size_t count = 0;
    while (read.hosts[count] != NULL)
        count++;
    assert_int_equal(count, 64);
    assert_string_equal(read.hosts[0], "host-36");
    assert_string_equal(read.hosts[63], "host-99");
    assert_false(tbk_offsite_state_has_host(&read, "host-9"));
}

static int begin(void **state) { return enter_folder(state) == 0 ? begin_arena(state) : -1; }

static int end(void **state)
{
    (void)end_arena(state);
    return remove_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_missing_is_empty),
        cmocka_unit_test(all_of_it_is_read_back),
        cmocka_unit_test(metrics_are_written_with_it),
        cmocka_unit_test(one_that_is_spoilt_is_said_to_be),
        cmocka_unit_test(no_part_of_one_is_taken_for_it),
        cmocka_unit_test(one_of_an_earlier_version_is_read),
        cmocka_unit_test(what_cannot_be_written_is_an_error),
        cmocka_unit_test(the_most_that_was_proved_of_a_set_is_what_counts),
        cmocka_unit_test(a_link_is_not_followed),
        cmocka_unit_test(what_is_known_grows),
        cmocka_unit_test(hosts_are_remembered_once_and_not_for_ever),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
