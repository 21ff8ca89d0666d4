/* SPDX-License-Identifier: MIT */
/* Reads one range of a table's rows, as INSERT statements, on the thread of a dump's session. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_CHUNK_READER_H
#define TBK_DATABASE_MYSQL_MYSQL_CHUNK_READER_H

#include "database/mysql/mysql_queue.h"
#include "database/mysql/mysql_sections.h"
#include "domain/rules.h"

/* What was read of a table. */
typedef struct tbk_mysql_tally {
    int64_t rows, excluded_rows;
    uint64_t checksum;
} tbk_mysql_tally;

typedef struct tbk_mysql_chunk_reader {
    MYSQL *session; /* with a snapshot of its own */
    const tbk_mysql_table *table;
    const tbk_rule *rule;   /* of the table; NULL: there is none */
    const char *range;      /* as tbk_mysql_chunk has it */
    tbk_mysql_queue *queue; /* that takes the pieces */
} tbk_mysql_chunk_reader;

/* *memory is what pieces are written to; it stays the caller's. *out, which is empty, says what was
 * read, also when it fails. */
bool tbk_mysql_chunk_read(const tbk_mysql_chunk_reader *reader, tbk_mysql_piece *memory,
                          tbk_mysql_tally *out, tbk_error *err) TBK_MUST_CHECK;

#endif
