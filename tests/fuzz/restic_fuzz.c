/* SPDX-License-Identifier: MIT */
/* What restic printed, in pieces of a size that the first byte decides, read as each of its
 * answers: what passes holds what it should; and its words, of which no secret comes through. */
#include "fuzz/fuzz.h"

#include "adapters/restic_answers.h"
#include "adapters/restic_words.h"

#define SET "20260101T000000Z"
#define LOCK "c34eb7a6b177127c45fab614ac1c6bd7b2cb0896cd402f098f37d324479002d9"

static void check_snapshot(tbk_arena *arena, const tbk_value *object)
{
    const tbk_snapshot *snapshot = tbk_restic_snapshot(arena, object);
    if (snapshot == NULL)
        return;
    must(tbk_restic_is_id(snapshot->id) && tbk_restic_is_name(snapshot->name));
    must(strlen(snapshot->set) == strlen(SET) && strchr(snapshot->set, '/') == NULL);
    for (size_t i = 0; snapshot->tags[i] != NULL; i++)
        must(tbk_restic_is_name(snapshot->tags[i]));
}

static bool check_object(void *self, const char *bytes, size_t length, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_snapshot_file *file = NULL;
    const tbk_value *object = tbk_restic_object(arena, bytes, length);
    (void)self;
    must(length >= 2 && bytes[0] == '{' && bytes[length - 1] == '}');
    check_snapshot(arena, object);
    if (!tbk_restic_node(arena, object, SET, &file, err))
        check_error(err, TBK_E_CORRUPT);
    else if (file != NULL)
        must(tbk_restic_is_file_name(file->name) && strchr(file->name, '/') == NULL);
    const tbk_repository_lock *lock = tbk_restic_lock(arena, LOCK, object);
    must(lock == NULL || lock->host[0] != '\0');
    return true;
}

static void check_shown(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        must((unsigned char)*at >= 0x20 && *at != 0x7f);
    must(strstr(text, "sesame") == NULL);
}

static void check_words(const char *bytes, size_t length)
{
    static const char *const VARIABLES[] = {"A=sesame", "B=sesa", NULL};
    char reason[TBK_RESTIC_REASON_SIZE];
    tbk_restic_words words = {.variables = VARIABLES, .phase = "upload"};
    tbk_restic_words_add(&words, bytes, length);
    tbk_restic_words_end(&words);
    must(tbk_restic_words_code(&words, 1) != TBK_E_OK);
    check_shown(tbk_restic_words_reason(&words, reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    tbk_error err = {0};
    const char *bytes = (const char *)data + 1;
    size_t left = size - 1, piece = (size_t)data[0] + 1;
    tbk_auto_restic_objects objects = {.take = check_object};
    check_words(bytes, left);
    while (left > 0) {
        size_t length = left < piece ? left : piece;
        must(tbk_restic_objects_add(&objects, bytes, length, &err));
        bytes += length;
        left -= length;
    }
    return 0;
}
