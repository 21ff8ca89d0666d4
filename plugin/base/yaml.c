/* SPDX-License-Identifier: MIT */
/* YAML by libyaml's events: anchors, merge keys and limits are ours, as its own composer has none.
 */
#include "base/yaml.h"

#include "base/memory.h"
#include "base/number.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <yaml.h>

enum { MAX_LEVELS = 64, MAX_NODES = 100000, MAX_KEYS = 4096 };

typedef struct anchor {
    const char *name;
    const tbk_value *value;
    struct anchor *next; /* the one before it: a later anchor of the same name hides it */
} anchor;

typedef struct reader {
    yaml_parser_t parser;
    tbk_arena *arena;
    const char *source;
    anchor *anchors;
    size_t nodes;
    tbk_error *err;
} reader;

static void end_reader(reader *in) { yaml_parser_delete(&in->parser); }

static void end_event(yaml_event_t *event) { yaml_event_delete(event); }
#define auto_event __attribute__((cleanup(end_event))) yaml_event_t

static const char *as_text(const yaml_char_t *text) { return (const char *)text; }

/* Returns NULL, so that a function that reads can `return fail(...)`, and one that only checks,
 * `return fail(...) != NULL`. */
TBK_PRINTF(4, 5)
static tbk_value *fail(const reader *in, yaml_mark_t mark, const char *fix, const char *format, ...)
{
    char cause[sizeof in->err->message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(cause, sizeof cause, format, arguments);
    va_end(arguments);
    (void)tbk_fail(in->err, TBK_E_CONFIG, fix, "%s:%zu:%zu: %s", in->source, mark.line + 1,
                   mark.column + 1, cause);
    return NULL;
}

static bool next_event(reader *in, yaml_event_t *event)
{
    if (yaml_parser_parse(&in->parser, event))
        return true;
    *event = (yaml_event_t){0};
    const yaml_parser_t *parser = &in->parser;
    tbk_memory_must(parser->error != YAML_MEMORY_ERROR);
    if (parser->error == YAML_READER_ERROR)
        (void)tbk_fail(in->err, TBK_E_CONFIG, "save the file as UTF-8",
                       "%s: not valid YAML: %s at byte %zu", in->source, parser->problem,
                       parser->problem_offset);
    else
        (void)fail(in, parser->problem_mark, NULL, "not valid YAML: %s", parser->problem);
    return false;
}

/* --- scalars --- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static bool is_null(const char *text)
{
    static const char *const WORDS[] = {"", "~", "null", "Null", "NULL", NULL};
    return is_one_of(text, WORDS);
}

static bool is_true(const char *text)
{
    static const char *const WORDS[] = {"true", "True", "TRUE", NULL};
    return is_one_of(text, WORDS);
}

static bool is_false(const char *text)
{
    static const char *const WORDS[] = {"false", "False", "FALSE", NULL};
    return is_one_of(text, WORDS);
}

static size_t digits_at(const char *text) { return strspn(text, "0123456789"); }

static const char *after_sign(const char *text)
{
    return *text == '+' || *text == '-' ? text + 1 : text;
}

/* Gives the base of a whole number of the core schema, 0 when the text is none. */
static int integer_base(const char *text)
{
    if (strncmp(text, "0o", 2) == 0 && text[2] != '\0' &&
        strspn(text + 2, "01234567") == strlen(text + 2))
        return 8;
    if (strncmp(text, "0x", 2) == 0 && text[2] != '\0' &&
        strspn(text + 2, "0123456789abcdefABCDEF") == strlen(text + 2))
        return 16;
    const char *digits = after_sign(text);
    return *digits != '\0' && digits[digits_at(digits)] == '\0' ? 10 : 0;
}

static bool is_decimal_real(const char *text)
{
    const char *at = after_sign(text);
    size_t whole = digits_at(at);
    at += whole;
    size_t fraction = 0;
    if (*at == '.') {
        fraction = digits_at(at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at = after_sign(at + 1);
        size_t exponent = digits_at(at);
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return *at == '\0';
}

static bool parse_real(const char *text, double *out)
{
    static const char *const INFINITIES[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const NOT_NUMBERS[] = {".nan", ".NaN", ".NAN", NULL};
    if (is_one_of(after_sign(text), INFINITIES))
        *out = *text == '-' ? -INFINITY : INFINITY;
    else if (is_one_of(text, NOT_NUMBERS))
        *out = NAN;
    else if (is_decimal_real(text))
        *out = tbk_number_parse(text);
    else
        return false;
    return true;
}

static tbk_value *read_integer(const reader *in, const yaml_event_t *event, const char *text,
                               int base)
{
    errno = 0;
    long long integer = strtoll(base == 10 ? text : text + 2, NULL, base);
    if (errno == ERANGE)
        return fail(in, event->start_mark, "write it in quotes if it is meant as text",
                    "a whole number that is too large");
    return tbk_value_integer(in->arena, integer);
}

/* A plain scalar's value by the core schema. */
static tbk_value *read_plain(const reader *in, const yaml_event_t *event, const char *text)
{
    double real = 0;
    int base = integer_base(text);
    if (base != 0)
        return read_integer(in, event, text, base);
    if (is_null(text))
        return tbk_value_null(in->arena);
    if (is_true(text) || is_false(text))
        return tbk_value_bool(in->arena, is_true(text));
    if (parse_real(text, &real))
        return tbk_value_real(in->arena, real);
    return tbk_value_string(in->arena, text);
}

static tbk_value *read_tagged(const reader *in, const yaml_event_t *event, const char *text,
                              const char *tag)
{
    static const struct {
        const char *tag;
        tbk_value_type type;
    } TAGS[] = {{YAML_NULL_TAG, TBK_VALUE_NULL},
                {YAML_BOOL_TAG, TBK_VALUE_BOOL},
                {YAML_INT_TAG, TBK_VALUE_INTEGER},
                {YAML_FLOAT_TAG, TBK_VALUE_REAL}};
    if (strcmp(tag, "!") == 0 || strcmp(tag, YAML_STR_TAG) == 0)
        return tbk_value_string(in->arena, text);
    for (size_t index = 0; index < sizeof TAGS / sizeof TAGS[0]; index++) {
        if (strcmp(tag, TAGS[index].tag) != 0)
            continue;
        tbk_value *value = read_plain(in, event, text);
        if (value != NULL && value->type == TBK_VALUE_INTEGER && TAGS[index].type == TBK_VALUE_REAL)
            return tbk_value_real(in->arena, (double)value->integer);
        if (value != NULL && value->type != TAGS[index].type)
            return fail(in, event->start_mark, NULL, "this is not %s, as its tag says",
                        tbk_value_type_name(TAGS[index].type));
        return value;
    }
    return fail(in, event->start_mark, "remove the tag", "the tag '%s' is not supported", tag);
}

static tbk_value *read_scalar(const reader *in, const yaml_event_t *event)
{
    const char *text = as_text(event->data.scalar.value);
    if (strlen(text) != event->data.scalar.length)
        return fail(in, event->start_mark, "remove it", "text with a NUL character inside");
    if (event->data.scalar.tag != NULL)
        return read_tagged(in, event, text, as_text(event->data.scalar.tag));
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return read_plain(in, event, text);
    return tbk_value_string(in->arena, text);
}

/* --- nodes --- */

static bool count_node(reader *in, yaml_mark_t mark, int level)
{
    if (level > MAX_LEVELS)
        return fail(in, mark, NULL, "nested more than %d levels deep", MAX_LEVELS) != NULL;
    if (++in->nodes > MAX_NODES)
        return fail(in, mark, NULL, "more than %d values, aliases resolved", MAX_NODES) != NULL;
    return true;
}

/* A copy for each alias: the limits then hold for the tree as its readers see it. */
static tbk_value *copy_value(reader *in, const tbk_value *original, yaml_mark_t mark, int level)
{
    bool is_container = original->type == TBK_VALUE_LIST || original->type == TBK_VALUE_MAP;
    if (!count_node(in, mark, is_container ? level : 1))
        return NULL;
    tbk_value *copy = TBK_ARENA_NEW(in->arena, tbk_value);
    *copy = *original;
    copy->first = NULL;
    copy->last = NULL;
    copy->count = 0;
    for (const tbk_member *at = original->first; at != NULL; at = at->next) {
        tbk_value *child = copy_value(in, at->value, mark, level + 1);
        if (child == NULL)
            return NULL;
        if (at->key != NULL)
            tbk_value_add(in->arena, copy, at->key, child);
        else
            tbk_value_append(in->arena, copy, child);
    }
    return copy;
}

static tbk_value *read_alias(reader *in, const yaml_event_t *event, int level)
{
    const char *name = as_text(event->data.alias.anchor);
    for (const anchor *at = in->anchors; at != NULL; at = at->next)
        if (strcmp(at->name, name) == 0)
            return copy_value(in, at->value, event->start_mark, level);
    return fail(in, event->start_mark, NULL, "the alias '*%s' has no anchor before it", name);
}

static void remember_anchor(reader *in, const yaml_char_t *name, const tbk_value *value)
{
    if (name == NULL)
        return;
    anchor *made = TBK_ARENA_NEW(in->arena, anchor);
    *made = (anchor){
        .name = tbk_arena_copy(in->arena, as_text(name)), .value = value, .next = in->anchors};
    in->anchors = made;
}

static bool check_tag(const reader *in, const yaml_event_t *event, const yaml_char_t *tag,
                      const char *core_tag)
{
    if (tag == NULL || strcmp(as_text(tag), "!") == 0 || strcmp(as_text(tag), core_tag) == 0)
        return true;
    return fail(in, event->start_mark, "remove the tag", "the tag '%s' is not supported",
                as_text(tag)) != NULL;
}

static tbk_value *read_node(reader *in, const yaml_event_t *event, int level);

static tbk_value *read_list(reader *in, const yaml_event_t *start, int level)
{
    if (!check_tag(in, start, start->data.sequence_start.tag, YAML_SEQ_TAG))
        return NULL;
    tbk_value *list = tbk_value_list(in->arena);
    for (;;) {
        auto_event event = {0};
        if (!next_event(in, &event))
            return NULL;
        if (event.type == YAML_SEQUENCE_END_EVENT)
            break;
        tbk_value *item = read_node(in, &event, level + 1);
        if (item == NULL)
            return NULL;
        tbk_value_append(in->arena, list, item);
    }
    remember_anchor(in, start->data.sequence_start.anchor, list);
    return list;
}

static const tbk_member *member_of(const tbk_value *map, const char *key)
{
    for (const tbk_member *at = map->first; at != NULL; at = at->next)
        if (strcmp(at->key, key) == 0)
            return at;
    return NULL;
}

/* Keys are compared one by one, which hostile maps must not make slow. */
static bool count_key(const reader *in, const tbk_value *map, yaml_mark_t mark)
{
    if (map->count < MAX_KEYS)
        return true;
    return fail(in, mark, NULL, "more than %d keys in one map", MAX_KEYS) != NULL;
}

/* What the map says itself comes before what is merged, and what is merged first before the rest.
 */
static bool merge_map(const reader *in, tbk_value *map, const tbk_value *merged, yaml_mark_t mark)
{
    for (const tbk_member *at = merged->first; at != NULL; at = at->next) {
        if (member_of(map, at->key) != NULL)
            continue;
        if (!count_key(in, map, mark))
            return false;
        tbk_value_add(in->arena, map, at->key, at->value);
    }
    return true;
}

static bool merge(const reader *in, tbk_value *map, const tbk_value *merged, yaml_mark_t mark)
{
    if (merged->type == TBK_VALUE_MAP)
        return merge_map(in, map, merged, mark);
    bool maps_only = merged->type == TBK_VALUE_LIST;
    for (const tbk_member *at = merged->first; at != NULL; at = at->next)
        maps_only = maps_only && at->value->type == TBK_VALUE_MAP;
    if (!maps_only)
        return fail(in, mark, NULL, "'<<' wants a map or a list of maps") != NULL;
    for (const tbk_member *at = merged->first; at != NULL; at = at->next)
        if (!merge_map(in, map, at->value, mark))
            return false;
    return true;
}

static bool is_merge_key(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT && event->data.scalar.tag == NULL &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           strcmp(as_text(event->data.scalar.value), "<<") == 0;
}

static const char *read_key(reader *in, const yaml_event_t *event)
{
    const tbk_value *key = NULL;
    if (event->type != YAML_SCALAR_EVENT)
        (void)fail(in, event->start_mark, NULL, "a key must be text");
    else
        key = read_scalar(in, event);
    if (key != NULL && key->type != TBK_VALUE_STRING)
        key = fail(in, event->start_mark, "write the key in quotes", "a key must be text");
    if (key == NULL)
        return NULL;
    remember_anchor(in, event->data.scalar.anchor, key);
    return key->string;
}

/* Reads one key and its value; out_merged gets the value of a merge key. */
static bool read_member(reader *in, const yaml_event_t *key_event, int level, tbk_value *map,
                        tbk_value **out_merged)
{
    bool is_merge = is_merge_key(key_event);
    const char *key = is_merge ? "<<" : read_key(in, key_event);
    if (key == NULL)
        return false;
    if (is_merge ? *out_merged != NULL : member_of(map, key) != NULL)
        return fail(in, key_event->start_mark, "remove one of them", "the key '%s' is there twice",
                    key) != NULL;
    if (!count_key(in, map, key_event->start_mark))
        return false;
    auto_event event = {0};
    if (!next_event(in, &event))
        return false;
    tbk_value *value = read_node(in, &event, level + 1);
    if (value == NULL)
        return false;
    if (is_merge)
        *out_merged = value;
    else
        tbk_value_add(in->arena, map, key, value);
    return true;
}

static tbk_value *read_map(reader *in, const yaml_event_t *start, int level)
{
    if (!check_tag(in, start, start->data.mapping_start.tag, YAML_MAP_TAG))
        return NULL;
    tbk_value *map = tbk_value_map(in->arena);
    tbk_value *merged = NULL;
    for (;;) {
        auto_event event = {0};
        if (!next_event(in, &event))
            return NULL;
        if (event.type == YAML_MAPPING_END_EVENT)
            break;
        if (!read_member(in, &event, level, map, &merged))
            return NULL;
    }
    if (merged != NULL && !merge(in, map, merged, start->start_mark))
        return NULL;
    remember_anchor(in, start->data.mapping_start.anchor, map);
    return map;
}

static tbk_value *read_node(reader *in, const yaml_event_t *event, int level)
{
    if (event->type == YAML_ALIAS_EVENT)
        return read_alias(in, event, level);
    bool is_scalar = event->type == YAML_SCALAR_EVENT;
    if (!count_node(in, event->start_mark, is_scalar ? 1 : level))
        return NULL;
    tbk_value *value = NULL;
    if (is_scalar) {
        value = read_scalar(in, event);
        if (value != NULL)
            remember_anchor(in, event->data.scalar.anchor, value);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        value = read_list(in, event, level);
    } else {
        value = read_map(in, event, level);
    }
    if (value != NULL) {
        value->source = in->source;
        value->line = (uint32_t)event->start_mark.line + 1;
    }
    return value;
}

/* --- the document --- */

static bool skip_event(reader *in)
{
    auto_event event = {0};
    return next_event(in, &event);
}

static bool expect_end(reader *in)
{
    auto_event event = {0};
    if (!skip_event(in) || !next_event(in, &event))
        return false;
    if (event.type == YAML_STREAM_END_EVENT)
        return true;
    return fail(in, event.start_mark, "keep one of them", "more than one document") != NULL;
}

static tbk_value *read_stream(reader *in)
{
    auto_event event = {0};
    if (!skip_event(in) || !next_event(in, &event))
        return NULL;
    if (event.type == YAML_STREAM_END_EVENT) {
        tbk_value *nothing = tbk_value_null(in->arena);
        nothing->source = in->source;
        return nothing;
    }
    auto_event root = {0};
    if (!next_event(in, &root))
        return NULL;
    tbk_value *value = read_node(in, &root, 1);
    return value != NULL && expect_end(in) ? value : NULL;
}

bool tbk_yaml_parse(tbk_arena *arena, const char *bytes, size_t length, const char *source,
                    const tbk_value **out, tbk_error *err)
{
    __attribute__((cleanup(end_reader)))
    reader in = {.arena = arena, .source = tbk_arena_copy(arena, source), .err = err};
    tbk_memory_must(yaml_parser_initialize(&in.parser) == 1);
    yaml_parser_set_input_string(&in.parser, (const unsigned char *)bytes, length);
    const tbk_value *value = read_stream(&in);
    if (value == NULL)
        return false;
    *out = value;
    return true;
}
