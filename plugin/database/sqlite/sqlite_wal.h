/* SPDX-License-Identifier: MIT */
/*
 * What SQLite keeps beside a database in WAL mode, read as SQLite reads it: the log's index in
 * shared memory, and the log itself.
 *
 * Source: sqlite.org/walformat.html, sqlite.org/fileformat2.html#the_write_ahead_log, wal.c.
 */
#ifndef TBK_DATABASE_SQLITE_SQLITE_WAL_H
#define TBK_DATABASE_SQLITE_SQLITE_WAL_H

#include "database/sqlite/sqlite_internal.h"

#define TBK_WAL_HEADER_BYTES 32
#define TBK_WAL_FRAME_HEADER_BYTES 24

/* The index at one moment. */
typedef struct tbk_wal_index {
    uint32_t change; /* counts the commits */
    uint32_t page_size_bytes;
    uint32_t frames; /* of the last commit: a snapshot that is taken now ends there */
    uint32_t pages;  /* of the database after it */
    uint32_t checksum[2];
    unsigned char salts[8]; /* as in the log; others when the log was begun anew */
    uint32_t backfilled;    /* frames that the database file has already */
    uint32_t backfill_attempted;
} tbk_wal_index;

/* Reads it through a connection that has read the database, without a descriptor of its own. Fails
 * with TBK_E_BUSY while a commit changes it. */
bool tbk_wal_index_read(sqlite3 *db, tbk_wal_index *out, tbk_error *err) TBK_MUST_CHECK;
/* Of the same commit; how far the file has it may differ. */
bool tbk_wal_index_equal(const tbk_wal_index *a, const tbk_wal_index *b);

/*
 * Whether a log that is there must be left where it is: no process has the database open, so its
 * writer has died, and its owner is to check it in. In all other cases a connection is closed as
 * any is: the last one checkpoints the log, also when the owner has gone meanwhile. Opens
 * and closes a descriptor: for a moment in which no lock is held.
 */
bool tbk_wal_is_left_behind(const char *path);

/* Which files a database, its log and its index are. Who takes one of them away, or puts another in
 * its place, does not meet our locks any more: what is read then need not be of one state. */
typedef struct tbk_wal_files {
    char path[PATH_MAX]; /* of the database */
    struct {
        dev_t device;
        ino_t inode; /* 0 where there is none */
    } files[3];
} tbk_wal_files;

/* By name, without a descriptor. */
bool tbk_wal_files_note(const char *path, tbk_wal_files *out, tbk_error *err) TBK_MUST_CHECK;
/* Fails with TBK_E_BUSY where they are no longer the same. */
bool tbk_wal_files_check(const tbk_wal_files *noted, tbk_error *err) TBK_MUST_CHECK;

/* What a pinned snapshot may cost: the log cannot be begun anew while it stands. */
typedef struct tbk_wal_limit {
    char path[PATH_MAX]; /* of the database */
    uint64_t log_bytes;
    uint64_t free_bytes; /* that must stay free on its file system */
} tbk_wal_limit;

/* From now on the log may grow by growth_bytes, or where that is 0 by 1 GiB or half of the
 * database, whichever is more; by no more than half of the free space in any case. */
bool tbk_wal_limit_set(const char *path, uint64_t database_bytes, uint64_t growth_bytes,
                       tbk_wal_limit *out, tbk_error *err) TBK_MUST_CHECK;
/* Fails with TBK_E_TIMEOUT once it has, or once the disk becomes full. */
bool tbk_wal_limit_check(const tbk_wal_limit *limit, tbk_error *err) TBK_MUST_CHECK;

/*
 * After a snapshot: takes a log that has become long into the file, beside the writers; else the
 * writer whose commit does it would wait. Both connections have read; reader is in no transaction,
 * writer may write.
 *
 * The log is not begun anew: below SQLite 3.51.3 that, by two connections at the same moment, can
 * corrupt the database, so it is left to the owner. A snapshot of reader's keeps others from it
 * meanwhile.
 */
void tbk_wal_passive_checkpoint(sqlite3 *reader, sqlite3 *writer);

/* For every page of the database, its last frame in the log. */
typedef struct tbk_wal_map {
    uint32_t *frame_of; /* by page number less 1; 0 where the log does not have the page */
    uint32_t pages;
} tbk_wal_map;

/*
 * Reads the frames 1 to index->frames and checks every salt and checksum up to the index's own. The
 * map is a mapped file without a name in the folder scratch, so the kernel can take its memory back
 * however large the database is. Errors: TBK_E_BUSY, the log is another one; TBK_E_SPACE, TBK_E_IO,
 * TBK_E_INTERRUPTED.
 */
bool tbk_wal_map_read(int wal, const tbk_wal_index *index, const char *scratch,
                      const tbk_report *report, tbk_wal_map *out, tbk_error *err) TBK_MUST_CHECK;
void tbk_wal_map_end(tbk_wal_map *map);

#endif
