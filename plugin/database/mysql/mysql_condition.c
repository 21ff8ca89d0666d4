/* SPDX-License-Identifier: MIT */
/*
 * Whether rules can be used.
 *
 * domain/rules.h has seen to it that a condition stays within its brackets. The server says whether
 * it is one, on columns that exist, by preparing a statement with it: nothing is executed. What the
 * server would accept and a backup must not do is looked for by words: other tables, variables,
 * and functions that wait, lock or open files. The transaction that reads is READ ONLY, so what
 * would write fails there.
 */
#include "database/mysql/mysql_condition.h"

#include <errmsg.h>

#include <strings.h>

TBK_AUTO_POINTER(MYSQL_STMT, mysql_stmt_close);

static size_t word_length(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$");
}

static bool is_word_of(const char *const *list, const char *word, size_t length)
{
    for (; *list != NULL; list++)
        if (strlen(*list) == length && strncasecmp(*list, word, length) == 0)
            return true;
    return false;
}

static const char *wrong_with_word(const char *word, size_t length)
{
    static const char *const queries[] = {"SELECT", "INTO", "TABLE", "VALUES", "WITH", NULL};
    static const char *const calls[] = {"SLEEP",
                                        "BENCHMARK",
                                        "GET_LOCK",
                                        "RELEASE_LOCK",
                                        "RELEASE_ALL_LOCKS",
                                        "LOAD_FILE",
                                        "MASTER_POS_WAIT",
                                        "MASTER_GTID_WAIT",
                                        "SOURCE_POS_WAIT",
                                        "WAIT_FOR_EXECUTED_GTID_SET",
                                        NULL};
    if (is_word_of(queries, word, length))
        return "it looks into other tables";
    return is_word_of(calls, word, length) ? "it waits, locks or opens files" : NULL;
}

/* As the standard has them: no backslashes, a doubled quote is two texts side by side. */
static const char *behind_quotes(const char *text)
{
    const char *end = strchr(text + 1, *text);
    return end != NULL ? end + 1 : text + strlen(text);
}

/* A function may be called by its name in quotes, too. */
static const char *wrong_with_quoted(const char *text, const char *end)
{
    bool is_called = *text != '\'' && end[strspn(end, " ")] == '(';
    return is_called ? wrong_with_word(text + 1, (size_t)(end - text - 2)) : NULL;
}

static const char *wrong_with(const char *condition)
{
    const char *wrong = NULL;
    for (const char *at = condition, *end; *at != '\0' && wrong == NULL; at = end) {
        const size_t length = word_length(at);
        const bool is_quoted = strchr("'\"`", *at) != NULL;
        end = is_quoted ? behind_quotes(at) : at + (length > 0 ? length : 1);
        if (is_quoted)
            wrong = wrong_with_quoted(at, end);
        else if (length > 0)
            wrong = wrong_with_word(at, length);
        else if (*at == '#')
            wrong = "it has a comment";
        else if (*at == '@')
            wrong = "it has a variable";
    }
    return wrong;
}

static bool check_condition(tbk_arena *arena, MYSQL *session, const char *table,
                            const tbk_rule *rule, tbk_error *err)
{
    const char *wrong = wrong_with(rule->condition);
    if (wrong != NULL)
        return tbk_rule_fail(rule, wrong, err);
    const char *sql = tbk_arena_format(arena, "SELECT 1 FROM %s WHERE (%s)",
                                       tbk_mysql_name(arena, table), rule->condition);
    tbk_auto(MYSQL_STMT) *statement = mysql_stmt_init(session);
    if (statement == NULL)
        return tbk_fail(err, TBK_E_FAILED, NULL, "there is no memory for a statement");
    if (mysql_stmt_prepare(statement, sql, strlen(sql)) != 0)
        return mysql_stmt_errno(statement) >= CR_MIN_ERROR
                   ? tbk_mysql_fail(session, err, "cannot check the rule for '%s'", rule->table)
                   : tbk_rule_fail(rule, mysql_stmt_error(statement), err);
    return mysql_stmt_param_count(statement) == 0 || tbk_rule_fail(rule, "it has a parameter", err);
}

static const tbk_mysql_table *find_table(const tbk_mysql_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->table_count; i++)
        if (strcasecmp(schema->tables[i].name, name) == 0)
            return &schema->tables[i];
    return NULL;
}

bool tbk_mysql_rules_check(MYSQL *session, const tbk_mysql_schema *schema, const tbk_rules *rules,
                           tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    for (size_t i = 0; rules != NULL && i < rules->count; i++) {
        const tbk_rule *rule = &rules->list[i];
        const tbk_mysql_table *table = find_table(schema, rule->table);
        if (table == NULL || table->is_sequence)
            return tbk_rule_fail(rule, "there is no such table", err);
        if (rule->kind == TBK_RULE_ROWS && !check_condition(arena, session, table->name, rule, err))
            return false;
    }
    return true;
}
