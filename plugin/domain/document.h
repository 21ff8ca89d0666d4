/* SPDX-License-Identifier: MIT */
/*
 * Documents by tables: a struct's field that stands in a JSON document is one row of a table, which
 * says where it stands and what it may be. The same table writes the document and reads it, so a
 * new field is one row.
 */
#ifndef TBK_DOMAIN_DOCUMENT_H
#define TBK_DOMAIN_DOCUMENT_H

#include "base/arena.h"
#include "base/names.h"
#include "base/value.h"
#include "domain/table_rows.h"

#include <stddef.h>

typedef enum tbk_field_kind {
    TBK_FIELD_END,     /* after the last row */
    TBK_FIELD_VERSION, /* of the document's format: it is `most`; no member */
    TBK_FIELD_TEXT,    /* const char *; NULL is null */
    TBK_FIELD_BOOL,
    TBK_FIELD_INTEGER, /* int64_t, uint64_t or uint32_t, from `least` to `most` */
    TBK_FIELD_NAME,    /* an enum, or a bool, by its `names` */
    TBK_FIELD_DIGEST,  /* tbk_digest; "" is null */
    TBK_FIELD_TEXTS,   /* const char **, NULL at its end: a list of texts */
    TBK_FIELD_ROWS,    /* const tbk_table_rows *: a map; each from `least` to `most` */
    TBK_FIELD_LIST,    /* const struct *: a list of maps with the fields of `items` */
    TBK_FIELD_ARRAY,   /* the same, within the struct: an array of `most` structs */
    TBK_FIELD_VALUE,   /* const tbk_value *: as it is; NULL is null */
} tbk_field_kind;

typedef enum tbk_field_need {
    TBK_FIELD_REQUIRED,
    TBK_FIELD_OPTIONAL, /* may be missing or null: then the member stays as it is */
    TBK_FIELD_OMITTED,  /* the same, and it is not written where it is NULL, "" or `otherwise` */
} tbk_field_need;

typedef struct tbk_field tbk_field;
struct tbk_field {
    const char *key; /* may be a path with dots: "capture.held_ms" */
    tbk_field_kind kind;
    tbk_field_need need;
    size_t offset, size; /* of the member; the size of a struct of `items` */
    size_t count_offset; /* of the member that counts rows or structs */
    int64_t otherwise;   /* an integer or a name that is missing */
    int64_t least, most; /* both 0: what the unit in the key allows (domain/units.h) */
    const tbk_names *names;
    const tbk_field *items;
    bool (*accepts)(const char *text);
    /* Judges a struct of `items` that was read; those before it are in the whole already. */
    bool (*check)(const void *whole, const void *item, tbk_error *err);
    /* What is wrong with a text that is not accepted, a name that is unknown, or something in the
     * list that is no map. */
    const char *refusal;
};

/* Where a field stands. */
#define TBK_AT(type, member)                                                                       \
    .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)
/* Where a value stands, which has no size of its own. */
#define TBK_AT_VALUE(type, member) .offset = offsetof(type, member)
/* Where structs stand, or a pointer to them; and how many they are. */
#define TBK_AT_LIST(type, member, counter)                                                         \
    .offset = offsetof(type, member), .size = sizeof *((type *)NULL)->member,                      \
    .count_offset = offsetof(type, counter)

/* Sets the keys of the table in the map, in its order. Values are borrowed. */
void tbk_fields_write(tbk_arena *arena, tbk_value *map, const tbk_field *fields, const void *from);
/* Reads into a struct that is zeroed. Keys that the table does not have are left alone: a later
 * minor version may add some. Text is borrowed from map. */
bool tbk_fields_read(tbk_arena *arena, const tbk_value *map, const tbk_field *fields, void *out,
                     tbk_error *err) TBK_MUST_CHECK;
/* The same for a document that must not fail: what cannot be read is as if it were missing. */
void tbk_fields_read_known(tbk_arena *arena, const tbk_value *map, const tbk_field *fields,
                           void *out);

/* A document of its own, from one table. */
tbk_value *tbk_fields_to_value(tbk_arena *arena, const tbk_field *fields, const void *from);

/* "'<key>' <why>". Always returns false. */
bool tbk_field_fail(const char *key, const char *why, tbk_error *err);
/* The files of a set are not the operator's configuration: what is wrong with them is damage. A
 * version that is too new stays one. Always returns false. */
bool tbk_document_damaged(const char *what, tbk_error *err);

/* As tbk_fail: seen to be false where it is called. */
#define tbk_field_fail(...) ((void)(tbk_field_fail)(__VA_ARGS__), false)
#define tbk_document_damaged(...) ((void)(tbk_document_damaged)(__VA_ARGS__), false)

#endif
