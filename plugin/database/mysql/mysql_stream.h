/* SPDX-License-Identifier: MIT */
/*
 * The form of a dump: SQL that any client of MySQL or MariaDB restores, and that our own loader can
 * take apart without a parser for SQL.
 *
 * A stream is made of lines. A line "-- torrust-backup: <section>" begins a section; they come in
 * the order of the list below, each at least once, data once a table. Statements:
 *   - end with the delimiter and a line feed; the pair does not occur inside a statement. The
 *     delimiter is ";" unless a line "DELIMITER <text>" changed it, as the clients have it; a
 *     changed one stands on a line of its own, so that a comment at a statement's end is over;
 *   - of section data are only "INSERT INTO `t` (`c`,...) VALUES\n(...),\n(...);\n": no line feed
 *     in a value, about 1 MiB at most unless one row is longer;
 *   - of section settings hold for the session, so each session that loads executes them.
 * A data section of a table without rows has no statement. Names of tables and columns have no line
 * breaks; other names may have.
 * Indexes and foreign keys come after the data, by ALTER TABLE. Views come twice: first as
 * stand-ins with the same columns (section views), so that they can refer to each other, then as
 * they are. Comments on other lines, and empty lines, stand between statements only. The last line
 * is "-- torrust-backup: end"; a stream without it is cut.
 */
#ifndef TBK_DATABASE_MYSQL_MYSQL_STREAM_H
#define TBK_DATABASE_MYSQL_MYSQL_STREAM_H

#define TBK_MYSQL_SECTION_PREFIX "-- torrust-backup: "

/* In the order of the stream. */
typedef enum tbk_mysql_section {
    TBK_MYSQL_SETTINGS, /* names, time zone, sql_mode, checks */
    TBK_MYSQL_TABLES,   /* ALTER DATABASE, CREATE TABLE (also sequences) */
    TBK_MYSQL_DATA, /* "-- torrust-backup: data `table`", one for each part of it; the name is not
                       escaped here */
    TBK_MYSQL_INDEXES,  /* ALTER TABLE ... ADD ... */
    TBK_MYSQL_ROUTINES, /* before views and triggers, which may call them */
    TBK_MYSQL_VIEWS,
    TBK_MYSQL_TRIGGERS,
    TBK_MYSQL_EVENTS,
    TBK_MYSQL_END
} tbk_mysql_section;

/* "settings", "tables", "data", "indexes", "routines", "views", "triggers", "events", "end" */
const char *tbk_mysql_section_name(tbk_mysql_section section);

#define TBK_MYSQL_STATEMENT_BYTES (1u << 20)

#endif
