/* SPDX-License-Identifier: MIT */
#include "database/mysql/mysql_rows.h"

#include "base/text.h"
#include "database/mysql/mysql_stream.h"
#include "unit/arena.h"

static tbk_error err;
static tbk_mysql_writer writer_of(const tbk_mysql_column *columns, size_t count)
{
    return (tbk_mysql_writer){.columns = columns,
                              .column_count = count,
                              .head = tbk_mysql_insert_head(arena, "t", columns, count)};
}

/* The text of a row with this one value. */
static const char *row_of(const char *data_type, const char *charset, const char *value,
                          size_t length)
{
    const tbk_mysql_column column = tbk_mysql_column_of("c", data_type, charset);
    tbk_mysql_writer writer = writer_of(&column, 1);
    char *values[] = {value != NULL ? tbk_arena_copy_bytes(arena, value, length) : NULL};
    unsigned long lengths[] = {(unsigned long)length};
    assert_succeeds(tbk_mysql_writer_add(&writer, values, lengths, &err), err);
    size_t head = strlen(writer.head);
    const char *text =
        tbk_arena_copy_bytes(arena, writer.piece.bytes + head, writer.piece.length - head);
    tbk_mysql_piece_end(&writer.piece);
    return text;
}

static void values_stand_as_their_type_needs(void **state)
{
    (void)state;
    assert_string_equal(row_of("int", NULL, "-5", 2), "(-5)");
    assert_string_equal(row_of("int", NULL, NULL, 0), "(NULL)");
    assert_string_equal(row_of("float", NULL, "-0", 2), "(-0e0)");
    assert_string_equal(row_of("double", NULL, "1e22", 4), "(1e22)");
    assert_string_equal(row_of("varchar", "utf8mb4", "a\n\r\0\x1a'\\\"\t", 9),
                        "('a\\n\\r\\0\\Z\\'\\\\\"\t')");
    assert_string_equal(row_of("text", "latin1", "\xc3\xa9\xf0\x9f\x98\x80", 6),
                        "('\xc3\xa9\xf0\x9f\x98\x80')");
    assert_string_equal(row_of("text", "utf8mb4", "a\xff", 2), "(0x61FF)");
    assert_string_equal(row_of("varchar", "sjis", "\x95\x5c", 2), "(_sjis 0x955C)");
    assert_string_equal(row_of("varchar", "sjis", "", 0), "('')");
    assert_string_equal(row_of("blob", NULL, "\0'", 2), "(0x0027)");
    assert_string_equal(row_of("bit", NULL, "", 0), "('')");
    assert_string_equal(row_of("json", NULL, "{}", 2), "('{}')");
    assert_string_equal(row_of("datetime", NULL, "0000-00-00 00:00:00", 19),
                        "('0000-00-00 00:00:00')");
}

/* How a byte of ASCII stands in quotes, by the manual of the SQL dialect. */
static const char *quoted(char byte)
{
    static char plain[2];
    plain[0] = byte;
    return byte == '\0'     ? "\\0"
           : byte == '\n'   ? "\\n"
           : byte == '\r'   ? "\\r"
           : byte == '\x1a' ? "\\Z"
           : byte == '\''   ? "\\'"
           : byte == '\\'   ? "\\\\"
                            : plain;
}

/* Bytes are looked at in eights: so each one at each place, and another one beside it. */
static void every_byte_is_quoted_wherever_it_stands(void **state)
{
    (void)state;
    enum { LENGTH = 19 };
    for (int byte = 0; byte < 256; byte++)
        for (int at = 0; at < LENGTH; at++) {
            char value[] = "0123456789abcdefghi";
            value[at] = (char)byte;
            value[(at + 7) % LENGTH] = ' ';
            tbk_auto_text expected = {0};
            if (byte < 128) {
                tbk_text_append(&expected, "('");
                for (int i = 0; i < LENGTH; i++)
                    tbk_text_append(&expected, quoted(value[i]));
                tbk_text_append(&expected, "')");
            } else { /* not UTF-8 */
                tbk_text_append(&expected, "(0x");
                for (int i = 0; i < LENGTH; i++)
                    tbk_text_format(&expected, "%02X", (unsigned char)value[i]);
                tbk_text_append(&expected, ")");
            }
            assert_string_equal(row_of("varchar", "utf8mb4", value, LENGTH),
                                tbk_text_string(&expected));
        }
}

