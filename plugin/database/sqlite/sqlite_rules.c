/* SPDX-License-Identifier: MIT */
/*
 * Rules against the schema. Conditions are an operator's: SQLite itself is asked, while it prepares
 * one, whether it does anything but to look at the table's own columns.
 */
#include "database/sqlite/sqlite_rules.h"

#include <strings.h>

#define DEPTH_MAX 100 /* of a condition */

typedef struct confinement {
    const char *table;
    unsigned selects;
} confinement;

static int authorize(void *self, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    confinement *confined = self;
    (void)database;
    (void)trigger;
    if (action == SQLITE_SELECT)
        return confined->selects++ == 0 ? SQLITE_OK : SQLITE_DENY;
    if (action == SQLITE_READ)
        return strcasecmp(first, confined->table) == 0 ? SQLITE_OK : SQLITE_DENY;
    if (action == SQLITE_FUNCTION)
        return strcasecmp(second, "load_extension") != 0 ? SQLITE_OK : SQLITE_DENY;
    return SQLITE_DENY;
}

/* What there is to choose from, in the words of the database itself. */
static bool fail_names(sqlite3 *db, const tbk_rule *rule, const char *why, const char *sql,
                       const char *kind, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *names = NULL;
    tbk_auto(char) *text = NULL;
    tbk_error ignored;
    if (tbk_sqlite_prepare(db, sql, &names, &ignored)) {
        (void)sqlite3_bind_text(names, 1, rule->table, -1, SQLITE_STATIC);
        if (sqlite3_step(names) == SQLITE_ROW && sqlite3_column_text(names, 0) != NULL)
            text = sqlite3_mprintf("%s (%s: %.300s)", why, kind, sqlite3_column_text(names, 0));
    }
    return tbk_rule_fail(rule, text != NULL ? text : why, err);
}

static bool fail_column(sqlite3 *db, const tbk_rule *rule, tbk_error *err)
{
    tbk_auto(char) *why = sqlite3_mprintf("%s", sqlite3_errmsg(db));
    return fail_names(db, rule, why != NULL ? why : "it is no condition",
                      "SELECT group_concat(name, ', ') FROM pragma_table_info(?1)",
                      "the table's columns", err);
}

static bool check_condition(sqlite3 *db, const tbk_rule *rule, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *statement = NULL;
    confinement confined = {.table = rule->table};
    const char *rest = "";
    tbk_auto(char) *sql =
        sqlite3_mprintf("SELECT 1 FROM main.\"%w\" WHERE (%s)", rule->table, rule->condition);
    int depth = sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, DEPTH_MAX);
    tbk_sqlite_authorize(db, authorize, &confined);
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, &rest);
    tbk_sqlite_authorize(db, NULL, NULL);
    (void)sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, depth);
    if (rc == SQLITE_AUTH)
        return tbk_rule_fail(rule, "it does more than to look at the table's own columns", err);
    if (rc != SQLITE_OK)
        return fail_column(db, rule, err);
    if (rest[0] != '\0')
        return tbk_rule_fail(rule, "it is more than one condition", err);
    return sqlite3_bind_parameter_count(statement) == 0 ||
           tbk_rule_fail(rule, "it has a parameter", err);
}

static bool check_rule(sqlite3 *db, const tbk_rule *rule, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *table = NULL;
    if (!tbk_sqlite_prepare(
            db,
            "SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
            "AND name = ?1 COLLATE NOCASE AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
            &table, err))
        return false;
    (void)sqlite3_bind_text(table, 1, rule->table, -1, SQLITE_STATIC);
    if (sqlite3_step(table) != SQLITE_ROW)
        return fail_names(db, rule, "there is no such table",
                          "SELECT group_concat(name, ', ') FROM pragma_table_list "
                          "WHERE schema = 'main' AND type = 'table' AND ?1 = ?1 "
                          "AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
                          "the tables are", err);
    return rule->kind != TBK_RULE_ROWS || check_condition(db, rule, err);
}

bool tbk_sqlite_rules_check(sqlite3 *db, const tbk_rules *rules, tbk_error *err)
{
    for (size_t i = 0; i < rules->count; i++)
        if (!check_rule(db, &rules->list[i], err))
            return false;
    return true;
}
