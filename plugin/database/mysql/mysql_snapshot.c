/* SPDX-License-Identifier: MIT */
/*
 * Sessions that read the same state.
 *
 * Each START TRANSACTION WITH CONSISTENT SNAPSHOT sees what was committed before it. So that all of
 * them see the same, no client may commit between the first and the last of them. Instead of
 * locking, which takes the privilege RELOAD and makes clients wait, we find out whether one did:
 *
 *     counter of commits; all START TRANSACTION; list of processes; counter of commits
 *
 * Who committed between the first snapshot and the last one was at that moment executing a
 * statement. When the list was made after the last snapshot, he was either still at it, and the
 * list shows it, or he was done, and then the counter had moved: the server counts a commit before
 * the statement ends. So: others idle and the counter unmoved, and the snapshots agree. Both are
 * there for every user; the list shows one's own user's sessions, which are the tracker's.
 *
 * Without the privilege PROCESS the sessions of other users are not listed. What one of them
 * commits is still counted; only one whose statement began before the first look and ended after
 * the last one escapes, a window of about a millisecond. An operator who changes the tracker's data
 * as root in that millisecond is the case that is left.
 *
 * A START TRANSACTION may count as a commit itself: what our sessions have counted is asked of
 * themselves, outside the window, and subtracted.
 */
#include "database/mysql/mysql_snapshot.h"

#include <sys/socket.h>

#define START "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

bool tbk_mysql_snapshot_connect(const tbk_mysql_server *server, MYSQL **out, tbk_error *err)
{
    tbk_auto(MYSQL) *session = NULL;
    if (!tbk_mysql_connect(server, &session, err) ||
        !tbk_mysql_exec(session, "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'", err))
        return false;
    *out = session;
    session = NULL;
    return true;
}

/* --- looking --- */

static bool read_commits(MYSQL *session, const char *scope, uint64_t *out, tbk_error *err)
{
    char sql[64];
    tbk_auto(MYSQL_RES) *result = NULL;
    (void)snprintf(sql, sizeof sql, "SHOW %s STATUS LIKE 'Handler_commit'", scope);
    if (!tbk_mysql_query(session, sql, &result, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL || row[1] == NULL)
        return tbk_fail(err, TBK_E_UNSUPPORTED, NULL, "the server does not count its commits");
    *out = strtoull(row[1], NULL, 10);
    return true;
}

/* How many commits our sessions have been counted with. */
static bool read_own_commits(MYSQL *const *sessions, unsigned count, uint64_t *out, tbk_error *err)
{
    *out = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t commits;
        if (!read_commits(sessions[i], "SESSION", &commits, err))
            return false;
        *out += commits;
    }
    return true;
}

/* What sessions do that wait for something to do, or hand the log to a replica. */
static bool is_idle(const char *command)
{
    static const char *const idle[] = {"Sleep", "Daemon", "Binlog Dump", "Binlog Dump GTID"};
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
        if (strcmp(command, idle[i]) == 0)
            return true;
    return false;
}

static bool fail_busy(const char *why, tbk_error *err)
{
    return tbk_fail(err, TBK_E_BUSY, "try again, or let the tracker pause for a moment",
                    "the database is written to: %s", why);
}

static bool is_ours(MYSQL *control, MYSQL *const *sessions, unsigned count, unsigned long id)
{
    bool is_ours = id == mysql_thread_id(control);
    for (unsigned i = 0; i < count; i++)
        is_ours = is_ours || id == mysql_thread_id(sessions[i]);
    return is_ours;
}

/* Ours are left out: a session counts as busy for a moment after its answer has come. */
static bool check_others_idle(MYSQL *control, MYSQL *const *sessions, unsigned count,
                              tbk_error *err)
{
    enum { ID = 0, COMMAND = 4 };
    tbk_auto(MYSQL_RES) *list = NULL;
    MYSQL_ROW row;
    if (!tbk_mysql_query(control, "SHOW PROCESSLIST", &list, err))
        return false;
    while ((row = mysql_fetch_row(list)) != NULL)
        if (!is_ours(control, sessions, count, strtoul(row[ID], NULL, 10)) &&
            (row[COMMAND] == NULL || !is_idle(row[COMMAND])))
            return fail_busy("a session is executing a statement", err);
    return true;
}

/* --- opening --- */

/* All at once: first every request, then every answer. */
bool tbk_mysql_snapshot_start(MYSQL *const *sessions, unsigned count, tbk_error *err)
{
    for (unsigned i = 0; i < count; i++)
        if (mysql_send_query(sessions[i], START, strlen(START)) != 0)
            return tbk_mysql_fail(sessions[i], err, "cannot open a snapshot");
    for (unsigned i = 0; i < count; i++)
        if (mysql_read_query_result(sessions[i]) != 0)
            return tbk_mysql_fail(sessions[i], err, "cannot open a snapshot");
    return true;
}

static bool start_and_look(MYSQL *control, MYSQL *const *sessions, unsigned count, tbk_error *err)
{
    uint64_t own_before, own_after, before, after;
    if (!read_own_commits(sessions, count, &own_before, err) ||
        !read_commits(control, "GLOBAL", &before, err) ||
        !tbk_mysql_snapshot_start(sessions, count, err) ||
        !check_others_idle(control, sessions, count, err) ||
        !read_commits(control, "GLOBAL", &after, err) ||
        !read_own_commits(sessions, count, &own_after, err))
        return false;
    return after - before == own_after - own_before || fail_busy("something was committed", err);
}

/* A session that cannot even do this has lost its connection, and its transaction with it. */
static void let_go(MYSQL *const *sessions, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)mysql_query(sessions[i], "ROLLBACK");
}

bool tbk_mysql_snapshot_pin(MYSQL *control, MYSQL *const *sessions, unsigned count, tbk_error *err)
{
    if (count == 1)
        return tbk_mysql_snapshot_start(sessions, 1, err);
    if (start_and_look(control, sessions, count, err))
        return true;
    let_go(sessions, count);
    return false;
}

bool tbk_mysql_snapshot_begin(MYSQL *session, tbk_error *err)
{
    return tbk_mysql_exec(session, "SAVEPOINT torrust_backup", err);
}

bool tbk_mysql_snapshot_end(MYSQL *session, tbk_error *err)
{
    return tbk_mysql_exec(session, "ROLLBACK TO SAVEPOINT torrust_backup", err);
}

/* By a reset: a socket that is closed in order leaves the server waiting for room to write the rest
 * of its answer, for minutes, with the tables' definitions locked. */
void tbk_mysql_snapshot_abandon(MYSQL *session)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int fd = (int)mysql_get_socket(session);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)mariadb_cancel(session);
}
