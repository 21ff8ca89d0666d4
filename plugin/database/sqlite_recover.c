/* SPDX-License-Identifier: MIT */
/* Recovery on the copy: SQLite rolls the journal back, or takes the log in, until one file is left.
 */
#include "database/sqlite_internal.h"

#include <errno.h>

/* In EXCLUSIVE mode the index of a log is kept in memory, so no -shm file is made; the copy is
 * nobody's yet and will be read once, so nothing of it need be on the disk. */
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

static bool recover(const char *copy, const tbk_report *report, tbk_digest *schema, tbk_error *err)
{
    tbk_auto(sqlite3) *db = NULL;
    uint64_t bytes;
    if (!tbk_sqlite_size(copy, &bytes, err) ||
        !tbk_sqlite_open(copy, SQLITE_OPEN_READWRITE, &db, err))
        return false;
    const tbk_sqlite_task task = {.what = "recovering the copy",
                                  .limit_ms = tbk_sqlite_patience_ms(bytes),
                                  .work = recover_run,
                                  .context = schema};
    tbk_sqlite_watch(db, 0, NULL, NULL);
    return tbk_sqlite_run(db, &task, report, err);
}

/* What is left now is empty, or a journal that SQLite found to be finished business. */
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

bool tbk_sqlite_recover(const char *copy, const tbk_report *report, tbk_sqlite_facts *out,
                        tbk_error *err)
{
    tbk_sqlite_facts facts;
    tbk_digest schema;
    if (!recover(copy, report, &schema, err) || !remove_companions(copy, err) ||
        !tbk_sqlite_inspect(copy, &facts, err))
        return tbk_while(err, "recovering the copy");
    facts.schema = schema;
    *out = facts;
    return true;
}
