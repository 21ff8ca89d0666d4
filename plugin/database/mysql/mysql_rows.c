/* SPDX-License-Identifier: MIT */
/* Turns rows into the text of INSERT statements, quickly: half of a dump's time is spent here. */
#include "database/mysql/mysql_rows.h"

#include "base/text.h"
#include "database/mysql/mysql_internal.h"
#include "database/mysql/mysql_stream.h"

#include <endian.h>
#include <strings.h>

/* --- columns --- */

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasecmp(word, *words) == 0)
            return true;
    return false;
}

static tbk_mysql_form form_of(const char *data_type)
{
    static const char *const numbers[] = {"tinyint", "smallint", "mediumint", "int",
                                          "bigint",  "decimal",  "year",      NULL};
    static const char *const bytes[] = {"bit",
                                        "binary",
                                        "varbinary",
                                        "tinyblob",
                                        "blob",
                                        "longblob",
                                        "mediumblob",
                                        "vector",
                                        "geometry",
                                        "point",
                                        "polygon",
                                        "linestring",
                                        "multipoint",
                                        "multilinestring",
                                        "multipolygon",
                                        "geometrycollection",
                                        "geomcollection",
                                        NULL};
    if (is_one_of(data_type, numbers))
        return TBK_MYSQL_NUMBER;
    if (is_one_of(data_type, bytes))
        return TBK_MYSQL_BYTES;
    if (strcasecmp(data_type, "float") == 0)
        return TBK_MYSQL_FLOAT;
    return strcasecmp(data_type, "double") == 0 ? TBK_MYSQL_DOUBLE : TBK_MYSQL_STRING;
}

tbk_mysql_column tbk_mysql_column_of(const char *name, const char *data_type, const char *charset)
{
    /* Each character of these has one in UTF-8, and that one leads back to it. Of other sets some
     * have two for the same, and the server would bring back the other one. */
    static const char *const faithful[] = {"utf8mb4", "utf8mb3", "utf8", "ascii", "latin1", NULL};
    tbk_mysql_column column = {.name = name, .form = form_of(data_type)};
    if (column.form == TBK_MYSQL_STRING && charset != NULL && !is_one_of(charset, faithful)) {
        column.form = TBK_MYSQL_BYTES;
        column.charset = charset;
    }
    return column;
}

const char *tbk_mysql_select_list(tbk_arena *arena, const tbk_mysql_column *columns, size_t count)
{
    tbk_auto_text list = {0};
    for (size_t i = 0; i < count; i++) {
        const char *name = tbk_mysql_name(arena, columns[i].name);
        tbk_text_append(&list, i > 0 ? "," : "");
        if (columns[i].form == TBK_MYSQL_FLOAT)
            tbk_text_format(&list, "%s*1E0", name); /* six digits else; and +0E0 loses a -0 */
        else if (columns[i].charset != NULL)
            tbk_text_format(&list, "CAST(%s AS BINARY)", name);
        else
            tbk_text_append(&list, name);
    }
    return count > 0 ? tbk_arena_copy(arena, list.bytes) : "NULL";
}

const char *tbk_mysql_insert_head(tbk_arena *arena, const char *table,
                                  const tbk_mysql_column *columns, size_t count)
{
    tbk_auto_text head = {0};
    tbk_text_format(&head, "INSERT INTO %s (", tbk_mysql_name(arena, table));
    for (size_t i = 0; i < count; i++)
        tbk_text_format(&head, "%s%s", i > 0 ? "," : "", tbk_mysql_name(arena, columns[i].name));
    tbk_text_append(&head, ") VALUES\n");
    return tbk_arena_copy(arena, head.bytes);
}

/* --- pieces --- */

void tbk_mysql_piece_end(tbk_mysql_piece *piece)
{
    free(piece->bytes);
    *piece = (tbk_mysql_piece){0};
}

static bool reserve(tbk_mysql_piece *piece, size_t more, tbk_error *err)
{
    size_t needed = piece->length + more;
    if (needed <= piece->capacity)
        return true;
    size_t capacity = needed > piece->capacity * 2 ? needed : piece->capacity * 2;
    char *grown = realloc(piece->bytes, capacity);
    if (grown == NULL)
        return tbk_fail(err, TBK_E_FAILED, "give the container more memory",
                        "there is no memory for a row of %zu bytes", more);
    piece->bytes = grown;
    piece->capacity = capacity;
    return true;
}

