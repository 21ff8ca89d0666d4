/* SPDX-License-Identifier: MIT */
/* Parses a template into a tree, checking names and quoting on the way, so that a branch that is
 * not taken today cannot fail tomorrow. */
#include "phases/template_tree.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

enum {
    BLOCK_DEPTH_MAX = 32,
    EXPRESSION_NODES_MAX = 256, /* bounds the recursion of whoever walks an expression */
    NUMBER_DIGITS_MAX = 18
};

typedef enum token_kind {
    TOKEN_CLOSE, /* `}}` or `%}`, with or without `-` */
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_SIGN /* | ( ) , = == != */
} token_kind;

typedef struct token {
    token_kind kind;
    size_t offset;
    const char *text; /* STRING: without its quotes */
    size_t length;
} token;

/* A loop's variable that is visible where the parser stands. */
typedef struct loop_name {
    const char *name;
    const struct loop_name *outer;
} loop_name;

typedef struct parser {
    const tbk_template_source *source;
    tbk_arena *arena;
    tbk_error *err;
    size_t offset;     /* of the first byte that was not read */
    size_t tag_offset; /* where the tag that is read was opened */
    char closer;       /* '}' or '%': what closes it */
    bool trims_next;   /* a `-` stood before the text that comes */
    bool at_end;
    token token;
    unsigned depth;
    unsigned expression_nodes;
    const loop_name *loops;
} parser;

