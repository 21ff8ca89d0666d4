/* SPDX-License-Identifier: MIT */
/*
 * Templates: the part of the deployer's template language (Tera) that this project uses.
 *
 * Tags: `{{ value }}`, `{% if %} {% elif %} {% else %} {% endif %}`, `{% for item in list %}
 * {% endfor %}` with loop.index, loop.index0, loop.first, loop.last; `{% raw %}`; `{# #}`. A `-`
 * inside any delimiter takes away all white space on that side, line breaks included.
 *
 * Values: name.path, "text" (also in ' or `; nothing is escaped in it), whole numbers, true, false.
 *
 * Operators: or, and, not, ==, !=, parentheses. As in Tera, values of different types are unequal,
 * and 0, "", an empty list, false and null count as false. Parentheses do what one expects, also
 * where Tera 1 refuses them (`not (a or b)`) or loses what stands in them (`(not a)`).
 *
 * Filters: yaml, compose, sh, cron (quote a value for where it stands), length, join(sep=","),
 * default(value=...), upper, lower (ASCII).
 *
 * Stricter than Tera: an undefined name is an error also in an `if` and in a branch that is not
 * taken (only `default` accepts one); so is a printed null, list or map, a number compared with
 * something else, `not a == b`, and a value printed without the filter that `context` demands.
 *
 * Source: Tera's documentation and grammar, version 1; our renderings of random templates were
 * compared with its own.
 */
#ifndef TBK_RENDER_TEMPLATE_H
#define TBK_RENDER_TEMPLATE_H

#include "base/text.h"
#include "base/value.h"

typedef enum tbk_template_context {
    TBK_TEMPLATE_PLAIN,   /* any value may be printed as it is */
    TBK_TEMPLATE_YAML,    /* every printed value must come through `yaml` */
    TBK_TEMPLATE_COMPOSE, /* ... `compose`: YAML in which Compose replaces $NAME */
    TBK_TEMPLATE_SHELL,   /* ... `sh` */
    TBK_TEMPLATE_CRON /* ... `cron` (checked schedule text) or `sh` (there with cron's % escaped) */
} tbk_template_context;

#define TBK_TEMPLATE_SIZE_MAX ((size_t)1 << 20)

/*
 * Appends the rendered text; *out is as it was after a failure.
 * Errors: TBK_E_TEMPLATE naming template, line and column: syntax, undefined names, a template that
 * is larger than TBK_TEMPLATE_SIZE_MAX, not UTF-8, nested deeper than 32 blocks, or that makes more
 * than 16 MiB of text on its way.
 */
bool tbk_template_render(const char *name, const char *source, size_t length,
                         tbk_template_context context, const tbk_value *values, tbk_text *out,
                         tbk_error *err) TBK_MUST_CHECK;

#endif
