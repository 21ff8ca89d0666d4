/* SPDX-License-Identifier: MIT */
/* Renders a parsed template with values. */
#include "render/template_internal.h"

#include <string.h>

/* Bounds what a template with loops in loops can make: text, and about what its values take in
 * memory. */
enum { WORK_MAX = 16 << 20, EXPRESSION_WORK = 128, TURN_WORK = 1024 };

/* The variables of one turn of a loop. */
typedef struct scope {
    const char *item;
    const tbk_value *value;
    const tbk_value *loop; /* index, index0, first, last */
    const struct scope *outer;
} scope;

typedef struct renderer {
    const tbk_template_source *source;
    tbk_arena *arena;
    tbk_text *out;
    tbk_error *err;
    const scope *scope;
    size_t work;
} renderer;

static bool add_work(renderer *r, size_t amount)
{
    r->work += amount;
    if (r->work <= WORK_MAX)
        return true;
    return tbk_fail(r->err, TBK_E_TEMPLATE, "look for loops in loops",
                    "%s: the template makes too much text", r->source->name);
}

/* --- Values --- */

static const tbk_value *look_up(const renderer *r, const char *name)
{
    size_t length = strcspn(name, ".");
    for (const scope *at = r->scope; at != NULL; at = at->outer) {
        bool is_item = strlen(at->item) == length && strncmp(at->item, name, length) == 0;
        if (!is_item && !(length == 4 && strncmp(name, "loop", 4) == 0))
            continue;
        const tbk_value *value = is_item ? at->value : at->loop;
        return name[length] == '\0' ? value : tbk_template_find(value, name + length + 1);
    }
    return tbk_template_find(r->source->values, name);
}

/* As Tera has it; a list or map has no truth of its own there but that of not being empty. */
static bool is_true(const tbk_value *value)
{
    switch (value->type) {
    case TBK_VALUE_NULL:
        return false;
    case TBK_VALUE_BOOL:
        return value->boolean;
    case TBK_VALUE_INTEGER:
        return value->integer != 0;
    case TBK_VALUE_REAL:
        return value->real < 0 || value->real > 0;
    case TBK_VALUE_STRING:
        return value->string[0] != '\0';
    case TBK_VALUE_LIST:
    case TBK_VALUE_MAP:
        break;
    }
    return value->count > 0;
}

static bool fail_about(const renderer *r, const tbk_expression *expression, const tbk_value *value,
                       const char *what)
{
    return tbk_template_fail(r->source, expression->offset, r->err, NULL, "this is %s, which %s",
                             tbk_value_type_name(value->type), what);
}

static const tbk_value *evaluate(renderer *r, const tbk_expression *expression);

static const tbk_value *evaluate_name(renderer *r, const tbk_expression *expression)
{
    const tbk_value *value = look_up(r, expression->name);
    if (value == NULL)
        (void)tbk_template_fail(r->source, expression->offset, r->err, NULL,
                                "'%.80s' is not defined", expression->name);
    return value;
}

static const tbk_value *evaluate_filter(renderer *r, const tbk_expression *expression)
{
    const tbk_template_filter *filter = expression->filter;
    const tbk_expression *operand = expression->left;
    bool may_be_undefined = filter->accepts_undefined && operand->kind == TBK_EXPRESSION_NAME;
    const tbk_value *input = may_be_undefined ? look_up(r, operand->name) : evaluate(r, operand);
    if (input == NULL && !may_be_undefined)
        return NULL;

    const tbk_value *result;
    const char *why = "";
    if (!filter->apply(r->arena, r->source->context, input, expression->literal, &result, &why)) {
        (void)tbk_template_fail(r->source, expression->offset, r->err, NULL,
                                "the filter '%s' %s, but here it gets %s", filter->name, why,
                                input == NULL ? "nothing" : tbk_value_type_name(input->type));
        return NULL;
    }
    size_t made = result->type == TBK_VALUE_STRING ? strlen(result->string) : 0;
    return add_work(r, made) ? result : NULL;
}

static bool are_equal(const tbk_value *a, const tbk_value *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == TBK_VALUE_STRING)
        return strcmp(a->string, b->string) == 0;
    if (a->type == TBK_VALUE_INTEGER)
        return a->integer == b->integer;
    return a->boolean == b->boolean; /* which null has too */
}

/* Lists, maps and numbers with a fraction are not compared: nothing here needs it. */
static bool check_comparable(const renderer *r, const tbk_expression *expression,
                             const tbk_value *value)
{
    if (value->type != TBK_VALUE_LIST && value->type != TBK_VALUE_MAP &&
        value->type != TBK_VALUE_REAL)
        return true;
    return fail_about(r, expression, value, "cannot be compared");
}

static const tbk_value *evaluate_comparison(renderer *r, const tbk_expression *expression)
{
    const tbk_value *left = evaluate(r, expression->left);
    const tbk_value *right = left == NULL ? NULL : evaluate(r, expression->right);
    if (right == NULL || !check_comparable(r, expression->left, left) ||
        !check_comparable(r, expression->right, right))
        return NULL;
    /* Tera finds them neither equal nor unequal: an error here. */
    if ((left->type == TBK_VALUE_INTEGER) != (right->type == TBK_VALUE_INTEGER)) {
        (void)tbk_template_fail(r->source, expression->offset, r->err, NULL,
                                "%s is compared with %s", tbk_value_type_name(left->type),
                                tbk_value_type_name(right->type));
        return NULL;
    }
    bool wants_equal = expression->kind == TBK_EXPRESSION_EQUAL;
    return tbk_value_bool(r->arena, are_equal(left, right) == wants_equal);
}

