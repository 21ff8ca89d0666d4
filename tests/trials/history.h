/* SPDX-License-Identifier: MIT */
/*
 * A database whose every row follows from one number: how many transactions were committed.
 *
 * The number stands in the database, in a table of one row that each transaction changes together
 * with the rows that a hash of the number chooses. From the number in a copy a test computes all
 * rows, and so sees a copy that is torn, too old or too new.
 */
#ifndef TBK_TESTS_TRIALS_HISTORY_H
#define TBK_TESTS_TRIALS_HISTORY_H

#include "base/error.h"

#include <sqlite3.h>
#include <stdint.h>

typedef struct history {
    uint64_t seed;     /* of what the rows hold */
    uint64_t branch;   /* of what the transactions do */
    int64_t base_rows; /* there before the first transaction */
    int64_t growth;    /* rows that each transaction adds */
} history;

/* Rows that fill about so many bytes, with their index. */
int64_t history_rows_of(int64_t size_bytes);

/* Even and without any pattern: what is random in the trials is this of the seed and a number. */
uint64_t history_mix(uint64_t a, uint64_t b);

/* Makes the tables and the first rows in an empty database. */
bool history_fill(const history *self, sqlite3 *db, tbk_error *err) TBK_MUST_CHECK;

/* Fails with TBK_E_CORRUPT unless integrity_check is content and every row is what it must be after
 * as many transactions as the database says: *out_counter. */
bool history_verify(const history *self, const char *path, int64_t *out_counter,
                    tbk_error *err) TBK_MUST_CHECK;

/* One connection that writes; several may, in several processes. */
typedef struct history_writer {
    const history *history;
    sqlite3 *db; /* the caller's, and open for as long */
    sqlite3_stmt *put, *drop;
} history_writer;

bool history_writer_init(history_writer *self, const history *of, sqlite3 *db,
                         tbk_error *err) TBK_MUST_CHECK;
void history_writer_clear(history_writer *self);
/* Begins the next transaction and makes its changes. COMMIT is left to the caller; after a failure
 * nothing is open. */
bool history_writer_advance(history_writer *self, int64_t *out_counter,
                            tbk_error *err) TBK_MUST_CHECK;

#endif
