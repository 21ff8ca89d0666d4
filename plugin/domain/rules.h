/* SPDX-License-Identifier: MIT */
/*
 * What a backup keeps: all of the database, or what is essential in it, by a rule for each table.
 *
 * A rule keeps all rows, none, or those that meet a condition of SQL. Tables without a rule are
 * kept whole. Whether tables and columns exist is the database's to say
 * (database/sqlite/sqlite_select.h).
 */
#ifndef TBK_DOMAIN_RULES_H
#define TBK_DOMAIN_RULES_H

#include "base/names.h"
#include "base/value.h"

typedef enum tbk_profile { TBK_PROFILE_FULL, TBK_PROFILE_ESSENTIAL } tbk_profile;

extern const tbk_names tbk_profile_names;
const char *tbk_profile_name(tbk_profile profile); /* "full", "essential" */
bool tbk_profile_parse(const char *name, tbk_profile *out, tbk_error *err) TBK_MUST_CHECK;

typedef enum tbk_rule_kind { TBK_RULE_ALL, TBK_RULE_NONE, TBK_RULE_ROWS } tbk_rule_kind;

typedef struct tbk_rule {
    const char *table;
    tbk_rule_kind kind;
    const char *condition; /* of TBK_RULE_ROWS; else NULL */
} tbk_rule;

#define TBK_RULES_MAX 32

typedef struct tbk_rules {
    tbk_rule list[TBK_RULES_MAX];
    size_t count;
} tbk_rules;

/* Of a tracker: torrents that were never completed are left out. */
void tbk_rules_default(tbk_rules *out);

/* "all", "none", or a condition. Fails with TBK_E_CONFIG: a condition must be one expression, with
 * its brackets and quotes closed, without comments or ';'. Whether it is SQL is not looked at. */
bool tbk_rule_parse(const char *table, const char *text, tbk_rule *out,
                    tbk_error *err) TBK_MUST_CHECK;

/* Reads the map "table: rule" under the key; leaves *rules where it is missing. Errors name file,
 * line and table. Text is borrowed. */
bool tbk_rules_read(const tbk_value *document, const char *key, tbk_rules *rules,
                    tbk_error *err) TBK_MUST_CHECK;

/* The rule as it was written: "all", "none" or the condition. */
const char *tbk_rule_text(const tbk_rule *rule);
/* Why a database cannot use the rule: TBK_E_CONFIG, with what to write. Always returns false. */
bool tbk_rule_fail(const tbk_rule *rule, const char *why, tbk_error *err);
/* As tbk_fail: seen to be false where it is called. */
#define tbk_rule_fail(...) ((void)(tbk_rule_fail)(__VA_ARGS__), false)
/* The table's rule, whatever its letters' case, as SQLite sees names; NULL where there is none. */
const tbk_rule *tbk_rules_find(const tbk_rules *rules, const char *table);

#endif
