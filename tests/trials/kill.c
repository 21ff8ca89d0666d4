/* SPDX-License-Identifier: MIT */
/* A backup that is killed at any moment: what it may leave, and what the next run makes of it. */
#include "trials/kill.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "database/sqlite/sqlite_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define FIRST_TRANSACTIONS 20
#define FURTHER_TRANSACTIONS 20
#define ENGINE_LIMIT_MS 30000
#define POLL_US 500
#define ANSWER_BYTES_MOST (1u << 20)
#define STATUS_NO_STORE 10

typedef struct site {
    scene of;
    const char *folder;
    const char *engine;
    char store[PATH_MAX];
    char answer[PATH_MAX]; /* what the engine wrote last */
} site;

/* --- the engine --- */

/* "<engine> VERB --store STORE OPTION VALUE --quiet", its output going to the answer. */
static pid_t start_engine(const site *self, const char *verb, const char *option, const char *value)
{
    pid_t parent = getpid();
    pid_t child = fork();
    if (child != 0)
        return child;
    int fd = open(self->answer, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && dup2(fd, 1) == 1 &&
        dup2(fd, 2) == 2)
        (void)execl(self->engine, self->engine, verb, "--store", self->store, option, value,
                    "--quiet", (char *)NULL);
    _exit(127);
}

static pid_t start_backup(const site *self)
{
    return start_engine(self, "backup", "--sqlite", self->of.database);
}

