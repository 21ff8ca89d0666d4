/* SPDX-License-Identifier: MIT */
/* Values: builds the tree, looks things up in it, and says where what was expected is missing. */
#include "base/value.h"

#include "base/text.h"

#include <stdarg.h>
#include <string.h>

const char *tbk_value_type_name(tbk_value_type type)
{
    switch (type) {
    case TBK_VALUE_NULL:
        return "null";
    case TBK_VALUE_BOOL:
        return "true or false";
    case TBK_VALUE_INTEGER:
        return "a whole number";
    case TBK_VALUE_REAL:
        return "a number";
    case TBK_VALUE_STRING:
        return "text";
    case TBK_VALUE_LIST:
        return "a list";
    case TBK_VALUE_MAP:
        return "a map";
    }
    return "of an unknown type";
}

/* --- building --- */

static tbk_value *value_new(tbk_arena *arena, tbk_value_type type)
{
    tbk_value *value = TBK_ARENA_NEW(arena, tbk_value);
    value->type = type;
    return value;
}

tbk_value *tbk_value_null(tbk_arena *arena) { return value_new(arena, TBK_VALUE_NULL); }

tbk_value *tbk_value_bool(tbk_arena *arena, bool boolean)
{
    tbk_value *value = value_new(arena, TBK_VALUE_BOOL);
    value->boolean = boolean;
    return value;
}

tbk_value *tbk_value_integer(tbk_arena *arena, int64_t integer)
{
    tbk_value *value = value_new(arena, TBK_VALUE_INTEGER);
    value->integer = integer;
    return value;
}

tbk_value *tbk_value_real(tbk_arena *arena, double real)
{
    tbk_value *value = value_new(arena, TBK_VALUE_REAL);
    value->real = real;
    return value;
}

tbk_value *tbk_value_string(tbk_arena *arena, const char *string)
{
    if (string == NULL)
        return tbk_value_null(arena);
    tbk_value *value = value_new(arena, TBK_VALUE_STRING);
    value->string = tbk_arena_copy(arena, string);
    return value;
}

tbk_value *tbk_value_list(tbk_arena *arena) { return value_new(arena, TBK_VALUE_LIST); }

tbk_value *tbk_value_map(tbk_arena *arena) { return value_new(arena, TBK_VALUE_MAP); }

static void append_member(tbk_arena *arena, tbk_value *container, const char *key, tbk_value *item)
{
    tbk_member *member = TBK_ARENA_NEW(arena, tbk_member);
    member->key = key;
    member->value = item;
    if (container->last != NULL)
        container->last->next = member;
    else
        container->first = member;
    container->last = member;
    container->count++;
}

tbk_value *tbk_value_share(tbk_arena *arena, const tbk_value *value)
{
    tbk_value *shared = tbk_value_null(arena);
    if (value != NULL)
        *shared = *value;
    return shared;
}

void tbk_value_append(tbk_arena *arena, tbk_value *list, tbk_value *item)
{
    append_member(arena, list, NULL, item);
}

void tbk_value_add(tbk_arena *arena, tbk_value *map, const char *key, tbk_value *value)
{
    append_member(arena, map, tbk_arena_copy(arena, key), value);
}

static tbk_member *find_member(const tbk_value *map, const char *key, size_t key_length)
{
    for (tbk_member *member = map->first; member != NULL; member = member->next)
        if (strncmp(member->key, key, key_length) == 0 && member->key[key_length] == '\0')
            return member;
    return NULL;
}

void tbk_value_set(tbk_arena *arena, tbk_value *map, const char *key, tbk_value *value)
{
    tbk_member *member = find_member(map, key, strlen(key));
    if (member != NULL)
        member->value = value;
    else
        tbk_value_add(arena, map, key, value);
}

void tbk_value_set_at(tbk_arena *arena, tbk_value *map, const char *path, tbk_value *value)
{
    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        const char *key = tbk_arena_copy_bytes(arena, path, (size_t)(dot - path));
        tbk_member *member = find_member(map, key, (size_t)(dot - path));
        if (member == NULL)
            tbk_value_add(arena, map, key, tbk_value_map(arena));
        map = member != NULL ? member->value : map->last->value;
    }
    tbk_value_set(arena, map, path, value);
}

void tbk_value_set_string(tbk_arena *arena, tbk_value *map, const char *key, const char *string)
{
    tbk_value_set(arena, map, key, tbk_value_string(arena, string));
}

void tbk_value_set_integer(tbk_arena *arena, tbk_value *map, const char *key, int64_t integer)
{
    tbk_value_set(arena, map, key, tbk_value_integer(arena, integer));
}

void tbk_value_set_bool(tbk_arena *arena, tbk_value *map, const char *key, bool boolean)
{
    tbk_value_set(arena, map, key, tbk_value_bool(arena, boolean));
}

/* --- looking up --- */

