/* SPDX-License-Identifier: MIT */
/*
 * What a database's first 100 bytes tell, read without SQLite.
 * Source: sqlite.org/fileformat2.html, "The Database Header".
 */
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define CHANGING_TRIES 20
#define CHANGING_WAIT_NS 10000000 /* 10 ms */

typedef struct header {
    unsigned char bytes[TBK_SQLITE_HEADER_BYTES];
    uint64_t file_bytes;
} header;

/* Closing the descriptor drops this process's locks on the file: never called while one is held. */
static bool header_read(const char *path, header *out, tbk_error *err)
{
    tbk_auto_fd int fd = -1;
    struct stat status;
    if (!tbk_sqlite_open_file(path, "", &fd, err)) {
        if (err->code == TBK_E_NOT_FOUND)
            return tbk_fail_errno(err, TBK_E_NOT_FOUND, ENOENT, "name the tracker's database file",
                                  "there is no database '%s'", path);
        if (err->code == TBK_E_CONFIG)
            return tbk_fail(err, TBK_E_CONFIG, "name the tracker's database file",
                            "'%s' is not a regular file", path);
        return false;
    }
    if (fstat(fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", path);
    if (status.st_size == 0)
        return tbk_fail(err, TBK_E_CORRUPT,
                        "start the tracker, which makes its tables at its first start (the "
                        "deployer's 'run'), then back up",
                        "the database '%s' has 0 bytes: there is nothing in it to back up", path);
    out->file_bytes = (uint64_t)status.st_size;
    ssize_t got = pread(fd, out->bytes, TBK_SQLITE_HEADER_BYTES, 0);
    if (got < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read '%s'", path);
    if (got < TBK_SQLITE_HEADER_BYTES || memcmp(out->bytes, "SQLite format 3", 16) != 0)
        return tbk_fail(err, TBK_E_CORRUPT, "name the tracker's database file",
                        "'%s' is not a SQLite 3 database", path);
    return true;
}

bool tbk_sqlite_header_facts(const unsigned char *bytes, uint64_t file_bytes, const char *path,
                             tbk_sqlite_facts *out, tbk_error *err)
{
    uint32_t page_size = (uint32_t)bytes[16] << 8 | bytes[17];
    if (page_size == 1)
        page_size = 65536;
    if (page_size < 512 || (page_size & (page_size - 1)) != 0 || bytes[18] > 2 || bytes[19] > 2)
        return tbk_fail(err, TBK_E_CORRUPT, "name the tracker's database file",
                        "'%s' has an impossible SQLite header", path);
    uint32_t change_counter = tbk_sqlite_u32(bytes + 24);
    uint32_t pages = tbk_sqlite_u32(bytes + 28);
    /* Very old writers did not keep the page count: it holds only if the counter was kept with it.
     */
    bool counted = pages != 0 && change_counter == tbk_sqlite_u32(bytes + 92);
    *out = (tbk_sqlite_facts){
        .size_bytes = file_bytes,
        .page_size_bytes = page_size,
        .pages = counted ? pages : file_bytes / page_size,
        .free_pages = tbk_sqlite_u32(bytes + 36),
        .change_counter = change_counter,
        .wal = bytes[18] == 2,
    };
    return true;
}

/* Cut: shorter than its header says, with no journal or log that could make it whole. */
static bool is_cut(const char *path, const tbk_sqlite_facts *facts, bool *out, tbk_error *err)
{
    uint64_t journal_bytes = 0, wal_bytes = 0;
    *out = facts->pages * facts->page_size_bytes > facts->size_bytes;
    if (!*out)
        return true;
    if (!tbk_sqlite_companion_size(path, "-journal", &journal_bytes, err) ||
        !tbk_sqlite_companion_size(path, "-wal", &wal_bytes, err))
        return false;
    *out = journal_bytes == 0 && wal_bytes == 0;
    return true;
}

bool tbk_sqlite_inspect(const char *path, tbk_sqlite_facts *out, tbk_error *err)
{
    /* A commit grows the file page after page, the first page first, and removes its journal last:
     * what looks cut may only be a moment of a writer's work, so look again. */
    for (int attempt = 0; attempt < CHANGING_TRIES; attempt++) {
        header seen;
        bool cut;
        tbk_sqlite_facts facts;
        if (!header_read(path, &seen, err) ||
            !tbk_sqlite_header_facts(seen.bytes, seen.file_bytes, path, &facts, err) ||
            !is_cut(path, &facts, &cut, err))
            return false;
        if (!cut) {
            *out = facts;
            return true;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = CHANGING_WAIT_NS}, NULL);
    }
    return tbk_fail(err, TBK_E_CORRUPT, "restore the newest proved set",
                    "the database '%s' is cut: it is shorter than its header says", path);
}

bool tbk_sqlite_size(const char *path, uint64_t *out_bytes, tbk_error *err)
{
    uint64_t database_bytes, journal_bytes, wal_bytes;
    if (!tbk_sqlite_companion_size(path, "", &database_bytes, err) ||
        !tbk_sqlite_companion_size(path, "-journal", &journal_bytes, err) ||
        !tbk_sqlite_companion_size(path, "-wal", &wal_bytes, err))
        return false;
    *out_bytes = database_bytes + journal_bytes + wal_bytes;
    return true;
}
