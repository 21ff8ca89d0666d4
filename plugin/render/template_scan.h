/* SPDX-License-Identifier: MIT */
/* A template's characters: text up to the next tag, and the tokens in a tag. For template_parse.c
 * only. */
#ifndef TBK_RENDER_TEMPLATE_SCAN_H
#define TBK_RENDER_TEMPLATE_SCAN_H

#include "render/template_internal.h"

typedef enum tbk_token_kind {
    TBK_TOKEN_CLOSE, /* `}}` or `%}`, with or without `-` */
    TBK_TOKEN_NAME,
    TBK_TOKEN_STRING,
    TBK_TOKEN_INTEGER, /* at most 18 digits */
    TBK_TOKEN_SIGN     /* | ( ) , = == != */
} tbk_token_kind;

typedef struct tbk_token {
    tbk_token_kind kind;
    size_t offset;
    const char *text; /* STRING: without its quotes; borrowed from the source */
    size_t length;
} tbk_token;

typedef struct tbk_scanner {
    const tbk_template_source *source;
    tbk_error *err;
    size_t offset;     /* of the first byte that was not read */
    size_t tag_offset; /* where the tag that is read was opened */
    char closer;       /* '}' or '%': what closes it */
    bool trims_next;   /* the tag before the text that comes was closed with a `-` */
    bool at_end;       /* there is no further tag */
    tbk_token token;   /* the one that was read last */
} tbk_scanner;

/* Reads text up to the next tag, or to the end; *out_length may be 0. */
void tbk_scanner_take_text(tbk_scanner *s, const char **out_text, size_t *out_length);
/* Opens the tag that comes and reads its first token; of a comment nothing is left to read. */
bool tbk_scanner_open_tag(tbk_scanner *s, bool *out_comment) TBK_MUST_CHECK;
/* Reads the next token of the tag. */
bool tbk_scanner_advance(tbk_scanner *s) TBK_MUST_CHECK;
/* Reads everything up to and with `{% endraw %}`; the scanner stands on the word `raw`. */
bool tbk_scanner_take_raw(tbk_scanner *s, const char **out_text, size_t *out_length) TBK_MUST_CHECK;

/* Whether the token is this one. */
bool tbk_scanner_is_sign(const tbk_scanner *s, const char *sign);
bool tbk_scanner_is_word(const tbk_scanner *s, const char *word);
/* Fails unless the tag ends here. */
bool tbk_scanner_need_close(const tbk_scanner *s) TBK_MUST_CHECK;

/* Each fails at a place, and always returns false. */
bool tbk_scanner_fail_at(const tbk_scanner *s, size_t offset, const char *what);
bool tbk_scanner_fail_expected(const tbk_scanner *s, const char *expected);

#endif
