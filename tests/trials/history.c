/* SPDX-License-Identifier: MIT */
/* A database whose every row follows from one number: writing it, and computing it anew. */
#include "trials/history.h"

#include "base/auto.h"
#include "database/sqlite/sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

#define COUNTER "SELECT counter FROM state"
#define COUNTER_MOST 10000000 /* more is no count of transactions but rubbish */

/* Now and then a transaction that does not fit a small cache, and one that empties whole pages. */
#define LARGE_EVERY 50
#define LARGE_CHANGES 300
#define SWEEP_EVERY 211
#define SWEEP_SHARE 16

#define HASH_LENGTH 40
#define FILLER_BYTES_MOST 8192 /* more than a page of most sizes */
#define ROW_BYTES_MEAN 430     /* with the index, as SQLite stores it */

static const int64_t GONE = -1;

static const char *const TABLES = "CREATE TABLE state (counter INTEGER);"
                                  "INSERT INTO state VALUES (0);"
                                  "CREATE TABLE torrents (id INTEGER PRIMARY KEY, written INTEGER,"
                                  " hash TEXT, filler BLOB);"
                                  "CREATE INDEX torrents_by_hash ON torrents (hash);";

uint64_t history_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u + b * 0xd1342543de82ef95u + 0x2545f4914f6cdd1du;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

int64_t history_rows_of(int64_t size_bytes) { return size_bytes / ROW_BYTES_MEAN; }

/* --- what a row holds --- */

typedef struct row {
    char hash[HASH_LENGTH + 1];
    int filler_bytes;
    uint64_t filler[FILLER_BYTES_MOST / sizeof(uint64_t)];
} row;

/* The row as the transaction `written` left it; 0: as it was at the start. */
static void compute_row(const history *self, int64_t id, int64_t written, row *out)
{
    uint64_t random = history_mix(self->seed ^ (uint64_t)written, (uint64_t)id);
    (void)snprintf(out->hash, sizeof out->hash, "%016llx%016llx%08llx", (unsigned long long)random,
                   (unsigned long long)history_mix(random, 1),
                   (unsigned long long)history_mix(random, 2) & 0xffffffffu);
    uint64_t most = random % 64 == 0 ? FILLER_BYTES_MOST : 512;
    out->filler_bytes = (int)(history_mix(random, 3) % most);
    for (int i = 0; i * (int)sizeof *out->filler < out->filler_bytes; i++)
        out->filler[i] = history_mix(random, 4 + (uint64_t)i);
}

/* --- what a transaction does --- */

typedef bool change_made(void *self, int64_t counter, int64_t id, bool removed, tbk_error *err);

static int64_t rows_after(const history *self, int64_t counter)
{
    return self->base_rows + counter * self->growth;
}

/* Writes rows anew, brings removed ones back, removes one in four. */
static bool scattered_changes(const history *self, int64_t counter, change_made *made, void *of,
                              tbk_error *err)
{
    uint64_t random = history_mix(self->branch, (uint64_t)counter);
    uint64_t rows = (uint64_t)rows_after(self, counter - 1);
    uint64_t changes = counter % LARGE_EVERY == 0 ? LARGE_CHANGES : 1 + random % 8;
    for (uint64_t i = 0; i < changes; i++) {
        uint64_t bits = history_mix(random, i);
        int64_t id = 1 + (int64_t)((bits >> 8) % rows);
        if (!made(of, counter, id, bits % 4 == 0, err))
            return false;
    }
    return true;
}

static bool sweep(const history *self, int64_t counter, change_made *made, void *of, tbk_error *err)
{
    int64_t rows = rows_after(self, counter - 1), swept = rows / SWEEP_SHARE;
    uint64_t random = history_mix(self->branch ^ 1, (uint64_t)counter);
    int64_t first = 1 + (int64_t)(random % (uint64_t)(rows - swept));
    for (int64_t id = first; id < first + swept; id++)
        if (!made(of, counter, id, true, err))
            return false;
    return true;
}

