/* SPDX-License-Identifier: MIT */
#include "database/mysql/mysql_stream_reader.h"

#include "unit/unit.h"

#define SETTINGS "-- torrust-backup: settings\nSET NAMES utf8mb4;\n"
#define TABLES "-- torrust-backup: tables\nCREATE TABLE `t` (\n  `a` int\n);\n"
#define REST                                                                                       \
    "-- torrust-backup: routines\n-- torrust-backup: views\n-- torrust-backup: triggers\n"         \
    "-- torrust-backup: events\n-- torrust-backup: end\n"
#define INDEXES "-- torrust-backup: indexes\n"

typedef struct memory {
    const char *bytes;
    size_t length, position, piece_bytes;
    bool fails;
} memory;

static tbk_error err;

static bool read_memory(void *self, void *buffer, size_t size_bytes, size_t *out_got,
                        tbk_error *error)
{
    memory *from = self;
    size_t part = from->length - from->position;
    if (from->fails)
        return tbk_fail(error, TBK_E_IO, NULL, "the disk is gone");
    part = part < from->piece_bytes ? part : from->piece_bytes;
    part = part < size_bytes ? part : size_bytes;
    if (part > 0)
        memcpy(buffer, from->bytes + from->position, part);
    from->position += part;
    *out_got = part;
    return true;
}

/* Reads all of it; the statements, each with its line and section before it, and ends of line. */
static bool read_all(const char *text, size_t piece_bytes, char out[4096], tbk_error *error)
{
    memory from = {.bytes = text, .length = strlen(text), .piece_bytes = piece_bytes};
    const tbk_source source = {.self = &from, .read = read_memory};
    tbk_auto(tbk_mysql_stream) *stream = tbk_mysql_stream_new(&source);
    tbk_auto_statement statement = {0};
    size_t length = 0;
    out[0] = '\0';
    do {
        if (!tbk_mysql_stream_next(stream, &statement, error))
            return false;
        length += (size_t)snprintf(out + length, 4096 - length, "%llu %s|%s|\n",
                                   (unsigned long long)statement.line,
                                   tbk_mysql_section_name(statement.section), statement.bytes);
    } while (statement.section != TBK_MYSQL_END);
    assert_int_equal(tbk_mysql_stream_position(stream), from.length);
    return true;
}

static bool reads(const char *text)
{
    char out[4096];
    return read_all(text, 4096, out, &err);
}

static void takes_a_dump_apart_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const char text[] =
        "-- a comment\n\n" SETTINGS TABLES "-- torrust-backup: data `o`dd`\n"
        "INSERT INTO `o``dd` (`a`) VALUES\n('DELIMITER x'),\n('-- y');\n"
        "-- torrust-backup: data `t`\n" INDEXES "ALTER TABLE `t`\n  ADD KEY `a` (`a`);\n"
        "-- torrust-backup: routines\nDELIMITER ;;\n"
        "CREATE FUNCTION f() BEGIN\n-- torrust-backup: end\n\nRETURN 1; -- x\n;;\nDELIMITER ;\n"
        "SET sql_mode = '';\n"
        "-- torrust-backup: views\n-- torrust-backup: triggers\n-- torrust-backup: events\n"
        "-- torrust-backup: end\n";
    static const char expected[] =
        "4 settings|SET NAMES utf8mb4|\n"
        "6 tables|CREATE TABLE `t` (\n  `a` int\n)|\n"
        "10 data|INSERT INTO `o``dd` (`a`) VALUES\n('DELIMITER x'),\n('-- y')|\n"
        "15 indexes|ALTER TABLE `t`\n  ADD KEY `a` (`a`)|\n"
        "19 routines|CREATE FUNCTION f() BEGIN\n-- torrust-backup: end\n\nRETURN 1; -- x\n|\n"
        "25 routines|SET sql_mode = ''|\n"
        "29 end||\n";
    char out[4096];
    for (size_t piece_bytes = 1; piece_bytes < sizeof text; piece_bytes++) {
        assert_succeeds(read_all(text, piece_bytes, out, &err), err);
        assert_string_equal(out, expected);
    }
}

static void refuses_what_is_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] = SETTINGS TABLES INDEXES REST;
    char cut[sizeof text];
    assert_true(reads(text));
    for (size_t length = 0; length < sizeof text - 1; length++) {
        memcpy(cut, text, length);
        cut[length] = '\0';
        assert_fails(reads(cut), err, TBK_E_CORRUPT, "the dump is cut after line");
    }
}

