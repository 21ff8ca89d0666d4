/* SPDX-License-Identifier: MIT */
/* Documents for the domain's tests: read from text, then changed in one place. */
#ifndef TBK_TESTS_DOMAIN_DOCUMENTS_H
#define TBK_TESTS_DOMAIN_DOCUMENTS_H

#include "unit/unit.h"

#include "base/json.h"
#include "base/yaml.h"

static inline tbk_value *json_of(tbk_arena *arena, const char *text)
{
    const tbk_value *value = NULL;
    tbk_error err;
    assert_succeeds(tbk_json_parse(arena, text, strlen(text), "file.json", &value, &err), err);
    return (tbk_value *)value;
}

static inline const tbk_value *yaml_of(tbk_arena *arena, const char *text)
{
    const tbk_value *value = NULL;
    tbk_error err;
    assert_succeeds(tbk_yaml_parse(arena, text, strlen(text), "file.yml", &value, &err), err);
    return value;
}

/* Puts the JSON text at the path with dots. */
static inline void put(tbk_arena *arena, tbk_value *document, const char *path, const char *json)
{
    const char *dot = strrchr(path, '.');
    const tbk_value *parent = document;
    if (dot != NULL)
        parent = tbk_value_find(document, tbk_arena_copy_bytes(arena, path, (size_t)(dot - path)));
    assert_non_null(parent);
    tbk_value_set(arena, (tbk_value *)parent, dot != NULL ? dot + 1 : path, json_of(arena, json));
}

/* Writes it as JSON text and reads that, as a set's file is. */
static inline tbk_value *as_written(tbk_arena *arena, const tbk_value *value)
{
    tbk_auto_text text = {0};
    tbk_json_write(&text, value, true);
    return json_of(arena, tbk_text_string(&text));
}

/* One change of a valid document, and the message that refuses it. */
typedef struct refusal {
    const char *path;
    const char *json;
    const char *message;
} refusal;

#endif