/* The one place that says what transaction `counter` does: writers and verifier both ask here. */
static bool changes_of(const history *self, int64_t counter, change_made *made, void *of,
                       tbk_error *err)
{
    for (int64_t id = rows_after(self, counter - 1) + 1; id <= rows_after(self, counter); id++)
        if (!made(of, counter, id, false, err))
            return false;
    return scattered_changes(self, counter, made, of, err) &&
           (counter % SWEEP_EVERY != 0 || sweep(self, counter, made, of, err));
}

/* --- writing --- */

bool history_writer_init(history_writer *self, const history *of, sqlite3 *db, tbk_error *err)
{
    *self = (history_writer){.history = of, .db = db};
    int rc = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO torrents VALUES (?, ?, ?, ?)", -1,
                                &self->put, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, "DELETE FROM torrents WHERE id = ?", -1, &self->drop, NULL);
    if (rc == SQLITE_OK)
        return true;
    history_writer_clear(self);
    return tbk_sqlite_fail(db, rc, err, "cannot prepare to write");
}

void history_writer_clear(history_writer *self)
{
    (void)sqlite3_finalize(self->put);
    (void)sqlite3_finalize(self->drop);
    self->put = self->drop = NULL;
}

static bool run(history_writer *self, sqlite3_stmt *statement, int64_t id, tbk_error *err)
{
    int rc = sqlite3_step(statement);
    if (rc != SQLITE_DONE)
        (void)tbk_sqlite_fail(self->db, rc, err, "cannot write row %lld", (long long)id);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE;
}

static bool write_change(void *of, int64_t counter, int64_t id, bool removed, tbk_error *err)
{
    history_writer *self = of;
    row content;
    if (removed)
        return sqlite3_bind_int64(self->drop, 1, id) == SQLITE_OK && run(self, self->drop, id, err);
    compute_row(self->history, id, counter, &content);
    (void)sqlite3_bind_int64(self->put, 1, id);
    (void)sqlite3_bind_int64(self->put, 2, counter);
    (void)sqlite3_bind_text(self->put, 3, content.hash, HASH_LENGTH, SQLITE_STATIC);
    (void)sqlite3_bind_blob(self->put, 4, content.filler, content.filler_bytes, SQLITE_STATIC);
    bool ok = run(self, self->put, id, err);
    (void)sqlite3_clear_bindings(self->put);
    return ok;
}

static bool advance(history_writer *self, int64_t *out_counter, tbk_error *err)
{
    int64_t counter;
    if (!tbk_sqlite_integer(self->db, COUNTER, &counter, err) ||
        !tbk_sqlite_exec(self->db, "UPDATE state SET counter = counter + 1", err) ||
        !changes_of(self->history, counter + 1, write_change, self, err))
        return false;
    *out_counter = counter + 1;
    return true;
}

bool history_writer_advance(history_writer *self, int64_t *out_counter, tbk_error *err)
{
    if (!tbk_sqlite_exec(self->db, "BEGIN IMMEDIATE", err))
        return false;
    if (advance(self, out_counter, err))
        return true;
    (void)sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

static bool fill_rows(history_writer *self, tbk_error *err)
{
    for (int64_t id = 1; id <= self->history->base_rows; id++)
        if (!write_change(self, 0, id, false, err))
            return false;
    return true;
}

bool history_fill(const history *self, sqlite3 *db, tbk_error *err)
{
    history_writer writer;
    if (!tbk_sqlite_exec(db, "BEGIN", err) || !tbk_sqlite_exec(db, TABLES, err) ||
        !history_writer_init(&writer, self, db, err))
        return false;
    bool ok = fill_rows(&writer, err);
    history_writer_clear(&writer);
    return ok && tbk_sqlite_exec(db, "COMMIT", err);
}

/* --- verifying --- */

typedef struct model {
    const history *history;
    int64_t rows;
    int64_t *written; /* of each row, from 1: the transaction that wrote it last, or GONE */
} model;

static bool note_change(void *of, int64_t counter, int64_t id, bool removed, tbk_error *err)
{
    model *self = of;
    (void)err;
    self->written[id] = removed ? GONE : counter;
    return true;
}

static bool replay(model *self, const history *of, int64_t counter, tbk_error *err)
{
    if (counter < 0 || counter > COUNTER_MOST)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "a counter of %lld", (long long)counter);
    *self = (model){.history = of, .rows = rows_after(of, counter)};
    self->written = calloc((size_t)self->rows + 1, sizeof *self->written);
    if (self->written == NULL)
        return tbk_fail(err, TBK_E_FAILED, NULL, "no memory to compute the rows");
    for (int64_t id = of->base_rows + 1; id <= self->rows; id++)
        self->written[id] = GONE;
    for (int64_t i = 1; i <= counter; i++)
        if (!changes_of(of, i, note_change, self, err))
            return false;
    return true;
}

