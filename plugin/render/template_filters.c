/* SPDX-License-Identifier: MIT */
/* The filters of templates; above all those that quote a value for the place where it stands. */
#include "render/template_internal.h"

#include "domain/schedule.h"

#include <inttypes.h>
#include <string.h>

bool tbk_template_print(const tbk_value *value, tbk_text *out)
{
    if (value->type == TBK_VALUE_STRING)
        tbk_text_append(out, value->string);
    else if (value->type == TBK_VALUE_INTEGER)
        tbk_text_format(out, "%" PRId64, value->integer);
    else if (value->type == TBK_VALUE_BOOL)
        tbk_text_append(out, value->boolean ? "true" : "false");
    else
        return false;
    return true;
}

static bool give_text(tbk_arena *arena, const tbk_text *text, const tbk_value **out)
{
    *out = tbk_value_string(arena, tbk_text_string(text));
    return true;
}

static bool refuse(const char **why, const char *reason)
{
    *why = reason;
    return false;
}

/* Numbers and booleans need no quotes anywhere. */
static bool needs_no_quotes(const tbk_value *value)
{
    return value->type == TBK_VALUE_INTEGER || value->type == TBK_VALUE_BOOL;
}

static bool has_control_characters(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7F)
            return true;
    return false;
}

/* --- yaml, compose --- */

/* The code point at text, of valid UTF-8. */
static uint32_t decode(const char *text, size_t *out_length)
{
    unsigned char lead = (unsigned char)text[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t point = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3Fu);
    *out_length = length;
    return point;
}

/* Control characters, line breaks and what YAML does not count as printable. */
static bool is_escaped_in_yaml(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029 ||
           point == 0xFEFF || (point & 0xFFFE) == 0xFFFE;
}

static void append_yaml(tbk_text *text, const char *string, bool doubles_dollar)
{
    tbk_text_append_char(text, '"');
    for (size_t length; *string != '\0'; string += length) {
        uint32_t point = decode(string, &length);
        if (point == '"' || point == '\\' || (point == '$' && doubles_dollar)) {
            tbk_text_append_char(text, point == '$' ? '$' : '\\');
            tbk_text_append_bytes(text, string, 1);
        } else if (!is_escaped_in_yaml(point)) {
            tbk_text_append_bytes(text, string, length);
        } else {
            tbk_text_format(text,
                            point < 0x100     ? "\\x%02" PRIX32
                            : point < 0x10000 ? "\\u%04" PRIX32
                                              : "\\U%08" PRIX32,
                            point);
        }
    }
    tbk_text_append_char(text, '"');
}

static bool quote_yaml(tbk_arena *arena, const tbk_value *input, bool doubles_dollar,
                       const tbk_value **out, const char **why)
{
    *out = input;
    if (needs_no_quotes(input))
        return true;
    if (input->type != TBK_VALUE_STRING)
        return refuse(why, "takes text, a whole number, true or false");
    if (!tbk_text_is_utf8(input->string, strlen(input->string)))
        return refuse(why, "takes text in UTF-8");
    tbk_auto_text text = {0};
    append_yaml(&text, input->string, doubles_dollar);
    return give_text(arena, &text, out);
}

static bool apply_yaml(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                       const tbk_value *argument, const tbk_value **out, const char **why)
{
    (void)context, (void)argument;
    return quote_yaml(arena, input, false, out, why);
}

static bool apply_compose(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                          const tbk_value *argument, const tbk_value **out, const char **why)
{
    (void)context, (void)argument;
    return quote_yaml(arena, input, true, out, why);
}

/* --- sh, cron --- */

/*
 * A word for the shell that cron hands on unchanged. In a command cron ends the text at a `%`
 * without a backslash before it; some versions then remove that backslash, also one before a
 * backslash, and some do not. So each of the two stands where the shell sees the same either way:
 * the percent sign after a backslash outside the quotes, a backslash as the last character inside
 * them.
 */
static void append_cron_word(tbk_text *text, const char *word)
{
    tbk_text_append_char(text, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '%')
            tbk_text_append(text, "'\\%'");
        else if (*word == '\\')
            tbk_text_append(text, "\\''");
        else if (*word == '\'')
            tbk_text_append(text, "'\\''");
        else
            tbk_text_append_char(text, *word);
    }
    tbk_text_append_char(text, '\'');
}

static bool apply_sh(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                     const tbk_value *argument, const tbk_value **out, const char **why)
{
    (void)argument;
    *out = input;
    if (needs_no_quotes(input))
        return true;
    if (input->type != TBK_VALUE_STRING)
        return refuse(why, "takes text, a whole number, true or false");
    if (has_control_characters(input->string))
        return refuse(why, "takes text without control characters");
    tbk_auto_text text = {0};
    if (context == TBK_TEMPLATE_CRON)
        append_cron_word(&text, input->string);
    else
        tbk_text_append_shell_word(&text, input->string);
    return give_text(arena, &text, out);
}

