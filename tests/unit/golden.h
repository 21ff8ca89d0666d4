/* SPDX-License-Identifier: MIT */
/*
 * Texts that do not change: what a test makes is what a file beside it says. After a wanted change
 * write the files anew, and look at the difference before it is committed:
 *
 *     UPDATE_GOLDEN=1 BUILD/tests/unit.<name> && git diff tests/unit
 */
#ifndef TBK_TESTS_GOLDEN_H
#define TBK_TESTS_GOLDEN_H

#include "unit/unit.h"

#include "base/file.h"
#include "base/json.h"

#define GOLDEN_BYTES_MAX (1u << 20)

/* Fails about the first line that differs. */
static inline void assert_golden(const char *path, const char *made)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_error err;
    char *expected;
    size_t length;
    if (getenv("UPDATE_GOLDEN") != NULL)
        assert_succeeds(tbk_file_publish(path, made, strlen(made), 0644, &err), err);
    assert_succeeds(tbk_file_read(arena, path, GOLDEN_BYTES_MAX, &expected, &length, &err), err);
    for (int line = 1;; line++) {
        size_t a = strcspn(expected, "\n"), b = strcspn(made, "\n");
        if (a != b || strncmp(expected, made, a) != 0 || expected[a] != made[b])
            fail_msg("%s:%d: expected\n  %.*s\nbut this was made\n  %.*s", path, line, (int)a,
                     expected, (int)b, made);
        if (expected[a] == '\0')
            return;
        expected += a + 1;
        made += b + 1;
    }
}

/* A document that a file of the folder holds. */
static inline const tbk_value *golden_document(tbk_arena *arena, const char *folder,
                                               const char *name)
{
    char *bytes;
    size_t length;
    const tbk_value *value = NULL;
    tbk_error err;
    const char *path = tbk_arena_format(arena, "%s%s", folder, name);
    assert_succeeds(tbk_file_read(arena, path, GOLDEN_BYTES_MAX, &bytes, &length, &err), err);
    assert_succeeds(tbk_json_parse(arena, bytes, length, name, &value, &err), err);
    return value;
}

/* What a document is spoiled with, one value at a time; null is as if it were not there. */
static const char *const spoilers[] = {"null", "5", "-1", "9007199254740993", "\"x\"", "[5]"};

/* Appends a line to out about the document as it is now. */
typedef void spoiled_fn(tbk_arena *arena, const tbk_value *document, tbk_text *out);

static inline const tbk_value *spoiler(tbk_arena *arena, size_t number)
{
    const tbk_value *value = NULL;
    tbk_error err;
    assert_succeeds(tbk_json_parse(arena, spoilers[number], strlen(spoilers[number]),
                                   "spoiled.json", &value, &err),
                    err);
    return value;
}

/* Puts each spoiler in the place of each value below here, one after the other, and lets check
 * say what comes of it. */
static inline void spoil_each(tbk_arena *arena, const tbk_value *document, tbk_value *here,
                              const char *path, spoiled_fn *check, tbk_text *out)
{
    for (tbk_member *member = here->first; member != NULL; member = member->next) {
        tbk_value *honest = member->value;
        const char *name = member->key != NULL ? member->key : "-";
        const char *at = path[0] == '\0' ? name : tbk_arena_format(arena, "%s.%s", path, name);
        for (size_t i = 0; i < sizeof spoilers / sizeof *spoilers; i++) {
            member->value = (tbk_value *)(uintptr_t)spoiler(arena, i);
            tbk_text_format(out, "%s = %s:", at, spoilers[i]);
            check(arena, document, out);
        }
        member->value = honest;
        spoil_each(arena, document, honest, at, check, out);
    }
}

#endif