static bool append(tbk_mysql_piece *piece, const char *bytes, size_t length, tbk_error *err)
{
    if (!reserve(piece, length, err))
        return false;
    memcpy(piece->bytes + piece->length, bytes, length);
    piece->length += length;
    return true;
}

bool tbk_mysql_piece_append(tbk_mysql_piece *piece, const char *text, tbk_error *err)
{
    return append(piece, text, strlen(text), err);
}

/* --- values; each writes at `to`, where there is room, and returns where it ended --- */

#define NOT_ASCII 1

/* How a byte stands in quotes: as it is (0), after a backslash as this letter, or it has to be
 * looked at. */
static const char escapes[256] = {
    ['\0'] = '0', ['\n'] = 'n', ['\r'] = 'r', ['\x1a'] = 'Z', ['\''] = '\'', ['\\'] = '\\',
#define EIGHT(from)                                                                                \
    [from] = NOT_ASCII, [from + 1] = NOT_ASCII, [from + 2] = NOT_ASCII, [from + 3] = NOT_ASCII,    \
    [from + 4] = NOT_ASCII, [from + 5] = NOT_ASCII, [from + 6] = NOT_ASCII, [from + 7] = NOT_ASCII
    EIGHT(0x80),  EIGHT(0x88),  EIGHT(0x90),  EIGHT(0x98),    EIGHT(0xa0),   EIGHT(0xa8),
    EIGHT(0xb0),  EIGHT(0xb8),  EIGHT(0xc0),  EIGHT(0xc8),    EIGHT(0xd0),   EIGHT(0xd8),
    EIGHT(0xe0),  EIGHT(0xe8),  EIGHT(0xf0),  EIGHT(0xf8)
#undef EIGHT
};

static char *write_text(char *to, const char *text, size_t length)
{
    memcpy(to, text, length);
    return to + length;
}

static char *write_hex(char *to, const char *bytes, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    to = write_text(to, "0x", 2);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15];
    }
    return to;
}

/* Whether eight bytes stand for themselves: ASCII, no control character, no quote, no backslash. */
static bool is_plain(uint64_t bytes)
{
    const uint64_t each = 0x0101010101010101u, tops = each << 7;
    const uint64_t quotes = bytes ^ each * '\'', backslashes = bytes ^ each * '\\';
    return (((bytes - each * ' ') | (quotes - each) | (backslashes - each) | bytes) & tops) == 0;
}

/* Copies what stands for itself, up to the first eight bytes that do not. */
static size_t copy_plain(char *to, const char *text, size_t length)
{
    size_t done = 0;
    for (uint64_t bytes; length - done >= sizeof bytes; done += sizeof bytes) {
        memcpy(&bytes, text + done, sizeof bytes);
        if (!is_plain(bytes))
            break;
        memcpy(to + done, &bytes, sizeof bytes);
    }
    return done;
}

/* NULL where it is not UTF-8. */
static char *write_quoted(char *to, const char *text, size_t length)
{
    *to++ = '\'';
    for (size_t i = 0; i < length;) {
        size_t plain = copy_plain(to, text + i, length - i);
        to += plain;
        i += plain;
        if (i == length)
            break;
        char escape = escapes[(unsigned char)text[i]];
        size_t step = escape == NOT_ASCII ? tbk_text_utf8_step(text + i, length - i) : 1;
        if (step == 0)
            return NULL;
        if (escape == 0 || escape == NOT_ASCII) {
            for (size_t end = i + step; i < end; i++)
                *to++ = text[i];
        } else {
            *to++ = '\\';
            *to++ = escape;
            i++;
        }
    }
    *to++ = '\'';
    return to;
}

static char *write_bytes(char *to, const tbk_mysql_column *column, const char *bytes, size_t length)
{
    if (length == 0)
        return write_text(to, "''", 2);
    if (column->charset != NULL) {
        *to++ = '_';
        to = write_text(to, column->charset, strlen(column->charset));
        *to++ = ' ';
    }
    return write_hex(to, bytes, length);
}

