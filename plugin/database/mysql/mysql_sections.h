/* SPDX-License-Identifier: MIT */
/* The schema of a database, as its server says it and as the sections of a dump write it. */
#ifndef TBK_DATABASE_MYSQL_MYSQL_SECTIONS_H
#define TBK_DATABASE_MYSQL_MYSQL_SECTIONS_H

#include "database/mysql/mysql_internal.h"
#include "database/mysql/mysql_rows.h"
#include "database/mysql/mysql_stream.h"

typedef struct tbk_mysql_table {
    const char *name;
    const char *engine;
    const char *row_format;          /* InnoDB's; NULL where it is the server's default */
    bool is_sequence;                /* MariaDB's: one value, which stands in the section tables */
    bool keeps_history;              /* MariaDB's system versioning: only current rows are read */
    uint64_t size_bytes;             /* of data and indexes, as the server estimates it */
    const tbk_mysql_column *columns; /* that have values of their own */
    size_t column_count;
    const char *key; /* the column that is its primary key, where that is one of whole numbers */
    bool key_is_unsigned;
} tbk_mysql_table;

typedef struct tbk_mysql_view {
    const char *name;
    const char *stand_in; /* "SELECT 1 AS `a`,1 AS `b`" */
} tbk_mysql_view;

typedef struct tbk_mysql_schema {
    const char *name, *charset, *collation;
    const char *row_format;        /* that InnoDB gives new tables */
    const tbk_mysql_table *tables; /* by name */
    size_t table_count;
    const tbk_mysql_view *views; /* by name */
    size_t view_count;
    int64_t triggers, routines, events;
    tbk_text before;   /* of the dump: the sections before its rows */
    tbk_text after;    /* and those after them */
    tbk_text missing;  /* what could not be read, for people; "": nothing */
    tbk_digest digest; /* of all statements, without what rows move: counters, sequences */
    tbk_hasher *digesting;
} tbk_mysql_schema;

/* `tbk_mysql_schema schema = {0}` is valid and empty. */
void tbk_mysql_schema_end(tbk_mysql_schema *schema);

/* How a dump's texts and times are to be read, again after something was made under other settings
 * (the same are among tbk_mysql_load_settings). */
#define TBK_MYSQL_LEXICAL_SETTINGS                                                                 \
    "SET NAMES utf8mb4;\n"                                                                         \
    "SET time_zone = '+00:00';\n"                                                                  \
    "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';\n"

/* Adds a statement with its end, changing the delimiter where the statement has it inside. What is
 * digested is plain, or the statement where plain is NULL. */
void tbk_mysql_section_add(tbk_mysql_schema *schema, tbk_text *section, const char *statement,
                           const char *plain);
void tbk_mysql_section_begin(tbk_text *section, tbk_mysql_section section_name);
void tbk_mysql_schema_miss(tbk_mysql_schema *schema, const char *format, ...) TBK_PRINTF(2, 3);

#endif
