/* SPDX-License-Identifier: MIT */
/*
 * Three kinds of processes. This one (in the container number 1, root with three capabilities) only
 * decides what is due, and never parses what others send. Each backup is a process of its own,
 * which drops its privileges itself. What answers on the network has no privilege and opens no
 * file: it shows a piece of shared memory.
 */
#include "entry/engine_serve.h"

#include "adapters/http_server.h"
#include "base/clock.h"
#include "domain/scheduler.h"
#include "engine/serve_status.h"
#include "entry/engine_commands.h"
#include "entry/engine_privileges.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLEEP_MAX_S 30
#define STOP_WAIT_MS 30000
#define HEALTH_TIMEOUT_MS 4000
/* A run may take a while; this much later than due, it is missing (as `status` says too). */
#define OVERDUE_SLACK_S (2 * 3600)
#define ITEMS_MAX 2
#define BOARD_TRIES 1000

/* Odd while it is written. */
typedef struct board {
    atomic_uint version;
    tbk_serve_status status;
} board;

typedef struct serve {
    const engine_args *args;
    tbk_report report;
    tbk_arena *arena; /* of config */
    tbk_engine_config config;
    bool has_config; /* of the last try; config is the last good one */
    tbk_scheduler_job items[ITEMS_MAX];
    tbk_profile profiles[ITEMS_MAX];
    size_t item_count;
    tbk_serve_status status;
    board *board;
    int listen_fd;
    pid_t web, run; /* 0 = none */
    int64_t web_started_s;
    int64_t run_started_s;
    size_t run_item;
    sigset_t signals; /* that are waited for */
} serve;

/* --- what the others see --- */

static void publish(serve *self)
{
    unsigned version = atomic_load(&self->board->version);
    atomic_store(&self->board->version, version + 1);
    atomic_thread_fence(memory_order_seq_cst);
    self->board->status = self->status;
    atomic_thread_fence(memory_order_seq_cst);
    atomic_store(&self->board->version, version + 2);
}

static void look(const board *shared, tbk_serve_status *out)
{
    for (int tries = 0; tries < BOARD_TRIES; tries++) {
        unsigned before = atomic_load(&shared->version);
        *out = shared->status;
        atomic_thread_fence(memory_order_seq_cst);
        if (before % 2 == 0 && atomic_load(&shared->version) == before)
            return;
    }
}

static void respond(void *self, const char *path, tbk_http_answer *out)
{
    const serve *it = self;
    tbk_serve_status status = {0};
    look(it->board, &status);
    if (strcmp(path, "/health") == 0) {
        out->content_type = "application/json";
        out->status = tbk_serve_health(&out->body, &status, tbk_clock_now_s()) ? 200 : 503;
    } else if (strcmp(path, "/metrics") == 0) {
        out->content_type = "text/plain; version=0.0.4; charset=utf-8";
        out->status = 200;
        tbk_serve_metrics(&out->body, &status);
    }
}