/* A minus before a whole zero is lost; before a real one it is kept. */
static char *write_real(char *to, const char *text, size_t length)
{
    to = write_text(to, text, length);
    return length == 2 && memcmp(text, "-0", 2) == 0 ? write_text(to, "e0", 2) : to;
}

static char *write_value(char *to, const tbk_mysql_column *column, const char *value, size_t length)
{
    char *end;
    if (value == NULL)
        return write_text(to, "NULL", 4);
    switch (column->form) {
    case TBK_MYSQL_NUMBER:
        return write_text(to, value, length);
    case TBK_MYSQL_FLOAT:
    case TBK_MYSQL_DOUBLE:
        return write_real(to, value, length);
    case TBK_MYSQL_BYTES:
        return write_bytes(to, column, value, length);
    case TBK_MYSQL_STRING:
        break;
    }
    end = write_quoted(to, value, length);
    return end != NULL ? end : write_hex(to, value, length);
}

/* --- rows --- */

/* At most what a row takes: each byte becomes two, and each value has something around it. */
static size_t row_bytes_max(const tbk_mysql_writer *writer, const unsigned long *lengths)
{
    size_t bytes = 8;
    for (size_t i = 0; i < writer->column_count; i++) {
        const char *charset = writer->columns[i].charset;
        bytes += 2 * lengths[i] + 8 + (charset != NULL ? strlen(charset) : 0);
    }
    return bytes;
}

static uint64_t hash_of(const char *bytes, size_t length)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u; /* 2^64 divided by the golden ratio */
    uint64_t hash = length * odd;
    for (; length > 0; bytes += 8) {
        uint64_t word = 0;
        size_t part = length < 8 ? length : 8;
        memcpy(&word, bytes, part);
        hash = (hash ^ le64toh(word)) * odd;
        hash ^= hash >> 29;
        length -= part;
    }
    hash *= odd;
    return hash ^ hash >> 32;
}

static char *write_row(char *to, const tbk_mysql_writer *writer, char *const *values,
                       const unsigned long *lengths)
{
    *to++ = '(';
    for (size_t i = 0; i < writer->column_count; i++) {
        if (i > 0)
            *to++ = ',';
        to = write_value(to, &writer->columns[i], values[i], lengths[i]);
    }
    *to++ = ')';
    return to;
}

bool tbk_mysql_writer_flush(tbk_mysql_writer *writer, tbk_error *err)
{
    bool is_begun = writer->statement_bytes > 0;
    writer->statement_bytes = 0;
    return !is_begun || append(&writer->piece, ";\n", 2, err);
}

static bool begin_row(tbk_mysql_writer *writer, size_t bytes_max, tbk_error *err)
{
    size_t before = writer->piece.length;
    if (writer->statement_bytes + bytes_max > TBK_MYSQL_STATEMENT_BYTES &&
        !tbk_mysql_writer_flush(writer, err))
        return false;
    if (writer->statement_bytes > 0)
        return append(&writer->piece, ",\n", 2, err);
    before = writer->piece.length;
    if (!tbk_mysql_piece_append(&writer->piece, writer->head, err))
        return false;
    writer->statement_bytes = writer->piece.length - before;
    return true;
}

bool tbk_mysql_writer_add(tbk_mysql_writer *writer, char *const *values,
                          const unsigned long *lengths, tbk_error *err)
{
    tbk_mysql_piece *piece = &writer->piece;
    size_t bytes_max = row_bytes_max(writer, lengths);
    if (!begin_row(writer, bytes_max, err) || !reserve(piece, bytes_max, err))
        return false;
    char *row = piece->bytes + piece->length;
    size_t length = (size_t)(write_row(row, writer, values, lengths) - row);
    piece->length += length;
    writer->statement_bytes += length + 2;
    writer->checksum += hash_of(row, length);
    writer->rows++;
    return true;
}

const char *tbk_mysql_checksum_text(tbk_arena *arena, uint64_t checksum)
{
    return tbk_arena_format(arena, "%016llx", (unsigned long long)checksum);
}
