/* SPDX-License-Identifier: MIT */
/* Differences of texts: compared with what diff -u says. */
#include "unit/scratch.h"

#include "base/file.h"
#include "render/diff.h"

static void assert_diff(const char *old_text, const char *new_text, const char *expected)
{
    tbk_auto_text out = {0};
    tbk_diff_lines(&out, old_text, new_text);
    assert_string_equal(tbk_text_string(&out), expected);
}

static void equal_texts_have_none(void **state)
{
    (void)state;
    assert_diff("", "", "");
    assert_diff("a\nb\n", "a\nb\n", "");
    assert_diff("no end", "no end", "");
}

static void a_new_text_is_all_new(void **state)
{
    (void)state;
    assert_diff("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n");
    assert_diff("a\n", "", "@@ -1 +0,0 @@\n-a\n");
}

static void shows_what_is_around_a_change(void **state)
{
    (void)state;
    assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
                "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

static void says_where_the_last_line_has_no_end(void **state)
{
    (void)state;
    assert_diff("a\nb", "a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
}

static void large_texts_are_replaced_as_a_whole(void **state)
{
    (void)state;
    tbk_auto_text old = {0}, new = {0}, out = {0};
    for (int i = 0; i < 3000; i++) {
        tbk_text_format(&old, "%d\n", i);
        tbk_text_format(&new, "%d\n", i + 1);
    }
    tbk_diff_lines(&out, tbk_text_string(&old), tbk_text_string(&new));
    assert_true(tbk_text_starts_with(tbk_text_string(&out), "@@ -1,3000 +1,3000 @@\n-0\n-1\n"));
}

static void write_lines(const char *name, unsigned *seed)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    for (unsigned i = 0, count = (unsigned)rand_r(seed) % 40; i < count; i++)
        (void)fprintf(file, "%d\n", rand_r(seed) % 6);
    assert_int_equal(fclose(file), 0);
}

/* patch makes the new text of the old one: whatever the difference looks like, it is right. */
static void patch_understands_it(void **state)
{
    (void)state;
    if (shell("command -v patch >/dev/null") != 0)
        skip_because("needs patch");
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    for (unsigned seed = 1; seed <= 60;) {
        tbk_auto_text out = {0};
        tbk_error err;
        char *old = NULL, *new = NULL;
        size_t length;
        unsigned random = seed++;
        write_lines("old", &random);
        write_lines("new", &random);
        assert_succeeds(tbk_file_read(arena, "old", 4096, &old, &length, &err), err);
        assert_succeeds(tbk_file_read(arena, "new", 4096, &new, &length, &err), err);
        tbk_text_append(&out, "--- old\n+++ old\n");
        tbk_diff_lines(&out, old, new);
        assert_succeeds(tbk_file_publish("p", out.bytes, out.length, 0600, &err), err);
        assert_int_equal(
            shell("cmp -s old new || { patch -s -F0 old p && touch old && cmp old new; }"), 0);
        assert_int_equal(shell("rm -f old new old.*"), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_none),
        cmocka_unit_test(a_new_text_is_all_new),
        cmocka_unit_test(shows_what_is_around_a_change),
        cmocka_unit_test(says_where_the_last_line_has_no_end),
        cmocka_unit_test(large_texts_are_replaced_as_a_whole),
        cmocka_unit_test(patch_understands_it),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
