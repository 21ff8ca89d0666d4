/* SPDX-License-Identifier: MIT */
/* Parses a template into a tree, checking names and quoting on the way, so that a branch that is
 * not taken today cannot fail tomorrow. */
#include "render/template_scan.h"

#include <stdint.h>
#include <string.h>

enum {
    BLOCK_DEPTH_MAX = 32,
    EXPRESSION_NODES_MAX = 256, /* bounds the recursion over an expression */
    NUMBER_DIGITS_MAX = 18
};

/* A loop's variable that is visible where the parser stands. */
typedef struct loop_name {
    const char *name;
    const struct loop_name *outer;
} loop_name;

typedef struct parser {
    tbk_scanner scan;
    tbk_arena *arena;
    unsigned depth;
    unsigned expression_nodes;
    const loop_name *loops;
} parser;

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

/* --- Short names for what is asked most often --- */

static bool advance(parser *p) { return tbk_scanner_advance(&p->scan); }

static bool is_sign(const parser *p, const char *sign)
{
    return tbk_scanner_is_sign(&p->scan, sign);
}

static bool is_word(const parser *p, const char *word)
{
    return tbk_scanner_is_word(&p->scan, word);
}

static bool fail_expected(const parser *p, const char *expected)
{
    return tbk_scanner_fail_expected(&p->scan, expected);
}

static char *token_text(const parser *p)
{
    return tbk_arena_copy_bytes(p->arena, p->scan.token.text, p->scan.token.length);
}

/* --- Expressions --- */