static bool apply_cron(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                       const tbk_value *argument, const tbk_value **out, const char **why)
{
    (void)arena, (void)context, (void)argument;
    tbk_schedule schedule;
    tbk_error ignored; /* options_check has told the operator which field is wrong */
    *out = input;
    if (input->type != TBK_VALUE_STRING || has_control_characters(input->string) ||
        !tbk_schedule_parse(input->string, &schedule, &ignored))
        return refuse(why, "takes a schedule such as 0 3 * * *");
    return true;
}

/* --- The others, as Tera has them --- */

static bool apply_length(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                         const tbk_value *argument, const tbk_value **out, const char **why)
{
    (void)context, (void)argument;
    int64_t length = 0;
    if (input->type == TBK_VALUE_LIST || input->type == TBK_VALUE_MAP)
        length = (int64_t)input->count;
    else if (input->type != TBK_VALUE_STRING)
        return refuse(why, "takes text, a list or a map");
    else
        for (const char *at = input->string; *at != '\0'; at++)
            length += ((unsigned char)*at & 0xC0) != 0x80;
    *out = tbk_value_integer(arena, length);
    return true;
}

static bool apply_join(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                       const tbk_value *argument, const tbk_value **out, const char **why)
{
    (void)context;
    if (input->type != TBK_VALUE_LIST)
        return refuse(why, "takes a list");
    tbk_auto_text text = {0};
    for (const tbk_member *member = input->first; member != NULL; member = member->next) {
        if (!tbk_template_print(member->value, &text))
            return refuse(why, "takes a list of texts, whole numbers or booleans");
        if (argument != NULL && member->next != NULL)
            (void)tbk_template_print(argument, &text);
    }
    return give_text(arena, &text, out);
}

/* Only an undefined value is replaced; the caller passes it as NULL. */
static bool apply_default(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                          const tbk_value *argument, const tbk_value **out, const char **why)
{
    (void)arena, (void)context, (void)why;
    *out = input == NULL ? argument : input;
    return true;
}

static bool change_case(tbk_arena *arena, const tbk_value *input, char first, char last,
                        const tbk_value **out, const char **why)
{
    if (input->type != TBK_VALUE_STRING)
        return refuse(why, "takes text");
    char *text = tbk_arena_copy(arena, input->string);
    for (char *at = text; *at != '\0'; at++)
        if (*at >= first && *at <= last)
            *at = (char)(*at ^ ('a' ^ 'A'));
    *out = tbk_value_string(arena, text);
    return true;
}

static bool apply_upper(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                        const tbk_value *argument, const tbk_value **out, const char **why)
{
    (void)context, (void)argument;
    return change_case(arena, input, 'a', 'z', out, why);
}

static bool apply_lower(tbk_arena *arena, tbk_template_context context, const tbk_value *input,
                        const tbk_value *argument, const tbk_value **out, const char **why)
{
    (void)context, (void)argument;
    return change_case(arena, input, 'A', 'Z', out, why);
}

static const tbk_template_filter filters[] = {
    {"yaml", .quotes_for = 1u << TBK_TEMPLATE_YAML, .apply = apply_yaml},
    {"compose", .quotes_for = 1u << TBK_TEMPLATE_COMPOSE, .apply = apply_compose},
    {"sh", .quotes_for = 1u << TBK_TEMPLATE_SHELL | 1u << TBK_TEMPLATE_CRON, .apply = apply_sh},
    {"cron", .quotes_for = 1u << TBK_TEMPLATE_CRON, .apply = apply_cron},
    {"length", .apply = apply_length},
    {"join", .argument = "sep", .apply = apply_join},
    {"default", .argument = "value", .argument_needed = true, .accepts_undefined = true,
     .apply = apply_default},
    {"upper", .apply = apply_upper},
    {"lower", .apply = apply_lower},
};

const tbk_template_filter *tbk_template_filter_find(const char *name)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (strcmp(filters[i].name, name) == 0)
            return &filters[i];
    return NULL;
}

const char *tbk_template_filters_for(tbk_template_context context)
{
    switch (context) {
    case TBK_TEMPLATE_YAML:
        return "yaml";
    case TBK_TEMPLATE_COMPOSE:
        return "compose";
    case TBK_TEMPLATE_SHELL:
        return "sh";
    case TBK_TEMPLATE_CRON:
        return "cron or sh";
    case TBK_TEMPLATE_PLAIN:
        break;
    }
    return "";
}
