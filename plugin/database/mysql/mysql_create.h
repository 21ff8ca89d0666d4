/* SPDX-License-Identifier: MIT */
/* What SHOW CREATE TABLE says, taken apart: what can wait until the rows are in is made faster
 * then. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_CREATE_H
#define TBK_DATABASE_MYSQL_MYSQL_CREATE_H

#include "base/arena.h"

typedef struct tbk_mysql_create {
    const char *table;        /* CREATE TABLE without what is below, and with its row format */
    const char *plain;        /* without its format, and " AUTO_INCREMENT=5", which rows move */
    const char *keys;         /* "ADD KEY ...,\n  ADD ...": secondary indexes; "": none */
    const char *foreign_keys; /* the same; after the keys of all tables */
} tbk_mysql_create;

/* Reads the text as a session with an empty sql_mode gets it; row_format is to be written
 * where none is (InnoDB), or NULL. Keys stay in the table where they may not be taken out: without
 * a primary key, where another key carries the AUTO_INCREMENT, in partitioned tables and those with
 * periods or versions, and in what is not understood. Only plain and unique keys are ever taken
 * out. */
void tbk_mysql_create_split(tbk_arena *arena, const char *sql, const char *row_format,
                            tbk_mysql_create *out);

/* The position after the quotes (', " or `) that begin at text; NULL where nothing ends them. */
const char *tbk_mysql_behind_quotes(const char *text);

#endif
