/* SPDX-License-Identifier: MIT */
/* Long work with a database: on a thread of its own, so that it can be ended from outside. */
#include "base/clock.h"
#include "base/condition.h"
#include "database/sqlite/sqlite_internal.h"

#include <pthread.h>
#include <signal.h>

/* A run that says nothing for long is taken for dead. */
#define STILL_EVERY_MS 60000
#define POLL_MS 200
#define PATIENCE_MS 600000
#define PATIENCE_MS_PER_MIB 4000 /* 256 KiB/s */

typedef struct running {
    const tbk_sqlite_task *task;
    sqlite3 *db;
    tbk_error *err;
    bool ok, done;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} running;

static void *run(void *argument)
{
    running *self = argument;
    bool ok = self->task->work(self->task->context, self->db, self->err);
    (void)pthread_mutex_lock(&self->mutex);
    self->ok = ok;
    self->done = true;
    (void)pthread_cond_signal(&self->changed);
    (void)pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static bool wait_a_moment(running *self)
{
    const struct timespec until = tbk_condition_end(POLL_MS);
    (void)pthread_mutex_lock(&self->mutex);
    if (!self->done)
        (void)pthread_cond_timedwait(&self->changed, &self->mutex, &until);
    bool done = self->done;
    (void)pthread_mutex_unlock(&self->mutex);
    return done;
}

static bool may_go_on(const tbk_sqlite_task *task, int64_t started_ms, const tbk_report *report,
                      tbk_error *out_stop)
{
    if (!tbk_report_go_on(report, out_stop))
        return false;
    return task->limit_ms == 0 || tbk_clock_monotonic_ms() - started_ms < task->limit_ms ||
           tbk_fail(out_stop, TBK_E_TIMEOUT, "look at the file with 'sqlite3' on another machine",
                    "%s takes longer than a database of this size should need", task->what);
}

static void wait_for(running *self, const tbk_report *report, tbk_error *out_stop)
{
    int64_t started_ms = tbk_clock_monotonic_ms(), said_ms = started_ms;
    while (!wait_a_moment(self)) {
        /* Again and again: work that has only begun would not have seen it. */
        if (out_stop->code != TBK_E_OK || !may_go_on(self->task, started_ms, report, out_stop))
            sqlite3_interrupt(self->db);
        if (tbk_clock_monotonic_ms() - said_ms < STILL_EVERY_MS)
            continue;
        said_ms = tbk_clock_monotonic_ms();
        tbk_report_log(report, TBK_LOG_INFO, "prove", "still at work: %s", self->task->what);
    }
}

/* The calling thread handles the signals. */
static int start(pthread_t *thread, running *self)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(thread, NULL, run, self);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

bool tbk_sqlite_run(sqlite3 *db, const tbk_sqlite_task *task, const tbk_report *report,
                    tbk_error *err)
{
    running self = {.task = task, .db = db, .err = err};
    tbk_error stop = {.code = TBK_E_OK};
    pthread_t thread;
    if (!tbk_report_go_on(report, err))
        return false;
    (void)pthread_mutex_init(&self.mutex, NULL);
    tbk_condition_init(&self.changed);
    int result = start(&thread, &self);
    if (result == 0) {
        wait_for(&self, report, &stop);
        (void)pthread_join(thread, NULL);
    }
    (void)pthread_cond_destroy(&self.changed);
    (void)pthread_mutex_destroy(&self.mutex);
    if (result != 0)
        return tbk_fail_errno(err, TBK_E_FAILED, result, "raise the limit of processes (pids)",
                              "cannot start a thread");
    if (stop.code != TBK_E_OK)
        *err = stop;
    return self.ok && stop.code == TBK_E_OK;
}

int64_t tbk_sqlite_patience_ms(uint64_t database_bytes)
{
    return PATIENCE_MS + (int64_t)(database_bytes >> 20) * PATIENCE_MS_PER_MIB;
}