typedef struct walk {
    const tbk_value *value;   /* what the path leads to; NULL when missing or null */
    const tbk_value *stop;    /* the last value that was there, for the line in an error */
    const tbk_value *not_map; /* what stood where the path needs a map; else NULL */
    int not_map_length;       /* of the part of the path that leads to it */
} walk;

static walk walk_path(const tbk_value *from, const char *path)
{
    walk result = {.value = from, .stop = from};
    const char *at = path;
    bool ended = false;
    while (result.value != NULL && result.value->type != TBK_VALUE_NULL) {
        result.stop = result.value;
        if (ended)
            return result;
        if (result.value->type != TBK_VALUE_MAP) {
            result.not_map = result.value;
            result.not_map_length = at == path ? 0 : (int)(at - path - 1);
            break;
        }
        size_t length = strcspn(at, ".");
        const tbk_member *member = find_member(result.value, at, length);
        result.value = member != NULL ? member->value : NULL;
        ended = at[length] == '\0';
        at += length + 1; /* past the NUL at the end: not looked at again */
    }
    if (result.value != NULL && result.not_map == NULL)
        result.stop = result.value; /* a null: its line is the place to look at */
    result.value = NULL;
    return result;
}

const tbk_value *tbk_value_find(const tbk_value *map, const char *path)
{
    return walk_path(map, path).value;
}

const char *tbk_value_text_at(const tbk_value *map, const char *path, const char *otherwise)
{
    const tbk_value *found = tbk_value_find(map, path);
    return found != NULL && found->type == TBK_VALUE_STRING ? found->string : otherwise;
}

int64_t tbk_value_integer_at(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);
    return found != NULL && found->type == TBK_VALUE_INTEGER ? found->integer : 0;
}

bool tbk_value_true_at(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);
    return found != NULL && found->type == TBK_VALUE_BOOL && found->boolean;
}

const tbk_member *tbk_value_members_at(const tbk_value *map, const char *path)
{
    const tbk_value *found = tbk_value_find(map, path);
    return found != NULL ? found->first : NULL;
}

uint64_t tbk_value_bytes_at(const tbk_value *map, const char *path)
{
    int64_t bytes = tbk_value_integer_at(map, path);
    return bytes > 0 ? (uint64_t)bytes : 0;
}

static const char *visible(tbk_arena *arena, const char *string, bool with_lines)
{
    tbk_auto_text text = {0};
    tbk_text_append_visible(&text, string, with_lines);
    return tbk_arena_copy(arena, tbk_text_string(&text));
}

static tbk_value *visible_value(tbk_arena *arena, const tbk_value *value, bool with_lines,
                                const char *lines_key)
{
    tbk_value *copy = TBK_ARENA_NEW(arena, tbk_value);
    *copy = *value;
    if (value->type == TBK_VALUE_STRING)
        copy->string = visible(arena, value->string, with_lines);
    copy->first = NULL;
    copy->last = NULL;
    copy->count = 0;
    for (const tbk_member *member = value->first; member != NULL; member = member->next) {
        bool keeps =
            lines_key != NULL && member->key != NULL && strcmp(member->key, lines_key) == 0;
        append_member(arena, copy, member->key != NULL ? visible(arena, member->key, false) : NULL,
                      visible_value(arena, member->value, keeps, lines_key));
    }
    return copy;
}

tbk_value *tbk_value_visible(tbk_arena *arena, const tbk_value *value, const char *lines_key)
{
    return visible_value(arena, value, false, lines_key);
}

static bool fail_type(const tbk_value *value, const char *path, int path_length,
                      tbk_value_type wanted, tbk_error *err)
{
    bool is_container = value->type == TBK_VALUE_LIST || value->type == TBK_VALUE_MAP;
    const char *fix =
        wanted == TBK_VALUE_STRING && !is_container ? "write the text in quotes" : NULL;
    if (path_length == 0)
        return tbk_value_fail(value, err, fix, "the document must be %s, but it is %s",
                              tbk_value_type_name(wanted), tbk_value_type_name(value->type));
    return tbk_value_fail(value, err, fix, "'%.*s' must be %s, but it is %s", path_length, path,
                          tbk_value_type_name(wanted), tbk_value_type_name(value->type));
}

/* Finds a value of this type; *out stays as it is when there is none and none is required. */
static bool get(const tbk_value *map, const char *path, tbk_value_type wanted, bool required,
                const tbk_value **out, tbk_error *err)
{
    walk at = walk_path(map, path);
    if (at.not_map != NULL)
        return fail_type(at.not_map, path, at.not_map_length, TBK_VALUE_MAP, err);
    if (at.value == NULL && required)
        return tbk_value_fail(at.stop, err, NULL, "'%s' is missing; it must be %s", path,
                              tbk_value_type_name(wanted));
    if (at.value == NULL)
        return true;
    if (at.value->type != wanted)
        return fail_type(at.value, path, (int)strlen(path), wanted, err);
    *out = at.value;
    return true;
}

