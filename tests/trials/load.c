/* SPDX-License-Identifier: MIT */
/* Load on a database: the processes, and the memory that they share with the one that watches. */
#include "trials/load.h"

#include "base/clock.h"
#include "base/memory.h"
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define WRITERS 2     /* processes */
#define CONNECTIONS 2 /* of each */
#define PROCESSES_MOST (WRITERS + 2)

#define WRITER_BUSY_MS 5000 /* as the tracker's own */
/* A checkpoint that waits for readers makes writers wait, too: not for longer than this. */
#define CHECKPOINT_BUSY_MS 20
#define CHECKPOINT_PAUSE_US 20000
#define VACUUM_PAUSE_US 150000
#define QUIET_MS 20
#define LIMIT_MS 20000 /* of every wait */
#define POLL_US 500

/* Shared by all processes of a load. */
typedef struct ledger {
    _Atomic int64_t begun;     /* the highest counter that was given to COMMIT */
    _Atomic int64_t committed; /* the highest one that came back from it */
    _Atomic int64_t refused;   /* transactions that SQLite called busy */
    _Atomic int writing;       /* transactions under way */
    _Atomic int acting;        /* checkpoints and VACUUMs under way */
    _Atomic bool idle, still, stop, failed;
    char failure[512]; /* of the first that failed */
} ledger;

struct load {
    load_plan plan;
    ledger *shared;
    pid_t processes[PROCESSES_MOST]; /* 0 once it has ended */
    int count;
};

void load_sleep_us(int64_t microseconds)
{
    struct timespec time = {.tv_sec = microseconds / 1000000,
                            .tv_nsec = microseconds % 1000000 * 1000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        continue;
}

/* --- in the processes of the load --- */

static void raise_to(_Atomic int64_t *counter, int64_t value)
{
    int64_t seen = atomic_load(counter);
    while (seen < value && !atomic_compare_exchange_weak(counter, &seen, value))
        continue;
}

static void note_failure(ledger *shared, const char *who, const tbk_error *err)
{
    if (!atomic_exchange(&shared->failed, true))
        (void)snprintf(shared->failure, sizeof shared->failure, "a %s: %.400s", who, err->message);
}

static bool open_database(const load *self, int busy_ms, sqlite3 **out, tbk_error *err)
{
    char settings[96];
    (void)snprintf(settings, sizeof settings, "PRAGMA synchronous=%s; PRAGMA cache_size=%d",
                   self->plan.synchronous ? "NORMAL" : "OFF",
                   self->plan.cache_pages != 0 ? self->plan.cache_pages : -2000);
    /* As a tracker does: what our own connections may not do (VACUUM), it may. */
    int rc = sqlite3_open_v2(self->plan.database, out, SQLITE_OPEN_READWRITE, NULL);
    if (rc != SQLITE_OK)
        return tbk_sqlite_fail(*out, rc, err, "cannot open '%s'", self->plan.database);
    (void)sqlite3_busy_timeout(*out, busy_ms);
    return tbk_sqlite_exec(*out, settings, err);
}

/* COMMIT may be refused while readers are there; the transaction stays open then. */
static bool commit(ledger *shared, sqlite3 *db, int64_t counter, tbk_error *err)
{
    raise_to(&shared->begun, counter);
    while (!tbk_sqlite_exec(db, "COMMIT", err)) {
        if (err->code != TBK_E_BUSY)
            return false;
        atomic_fetch_add(&shared->refused, 1);
    }
    raise_to(&shared->committed, counter);
    return true;
}

static bool write_once(ledger *shared, history_writer *writer, tbk_error *err)
{
    int64_t counter;
    if (history_writer_advance(writer, &counter, err))
        return commit(shared, writer->db, counter, err);
    if (err->code == TBK_E_BUSY)
        atomic_fetch_add(&shared->refused, 1);
    return err->code == TBK_E_BUSY;
}

static bool write_until_stopped(const load *self, history_writer *writer, tbk_error *err)
{
    ledger *shared = self->shared;
    for (uint64_t i = 0; !atomic_load(&shared->stop); i++) {
        /* Counted before it looks, as in repeat(): what it holds before it commits is no quiet. */
        atomic_fetch_add(&shared->writing, 1);
        if (!atomic_load(&shared->idle) && !write_once(shared, writer, err))
            return false;
        atomic_fetch_sub(&shared->writing, 1);
        uint64_t random = history_mix(self->plan.seed + (uint64_t)gettid(), i);
        load_sleep_us((int64_t)(random % (uint64_t)self->plan.pause_us));
    }
    return true;
}

static void *be_connection(void *of)
{
    const load *self = of;
    tbk_auto(sqlite3) *db = NULL;
    history_writer writer = {.db = NULL};
    tbk_error err;
    if (!open_database(self, WRITER_BUSY_MS, &db, &err) ||
        !history_writer_init(&writer, self->plan.history, db, &err) ||
        !write_until_stopped(self, &writer, &err))
        note_failure(self->shared, "writer", &err);
    history_writer_clear(&writer);
    return NULL;
}

static void be_writer(load *self)
{
    pthread_t others[CONNECTIONS - 1];
    for (int i = 0; i < CONNECTIONS - 1; i++)
        if (pthread_create(&others[i], NULL, be_connection, self) != 0)
            abort();
    (void)be_connection(self);
    for (int i = 0; i < CONNECTIONS - 1; i++)
        (void)pthread_join(others[i], NULL);
}

typedef bool now_and_then(sqlite3 *db, uint64_t random, tbk_error *err);

static void repeat(load *self, const char *who, int busy_ms, uint64_t pause_us, now_and_then *act)
{
    tbk_auto(sqlite3) *db = NULL;
    tbk_error err;
    bool ok = open_database(self, busy_ms, &db, &err);
    for (uint64_t i = 0; ok && !atomic_load(&self->shared->stop); i++) {
        uint64_t random = history_mix(self->plan.seed ^ pause_us, i);
        load_sleep_us((int64_t)(random % pause_us));
        /* Counted before it looks: a count of zero after `still` was set stays zero. */
        atomic_fetch_add(&self->shared->acting, 1);
        if (!atomic_load(&self->shared->still))
            ok = act(db, random / pause_us, &err) || err.code == TBK_E_BUSY;
        atomic_fetch_sub(&self->shared->acting, 1);
    }
    if (!ok)
        note_failure(self->shared, who, &err);
}

static bool checkpoint(sqlite3 *db, uint64_t random, tbk_error *err)
{
    static const int kinds[] = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_FULL,
                                SQLITE_CHECKPOINT_RESTART, SQLITE_CHECKPOINT_TRUNCATE};
    int rc = sqlite3_wal_checkpoint_v2(db, NULL, kinds[random % 4], NULL, NULL);
    return rc == SQLITE_OK || tbk_sqlite_fail(db, rc, err, "cannot checkpoint");
}

