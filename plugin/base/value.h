/* SPDX-License-Identifier: MIT */
/*
 * A value: what a JSON or YAML document says, as a tree that lives in an arena.
 *
 * Readers: base/json.h and base/yaml.h. Look-ups take a path with dots ("core.database.driver") and
 * name it, the file and the line in their errors.
 */
#ifndef TBK_BASE_VALUE_H
#define TBK_BASE_VALUE_H

#include "base/arena.h"
#include "base/error.h"

#include <stdint.h>

typedef enum tbk_value_type {
    TBK_VALUE_NULL,
    TBK_VALUE_BOOL,
    TBK_VALUE_INTEGER,
    TBK_VALUE_REAL,
    TBK_VALUE_STRING,
    TBK_VALUE_LIST,
    TBK_VALUE_MAP
} tbk_value_type;

typedef struct tbk_value tbk_value;

typedef struct tbk_member {
    const char *key; /* of a map; NULL in a list */
    tbk_value *value;
    struct tbk_member *next;
} tbk_member;

struct tbk_value {
    tbk_value_type type;
    uint32_t line;      /* in its document, from 1; 0 = not known */
    const char *source; /* name of the document for errors; NULL = not known */
    bool boolean;
    int64_t integer;
    double real;
    const char *string; /* UTF-8 without NUL inside */
    tbk_member *first;  /* of a list or map, in the order of the document */
    tbk_member *last;
    size_t count;
};

/* For people: "null", "true or false", "a whole number", "a number", "text", "a list", "a map". */
const char *tbk_value_type_name(tbk_value_type type);

/* --- building; keys and strings are copied into the arena --- */
tbk_value *tbk_value_null(tbk_arena *arena);
tbk_value *tbk_value_bool(tbk_arena *arena, bool boolean);
tbk_value *tbk_value_integer(tbk_arena *arena, int64_t integer);
tbk_value *tbk_value_real(tbk_arena *arena, double real);
/* A NULL string becomes null. */
tbk_value *tbk_value_string(tbk_arena *arena, const char *string);
tbk_value *tbk_value_list(tbk_arena *arena);
tbk_value *tbk_value_map(tbk_arena *arena);
void tbk_value_append(tbk_arena *arena, tbk_value *list, tbk_value *item);
/* Adds a key that the map is known not to have yet. */
void tbk_value_add(tbk_arena *arena, tbk_value *map, const char *key, tbk_value *value);
/* Sets key, replacing an earlier value of it in place. */
void tbk_value_set(tbk_arena *arena, tbk_value *map, const char *key, tbk_value *value);
/* The same at a path with dots; maps on the way are made where there are none. */
void tbk_value_set_at(tbk_arena *arena, tbk_value *map, const char *path, tbk_value *value);
void tbk_value_set_string(tbk_arena *arena, tbk_value *map, const char *key, const char *string);
void tbk_value_set_integer(tbk_arena *arena, tbk_value *map, const char *key, int64_t integer);
void tbk_value_set_bool(tbk_arena *arena, tbk_value *map, const char *key, bool boolean);

/* The same value, to be put into another one; what is in it is shared. NULL becomes null. */
tbk_value *tbk_value_share(tbk_arena *arena, const tbk_value *value);

/* --- looking up --- */
/* The value at the path with dots, or NULL when a part of it is missing or null. */
const tbk_value *tbk_value_find(const tbk_value *map, const char *path);
/* Whether it is there; fails where nothing can be, since the path leads through what is no map. */
bool tbk_value_look(const tbk_value *map, const char *path, bool *out_is_there,
                    tbk_error *err) TBK_MUST_CHECK;

/* For printing, where a value that is missing or of another type is no error: otherwise, 0, false,
 * or no members stand for it. */
const char *tbk_value_text_at(const tbk_value *map, const char *path, const char *otherwise);
int64_t tbk_value_integer_at(const tbk_value *map, const char *path);
bool tbk_value_true_at(const tbk_value *map, const char *path);
const tbk_member *tbk_value_members_at(const tbk_value *map, const char *path);
/* The number of bytes at the path; 0 when there is none, or it is negative. */
uint64_t tbk_value_bytes_at(const tbk_value *map, const char *path);

/* A copy whose keys and texts are harmless on a terminal (tbk_text_append_visible); line breaks
 * stay only in texts at the key lines_key, which may be NULL. Whatever is printed for people and
 * was not made by this program goes through it. */
tbk_value *tbk_value_visible(tbk_arena *arena, const tbk_value *value, const char *lines_key);

/* Each fills *out and succeeds, or fails with TBK_E_CONFIG when the value is missing, null, or of
 * another type. */
bool tbk_value_require_string(const tbk_value *map, const char *path, const char **out,
                              tbk_error *err) TBK_MUST_CHECK;
bool tbk_value_require_integer(const tbk_value *map, const char *path, int64_t *out,
                               tbk_error *err) TBK_MUST_CHECK;
bool tbk_value_require_bool(const tbk_value *map, const char *path, bool *out,
                            tbk_error *err) TBK_MUST_CHECK;
bool tbk_value_require_map(const tbk_value *map, const char *path, const tbk_value **out,
                           tbk_error *err) TBK_MUST_CHECK;
bool tbk_value_require_list(const tbk_value *map, const char *path, const tbk_value **out,
                            tbk_error *err) TBK_MUST_CHECK;

/* As above, but a missing or null value leaves *out as it is and succeeds. */
bool tbk_value_optional_string(const tbk_value *map, const char *path, const char **out,
                               tbk_error *err) TBK_MUST_CHECK;
bool tbk_value_optional_integer(const tbk_value *map, const char *path, int64_t *out,
                                tbk_error *err) TBK_MUST_CHECK;
/* And fails with TBK_E_CONFIG for a number that is not between least and most. */
bool tbk_value_optional_integer_within(const tbk_value *map, const char *path, int64_t least,
                                       int64_t most, int64_t *out, tbk_error *err) TBK_MUST_CHECK;
bool tbk_value_optional_bool(const tbk_value *map, const char *path, bool *out,
                             tbk_error *err) TBK_MUST_CHECK;

/* Fails with TBK_E_CONFIG naming file, line, the unknown key and the known ones.
 * known ends with NULL. */
bool tbk_value_only_keys(const tbk_value *map, const char *const *known,
                         tbk_error *err) TBK_MUST_CHECK;

/* Fails about this value: "<source>:<line>: <format...>". Always returns false. */
bool tbk_value_fail(const tbk_value *value, tbk_error *err, const char *fix, const char *format,
                    ...) TBK_PRINTF(4, 5);
#define tbk_value_fail(...) ((void)(tbk_value_fail)(__VA_ARGS__), false)

#endif