static void values_are_asked_for_as_they_are_written(void **state)
{
    (void)state;
    const tbk_mysql_column columns[] = {
        tbk_mysql_column_of("a`", "int", NULL), tbk_mysql_column_of("f", "float", NULL),
        tbk_mysql_column_of("s", "char", "cp932"), tbk_mysql_column_of("u", "enum", "utf8mb3")};
    assert_string_equal(tbk_mysql_select_list(arena, columns, 4),
                        "`a```,`f`*1E0,CAST(`s` AS BINARY),`u`");
    assert_string_equal(tbk_mysql_insert_head(arena, "t", columns, 2),
                        "INSERT INTO `t` (`a```,`f`) VALUES\n");
    assert_string_equal(tbk_mysql_select_list(arena, columns, 0), "NULL");
}

static void statements_end_before_they_grow_too_long(void **state)
{
    (void)state;
    const tbk_mysql_column column = tbk_mysql_column_of("c", "text", "utf8mb4");
    tbk_mysql_writer writer = writer_of(&column, 1);
    char *value = tbk_arena_alloc(arena, 300001);
    unsigned long length = 300000;
    memset(value, 'x', length);
    for (int i = 0; i < 8; i++)
        assert_succeeds(tbk_mysql_writer_add(&writer, &value, &length, &err), err);
    assert_succeeds(tbk_mysql_writer_flush(&writer, &err), err);
    assert_succeeds(tbk_mysql_writer_flush(&writer, &err), err); /* nothing is begun */
    assert_int_equal(writer.rows, 8);
    assert_succeeds(tbk_mysql_piece_append(&writer.piece, "", &err), err);
    char *text = tbk_arena_copy_bytes(arena, writer.piece.bytes, writer.piece.length);
    size_t statements = 0;
    for (const char *at = text, *end; *at != '\0'; at = end + 2, statements++) {
        end = strstr(at, ";\n");
        assert_non_null(end);
        assert_true(strncmp(at, "INSERT INTO `t` (`c`) VALUES\n(", 30) == 0);
        assert_true((size_t)(end - at) <= TBK_MYSQL_STATEMENT_BYTES);
    }
    assert_true(statements > 1);
    tbk_mysql_piece_end(&writer.piece);
}

static uint64_t checksum_of(const char *const *values, size_t count)
{
    const tbk_mysql_column column = tbk_mysql_column_of("c", "varchar", "utf8mb4");
    tbk_mysql_writer writer = writer_of(&column, 1);
    for (size_t i = 0; i < count; i++) {
        char *value = tbk_arena_copy(arena, values[i]);
        unsigned long length = strlen(value);
        assert_succeeds(tbk_mysql_writer_add(&writer, &value, &length, &err), err);
    }
    tbk_mysql_piece_end(&writer.piece);
    return writer.checksum;
}

static void checksums_see_values_and_not_their_order(void **state)
{
    (void)state;
    const char *const rows[] = {"one", "two", "two", "a longer one than eight bytes"};
    const char *const turned[] = {"two", "a longer one than eight bytes", "one", "two"};
    const char *const other[] = {"one", "two", "tw0", "a longer one than eight bytes"};
    assert_true(checksum_of(rows, 4) == checksum_of(turned, 4));
    assert_true(checksum_of(rows, 4) != checksum_of(other, 4));
    assert_true(checksum_of(rows, 4) != checksum_of(rows, 3));
    assert_true(checksum_of(rows, 0) == 0);
    /* What a checksum of a stored dump means must never change. */
    assert_string_equal(tbk_mysql_checksum_text(arena, checksum_of(rows, 4)), "c3fec657332aefdb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stand_as_their_type_needs),
        cmocka_unit_test(every_byte_is_quoted_wherever_it_stands),
        cmocka_unit_test(values_are_asked_for_as_they_are_written),
        cmocka_unit_test(statements_end_before_they_grow_too_long),
        cmocka_unit_test(checksums_see_values_and_not_their_order),
    };
    return cmocka_run_group_tests(tests, begin_arena, end_arena);
}
