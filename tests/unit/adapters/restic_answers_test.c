/* SPDX-License-Identifier: MIT */
/* What restic prints, as it prints it, and as somebody who wants harm would have it printed. */
#include "unit/arena.h"

#include "adapters/restic_answers.h"

#define ID "c34eb7a6b177127c45fab614ac1c6bd7b2cb0896cd402f098f37d324479002d9"
#define SET "20260101T000000Z"

/* --- a stream's objects --- */

static size_t taken;
static char last[256];

static bool count_object(void *self, const char *bytes, size_t length, tbk_error *err)
{
    (void)self;
    (void)err;
    taken++;
    (void)snprintf(last, sizeof last, "%.*s", (int)length, bytes);
    return true;
}

static size_t objects_in(const char *text)
{
    tbk_error err;
    size_t whole = 0;
    for (size_t piece = strlen(text) + 1; piece > 0; piece = piece > 5 ? 5 : piece - 1) {
        tbk_auto_restic_objects objects = {.take = count_object};
        taken = 0;
        for (size_t at = 0; at < strlen(text); at += piece) {
            size_t left = strlen(text) - at;
            assert_succeeds(
                tbk_restic_objects_add(&objects, text + at, left < piece ? left : piece, &err),
                err);
        }
        if (piece > 5)
            whole = taken;
        assert_int_equal(taken, whole); /* however the stream is cut */
    }
    return whole;
}

static void objects_are_found_in_lines_and_lists(void **state)
{
    (void)state;
    assert_int_equal(objects_in(""), 0);
    assert_int_equal(objects_in("{\"a\":1}\n{\"b\":{\"c\":[{}]}}\n"), 2);
    assert_int_equal(objects_in("[{\"a\":1},{\"b\":2},\n{\"c\":3}]"), 3);
    assert_int_equal(objects_in("[]\nloading indexes...\n} ] \" text\n{\n \"a\": 1\n}\n"), 1);
    assert_int_equal(objects_in("{\"brace\":\"}{\",\"quote\":\"\\\"}\",\"end\":\"\\\\\"}"), 1);
    assert_string_equal(last, "{\"brace\":\"}{\",\"quote\":\"\\\"}\",\"end\":\"\\\\\"}");
    assert_int_equal(objects_in("{\"cut\":\"in the middle\n{\"a\":1}\n"), 1);
    assert_string_equal(last, "{\"a\":1}");
    assert_int_equal(objects_in("{\"never\":{\"ends\":1}"), 0);
}

static void numbers_of_64_bits_do_not_make_an_object_unreadable(void **state)
{
    (void)state;
    assert_int_equal(objects_in("{\"inode\":18446744073709551615,\"size\":12,\"x\":0.125,"
                                "\"name\":\"18446744073709551615\"}"),
                     1);
    const tbk_value *object = tbk_restic_object(arena, last, strlen(last));
    assert_non_null(object);
    assert_int_equal(tbk_value_integer_at(object, "size"), 12);
    assert_string_equal(tbk_value_text_at(object, "name", ""), "18446744073709551615");
}

static void objects_that_are_too_long_are_left_out(void **state)
{
    (void)state;
    tbk_error err;
    tbk_auto_restic_objects objects = {.take = count_object};
    taken = 0;
    assert_succeeds(tbk_restic_objects_add(&objects, "{\"a\":\"", 6, &err), err);
    for (int i = 0; i < 70000; i++)
        assert_succeeds(tbk_restic_objects_add(&objects, "x", 1, &err), err);
    assert_int_equal(objects.held.length, 65536);
    assert_succeeds(tbk_restic_objects_add(&objects, "\"}{\"b\":1}", 9, &err), err);
    assert_int_equal(taken, 1);
    assert_string_equal(last, "{\"b\":1}");
}

static bool refuse_object(void *self, const char *bytes, size_t length, tbk_error *err)
{
    (void)self;
    (void)bytes;
    (void)length;
    return tbk_fail(err, TBK_E_SPACE, NULL, "enough");
}

static void who_takes_objects_may_end_it(void **state)
{
    (void)state;
    tbk_error err;
    tbk_auto_restic_objects objects = {.take = refuse_object};
    assert_fails(tbk_restic_objects_add(&objects, "{}", 2, &err), err, TBK_E_SPACE, "enough");
}

/* --- snapshots --- */

static const tbk_value *object_of(const char *text)
{
    return tbk_restic_object(arena, text, strlen(text));
}

static tbk_snapshot *snapshot_of(const char *text)
{
    return tbk_restic_snapshot(arena, object_of(text));
}

