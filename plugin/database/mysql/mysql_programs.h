/* SPDX-License-Identifier: MIT */
/* Views, triggers, routines and events: what a schema does by itself. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_PROGRAMS_H
#define TBK_DATABASE_MYSQL_MYSQL_PROGRAMS_H

#include "database/mysql/mysql_sections.h"

/* Adds the sections routines, views, triggers and events to what follows the rows, and counts
 * them. What control may not see is read as root; without root it is missing. */
bool tbk_mysql_programs_read(tbk_arena *arena, MYSQL *control, const tbk_mysql_server *root,
                             tbk_mysql_schema *schema, tbk_error *err) TBK_MUST_CHECK;

#endif
