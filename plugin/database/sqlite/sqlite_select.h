/* SPDX-License-Identifier: MIT */
/*
 * A new database with what rules keep of another one: its schema whole (tables, indexes, views,
 * triggers, virtual tables), the rows that are kept with their rowids, sqlite_sequence, and the
 * settings of its header. What is kept is of one moment.
 *
 * Conditions come from an operator's file, so they are confined: one expression on the columns of
 * their own table, no subquery, evaluated on a connection that cannot write.
 */
#ifndef TBK_DATABASE_SQLITE_SQLITE_SELECT_H
#define TBK_DATABASE_SQLITE_SQLITE_SELECT_H

#include "database/sqlite/sqlite.h"
#include "domain/rules.h"

/* Whether the rules fit the database: every table is there, every condition is one. Only reads.
 * Errors: TBK_E_CONFIG names table and reason. */
bool tbk_sqlite_check_rules(const char *path, const tbk_rules *rules,
                            tbk_error *err) TBK_MUST_CHECK;

typedef struct tbk_selection {
    const tbk_selected_table *tables; /* in the arena, by name */
    size_t count;
} tbk_selection;

/*
 * Reads source (which may be in use: its read transaction pins one state, and a log that grows too
 * much ends it) and makes target, which must not exist; not synced.
 * Errors: those of tbk_sqlite_check_rules and tbk_sqlite_hot_open; TBK_E_SPACE, TBK_E_INTERRUPTED.
 */
bool tbk_sqlite_select(tbk_arena *arena, const char *source, const char *target,
                       const tbk_rules *rules, const tbk_report *report, tbk_selection *out,
                       tbk_error *err) TBK_MUST_CHECK;

#endif
