/* SPDX-License-Identifier: MIT */
/* JSON by jansson: its tree becomes ours and is freed at once; writing needs no tree of its own. */
#include "base/json.h"

#include "base/number.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { MAX_LEVELS = 64 };

static void end_tree(json_t **tree) { json_decref(*tree); }
#define auto_tree __attribute__((cleanup(end_tree))) json_t

/* --- reading --- */

typedef struct reader {
    tbk_arena *arena;
    const char *source;
    tbk_error *err;
} reader;

static tbk_value *convert(const reader *in, json_t *node, int level);

static bool convert_list(const reader *in, json_t *node, int level, tbk_value *list)
{
    for (size_t index = 0; index < json_array_size(node); index++) {
        tbk_value *item = convert(in, json_array_get(node, index), level + 1);
        if (item == NULL)
            return false;
        tbk_value_append(in->arena, list, item);
    }
    return true;
}

static bool convert_map(const reader *in, json_t *node, int level, tbk_value *map)
{
    for (void *at = json_object_iter(node); at != NULL; at = json_object_iter_next(node, at)) {
        tbk_value *value = convert(in, json_object_iter_value(at), level + 1);
        if (value == NULL)
            return false;
        tbk_value_add(in->arena, map, json_object_iter_key(at), value);
    }
    return true;
}

static tbk_value *convert_scalar(const reader *in, const json_t *node)
{
    switch (json_typeof(node)) {
    case JSON_STRING:
        return tbk_value_string(in->arena, json_string_value(node));
    case JSON_INTEGER:
        return tbk_value_integer(in->arena, json_integer_value(node));
    case JSON_REAL:
        return tbk_value_real(in->arena, json_real_value(node));
    case JSON_TRUE:
        return tbk_value_bool(in->arena, true);
    case JSON_FALSE:
        return tbk_value_bool(in->arena, false);
    default:
        return tbk_value_null(in->arena);
    }
}

static tbk_value *convert(const reader *in, json_t *node, int level)
{
    tbk_value *value = NULL;
    bool ok = true;
    bool is_map = json_typeof(node) == JSON_OBJECT;
    if (!is_map && json_typeof(node) != JSON_ARRAY) {
        value = convert_scalar(in, node);
    } else if (level > MAX_LEVELS) {
        (void)tbk_fail(in->err, TBK_E_CONFIG, NULL, "%s: nested more than %d levels deep",
                       in->source, MAX_LEVELS);
        return NULL;
    } else if (is_map) {
        value = tbk_value_map(in->arena);
        ok = convert_map(in, node, level, value);
    } else {
        value = tbk_value_list(in->arena);
        ok = convert_list(in, node, level, value);
    }
    value->source = in->source;
    return ok ? value : NULL;
}

static bool fail_syntax(const char *source, const json_error_t *cause, tbk_error *err)
{
    /* jansson quotes what it stumbled over, which may be a secret. */
    const char *quote = strstr(cause->text, " near ");
    int length = quote != NULL ? (int)(quote - cause->text) : (int)strlen(cause->text);
    return tbk_fail(err, TBK_E_CONFIG, NULL, "%s:%d:%d: not valid JSON: %.*s", source,
                    cause->line > 0 ? cause->line : 1, cause->column > 0 ? cause->column : 1,
                    length, cause->text);
}

bool tbk_json_parse(tbk_arena *arena, const char *bytes, size_t length, const char *source,
                    const tbk_value **out, tbk_error *err)
{
    json_error_t cause;
    auto_tree *tree = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &cause);
    if (tree == NULL)
        return fail_syntax(source, &cause, err);
    reader in = {.arena = arena, .source = tbk_arena_copy(arena, source), .err = err};
    const tbk_value *value = convert(&in, tree, 1);
    if (value == NULL)
        return false;
    *out = value;
    return true;
}

/* --- writing --- */

/* Escapes what would act on a terminal; a JSON reader gets the original. */
static void write_character(tbk_text *text, const char *at, size_t step)
{
    bool hidden;
    uint32_t character = tbk_text_character(at, step, &hidden);
    if (!hidden)
        tbk_text_append_bytes(text, at, step);
    else if (character < 0x10000)
        tbk_text_format(text, "\\u%04x", (unsigned)character);
    else
        tbk_text_format(text, "\\u%04x\\u%04x", 0xD7C0 + (unsigned)(character >> 10),
                        0xDC00 + (unsigned)(character & 0x3FF));
}

static void write_string(tbk_text *text, const char *string)
{
    tbk_text_append_char(text, '"');
    for (const char *at = string; *at != '\0';) {
        size_t step = tbk_text_utf8_step(at, strlen(at) < 4 ? strlen(at) : 4);
        if (step == 0) {
            tbk_text_append(text, "\xEF\xBF\xBD"); /* not UTF-8: the replacement character */
            step = 1;
        } else if (*at == '"' || *at == '\\') {
            tbk_text_format(text, "\\%c", *at);
        } else if (*at == '\n') {
            tbk_text_append(text, "\\n");
        } else {
            write_character(text, at, step);
        }
        at += step;
    }
    tbk_text_append_char(text, '"');
}

static void write_real(tbk_text *text, double real)
{
    if (!isfinite(real)) {
        tbk_text_append(text, "null"); /* JSON has no such number */
        return;
    }
    char digits[TBK_NUMBER_TEXT_SIZE];
    tbk_number_format(real, digits);
    tbk_text_append(text, digits);
    if (digits[strspn(digits, "-0123456789")] == '\0')
        tbk_text_append(text, ".0"); /* so that it stays a real number when it is read */
}

static void break_line(tbk_text *text, bool indented, int level)
{
    if (indented)
        tbk_text_format(text, "\n%*s", 2 * level, "");
}

static void write_value(tbk_text *text, const tbk_value *value, bool indented, int level);

static void write_members(tbk_text *text, const tbk_value *value, bool indented, int level)
{
    bool is_map = value->type == TBK_VALUE_MAP;
    tbk_text_append_char(text, is_map ? '{' : '[');
    for (const tbk_member *member = value->first; member != NULL; member = member->next) {
        if (member != value->first)
            tbk_text_append_char(text, ',');
        break_line(text, indented, level + 1);
        if (is_map) {
            write_string(text, member->key);
            tbk_text_append(text, indented ? ": " : ":");
        }
        write_value(text, member->value, indented, level + 1);
    }
    if (value->first != NULL)
        break_line(text, indented, level);
    tbk_text_append_char(text, is_map ? '}' : ']');
}

static void write_value(tbk_text *text, const tbk_value *value, bool indented, int level)
{
    switch (value->type) {
    case TBK_VALUE_NULL:
        tbk_text_append(text, "null");
        break;
    case TBK_VALUE_BOOL:
        tbk_text_append(text, value->boolean ? "true" : "false");
        break;
    case TBK_VALUE_INTEGER:
        tbk_text_format(text, "%lld", (long long)value->integer);
        break;
    case TBK_VALUE_REAL:
        write_real(text, value->real);
        break;
    case TBK_VALUE_STRING:
        write_string(text, value->string);
        break;
    default: /* a list or a map */
        write_members(text, value, indented, level);
        break;
    }
}

void tbk_json_write(tbk_text *text, const tbk_value *value, bool indented)
{
    write_value(text, value, indented, 0);
    if (indented)
        tbk_text_append_char(text, '\n');
}