static void refuses_what_is_not_ours(void **state)
{
    (void)state;
    assert_fails(reads("-- MySQL dump 10.13\n\n/*!40101 SET NAMES utf8 */;\n"), err, TBK_E_CORRUPT,
                 "line 3 of the dump is not right: it is before the first section");
    char garbage[8192];
    memset(garbage, 'x', sizeof garbage);
    garbage[sizeof garbage - 1] = '\0';
    assert_fails(reads(garbage), err, TBK_E_CORRUPT, "has no end");
    assert_fails(reads(SETTINGS TABLES INDEXES REST "\n"), err, TBK_E_CORRUPT,
                 "something follows the end");
}

static void refuses_sections_that_are_not_in_order(void **state)
{
    (void)state;
    assert_fails(reads(TABLES), err, TBK_E_CORRUPT, "line 1 of the dump");
    assert_fails(reads(SETTINGS INDEXES), err, TBK_E_CORRUPT, "not the next one");
    assert_fails(reads(SETTINGS TABLES TABLES), err, TBK_E_CORRUPT, "not the next one");
    assert_fails(reads(SETTINGS TABLES REST), err, TBK_E_CORRUPT, "not the next one");
    assert_fails(reads(SETTINGS TABLES INDEXES "-- torrust-backup: data `t`\n"), err, TBK_E_CORRUPT,
                 "not the next one");
    assert_fails(reads(SETTINGS "-- torrust-backup: tables \n"), err, TBK_E_CORRUPT,
                 "no such section");
    assert_fails(reads(SETTINGS "DELIMITER //\n" TABLES), err, TBK_E_CORRUPT, "delimiter");
    assert_fails(reads(SETTINGS "DELIMITER \n"), err, TBK_E_CORRUPT, "names no delimiter");
    assert_fails(reads(SETTINGS "DELIMITER 0123456789abcdef\n"), err, TBK_E_CORRUPT,
                 "names no delimiter");
}

static void refuses_statements_that_do_not_belong_there(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        SETTINGS "DROP DATABASE mysql;\n",
        SETTINGS TABLES "CREATE TABLE `a`.`b` (c int);\n",
        SETTINGS TABLES "CREATE TABLE a (c int);\n",
        SETTINGS TABLES "CREATE TABLE `a\n;\n",
        SETTINGS TABLES "DROP TABLE `t`;\n",
        SETTINGS TABLES "-- torrust-backup: data `t`\nDELETE FROM `t`;\n",
        SETTINGS TABLES "-- torrust-backup: data `t`\nINSERT INTO `u` (`a`) VALUES\n(1);\n",
        SETTINGS TABLES "-- torrust-backup: data `t`\nINSERT INTO `t`.`u` (`a`) VALUES\n(1);\n",
        SETTINGS TABLES "-- torrust-backup: data `t`.`u`\nINSERT INTO `t`.`u` (`a`) VALUES\n(1);\n",
        SETTINGS TABLES INDEXES "ALTER TABLE `t`\n  DROP COLUMN a;\n",
        SETTINGS TABLES INDEXES "-- torrust-backup: routines\nDROP TABLE t;\n",
        SETTINGS TABLES ";\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_fails(reads(wrong[i]), err, TBK_E_CORRUPT, "has a statement that the section");
    assert_fails(reads(SETTINGS TABLES "-- torrust-backup: data t\n"), err, TBK_E_CORRUPT,
                 "names no table");
}

static void tells_what_the_source_could_not(void **state)
{
    (void)state;
    memory from = {.fails = true};
    const tbk_source source = {.self = &from, .read = read_memory};
    tbk_auto(tbk_mysql_stream) *stream = tbk_mysql_stream_new(&source);
    tbk_auto_statement statement = {0};
    assert_fails(tbk_mysql_stream_next(stream, &statement, &err), err, TBK_E_IO, "disk is gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_dump_apart_in_pieces_of_any_size),
        cmocka_unit_test(refuses_what_is_cut_anywhere),
        cmocka_unit_test(refuses_what_is_not_ours),
        cmocka_unit_test(refuses_sections_that_are_not_in_order),
        cmocka_unit_test(refuses_statements_that_do_not_belong_there),
        cmocka_unit_test(tells_what_the_source_could_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
