/* SPDX-License-Identifier: MIT */
/* Writes and reads documents row by row of a table. */
#include "domain/document.h"

#include "base/digest.h"
#include "domain/units.h"

#include <inttypes.h>
#include <string.h>

/* --- members; through memcpy, since a member's own type is known to its table only --- */

static const void *member_of(const tbk_field *field, const void *whole)
{
    return (const char *)whole + field->offset;
}

static const void *pointer_in(const tbk_field *field, const void *whole)
{
    const void *pointer;
    memcpy(&pointer, member_of(field, whole), sizeof pointer);
    return pointer;
}

static size_t count_in(const tbk_field *field, const void *whole)
{
    size_t count;
    memcpy(&count, (const char *)whole + field->count_offset, sizeof count);
    return count;
}

static int64_t number_in(const tbk_field *field, const void *whole)
{
    int64_t number = 0;
    uint32_t small = 0;
    uint8_t tiny = 0;
    if (field->size == sizeof number)
        memcpy(&number, member_of(field, whole), sizeof number);
    else if (field->size == sizeof small)
        memcpy(&small, member_of(field, whole), sizeof small);
    else
        memcpy(&tiny, member_of(field, whole), sizeof tiny);
    return number + small + tiny;
}

static void put_pointer(const tbk_field *field, void *whole, const void *pointer)
{
    memcpy((char *)whole + field->offset, &pointer, sizeof pointer);
}

static void put_count(const tbk_field *field, void *whole, size_t count)
{
    memcpy((char *)whole + field->count_offset, &count, sizeof count);
}

static void put_number(const tbk_field *field, void *whole, int64_t number)
{
    uint32_t small = (uint32_t)number;
    uint8_t tiny = (uint8_t)number;
    char *member = (char *)whole + field->offset;
    if (field->size == sizeof number)
        memcpy(member, &number, sizeof number);
    else if (field->size == sizeof small)
        memcpy(member, &small, sizeof small);
    else
        memcpy(member, &tiny, sizeof tiny);
}

/* --- writing --- */

static tbk_value *texts_to_value(tbk_arena *arena, const char *const *texts)
{
    tbk_value *list = tbk_value_list(arena);
    for (; texts != NULL && *texts != NULL; texts++)
        tbk_value_append(arena, list, tbk_value_string(arena, *texts));
    return list;
}

static tbk_value *rows_to_value(tbk_arena *arena, const tbk_table_rows *rows, size_t count)
{
    tbk_value *map = tbk_value_map(arena);
    for (size_t i = 0; i < count; i++)
        tbk_value_add(arena, map, rows[i].table, tbk_value_integer(arena, rows[i].rows));
    return map;
}

static tbk_value *items_to_value(tbk_arena *arena, const tbk_field *field, const char *items,
                                 size_t count)
{
    tbk_value *list = tbk_value_list(arena);
    for (size_t i = 0; i < count; i++)
        tbk_value_append(arena, list,
                         tbk_fields_to_value(arena, field->items, items + i * field->size));
    return list;
}

static tbk_value *copy_of(tbk_arena *arena, const tbk_value *value)
{
    tbk_value *copy = TBK_ARENA_NEW(arena, tbk_value);
    *copy = *value;
    return copy;
}

/* NULL where it is unset. */
static tbk_value *pointed_to_value(tbk_arena *arena, const tbk_field *field, const void *pointer)
{
    if (pointer == NULL)
        return NULL;
    return field->kind == TBK_FIELD_VALUE ? copy_of(arena, pointer)
                                          : tbk_value_string(arena, pointer);
}

static tbk_value *number_to_value(tbk_arena *arena, const tbk_field *field, int64_t number)
{
    if (field->need == TBK_FIELD_OMITTED && number == field->otherwise)
        return NULL;
    return tbk_value_integer(arena, number);
}

static tbk_value *name_to_value(tbk_arena *arena, const tbk_field *field, int64_t number)
{
    if (field->need == TBK_FIELD_OMITTED && number == field->otherwise)
        return NULL;
    return tbk_value_string(arena, tbk_names_of(field->names, (unsigned)number));
}

/* NULL where it is unset. */
static tbk_value *field_to_value(tbk_arena *arena, const tbk_field *field, const void *from)
{
    const char *member = member_of(field, from);
    switch (field->kind) {
    case TBK_FIELD_VERSION:
        return tbk_value_integer(arena, field->most);
    case TBK_FIELD_BOOL:
        return tbk_value_bool(arena, number_in(field, from) != 0);
    case TBK_FIELD_INTEGER:
        return number_to_value(arena, field, number_in(field, from));
    case TBK_FIELD_NAME:
        return name_to_value(arena, field, number_in(field, from));
    case TBK_FIELD_DIGEST:
        return member[0] != '\0' ? tbk_value_string(arena, member) : NULL;
    case TBK_FIELD_TEXTS:
        return texts_to_value(arena, pointer_in(field, from));
    case TBK_FIELD_ROWS:
        return rows_to_value(arena, pointer_in(field, from), count_in(field, from));
    case TBK_FIELD_LIST:
        return items_to_value(arena, field, pointer_in(field, from), count_in(field, from));
    case TBK_FIELD_ARRAY:
        return items_to_value(arena, field, member, count_in(field, from));
    default: /* a text, a value */
        return pointed_to_value(arena, field, pointer_in(field, from));
    }
}

