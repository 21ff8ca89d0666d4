/* SPDX-License-Identifier: MIT */
/* Arena and small memory: zeroed, aligned, of any size; the end when there is none. */
#include "unit/unit.h"

#include "base/memory.h"

#include <stdalign.h>
#include <stdlib.h>

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    unsigned char *before = NULL;
    for (size_t size = 0; size < 600; size++) {
        unsigned char *piece = tbk_arena_alloc(arena, size);
        assert_int_equal((uintptr_t)piece % alignof(max_align_t), 0);
        for (size_t index = 0; index < size; index++)
            assert_int_equal(piece[index], 0);
        memset(piece, 0xAB, size);
        if (before != NULL)
            for (size_t index = 0; index + 1 < size; index++)
                assert_int_equal(before[index], 0xAB);
        before = piece;
    }
}

static void large_pieces_leave_the_current_block_in_use(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    char *first = tbk_arena_copy(arena, "first");
    char *large = tbk_arena_alloc(arena, 100000);
    memset(large, 'L', 100000);
    char *second = tbk_arena_copy(arena, "second");
    assert_true(second > first && second - first < 64);
    assert_string_equal(first, "first");
    assert_int_equal(large[99999], 'L');
}

static void a_large_first_piece_fits(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    memset(tbk_arena_alloc(arena, 9000), 1, 9000);
    assert_string_equal(tbk_arena_copy(arena, "next"), "next");
}

static void copies_end_with_nul(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    assert_string_equal(tbk_arena_copy_bytes(arena, "abcdef", 3), "abc");
    assert_string_equal(tbk_arena_copy_bytes(arena, NULL, 0), "");
}

static void formats_text_of_any_length(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    assert_string_equal(tbk_arena_format(arena, "%s-%d", "a", 5), "a-5");
    assert_int_equal(strlen(tbk_arena_format(arena, "%10000d", 1)), 10000);
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *never_made = NULL;
    tbk_arena_free(never_made);
    tbk_arena_free(tbk_arena_new());
}

static void ask_for_too_much(void)
{
    /* volatile: a compiler that knows the size warns */
    volatile size_t size = SIZE_MAX / 2 - 100000;
    (void)tbk_arena_alloc(tbk_arena_new(), size);
}

static void ask_for_more_than_there_are_addresses(void)
{
    volatile size_t size = SIZE_MAX - 3;
    (void)tbk_arena_alloc(tbk_arena_new(), size);
}

static void copy_more_than_there_are_addresses(void)
{
    volatile size_t size = SIZE_MAX;
    (void)tbk_arena_copy_bytes(tbk_arena_new(), "", size);
}

static void memory_that_is_not_there_ends_the_process(void **state)
{
    (void)state;
    assert_true(ends_process(ask_for_too_much));
    assert_true(ends_process(ask_for_more_than_there_are_addresses));
    assert_true(ends_process(copy_more_than_there_are_addresses));
}

static void library_calls_without_memory(void) { tbk_memory_must(false); }

static void nothing_wrong(void) { tbk_memory_must(true); }

static void only_a_failed_call_ends_the_process(void **state)
{
    (void)state;
    assert_true(ends_process(library_calls_without_memory));
    assert_false(ends_process(nothing_wrong));
}

static void new_memory_is_zeroed(void **state)
{
    (void)state;
    char *memory = tbk_memory_new(64);
    for (size_t index = 0; index < 64; index++)
        assert_int_equal(memory[index], 0);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(large_pieces_leave_the_current_block_in_use),
        cmocka_unit_test(a_large_first_piece_fits),
        cmocka_unit_test(copies_end_with_nul),
        cmocka_unit_test(formats_text_of_any_length),
        cmocka_unit_test(freeing_nothing_is_fine),
        cmocka_unit_test(memory_that_is_not_there_ends_the_process),
        cmocka_unit_test(only_a_failed_call_ends_the_process),
        cmocka_unit_test(new_memory_is_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