static bool vacuum(sqlite3 *db, uint64_t random, tbk_error *err)
{
    (void)random;
    return tbk_sqlite_exec(db, "VACUUM", err);
}

static void be_checkpointer(load *self)
{
    repeat(self, "checkpointer", CHECKPOINT_BUSY_MS, CHECKPOINT_PAUSE_US, checkpoint);
}

static void be_vacuumer(load *self)
{
    repeat(self, "vacuumer", WRITER_BUSY_MS, VACUUM_PAUSE_US, vacuum);
}

/* --- in the process that watches --- */

static bool start_process(load *self, void (*be)(load *self), tbk_error *err)
{
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0)
        return tbk_fail_errno(err, TBK_E_FAILED, errno, NULL, "cannot start a process");
    if (child == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
            be(self);
        _exit(0);
    }
    self->processes[self->count++] = child;
    return true;
}

static bool start_processes(load *self, tbk_error *err)
{
    for (int i = 0; i < WRITERS; i++)
        if (!start_process(self, be_writer, err))
            return false;
    return (!self->plan.checkpoints || start_process(self, be_checkpointer, err)) &&
           (!self->plan.vacuums || start_process(self, be_vacuumer, err));
}

bool load_start(const load_plan *plan, load **out, tbk_error *err)
{
    tbk_auto(load) *self = tbk_memory_new(sizeof *self);
    self->plan = *plan;
    void *shared =
        mmap(NULL, sizeof *self->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return tbk_fail_errno(err, TBK_E_FAILED, errno, NULL, "no memory to share");
    self->shared = shared;
    if (!start_processes(self, err))
        return false;
    *out = self;
    self = NULL;
    return true;
}

void load_end(load *self)
{
    if (self == NULL)
        return;
    for (int i = 0; i < self->count; i++)
        if (self->processes[i] != 0) {
            (void)kill(self->processes[i], SIGKILL);
            (void)waitpid(self->processes[i], NULL, 0);
        }
    if (self->shared != NULL)
        (void)munmap(self->shared, sizeof *self->shared);
    free(self);
}

/* Waits for what `is_so` says of the load, or for a failure. */
static bool await(load *self, bool (*is_so)(load *self, int64_t argument), int64_t argument,
                  const char *what, tbk_error *err)
{
    int64_t limit_ms = tbk_clock_monotonic_ms() + LIMIT_MS;
    while (!is_so(self, argument)) {
        if (atomic_load(&self->shared->failed))
            return tbk_fail(err, TBK_E_CORRUPT, NULL, "%s", self->shared->failure);
        if (tbk_clock_monotonic_ms() > limit_ms)
            return tbk_fail(err, TBK_E_TIMEOUT, NULL, "%s took more than %d s", what,
                            LIMIT_MS / 1000);
        load_sleep_us(POLL_US);
    }
    return true;
}

static bool has_committed(load *self, int64_t counter) { return load_committed(self) >= counter; }

bool load_await(load *self, int64_t transactions, tbk_error *err)
{
    return await(self, has_committed, load_committed(self) + transactions, "the next transactions",
                 err);
}

int64_t load_committed(const load *self) { return atomic_load(&self->shared->committed); }
int64_t load_begun(const load *self) { return atomic_load(&self->shared->begun); }

static bool has_been_quiet(load *self, int64_t milliseconds)
{
    int64_t begun = load_begun(self);
    load_sleep_us(milliseconds * 1000);
    return load_begun(self) == begun && load_committed(self) == begun &&
           atomic_load(&self->shared->writing) == 0;
}

bool load_make_idle(load *self, tbk_error *err)
{
    atomic_store(&self->shared->idle, true);
    return await(self, has_been_quiet, QUIET_MS, "the writers' last transaction", err);
}

static bool is_still(load *self, int64_t milliseconds)
{
    return has_been_quiet(self, milliseconds) && atomic_load(&self->shared->acting) == 0;
}

bool load_make_still(load *self, tbk_error *err)
{
    atomic_store(&self->shared->still, true);
    return load_make_idle(self, err) && await(self, is_still, QUIET_MS, "the last checkpoint", err);
}

void load_wake(load *self) { atomic_store(&self->shared->idle, false); }

bool load_freeze(load *self, tbk_error *err)
{
    for (int i = 0; i < self->count; i++)
        (void)kill(self->processes[i], SIGSTOP);
    for (int i = 0; i < self->count; i++) {
        int status = 0;
        if (waitpid(self->processes[i], &status, WUNTRACED) != self->processes[i] ||
            !WIFSTOPPED(status))
            return tbk_fail(err, TBK_E_FAILED, NULL, "a process cannot be frozen");
    }
    return true;
}

void load_thaw(load *self)
{
    for (int i = 0; i < self->count; i++)
        (void)kill(self->processes[i], SIGCONT);
}

static bool has_ended(load *self, int64_t which)
{
    int status = 0;
    if (waitpid(self->processes[which], &status, WNOHANG) != self->processes[which])
        return false;
    self->processes[which] = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        tbk_error err = {.message = "it crashed"};
        note_failure(self->shared, "process of the load", &err);
    }
    return true;
}

bool load_stop(load *self, tbk_error *err)
{
    atomic_store(&self->shared->stop, true);
    for (int i = 0; i < self->count; i++)
        if (!await(self, has_ended, i, "the end of a process", err))
            return false;
    if (atomic_load(&self->shared->failed))
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "%s", self->shared->failure);
    int64_t refused = atomic_load(&self->shared->refused);
    return refused == 0 || tbk_fail(err, TBK_E_CORRUPT, NULL,
                                    "writers were refused as busy %lld times", (long long)refused);
}
