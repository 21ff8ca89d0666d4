/* SPDX-License-Identifier: MIT */
/* Reads the rules for tables, and refuses what cannot be one condition. */
#include "domain/rules.h"

#include "domain/path.h"
#include "domain/place.h"

#include <string.h>
#include <strings.h>

#define CONDITION_BYTES_MAX 1000
#define TABLE_BYTES_MAX 200

static const char *const profiles[] = {
    [TBK_PROFILE_FULL] = "full",
    [TBK_PROFILE_ESSENTIAL] = "essential",
};
const tbk_names tbk_profile_names = {.what = "profile", TBK_NAMES_LIST(profiles)};

TBK_NAMES_FUNCTIONS(tbk_profile, tbk_profile, tbk_profile_names)

void tbk_rules_default(tbk_rules *out)
{
    *out = (tbk_rules){.list = {{"torrents", TBK_RULE_ROWS, "completed > 0"}}, .count = 1};
}

/* --- one condition --- */

static bool fail_condition(const char *table, const char *why, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CONFIG,
                    "write all, none, or one condition on the table's columns, such as "
                    "\"completed > 0\"",
                    "the rule for the table '%.200s' %s", table, why);
}

/* After the quote that ends what begins at text; NULL when none does. A doubled quote is a part of
 * the text, and is seen as the beginning of another one, to the same effect. */
static const char *behind_quotes(const char *text)
{
    const char *end = strchr(text + 1, text[0] == '[' ? ']' : text[0]);
    return end != NULL ? end + 1 : NULL;
}

/* What is wrong with it; NULL when it stays within brackets that are put around it. */
static const char *wrong_with(const char *condition)
{
    unsigned depth = 0;
    const char *at = condition;
    while (*at != '\0') {
        if (strchr("'\"`[", *at) != NULL) {
            at = behind_quotes(at);
            if (at == NULL)
                return "has a quote that is not closed";
            continue;
        }
        if (*at == ';')
            return "has a ';': it must be one condition";
        if (strncmp(at, "--", 2) == 0 || strncmp(at, "/*", 2) == 0)
            return "has a comment";
        if (*at == ')' && depth == 0)
            return "closes a bracket that it did not open";
        depth += *at == '(';
        depth -= *at == ')';
        at++;
    }
    return depth > 0 ? "has a bracket that is not closed" : NULL;
}

static bool check_condition(const char *table, const char *condition, tbk_error *err)
{
    if (condition[strspn(condition, " ")] == '\0')
        return fail_condition(table, "is empty", err);
    if (strlen(condition) > CONDITION_BYTES_MAX)
        return fail_condition(table, "is longer than 1000 bytes", err);
    if (tbk_path_has_control(condition))
        return fail_condition(table, "has tabs, line breaks or other control characters", err);
    const char *wrong = wrong_with(condition);
    if (wrong != NULL)
        return fail_condition(table, wrong, err);
    return true;
}

bool tbk_rule_parse(const char *table, const char *text, tbk_rule *out, tbk_error *err)
{
    tbk_rule rule = {.table = table};
    if (table[0] == '\0' || strlen(table) > TABLE_BYTES_MAX || tbk_path_has_control(table))
        return tbk_fail(err, TBK_E_CONFIG, "name a table of the database",
                        "'%.200s' is not the name of a table", table);
    if (strcmp(text, "all") == 0)
        rule.kind = TBK_RULE_ALL;
    else if (strcmp(text, "none") == 0)
        rule.kind = TBK_RULE_NONE;
    else if (!check_condition(table, text, err))
        return false;
    else
        rule = (tbk_rule){.table = table, .kind = TBK_RULE_ROWS, .condition = text};
    *out = rule;
    return true;
}

/* --- all of them --- */

bool tbk_rules_read(const tbk_value *document, const char *key, tbk_rules *rules, tbk_error *err)
{
    const tbk_value *map = tbk_value_find(document, key);
    tbk_rules read = {.count = 0};
    if (map == NULL)
        return true;
    if (!tbk_value_require_map(document, key, &map, err))
        return false;
    if (map->count > TBK_RULES_MAX)
        return tbk_value_fail(map, err, "leave out those that keep all",
                              "'%s' has more than %d rules", key, TBK_RULES_MAX);
    for (const tbk_member *item = map->first; item != NULL; item = item->next) {
        if (item->value->type != TBK_VALUE_STRING)
            return tbk_value_fail(item->value, err, "write all, none, or a condition in quotes",
                                  "the rule for '%.200s' must be text, but this is %s", item->key,
                                  tbk_value_type_name(item->value->type));
        if (tbk_rules_find(&read, item->key) != NULL)
            return tbk_value_fail(item->value, err, "leave one of them out",
                                  "the table '%.200s' has two rules", item->key);
        if (!tbk_rule_parse(item->key, item->value->string, &read.list[read.count++], err))
            return tbk_error_at(item->value, key, err);
    }
    *rules = read;
    return true;
}

const char *tbk_rule_text(const tbk_rule *rule)
{
    static const char *const words[] = {[TBK_RULE_ALL] = "all", [TBK_RULE_NONE] = "none"};
    return rule->kind == TBK_RULE_ROWS ? rule->condition : words[rule->kind];
}

bool(tbk_rule_fail)(const tbk_rule *rule, const char *why, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CONFIG,
                    "write all, none, or one condition on the table's own columns, without "
                    "subqueries, such as \"completed > 0\"",
                    "the rule for the table '%.200s' (%.200s) cannot be used: %s", rule->table,
                    tbk_rule_text(rule), why);
}

const tbk_rule *tbk_rules_find(const tbk_rules *rules, const char *table)
{
    for (size_t i = 0; i < rules->count; i++)
        if (strcasecmp(rules->list[i].table, table) == 0)
            return &rules->list[i];
    return NULL;
}
