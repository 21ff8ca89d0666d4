/* SPDX-License-Identifier: MIT */
/*
 * manifest.json: what a backup set holds and how it was taken. It is written once and is covered by
 * SHA256SUMS. What was proved of the set stands in a file of its own (domain/proof.h).
 */
#ifndef TBK_DOMAIN_MANIFEST_H
#define TBK_DOMAIN_MANIFEST_H

#include "base/digest.h"
#include "base/value.h"
#include "domain/environment.h"
#include "domain/rules.h"

#define TBK_MANIFEST_SCHEMA 1
#define TBK_SET_DATABASE_FILE "database.db.zst" /* SQLite */
#define TBK_SET_DUMP_FILE "database.sql.zst"    /* MySQL and MariaDB */
#define TBK_SET_CONFIG_FILE "config.tar.zst"
#define TBK_SET_MANIFEST_FILE "manifest.json"
#define TBK_SET_SUMS_FILE "SHA256SUMS"

/* What is known of a SQLite database from its header and schema. */
typedef struct tbk_sqlite_facts {
    uint64_t size_bytes;
    uint32_t page_size_bytes;
    uint64_t pages;
    int64_t free_pages; /* of them, that hold nothing; -1: not known (sets of earlier versions) */
    uint32_t change_counter;
    bool wal;          /* its header asks for WAL */
    tbk_digest schema; /* of the SQL of sqlite_schema, ordered; "" = not read */
} tbk_sqlite_facts;

/* What was dumped of a table of MySQL's. */
typedef struct tbk_table_facts {
    const char *table;
    int64_t rows;
    /* The sum of a 64-bit hash of every row, whatever their order (database/mysql/mysql_rows.h); 16
     * hexadecimal digits. */
    const char *checksum;
    /* The highest value of its primary key, where that is one column of whole numbers and there are
     * rows; else NULL. Digits, perhaps after a minus sign: what is read back can stand in SQL. */
    const char *highest_key;
} tbk_table_facts;

/* What is known of a MySQL or MariaDB database. Text lives in an arena. */
typedef struct tbk_mysql_facts {
    const char *server;            /* "MySQL", "MariaDB" */
    const char *version;           /* "8.4.3", "10.11.19-MariaDB-0+deb12u1" */
    const char *collation;         /* the schema's own */
    uint64_t size_bytes;           /* of data and indexes, as the server estimates it */
    int64_t sessions;              /* that read at the same time */
    tbk_digest schema;             /* of all statements but those with rows, without counters */
    const tbk_table_facts *tables; /* by name */
    size_t table_count;
    int64_t views, triggers, routines, events;
    const char *missing; /* what could not be read, for people; NULL: nothing */
} tbk_mysql_facts;

typedef struct tbk_set_file {
    const char *name;
    uint64_t stored_bytes;
    uint64_t raw_bytes;
    tbk_digest stored;
    tbk_digest raw; /* after zstd -d */
} tbk_set_file;

typedef struct tbk_phase_time {
    const char *name;
    int64_t duration_ms;
} tbk_phase_time;

/* What a rule did with a table (database/sqlite/sqlite_select.h). */
typedef struct tbk_selected_table {
    const char *table;
    const char *rule; /* "all", "none" or the condition */
    int64_t saved_rows, excluded_rows;
} tbk_selected_table;

#define TBK_MANIFEST_FILES_MAX 8
#define TBK_MANIFEST_PHASES_MAX 16

typedef struct tbk_manifest {
    const char *id;          /* "20260216T175643Z" */
    const char *run_id;      /* the one in the log lines */
    const char *environment; /* NULL when used by hand */
    const char *engine_version, *sqlite_version, *zstd_version;
    tbk_driver driver;
    const char *location;      /* which database, without secrets: a file's absolute path, or
                                * "host:port/schema"; NULL in sets of earlier versions */
    const char *method;        /* "hot", "reflink", "pause", "stop", "locked", "snapshot" */
    const char *method_reason; /* why not the ones before; may be "" */
    bool tracker_was_stopped;
    int64_t held_ms; /* 0 when nothing was held */
    tbk_profile profile;
    const tbk_selected_table *selection; /* of every table; NULL with the profile full */
    size_t selection_count;
    tbk_sqlite_facts sqlite; /* of the driver only: the other one stays zero */
    tbk_mysql_facts mysql;
    tbk_set_file files[TBK_MANIFEST_FILES_MAX];
    size_t file_count;
    tbk_phase_time phases[TBK_MANIFEST_PHASES_MAX];
    size_t phase_count;
    const char **config_missing; /* what was to be saved and was not there; NULL at the end */
} tbk_manifest;

tbk_value *tbk_manifest_to_value(tbk_arena *arena, const tbk_manifest *manifest);
/* Fails with TBK_E_CORRUPT; a newer schema version with TBK_E_UNSUPPORTED. Files are those that a
 * set of this driver has, and no others; ids are times: both can be used as paths. Text is borrowed
 * from value. */
bool tbk_manifest_read(tbk_arena *arena, const tbk_value *value, tbk_manifest *out,
                       tbk_error *err) TBK_MUST_CHECK;
const tbk_set_file *tbk_manifest_file(const tbk_manifest *manifest, const char *name);
/* The name of the file that holds the database in sets of this driver. */
const char *tbk_manifest_database_file(tbk_driver driver);
/* Of the database as it was: the file's size, or what the server estimated. */
uint64_t tbk_manifest_database_bytes(const tbk_manifest *manifest);
/* Without what holds nothing, as after rows were deleted; false: not known. */
bool tbk_manifest_used_bytes(const tbk_manifest *manifest, uint64_t *out);
/* Of all files of the set together; 0 where manifest is NULL. */
uint64_t tbk_manifest_raw_bytes(const tbk_manifest *manifest);
uint64_t tbk_manifest_stored_bytes(const tbk_manifest *manifest);

#endif