static const tbk_value *evaluate_logic(renderer *r, const tbk_expression *expression)
{
    const tbk_value *left = evaluate(r, expression->left);
    if (left == NULL)
        return NULL;
    if (expression->kind == TBK_EXPRESSION_NOT)
        return tbk_value_bool(r->arena, !is_true(left));
    if (is_true(left) == (expression->kind == TBK_EXPRESSION_OR))
        return tbk_value_bool(r->arena, is_true(left));
    const tbk_value *right = evaluate(r, expression->right);
    return right == NULL ? NULL : tbk_value_bool(r->arena, is_true(right));
}

/* NULL after a failure. */
static const tbk_value *evaluate(renderer *r, const tbk_expression *expression)
{
    if (!add_work(r, EXPRESSION_WORK))
        return NULL;
    switch (expression->kind) {
    case TBK_EXPRESSION_LITERAL:
        return expression->literal;
    case TBK_EXPRESSION_NAME:
        return evaluate_name(r, expression);
    case TBK_EXPRESSION_FILTER:
        return evaluate_filter(r, expression);
    case TBK_EXPRESSION_EQUAL:
    case TBK_EXPRESSION_UNEQUAL:
        return evaluate_comparison(r, expression);
    case TBK_EXPRESSION_NOT:
    case TBK_EXPRESSION_AND:
    case TBK_EXPRESSION_OR:
        break;
    }
    return evaluate_logic(r, expression);
}

/* --- Nodes --- */

static bool render_nodes(renderer *r, const tbk_node *node);

static bool render_text(renderer *r, const tbk_node *node)
{
    tbk_text_append_bytes(r->out, node->text, node->length);
    return add_work(r, node->length);
}

static bool render_print(renderer *r, const tbk_node *node)
{
    const tbk_value *value = evaluate(r, node->expression);
    if (value == NULL)
        return false;
    size_t before = r->out->length;
    if (!tbk_template_print(value, r->out))
        return fail_about(r, node->expression, value, "cannot be printed");
    return add_work(r, r->out->length - before);
}

static bool render_if(renderer *r, const tbk_node *node)
{
    for (const tbk_branch *branch = node->branches; branch != NULL; branch = branch->next) {
        if (branch->condition == NULL)
            return render_nodes(r, branch->body);
        const tbk_value *value = evaluate(r, branch->condition);
        if (value == NULL)
            return false;
        if (is_true(value))
            return render_nodes(r, branch->body);
    }
    return true;
}

static const tbk_value *loop_value(renderer *r, int64_t index, const tbk_member *member)
{
    tbk_value *loop = tbk_value_map(r->arena);
    tbk_value_set_integer(r->arena, loop, "index", index + 1);
    tbk_value_set_integer(r->arena, loop, "index0", index);
    tbk_value_set_bool(r->arena, loop, "first", index == 0);
    tbk_value_set_bool(r->arena, loop, "last", member->next == NULL);
    return loop;
}

static bool render_for(renderer *r, const tbk_node *node)
{
    const tbk_value *list = evaluate(r, node->expression);
    if (list == NULL)
        return false;
    if (list->type != TBK_VALUE_LIST)
        return fail_about(r, node->expression, list, "is no list to loop over");

    const scope *outer = r->scope;
    bool rendered = true;
    int64_t index = 0;
    for (const tbk_member *member = list->first; rendered && member != NULL;
         member = member->next) {
        if (!add_work(r, TURN_WORK))
            return false;
        const scope turn = {node->item, member->value, loop_value(r, index++, member), outer};
        r->scope = &turn;
        rendered = render_nodes(r, node->body);
        r->scope = outer;
    }
    return rendered;
}

static bool render_nodes(renderer *r, const tbk_node *node)
{
    for (; node != NULL; node = node->next) {
        bool rendered = node->kind == TBK_NODE_TEXT    ? render_text(r, node)
                        : node->kind == TBK_NODE_PRINT ? render_print(r, node)
                        : node->kind == TBK_NODE_IF    ? render_if(r, node)
                                                       : render_for(r, node);
        if (!rendered)
            return false;
    }
    return true;
}

/* The first byte that is a NUL or not UTF-8; the length when there is none. */
static size_t find_bad_byte(const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length && bytes[at] != '\0') {
        size_t size = 1;
        while (size <= 4 && size <= length - at && !tbk_text_is_utf8(bytes + at, size))
            size++;
        if (size > 4 || size > length - at)
            break;
        at += size;
    }
    return at;
}

static bool check_source(const tbk_template_source *source, tbk_error *err)
{
    if (source->length > TBK_TEMPLATE_SIZE_MAX)
        return tbk_fail(err, TBK_E_TEMPLATE, NULL, "%s: the template is larger than 1 MiB",
                        source->name);
    size_t bad = find_bad_byte(source->bytes, source->length);
    if (bad == source->length)
        return true;
    return tbk_template_fail(source, bad, err, "save the template as UTF-8 text",
                             source->bytes[bad] == '\0' ? "there is a NUL byte here"
                                                        : "this is not UTF-8");
}

bool tbk_template_render(const char *name, const char *source, size_t length,
                         tbk_template_context context, const tbk_value *values, tbk_text *out,
                         tbk_error *err)
{
    const tbk_template_source what = {name, source, length, context, values};
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_text text = {0};
    const tbk_node *nodes;
    if (!check_source(&what, err) || !tbk_template_parse(&what, arena, &nodes, err))
        return false;
    renderer r = {.source = &what, .arena = arena, .out = &text, .err = err};
    if (!render_nodes(&r, nodes))
        return false;
    tbk_text_append_bytes(out, tbk_text_string(&text), text.length);
    return true;
}