static void a_snapshot_of_a_set_is_read(void **state)
{
    (void)state;
    tbk_snapshot *found = snapshot_of(
        "{\"time\":\"2099-01-01T00:00:00Z\",\"tree\":\"a6fa\",\"paths\":[\"/store/" SET "\"],"
        "\"hostname\":\"prod-1\",\"username\":\"root\",\"tags\":[\"torrust-backup\",\"full\","
        "\"my note\",7,\"essential\"],\"id\":\"" ID "\",\"short_id\":\"c34eb7a6\"}");
    assert_non_null(found);
    assert_string_equal(found->id, ID);
    assert_string_equal(found->name, "prod-1");
    assert_string_equal(found->set, SET);
    assert_int_equal(found->time_s, 1767225600); /* the set's, not what the repository says */
    assert_string_equal(found->tags[0], "full");
    assert_string_equal(found->tags[1], "essential");
    assert_null(found->tags[2]);
}

#define SNAPSHOT(id, host, paths, tags)                                                            \
    "{\"id\":" id ",\"hostname\":" host ",\"paths\":" paths ",\"tags\":" tags "}"
#define GOOD_ID "\"" ID "\""
#define GOOD_PATHS "[\"/store/" SET "\"]"
#define GOOD_TAGS "[\"torrust-backup\"]"

static void what_is_no_snapshot_of_a_set_is_none(void **state)
{
    (void)state;
    static const char *const others[] = {
        "null",
        "[]",
        "{}",
        "{\"id\":1,\"hostname\":[],\"paths\":{},\"tags\":\"torrust-backup\"}",
        SNAPSHOT(GOOD_ID, "\"x\"", GOOD_PATHS, "[\"other\"]"),
        SNAPSHOT(GOOD_ID, "\"x\"", GOOD_PATHS, "null"),
        SNAPSHOT("\"c34eb7a6\"", "\"x\"", GOOD_PATHS, GOOD_TAGS),
        SNAPSHOT("\"--remove-all\"", "\"x\"", GOOD_PATHS, GOOD_TAGS),
        SNAPSHOT("\"C34EB7A6B177127C45FAB614AC1C6BD7B2CB0896CD402F098F37D324479002D9\"", "\"x\"",
                 GOOD_PATHS, GOOD_TAGS),
        SNAPSHOT("\"" ID "00\"", "\"x\"", GOOD_PATHS, GOOD_TAGS),
        SNAPSHOT(GOOD_ID, "\"\"", GOOD_PATHS, GOOD_TAGS),
        SNAPSHOT(GOOD_ID, "\"../../etc\"", GOOD_PATHS, GOOD_TAGS),
        SNAPSHOT(GOOD_ID, "\"a\\u001b[2J\"", GOOD_PATHS, GOOD_TAGS),
        SNAPSHOT(GOOD_ID, "\"x\"", "[]", GOOD_TAGS),
        SNAPSHOT(GOOD_ID, "\"x\"", "[\"" SET "\"]", GOOD_TAGS),
        SNAPSHOT(GOOD_ID, "\"x\"", "[\"/store/" SET "/..\"]", GOOD_TAGS),
        SNAPSHOT(GOOD_ID, "\"x\"", "[\"/store/20260231T000000Z\"]", GOOD_TAGS),
        SNAPSHOT(GOOD_ID, "\"x\"", "[\"/store/" SET "\",\"/etc\"]", GOOD_TAGS),
        SNAPSHOT(GOOD_ID, "\"x\"", "[7]", GOOD_TAGS),
        "{\"id\":" GOOD_ID ",\"id\":" GOOD_ID "}",
    };
    assert_non_null(snapshot_of(SNAPSHOT(GOOD_ID, "\"x\"", GOOD_PATHS, GOOD_TAGS)));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (snapshot_of(others[i]) != NULL)
            fail_msg("it was taken for one: %s", others[i]);
}

static void snapshots_come_newest_first(void **state)
{
    (void)state;
    tbk_snapshot list[4] = {{.id = "b", .time_s = 5, .next = &list[1]},
                            {.id = "c", .time_s = 9, .next = &list[2]},
                            {.id = "a", .time_s = 5, .next = &list[3]},
                            {.id = "d", .time_s = 1}};
    char order[8] = "";
    for (const tbk_snapshot *at = tbk_restic_sort(arena, list, 4); at != NULL; at = at->next)
        (void)snprintf(order + strlen(order), sizeof order - strlen(order), "%s", at->id);
    assert_string_equal(order, "cabd");
    assert_null(tbk_restic_sort(arena, NULL, 0));
}

/* --- files, locks, the program --- */

#define NODE(path, type, more)                                                                     \
    "{\"message_type\":\"node\",\"path\":\"" path "\",\"type\":\"" type "\"" more "}"