static tbk_expression *new_expression(parser *p, tbk_expression_kind kind, size_t offset)
{
    if (++p->expression_nodes > EXPRESSION_NODES_MAX) {
        (void)tbk_scanner_fail_at(&p->scan, offset, "this expression is too long");
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
    if (p->scan.token.kind == TBK_TOKEN_STRING)
        return tbk_value_string(p->arena, token_text(p));
    if (p->scan.token.kind == TBK_TOKEN_INTEGER)
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
    tbk_expression *expression = new_expression(p, TBK_EXPRESSION_NAME, p->scan.token.offset);
    if (expression == NULL)
        return NULL;
    expression->name = token_text(p);
    return advance(p) ? expression : NULL;
}

/* A literal, a name, or an expression in parentheses. */
static tbk_expression *parse_primary(parser *p)
{
    size_t offset = p->scan.token.offset;
    if (is_sign(p, "(")) {
        if (++p->expression_nodes > EXPRESSION_NODES_MAX) {
            (void)tbk_scanner_fail_at(&p->scan, offset, "this expression is too long");
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
    if (p->scan.token.kind == TBK_TOKEN_NAME && !is_reserved(p))
        return parse_name(p);
    (void)fail_expected(p, "a value");
    return NULL;
}

/* "(sep=VALUE)"; the parser stands on the parenthesis. */
static bool parse_argument(parser *p, tbk_expression *call)
{
    const tbk_template_filter *filter = call->filter;
    if (filter->argument == NULL)
        return tbk_template_fail(p->scan.source, p->scan.token.offset, p->scan.err, NULL,
                                 "the filter '%s' takes no argument", filter->name);
    if (!advance(p))
        return false;
    if (is_sign(p, ")") && !filter->argument_needed)
        return advance(p);
    if (!is_word(p, filter->argument))
        return tbk_template_fail(p->scan.source, p->scan.token.offset, p->scan.err, NULL,
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
    if (p->scan.token.kind != TBK_TOKEN_NAME) {
        (void)fail_expected(p, "the name of a filter");
        return NULL;
    }
    tbk_expression *call = new_expression(p, TBK_EXPRESSION_FILTER, p->scan.token.offset);
    if (call == NULL)
        return NULL;
    const char *name = token_text(p);
    call->left = input;
    call->filter = tbk_template_filter_find(name);
    if (call->filter == NULL) {
        (void)tbk_template_fail(
            p->scan.source, p->scan.token.offset, p->scan.err,
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
        (void)tbk_template_fail(p->scan.source, call->offset, p->scan.err, NULL,
                                "the filter '%s' needs '(%s=...)'", name, call->filter->argument);
        return NULL;
    }
    return call;
}

/* Names that a loop gives are only known while it runs; all others are looked up here. */
static bool check_name(const parser *p, const tbk_expression *expression)
{
    if (expression->kind != TBK_EXPRESSION_NAME || is_loop_name(p, expression->name) ||
        tbk_template_find(p->scan.source->values, expression->name) != NULL)
        return true;
    return tbk_template_fail(p->scan.source, expression->offset, p->scan.err,
                             "use one of the names that are listed in plugin/render/render.h",
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
    size_t offset = p->scan.token.offset;
    tbk_expression_kind kind = is_sign(p, "==") ? TBK_EXPRESSION_EQUAL : TBK_EXPRESSION_UNEQUAL;
    if (!advance(p))
        return NULL;
    return join_expressions(p, kind, offset, left, parse_filtered(p));
}

static tbk_expression *parse_not(parser *p)
{
    if (!is_word(p, "not"))
        return parse_comparison(p);
    tbk_expression *expression = new_expression(p, TBK_EXPRESSION_NOT, p->scan.token.offset);
    if (expression == NULL || !advance(p))
        return NULL;
    expression->left = is_word(p, "not") ? parse_not(p) : parse_filtered(p);
    if (expression->left == NULL)
        return NULL;
    if (is_sign(p, "==") || is_sign(p, "!=")) {
        /* Tera negates the left side only, other languages the comparison. */
        (void)tbk_scanner_fail_at(
            &p->scan, expression->offset,
            "'not' cannot stand before a comparison; turn == into != instead");
        return NULL;
    }
    return expression;
}

static tbk_expression *parse_and(parser *p)
{
    tbk_expression *left = parse_not(p);
    while (left != NULL && is_word(p, "and")) {
        size_t offset = p->scan.token.offset;
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
        size_t offset = p->scan.token.offset;
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
    return expression != NULL && tbk_scanner_need_close(&p->scan) ? expression : NULL;
}

/* --- Tags --- */

static bool parse_nodes(parser *p, const tbk_node **out);

static bool enter_block(parser *p)
{
    if (++p->depth > BLOCK_DEPTH_MAX)
        return tbk_scanner_fail_at(&p->scan, p->scan.tag_offset,
                                   "blocks are nested too deeply here");
    return true;
}

static bool fail_unended(const parser *p, size_t offset, const char *word)
{
    if (!p->scan.at_end)
        return fail_expected(p, word[0] == 'i' ? "the block's 'endif'" : "the block's 'endfor'");
    return tbk_template_fail(p->scan.source, offset, p->scan.err, NULL,
                             "this '{%% %s %%}' has no '{%% end%s %%}'", word, word);
}

static bool check_quoting(const parser *p, const tbk_expression *expression)
{
    const char *needed = tbk_template_filters_for(p->scan.source->context);
    if (needed[0] == '\0' ||
        (expression->kind == TBK_EXPRESSION_FILTER &&
         (expression->filter->quotes_for & 1u << p->scan.source->context) != 0))
        return true;
    return tbk_template_fail(p->scan.source, p->scan.tag_offset, p->scan.err, NULL,
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
    if (is_else ? !tbk_scanner_need_close(&p->scan) : branch->condition == NULL)
        return false;
    return parse_nodes(p, &branch->body);
}

/* Reads `{% if %}` and what belongs to it; the parser stands on the word `if`. */
static bool parse_if(parser *p, tbk_node *node)
{
    node->kind = TBK_NODE_IF;
    size_t offset = p->scan.tag_offset;
    if (!enter_block(p))
        return false;
    bool more = true;
    for (tbk_branch **link = &node->branches; more; link = &(*link)->next) {
        bool is_else = is_word(p, "else");
        *link = TBK_ARENA_NEW(p->arena, tbk_branch);
        if (!parse_branch(p, *link, is_else))
            return false;
        more = !is_else && !p->scan.at_end && (is_word(p, "elif") || is_word(p, "else"));
    }
    if (p->scan.at_end || !is_word(p, "endif"))
        return fail_unended(p, offset, "if");
    p->depth--;
    return advance(p) && tbk_scanner_need_close(&p->scan);
}

/* Reads `{% for item in list %}` and what belongs to it. */
static bool parse_for(parser *p, tbk_node *node)
{
    node->kind = TBK_NODE_FOR;
    size_t offset = p->scan.tag_offset;
    if (!enter_block(p) || !advance(p))
        return false;
    if (p->scan.token.kind != TBK_TOKEN_NAME || is_reserved(p) || is_word(p, "loop") ||
        memchr(p->scan.token.text, '.', p->scan.token.length) != NULL)
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
    if (p->scan.at_end || !is_word(p, "endfor"))
        return fail_unended(p, offset, "for");
    p->depth--;
    return advance(p) && tbk_scanner_need_close(&p->scan);
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
        return tbk_scanner_take_raw(&p->scan, &node->text, &node->length);
    return fail_expected(p, "if, elif, else, endif, for, endfor, raw or endraw");
}

/* Reads nodes up to the end of the template, or to the first word of a tag that ends a body. */
static bool parse_nodes(parser *p, const tbk_node **out)
{
    tbk_node *first = NULL, **link = &first;
    for (;;) {
        tbk_node *node = TBK_ARENA_NEW(p->arena, tbk_node);
        tbk_scanner_take_text(&p->scan, &node->text, &node->length);
        if (node->length > 0) {
            *link = node;
            link = &node->next;
        }
        bool comment;
        if (p->scan.at_end)
            break;
        if (!tbk_scanner_open_tag(&p->scan, &comment))
            return false;
        if (comment)
            continue;
        if (p->scan.closer == '%' && ends_body(p))
            break;
        node = TBK_ARENA_NEW(p->arena, tbk_node);
        if (p->scan.closer == '}' ? !parse_print(p, node) : !parse_tag(p, node))
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
    parser p = {.scan = {.source = source, .err = err}, .arena = arena};
    if (!parse_nodes(&p, out))
        return false;
    if (!p.scan.at_end)
        return tbk_template_fail(source, p.scan.tag_offset, err, NULL,
                                 "this '%.*s' belongs to no block that is open",
                                 (int)p.scan.token.length, p.scan.token.text);
    return true;
}