bool tbk_value_look(const tbk_value *map, const char *path, bool *out_is_there, tbk_error *err)
{
    walk at = walk_path(map, path);
    *out_is_there = at.value != NULL;
    if (at.not_map != NULL)
        return fail_type(at.not_map, path, at.not_map_length, TBK_VALUE_MAP, err);
    return true;
}

bool tbk_value_require_string(const tbk_value *map, const char *path, const char **out,
                              tbk_error *err)
{
    const tbk_value *found = NULL;
    if (!get(map, path, TBK_VALUE_STRING, true, &found, err))
        return false;
    *out = found->string;
    return true;
}

bool tbk_value_require_integer(const tbk_value *map, const char *path, int64_t *out, tbk_error *err)
{
    const tbk_value *found = NULL;
    if (!get(map, path, TBK_VALUE_INTEGER, true, &found, err))
        return false;
    *out = found->integer;
    return true;
}

bool tbk_value_require_bool(const tbk_value *map, const char *path, bool *out, tbk_error *err)
{
    const tbk_value *found = NULL;
    if (!get(map, path, TBK_VALUE_BOOL, true, &found, err))
        return false;
    *out = found->boolean;
    return true;
}

bool tbk_value_require_map(const tbk_value *map, const char *path, const tbk_value **out,
                           tbk_error *err)
{
    return get(map, path, TBK_VALUE_MAP, true, out, err);
}

bool tbk_value_require_list(const tbk_value *map, const char *path, const tbk_value **out,
                            tbk_error *err)
{
    return get(map, path, TBK_VALUE_LIST, true, out, err);
}

bool tbk_value_optional_string(const tbk_value *map, const char *path, const char **out,
                               tbk_error *err)
{
    const tbk_value *found = NULL;
    if (!get(map, path, TBK_VALUE_STRING, false, &found, err))
        return false;
    if (found != NULL)
        *out = found->string;
    return true;
}

bool tbk_value_optional_integer(const tbk_value *map, const char *path, int64_t *out,
                                tbk_error *err)
{
    const tbk_value *found = NULL;
    if (!get(map, path, TBK_VALUE_INTEGER, false, &found, err))
        return false;
    if (found != NULL)
        *out = found->integer;
    return true;
}

bool tbk_value_optional_integer_within(const tbk_value *map, const char *path, int64_t least,
                                       int64_t most, int64_t *out, tbk_error *err)
{
    const tbk_value *found = NULL;
    if (!get(map, path, TBK_VALUE_INTEGER, false, &found, err))
        return false;
    if (found == NULL)
        return true;
    if (found->integer < least || found->integer > most)
        return tbk_value_fail(found, err, NULL, "'%s' is %lld; it must be from %lld to %lld", path,
                              (long long)found->integer, (long long)least, (long long)most);
    *out = found->integer;
    return true;
}

bool tbk_value_optional_bool(const tbk_value *map, const char *path, bool *out, tbk_error *err)
{
    const tbk_value *found = NULL;
    if (!get(map, path, TBK_VALUE_BOOL, false, &found, err))
        return false;
    if (found != NULL)
        *out = found->boolean;
    return true;
}

static bool is_known(const char *key, const char *const *known)
{
    for (; *known != NULL; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

bool tbk_value_only_keys(const tbk_value *map, const char *const *known, tbk_error *err)
{
    if (map->type != TBK_VALUE_MAP)
        return tbk_value_fail(map, err, NULL, "must be a map, but it is %s",
                              tbk_value_type_name(map->type));
    for (const tbk_member *member = map->first; member != NULL; member = member->next) {
        if (is_known(member->key, known))
            continue;
        tbk_auto_text accepted = {0};
        for (const char *const *key = known; *key != NULL; key++)
            tbk_text_format(&accepted, "%s%s", key == known ? "" : ", ", *key);
        const tbk_value *where = member->value->source != NULL ? member->value : map;
        return tbk_value_fail(where, err, "correct or remove the key",
                              "unknown key '%s'; known are: %s", member->key,
                              tbk_text_string(&accepted));
    }
    return true;
}

static bool fail_at(const tbk_value *value, tbk_error *err, const char *fix, const char *message)
{
    if (value == NULL || value->source == NULL)
        return tbk_fail(err, TBK_E_CONFIG, fix, "%s", message);
    if (value->line == 0)
        return tbk_fail(err, TBK_E_CONFIG, fix, "%s: %s", value->source, message);
    return tbk_fail(err, TBK_E_CONFIG, fix, "%s:%u: %s", value->source, value->line, message);
}

#undef tbk_value_fail
bool tbk_value_fail(const tbk_value *value, tbk_error *err, const char *fix, const char *format,
                    ...)
{
    char message[sizeof err->message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return fail_at(value, err, fix, message);
}
