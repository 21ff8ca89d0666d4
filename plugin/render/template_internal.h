/* SPDX-License-Identifier: MIT */
/* A template's source and its parsed form. For the files template*.c only. */
#ifndef TBK_RENDER_TEMPLATE_INTERNAL_H
#define TBK_RENDER_TEMPLATE_INTERNAL_H

#include "render/template.h"

typedef struct tbk_template_source {
    const char *name;
    const char *bytes;
    size_t length;
    tbk_template_context context;
    const tbk_value *values;
} tbk_template_source;

/* Fails with "<template>:<line>:<column>: <format...>". Always returns false. */
bool tbk_template_fail(const tbk_template_source *source, size_t offset, tbk_error *err,
                       const char *fix, const char *format, ...) TBK_PRINTF(5, 6);

typedef struct tbk_template_filter tbk_template_filter;

typedef enum tbk_expression_kind {
    TBK_EXPRESSION_LITERAL,
    TBK_EXPRESSION_NAME,
    TBK_EXPRESSION_FILTER,
    TBK_EXPRESSION_NOT,
    TBK_EXPRESSION_AND,
    TBK_EXPRESSION_OR,
    TBK_EXPRESSION_EQUAL,
    TBK_EXPRESSION_UNEQUAL
} tbk_expression_kind;

typedef struct tbk_expression {
    tbk_expression_kind kind;
    size_t offset;
    const tbk_value *literal;          /* LITERAL; FILTER: its argument or NULL */
    const char *name;                  /* NAME: with dots */
    const tbk_template_filter *filter; /* FILTER */
    const struct tbk_expression *left; /* operand of FILTER and NOT too */
    const struct tbk_expression *right;
} tbk_expression;

typedef enum tbk_node_kind {
    TBK_NODE_TEXT,
    TBK_NODE_PRINT,
    TBK_NODE_IF,
    TBK_NODE_FOR
} tbk_node_kind;

typedef struct tbk_node tbk_node;

typedef struct tbk_branch {
    const tbk_expression *condition; /* NULL for `else` */
    const tbk_node *body;
    struct tbk_branch *next;
} tbk_branch;

struct tbk_node {
    tbk_node_kind kind;
    const char *text; /* TEXT: borrowed from the source */
    size_t length;
    const tbk_expression *expression; /* PRINT: the value; FOR: the list */
    const char *item;                 /* FOR: name of the loop's variable */
    const tbk_node *body;             /* FOR */
    tbk_branch *branches;             /* IF */
    tbk_node *next;
};

/* Parses the whole template; *out is NULL for an empty one. */
bool tbk_template_parse(const tbk_template_source *source, tbk_arena *arena, const tbk_node **out,
                        tbk_error *err) TBK_MUST_CHECK;

/* The value at the path; unlike tbk_value_find it tells a null (found) from a missing one (NULL).
 */
const tbk_value *tbk_template_find(const tbk_value *map, const char *path);

struct tbk_template_filter {
    const char *name;
    const char *argument; /* name of its argument; NULL when it takes none */
    bool argument_needed;
    bool accepts_undefined;
    unsigned quotes_for; /* one bit for each context whose demand it fulfils */
    /* argument is NULL when it was not given. A failure gives the reason, for people, in *why. */
    bool (*apply)(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                  const tbk_value *argument, const tbk_value **out, const char **why);
};

/* NULL when there is none of that name. */
const tbk_template_filter *tbk_template_filter_find(const char *name);
/* "yaml", or "cron or sh": what a value printed in this context needs; "" for PLAIN. */
const char *tbk_template_filters_for(tbk_template_context context);
/* Appends text, whole number or boolean; false for what has no printed form. */
bool tbk_template_print(const tbk_value *value, tbk_text *out);

#endif
