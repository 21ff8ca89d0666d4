/* SPDX-License-Identifier: MIT */
/* Recovery on the copy: SQLite rolls the journal back, or takes the log in, until one file is left.
 */
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <inttypes.h>

#define GROWTH_BYTES_MAX (32u << 20)

/* In EXCLUSIVE mode the index of a log is kept in memory, so no -shm file is made; the copy is
 * ours alone and will be read once, so nothing of it need be on the disk. */
static const char *const SETTINGS = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; "
                                    "PRAGMA cell_size_check=ON; PRAGMA cache_size=-8192;";

static bool take_log_in(sqlite3 *db, tbk_error *err)
{
    int frames = 0, taken = 0;
    int rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, &frames, &taken);
    if (rc != SQLITE_OK || frames != taken)
        return tbk_sqlite_fail(db, rc == SQLITE_OK ? SQLITE_BUSY : rc, err,
                               "cannot take the write-ahead log into the copy");
    return true;
}

static bool recover_run(void *context, sqlite3 *db, tbk_error *err)
{
    int64_t objects;
    return tbk_sqlite_exec(db, SETTINGS, err) &&
           tbk_sqlite_integer(db, "SELECT count(*) FROM sqlite_schema", &objects, err) &&
           take_log_in(db, err) && tbk_sqlite_schema_digest(db, context, err);
}

static bool recover(const char *copy, uint64_t before_bytes, const tbk_report *report,
                    tbk_digest *schema, tbk_error *err)
{
    tbk_auto(sqlite3) *db = NULL;
    if (!tbk_sqlite_open(copy, SQLITE_OPEN_READWRITE, &db, err))
        return false;
    const tbk_sqlite_task task = {.what = "recovering the copy",
                                  .limit_ms = tbk_sqlite_patience_ms(before_bytes),
                                  .work = recover_run,
                                  .context = schema};
    tbk_sqlite_watch(db, 0, NULL, NULL);
    return tbk_sqlite_run(db, &task, report, err);
}

/* What is left now is empty, or a journal that SQLite takes for a finished one. */
static bool remove_companions(const char *copy, tbk_error *err)
{
    static const char *const suffixes[] = {"-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char companion[PATH_MAX];
        if (!tbk_sqlite_companion(copy, suffixes[i], companion, err))
            return false;
        if (unlink(companion) != 0 && errno != ENOENT)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot remove '%s'", companion);
    }
    return true;
}

/* A journal's head says how large the database was, and SQLite makes it so: a hole of terabytes,
 * if the journal is forged. */
static bool grew_no_hole(const tbk_sqlite_facts *facts, uint64_t before_bytes, tbk_error *err)
{
    return facts->size_bytes / 2 <= before_bytes + GROWTH_BYTES_MAX ||
           tbk_fail(err, TBK_E_BUSY, "start the tracker, which rolls it back, then back up",
                    "its journal makes the copy %" PRIu64 " MiB large, from %" PRIu64 " MiB",
                    facts->size_bytes >> 20, before_bytes >> 20);
}

bool tbk_sqlite_recover(const char *copy, const tbk_report *report, tbk_sqlite_facts *out,
                        tbk_error *err)
{
    tbk_sqlite_facts facts;
    tbk_digest schema;
    uint64_t before_bytes;
    if (!tbk_sqlite_size(copy, &before_bytes, err) ||
        !recover(copy, before_bytes, report, &schema, err) || !remove_companions(copy, err) ||
        !tbk_sqlite_inspect(copy, &facts, err) || !grew_no_hole(&facts, before_bytes, err))
        return tbk_error_context(err, "recovering the copy");
    facts.schema = schema;
    *out = facts;
    return true;
}
