/* SPDX-License-Identifier: MIT */
/* What restic prints with --json, field by field. */
#include "adapters/restic_answers.h"

#include "base/clock.h"
#include "base/json.h"

#include <string.h>

#define OBJECT_LIMIT_BYTES ((size_t)64 << 10)
#define NAME_LIMIT_BYTES 128
#define FILE_NAME_LIMIT_BYTES 255
#define TAGS_MOST 16
#define DIGITS_MOST 18
#define ID_LENGTH 64

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* --- a stream's objects --- */

static bool is_one_of(char character, const char *set)
{
    return character != '\0' && strchr(set, character) != NULL;
}

static void forget_object(tbk_restic_objects *it)
{
    tbk_text_clear(&it->held);
    it->depth = 0;
    it->digits = 0;
    it->in_string = false;
    it->is_escaped = false;
    it->is_too_long = false;
}

static void keep(tbk_restic_objects *it, char character)
{
    if (it->held.length < OBJECT_LIMIT_BYTES)
        tbk_text_append_char(&it->held, character);
    else
        it->is_too_long = true;
}

/* A line break in a string is no JSON: what looked like an object's beginning was none. */
static void step_in_string(tbk_restic_objects *it, char character)
{
    if (character == '\n') {
        forget_object(it);
        return;
    }
    keep(it, character);
    if (it->is_escaped)
        it->is_escaped = false;
    else if (character == '\\')
        it->is_escaped = true;
    else if (character == '"')
        it->in_string = false;
}

static void step_outside_strings(tbk_restic_objects *it, char character)
{
    it->digits = is_one_of(character, DIGITS) ? it->digits + 1 : 0;
    if (character == '{')
        it->depth++;
    if (it->depth == 0)
        return;
    if (it->digits <= DIGITS_MOST)
        keep(it, character);
    it->in_string = character == '"';
    if (character == '}')
        it->depth--;
}

bool tbk_restic_objects_add(tbk_restic_objects *it, const char *bytes, size_t length,
                            tbk_error *err)
{
    for (size_t i = 0; i < length; i++) {
        if (it->in_string)
            step_in_string(it, bytes[i]);
        else
            step_outside_strings(it, bytes[i]);
        if (it->depth > 0 || it->held.length == 0)
            continue;
        bool ok = it->is_too_long || it->take(it->self, it->held.bytes, it->held.length, err);
        forget_object(it);
        if (!ok)
            return false;
    }
    return true;
}

void tbk_restic_objects_end(tbk_restic_objects *it) { tbk_text_end(&it->held); }

const tbk_value *tbk_restic_object(tbk_arena *arena, const char *bytes, size_t length)
{
    tbk_error ignored;
    const tbk_value *value = NULL;
    if (!tbk_json_parse(arena, bytes, length, "restic", &value, &ignored))
        return NULL;
    return value->type == TBK_VALUE_MAP ? value : NULL;
}

const char *tbk_restic_kind(const tbk_value *object)
{
    return tbk_value_text_at(object, "message_type", "");
}

/* --- fields --- */

static bool consists_of(const char *text, const char *set, size_t most)
{
    size_t length = strlen(text);
    return length > 0 && length <= most && strspn(text, set) == length;
}

bool tbk_restic_is_id(const char *text)
{
    return consists_of(text, DIGITS "abcdef", ID_LENGTH) && strlen(text) == ID_LENGTH;
}

bool tbk_restic_is_file_name(const char *text)
{
    return consists_of(text, DIGITS LETTERS "._-+~", FILE_NAME_LIMIT_BYTES) &&
           strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

bool tbk_restic_is_name(const char *text)
{
    return consists_of(text, DIGITS LETTERS "._-", NAME_LIMIT_BYTES);
}

static const char *text_at(const tbk_value *object, const char *key)
{
    return tbk_value_text_at(object, key, "");
}

/* --- snapshots --- */

/* *out_ours tells whether our own is among them. */
static const char *const *tags_of(tbk_arena *arena, const tbk_value *object, bool *out_ours)
{
    const char **tags = tbk_arena_alloc(arena, (TAGS_MOST + 1) * sizeof *tags);
    size_t count = 0;
    *out_ours = false;
    for (const tbk_member *at = tbk_value_members_at(object, "tags"); at != NULL; at = at->next) {
        if (at->value->type != TBK_VALUE_STRING)
            continue;
        if (strcmp(at->value->string, TBK_RESTIC_TAG) == 0)
            *out_ours = true;
        else if (count < TAGS_MOST && tbk_restic_is_name(at->value->string))
            tags[count++] = tbk_arena_copy(arena, at->value->string);
    }
    return tags;
}

/* The last part of the one path that the snapshot of a set has. */
static const char *set_of(const tbk_value *object)
{
    const tbk_member *path = tbk_value_members_at(object, "paths");
    if (path == NULL || path->next != NULL || path->value->type != TBK_VALUE_STRING)
        return "";
    const char *slash = strrchr(path->value->string, '/');
    return slash != NULL ? slash + 1 : "";
}

tbk_snapshot *tbk_restic_snapshot(tbk_arena *arena, const tbk_value *object)
{
    const char *id = text_at(object, "id");
    const char *name = text_at(object, "hostname");
    const char *set = set_of(object);
    bool is_ours;
    int64_t time_s;
    const char *const *tags = tags_of(arena, object, &is_ours);
    if (!is_ours || !tbk_restic_is_id(id) || !tbk_restic_is_name(name) ||
        !tbk_clock_parse_compact(set, &time_s))
        return NULL;
    tbk_snapshot *out = TBK_ARENA_NEW(arena, tbk_snapshot);
    *out = (tbk_snapshot){.id = tbk_arena_copy(arena, id),
                          .name = tbk_arena_copy(arena, name),
                          .set = tbk_arena_copy(arena, set),
                          .time_s = time_s,
                          .tags = tags};
    return out;
}

/* By id where the times are equal, so that two looks give one order. */
static int compare_snapshots(const void *left, const void *right)
{
    const tbk_snapshot *a = *(const tbk_snapshot *const *)left;
    const tbk_snapshot *b = *(const tbk_snapshot *const *)right;
    if (a->time_s != b->time_s)
        return a->time_s > b->time_s ? -1 : 1;
    return strcmp(a->id, b->id);
}

tbk_snapshot *tbk_restic_sort(tbk_arena *arena, tbk_snapshot *list, size_t count)
{
    if (count == 0)
        return NULL;
    tbk_snapshot **all = tbk_arena_alloc(arena, count * sizeof(tbk_snapshot *));
    size_t found = 0;
    for (tbk_snapshot *at = list; at != NULL && found < count; at = at->next)
        all[found++] = at;
    qsort(all, found, sizeof(tbk_snapshot *), compare_snapshots);
    for (size_t i = 0; i < found; i++)
        all[i]->next = i + 1 < found ? all[i + 1] : NULL;
    return all[0];
}

/* --- files --- */

static bool fail_foreign(const char *path, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CORRUPT, NULL, "the snapshot holds '%.200s', which no set has",
                    path);
}

