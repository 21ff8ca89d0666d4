/* SPDX-License-Identifier: MIT */
/*
 * SQLite: copying a tracker's database, recovering the copy, proving it.
 *
 * The original is only ever read. Journals are rolled back, and write-ahead logs taken in, on the
 * copy.
 */
#ifndef TBK_DATABASE_SQLITE_SQLITE_H
#define TBK_DATABASE_SQLITE_SQLITE_H

#include "base/auto.h"
#include "domain/manifest.h"
#include "domain/table_rows.h"
#include "ports/report.h"

#include <sys/stat.h>

/* The header's facts (not the schema), without SQLite and without a lock. Fails with
 * TBK_E_NOT_FOUND (no file), TBK_E_CORRUPT (0 bytes, not SQLite, or cut). */
bool tbk_sqlite_inspect(const char *path, tbk_sqlite_facts *out, tbk_error *err) TBK_MUST_CHECK;

/* Bytes that a copy needs: the database with its journal and write-ahead log. */
bool tbk_sqlite_size(const char *path, uint64_t *out_bytes, tbk_error *err) TBK_MUST_CHECK;

/*
 * Copies the database, and its -journal or -wal, to target, as they are: for a moment in which
 * no process writes (the tracker is paused or stopped). Not synced. target must not exist.
 * Errors: TBK_E_SPACE, TBK_E_IO, TBK_E_INTERRUPTED; TBK_E_BUSY, a process wrote all the same.
 */
bool tbk_sqlite_copy_held(const char *path, const char *target, const tbk_report *report,
                          tbk_error *err) TBK_MUST_CHECK;

/* Fails with TBK_E_UNSUPPORTED, and the way to it, where the database is not in WAL mode; else as
 * tbk_sqlite_inspect. */
bool tbk_sqlite_need_wal(const char *path, tbk_error *err) TBK_MUST_CHECK;

/*
 * One committed state of a live database in WAL mode, read at disk speed while writers go on. A
 * read transaction pins the state; pages that the log has stand in for those of the file. The
 * protocol is in sqlite_hot.c.
 *
 * Shape:  scratch is a folder for a file without a name, as large as 4 bytes a page.
 * Errors: TBK_E_UNSUPPORTED, not in WAL mode; TBK_E_BUSY, try again; TBK_E_TIMEOUT, the log grew
 *         beyond its limit (1 GiB or half of the database, at most half of the free space), so the
 *         copy is too slow for this database; TBK_E_IO, TBK_E_SPACE.
 */
typedef struct tbk_sqlite_hot tbk_sqlite_hot;
bool tbk_sqlite_hot_open(const char *path, const char *scratch, const tbk_report *report,
                         tbk_sqlite_hot **out, tbk_error *err) TBK_MUST_CHECK;
uint64_t tbk_sqlite_hot_size_bytes(const tbk_sqlite_hot *hot);
/* The next bytes, front to back; *out_got is 0 at the end. self is the tbk_sqlite_hot. */
bool tbk_sqlite_hot_read(void *self, void *buffer, size_t size_bytes, size_t *out_got,
                         tbk_error *err) TBK_MUST_CHECK;
/* After the last byte: checks that all of it was of one state; only then it counts. Lets the state
 * go. The facts are those of the copy, with the schema's digest. */
bool tbk_sqlite_hot_finish(tbk_sqlite_hot *hot, tbk_sqlite_facts *out,
                           tbk_error *err) TBK_MUST_CHECK;
void tbk_sqlite_hot_close(tbk_sqlite_hot *hot);
TBK_AUTO_POINTER(tbk_sqlite_hot, tbk_sqlite_hot_close);

/*
 * Clones a database with a rollback journal (FICLONE: source and copy share their blocks) under
 * SQLite's SHARED lock; writers wait for *out_locked_ms. Errors: TBK_E_UNSUPPORTED, the file system
 * cannot, target is on another one, or the database is in WAL mode; TBK_E_BUSY.
 */
bool tbk_sqlite_copy_reflink(const char *path, const char *target, const tbk_report *report,
                             int64_t *out_locked_ms, tbk_error *err) TBK_MUST_CHECK;
/* Whether that would work with copies in the folder scratch, found out by trying with a block. */
bool tbk_sqlite_can_reflink(const char *path, const char *scratch, tbk_error *err) TBK_MUST_CHECK;

/* Changes the journal mode to WAL, or back to DELETE, and checks that it did: for a moment in which
 * no process has the database open. Errors: TBK_E_BUSY, a process has. */
bool tbk_sqlite_set_journal_mode(const char *path, bool wal, tbk_error *err) TBK_MUST_CHECK;

/*
 * Copies under SQLite's own locks, for use by hand. Rollback journal: a SHARED lock for the copy;
 * gives way with TBK_E_BUSY as soon as a writer waits. WAL: one read transaction; writers go on.
 */
bool tbk_sqlite_copy_locked(const char *path, const char *target, const tbk_report *report,
                            tbk_error *err) TBK_MUST_CHECK;

/* Opens the copy, lets SQLite recover it to one file without journal or log, and gives the facts
 * with the schema's digest. Not synced: the copy is read once and removed. Fails with
 * TBK_E_CORRUPT, TBK_E_INTERRUPTED. */
bool tbk_sqlite_recover(const char *copy, const tbk_report *report, tbk_sqlite_facts *out,
                        tbk_error *err) TBK_MUST_CHECK;

/* Marks a whole file that no process has open, and that has no journal, as in WAL mode: the next
 * connection uses it. */
bool tbk_sqlite_mark_wal(const char *path, tbk_error *err) TBK_MUST_CHECK;

/*
 * Puts the file restored in the place of the database, which is kept under the name kept; all three
 * lie in one folder. No process may use the database meanwhile. At every moment there is a
 * database under its name: the old one or the new one. Errors: TBK_E_BUSY, a process uses it.
 */
bool tbk_sqlite_swap(const char *path, const char *restored, const char *kept,
                     const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;
/* Undoes it; restored gets its name back. */
bool tbk_sqlite_swap_back(const char *path, const char *restored, const char *kept,
                          tbk_error *err) TBK_MUST_CHECK;

typedef struct tbk_sqlite_check {
    tbk_sqlite_facts facts;
    tbk_table_rows *tables; /* in the arena, by name */
    size_t table_count;
} tbk_sqlite_check;

/* integrity_check, facts, rows of every table, of a whole file: what stands beside it is not looked
 * at. Fails with TBK_E_CORRUPT naming the first findings; with any other code nothing is known of
 * the database. */
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
/* Whether it is this file, found without following links. */
bool tbk_sqlite_reader_is(const tbk_sqlite_reader *reader, const struct stat *file);
void tbk_sqlite_reader_close(tbk_sqlite_reader *reader);
TBK_AUTO_POINTER(tbk_sqlite_reader, tbk_sqlite_reader_close);
bool tbk_sqlite_reader_copy(tbk_sqlite_reader *reader, const char *target,
                            tbk_error *err) TBK_MUST_CHECK;

const char *tbk_sqlite_version(void);

#endif