void tbk_fields_write(tbk_arena *arena, tbk_value *map, const tbk_field *fields, const void *from)
{
    for (; fields->kind != TBK_FIELD_END; fields++) {
        tbk_value *value = field_to_value(arena, fields, from);
        if (value == NULL && fields->need == TBK_FIELD_OMITTED)
            continue;
        tbk_value_set_at(arena, map, fields->key, value != NULL ? value : tbk_value_null(arena));
    }
}

tbk_value *tbk_fields_to_value(tbk_arena *arena, const tbk_field *fields, const void *from)
{
    tbk_value *map = tbk_value_map(arena);
    tbk_fields_write(arena, map, fields, from);
    return map;
}

/* --- reading --- */

bool(tbk_field_fail)(const char *key, const char *why, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CORRUPT, NULL, "'%s' %s", key, why);
}

bool(tbk_document_damaged)(const char *what, tbk_error *err)
{
    if (err->code != TBK_E_UNSUPPORTED)
        err->code = TBK_E_CORRUPT;
    return tbk_error_context(err, "%s", what);
}

static bool check_version(const tbk_value *map, const tbk_field *field, tbk_error *err)
{
    int64_t version = 0;
    if (!tbk_value_require_integer(map, field->key, &version, err))
        return false;
    if (version > field->most)
        return tbk_fail(err, TBK_E_UNSUPPORTED, "use the version of torrust-backup that made it",
                        "it has schema version %" PRId64 "; this version reads %" PRId64, version,
                        field->most);
    return version == field->most || tbk_field_fail(field->key, "is not a version", err);
}

static bool read_text(const tbk_value *map, const tbk_field *field, void *out, tbk_error *err)
{
    const char *text = NULL;
    if (!tbk_value_require_string(map, field->key, &text, err))
        return false;
    if (field->accepts != NULL && !field->accepts(text))
        return tbk_field_fail(field->key, field->refusal, err);
    put_pointer(field, out, text);
    return true;
}

static bool read_bool(const tbk_value *map, const tbk_field *field, void *out, tbk_error *err)
{
    bool boolean = false;
    if (!tbk_value_require_bool(map, field->key, &boolean, err))
        return false;
    put_number(field, out, boolean);
    return true;
}

static bool is_within(const tbk_field *field, int64_t number)
{
    if (field->least == 0 && field->most == 0)
        return tbk_units_allow(field->key, number);
    return number >= field->least && number <= field->most;
}

static bool read_integer(const tbk_value *map, const tbk_field *field, void *out, tbk_error *err)
{
    int64_t number = 0;
    if (!tbk_value_require_integer(map, field->key, &number, err))
        return false;
    if (!is_within(field, number))
        return tbk_field_fail(field->key, "is out of range", err);
    put_number(field, out, number);
    return true;
}

static bool read_name(const tbk_value *map, const tbk_field *field, void *out, tbk_error *err)
{
    const char *name = NULL;
    unsigned value = 0;
    if (!tbk_value_require_string(map, field->key, &name, err))
        return false;
    if (!tbk_names_parse(field->names, name, &value, err))
        return field->refusal != NULL && tbk_field_fail(field->key, field->refusal, err);
    put_number(field, out, value);
    return true;
}

static bool read_digest(const tbk_value *map, const tbk_field *field, void *out, tbk_error *err)
{
    const char *hex = NULL;
    if (!tbk_value_require_string(map, field->key, &hex, err))
        return false;
    if (strlen(hex) != field->size - 1 || hex[strspn(hex, "0123456789abcdef")] != '\0')
        return tbk_field_fail(field->key, "is not a SHA-256 in lower-case hexadecimal", err);
    memcpy((char *)out + field->offset, hex, field->size);
    return true;
}

static bool read_texts(tbk_arena *arena, const tbk_value *map, const tbk_field *field, void *out,
                       tbk_error *err)
{
    const tbk_value *list = NULL;
    size_t count = 0;
    if (!tbk_value_require_list(map, field->key, &list, err))
        return false;
    const char **texts = tbk_arena_alloc(arena, (list->count + 1) * sizeof *texts);
    for (const tbk_member *item = list->first; item != NULL; item = item->next) {
        if (item->value->type != TBK_VALUE_STRING)
            return tbk_field_fail(field->key, "holds something that is no text", err);
        texts[count++] = item->value->string;
    }
    put_pointer(field, out, texts);
    return true;
}

