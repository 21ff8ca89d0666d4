/* SPDX-License-Identifier: MIT */
/*
 * Takes a dump apart into its statements (database/mysql/mysql_stream.h has its form).
 *
 * Whatever the bytes are, the reader ends: with the statements of a whole dump, or with the line at
 * which it is none. Each statement has the head that its section allows and names its table without
 * a schema, so that the rows of a foreign stream cannot go elsewhere.
 */
#ifndef TBK_DATABASE_MYSQL_MYSQL_STREAM_READER_H
#define TBK_DATABASE_MYSQL_MYSQL_STREAM_READER_H

#include "base/auto.h"
#include "database/mysql/mysql_stream.h"
#include "ports/source.h"

/* `tbk_mysql_statement statement = {0}` is valid and empty. The holder owns the memory, which is
 * used again when it is filled again. */
typedef struct tbk_mysql_statement {
    tbk_mysql_section section;
    uint64_t line; /* of the stream, at which it begins; from 1 */
    char *bytes;   /* without the delimiter; a NUL follows them */
    size_t length, capacity;
} tbk_mysql_statement;

void tbk_mysql_statement_end(tbk_mysql_statement *statement);
#define tbk_auto_statement __attribute__((cleanup(tbk_mysql_statement_end))) tbk_mysql_statement

/* Appends to the bytes. Fails with TBK_E_FAILED where there is no memory. */
bool tbk_mysql_statement_append(tbk_mysql_statement *statement, const char *bytes, size_t length,
                                tbk_error *err) TBK_MUST_CHECK;
typedef struct tbk_mysql_stream tbk_mysql_stream;

/* The source's self is borrowed. */
tbk_mysql_stream *tbk_mysql_stream_new(const tbk_source *source);
void tbk_mysql_stream_free(tbk_mysql_stream *stream);
TBK_AUTO_POINTER(tbk_mysql_stream, tbk_mysql_stream_free);

/*
 * The next statement; after the last one, the section is TBK_MYSQL_END and the text is empty.
 * Errors: TBK_E_CORRUPT, the stream is cut, or not one of ours; those of the source.
 */
bool tbk_mysql_stream_next(tbk_mysql_stream *stream, tbk_mysql_statement *out,
                           tbk_error *err) TBK_MUST_CHECK;
/* How many bytes of the source have been read. */
uint64_t tbk_mysql_stream_position(const tbk_mysql_stream *stream);

#endif
