/* SPDX-License-Identifier: MIT */
/* What the sessions of a dump share out among them: tables, in ranges of their keys. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_CHUNKS_H
#define TBK_DATABASE_MYSQL_MYSQL_CHUNKS_H

#include "database/mysql/mysql_schema.h"

typedef struct tbk_mysql_chunk {
    size_t table;      /* its place in the schema */
    const char *range; /* a condition on its key; NULL: the whole table */
} tbk_mysql_chunk;

typedef struct tbk_mysql_chunks {
    tbk_mysql_chunk *list; /* the largest tables first */
    size_t count;
    const char **highest_keys; /* of each table of the schema; NULL: it has none */
} tbk_mysql_chunks;

/* Asks a session that has a snapshot for the ends of the keys. The ranges of a table leave out
 * nothing and overlap nowhere. In the arena. */
bool tbk_mysql_chunks_make(tbk_arena *arena, MYSQL *session, const tbk_mysql_schema *schema,
                           unsigned sessions, tbk_mysql_chunks *out, tbk_error *err) TBK_MUST_CHECK;

#endif
