/* SPDX-License-Identifier: MIT */
/* A dump from bytes, in pieces of a size that the first byte decides: taken apart, or refused with
 * its line. */
#include "fuzz/fuzz.h"

#include "database/mysql/mysql_stream_reader.h"

typedef struct bytes {
    const uint8_t *at;
    size_t left, piece_bytes;
} bytes;

static bool read_bytes(void *self, void *buffer, size_t size_bytes, size_t *out_got, tbk_error *err)
{
    bytes *from = self;
    size_t part = from->left < from->piece_bytes ? from->left : from->piece_bytes;
    (void)err;
    if (part > size_bytes)
        part = size_bytes;
    if (part > 0)
        memcpy(buffer, from->at, part);
    from->at += part;
    from->left -= part;
    *out_got = part;
    return true;
}

/* Every statement is a part of the input, with a line that it can have; lines and sections go up.
 */
static void check(const tbk_mysql_statement *statement, const tbk_mysql_statement *before)
{
    must(statement->section >= before->section && statement->section < TBK_MYSQL_END);
    must(statement->line > before->line);
    must(statement->length > 0 && statement->bytes[statement->length] == '\0');
    must(statement->section != TBK_MYSQL_DATA ||
         strncmp(statement->bytes, "INSERT INTO `", strlen("INSERT INTO `")) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bytes from = {.at = data + 1, .left = size - 1, .piece_bytes = (size_t)data[0] + 1};
    const tbk_source source = {.self = &from, .read = read_bytes};
    tbk_auto(tbk_mysql_stream) *stream = tbk_mysql_stream_new(&source);
    tbk_auto_statement statement = {0};
    tbk_mysql_statement before = {0};
    tbk_error err = {0};
    while (tbk_mysql_stream_next(stream, &statement, &err)) {
        if (statement.section == TBK_MYSQL_END) {
            must(statement.length == 0 && statement.bytes[0] == 0 && from.left == 0);
            return 0;
        }
        check(&statement, &before);
        before = statement;
    }
    check_error(&err, TBK_E_CORRUPT);
    return 0;
}