/* The first row from id on that is there; self->rows + 1 when none is. */
static int64_t next_row(const model *self, int64_t id)
{
    while (id <= self->rows && self->written[id] == GONE)
        id++;
    return id;
}

static bool row_is_right(const model *self, sqlite3_stmt *found, int64_t id, tbk_error *err)
{
    long long is_id = sqlite3_column_int64(found, 0), is_written = sqlite3_column_int64(found, 1);
    if (is_id != id)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "row %lld is there where row %lld should be",
                        is_id, (long long)id);
    if (is_written != self->written[id])
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "row %lld is transaction %lld's, not %lld's",
                        is_id, is_written, (long long)self->written[id]);
    row expected;
    compute_row(self->history, id, is_written, &expected);
    const void *hash = sqlite3_column_text(found, 2), *filler = sqlite3_column_blob(found, 3);
    if (sqlite3_column_bytes(found, 2) != HASH_LENGTH ||
        memcmp(hash, expected.hash, HASH_LENGTH) != 0 ||
        sqlite3_column_bytes(found, 3) != expected.filler_bytes ||
        (expected.filler_bytes > 0 &&
         memcmp(filler, expected.filler, (size_t)expected.filler_bytes) != 0))
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "row %lld holds something else", is_id);
    return true;
}

static bool rows_are_right(const model *self, sqlite3 *db, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *found = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT id, written, hash, filler FROM torrents ORDER BY id",
                                -1, &found, NULL);
    if (rc != SQLITE_OK)
        return tbk_sqlite_fail(db, rc, err, "cannot read the rows");
    int64_t id = next_row(self, 1);
    for (; (rc = sqlite3_step(found)) == SQLITE_ROW; id = next_row(self, id + 1))
        if (!row_is_right(self, found, id, err))
            return false;
    if (rc != SQLITE_DONE)
        return tbk_sqlite_fail(db, rc, err, "cannot read the rows");
    if (id <= self->rows)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "row %lld is missing", (long long)id);
    return true;
}

static bool is_intact(sqlite3 *db, tbk_error *err)
{
    tbk_auto(sqlite3_stmt) *check = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &check, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(check);
    if (rc != SQLITE_ROW)
        return tbk_sqlite_fail(db, rc, err, "integrity_check failed");
    const char *answer = (const char *)sqlite3_column_text(check, 0);
    if (answer == NULL || strcmp(answer, "ok") != 0)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "integrity_check: %s",
                        answer != NULL ? answer : "no answer");
    return true;
}

bool history_verify(const history *self, const char *path, int64_t *out_counter, tbk_error *err)
{
    tbk_auto(sqlite3) *db = NULL;
    model expected = {.written = NULL};
    if (!tbk_sqlite_open(path, SQLITE_OPEN_READWRITE, &db, err) || !is_intact(db, err) ||
        !tbk_sqlite_integer(db, COUNTER, out_counter, err))
        return false;
    bool ok = replay(&expected, self, *out_counter, err) && rows_are_right(&expected, db, err);
    free(expected.written);
    return ok;
}