static void allow_signals(const serve *self)
{
    static const int all[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        (void)signal(all[i], SIG_DFL);
    (void)sigprocmask(SIG_UNBLOCK, &self->signals, NULL);
}

static bool never(void *self)
{
    (void)self;
    return false;
}

/* Does not return. */
static void serve_web(serve *self, pid_t parent)
{
    tbk_error err;
    allow_signals(self);
    if (!engine_privileges_become_nobody(&err)) {
        tbk_report_log(&self->report, TBK_LOG_ERROR, "serve", "%s", err.message);
        _exit(1);
    }
    /* A change of user resets this, so it comes after it. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    tbk_http_serve(self->listen_fd, respond, never, self);
    _exit(0);
}

/* At most one a second, should they all die at once. */
static void start_web(serve *self, int64_t now_s)
{
    if (self->web != 0 || self->web_started_s == now_s)
        return;
    self->web_started_s = now_s;
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        serve_web(self, parent);
    self->web = child > 0 ? child : 0;
}

/* --- configuration and scheduler --- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Since when the schedule is known: then it was written. */
static int64_t config_time_s(const serve *self)
{
    struct stat status;
    return stat(self->args->config, &status) == 0 ? (int64_t)status.st_mtime : 0;
}

/* Where a profile has two schedules, the one that comes more often is what is looked for. A restart
 * of this process begins no new time: a schedule is known since it was written. */
static void expect_runs(serve *self, size_t item, int64_t now_s)
{
    tbk_serve_profile *profile = &self->status.profiles[self->profiles[item]];
    int64_t shortest_s = 0, longest_s = 0, known_s = config_time_s(self);
    tbk_schedule_gaps(&self->items[item].schedule, now_s, &shortest_s, &longest_s);
    if (profile->is_scheduled && profile->overdue_gap_s < longest_s + OVERDUE_SLACK_S)
        return;
    *profile = (tbk_serve_profile){.is_scheduled = true,
                                   .known_s = known_s != 0 && known_s < now_s ? known_s : now_s,
                                   .overdue_gap_s = longest_s + OVERDUE_SLACK_S};
}

static void set_scheduler(serve *self, int64_t now_s)
{
    const tbk_engine_config *config = &self->config;
    const char *const texts[ITEMS_MAX] = {config->schedule, config->full_schedule};
    tbk_error ignored; /* they were read as schedules */
    self->item_count = 0;
    memset(self->status.profiles, 0, sizeof self->status.profiles);
    for (size_t i = 0; i < ITEMS_MAX; i++) {
        tbk_scheduler_job *item = &self->items[self->item_count];
        *item = (tbk_scheduler_job){.since_s = now_s};
        if (texts[i] == NULL || !tbk_schedule_parse(texts[i], &item->schedule, &ignored))
            continue;
        self->profiles[self->item_count] = i == 0 ? config->profile : TBK_PROFILE_FULL;
        expect_runs(self, self->item_count++, now_s);
    }
}

static bool read_config(serve *self, tbk_arena *arena, tbk_engine_config *out, tbk_error *err)
{
    if (!engine_config_load(arena, self->args->config, out, err))
        return false;
    return out->mode == TBK_MODE_SIDECAR ||
           tbk_fail(err, TBK_E_CONFIG, "run 'torrust-backup configure ENVIRONMENT --mode sidecar'",
                    "'%s' is not for the sidecar: its mode is %s", self->args->config,
                    tbk_mode_name(out->mode));
}

/* The file may have been replaced. A new schedule begins now: what it would have asked for before
 * was not missed. */
static bool refresh_config(serve *self, int64_t now_s, tbk_error *err)
{
    tbk_arena *arena = tbk_arena_new();
    tbk_engine_config config;
    self->has_config = read_config(self, arena, &config, err);
    if (!self->has_config) {
        tbk_arena_free(arena);
        return false;
    }
    bool is_same = self->arena != NULL && config.profile == self->config.profile &&
                   same_text(config.schedule, self->config.schedule) &&
                   same_text(config.full_schedule, self->config.full_schedule);
    tbk_arena_free(self->arena);
    self->arena = arena;
    self->config = config;
    if (!is_same)
        set_scheduler(self, now_s);
    return true;
}

/* That it could not be looked at says nothing: the run will tell. */
static bool has_database(const serve *self)
{
    struct stat status;
    if (stat(tbk_engine_config_owned_file(&self->config), &status) != 0)
        return errno != ENOENT && errno != ENOTDIR;
    return status.st_size > 0;
}

/* "Not yet" is for the time before the first backup only. */
static bool had_database(const serve *self)
{
    const tbk_run_facts *last = &self->status.last;
    return last->success_s != 0 || last->proof_s != 0;
}

static int64_t attempt_of(const serve *self, size_t item)
{
    return self->profiles[item] == TBK_PROFILE_ESSENTIAL ? self->status.last.essential_attempt_s
                                                         : self->status.last.full_attempt_s;
}

/* At the start, what was missed since the record's last attempt is due, and before there was one,
 * what was missed since the schedule is known: the first run may have died with the machine. */
static void reconcile_schedule(serve *self, bool is_start, int64_t now_s)
{
    for (size_t i = 0; i < self->item_count; i++) {
        int64_t attempt_s = attempt_of(self, i);
        int64_t known_s = attempt_s != 0 ? attempt_s : config_time_s(self);
        if (is_start && known_s != 0 && known_s < now_s)
            self->items[i].since_s = known_s;
        if (self->status.state == TBK_SERVE_NO_DATABASE)
            self->items[i].since_s = now_s;
        tbk_scheduler_reconcile(&self->items[i], attempt_s, now_s);
    }
}

static void set_problem(serve *self, const char *message)
{
    bool is_new = strncmp(self->status.problem, message, sizeof self->status.problem - 1) != 0;
    (void)snprintf(self->status.problem, sizeof self->status.problem, "%.*s",
                   (int)sizeof self->status.problem - 1, message);
    if (is_new && message[0] != '\0')
        tbk_report_log(&self->report, TBK_LOG_ERROR, "serve", "%s", message);
}

static void set_state(serve *self)
{
    tbk_serve_state before = self->status.state;
    self->status.state = self->run != 0       ? TBK_SERVE_RUNNING
                         : !self->has_config  ? TBK_SERVE_NO_CONFIG
                         : has_database(self) ? TBK_SERVE_WAITING
                         : had_database(self) ? TBK_SERVE_DATABASE_GONE
                                              : TBK_SERVE_NO_DATABASE;
    if (self->status.state == TBK_SERVE_DATABASE_GONE && before != TBK_SERVE_DATABASE_GONE &&
        before != TBK_SERVE_RUNNING)
        tbk_report_log(&self->report, TBK_LOG_ERROR, "serve", "the database '%s' is gone",
                       tbk_engine_config_owned_file(&self->config));
    if (self->status.state == TBK_SERVE_NO_DATABASE && before != TBK_SERVE_NO_DATABASE)
        tbk_report_log(&self->report, TBK_LOG_INFO, "serve", "there is no database yet at '%s'",
                       tbk_engine_config_owned_file(&self->config));
}

/* --- runs --- */

static void start_run(serve *self, size_t item, int64_t due_s, int64_t now_s)
{
    const char *const argv[] = {"torrust-backup-engine",
                                "backup",
                                "--config",
                                self->args->config,
                                "--profile",
                                tbk_profile_name(self->profiles[item]),
                                "--log",
                                "json",
                                NULL};
    pid_t child = fork();
    if (child == 0) {
        allow_signals(self);
        (void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (child < 0) { /* no memory for it now; in a minute perhaps */
        self->items[item].again_s = now_s + TBK_AGENDA_AGAIN_S;
        return;
    }
    self->run = child;
    self->run_started_s = now_s;
    self->run_item = item;
    if (now_s - due_s > TBK_AGENDA_AGAIN_S)
        tbk_report_log(&self->report, TBK_LOG_INFO, "serve",
                       "a run that was missed is made up for");
}

/* One that failed before it could leave a record (the store is gone) is known here only. */
static void note_failure(serve *self, int exit_status, int64_t now_s)
{
    tbk_profile which = self->profiles[self->run_item];
    tbk_run_facts facts;
    tbk_run_facts_read(self->config.store, self->config.environment, &facts);
    bool is_recorded = facts.profiles[which].finished_s >= self->run_started_s;
    bool is_failure = exit_status != 0 && exit_status != tbk_error_exit_status(TBK_E_INTERRUPTED) &&
                      exit_status != tbk_error_exit_status(TBK_E_LOCKED);
    self->status.profiles[which].failed_s = is_failure && !is_recorded ? now_s : 0;
    self->status.profiles[which].failed_status = exit_status;
}

static void note_run(serve *self, int wait_status, int64_t now_s)
{
    int exit_status =
        WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    self->run = 0;
    tbk_scheduler_note(&self->items[self->run_item], exit_status, now_s);
    note_failure(self, exit_status, now_s);
    if (exit_status == 0)
        self->status.good++;
    else
        self->status.failed++;
    tbk_report_log(&self->report, exit_status == 0 ? TBK_LOG_INFO : TBK_LOG_ERROR, "serve",
                   "the run ended with exit status %d", exit_status);
}

/* Number 1 of a container also gets processes that others have left. */
static void reap(serve *self)
{
    int status;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (ended == self->run)
            note_run(self, status, tbk_clock_now_s());
        else if (ended == self->web)
            self->web = 0;
    }
}

/* The run has become the store's owner meanwhile, and this process may not signal others.
 */
static void signal_run(const serve *self, int number)
{
    (void)kill(self->run, number);
    if (geteuid() != 0)
        return;
    pid_t helper = fork();
    if (helper == 0) {
        tbk_error ignored;
        if (engine_privileges_become_owner(self->config.store, true, &ignored))
            (void)kill(self->run, number);
        _exit(0);
    }
    if (helper > 0)
        (void)waitpid(helper, NULL, 0);
}

/* --- the loop --- */

/* Returns the number of a signal; 0 when the time was over. */
static int wait_for_signal(const serve *self, int64_t limit_ms)
{
    const struct timespec limit = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1000000};
    int number = sigtimedwait(&self->signals, NULL, &limit);
    return number > 0 ? number : 0;
}

/* A run without the database fails, and leaves a record of that. */
static bool may_run(const serve *self)
{
    return self->status.state == TBK_SERVE_WAITING || self->status.state == TBK_SERVE_DATABASE_GONE;
}

static int64_t wake_up(serve *self, bool is_start)
{
    tbk_error err = {.code = TBK_E_OK};
    int64_t due_s = 0, now_s = tbk_clock_now_s();
    reap(self);
    set_problem(self, refresh_config(self, now_s, &err) ? "" : err.message);
    tbk_run_facts_read(self->config.store, self->config.environment, &self->status.last);
    set_state(self);
    reconcile_schedule(self, is_start, now_s);
    size_t item = tbk_scheduler_first(self->items, self->item_count, &due_s);
    if (may_run(self) && due_s <= now_s)
        start_run(self, item, due_s, now_s);
    start_web(self, now_s);
    self->status.next_due_s = due_s;
    set_state(self);
    publish(self);
    int64_t left_s = due_s - now_s;
    if (self->web == 0)
        return 1;
    if (!may_run(self) || left_s > SLEEP_MAX_S)
        return SLEEP_MAX_S;
    return left_s > 0 ? left_s : 1;
}

static void stop(serve *self)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + STOP_WAIT_MS;
    tbk_report_log(&self->report, TBK_LOG_INFO, "serve", "asked to stop%s",
                   self->run != 0 ? "; the run is abandoned" : "");
    if (self->run != 0)
        signal_run(self, SIGTERM);
    for (int64_t left_ms; self->run != 0; reap(self)) {
        left_ms = end_ms - tbk_clock_monotonic_ms();
        if (left_ms <= 0)
            break;
        (void)wait_for_signal(self, left_ms);
    }
    if (self->run != 0)
        signal_run(self, SIGKILL);
}

static bool prepare(serve *self, tbk_error *err)
{
    uint16_t port = 0;
    int64_t now_s = tbk_clock_now_s();
    static const int awaited[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    (void)sigemptyset(&self->signals);
    for (size_t i = 0; i < sizeof awaited / sizeof *awaited; i++)
        (void)sigaddset(&self->signals, awaited[i]);
    (void)sigprocmask(SIG_BLOCK, &self->signals, NULL);
    if (!refresh_config(self, now_s, err) ||
        !tbk_http_listen((uint16_t)self->args->port, &self->listen_fd, &port, err))
        return false;
    self->board =
        mmap(NULL, sizeof *self->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self->board == MAP_FAILED)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot share memory");
    self->status.started_s = now_s;
    tbk_report_log(&self->report, TBK_LOG_INFO, "serve",
                   "scheduled at '%s' UTC%s%s%s; health and metrics on port %u",
                   self->config.schedule, self->config.full_schedule != NULL ? ", full at '" : "",
                   self->config.full_schedule != NULL ? self->config.full_schedule : "",
                   self->config.full_schedule != NULL ? "'" : "", (unsigned)port);
    return true;
}

bool engine_command_serve(const engine_args *args, engine_output *output, tbk_error *err)
{
    serve self = {.args = args, .report = engine_output_report(output), .listen_fd = -1};
    bool ok = prepare(&self, err);
    for (bool is_start = true; ok; is_start = false) {
        int number = wait_for_signal(&self, wake_up(&self, is_start) * 1000);
        if (number != SIGTERM && number != SIGINT)
            continue;
        stop(&self);
        break;
    }
    if (self.listen_fd >= 0)
        (void)close(self.listen_fd);
    tbk_arena_free(self.arena);
    return ok;
}

bool engine_command_health(const engine_args *args, bool *out_ok, tbk_error *err)
{
    tbk_auto_text body = {0};
    int status = 0;
    bool metrics = args->show != NULL && strcmp(args->show, "metrics") == 0;
    if (!tbk_http_get((uint16_t)args->port, metrics ? "/metrics" : "/health", HEALTH_TIMEOUT_MS,
                      &status, &body, err)) {
        err->code = TBK_E_FAILED;
        return false;
    }
    /* The answer may be another program's. */
    tbk_auto_text visible = {0};
    tbk_text_append_visible(&visible, tbk_text_string(&body), true);
    (void)fputs(tbk_text_string(&visible), stdout);
    *out_ok = status == 200;
    return true;
}
