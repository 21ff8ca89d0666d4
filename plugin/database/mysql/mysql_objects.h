/* SPDX-License-Identifier: MIT */
/* What can act by itself in a schema (views, triggers, routines, events), as statements. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_OBJECTS_H
#define TBK_DATABASE_MYSQL_MYSQL_OBJECTS_H

#include "database/mysql/mysql_run.h"
#include "ports/report.h"

/* The statements of a dump's section settings, and of those after its indexes. */
struct tbk_mysql_objects {
    tbk_mysql_statement *list;
    size_t count, capacity;
    size_t total_bytes;
};

tbk_mysql_objects *tbk_mysql_objects_new(void);
/* Takes the statement's memory, and leaves it empty. Fails with TBK_E_CORRUPT where there are more
 * than any schema has. */
bool tbk_mysql_objects_add(tbk_mysql_objects *objects, tbk_mysql_statement *statement,
                           tbk_error *err) TBK_MUST_CHECK;

/* Adds those of root->schema, read as a dump reads them. */
bool tbk_mysql_objects_read(tbk_arena *arena, const tbk_mysql_server *root, tbk_mysql_objects *out,
                            tbk_error *err) TBK_MUST_CHECK;

/* Runs them on a session whose schema is chosen; its settings are others afterwards. A definer who
 * is not known here is reported, and no failure. */
bool tbk_mysql_objects_run(MYSQL *session, const tbk_mysql_objects *objects, bool with_events,
                           const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;
/* Drops all that there are in the session's schema. */
bool tbk_mysql_objects_drop(MYSQL *session, tbk_error *err) TBK_MUST_CHECK;

#endif
