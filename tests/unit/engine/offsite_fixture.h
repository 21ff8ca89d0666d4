/* SPDX-License-Identifier: MIT */
/* What tests of off-site work share: real sets in a real store, a repository that is played by a
 * folder, and a clock that the test sets. */
#ifndef TBK_TESTS_UNIT_OFFSITE_FIXTURE_H
#define TBK_TESTS_UNIT_OFFSITE_FIXTURE_H

#include "unit/engine/backup_fixture.h"

#include "engine/offsite.h"
#include "engine/offsite_state.h"
#include "fakes/fake_repository.h"

#include <sys/stat.h>

#define NAME "tracker"
#define HOST "container-1"

typedef struct offsite {
    char folder[64];
    tbk_arena *arena;
    tbk_engine_config config;
    fake_repository repository;
    tbk_repository port;
    const char *home; /* where its state is */
    int64_t now_s;
    int64_t ahead_s; /* the wall clock, of the time that has passed */
    int64_t up_since_s;
    tbk_text log;
    tbk_report report;
    tbk_offsite_state state; /* as read last */
    tbk_value *drilled;      /* what the last drill told */
    tbk_error err;
} offsite;

static inline void keep_log(void *self, tbk_log_level level, const char *phase, const char *message)
{
    (void)level;
    tbk_text_format(&((offsite *)self)->log, "%s: %s\n", phase, message);
}

static inline int set_up_offsite(void **state)
{
    offsite *self = calloc(1, sizeof *self);
    make_scratch(self->folder);
    self->arena = tbk_arena_new();
    self->now_s = START_S;
    self->up_since_s = START_S - 5000;
    self->home = tbk_arena_format(self->arena, "%s/home", self->folder);
    const char *database = tbk_arena_format(self->arena, "%s/t.db", self->folder);
    make_torrents(database, 300, "1");
    self->config = sqlite_config(database, tbk_arena_format(self->arena, "%s/store", self->folder));
    self->config.environment = "demo";
    self->config.keep_days = 60;
    self->config.offsite = (tbk_offsite_settings){.repository = "rest:https://host.example/",
                                                  .name = NAME,
                                                  .keep_last = 3,
                                                  .keep_daily = 7,
                                                  .keep_weekly = 4,
                                                  .keep_monthly = 12,
                                                  .check_every_days = 7,
                                                  .check_parts = 4,
                                                  .drill_every_days = 30};
    (void)snprintf(self->repository.folder, sizeof self->repository.folder, "%s/repository",
                   self->folder);
    self->repository.host = HOST;
    self->port = fake_repository_port(&self->repository);
    self->report = (tbk_report){.self = self, .log = keep_log};
    *state = self;
    return mkdir(self->home, 0700);
}

static inline int tear_down_offsite(void **state)
{
    offsite *self = *state;
    bool removed = remove_scratch(self->folder);
    tbk_arena_free(self->arena);
    tbk_text_end(&self->log);
    free(self);
    return removed ? 0 : -1;
}

static inline tbk_offsite_request request_of(offsite *self)
{
    self->repository.now_s = self->now_s;
    return (tbk_offsite_request){.config = &self->config,
                                 .repository = &self->port,
                                 .folder = self->home,
                                 .host = HOST,
                                 .now_s = self->now_s,
                                 .uptime_s = self->now_s - self->ahead_s - self->up_since_s,
                                 .report = &self->report};
}

/* One of the engine's functions, at the fixture's time; what it calls and logs is kept anew. */
static inline bool run(offsite *self,
                       bool (*action)(tbk_arena *, const tbk_offsite_request *, tbk_error *))
{
    const tbk_offsite_request request = request_of(self);
    self->repository.calls[0] = '\0';
    tbk_text_clear(&self->log);
    return action(self->arena, &request, &self->err);
}

static inline bool drill_now(offsite *self)
{
    const tbk_offsite_request request = request_of(self);
    self->repository.calls[0] = '\0';
    tbk_text_clear(&self->log);
    self->drilled = NULL;
    return tbk_offsite_drill(self->arena, &request, &self->drilled, &self->err);
}

static inline bool sync_now(offsite *self) { return run(self, tbk_offsite_sync); }

/* A set of now. */
static inline const char *make_set(offsite *self)
{
    tbk_backup_result result;
    const tbk_backup_request request = {
        .config = &self->config, .run_id = "run", .create_store = true, .now_s = self->now_s};
    assert_succeeds(tbk_backup_run(self->arena, &request, NULL, &result, &self->err), self->err);
    return result.id;
}

static inline const tbk_offsite_state *state_of(offsite *self)
{
    assert_succeeds(tbk_offsite_state_read(self->arena, self->home, &self->state, &self->err),
                    self->err);
    return &self->state;
}

/* A repository that is there, and one set in the store. */
static inline const char *begin_with_a_set(offsite *self)
{
    const char *id = make_set(self);
    assert_succeeds(run(self, tbk_offsite_init), self->err);
    return id;
}

/* Keeps the newest only. */
static inline void keep_one(offsite *self)
{
    tbk_offsite_settings *mine = &self->config.offsite;
    mine->keep_last = 1;
    mine->keep_daily = mine->keep_weekly = mine->keep_monthly = 0;
}

/* NULL: there is no such one. number: of those of the name, the newest being 0. */
static inline const tbk_snapshot *snapshot_at(offsite *self, const char *name, size_t number)
{
    tbk_snapshot *all = NULL;
    fake_repository quiet = self->repository;
    const char *gap = NULL;
    quiet.is_unreachable = quiet.refuses_password = false;
    quiet.hidden = NULL;
    tbk_repository port = fake_repository_port(&quiet);
    assert_succeeds(port.list(port.self, self->arena, &all, &gap, &self->err), self->err);
    for (const tbk_snapshot *at = all; at != NULL; at = at->next)
        if (strcmp(at->name, name) == 0 && number-- == 0)
            return at;
    return NULL;
}

/* The sets that are there under the name, the newest first: "20260216T175643Z ". */
static inline const char *sets_there(offsite *self)
{
    const char *text = "";
    const tbk_snapshot *at;
    for (size_t i = 0; (at = snapshot_at(self, NAME, i)) != NULL; i++)
        text = tbk_arena_format(self->arena, "%s%s ", text, at->set);
    return text;
}

static inline void flip_byte(const char *path, off_t at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (unsigned char)(byte ^ 1);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

/* One bit of the database of a snapshot; its size stays. */
static inline void damage(offsite *self, const tbk_snapshot *snapshot)
{
    char path[512];
    fake_repository_path(&self->repository, snapshot, TBK_SET_DATABASE_FILE, path);
    flip_byte(path, 30);
}

static inline bool called(const offsite *self, const char *call)
{
    return strstr(self->repository.calls, call) != NULL;
}

/* All that is there of a folder: names, kinds, sizes, times of change, modes. */
static inline char *listing_of(offsite *self, const char *folder)
{
    const char *command = tbk_arena_format(
        self->arena, "find '%s' -printf '%%p %%y %%s %%T@ %%C@ %%m %%i\n' | sort", folder);
    tbk_auto_text text = {0};
    char piece[4096];
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    for (size_t got; (got = fread(piece, 1, sizeof piece, pipe)) > 0;)
        tbk_text_append_bytes(&text, piece, got);
    assert_int_equal(pclose(pipe), 0);
    return tbk_arena_copy(self->arena, tbk_text_string(&text));
}

#endif