bool tbk_template_fail(const tbk_template_source *source, size_t offset, tbk_error *err,
                       const char *fix, const char *format, ...)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < offset && i < source->length; i++) {
        if (source->bytes[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)source->bytes[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    char what[768];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return tbk_fail(err, TBK_E_TEMPLATE, fix, "%s:%zu:%zu: %s", source->name, line, column, what);
}

const tbk_value *tbk_template_find(const tbk_value *map, const char *path)
{
    const tbk_value *value = map;
    while (value != NULL) {
        size_t length = strcspn(path, ".");
        if (value->type != TBK_VALUE_MAP)
            return NULL;
        const tbk_member *member = value->first;
        while (member != NULL &&
               (strlen(member->key) != length || strncmp(member->key, path, length) != 0))
            member = member->next;
        value = member == NULL ? NULL : member->value;
        if (path[length] == '\0')
            return value;
        path += length + 1;
    }
    return NULL;
}

/* --- Characters and tokens --- */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool continues_name(char c) { return starts_name(c) || is_digit(c); }

/* The byte so far from where the parser stands; NUL behind the end (the source holds none). */
static char peek(const parser *p, size_t distance)
{
    return distance < p->source->length - p->offset ? p->source->bytes[p->offset + distance] : '\0';
}

static bool fail_at(const parser *p, size_t offset, const char *what)
{
    return tbk_template_fail(p->source, offset, p->err, NULL, "%s", what);
}

static bool fail_unclosed(const parser *p)
{
    return tbk_template_fail(p->source, p->tag_offset, p->err, NULL,
                             "this '%.2s' is never closed by '%s'",
                             p->source->bytes + p->tag_offset, p->closer == '}' ? "}}" : "%}");
}

static void take(parser *p, token_kind kind, size_t length)
{
    p->token.kind = kind;
    p->token.text = p->source->bytes + p->offset;
    p->token.length = length;
    p->offset += length;
}

static bool take_string(parser *p)
{
    const char *start = p->source->bytes + p->offset + 1;
    size_t left = p->source->length - p->offset - 1;
    const char *end = memchr(start, peek(p, 0), left);
    if (end == NULL)
        return fail_at(p, p->offset, "this text has no closing quote");
    p->token.kind = TOKEN_STRING;
    p->token.text = start;
    p->token.length = (size_t)(end - start);
    p->offset += p->token.length + 2;
    return true;
}

static void take_name(parser *p)
{
    size_t length = 1;
    while (continues_name(peek(p, length)) ||
           (peek(p, length) == '.' && continues_name(peek(p, length + 1))))
        length++;
    take(p, TOKEN_NAME, length);
}

static bool take_integer(parser *p)
{
    size_t length = 1;
    while (is_digit(peek(p, length)))
        length++;
    size_t digits = peek(p, 0) == '-' ? length - 1 : length;
    if (digits > NUMBER_DIGITS_MAX || peek(p, length) == '.' || continues_name(peek(p, length)))
        return fail_at(p, p->offset, "only whole numbers of at most 18 digits can stand here");
    take(p, TOKEN_INTEGER, length);
    return true;
}

static bool closes_tag(const parser *p, size_t distance)
{
    return peek(p, distance) == p->closer && peek(p, distance + 1) == '}';
}

/* Reads the next token of a tag into p->token. */
static bool advance(parser *p)
{
    while (is_space(peek(p, 0)))
        p->offset++;
    p->token.offset = p->offset;
    char c = peek(p, 0);
    if (c == '\0')
        return fail_unclosed(p);
    if (closes_tag(p, 0) || (c == '-' && closes_tag(p, 1))) {
        p->trims_next = c == '-';
        take(p, TOKEN_CLOSE, p->trims_next ? 3 : 2);
    } else if (starts_name(c)) {
        take_name(p);
    } else if (c == '"' || c == '\'' || c == '`') {
        return take_string(p);
    } else if (is_digit(c) || (c == '-' && is_digit(peek(p, 1)))) {
        return take_integer(p);
    } else if ((c == '=' || c == '!') && peek(p, 1) == '=') {
        take(p, TOKEN_SIGN, 2);
    } else if (strchr("|(),=", c) != NULL) {
        take(p, TOKEN_SIGN, 1);
    } else {
        return fail_at(p, p->offset, "this character means nothing here");
    }
    return true;
}

static bool token_is(const parser *p, token_kind kind, const char *text)
{
    return p->token.kind == kind && strlen(text) == p->token.length &&
           memcmp(p->token.text, text, p->token.length) == 0;
}

static bool is_sign(const parser *p, const char *text) { return token_is(p, TOKEN_SIGN, text); }

static bool is_word(const parser *p, const char *text) { return token_is(p, TOKEN_NAME, text); }

static bool fail_expected(const parser *p, const char *expected)
{
    if (p->token.kind == TOKEN_CLOSE)
        return tbk_template_fail(p->source, p->token.offset, p->err, NULL,
                                 "the tag ends where %s should stand", expected);
    return tbk_template_fail(
        p->source, p->token.offset, p->err, NULL, "'%.*s' stands where %s should",
        (int)(p->token.length < 40 ? p->token.length : 40), p->token.text, expected);
}

static bool need_close(parser *p)
{
    if (p->token.kind != TOKEN_CLOSE)
        return fail_expected(p, p->closer == '}' ? "'}}'" : "'%}'");
    return true;
}

static char *token_text(const parser *p)
{
    return tbk_arena_copy_bytes(p->arena, p->token.text, p->token.length);
}

/* --- Expressions --- */

static tbk_expression *new_expression(parser *p, tbk_expression_kind kind, size_t offset)
{
    if (++p->expression_nodes > EXPRESSION_NODES_MAX) {
        (void)fail_at(p, offset, "this expression is too long");
        return NULL;
    }
    tbk_expression *expression = TBK_ARENA_NEW(p->arena, tbk_expression);
    expression->kind = kind;
    expression->offset = offset;
    return expression;
}

static tbk_expression *parse_or(parser *p);

static bool is_reserved(const parser *p)
{
    static const char *const words[] = {"and", "or", "not", "in", "is"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(p, words[i]))
            return true;
    return false;
}

/* The value of the literal that stands there, or NULL when it is none. */
static const tbk_value *literal_value(const parser *p)
{
    if (p->token.kind == TOKEN_STRING)
        return tbk_value_string(p->arena, token_text(p));
    if (p->token.kind == TOKEN_INTEGER)
        return tbk_value_integer(p->arena, strtoll(token_text(p), NULL, 10));
    if (is_word(p, "true") || is_word(p, "True"))
        return tbk_value_bool(p->arena, true);
    if (is_word(p, "false") || is_word(p, "False"))
        return tbk_value_bool(p->arena, false);
    return NULL;
}

static bool is_loop_name(const parser *p, const char *name)
{
    size_t length = strcspn(name, ".");
    if (p->loops != NULL && length == 4 && strncmp(name, "loop", 4) == 0)
        return true;
    for (const loop_name *loop = p->loops; loop != NULL; loop = loop->outer)
        if (strlen(loop->name) == length && strncmp(loop->name, name, length) == 0)
            return true;
    return false;
}

static tbk_expression *parse_name(parser *p)
{
    tbk_expression *expression = new_expression(p, TBK_EXPRESSION_NAME, p->token.offset);
    if (expression == NULL)
        return NULL;
    expression->name = token_text(p);
    return advance(p) ? expression : NULL;
}

/* A literal, a name, or an expression in parentheses. */
static tbk_expression *parse_primary(parser *p)
{
    size_t offset = p->token.offset;
    if (is_sign(p, "(")) {
        if (++p->expression_nodes > EXPRESSION_NODES_MAX) {
            (void)fail_at(p, offset, "this expression is too long");
            return NULL;
        }
        if (!advance(p))
            return NULL;
        tbk_expression *inner = parse_or(p);
        if (inner == NULL)
            return NULL;
        if (!is_sign(p, ")")) {
            (void)fail_expected(p, "')'");
            return NULL;
        }
        return advance(p) ? inner : NULL;
    }
    const tbk_value *literal = literal_value(p);
    if (literal != NULL) {
        tbk_expression *expression = new_expression(p, TBK_EXPRESSION_LITERAL, offset);
        if (expression == NULL || !advance(p))
            return NULL;
        expression->literal = literal;
        return expression;
    }
    if (p->token.kind == TOKEN_NAME && !is_reserved(p))
        return parse_name(p);
    (void)fail_expected(p, "a value");
    return NULL;
}

/* "(sep=VALUE)"; the parser stands on the parenthesis. */
static bool parse_argument(parser *p, tbk_expression *call)
{
    const tbk_template_filter *filter = call->filter;
    if (filter->argument == NULL)
        return tbk_template_fail(p->source, p->token.offset, p->err, NULL,
                                 "the filter '%s' takes no argument", filter->name);
    if (!advance(p))
        return false;
    if (is_sign(p, ")") && !filter->argument_needed)
        return advance(p);
    if (!is_word(p, filter->argument))
        return tbk_template_fail(p->source, p->token.offset, p->err, NULL,
                                 "the argument of '%s' is '%s=...'", filter->name,
                                 filter->argument);
    if (!advance(p))
        return false;
    if (!is_sign(p, "="))
        return fail_expected(p, "'='");
    if (!advance(p))
        return false;
    call->literal = literal_value(p);
    if (call->literal == NULL)
        return fail_expected(p, "a text, a whole number, true or false");
    if (!advance(p))
        return false;
    if (!is_sign(p, ")"))
        return fail_expected(p, "')'");
    return advance(p);
}

/* "| name" or "| name(...)" on `input`; the parser stands on the bar. */
static tbk_expression *parse_filter(parser *p, const tbk_expression *input)
{
    if (!advance(p))
        return NULL;
    if (p->token.kind != TOKEN_NAME) {
        (void)fail_expected(p, "the name of a filter");
        return NULL;
    }
    tbk_expression *call = new_expression(p, TBK_EXPRESSION_FILTER, p->token.offset);
    if (call == NULL)
        return NULL;
    const char *name = token_text(p);
    call->left = input;
    call->filter = tbk_template_filter_find(name);
    if (call->filter == NULL) {
        (void)tbk_template_fail(
            p->source, p->token.offset, p->err,
            "use yaml, compose, sh, cron, length, join, default, upper or lower",
            "there is no filter '%.40s'", name);
        return NULL;
    }
    if (!advance(p))
        return NULL;
    if (is_sign(p, "(")) {
        if (!parse_argument(p, call))
            return NULL;
    } else if (call->filter->argument_needed) {
        (void)tbk_template_fail(p->source, call->offset, p->err, NULL,
                                "the filter '%s' needs '(%s=...)'", name, call->filter->argument);
        return NULL;
    }
    return call;
}

/* Names that a loop gives are only known while it runs; all others are looked up here. */
static bool check_name(const parser *p, const tbk_expression *expression)
{
    if (expression->kind != TBK_EXPRESSION_NAME || is_loop_name(p, expression->name) ||
        tbk_template_find(p->source->values, expression->name) != NULL)
        return true;
    return tbk_template_fail(p->source, expression->offset, p->err,
                             "use one of the names that are listed in plugin/phases/render.h",
                             "'%.80s' is not defined", expression->name);
}

static tbk_expression *parse_filtered(parser *p)
{
    tbk_expression *expression = parse_primary(p);
    if (expression == NULL)
        return NULL;
    const tbk_expression *first = expression;
    bool may_be_undefined = false;
    while (is_sign(p, "|")) {
        const tbk_expression *input = expression;
        expression = parse_filter(p, input);
        if (expression == NULL)
            return NULL;
        if (input == first)
            may_be_undefined = expression->filter->accepts_undefined;
    }
    return may_be_undefined || check_name(p, first) ? expression : NULL;
}

static tbk_expression *join_expressions(parser *p, tbk_expression_kind kind, size_t offset,
                                        const tbk_expression *left, const tbk_expression *right)
{
    if (left == NULL || right == NULL)
        return NULL;
    tbk_expression *expression = new_expression(p, kind, offset);
    if (expression == NULL)
        return NULL;
    expression->left = left;
    expression->right = right;
    return expression;
}

static tbk_expression *parse_comparison(parser *p)
{
    tbk_expression *left = parse_filtered(p);
    if (left == NULL || !(is_sign(p, "==") || is_sign(p, "!=")))
        return left;
    size_t offset = p->token.offset;
    tbk_expression_kind kind = is_sign(p, "==") ? TBK_EXPRESSION_EQUAL : TBK_EXPRESSION_UNEQUAL;
    if (!advance(p))
        return NULL;
    return join_expressions(p, kind, offset, left, parse_filtered(p));
}

static tbk_expression *parse_not(parser *p)
{
    if (!is_word(p, "not"))
        return parse_comparison(p);
    tbk_expression *expression = new_expression(p, TBK_EXPRESSION_NOT, p->token.offset);
    if (expression == NULL || !advance(p))
        return NULL;
    expression->left = parse_not(p);
    return expression->left == NULL ? NULL : expression;
}

static tbk_expression *parse_and(parser *p)
{
    tbk_expression *left = parse_not(p);
    while (left != NULL && is_word(p, "and")) {
        size_t offset = p->token.offset;
        if (!advance(p))
            return NULL;
        left = join_expressions(p, TBK_EXPRESSION_AND, offset, left, parse_not(p));
    }
    return left;
}

static tbk_expression *parse_or(parser *p)
{
    tbk_expression *left = parse_and(p);
    while (left != NULL && is_word(p, "or")) {
        size_t offset = p->token.offset;
        if (!advance(p))
            return NULL;
        left = join_expressions(p, TBK_EXPRESSION_OR, offset, left, parse_and(p));
    }
    return left;
}

/* Reads a whole expression and the close of its tag. */
static const tbk_expression *parse_expression(parser *p)
{
    p->expression_nodes = 0;
    const tbk_expression *expression = parse_or(p);
    return expression != NULL && need_close(p) ? expression : NULL;
}

/* --- Tags --- */

static bool parse_nodes(parser *p, const tbk_node **out);

static bool enter_block(parser *p)
{
    if (++p->depth > BLOCK_DEPTH_MAX)
        return fail_at(p, p->tag_offset, "blocks are nested too deeply here");
    return true;
}

static bool fail_unended(const parser *p, size_t offset, const char *word)
{
    if (!p->at_end)
        return fail_expected(p, word[0] == 'i' ? "the block's 'endif'" : "the block's 'endfor'");
    return tbk_template_fail(p->source, offset, p->err, NULL,
                             "this '{%% %s %%}' has no '{%% end%s %%}'", word, word);
}

static bool check_quoting(const parser *p, const tbk_expression *expression)
{
    const char *needed = tbk_template_filters_for(p->source->context);
    if (needed[0] == '\0' || (expression->kind == TBK_EXPRESSION_FILTER &&
                              (expression->filter->quotes_for & 1u << p->source->context) != 0))
        return true;
    return tbk_template_fail(p->source, p->tag_offset, p->err, NULL,
                             "a value printed here must end with the filter %s", needed);
}

static bool parse_print(parser *p, tbk_node *node)
{
    node->kind = TBK_NODE_PRINT;
    node->expression = parse_expression(p);
    return node->expression != NULL && check_quoting(p, node->expression);
}

/* The rest of an `if`, `elif` or `else` tag, and its body; the parser stands on that word. */
static bool parse_branch(parser *p, tbk_branch *branch, bool is_else)
{
    if (!advance(p))
        return false;
    if (!is_else)
        branch->condition = parse_expression(p);
    if (is_else ? !need_close(p) : branch->condition == NULL)
        return false;
    return parse_nodes(p, &branch->body);
}

/* Reads `{% if %}` and what belongs to it; the parser stands on the word `if`. */
static bool parse_if(parser *p, tbk_node *node)
{
    node->kind = TBK_NODE_IF;
    size_t offset = p->tag_offset;
    if (!enter_block(p))
        return false;
    bool more = true;
    for (tbk_branch **link = &node->branches; more; link = &(*link)->next) {
        bool is_else = is_word(p, "else");
        *link = TBK_ARENA_NEW(p->arena, tbk_branch);
        if (!parse_branch(p, *link, is_else))
            return false;
        more = !is_else && !p->at_end && (is_word(p, "elif") || is_word(p, "else"));
    }
    if (p->at_end || !is_word(p, "endif"))
        return fail_unended(p, offset, "if");
    p->depth--;
    return advance(p) && need_close(p);
}

/* Reads `{% for item in list %}` and what belongs to it. */
static bool parse_for(parser *p, tbk_node *node)
{
    node->kind = TBK_NODE_FOR;
    size_t offset = p->tag_offset;
    if (!enter_block(p) || !advance(p))
        return false;
    if (p->token.kind != TOKEN_NAME || is_reserved(p) || is_word(p, "loop") ||
        memchr(p->token.text, '.', p->token.length) != NULL)
        return fail_expected(p, "the name of the loop's variable");
    node->item = token_text(p);
    if (!advance(p))
        return false;
    if (!is_word(p, "in"))
        return fail_expected(p, "'in'");
    if (!advance(p))
        return false;
    node->expression = parse_expression(p);
    if (node->expression == NULL)
        return false;

    const loop_name loop = {node->item, p->loops};
    p->loops = &loop;
    bool parsed = parse_nodes(p, &node->body);
    p->loops = loop.outer;
    if (!parsed)
        return false;
    if (p->at_end || !is_word(p, "endfor"))
        return fail_unended(p, offset, "for");
    p->depth--;
    return advance(p) && need_close(p);
}

static void trim_start(const char **text, size_t *length)
{
    while (*length > 0 && is_space(**text)) {
        (*text)++;
        (*length)--;
    }
}

static void trim_end(const char *text, size_t *length)
{
    while (*length > 0 && is_space(text[*length - 1]))
        (*length)--;
}

static size_t skip_spaces(const parser *p, size_t at)
{
    while (at < p->source->length && is_space(p->source->bytes[at]))
        at++;
    return at;
}

static bool has_word_at(const parser *p, size_t at, const char *word)
{
    size_t length = strlen(word);
    return length <= p->source->length - at && memcmp(p->source->bytes + at, word, length) == 0;
}

/* Whether `{% endraw %}` stands at this offset; the parser is then moved behind it. */
static bool take_endraw(parser *p, size_t at, bool *out_trims_end)
{
    if (!has_word_at(p, at, "{%"))
        return false;
    *out_trims_end = has_word_at(p, at, "{%-");
    at = skip_spaces(p, at + (*out_trims_end ? 3 : 2));
    if (!has_word_at(p, at, "endraw"))
        return false;
    at = skip_spaces(p, at + strlen("endraw"));
    bool trims_next = has_word_at(p, at, "-%}");
    if (!trims_next && !has_word_at(p, at, "%}"))
        return false;
    p->offset = at + (trims_next ? 3 : 2);
    p->trims_next = trims_next;
    return true;
}

/* Everything up to `{% endraw %}` is text; the parser stands on the word `raw`. */
static bool parse_raw(parser *p, tbk_node *node)
{
    size_t tag_offset = p->tag_offset;
    if (!advance(p) || !need_close(p))
        return false;
    node->kind = TBK_NODE_TEXT;
    node->text = p->source->bytes + p->offset;
    bool trims_start = p->trims_next, trims_end = false;
    for (size_t at = p->offset; at < p->source->length; at++) {
        size_t length = at - p->offset;
        if (p->source->bytes[at] != '{' || !take_endraw(p, at, &trims_end))
            continue;
        node->length = length;
        if (trims_start)
            trim_start(&node->text, &node->length);
        if (trims_end)
            trim_end(node->text, &node->length);
        return true;
    }
    return fail_at(p, tag_offset, "this '{% raw %}' has no '{% endraw %}'");
}

static bool skip_comment(parser *p)
{
    const char *start = p->source->bytes + p->offset;
    const char *end = memmem(start, p->source->length - p->offset, "#}", 2);
    if (end == NULL)
        return fail_at(p, p->tag_offset, "this '{#' is never closed by '#}'");
    p->trims_next = end > start && end[-1] == '-';
    p->offset += (size_t)(end - start) + 2;
    return true;
}

static bool ends_body(const parser *p)
{
    return is_word(p, "elif") || is_word(p, "else") || is_word(p, "endif") || is_word(p, "endfor");
}

/* The parser stands on the first word of a `{% %}` tag that does not end a body. */
static bool parse_tag(parser *p, tbk_node *node)
{
    if (is_word(p, "if"))
        return parse_if(p, node);
    if (is_word(p, "for"))
        return parse_for(p, node);
    if (is_word(p, "raw"))
        return parse_raw(p, node);
    return fail_expected(p, "if, elif, else, endif, for, endfor, raw or endraw");
}

/* Reads text up to the next tag; *out_length may be 0. Sets at_end when there is no further tag. */
static void take_text(parser *p, const char **out_text, size_t *out_length)
{
    const char *text = p->source->bytes + p->offset;
    size_t left = p->source->length - p->offset, length = 0;
    while (length < left && !(text[length] == '{' && length + 1 < left &&
                              text[length + 1] != '\0' && strchr("{%#", text[length + 1]) != NULL))
        length++;
    p->at_end = length == left;
    p->tag_offset = p->offset + length;
    p->offset += length;
    bool trims_end = false;
    if (!p->at_end) {
        p->closer = peek(p, 1) == '{' ? '}' : '%';
        trims_end = peek(p, 2) == '-';
    }
    if (p->trims_next)
        trim_start(&text, &length);
    if (trims_end)
        trim_end(text, &length);
    p->trims_next = false;
    *out_text = text;
    *out_length = length;
}

/* Opens the tag on which the parser stands and reads its first token; a comment has none. */
static bool open_tag(parser *p, bool *out_comment)
{
    *out_comment = peek(p, 1) == '#';
    p->offset += 2;
    if (*out_comment)
        return skip_comment(p);
    if (peek(p, 0) == '-')
        p->offset++;
    return advance(p);
}

/* Reads nodes up to the end of the template, or to the first word of a tag that ends a body. */
static bool parse_nodes(parser *p, const tbk_node **out)
{
    tbk_node *first = NULL, **link = &first;
    for (;;) {
        tbk_node *node = TBK_ARENA_NEW(p->arena, tbk_node);
        take_text(p, &node->text, &node->length);
        if (node->length > 0) {
            *link = node;
            link = &node->next;
        }
        bool comment;
        if (p->at_end)
            break;
        if (!open_tag(p, &comment))
            return false;
        if (comment)
            continue;
        if (p->closer == '%' && ends_body(p))
            break;
        node = TBK_ARENA_NEW(p->arena, tbk_node);
        if (p->closer == '}' ? !parse_print(p, node) : !parse_tag(p, node))
            return false;
        *link = node;
        link = &node->next;
    }
    *out = first;
    return true;
}

bool tbk_template_parse(const tbk_template_source *source, tbk_arena *arena, const tbk_node **out,
                        tbk_error *err)
{
    parser p = {.source = source, .arena = arena, .err = err};
    if (!parse_nodes(&p, out))
        return false;
    if (!p.at_end)
        return tbk_template_fail(source, p.tag_offset, err, NULL,
                                 "this '%.*s' belongs to no block that is open",
                                 (int)p.token.length, p.token.text);
    return true;
}