static bool read_rows(tbk_arena *arena, const tbk_value *map, const tbk_field *field, void *out,
                      tbk_error *err)
{
    const tbk_value *found = NULL;
    size_t count = 0;
    if (!tbk_value_require_map(map, field->key, &found, err))
        return false;
    tbk_table_rows *rows = tbk_arena_alloc(arena, (found->count + 1) * sizeof *rows);
    for (const tbk_member *item = found->first; item != NULL; item = item->next) {
        if (item->value->type != TBK_VALUE_INTEGER || !is_within(field, item->value->integer))
            return tbk_field_fail(field->key, "holds something that is no count", err);
        rows[count++] = (tbk_table_rows){.table = item->key, .rows = item->value->integer};
    }
    put_pointer(field, out, rows);
    put_count(field, out, count);
    return true;
}

/* Counts them as they come, so that a check sees those before. */
static bool read_items(tbk_arena *arena, const tbk_value *list, const tbk_field *field, char *items,
                       void *out, tbk_error *err)
{
    size_t count = 0;
    for (const tbk_member *member = list->first; member != NULL; member = member->next) {
        char *item = items + count * field->size;
        if (member->value->type != TBK_VALUE_MAP)
            return tbk_field_fail(
                field->key,
                field->refusal != NULL ? field->refusal : "holds something that is no map", err);
        if (!tbk_fields_read(arena, member->value, field->items, item, err) ||
            (field->check != NULL && !field->check(out, item, err)))
            return false;
        put_count(field, out, ++count);
    }
    return true;
}

static bool read_list(tbk_arena *arena, const tbk_value *map, const tbk_field *field, void *out,
                      tbk_error *err)
{
    const tbk_value *list = NULL;
    if (!tbk_value_require_list(map, field->key, &list, err))
        return false;
    char *items = tbk_arena_alloc(arena, (list->count + 1) * field->size);
    put_pointer(field, out, items);
    return read_items(arena, list, field, items, out, err);
}

static bool read_array(tbk_arena *arena, const tbk_value *map, const tbk_field *field, void *out,
                       tbk_error *err)
{
    const tbk_value *list = NULL;
    const char *dot = strrchr(field->key, '.');
    if (!tbk_value_require_list(map, field->key, &list, err))
        return false;
    if (list->count > (size_t)field->most)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "'%s' has too many %s", field->key,
                        dot != NULL ? dot + 1 : field->key);
    return read_items(arena, list, field, (char *)out + field->offset, out, err);
}

static bool read_there(tbk_arena *arena, const tbk_value *map, const tbk_field *field, void *out,
                       tbk_error *err)
{
    switch (field->kind) {
    case TBK_FIELD_VERSION:
        return check_version(map, field, err);
    case TBK_FIELD_TEXT:
        return read_text(map, field, out, err);
    case TBK_FIELD_BOOL:
        return read_bool(map, field, out, err);
    case TBK_FIELD_INTEGER:
        return read_integer(map, field, out, err);
    case TBK_FIELD_NAME:
        return read_name(map, field, out, err);
    case TBK_FIELD_DIGEST:
        return read_digest(map, field, out, err);
    case TBK_FIELD_TEXTS:
        return read_texts(arena, map, field, out, err);
    case TBK_FIELD_ROWS:
        return read_rows(arena, map, field, out, err);
    case TBK_FIELD_LIST:
        return read_list(arena, map, field, out, err);
    case TBK_FIELD_ARRAY:
        return read_array(arena, map, field, out, err);
    default: /* a value, of any type */
        put_pointer(field, out, tbk_value_find(map, field->key));
        return true;
    }
}

static bool read_field(tbk_arena *arena, const tbk_value *map, const tbk_field *field, void *out,
                       tbk_error *err)
{
    bool is_there = field->need == TBK_FIELD_REQUIRED;
    if (!is_there && !tbk_value_look(map, field->key, &is_there, err))
        return false;
    if (is_there)
        return read_there(arena, map, field, out, err);
    if (field->kind == TBK_FIELD_INTEGER)
        put_number(field, out, field->otherwise);
    return true;
}

bool tbk_fields_read(tbk_arena *arena, const tbk_value *map, const tbk_field *fields, void *out,
                     tbk_error *err)
{
    for (; fields->kind != TBK_FIELD_END; fields++)
        if (!read_field(arena, map, fields, out, err))
            return false;
    return true;
}

void tbk_fields_read_known(tbk_arena *arena, const tbk_value *map, const tbk_field *fields,
                           void *out)
{
    tbk_error ignored;
    for (; fields->kind != TBK_FIELD_END; fields++)
        (void)!read_field(arena, map, fields, out, &ignored);
}
