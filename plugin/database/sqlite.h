/* SPDX-License-Identifier: MIT */
/*
 * SQLite: copying a tracker's database, recovering the copy, proving it.
 *
 * The original is only ever read. Journals are rolled back, and write-ahead logs taken in, on the
 * copy.
 */
#ifndef TBK_DATABASE_SQLITE_H
#define TBK_DATABASE_SQLITE_H

#include "domain/manifest.h"
#include "ports/report.h"

/* The header's facts (not the schema), without SQLite and without a lock. Fails with
 * TBK_E_NOT_FOUND (no file), TBK_E_CORRUPT (0 bytes, not SQLite, or cut). */
bool tbk_sqlite_inspect(const char *path, tbk_sqlite_facts *out, tbk_error *err) TBK_MUST_CHECK;

/* Bytes that a copy needs: the database with its journal and write-ahead log. */
bool tbk_sqlite_size(const char *path, uint64_t *out_bytes, tbk_error *err) TBK_MUST_CHECK;

/*
 * Copies the database, and its -journal or -wal, to target, as they are: for a moment in which
 * nobody writes (the tracker is paused or stopped). Not synced. target must not exist.
 * Errors: TBK_E_SPACE, TBK_E_IO, TBK_E_INTERRUPTED; TBK_E_BUSY, somebody wrote all the same.
 */
bool tbk_sqlite_copy_held(const char *path, const char *target, const tbk_report *report,
                          tbk_error *err) TBK_MUST_CHECK;

/*
 * Copies under SQLite's own locks, for use by hand. Rollback journal: a SHARED lock for the copy;
 * gives way with TBK_E_BUSY as soon as a writer waits. WAL: one read transaction; writers go on.
 */
bool tbk_sqlite_copy_locked(const char *path, const char *target, const tbk_report *report,
                            tbk_error *err) TBK_MUST_CHECK;

/* Opens the copy, lets SQLite recover it to one file without journal or log, and gives the facts
 * with the schema's digest. Not synced: the copy is read once and removed. Fails with
 * TBK_E_CORRUPT. */
bool tbk_sqlite_recover(const char *copy, tbk_sqlite_facts *out, tbk_error *err) TBK_MUST_CHECK;

typedef struct tbk_sqlite_check {
    tbk_sqlite_facts facts;
    tbk_table_rows *tables; /* in the arena, by name */
    size_t table_count;
} tbk_sqlite_check;

/* integrity_check, facts, rows of every table. Fails with TBK_E_CORRUPT naming the first findings.
 */
bool tbk_sqlite_prove(tbk_arena *arena, const char *copy, const tbk_report *report,
                      tbk_sqlite_check *out, tbk_error *err) TBK_MUST_CHECK;

/*
 * Copies a live database that is small (Grafana's), opened before the privileges were dropped,
 * under SQLite's own locks; tries a few times while a writer is busy. Nothing is locked between
 * opening and copying. The copy is one file that needs no recovery. See engine/files.h. Errors:
 * TBK_E_BUSY; those of tbk_sqlite_inspect.
 */
typedef struct tbk_sqlite_reader tbk_sqlite_reader;
bool tbk_sqlite_reader_open(const char *path, tbk_sqlite_reader **out,
                            tbk_error *err) TBK_MUST_CHECK;
void tbk_sqlite_reader_close(tbk_sqlite_reader *reader);
TBK_AUTO_POINTER(tbk_sqlite_reader, tbk_sqlite_reader_close);
bool tbk_sqlite_reader_copy(tbk_sqlite_reader *reader, const char *target,
                            tbk_error *err) TBK_MUST_CHECK;

const char *tbk_sqlite_version(void);

#endif
