/* SPDX-License-Identifier: MIT */
/*
 * Templates: the part of the deployer's template language (Tera) that this project uses.
 *
 * `{{ name.path }}`, filters with |, string and number literals, `{% if %} {% elif %} {% else %} {% endif %}` with
 * and, or, not, ==, !=, parentheses; `{% for item in list %}` with loop.first, loop.last, loop.index; `{% raw %}`;
 * `{# #}`; whitespace control with `-`. Filters: yaml, sh, cron (quote a value for where it stands),
 * length, join(sep=","), default(value=...), upper, lower.
 * An undefined name, and a value printed without the filter that `context` demands, are errors.
 */
#ifndef TBK_PHASES_TEMPLATE_H
#define TBK_PHASES_TEMPLATE_H

#include "base/text.h"
#include "base/value.h"

typedef enum tbk_template_context {
    TBK_TEMPLATE_PLAIN, /* any value may be printed as it is */
    TBK_TEMPLATE_YAML,  /* every printed value must come through `yaml` */
    TBK_TEMPLATE_SHELL, /* ... `sh` */
    TBK_TEMPLATE_CRON   /* ... `cron` (checked schedule text) or `sh` */
} tbk_template_context;

/* Appends the rendered text. Fails with TBK_E_TEMPLATE naming template, line and column. */
bool tbk_template_render(const char *name, const char *source, size_t length,
                         tbk_template_context context, const tbk_value *values, tbk_text *out,
                         tbk_error *err) TBK_MUST_CHECK;

#endif