/* Waits for its end; kills it when that does not come. */
static int await_exit(pid_t process)
{
    int status = 0;
    for (int64_t limit_ms = tbk_clock_monotonic_ms() + ENGINE_LIMIT_MS;
         waitpid(process, &status, WNOHANG) == 0; load_sleep_us(POLL_US))
        if (tbk_clock_monotonic_ms() > limit_ms)
            (void)kill(process, SIGKILL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool read_answer(const site *self, tbk_arena *arena, char **out, size_t *out_length,
                        tbk_error *err)
{
    return tbk_file_read(arena, self->answer, ANSWER_BYTES_MOST, out, out_length, err);
}

static bool succeeded(const site *self, const char *verb, int status, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    char *said;
    size_t length;
    if (status == 0)
        return true;
    if (!read_answer(self, arena, &said, &length, err))
        return false;
    return tbk_fail(err, TBK_E_CORRUPT, NULL, "'%s' ended with %d: %s", verb, status, said);
}

/* --- what the store shows --- */

/* Fails unless every set that is listed is whole; *out_count is how many. */
static bool lists_only_whole_sets(const site *self, size_t *out_count, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *list, *sets;
    char *answer;
    size_t length;
    *out_count = 0;
    int status = await_exit(start_engine(self, "list", "--output", "json"));
    if (status == STATUS_NO_STORE)
        return true;
    if (!succeeded(self, "list", status, err) || !read_answer(self, arena, &answer, &length, err) ||
        !tbk_json_parse(arena, answer, length, "list", &list, err) ||
        !tbk_value_require_list(list, "sets", &sets, err))
        return false;
    for (const tbk_member *set = sets->first; set != NULL; set = set->next)
        if (tbk_value_find(set->value, "damage") != NULL)
            return tbk_fail(err, TBK_E_CORRUPT, NULL, "a damaged set is listed");
    *out_count = sets->count;
    return *out_count == 0 ||
           succeeded(self, "check", await_exit(start_engine(self, "check", "--output", "json")),
                     err);
}

static bool has_nothing_hidden(const site *self, tbk_error *err)
{
    tbk_auto(DIR) *store = opendir(self->store);
    if (store == NULL)
        return tbk_fail_errno(err, TBK_E_CORRUPT, errno, NULL, "there is no store");
    for (const struct dirent *entry; (entry = readdir(store)) != NULL;) {
        const char *name = entry->d_name;
        if (name[0] == '.' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            strcmp(name, ".state") != 0)
            return tbk_fail(err, TBK_E_CORRUPT, NULL, "'%s' was left in the store", name);
    }
    return true;
}

/* --- what the database shows --- */

/* The load is still, with its connections open: only the engine's locks could be left. */
static bool has_no_lock(const site *self, tbk_error *err)
{
    tbk_auto(sqlite3) *db = NULL;
    int64_t busy;
    if (!tbk_sqlite_open(self->of.database, SQLITE_OPEN_READWRITE, &db, err) ||
        !tbk_sqlite_exec(db, "BEGIN IMMEDIATE; ROLLBACK", err) ||
        !tbk_sqlite_integer(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, err))
        return tbk_error_context(err, "a lock stayed");
    return busy == 0 || tbk_fail(err, TBK_E_CORRUPT, NULL, "a lock keeps the log from being cut");
}

static bool database_is_right(const site *self, load *running, tbk_error *err)
{
    return load_await(running, FURTHER_TRANSACTIONS, err) && load_make_still(running, err) &&
           has_no_lock(self, err) && load_stop(running, err) &&
           scene_verify(&self->of, load_committed(running), err);
}

/* --- trials --- */

static bool set_site(const stage *on, const char *engine, uint64_t number, site *out,
                     tbk_error *err)
{
    out->folder = on->folder;
    out->engine = engine;
    (void)snprintf(out->store, sizeof out->store, "%s/store", on->folder);
    (void)snprintf(out->answer, sizeof out->answer, "%s/answer", on->folder);
    return tbk_directory_remove_at(AT_FDCWD, out->store, err) &&
           scene_set(on, number, true, true, &out->of, err);
}

static bool start_load(const site *self, load **out, tbk_error *err)
{
    return load_start(&self->of.load, out, err) && load_await(*out, FIRST_TRANSACTIONS, err);
}

/* An undisturbed run: succeeds, and nothing is left of an earlier one. */
static bool next_run_is_right(const site *self, size_t sets_before, tbk_error *err)
{
    tbk_auto(load) *running = NULL;
    size_t sets;
    if (!start_load(self, &running, err) ||
        !succeeded(self, "backup", await_exit(start_backup(self)), err) ||
        !load_stop(running, err) || !scene_verify(&self->of, load_committed(running), err) ||
        !has_nothing_hidden(self, err) || !lists_only_whole_sets(self, &sets, err))
        return tbk_error_context(err, "the next run");
    return sets == sets_before + 1 ||
           tbk_fail(err, TBK_E_CORRUPT, NULL, "the next run made %zu sets of %zu", sets,
                    sets_before);
}

bool kill_measure(const stage *on, const char *engine, int64_t *out_ms, tbk_error *err)
{
    site self;
    tbk_auto(load) *running = NULL;
    if (!set_site(on, engine, 0, &self, err) || !start_load(&self, &running, err))
        return false;
    int64_t started_ms = tbk_clock_monotonic_ms();
    if (!succeeded(&self, "backup", await_exit(start_backup(&self)), err))
        return false;
    *out_ms = tbk_clock_monotonic_ms() - started_ms;
    return load_stop(running, err);
}

static bool kill_backup(const site *self, int64_t after_us, bool *out_midway, tbk_error *err)
{
    pid_t process = start_backup(self);
    if (process < 0)
        return tbk_fail_errno(err, TBK_E_FAILED, errno, NULL, "cannot start a process");
    load_sleep_us(after_us);
    (void)kill(process, SIGKILL);
    int status = await_exit(process);
    *out_midway = status == 128 + SIGKILL;
    return *out_midway || succeeded(self, "backup", status, err);
}

static bool play(const site *self, int64_t after_us, bool *out_midway, tbk_error *err)
{
    tbk_auto(load) *running = NULL;
    size_t sets;
    return start_load(self, &running, err) && kill_backup(self, after_us, out_midway, err) &&
           database_is_right(self, running, err) && lists_only_whole_sets(self, &sets, err) &&
           next_run_is_right(self, sets, err);
}

void kill_run(const stage *on, const char *engine, int64_t typical_ms, uint64_t number,
              bool *out_midway, outcome *out)
{
    site self;
    uint64_t random = history_mix(on->seed ^ number, 7);
    int64_t after_us = (int64_t)(random % ((uint64_t)typical_ms * 1000 + 1));
    *out = (outcome){.verdict = RIGHT, .kind = "killed", .tries = 1};
    if (!set_site(on, engine, number, &self, &out->why) ||
        !play(&self, after_us, out_midway, &out->why))
        out->verdict = WRONG;
}
