/* SPDX-License-Identifier: MIT */
/* A ring of statements under one lock; their memory is used again. */
#include "database/mysql/mysql_workers.h"

#include "base/clock.h"
#include "base/memory.h"
#include "database/mysql/mysql_settings.h"

#include <pthread.h>
#include <signal.h>

enum {
    RING_SIZE = 2 * TBK_MYSQL_CREW_MAX,
    LOOK_MS = 100,      /* between two looks whether the work shall go on */
    SILENCE_MS = 10000, /* without progress, until the server is asked whether it is there */
    KILL_LIMIT_S = 5
};

typedef struct member {
    tbk_mysql_workers *workers;
    MYSQL *session;
    pthread_t thread;
    bool is_started;
} member;

struct tbk_mysql_workers {
    const tbk_mysql_workers_request *request;
    MYSQL *watch; /* the caller's: asks whether the server answers */
    member members[TBK_MYSQL_CREW_MAX];
    unsigned count;

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t has_work, has_news;
    tbk_mysql_statement ring[RING_SIZE]; /* [first, first + filled) wait, others hold memory only */
    unsigned size, first, filled;
    unsigned busy; /* members that run a statement */
    bool is_ended; /* what is not done yet is dropped */
    bool has_failed;
    tbk_error failure; /* the first one */
};

static void swap_statements(tbk_mysql_statement *a, tbk_mysql_statement *b)
{
    tbk_mysql_statement kept = *a;
    *a = *b;
    *b = kept;
}

/* --- the members --- */

/* False when there will be no more. */
static bool take(tbk_mysql_workers *workers, tbk_mysql_statement *statement)
{
    (void)pthread_mutex_lock(&workers->lock);
    while (!workers->is_ended && workers->filled == 0)
        (void)pthread_cond_wait(&workers->has_work, &workers->lock);
    bool has_one = !workers->is_ended;
    if (has_one) {
        swap_statements(&workers->ring[workers->first], statement);
        workers->first = (workers->first + 1) % workers->size;
        workers->filled--;
        workers->busy++;
        (void)pthread_cond_signal(&workers->has_news);
    }
    (void)pthread_mutex_unlock(&workers->lock);
    return has_one;
}

static void tell(tbk_mysql_workers *workers, const tbk_error *failure)
{
    (void)pthread_mutex_lock(&workers->lock);
    workers->busy--;
    if (failure != NULL && !workers->is_ended) {
        workers->failure = *failure;
        workers->has_failed = workers->is_ended = true;
        (void)pthread_cond_broadcast(&workers->has_work);
    }
    (void)pthread_cond_signal(&workers->has_news);
    (void)pthread_mutex_unlock(&workers->lock);
}

static void *work(void *pointer)
{
    member *self = pointer;
    tbk_auto_statement statement = {0};
    tbk_error err;
    (void)mysql_thread_init();
    while (take(self->workers, &statement))
        tell(self->workers, tbk_mysql_run(self->session, &statement, &err) ? NULL : &err);
    mysql_thread_end();
    return NULL;
}

/* --- opening --- */

static bool set_up(MYSQL *session, const tbk_mysql_workers_request *request, tbk_error *err)
{
    if (!tbk_mysql_settings_apply(session, tbk_mysql_load_settings, err))
        return false;
    for (size_t i = 0; i < request->setting_count; i++)
        if (!tbk_mysql_run(session, &request->settings[i], err))
            return false;
    /* Whatever the stream sets: each statement is a transaction, and a table that waits for
     * another statement of ours is not to be given up. */
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    return tbk_mysql_exec(session,
                          tbk_arena_format(arena,
                                           "SET SESSION autocommit = 1, lock_wait_timeout = %u, "
                                           "innodb_lock_wait_timeout = %u",
                                           request->statement_limit_s, request->statement_limit_s),
                          err);
}

static bool connect_all(tbk_mysql_workers *workers, tbk_error *err)
{
    tbk_mysql_server server = *workers->request->server;
    if (!tbk_mysql_connect(&server, &workers->watch, err))
        return false;
    server.answer_limit_s = workers->request->statement_limit_s;
    for (; workers->count < workers->request->sessions; workers->count++) {
        member *next = &workers->members[workers->count];
        next->workers = workers;
        if (!tbk_report_go_on(workers->request->report, err) ||
            !tbk_mysql_connect(&server, &next->session, err))
            return false;
        if (!set_up(next->session, workers->request, err)) {
            mysql_close(next->session);
            return false;
        }
    }
    return true;
}

static bool start_all(tbk_mysql_workers *workers, tbk_error *err)
{
    /* The calling thread handles the signals. */
    sigset_t all, before;
    int result = 0;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < workers->count && result == 0; i++) {
        result = pthread_create(&workers->members[i].thread, NULL, work, &workers->members[i]);
        workers->members[i].is_started = result == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result == 0 ||
           tbk_fail_errno(err, TBK_E_FAILED, result, "raise the limit of processes (pids)",
                          "cannot start a thread to load with");
}

