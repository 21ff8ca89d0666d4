/* SPDX-License-Identifier: MIT */
/*
 * A kind of database, as backups, proofs and restores see it.
 *
 * One table of functions each: database/sqlite/sqlite_database.c, database/mysql/mysql_database.c.
 * Whatever is to be a third one passes tests/contract/database_test.c.
 */
#ifndef TBK_DATABASE_DATABASE_H
#define TBK_DATABASE_DATABASE_H

#include "database/forecast.h"
#include "domain/engine_config.h"
#include "domain/manifest.h"
#include "domain/origin.h"
#include "domain/table_rows.h"
#include "ports/hold.h"
#include "ports/report.h"
#include "ports/scratch_server.h"
#include "ports/source.h"

/* Of the database as it is now. */
typedef struct tbk_database_view {
    uint64_t size_bytes;           /* with its journal or log; MySQL's as the server estimates it */
    tbk_journal_mode journal_mode; /* SQLite */
    const char *words;             /* for people: which database, how large, how it works */
} tbk_database_view;

typedef struct tbk_capture_request {
    const char *scratch; /* a folder in the store, for copies */
    tbk_method method;
    bool holds_nothing;            /* only ways that hold and lock nothing */
    const tbk_hold *hold;          /* NULL: the tracker cannot be held */
    tbk_journal_mode journal_mode; /* changed to this one inside a stop, after the copy */
    const tbk_rules *rules;        /* the rows that are kept; NULL: all */
    const tbk_report *report;      /* keeps to the rate limit */
    const tbk_report *prompt;      /* the same without one, for what must not take long */
    void *self;                    /* of those below */
    /* Stores a stream whole; is called anew when a try did not hold. */
    bool (*store)(void *self, const tbk_source *source, const char *phase, const tbk_report *report,
                  tbk_error *err);
    /* Asked before a copy that needs the room of the whole database. */
    bool (*has_space)(void *self, tbk_error *err);
    void (*phase_ended)(void *self, const char *name, int64_t started_ms);
} tbk_capture_request;

/* What was captured; text in the arena. */
typedef struct tbk_capture {
    tbk_capture_method method;
    const char *reason; /* why not the ways before; may be "" */
    tbk_sqlite_facts sqlite;
    tbk_mysql_facts mysql;
    const tbk_selected_table *selection; /* with rules: of every table */
    size_t selection_count;
    bool tracker_was_stopped;
    int64_t held_ms; /* from the request until the answer to the release, of all holds; 0 without */
    tbk_error release; /* code TBK_E_OK, or why the tracker did not come back after a good copy */
    tbk_error change;  /* the same of the journal mode */
} tbk_capture;

/* A stored database, unpacked: a file where the kind wants one, else a source. */
typedef struct tbk_unpacked {
    const char *path;
    const tbk_source *source;
} tbk_unpacked;

typedef struct tbk_restored_check {
    const tbk_table_rows *tables; /* in the arena, by name */
    size_t table_count;
    const char *wrong; /* how it is not what the manifest says; NULL: it is */
} tbk_restored_check;

/* A database that a restore has replaced. */
typedef struct tbk_previous_database {
    const char *name;    /* a path, or a schema */
    uint64_t size_bytes; /* with its journal or log; MySQL's as the server estimates it */
} tbk_previous_database;

typedef struct tbk_database {
    void *self;
    tbk_driver driver;
    /* Where the kind wants an unpacked file: its name in a scratch folder. NULL: it reads a source.
     */
    const char *unpacked_name;

    /* Before anything is held: whether it is there, can be read, and the rules (may be NULL) fit.
     */
    bool (*inspect)(void *self, tbk_arena *arena, const tbk_rules *rules, tbk_database_view *out,
                    tbk_error *err);
    /* What capture would do; locks and holds nothing. Errors: as inspect; TBK_E_INTERRUPTED. */
    bool (*forecast)(void *self, tbk_arena *arena, const tbk_forecast_request *request,
                     tbk_forecast *out, tbk_error *err);
    /*
     * Copies one committed state, and has it stored.
     * Shape:  out is filled on failure too, as far as it went.
     * Errors: those of the copy and of `store`; TBK_E_TRACKER_DOWN when copy and release both
     *         failed. When only the release, or the change of the journal mode, failed, the copy is
     *         good: true, with out->release or out->change filled.
     */
    bool (*capture)(void *self, tbk_arena *arena, const tbk_capture_request *request,
                    tbk_capture *out, tbk_error *err);
    /* Whether check_restored can be carried out here; why tells what is missing. */
    bool (*can_restore)(void *self, tbk_error *why);
    /* Restores to scratch and compares with the manifest; then cleans up. Fails only when
     * that could not be carried out, or with TBK_E_CORRUPT. */
    bool (*check_restored)(void *self, tbk_arena *arena, const tbk_unpacked *unpacked,
                           const tbk_manifest *manifest, const tbk_report *report,
                           tbk_restored_check *out, tbk_error *err);

    /* Where an unpacked file is to lie so that it can take the database's place; NULL where
     * unpacked_name is. Nothing that matters is there. */
    const char *(*staging_path)(void *self, tbk_arena *arena);
    /* As check_restored, and what was restored stays, beside the real one. */
    bool (*restore_to_staging)(void *self, tbk_arena *arena, const tbk_unpacked *unpacked,
                               const tbk_manifest *manifest, const tbk_report *report,
                               tbk_restored_check *out, tbk_error *err);
    /* Puts it in the real one's place, which is kept; no other session may use either meanwhile.
     * *out_previous says where, for people. On failure all is as it was, or err says where what is.
     */
    bool (*swap)(void *self, tbk_arena *arena, int64_t now_s, const tbk_report *report,
                 const char **out_previous, tbk_error *err);
    /* Undoes a swap of before, in the same process. */
    bool (*swap_back)(void *self, tbk_arena *arena, const tbk_report *report, tbk_error *err);
    /* Removes what restore_to_staging made and no swap took. */
    void (*discard)(void *self, const tbk_report *report);
    /* What swaps have kept; only looks. */
    bool (*list_previous)(void *self, tbk_arena *arena, const tbk_previous_database **out,
                          size_t *out_count, tbk_error *err);
    /* Removes what swaps have kept; names end with NULL. */
    bool (*purge_previous)(void *self, tbk_arena *arena, const char *const **out, tbk_error *err);
} tbk_database;

/* The one that the configuration names. Credentials are read now, from the tracker's own .env.
 * scratch_server is for check_restored where the tracker's server cannot be used for it; may be
 * NULL. */
bool tbk_database_open(tbk_arena *arena, const tbk_engine_config *config,
                       const tbk_scratch_server *scratch_server, const tbk_report *report,
                       tbk_database *out, tbk_error *err) TBK_MUST_CHECK;

/* Which database of which environment the configuration means; its location is NULL where MySQL's
 * .env, which has it, cannot be read. */
tbk_origin tbk_database_origin(tbk_arena *arena, const tbk_engine_config *config);

/* SQLite; path may be NULL where only check_restored is wanted. */
tbk_database tbk_database_sqlite(tbk_arena *arena, const char *path);

#endif
