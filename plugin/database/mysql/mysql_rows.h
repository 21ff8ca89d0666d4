/* SPDX-License-Identifier: MIT */
/*
 * Rows of MySQL as the text of a dump, and the checksum over them.
 *
 * The text of a row is "(value,...)" with every column that has a value of its own, in the table's
 * order:
 *   - numbers as the server writes them; a FLOAT as the DOUBLE that it is exactly;
 *   - text in single quotes, with backslashes before ' and \ and for line feeds, carriage returns,
 *     NUL and ^Z, so that none of those stands in it;
 *   - bytes as 0x..., and text in a character set that UTF-8 may not bring back byte for byte as
 *     _charset 0x...; '' where there are none;
 *   - NULL.
 *
 * The checksum of a table is the sum, modulo 2^64, of a hash of each row's text: whatever their
 * order, and however many sessions read them. It tells a copy that differs; it is no defence
 * against a forged table.
 */
#ifndef TBK_DATABASE_MYSQL_MYSQL_ROWS_H
#define TBK_DATABASE_MYSQL_MYSQL_ROWS_H

#include "base/arena.h"

#include <stddef.h>
#include <stdint.h>

typedef enum tbk_mysql_form {
    TBK_MYSQL_NUMBER,
    TBK_MYSQL_FLOAT,
    TBK_MYSQL_DOUBLE,
    TBK_MYSQL_STRING, /* read as utf8mb4 */
    TBK_MYSQL_BYTES
} tbk_mysql_form;

typedef struct tbk_mysql_column {
    const char *name;
    tbk_mysql_form form;
    const char *charset; /* of bytes that are text; else NULL */
} tbk_mysql_column;

/* How a column of this data type and character set (NULL: none), in the words of the
 * information_schema, is read and written. */
tbk_mysql_column tbk_mysql_column_of(const char *name, const char *data_type, const char *charset);

/* What to SELECT so that the values are those the writer expects: "`a`,`b`*1E0". */
const char *tbk_mysql_select_list(tbk_arena *arena, const tbk_mysql_column *columns, size_t count);
/* "INSERT INTO `t` (`a`,`b`) VALUES\n" */
const char *tbk_mysql_insert_head(tbk_arena *arena, const char *table,
                                  const tbk_mysql_column *columns, size_t count);

/* Bytes of a dump; grows as rows need it. */
typedef struct tbk_mysql_piece {
    char *bytes;
    size_t length, capacity;
} tbk_mysql_piece;

void tbk_mysql_piece_end(tbk_mysql_piece *piece);
bool tbk_mysql_piece_append(tbk_mysql_piece *piece, const char *text,
                            tbk_error *err) TBK_MUST_CHECK;

/* Writes rows into a piece, as INSERT statements, and sums them up. */
typedef struct tbk_mysql_writer {
    const tbk_mysql_column *columns;
    size_t column_count;
    const char *head;       /* of each INSERT */
    tbk_mysql_piece piece;  /* the caller may take it away whenever no statement is begun */
    size_t statement_bytes; /* of the one that is begun; 0: none is */
    int64_t rows;
    uint64_t checksum;
} tbk_mysql_writer;

/* values and lengths are a row as the client library gives it. */
bool tbk_mysql_writer_add(tbk_mysql_writer *writer, char *const *values,
                          const unsigned long *lengths, tbk_error *err) TBK_MUST_CHECK;
/* Ends the statement that is begun, if one is. */
bool tbk_mysql_writer_flush(tbk_mysql_writer *writer, tbk_error *err) TBK_MUST_CHECK;

/* "0123456789abcdef" */
const char *tbk_mysql_checksum_text(tbk_arena *arena, uint64_t checksum);

#endif