bool tbk_restic_node(tbk_arena *arena, const tbk_value *object, const char *set,
                     tbk_snapshot_file **out, tbk_error *err)
{
    *out = NULL;
    const char *path = text_at(object, "path");
    const char *type = text_at(object, "type");
    size_t length = strlen(set);
    if (path[0] != '/' || strncmp(path + 1, set, length) != 0)
        return fail_foreign(path, err);
    const char *rest = path + 1 + length;
    if (rest[0] == '\0' && strcmp(type, "dir") == 0)
        return true;
    int64_t size_bytes = tbk_value_integer_at(object, "size");
    if (rest[0] != '/' || !tbk_restic_is_file_name(rest + 1) || strcmp(type, "file") != 0 ||
        size_bytes < 0)
        return fail_foreign(path, err);
    *out = TBK_ARENA_NEW(arena, tbk_snapshot_file);
    (*out)->name = tbk_arena_copy(arena, rest + 1);
    (*out)->size_bytes = (uint64_t)size_bytes;
    return true;
}

/* --- locks --- */

/* How far ahead of UTC: 0 for "Z", 3600 for "+01:00". */
static bool parse_offset(const char *text, int64_t *out_s)
{
    *out_s = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if (strlen(text) != 6 || !is_one_of(text[0], "+-") || text[3] != ':' ||
        strspn(text + 1, DIGITS) != 2 || strspn(text + 4, DIGITS) != 2)
        return false;
    int64_t hours = (text[1] - '0') * 10 + (text[2] - '0');
    int64_t minutes = (text[4] - '0') * 10 + (text[5] - '0');
    *out_s = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
    return true;
}

/* "2026-02-16T17:56:43.123456789+01:00" */
static bool parse_time(const char *text, int64_t *out_s)
{
    static const char SHAPE[] = "0000-00-00T00:00:00";
    char compact[sizeof SHAPE];
    size_t length = 0;
    int64_t ahead_s;
    for (size_t i = 0; SHAPE[i] != '\0'; i++) {
        if (SHAPE[i] == '0' ? !is_one_of(text[i], DIGITS) : text[i] != SHAPE[i])
            return false;
        if (SHAPE[i] != '-' && SHAPE[i] != ':')
            compact[length++] = text[i];
    }
    compact[length++] = 'Z';
    compact[length] = '\0';
    text += sizeof SHAPE - 1;
    if (text[0] == '.')
        text += 1 + strspn(text + 1, DIGITS);
    if (!parse_offset(text, &ahead_s) || !tbk_clock_parse_compact(compact, out_s))
        return false;
    *out_s -= ahead_s;
    return true;
}

tbk_repository_lock *tbk_restic_lock(tbk_arena *arena, const char *id, const tbk_value *object)
{
    int64_t time_s;
    const char *host = text_at(object, "hostname");
    if (!tbk_restic_is_id(id) || !parse_time(text_at(object, "time"), &time_s))
        return NULL;
    tbk_repository_lock *out = TBK_ARENA_NEW(arena, tbk_repository_lock);
    *out =
        (tbk_repository_lock){.id = tbk_arena_copy(arena, id),
                              .host = tbk_restic_is_name(host) ? tbk_arena_copy(arena, host) : "?",
                              .time_s = time_s,
                              .is_exclusive = tbk_value_true_at(object, "exclusive")};
    return out;
}

/* --- the program --- */

/* Where the version stands: in an object, or as older ones say it, behind the program's name. */
static const char *version_in(tbk_arena *arena, const char *text)
{
    static const char NAME[] = "restic ";
    const tbk_value *object = tbk_restic_object(arena, text, strlen(text));
    if (object != NULL)
        return text_at(object, "version");
    return tbk_text_starts_with(text, NAME) ? text + sizeof NAME - 1 : "";
}

int tbk_restic_version(const char *text)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *version = version_in(arena, text);
    size_t major = strspn(version, DIGITS);
    if (major < 1 || major > 2 || version[major] != '.' || !is_one_of(version[major + 1], DIGITS))
        return -1;
    unsigned long minor = strtoul(version + major + 1, NULL, 10);
    return (int)(strtoul(version, NULL, 10) * 100 + (minor > 99 ? 99 : minor));
}