static void files_of_a_set_are_read(void **state)
{
    (void)state;
    tbk_error err;
    tbk_snapshot_file *file = NULL;
    assert_succeeds(tbk_restic_node(arena, object_of(NODE("/" SET, "dir", "")), SET, &file, &err),
                    err);
    assert_null(file);
    assert_succeeds(tbk_restic_node(arena,
                                    object_of(NODE("/" SET "/a.zst", "file", ",\"size\":30")), SET,
                                    &file, &err),
                    err);
    assert_string_equal(file->name, "a.zst");
    assert_int_equal(file->size_bytes, 30);
}

static void what_no_set_has_is_refused(void **state)
{
    (void)state;
    static const char *const others[] = {
        "{\"message_type\":\"node\"}",    NODE("/etc/passwd", "file", ""),
        NODE("/" SET "/..", "file", ""),  NODE("/" SET "/.", "file", ""),
        NODE("/" SET "/", "file", ""),    NODE("/" SET "x", "file", ""),
        NODE("/" SET "/a/b", "file", ""), NODE("/" SET "/a\\n", "file", ""),
        NODE("/" SET "/a b", "file", ""), NODE("/" SET "/a", "symlink", ""),
        NODE("/" SET "/a", "dir", ""),    NODE("/" SET "/a", "chardev", ""),
        NODE("/" SET, "symlink", ""),     NODE("/" SET "/a", "file", ",\"size\":-1"),
        NODE(SET "/a", "file", ""),
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        tbk_error err;
        tbk_snapshot_file *file = NULL;
        assert_fails(tbk_restic_node(arena, object_of(others[i]), SET, &file, &err), err,
                     TBK_E_CORRUPT, "no set has");
        assert_null(file);
    }
}

static const tbk_repository_lock *lock_of(const char *time)
{
    char text[256];
    (void)snprintf(text, sizeof text, "{\"time\":\"%s\",\"exclusive\":true,\"hostname\":\"a/b\"}",
                   time);
    return tbk_restic_lock(arena, ID, object_of(text));
}

static void locks_are_read_in_any_time_zone(void **state)
{
    (void)state;
    static const char *const same[] = {"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456789Z",
                                       "2026-01-01T01:00:00+01:00", "2025-12-31T18:30:00.5-05:30"};
    static const char *const none[] = {"",
                                       "2026-01-01",
                                       "2026-01-01T00:00:00",
                                       "2026-02-30T00:00:00Z",
                                       "2026-01-01T00:00:00+1:00",
                                       "2026-01-01T00:00:00Z+",
                                       "2026-01-01T00:00:00+01:0x"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const tbk_repository_lock *lock = lock_of(same[i]);
        assert_non_null(lock);
        assert_int_equal(lock->time_s, 1767225600);
        assert_string_equal(lock->host, "?"); /* a name that is none */
        assert_true(lock->is_exclusive);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(lock_of(none[i]));
    assert_null(tbk_restic_lock(arena, "x", object_of("{\"time\":\"2026-01-01T00:00:00Z\"}")));
}

static void versions_are_read_in_both_forms(void **state)
{
    (void)state;
    assert_int_equal(tbk_restic_version("{\"message_type\":\"version\",\"version\":\"0.18.0\"}\n"),
                     18);
    assert_int_equal(tbk_restic_version("restic 0.14.0 compiled with go1.19.8 on linux/amd64\n"),
                     14);
    assert_int_equal(tbk_restic_version("restic 0.19.1-dev (compiled manually)"), 19);
    assert_int_equal(tbk_restic_version("restic 1.0.0"), 100);
    assert_int_equal(tbk_restic_version(""), -1);
    assert_int_equal(tbk_restic_version("borg 1.2.4"), -1);
    assert_int_equal(tbk_restic_version("restic 0."), -1);
    assert_int_equal(tbk_restic_version("restic 123.1"), -1);
    assert_int_equal(tbk_restic_version("{\"version\":18}"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_found_in_lines_and_lists),
        cmocka_unit_test(numbers_of_64_bits_do_not_make_an_object_unreadable),
        cmocka_unit_test(objects_that_are_too_long_are_left_out),
        cmocka_unit_test(who_takes_objects_may_end_it),
        cmocka_unit_test(a_snapshot_of_a_set_is_read),
        cmocka_unit_test(what_is_no_snapshot_of_a_set_is_none),
        cmocka_unit_test(snapshots_come_newest_first),
        cmocka_unit_test(files_of_a_set_are_read),
        cmocka_unit_test(what_no_set_has_is_refused),
        cmocka_unit_test(locks_are_read_in_any_time_zone),
        cmocka_unit_test(versions_are_read_in_both_forms),
    };
    return cmocka_run_group_tests(tests, begin_arena, end_arena);
}