static tbk_mysql_workers *new_workers(const tbk_mysql_workers_request *request)
{
    tbk_mysql_workers *workers = tbk_memory_new(sizeof *workers);
    pthread_condattr_t monotonic;
    workers->request = request;
    workers->size = 2 * request->sessions;
    (void)pthread_mutex_init(&workers->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&workers->has_work, NULL);
    (void)pthread_cond_init(&workers->has_news, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return workers;
}

bool tbk_mysql_workers_open(const tbk_mysql_workers_request *request, tbk_mysql_workers **out,
                            tbk_error *err)
{
    tbk_auto(tbk_mysql_workers) *workers = new_workers(request);
    if (!connect_all(workers, err) || !start_all(workers, err))
        return false;
    *out = workers;
    workers = NULL;
    return true;
}

/* --- ending --- */

/* No session reads the answer any more, so the server need not go on for minutes. */
static void kill_statements(tbk_mysql_workers *workers)
{
    tbk_auto(MYSQL) *killer = NULL;
    tbk_error ignored;
    tbk_mysql_server server = *workers->request->server;
    server.schema = NULL;
    server.answer_limit_s = KILL_LIMIT_S;
    if (!tbk_mysql_connect(&server, &killer, &ignored))
        return;
    for (unsigned i = 0; i < workers->count; i++) {
        char sql[64];
        (void)snprintf(sql, sizeof sql, "KILL %lu", mysql_thread_id(workers->members[i].session));
        (void)mysql_query(killer, sql);
    }
}

static void end_all(tbk_mysql_workers *workers)
{
    (void)pthread_mutex_lock(&workers->lock);
    workers->is_ended = true;
    bool is_busy = workers->busy > 0;
    (void)pthread_cond_broadcast(&workers->has_work);
    (void)pthread_mutex_unlock(&workers->lock);
    if (is_busy) {
        kill_statements(workers);
        for (unsigned i = 0; i < workers->count; i++)
            (void)mariadb_cancel(workers->members[i].session);
    }
    for (unsigned i = 0; i < workers->count; i++)
        if (workers->members[i].is_started)
            (void)pthread_join(workers->members[i].thread, NULL);
}

void tbk_mysql_workers_free(tbk_mysql_workers *workers)
{
    if (workers == NULL)
        return;
    end_all(workers);
    for (unsigned i = 0; i < workers->count; i++)
        mysql_close(workers->members[i].session);
    if (workers->watch != NULL)
        mysql_close(workers->watch);
    for (unsigned i = 0; i < RING_SIZE; i++)
        tbk_mysql_statement_end(&workers->ring[i]);
    (void)pthread_cond_destroy(&workers->has_work);
    (void)pthread_cond_destroy(&workers->has_news);
    (void)pthread_mutex_destroy(&workers->lock);
    free(workers);
}

/* --- handing over --- */

static struct timespec time_of(int64_t monotonic_ms)
{
    return (struct timespec){.tv_sec = (time_t)(monotonic_ms / 1000),
                             .tv_nsec = (long)(monotonic_ms % 1000) * 1000000};
}

static bool has_space(const tbk_mysql_workers *workers) { return workers->filled < workers->size; }
static bool is_idle(const tbk_mysql_workers *workers)
{
    return workers->filled == 0 && workers->busy == 0;
}

/* Waits for news, but not for long. True when it is so; called and returns with the lock held. */
static bool wait_a_little(tbk_mysql_workers *workers, bool (*is_so)(const tbk_mysql_workers *))
{
    const struct timespec end = time_of(tbk_clock_monotonic_ms() + LOOK_MS);
    int result = 0;
    while (result == 0 && !workers->has_failed && !is_so(workers))
        result = pthread_cond_timedwait(&workers->has_news, &workers->lock, &end);
    return is_so(workers);
}

static bool is_still_there(tbk_mysql_workers *workers, tbk_error *err)
{
    return mysql_ping(workers->watch) == 0 ||
           tbk_mysql_fail(workers->watch, err, "the database server does not answer any more");
}

/* Returns with the lock held, whatever it returns. */
static bool wait_until(tbk_mysql_workers *workers, bool (*is_so)(const tbk_mysql_workers *),
                       tbk_error *err)
{
    int64_t asked_ms = tbk_clock_monotonic_ms();
    (void)pthread_mutex_lock(&workers->lock);
    while (!workers->has_failed && !wait_a_little(workers, is_so) && !workers->has_failed) {
        (void)pthread_mutex_unlock(&workers->lock);
        bool ok = tbk_report_go_on(workers->request->report, err);
        if (ok && tbk_clock_monotonic_ms() - asked_ms > SILENCE_MS) {
            ok = is_still_there(workers, err);
            asked_ms = tbk_clock_monotonic_ms();
        }
        (void)pthread_mutex_lock(&workers->lock);
        if (!ok)
            return false;
    }
    if (workers->has_failed)
        *err = workers->failure;
    return !workers->has_failed;
}

bool tbk_mysql_workers_put(tbk_mysql_workers *workers, tbk_mysql_statement *statement,
                           tbk_error *err)
{
    bool ok = wait_until(workers, has_space, err);
    if (ok) {
        swap_statements(&workers->ring[(workers->first + workers->filled) % workers->size],
                        statement);
        workers->filled++;
        (void)pthread_cond_signal(&workers->has_work);
    }
    (void)pthread_mutex_unlock(&workers->lock);
    return ok;
}

bool tbk_mysql_workers_wait(tbk_mysql_workers *workers, tbk_error *err)
{
    bool ok = wait_until(workers, is_idle, err);
    (void)pthread_mutex_unlock(&workers->lock);
    return ok;
}
