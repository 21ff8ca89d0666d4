/* SPDX-License-Identifier: MIT */
/* The names of an enum's values, as people write and read them. */
#ifndef TBK_BASE_NAMES_H
#define TBK_BASE_NAMES_H

#include "base/error.h"
#include "base/text.h"

typedef struct tbk_names {
    const char *what;        /* "mode": errors call an unknown one "the mode 'x'"; NULL: "'x'" */
    const char *const *list; /* by value, from 0 */
    unsigned count;
    unsigned first;      /* the values before it have a name for readers, that cannot be written */
    const char *fix;     /* NULL: "write a, b or c" */
    tbk_error_code code; /* of an unknown name; 0 stands for TBK_E_CONFIG */
} tbk_names;

/* Of an array of names: .list and .count. */
#define TBK_NAMES_LIST(array) .list = (array), .count = sizeof(array) / sizeof *(array)

const char *tbk_names_of(const tbk_names *names, unsigned value);
/* On failure *out stays as it is, and the error tells the names that are known. */
bool tbk_names_parse(const tbk_names *names, const char *name, unsigned *out,
                     tbk_error *err) TBK_MUST_CHECK;
/* The bits of all values that may be written: 1 << value. */
unsigned tbk_names_all(const tbk_names *names);
/* Appends the names of the values whose bits are set, each within the quote, which may be "": with
 * `last` " or " it is "a, b or c". */
void tbk_names_append(tbk_text *out, const tbk_names *names, unsigned values, const char *quote,
                      const char *last);

/* <stem>_name(value) of an enum, from its names. */
#define TBK_NAMES_NAME(type, stem, names)                                                          \
    const char *stem##_name(type value) { return tbk_names_of(&(names), (unsigned)value); }

/* <stem>_parse(name, &value, err) of an enum, from its names. */
#define TBK_NAMES_PARSE(type, stem, names)                                                         \
    bool stem##_parse(const char *name, type *out, tbk_error *err)                                 \
    {                                                                                              \
        unsigned value = (unsigned)*out;                                                           \
        bool ok = tbk_names_parse(&(names), name, &value, err);                                    \
        *out = (type)value;                                                                        \
        return ok;                                                                                 \
    }

/* Both. */
#define TBK_NAMES_FUNCTIONS(type, stem, names)                                                     \
    TBK_NAMES_NAME(type, stem, names)                                                              \
    TBK_NAMES_PARSE(type, stem, names)

#endif
